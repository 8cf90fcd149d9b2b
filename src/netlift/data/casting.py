"""Casting of source columns to the types of the contract.

Flags are true or false, 1 or 0, and as text also yes or no, in any case. Numbers that are text have a point or, where
the config says so, a comma before their fraction. Moments are read by `netlift.data.instants`. What cannot be read is
counted and refused by column, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from netlift.config.business import TableSource
from netlift.data.contract import ContractColumn
from netlift.data.engines.errors import reading
from netlift.data.engines.files import tell_type
from netlift.data.instants import read_instants, strange_endings
from netlift.data.zone import EARLIEST, LATEST, to_local, to_utc

if TYPE_CHECKING:
    import ibis.expr.types as ir

DTYPES = {
    "id": "string",
    "instant": "timestamp(6)",
    "date": "date",
    "money": "float64",
    "number": "float64",
    "flag": "boolean",
    "text": "string",
}
ZONED = "timestamp('UTC', 6)"
YES, NO = ("true", "1", "yes", "1.0"), ("false", "0", "no", "0.0")
NEEDED = {
    "id": "text or whole numbers, so that no digit is lost",
    "flag": "true and false, 1 and 0, or yes and no",
}
OTHER_DAYS = r"^\s*(\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4}\.\d{1,2}\.\d{1,2})\b"
COMMA = r"^\s*[+\-]?\d[\d\s  ]*,\d+\s*$"


@dataclass(frozen=True, kw_only=True)
class Casting:
    """How the values of one table are read.

    Attributes:
        zone: The business's zone.
        own_zone: Of moments that name none.
        decimal: What stands before the fraction of numbers that are text.
        date_format: How days that are text are written; None for ISO 8601.
    """

    zone: ZoneInfo
    own_zone: ZoneInfo | None = None
    decimal: str = "."
    date_format: str | None = None

    @classmethod
    def of(cls, source: TableSource | None, zone: ZoneInfo) -> Casting:
        """The casting that a table's source asks for."""
        if source is None:
            return cls(zone=zone)
        own = ZoneInfo(source.zone) if source.zone else None
        return cls(zone=zone, own_zone=own, decimal=source.decimal, date_format=source.date_format)

    def cast(self, column: ContractColumn, value: Any) -> Any:
        """A source column in the contract's type; null where a value is missing or cannot be read."""
        if "TIMESTAMPTZ_NS" in str(value.type()):
            value = value.cast(ZONED)
        dtype, needed = value.type(), DTYPES[column.type]
        own_zone = self.own_zone if column.type == "instant" else None
        if dtype.is_string() and column.type in ("instant", "date"):
            return read_instants(value, self.zone, own_zone=own_zone, date_format=self.date_format).cast(needed)
        if column.type == "flag" and not dtype.is_boolean() and (dtype.is_string() or dtype.is_numeric()):
            return _flag(value)
        if column.type == "id" and dtype.is_decimal() and dtype.scale:
            whole = value.cast("decimal(38, 0)")
            return (whole.cast(dtype) == value).ifelse(whole, None).cast(needed)
        if dtype.is_string() and needed != "string":
            return self._number(value).try_cast(needed)
        if dtype.is_timestamp():
            if not dtype.timezone and own_zone is not None:
                value = to_utc(value, own_zone).cast(ZONED)
            if value.type().timezone:
                value = to_local(value, self.zone)
            return value.date() if column.type == "date" else value.cast(needed)
        return value.cast(needed)

    def count_numbers(self, text: Any) -> tuple[Any, Any]:
        """How many values of a column of text are written, and how many of them are numbers."""
        return _is_written(text).sum(), self._number(text).try_cast("float64").notnull().sum()

    def _number(self, text: Any) -> Any:
        """A number that is text, with a point before its fraction."""
        import ibis

        text = text.nullif("")
        if self.decimal == ".":
            return text
        plain = text.re_replace(r"[\s  ]", "").replace(",", ".")
        return ibis.ifelse(text.contains("."), None, plain)


