"""Reading of a business's sources as Ibis tables in contract columns and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from netlift.config.business import REQUIRED_TABLES, AttributeType, BusinessSettings, EngineSettings, TableSource
from netlift.config.settings import did_you_mean
from netlift.data.adapters.adapted import Adapted, AdapterNote
from netlift.data.casting import DTYPES, Casting, Unread, refusals
from netlift.data.checks.findings import find_readers
from netlift.data.completeness import find_complete_end
from netlift.data.contract import CONSENT_PREFIX, CONTRACT, ContractColumn, TableContract, contract_of
from netlift.data.engines.databases import common_database, copy_table, open_database
from netlift.data.engines.duckdb import DuckDBEngine, open_duckdb
from netlift.data.engines.engine import Engine, Warehouse
from netlift.data.engines.errors import driver_errors, machine_error
from netlift.data.engines.files import CSV, list_files, read_parquet, stem_of
from netlift.data.engines.remote import fetch
from netlift.data.engines.spark import open_spark
from netlift.data.snapshot import complete_snapshot
from netlift.data.tables import Tables
from netlift.data.unread import read_columns
from netlift.data.write import STAGING_PREFIX
from netlift.errors import DataError, UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir

IN_DATABASE = ("check", "score", "readout", "portfolio", "scorecard")
"""Verbs whose queries run in the database where all tables are in one; the others read copies of what they need."""
ON_SPARK = ("check", "score", "readout", "portfolio", "segments", "decide")
"""Verbs whose work is done where the tables are, or by the workers of the cluster."""
REVENUE_HINT = (
    ". A source without margins maps it to its revenue (columns: {revenue: <yours>, margin: <yours>}); everything is "
    "then revenue-based, and says so"
)


@contextmanager
def open_tables(settings: BusinessSettings, *, repeatable: bool = False, verb: str = "") -> Iterator[Tables]:
    """Open the tables of a business for reading.

    Args:
        settings: The business.
        repeatable: Read with one thread, so that sums are added in one order and equal to the last bit every time.
        verb: The verb that holds them against the contract before it uses them (`read_sound`): what it does not use
            cannot stop it, and what cannot be read is counted there. Without one any such value refuses all tables.

    Raises:
        DataError: A file is missing or unreadable, columns are missing or of the wrong type, or values cannot be read;
            all of it at once. With a `verb` only of tables that it reads.
        BusyError: Another process writes a file of them.
        ResourceError: The disk is full, memory ran out, or a file may not be read.
    """
    limits = settings.engine.model_copy(update={"threads": 1}) if repeatable else settings.engine
    engine = _open_engine(limits, state=settings.state, verb=verb)
    try:
        with ExitStack() as stack:
            if (database := common_database(settings.data.sources)) and verb in IN_DATABASE:
                there = stack.enter_context(open_database(database))
                if there.can_hold:
                    engine.close()
                    engine = cast(Warehouse, there)
            scratch = stack.enter_context(
                TemporaryDirectory(prefix=f"{STAGING_PREFIX}utf8-", dir=settings.state / "cache")
            )
            sources, refused = _sources(engine, settings, scratch=Path(scratch), by_column=bool(verb))
            if refused and not verb:
                raise DataError("\n".join(refused.values()))
            tables = conform(
                engine,
                sources.tables,
                attributes=settings.data.attributes,
                zone=ZoneInfo(settings.time_zone),
                written=settings.data.sources,
                attribute_types=settings.data.attribute_types,
                contract=contract_of(settings.data),
                refused=refused if verb else None,
            )
            tables = replace(tables, notes=(*sources.notes, *_numbers_as_text(settings, sources.tables)))
            if lost := [why for name, why in tables.refused.items() if verb in find_readers(name)]:
                raise DataError("\n".join(lost))
            if settings.data.snapshot_of is not None:
                yield complete_snapshot(tables, settings.data.snapshot_of)
            else:
                yield replace(tables, complete_end=find_complete_end(tables, settings.data.complete_until))
    except driver_errors() as error:  # rows are read late; what the engine says of them may quote a row
        raise machine_error(error, f"the tables of {settings.name}") or DataError(
            f"a source cannot be read to its end ({type(error).__name__}); write its files anew, in UTF-8 and with one "
            "type for each column"
        ) from None
    finally:
        engine.close()


def _open_engine(settings: EngineSettings, *, state: Path, verb: str) -> Engine:
    """What reads the tables.

    Raises:
        UsageError: The verb is not there for it.
        ResourceError: It is not installed, nobody answers, or memory does not suffice.
    """
    if settings.kind == "duckdb":
        return open_duckdb(settings, state=state)
    if verb not in ON_SPARK:
        raise UsageError(
            f"netlift {verb or 'demo'} does not run on Spark (engine.kind: spark), which has {', '.join(ON_SPARK)}; "
            "export the tables to Parquet and run it with engine.kind: duckdb, on the same store"
        )
    (state / "cache").mkdir(mode=0o700, parents=True, exist_ok=True)
    return open_spark(settings)


def source_files(settings: BusinessSettings) -> dict[str, Path]:
    """Every file that the tables of a business are made of, by a name that does not hold its place.

    A table of the config without a file has none here: whoever opens the tables says so to the verbs that read it.

    Raises:
        DataError: A file of an adapter is missing.
    """
    data = settings.data
    if data.adapter and data.path:
        from netlift.data.adapters import adapter_files

        files = {name: data.path / name for name in adapter_files(data.adapter)}
        missing = [str(path) for path in files.values() if not path.is_file()]
        if missing:
            raise DataError(f"no file at {', '.join(missing)}; point the config at it")
        return files
    files = {}
    for name, source in data.sources.items():
        if source.path is None:
            continue
        stem = stem_of(source.path)
        with suppress(DataError):
            files |= {f"{name}/{part.relative_to(stem).as_posix()}": part for part in list_files(source.path)}
        log = source.path.with_name(f"{source.path.name}.wal")  # what DuckDB has not yet moved into its file
        if source.table is not None:
            files[f"{name}/{log.name}"] = log
    return {label: path for label, path in files.items() if path.is_file()}


def _sources(
    engine: Engine, settings: BusinessSettings, *, scratch: Path, by_column: bool
) -> tuple[Adapted, dict[str, str]]:
    """The tables as the sources have them, with contract names where the config renames; and which of them fail.

    With `by_column` a column whose files have no one type fails as `table.column`, else its table does.
    """
    if settings.data.adapter and settings.data.path:
        from netlift.data.adapters import adapt

        return adapt(settings.data.adapter, engine.connection, settings.data.path), {}
    refused: dict[str, str] = {}
    found: dict[str, ir.Table] = {}
    known = contract_of(settings.data)
    for name, source in settings.data.sources.items():
        unlike: dict[str, str] = {}
        try:
            if source.url_env is not None and isinstance(engine, DuckDBEngine):
                with open_database(source.url_env) as database:
                    there = _rename(known[name], database.open_table(name, source, scratch=scratch), source)
                    columns = _read_of(known[name], there, settings.data.attributes)
                    copy = copy_table(there, database, columns, scratch / f"{name}.parquet")
                found[name] = read_parquet(engine.connection, name, copy)
                continue
            if source.address is not None and isinstance(engine, DuckDBEngine):
                source = fetch(name, source, scratch / "fetched" / name)
            opened = engine.open_table(name, source, scratch=scratch, mixed=unlike if by_column else None)
            found[name] = _rename(known[name], opened, source)
        except DataError as error:
            refused[name] = str(error)
        ours = {theirs: column for column, theirs in source.columns.items()}
        refused |= {f"{name}.{ours.get(column, column)}": f"is {told}" for column, told in unlike.items()}
    return Adapted(tables=found, notes=()), refused


def _read_of(contract: TableContract, rows: ir.Table, attributes: Sequence[str]) -> list[str]:
    """Columns of a table that netlift reads, of those that it has."""
    known = {column.name for column in contract.columns}
    known |= (
        {*attributes, *(c for c in rows.columns if c.startswith(CONSENT_PREFIX))}
        if contract.name == "customers"
        else set()
    )
    return [column for column in rows.columns if column in known]


def _rename(contract: TableContract, table: ir.Table, source: TableSource) -> ir.Table:
    name = contract.name
    for ours, theirs in source.columns.items():
        if contract.column(ours) is None and not ours.startswith(CONSENT_PREFIX):
            known = [column.name for column in contract.columns]
            raise DataError(f"{name}: columns renames to {ours!r}, not in the contract{did_you_mean(ours, known)}")
        if theirs not in table.columns:
            found, in_csv = list(table.columns), _is_csv(source)
            near = did_you_mean(theirs, found, quote_all=not in_csv)
            first = f"; the first line of a CSV names its columns, {len(found):,} here" if in_csv else ""
            raise DataError(f"{name}.{theirs} (for {ours}): no such column{near}{first}")
    taken = {*source.columns, *source.columns.values()}
    kept = {column: table[column] for column in table.columns if column not in taken}
    return table.select(**kept, **{ours: table[theirs] for ours, theirs in source.columns.items()})


def _numbers_as_text(settings: BusinessSettings, sources: Mapping[str, ir.Table]) -> Iterator[AdapterNote]:
    """Attributes that are text, as all of a CSV is, though every value is a number: codes or amounts, who knows?"""
    data = settings.data
    if "customers" not in data.tables:
        return
    known = contract_of(data)["customers"]
    customers, casting = sources["customers"], Casting.of(data.tables["customers"], ZoneInfo(settings.time_zone))
    asked = [
        name
        for name in data.attributes
        if name in customers.columns
        and name not in data.attribute_types
        and known.column(name) is None
        and customers[name].type().is_string()
    ]
    if not asked:
        return
    counts = {f"{name}_{n}": count for name in asked for n, count in enumerate(casting.count_numbers(customers[name]))}
    found = customers.aggregate(**counts).to_pyarrow().to_pylist()[0]
    for name in asked:
        if found[f"{name}_0"] and found[f"{name}_0"] == found[f"{name}_1"]:
            yield AdapterNote(
                table="customers",
                column=name,
                rows=int(found[f"{name}_0"]),
                code="number-as-text",
                severity="warning",
                rule=f"an attribute that is text with nothing but numbers is taken for words; say which it is: "
                f"data.attribute_types: {{{name}: number}} or {{{name}: text}}",
            )


def _is_csv(source: TableSource | None) -> bool:
    if source is None or source.path is None:
        return source is not None and source.address is not None and source.address.endswith(CSV)
    return source.table is None and list_files(source.path)[0].name.endswith(CSV)


def conform(
    engine: Engine,
    sources: Mapping[str, ir.Table],
    *,
    attributes: tuple[str, ...],
    zone: ZoneInfo,
    written: Mapping[str, TableSource] = MappingProxyType({}),
    attribute_types: Mapping[str, AttributeType] = MappingProxyType({}),
    contract: Mapping[str, TableContract] = CONTRACT,
    refused: Mapping[str, str] | None = None,
) -> Tables:
    """Tables in the columns and types of the contract.

    Args:
        engine: What the sources live in.
        sources: Table name to table, contract columns under contract names.
        attributes: Customer columns that become features.
        zone: The business's one zone.
        written: How the sources write numbers, days and zones, by table; as the contract has them where it is missing.
        attribute_types: What attributes are where their source does not tell, as a CSV never does.
        contract: What each table must hold.
        refused: Tables that could not be opened, and why, where the check counts what cannot be read, and as
            `table.column` columns whose files have no one type; None refuses all of it here.

    Raises:
        DataError: Columns are missing or of the wrong type, or values cannot be read; all of them at once. Where the
            check counts them, only of tables that every verb reads.
    """
    checked = refused is not None
    refused = refused or {}
    mistakes: dict[str, list[str]] = {name: [why] for name, why in refused.items() if "." not in name}
    expressions: dict[str, ir.Table] = {}
    present: dict[str, frozenset[str]] = {}
    unread: list[Unread] = []
    for name, source in sources.items():
        quote_all = not _is_csv(written.get(name))
        wrong: list[str] = []
        wanted = _wanted_columns(contract[name], source, attributes, attribute_types, wrong, quote_all=quote_all)
        found = [column for column in wanted if column.name in source.columns]
        present[name] = frozenset(column.name for column in found)
        unlike = {c.name: refused[f"{name}.{c.name}"] for c in found if f"{name}.{c.name}" in refused}
        for column in found:
            if column.required and column.name in unlike:
                wrong.append(f"{name}.{column.name}: {unlike[column.name]}")
            elif column.required or not checked:
                wrong += refusals(name, column, source[column.name])
            if name in written and written[name].url_env is not None:
                wrong += _text_for(name, column, source[column.name])
        if not wrong:
            try:
                casting = Casting.of(written.get(name), zone)
                rows, values = read_columns(name, source, wanted, casting, mixed=unlike)
                expressions[name] = engine.name_rows(name, rows)
                unread += values
            except DataError as error:
                wrong = [str(error)]
        if wrong:
            mistakes[name] = wrong
    for each in () if checked else unread:
        mistakes.setdefault(each.table, []).append(str(each))
    lost = {name: "\n".join(why) for name, why in mistakes.items()}
    if lost and (not checked or lost.keys() & {*REQUIRED_TABLES}):
        raise DataError("\n".join(lost.values()))
    kept = {name: expression for name, expression in expressions.items() if name not in lost}
    return Tables(
        engine=engine,
        expressions=kept,
        present={name: present[name] for name in kept},
        attributes=attributes,
        unknown={name: tuple(c for c in sources[name].columns if c not in present[name]) for name in kept},
        refused=lost,
        unread={(each.table, each.column): each.words for each in unread if each.table in kept},
        known=contract,
    )


def _text_for(table: str, column: ContractColumn, value: Any) -> list[str]:
    """Text in a database where the contract has another type: a database can hold it in that type."""
    if not value.type().is_string() or DTYPES[column.type] == "string":
        return []
    return [f"{table}.{column.name}: is text in the database, needs a {column.type}; give it its type there, by a view"]


def _wanted_columns(
    contract: TableContract,
    source: ir.Table,
    attributes: tuple[str, ...],
    types: Mapping[str, AttributeType],
    mistakes: list[str],
    *,
    quote_all: bool,
) -> list[ContractColumn]:
    """Contract columns, and for customers the consents and attributes; what is needed and missing is a mistake."""
    found = list(source.columns)
    needed = [column.name for column in contract.columns if column.required]
    if not set(needed) & set(found):  # a first row in place of names must not be quoted
        mistakes.append(
            f"{contract.name}: none of the columns {', '.join(needed)} is there. The first line of a CSV names its "
            f"columns; where yours have other names, say so in data.tables.{contract.name}.columns"
        )
        return []
    for column in contract.columns:
        if column.required and column.name not in found:
            hint = REVENUE_HINT if (contract.name, column.name) == ("transactions", "margin") else ""
            mistakes.append(
                f"{contract.name}.{column.name}: missing{did_you_mean(column.name, found, quote_all=quote_all)}{hint}"
            )
    wanted = list(contract.columns)
    if contract.name == "customers":
        wanted += [ContractColumn(name=name, type="flag") for name in found if name.startswith(CONSENT_PREFIX)]
        known = {column.name for column in wanted}
        for name in attributes:
            if name not in found:
                hint = did_you_mean(name, found, quote_all=quote_all)
                mistakes.append(f"customers.{name}: an attribute of the config, missing{hint}")
            elif name not in known:
                by_source: AttributeType = "number" if source[name].type().is_numeric() else "text"
                wanted.append(ContractColumn(name=name, type=types.get(name, by_source)))
    return wanted


__all__ = ["Tables", "conform", "open_tables", "source_files"]
