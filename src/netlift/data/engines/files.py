"""Reading of files, folders and patterns as one table: Parquet or CSV, compressed or partitioned.

A folder's files make one table of the union of their columns. What is hidden or unfinished (a name that begins with a
dot or an underscore, or ends in .tmp, .crc, .part or ~) is no part of it. Types that differ from file to file are
widened where nothing is lost (whole numbers to larger ones, whole numbers to decimals, flags to whole numbers, days to
moments); all others are refused by file and column.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from netlift.config.business import TableSource
from netlift.config.settings import did_you_mean
from netlift.data.engines.errors import reading, without_values
from netlift.data.write import CHECKSUM_MARK, resource_error
from netlift.data.zone import to_utc
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

PARQUET, CSV = (".parquet",), (".csv", ".csv.gz")
MOST_DIGITS = 38  # of a decimal
UNFINISHED = (".tmp", ".crc", ".part", "~")


def list_files(path: Path) -> list[Path]:
    """The files that a table is made of, in order: one, a folder's at any depth, or those of a pattern.

    Raises:
        DataError: A folder or pattern that holds no file to read, or a file that is none of Parquet and CSV.
    """
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.is_file() and not is_left_out(file.relative_to(path))]
    elif _is_pattern(path):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        found = [file for each in found for file in (list_files(each) if each.is_dir() else [each])]
        found = [file for file in found if not is_left_out(Path(file.name))]
    else:
        return [path]
    if not found:
        raise DataError(f"{path}: holds no Parquet or CSV file")
    other = [file for file in found if not file.name.endswith(PARQUET + CSV)]
    if other:
        raise DataError(
            f"{other[0]} is neither .parquet nor .csv ({len(other):,} such files); netlift reads every file of a "
            "folder, so move it away"
        )
    return found


def stem_of(path: Path) -> Path:
    """The folder below which the files of a table lie."""
    if not _is_pattern(path):
        return path if path.is_dir() else path.parent
    parts = path.parts
    plain = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:plain])


def open_files(
    connection: Any, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
) -> ir.Table:
    """A table of one file or many, as the files have it.

    Args:
        connection: The DuckDB to read it with.
        name: Name of the table, for messages.
        source: Where it is and how it is written.
        scratch: An empty folder, for files that must be written anew in UTF-8 first; it must outlive the table.
        mixed: Takes the columns that have no one type in all files, with what they have; each is text then. None
            refuses them.

    Raises:
        DataError: No file, one that cannot be read, or files that are not one table.
    """
    path = source.path
    if path is None:
        raise DataError(f"{name}: is in a database, and no file")
    if not path.exists() and not _is_pattern(path):
        raise DataError(f"{name}: no file at {path}; point data.tables.{name}.path of the config at it")
    if source.table is not None:
        return _open_database(connection, name, path, source.table)
    try:
        files = list_files(path)
    except DataError as error:
        raise DataError(f"{name}: {error}; point data.tables.{name}.path of the config at its files") from None
    kinds = {kind for kind in (PARQUET, CSV) for file in files if file.name.endswith(kind)}
    if not kinds:
        raise DataError(
            f"{name}: {path.name} ends in {path.suffix!r}; netlift reads .parquet, .csv, .csv.gz and DuckDB files"
        )
    if len(kinds) > 1:
        odd = next(file for file in files if not file.name.endswith(PARQUET))
        raise DataError(f"{name}: {path} holds Parquet and CSV files ({odd.name}); keep those of one kind there")
    hive = _is_pattern(path) or path.is_dir()
    if kinds == {CSV}:
        return _open_csv(connection, name, files, source, scratch=scratch, hive=hive)
    return _open_parquet(connection, name, files, source, hive=hive, mixed=mixed)


def read_parquet(connection: Any, name: str, path: Path, *, number_rows: bool = False) -> ir.Table:
    """One Parquet file.

    Args:
        connection: The DuckDB to read it with.
        name: Name of the table, for messages.
        path: The file.
        number_rows: Add the column `file_row_number`, a row's position in its file, from 0.

    Raises:
        DataError: The file is missing, empty, truncated, not Parquet, or not as netlift wrote it.
    """
    if not path.is_file():
        raise DataError(f"{name}: no file at {path}; point the config at it")
    options = {"file_row_number": True} if number_rows else {}
    _read_schema(name, path)
    return reading(name, path, lambda: connection.read_parquet(str(path), **options))


def tell_type(kind: Any) -> str:
    """A column's type without the words that nested ones and enumerations hold."""
    return re.split(r"[<]|ENUM", str(kind))[0].strip("( ") or "nested"


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not path.exists()


