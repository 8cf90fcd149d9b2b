"""Reading of a business's sources as Ibis tables in contract columns and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from netlift.config.business import REQUIRED_TABLES, AttributeType, BusinessSettings, EngineSettings, TableSource
from netlift.config.settings import did_you_mean
from netlift.data.adapters.adapted import Adapted, AdapterNote
from netlift.data.casting import Casting, Unread, refusals
from netlift.data.checks.findings import find_readers
from netlift.data.completeness import find_complete_end
from netlift.data.contract import CONSENT_PREFIX, CONTRACT, ContractColumn, TableContract, contract_of
from netlift.data.files import CSV, list_files, machine_error, open_files, stem_of
from netlift.data.memory import LIBRARIES_MB, require_memory
from netlift.data.snapshot import complete_snapshot
from netlift.data.tables import Tables
from netlift.data.unread import read_columns
from netlift.data.write import STAGING_PREFIX, resource_error
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir

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
    import duckdb

    engine = settings.engine.model_copy(update={"threads": 1}) if repeatable else settings.engine
    connection = connect(engine, state=settings.state)
    try:
        with TemporaryDirectory(prefix=f"{STAGING_PREFIX}utf8-", dir=settings.state / "cache") as scratch:
            sources, refused = _sources(connection, settings, scratch=Path(scratch), by_column=bool(verb))
            if refused and not verb:
                raise DataError("\n".join(refused.values()))
            tables = conform(
                connection,
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
    except duckdb.Error as error:  # rows are read late; what the engine says of them may quote a row
        raise machine_error(error, f"the tables of {settings.name}") or DataError(
            f"a source cannot be read to its end ({type(error).__name__}); write its files anew, in UTF-8 and with one "
            "type for each column"
        ) from None
    finally:
        connection.disconnect()


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
        stem = stem_of(source.path)
        with suppress(DataError):
            files |= {f"{name}/{part.relative_to(stem).as_posix()}": part for part in list_files(source.path)}
        log = source.path.with_name(f"{source.path.name}.wal")  # what DuckDB has not yet moved into its file
        if source.table is not None:
            files[f"{name}/{log.name}"] = log
    return {label: path for label, path in files.items() if path.is_file()}


def connect(engine: EngineSettings, *, state: Path) -> Any:
    """An in-memory DuckDB behind Ibis, with the config's threads and memory; it spills below `state`.

    Raises:
        ResourceError: The process may not hold that much memory, or the place to spill cannot be made.
    """
    import ibis

    require_memory(
        engine.memory_mb + LIBRARIES_MB, cure=f"lower engine.memory_mb ({engine.memory_mb:,}) or raise the limit"
    )
    spill = state / "cache" / "duckdb"
    try:
        spill.mkdir(mode=0o700, parents=True, exist_ok=True)  # rows of customers spill there
    except OSError as error:
        raise resource_error(error, spill) or ResourceError(
            f"{spill}: no folder can be made there ({error.strerror}); point state elsewhere"
        ) from error
    return ibis.duckdb.connect(
        threads=engine.threads,
        memory_limit=f"{engine.memory_mb}MB",
        temp_directory=str(spill),
        autoinstall_known_extensions=False,
        preserve_insertion_order=False,
    )


def _sources(
    connection: Any, settings: BusinessSettings, *, scratch: Path, by_column: bool
) -> tuple[Adapted, dict[str, str]]:
    """The tables as the sources have them, with contract names where the config renames; and which of them fail.

    With `by_column` a column whose files have no one type fails as `table.column`, else its table does.
    """
    if settings.data.adapter and settings.data.path:
        from netlift.data.adapters import adapt

        return adapt(settings.data.adapter, connection, settings.data.path), {}
    refused: dict[str, str] = {}
    found: dict[str, ir.Table] = {}
    known = contract_of(settings.data)
    for name, source in settings.data.sources.items():
        unlike: dict[str, str] = {}
        try:
            opened = open_files(connection, name, source, scratch=scratch, mixed=unlike if by_column else None)
            found[name] = _rename(known[name], opened, source)
        except DataError as error:
            refused[name] = str(error)
        ours = {theirs: column for column, theirs in source.columns.items()}
        refused |= {f"{name}.{ours.get(column, column)}": f"is {told}" for column, told in unlike.items()}
    return Adapted(tables=found, notes=()), refused


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
    return source is not None and source.table is None and list_files(source.path)[0].name.endswith(CSV)


def conform(
    connection: Any,
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
        connection: The Ibis backend that the sources live in.
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
        if not wrong:
            try:
                casting = Casting.of(written.get(name), zone)
                rows, values = read_columns(name, source, wanted, casting, mixed=unlike)
                expressions[name] = _as_view(connection, name, rows)
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
        connection=connection,
        expressions=kept,
        present={name: present[name] for name in kept},
        attributes=attributes,
        unknown={name: tuple(c for c in sources[name].columns if c not in present[name]) for name in kept},
        refused=lost,
        unread={(each.table, each.column): each.words for each in unread if each.table in kept},
        known=contract,
    )


def _as_view(connection: Any, name: str, rows: ir.Table) -> ir.Table:
    """The rows under a name: a query then costs what it asks, and not the translation of every cast as well."""
    import ibis

    if rows.op().find(ibis.expr.operations.InMemoryTable):  # the database forgets it with the frame
        return rows
    view: ir.Table = connection.create_view(ibis.util.gen_name(f"netlift_{name}"), rows)
    return view if view.schema() == rows.schema() else rows  # the database may take a written fraction for a decimal


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


__all__ = ["Tables", "conform", "connect", "open_tables", "source_files"]
