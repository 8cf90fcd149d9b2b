"""Last day of complete data: by the newest receipt or by the config, checked against the rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from netlift.config.business import NEWEST_ROW
from netlift.config.settings import did_you_mean
from netlift.data.checks.findings import Finding, Severity
from netlift.data.contract import CONTRACT
from netlift.errors import ConfigError, DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.tables import Tables

ROWS_TELL = ("customers", "transactions", "events", "surveys")
"""Tables whose newest row says up to when the data go; campaigns and contacts may be planned ahead."""
LONG_SILENCE = timedelta(days=31)


def find_complete_end(tables: Tables, until: date | str | None) -> datetime | None:
    """First moment of which rows may be missing, by `data.complete_until`; None where the newest receipt tells.

    A day that a row of a table is dated by counts as whole, as that of the newest receipt does. Of any other moment
    (when rows were loaded) the days before it are whole.

    Raises:
        ConfigError: A column that is no moment of the tables, or that is empty.
        DataError: Its table cannot be read.
    """
    if not isinstance(until, str):
        return None if until is None else _midnight(until) + timedelta(days=1)
    if until == NEWEST_ROW:
        asked = [(name, str(CONTRACT[name].time)) for name in ROWS_TELL if name in tables]
    else:
        table, _, column = until.partition(".")
        asked = [(table, column)]
        if table in tables.refused:
            raise DataError(f"data.complete_until asks {until}, and {tables.refused[table]}")
    moments = [
        (name, column.name)
        for name, contract in CONTRACT.items()
        for column in contract.columns
        if column.type == "instant" and tables.has(name, column.name)
    ]
    if not set(asked) <= set(moments):
        known = [f"{name}.{column}" for name, column in moments]
        raise ConfigError(f"data.complete_until: {until} is no moment of the tables{did_you_mean(until, known)}")
    newest = max((found for each in asked if (found := _newest(tables, *each)) is not None), default=None)
    if newest is None:
        raise ConfigError(f"data.complete_until: {until} has no value; name a day, or another column")
    dates_rows = all(column == CONTRACT[name].time for name, column in asked)
    return _midnight(newest) + timedelta(days=1 if dates_rows else 0)


def check_completeness(tables: Tables) -> list[Finding]:
    """What the rows say against the end of the data: rows after it, none long before it, or one alone far ahead."""
    if tables.snapshot_of is not None:
        return []
    if tables.complete_end is not None:
        return [*_rows_after(tables, tables.complete_end), *_silence_before(tables, tables.complete_end)]
    return [*_alone_ahead(tables), *_others_go_on(tables)]


def _rows_after(tables: Tables, end: datetime) -> Iterator[Finding]:
    """Rows after the end: those of a day that is not over, or of many, where somebody forgot to move it."""
    for name in ROWS_TELL:
        if name not in tables:
            continue
        at = tables[name][str(CONTRACT[name].time)]
        later = at >= _literal(end)
        found = at.as_table().aggregate(rows=at.count(), later=later.sum(), newest=at.max()).to_pyarrow().to_pylist()[0]
        if found["later"]:
            yield _finding(
                name,
                "after-complete-until",
                f"{found['later']:,} of {found['rows']:,} rows are dated after {end - timedelta(days=1):%Y-%m-%d}, the "
                "last whole day by data.complete_until: no window that they lie in is closed; move it on if their days "
                "are over",
                count=found["later"],
                of=found["rows"],
                severity="warning" if found["newest"] - end > timedelta(days=1) else "info",
            )


def _silence_before(tables: Tables, end: datetime) -> Iterator[Finding]:
    newest = max((at for name in ROWS_TELL if name in tables and (at := _newest(tables, name))), default=None)
    if newest is not None and end - newest > LONG_SILENCE:
        yield _finding(
            "transactions",
            "silent-to-complete-until",
            f"data.complete_until has the data complete up to {end - timedelta(days=1):%Y-%m-%d}, and no row of any "
            f"table is newer than {newest:%Y-%m-%d}: customers would count as silent {(end - newest).days} days long; "
            "correct it, or load what is missing",
        )


def _alone_ahead(tables: Tables) -> Iterator[Finding]:
    """A newest day of receipts that lies far ahead of all others: a wrong year, which would close every window."""
    import ibis

    day = tables["transactions"].occurred_at.date()
    days = day.name("day").as_table().group_by("day").aggregate(rows=lambda t: t.count())
    days = days.filter(days.day.notnull()).order_by(ibis.desc("day")).limit(2)
    newest = days.to_pyarrow().to_pylist()
    if len(newest) == 2 and newest[0]["day"] - newest[1]["day"] > LONG_SILENCE:
        yield _finding(
            "transactions",
            "newest-alone",
            f"{newest[0]['rows']:,} receipts are of {newest[0]['day']}, {(newest[0]['day'] - newest[1]['day']).days} "
            f"days after any other: windows are closed up to there; correct them, or say the last whole day in "
            "data.complete_until",
            count=newest[0]["rows"],
        )


def _others_go_on(tables: Tables) -> Iterator[Finding]:
    """Other tables that have rows after the day of the newest receipt: the shop may have sold nothing since."""
    last = _newest(tables, "transactions")
    newest = {name: at for name in ROWS_TELL if name in tables and (at := _newest(tables, name))}
    name = max(newest, key=lambda each: newest[each], default="transactions")
    if last is not None and newest[name].date() > last.date():
        yield _finding(
            "transactions",
            "receipts-end-early",
            f"the newest receipt is of {last:%Y-%m-%d}, {name} go on until {newest[name]:%Y-%m-%d}: no window is "
            f"closed after the former; if nothing was sold since, say so: data.complete_until: {NEWEST_ROW}, or a day",
            severity="info",
        )


def _newest(tables: Tables, name: str, column: str = "") -> datetime | None:
    found: datetime | None = tables[name][column or str(CONTRACT[name].time)].max().to_pyarrow().as_py()
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _literal(moment: datetime) -> ir.Value:
    import ibis

    return ibis.literal(moment, type="timestamp(6)")


def _finding(
    table: str, code: str, message: str, *, count: int = 0, of: int = 0, severity: Severity = "warning"
) -> Finding:
    column = str(CONTRACT[table].time)
    return Finding(table=table, column=column, severity=severity, code=code, count=count, of=of, message=message)


__all__ = ["check_completeness", "find_complete_end"]