def is_left_out(path: Path) -> bool:
    """Whether a file, or a folder above it, is hidden or unfinished."""
    return any(part.startswith((".", "_")) for part in path.parts) or path.name.endswith(UNFINISHED)


def _open_parquet(
    connection: Any, name: str, files: Sequence[Path], source: TableSource, *, hive: bool, mixed: dict[str, str] | None
) -> ir.Table:
    """Parquet files, those of one schema in one go."""
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for file in files:
        schema = _read_schema(name, file)
        groups.setdefault(tuple(sorted((field.name, str(field.type)) for field in schema)), []).append(file)
    options = {"hive_partitioning": True, "hive_types_autocast": False} if hive else {}
    parts = {
        of[0]: reading(name, of[0], lambda of=of: connection.read_parquet([str(file) for file in of], **options))
        for of in groups.values()
    }
    return _union(name, parts, zone=source.zone, mixed=mixed)


def _union(name: str, parts: Mapping[Path, ir.Table], *, zone: str | None, mixed: dict[str, str] | None) -> ir.Table:
    """Tables of different columns as one, each column in a type that loses nothing of any."""
    import ibis
    import ibis.expr.datatypes as dt

    if len(parts) == 1:
        return next(iter(parts.values()))
    columns = list(dict.fromkeys(column for part in parts.values() for column in part.columns))
    spelled: dict[str, str] = {}
    for column in columns:
        if spelled.setdefault(column.casefold(), column) != column:
            first = spelled[column.casefold()]
            raise DataError(f"{name}: some files spell a column {first} and others {column}; spell it alike in all")
    types: dict[str, dt.DataType] = {}
    for column in columns:
        found = {file: part[column].type() for file, part in parts.items() if column in part.columns}
        kind = _common_type(name, found, zone=zone)
        if isinstance(kind, str):
            if mixed is None:
                raise DataError(f"{name}.{column}: is {kind}")
            mixed[column] = kind
            kind = dt.string
        types[column] = kind
    selected = [
        part.select(
            **{
                column: _widened(part[column], kind, zone) if column in part.columns else ibis.null(kind)
                for column, kind in types.items()
            }
        )
        for part in parts.values()
    ]
    return ibis.union(*selected, distinct=False)


def _common_type(table: str, found: Mapping[Path, dt.DataType], *, zone: str | None) -> dt.DataType | str:
    """The type that holds the values of all files, or two files whose types cannot be one, in words."""
    import ibis.expr.datatypes as dt

    kinds = [kind for kind in dict.fromkeys(found.values()) if not _holds_nothing(kind)]
    if len(kinds) <= 1:
        return kinds[0] if kinds else next(iter(found.values()))
    if all(kind.is_integer() or kind.is_boolean() for kind in kinds):
        return dt.int64 if not any(str(kind).startswith("uint64") for kind in kinds) else dt.Decimal(20, 0)
    if all(kind.is_integer() or kind.is_decimal() for kind in kinds):
        sizes = [(kind.precision - kind.scale, kind.scale) if kind.is_decimal() else (20, 0) for kind in kinds]
        whole, scale = (max(digits) for digits in zip(*sizes, strict=True))
        if whole + scale <= MOST_DIGITS:
            return dt.Decimal(MOST_DIGITS, scale)
    if all(kind.is_numeric() for kind in kinds):
        return dt.float64
    moments = [kind for kind in kinds if kind.is_timestamp() or kind.is_date()]
    zoned = {kind.is_timestamp() and kind.timezone is not None for kind in moments}
    if len(moments) == len(kinds) and (len(zoned) == 1 or zone is not None):
        return dt.Timestamp(timezone="UTC", scale=6) if True in zoned else dt.Timestamp(scale=6)
    names = {kind: next(file.name for file, own in found.items() if own == kind) for kind in kinds[:2]}
    told = " and ".join(f"{tell_type(kind)} in {file}" for kind, file in names.items())
    if len(moments) == len(kinds):
        return (
            f"{told}: some moments have a zone and others have none; say in which zone the latter are with "
            f"data.tables.{table}.zone"
        )
    return f"{told}; write the files with one type, nothing is guessed"


