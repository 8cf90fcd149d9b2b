"""What given files hold: their columns, the kinds of their values, and how a CSV is written."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from netlift.config.business import TableSource
from netlift.data.casting import NO, YES
from netlift.data.engines.duckdb import DuckDBEngine, table_names
from netlift.data.engines.errors import reading
from netlift.data.engines.files import CSV, PARQUET, list_files
from netlift.errors import DataError, UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

Kind = Literal["whole", "number", "moment", "day", "flag", "text", "empty"]
ROWS_SEEN = 100_000
BYTES_SEEN = 1 << 20
DATABASES = (".duckdb", ".db")
WHOLE, NUMBER = re.compile(r"[+-]?\d{1,18}"), re.compile(r"[+-]?\d[\d\s ]*(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?P<clock>[T ]\d.*)?")
OWN_DAY = re.compile(r"(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})[./-]\d{4}(?P<clock>[T ,]+\d.*)?")


@dataclass(frozen=True, kw_only=True)
class FoundColumn:
    """One column as the first rows show it.

    Attributes:
        name: Its name in the source.
        kind: Of its values.
        distinct: How many values differ.
        unique: Whether every row has one of its own.
        comma: Whether numbers have a comma before their fraction.
        date_format: How days are written where they are text and not ISO 8601; empty otherwise.
        either_order: Whether those days could as well begin with the month.
    """

    name: str
    kind: Kind
    distinct: int = 0
    unique: bool = False
    comma: bool = False
    date_format: str = ""
    either_order: bool = False


@dataclass(frozen=True, kw_only=True)
class FoundSource:
    """One file, folder or table of a database.

    Attributes:
        name: The file's name without its ending, or the table's.
        path: Where it is.
        table: The table's name inside a DuckDB file.
        columns: Its columns.
        rows: Rows that were looked at.
        encoding: Of a CSV that is not UTF-8.
        is_text: Whether all values are text, as in a CSV.
    """

    name: str
    path: Path
    columns: tuple[FoundColumn, ...]
    rows: int
    table: str | None = None
    encoding: str | None = None
    is_text: bool = False

    @property
    def headings(self) -> str:
        """Its columns for messages; of a CSV their number alone: without a header its first row stands there."""
        names = ", ".join(column.name for column in self.columns)
        return f"{len(self.columns)} columns" if self.is_text else names

    def column(self, name: str) -> FoundColumn:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def read_sources(paths: Sequence[Path]) -> list[FoundSource]:
    """Look at files, folders and DuckDB files.

    A folder of files with the same columns is one table; a folder of others is one table a file or folder in it.

    Args:
        paths: Where they are.

    Raises:
        UsageError: No such path, or nothing to read in it.
        DataError: A file that cannot be read.
    """
    found = [source for path in paths for source in _sources_of(path.absolute())]
    if not found:
        raise UsageError(f"{', '.join(map(str, paths))}: holds no .parquet, .csv, .csv.gz or DuckDB file")
    return found


def read_labels(source: FoundSource, columns: Sequence[str], *, most: int) -> list[tuple[str, ...]]:
    """The values of some columns as text, each combination once, in order; for names such as those of offers.

    Args:
        source: Where they are.
        columns: Its columns.
        most: How many are read.
    """
    with _opened(source) as table:
        rows = reading(source.name, source.path, lambda: table.select(*columns).distinct().limit(most).to_pandas())
    return sorted(rows.dropna().astype(str).itertuples(index=False, name=None))


def _sources_of(path: Path) -> Iterator[FoundSource]:
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; give those that hold your tables")
    if path.is_file():
        if path.suffix in DATABASES:
            yield from _tables_of(path)
        elif path.name.endswith(PARQUET + CSV):
            yield _look(path)
        else:
            raise UsageError(f"{path}: netlift reads .parquet, .csv, .csv.gz and DuckDB files; save it as one of them")
        return
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith((".", "_"))]
    files = [entry for entry in entries if entry.is_file() and entry.name.endswith(PARQUET + CSV)]
    folders = [entry for entry in entries if entry.is_dir()]
    if any("=" in folder.name for folder in folders) or (len(files) > 1 and _are_parts(files)):
        yield _look(path)
        return
    for entry in [*files, *(entry for entry in entries if entry.suffix in DATABASES and entry.is_file())]:
        yield from _sources_of(entry)
    for folder in folders:
        if _holds_data(folder):
            yield from _sources_of(folder) if _is_nested(folder) else iter([_look(folder)])


def _holds_data(folder: Path) -> bool:
    return any(file.name.endswith(PARQUET + CSV) for file in folder.rglob("*"))


def _is_nested(folder: Path) -> bool:
    """Whether a folder holds tables rather than the files of one."""
    files = [entry for entry in folder.iterdir() if entry.is_file() and entry.name.endswith(PARQUET + CSV)]
    return bool(files) and not _are_parts(files)


def _are_parts(files: Sequence[Path]) -> bool:
    """Whether files are parts of one table: their names differ by numbers alone."""
    stems = {re.sub(r"\d+", "", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{20,}", "", file.name)) for file in files}
    return len(stems) == 1


def _look(path: Path) -> FoundSource:
    files = list_files(path)
    is_text = files[0].name.endswith(CSV)
    encoding = _encoding(files[0]) if is_text else None
    return _read(FoundSource(name=_stem(path), path=path, columns=(), rows=0, encoding=encoding, is_text=is_text))


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.name.split(".")[0]


def _tables_of(path: Path) -> Iterator[FoundSource]:
    for name in reading("database", path, lambda: table_names(path)):
        yield _read(FoundSource(name=name, path=path, columns=(), rows=0, table=name))


def _encoding(path: Path) -> str | None:
    """None where a text file is UTF-8 as far as it was looked at, else what it most probably is."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        begin = file.read(BYTES_SEEN)
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return "cp1251"
    return None


