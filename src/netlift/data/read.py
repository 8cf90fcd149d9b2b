"""The only door in: sources of a business as Ibis tables in the columns and types of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from netlift.config.business import BusinessSettings, EngineSettings, TableSource
from netlift.config.settings import did_you_mean
from netlift.data.adapters.adapted import Adapted, Note
from netlift.data.tables import CONSENT_PREFIX, CONTRACT, Column, TableContract
from netlift.data.write import CHECKSUM_MARK
from netlift.data.zone import EARLIEST, LATEST, to_local
from netlift.errors import DataError, ResourceError

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
ZONE_SUFFIX = r":\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"

REVENUE_HINT = (
    ". A source without margins maps it to its revenue (columns: {revenue: <yours>, margin: <yours>}); everything is "
    "then revenue-based, and says so"
)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of one business.

    Every column of the contract is there and typed; what the source does not have is null. Instants are local
    wall-clock time of the business's zone without a zone. Customers also carry the configured attributes.

    Attributes:
        connection: The Ibis backend that the tables live in.
        expressions: Table name to Ibis expression.
        present: Table name to the contract columns that the source really has.
        attributes: Customer columns that become features.
        notes: What an adapter's rules dropped, collapsed or made up on the way here, counted.
        unread: Table name to the source's columns that the contract does not know; named where one of ours is missing.
    """

    connection: Any
    expressions: Mapping[str, ir.Table]
    present: Mapping[str, frozenset[str]]
    attributes: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ir.Table:
        return self.expressions[name]

    def __contains__(self, name: object) -> bool:
        return name in self.expressions

    def has(self, table: str, column: str) -> bool:
        """Whether the source really has a column."""
        return column in self.present.get(table, frozenset())

    def replace(self, **expressions: ir.Table) -> Tables:
        """The same tables with some expressions in place of others."""
        return Tables(
            connection=self.connection,
            expressions={**self.expressions, **expressions},
            present=self.present,
            attributes=self.attributes,
            notes=self.notes,
            unread=self.unread,
        )


@contextmanager
def open_tables(settings: BusinessSettings) -> Iterator[Tables]:
    """Open the tables of a business for reading.

    Raises:
        DataError: A file is missing or unreadable, or columns are missing or of the wrong type; all of it at once.
    """
    import duckdb

    connection = connect(settings.engine, state=settings.state)
    try:
        sources = _sources(connection, settings)
        yield conform(
            connection,
            sources.tables,
            attributes=settings.data.attributes,
            zone=ZoneInfo(settings.time_zone),
            notes=sources.notes,
        )
    except duckdb.Error as error:  # rows are read late; what the engine says of them may quote a row
        raise DataError(
            f"a source cannot be read to its end ({type(error).__name__}); write its files anew, in UTF-8 and with one "
            "type for each column"
        ) from None
    finally:
        connection.disconnect()


def source_files(settings: BusinessSettings) -> dict[str, Path]:
    """Every file that the tables of a business are made of, by a name that does not hold its place.

    Raises:
        DataError: A file is missing.
    """
    data = settings.data
    if data.adapter and data.path:
        from netlift.data.adapters import adapter_files

        files = {name: data.path / name for name in adapter_files(data.adapter)}
    else:
        files = {}
        for name, source in data.tables.items():
            parts = sorted(source.path.glob("*.parquet")) if source.path.is_dir() else [source.path]
            files |= {f"{name}/{part.name}": part for part in parts}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise DataError(f"no file at {', '.join(missing)}; point the config at it")
    return files


def connect(engine: EngineSettings, *, state: Path) -> Any:
    """An in-memory DuckDB behind Ibis, with the config's threads and memory; it spills below `state`."""
    import ibis

    spill = state / "cache" / "duckdb"
    try:
        spill.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            f"{spill}: no folder can be made there ({error.strerror}); point state elsewhere"
        ) from error
    return ibis.duckdb.connect(
        threads=engine.threads,
        memory_limit=f"{engine.memory_mb}MB",
        temp_directory=str(spill),
        autoinstall_known_extensions=False,
        preserve_insertion_order=False,
    )


def _sources(connection: Any, settings: BusinessSettings) -> Adapted:
    """The tables as the sources have them, under contract column names where the config renames."""
    if settings.data.adapter and settings.data.path:
        from netlift.data.adapters import adapt

        return adapt(settings.data.adapter, connection, settings.data.path)
    mistakes: list[str] = []
    found: dict[str, ir.Table] = {}
    for name, source in settings.data.tables.items():
        try:
            found[name] = _rename(name, _open(connection, name, source), source)
        except DataError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DataError("\n".join(mistakes))
    return Adapted(tables=found, notes=())


def _open(connection: Any, name: str, source: TableSource) -> ir.Table:
    path = source.path
    if not path.exists():
        raise DataError(f"{name}: no file at {path}; point data.tables.{name}.path of the config at it")
    if source.table is not None:
        return _open_database(connection, name, path, source.table)
    if path.is_dir():
        return read_parquet(connection, name, path / "*.parquet")
    if path.suffix == ".csv":
        return _read(name, path, lambda: connection.read_csv(str(path), all_varchar=True, header=True, skip=0))
    if path.suffix == ".parquet":
        return read_parquet(connection, name, path)
    raise DataError(f"{name}: {path.name} ends in {path.suffix!r}; netlift reads .parquet, .csv and DuckDB files")