def _holds_nothing(kind: dt.DataType) -> bool:
    return kind.is_null() or 'kind="NULL"' in str(kind)


def _widened(value: Any, kind: dt.DataType, zone: str | None) -> Any:
    """A column in a wider type; moments without a zone become those of `zone` where others have one."""
    has_zone = value.type().is_timestamp() and value.type().timezone
    if zone is not None and kind.is_timestamp() and kind.timezone and not has_zone:
        return to_utc(value.cast("timestamp(6)"), ZoneInfo(zone)).cast(kind)
    return value if value.type() == kind else value.cast(kind)


def _open_csv(
    connection: Any, name: str, files: Sequence[Path], source: TableSource, *, scratch: Path, hive: bool
) -> ir.Table:
    """CSV files, every value as text; the first line names the columns."""
    if source.encoding is not None:
        stem = stem_of(source.path or files[0])
        files = [
            _in_utf8(name, file, source.encoding, scratch / name / file.relative_to(stem).with_suffix(".csv"))
            for file in files
        ]
    options: dict[str, Any] = {"all_varchar": True, "header": True, "skip": 0}
    if source.delimiter is not None:
        options["delim"] = source.delimiter
    if hive:
        options |= {"union_by_name": True, "hive_partitioning": True, "hive_types_autocast": False}
    return reading(name, source.path or files[0], lambda: connection.read_csv([str(file) for file in files], **options))


def _in_utf8(name: str, path: Path, encoding: str, target: Path) -> Path:
    """A text file written anew in UTF-8."""
    target.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as raw, target.open("w", encoding="utf-8", newline="") as out:
            shutil.copyfileobj(codecs.getreader(encoding)(raw), out, 1 << 20)
    except (UnicodeError, OSError, EOFError) as error:
        if isinstance(error, OSError) and (refusal := resource_error(error, f"{name}: {path}")) is not None:
            raise refusal from error
        at = f" at byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(
            f"{name}: {path} cannot be read as {encoding}{at}; correct data.tables.{name}.encoding or the file"
        ) from None
    return target


def _read_schema(name: str, path: Path) -> Any:
    """A file's schema, and every page of a file that netlift wrote against its checksum; DuckDB does not do that."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if CHECKSUM_MARK.keys() <= (file.metadata.metadata or {}).keys():
                for _ in file.iter_batches(use_threads=False):
                    pass
            return file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and (refusal := resource_error(error, f"{name}: {path}")) is not None:
            raise refusal from error
        cause = without_values(error)
        raise DataError(f"{name}: {path} cannot be read ({cause}); write the file anew") from error


def _open_database(connection: Any, name: str, path: Path, table: str) -> ir.Table:
    alias = f"source_{name}"
    reading(name, path, lambda: connection.attach(str(path), name=alias, read_only=True))
    listed = connection.table("tables", database=("system", "information_schema"))
    known = listed.filter(listed.table_catalog == alias).table_name.to_pyarrow().to_pylist()
    if table not in known:
        raise DataError(f"{name}: {path.name} has no table {table!r}{did_you_mean(table, known)}")
    return connection.table(table, database=(alias, "main"))


__all__ = ["is_left_out", "list_files", "open_files", "read_parquet", "stem_of", "tell_type"]