@contextmanager
def _opened(source: FoundSource) -> Iterator[ir.Table]:
    engine = DuckDBEngine()
    with TemporaryDirectory() as scratch:
        where = TableSource(path=source.path, table=source.table, encoding=source.encoding)
        yield engine.open_table(source.name, where, scratch=Path(scratch))
    engine.close()


def _read(source: FoundSource) -> FoundSource:
    """The source with its columns as the first rows show them."""
    if not source.path.is_dir() and source.path.stat().st_size == 0:
        raise DataError(f"{source.path}: the file is empty")
    with _opened(source) as table:
        rows = reading(source.name, source.path, lambda: table.limit(ROWS_SEEN).to_pandas())
        kinds = {name: table[name].type() for name in table.columns}
        columns = tuple(_describe(name, rows[name], kinds[name], is_text=source.is_text) for name in table.columns)
    return FoundSource(
        name=source.name,
        path=source.path,
        table=source.table,
        columns=columns,
        rows=len(rows),
        encoding=source.encoding,
        is_text=source.is_text,
    )


def _describe(name: str, values: pd.Series[Any], kind: ir.DataType, *, is_text: bool) -> FoundColumn:
    filled = values.dropna()
    if is_text or kind.is_string():
        filled = filled.astype(str).str.strip()
        filled = filled[filled != ""]
    distinct = int(filled.astype(str).nunique())
    own: dict[str, Any] = {"name": name, "distinct": distinct, "unique": distinct == len(values) and distinct > 1}
    if filled.empty:
        return FoundColumn(kind="empty", **own)
    if is_text or kind.is_string():
        return FoundColumn(**own, **_text_kind(filled.drop_duplicates().tolist()))
    if kind.is_boolean():
        return FoundColumn(kind="flag", **own)
    if kind.is_timestamp():
        return FoundColumn(kind="moment", **own)
    if kind.is_date():
        return FoundColumn(kind="day", **own)
    if kind.is_numeric():
        if set(filled.unique().tolist()) <= {0, 1}:
            return FoundColumn(kind="flag", **own)
        return FoundColumn(kind="whole" if kind.is_integer() else "number", **own)
    return FoundColumn(kind="text", **own)


def _text_kind(values: Sequence[str]) -> dict[str, Any]:
    """The kind of values that are text."""
    if {value.casefold() for value in values} <= {*YES, *NO}:
        return {"kind": "flag"}
    if all(WHOLE.fullmatch(value) for value in values):
        return {"kind": "whole"}
    if all(NUMBER.fullmatch(value) for value in values):
        return {"kind": "number", "comma": any("," in value for value in values)}
    days = [ISO_DAY.fullmatch(value) for value in values]
    if all(days):
        return {"kind": "moment" if any(day and day["clock"] for day in days) else "day"}
    own = [found for value in values if (found := OWN_DAY.fullmatch(value))]
    if len(own) == len(values) and len({found["mark"] for found in own}) == 1:
        kind, mark = "moment" if any(found["clock"] for found in own) else "day", own[0]["mark"]
        month_first = any(int(found["second"]) > 12 for found in own)
        day_first = any(int(found["first"]) > 12 for found in own)
        if not (month_first and day_first):
            parts = ("%m", "%d", "%Y") if month_first else ("%d", "%m", "%Y")
            return {"kind": kind, "date_format": mark.join(parts), "either_order": not (month_first or day_first)}
    return {"kind": "text"}


__all__ = ["FoundColumn", "FoundSource", "Kind", "read_labels", "read_sources"]