def read_parquet(connection: Any, name: str, path: Path, *, number_rows: bool = False) -> ir.Table:
    """A Parquet file, or several by a pattern.

    Args:
        connection: The DuckDB to read it with.
        name: Name of the table, for messages.
        path: The file or pattern.
        number_rows: Add the column `file_row_number`, a row's position in its file, from 0.

    Raises:
        DataError: The file is missing, empty, truncated, not Parquet, or not as netlift wrote it.
    """
    if "*" not in path.name and not path.is_file():
        raise DataError(f"{name}: no file at {path}; point the config at it")
    options = {"file_row_number": True} if number_rows else {}
    for file in sorted(path.parent.glob(path.name)):
        _verify_pages(name, file)
    return _read(name, path, lambda: connection.read_parquet(str(path), **options))


def _verify_pages(name: str, path: Path) -> None:
    """Read every page of a file that netlift wrote against its checksum; DuckDB does not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if CHECKSUM_MARK.keys() <= (file.metadata.metadata or {}).keys():
                for _ in file.iter_batches(use_threads=False):
                    pass
    except (OSError, pa.ArrowException) as error:
        cause = str(error).splitlines()[0]
        raise DataError(f"{name}: {path} cannot be read ({cause}); write the file anew") from error


def _read(name: str, path: Path | str, read: Any) -> Any:
    """What `read` returns; the engine's own message may quote a row, so its first line alone is kept."""
    import duckdb

    try:
        return read()
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise DataError(f"{name}: {path} cannot be read ({cause}); write the file anew") from None


def _open_database(connection: Any, name: str, path: Path, table: str) -> ir.Table:
    alias = f"source_{name}"
    _read(name, path, lambda: connection.attach(str(path), name=alias, read_only=True))
    listed = connection.table("tables", database=("system", "information_schema"))
    known = listed.filter(listed.table_catalog == alias).table_name.to_pyarrow().to_pylist()
    if table not in known:
        raise DataError(f"{name}: {path.name} has no table {table!r}{did_you_mean(table, known)}")
    return connection.table(table, database=(alias, "main"))


def _rename(name: str, table: ir.Table, source: TableSource) -> ir.Table:
    contract = CONTRACT[name]
    for ours, theirs in source.columns.items():
        if contract.column(ours) is None and not ours.startswith(CONSENT_PREFIX):
            known = [column.name for column in contract.columns]
            raise DataError(f"{name}: columns renames to {ours!r}, not in the contract{did_you_mean(ours, known)}")
        if theirs not in table.columns:
            raise DataError(f"{name}.{theirs} (for {ours}): no such column{did_you_mean(theirs, list(table.columns))}")
    taken = {*source.columns, *source.columns.values()}
    kept = {column: table[column] for column in table.columns if column not in taken}
    return table.select(**kept, **{ours: table[theirs] for ours, theirs in source.columns.items()})


def conform(
    connection: Any,
    sources: Mapping[str, ir.Table],
    *,
    attributes: tuple[str, ...],
    zone: ZoneInfo,
    notes: tuple[Note, ...] = (),
) -> Tables:
    """Tables in the columns and types of the contract.

    Args:
        connection: The Ibis backend that the sources live in.
        sources: Table name to table, contract columns under contract names.
        attributes: Customer columns that become features.
        zone: The business's one zone.
        notes: What an adapter's rules did to the sources.

    Raises:
        DataError: Columns are missing or of the wrong type; all of them at once.
    """
    mistakes: list[str] = []
    expressions: dict[str, ir.Table] = {}
    present: dict[str, frozenset[str]] = {}
    for name, source in sources.items():
        wanted = _wanted_columns(CONTRACT[name], source, attributes, mistakes)
        found = [column for column in wanted if column.name in source.columns]
        refused = [mistake for column in found for mistake in _refusals(name, column, source[column.name])]
        mistakes += refused
        if not refused:
            mistakes += _unparsed(name, source, found, zone)
            expressions[name] = source.select(
                **{
                    column.name: _cast(column, source[column.name], zone) if column in found else _null(column)
                    for column in wanted
                }
            )
            mistakes += _impossible_moments(name, expressions[name], found)
        present[name] = frozenset(column.name for column in found)
    if mistakes:
        raise DataError("\n".join(mistakes))
    unread = {name: tuple(c for c in source.columns if c not in present[name]) for name, source in sources.items()}
    return Tables(
        connection=connection,
        expressions=expressions,
        present=present,
        attributes=attributes,
        notes=notes,
        unread=unread,
    )