def refusals(table: str, column: ContractColumn, value: Any) -> list[str]:
    """Why a source column cannot hold what the contract asks; empty when it can."""
    dtype = value.type()
    holds_nothing = 'kind="NULL"' in str(dtype)
    zoned_nanoseconds = "TIMESTAMPTZ_NS" in str(dtype)
    is_moment = dtype.is_timestamp() or dtype.is_date() or dtype.is_string() or zoned_nanoseconds
    is_number = dtype.is_numeric() and not dtype.is_boolean()
    allowed = {
        "id": dtype.is_string()
        or dtype.is_integer()
        or dtype.is_decimal()
        or dtype.is_uuid()
        or "INT128" in str(dtype),
        "text": not dtype.is_nested(),
        "instant": is_moment,
        "date": is_moment,
        "money": is_number or dtype.is_string(),
        "number": is_number or dtype.is_string(),
        "flag": dtype.is_boolean() or is_number or dtype.is_string(),
    }[column.type]
    if allowed or holds_nothing:
        return []
    needed = NEEDED.get(column.type, f"a {column.type}")
    return [f"{table}.{column.name}: is {tell_type(dtype)}, needs {needed}; cast it in the source"]


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Values of one column that are not read.

    Attributes:
        table: The table.
        column: The column.
        count: How many.
        words: What they are, what is needed, and the setting that would help.
        bad: Which of them, over the rows of the table that they were counted in.
    """

    table: str
    column: str
    count: int
    words: str
    bad: Any

    def __str__(self) -> str:
        return f"{self.table}.{self.column}: {self.count:,} values {self.words}"


def unread_values(table: str, source: ir.Table, cast: Mapping[ContractColumn, Any]) -> list[Unread]:
    """Values that do not read as the contract's type, counted per column, with the setting that would help.

    Args:
        table: Name of the table.
        source: The table as its source has it.
        cast: Its columns, each as the contract has it.
    """
    tried = [c for c in cast if _may_fail(c, source[c.name].type())]
    found = _count(table, source, {c.name: _is_written(source[c.name]) & cast[c].isnull() for c in tried})
    unread = []
    for column in tried:
        if column.name not in found:
            continue
        count, bad = found[column.name]
        text = source[column.name].type().is_string()
        needed = NEEDED.get(column.type)
        told = f"are {'text that is ' if text else ''}no {column.type}{f' ({needed})' if needed else ''}"
        helps = "".join(_what_helps(table, source, column, bad)) if text else ""
        words = f"{told}; {helps}correct them in the source"
        unread.append(Unread(table=table, column=column.name, count=count, words=words, bad=bad))
    return unread


def impossible_moments(table: str, expression: ir.Table, columns: Sequence[ContractColumn]) -> list[Unread]:
    """Moments no business has, such as 9999-12-31 for "never", counted per column."""
    import ibis

    low, high = ibis.literal(EARLIEST, type="timestamp(6)"), ibis.literal(LATEST, type="timestamp(6)")
    moments = {c.name: expression[c.name].cast("timestamp(6)") for c in columns if c.type in ("instant", "date")}
    found = _count(table, expression, {name: (at < low) | (at > high) for name, at in moments.items()})
    words = f"are before {EARLIEST:%Y} or after {LATEST:%Y}; leave it empty for never"
    return [Unread(table=table, column=name, count=count, words=words, bad=bad) for name, (count, bad) in found.items()]


def _count(table: str, rows: ir.Table, bad: Mapping[str, Any]) -> dict[str, tuple[int, Any]]:
    """The columns that have such values, with how many and which."""
    if not bad:
        return {}

    def count() -> dict[str, int]:
        return dict(rows.aggregate(**{name: each.sum() for name, each in bad.items()}).to_pyarrow().to_pylist()[0])

    counts = reading(table, "its source", count)
    return {name: (counts[name], each) for name, each in bad.items() if counts[name]}


def null_of(column: ContractColumn) -> Any:
    """A missing value of the contract's type."""
    import ibis

    return ibis.null(DTYPES[column.type])


def _may_fail(column: ContractColumn, dtype: Any) -> bool:
    if DTYPES[column.type] == "string":
        return bool(column.type == "id" and dtype.is_decimal() and dtype.scale)
    return bool(dtype.is_string() or (column.type == "flag" and dtype.is_numeric() and not dtype.is_boolean()))


def _is_written(value: Any) -> Any:
    import ibis

    if value.type().is_floating():
        return value.notnull() & ~ibis.coalesce(value.isnan(), False)
    return value.nullif("").notnull() if value.type().is_string() else value.notnull()


def _flag(value: Any) -> Any:
    """True, false, or null where it is neither."""
    import ibis

    if value.type().is_string():
        value = value.strip().lower()
        yes, no = value.isin(YES), value.isin(NO)
    else:
        yes, no = value == 1, value == 0
    return ibis.cases((yes, True), (no, False), else_=None)


def _what_helps(table: str, source: ir.Table, column: ContractColumn, wrong: Any) -> Iterator[str]:
    """Settings of the config that would read some of the values, or the words that stand in the way."""
    text = source[column.name]
    if column.type in ("instant", "date"):
        if source.filter(wrong & text.re_search(OTHER_DAYS)).count().to_pyarrow().as_py():
            yield f"where days are written otherwise, say how: data.tables.{table}.date_format, such as '%d.%m.%Y'; "
        if endings := strange_endings(source, text, wrong):
            yield f"{', '.join(endings)} behind a time names no zone for sure, write +03:00 or Europe/Moscow; "
        return
    with_comma = source.filter(wrong & text.re_search(COMMA)).count()
    if column.type in ("money", "number") and with_comma.to_pyarrow().as_py():
        yield f"where a comma stands before the fraction, say so: data.tables.{table}.decimal: ','; "


__all__ = ["DTYPES", "Casting", "Unread", "impossible_moments", "null_of", "refusals", "unread_values"]