def _wanted_columns(
    contract: TableContract, source: ir.Table, attributes: tuple[str, ...], mistakes: list[str]
) -> list[Column]:
    """Contract columns, and for customers the consents and attributes; what is needed and missing is a mistake."""
    found = list(source.columns)
    for column in contract.columns:
        if column.required and column.name not in found:
            hint = REVENUE_HINT if (contract.name, column.name) == ("transactions", "margin") else ""
            mistakes.append(f"{contract.name}.{column.name}: missing{did_you_mean(column.name, found)}{hint}")
    wanted = list(contract.columns)
    if contract.name == "customers":
        wanted += [Column(name=name, type="flag") for name in found if name.startswith(CONSENT_PREFIX)]
        known = {column.name for column in wanted}
        for name in attributes:
            if name not in found:
                mistakes.append(f"customers.{name}: an attribute of the config, missing{did_you_mean(name, found)}")
            elif name not in known:
                numeric = source[name].type().is_numeric()
                wanted.append(Column(name=name, type="number" if numeric else "text"))
    return wanted


def _null(column: Column) -> Any:
    import ibis

    return ibis.null(DTYPES[column.type])


def _refusals(table: str, column: Column, value: Any) -> list[str]:
    """Why a source column cannot hold what the contract asks; empty when it can."""
    dtype = value.type()
    holds_nothing = 'kind="NULL"' in str(dtype)
    zoned_nanoseconds = "TIMESTAMPTZ_NS" in str(dtype)
    allowed = {
        "id": dtype.is_string() or dtype.is_integer(),
        "text": not dtype.is_nested(),
        "instant": dtype.is_timestamp() or dtype.is_date() or dtype.is_string() or zoned_nanoseconds,
        "date": dtype.is_timestamp() or dtype.is_date() or dtype.is_string() or zoned_nanoseconds,
        "money": dtype.is_numeric() or dtype.is_string(),
        "number": dtype.is_numeric() or dtype.is_string(),
        "flag": dtype.is_boolean() or dtype.is_integer() or dtype.is_string(),
    }[column.type]
    if allowed or holds_nothing:
        return []
    needed = {"id": "text or whole numbers, so that no digit is lost"}.get(column.type, f"a {column.type}")
    return [f"{table}.{column.name}: is {dtype}, needs {needed}; cast it in the source"]


def _cast(column: Column, value: Any, zone: ZoneInfo) -> Any:
    """The column in the contract's type."""
    if "TIMESTAMPTZ_NS" in str(value.type()):
        value = value.cast(ZONED)
    dtype, needed = value.type(), DTYPES[column.type]
    if dtype.is_string() and column.type in ("instant", "date"):
        return _parse_instants(value, zone).cast(needed)
    if dtype.is_string() and needed != "string":
        return value.nullif("").try_cast(needed)
    if dtype.is_timestamp():
        local = to_local(value, zone) if dtype.timezone else value
        return local.date() if column.type == "date" else local.cast(needed)
    return value.cast(needed)


def _parse_instants(text: Any, zone: ZoneInfo) -> Any:
    """Moments written as text: with a zone of their own turned into local ones, without one local as they stand."""
    import ibis

    zoned = text.re_search(ZONE_SUFFIX)
    own = ibis.ifelse(zoned, text, None).try_cast(ZONED)
    plain = ibis.ifelse(zoned, None, text).nullif("").try_cast(DTYPES["instant"])
    return ibis.coalesce(to_local(own, zone), plain)


def _impossible_moments(table: str, expression: ir.Table, columns: list[Column]) -> list[str]:
    """Moments no business has, such as 9999-12-31 for "never", counted per column."""
    import ibis

    dated = [c for c in columns if c.type in ("instant", "date")]
    if not dated:
        return []
    low, high = ibis.literal(EARLIEST, type="timestamp(6)"), ibis.literal(LATEST, type="timestamp(6)")

    def count() -> dict[str, int]:
        moments = {c.name: expression[c.name].cast("timestamp(6)") for c in dated}
        outside = {name: ((at < low) | (at > high)).sum() for name, at in moments.items()}
        return dict(expression.aggregate(**outside).to_pyarrow().to_pylist()[0])

    return [
        f"{table}.{name}: {found:,} values before {EARLIEST:%Y} or after {LATEST:%Y}; leave it empty for never"
        for name, found in _read(table, "its source", count).items()
        if found
    ]


def _unparsed(table: str, source: ir.Table, columns: list[Column], zone: ZoneInfo) -> list[str]:
    """Text that does not read as the contract's type, counted per column."""
    text = [c for c in columns if source[c.name].type().is_string() and DTYPES[c.type] != "string"]
    if not text:
        return []

    def count() -> dict[str, int]:
        written = {c.name: source[c.name].nullif("").notnull() for c in text}
        wrong = {c.name: (written[c.name] & _cast(c, source[c.name], zone).isnull()).sum() for c in text}
        return dict(source.aggregate(**wrong).to_pyarrow().to_pylist()[0])

    counts = _read(table, "its source", count)
    return [
        f"{table}.{c.name}: {counts[c.name]:,} values are text that is no {c.type}; correct them in the source"
        for c in text
        if counts[c.name]
    ]
