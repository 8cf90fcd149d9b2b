"""Tables split by customer over a cluster, and each part worked on as a business of its own.

Rows of all tables travel as one: the number of their table, and slots of each type that the tables share. On the other
side they are tables again, in a DuckDB of the worker, so that what is done with them is what one machine does.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from netlift.config.business import EngineSettings
from netlift.data.engines.arrow import without_zone
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.engines.engine import Cluster
from netlift.data.tables import Tables
from netlift.data.write import STAGING_PREFIX
from netlift.errors import ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    Counts = dict[str, Any]
    Work = Callable[[Tables], Generator[pa.Table, None, Counts]]

KEY, NUMBER, COUNTS = "customer_id", "table_", "counts_"
RECEIPTS_A_PART = 500_000


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """How rows of several tables travel as one.

    Attributes:
        slots: Of each table, in the order of its number, column to slot.
        schemas: Of each table, its columns as it has them.
        few: Tables without customers, which go along whole.
        known: What else `Tables` says of them.
    """

    slots: Mapping[str, Mapping[str, str]]
    schemas: Mapping[str, pa.Schema]
    few: Mapping[str, pa.Table]
    known: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The slot of the customer's id, the same in all tables."""
        return next(iter(self.slots.values()))[KEY]

    def unpack(self, batches: Iterable[pa.RecordBatch]) -> Tables:
        """The tables of the customers whose rows came, in a DuckDB of this process."""
        import ibis
        import pyarrow as pa
        import pyarrow.compute as pc

        parts: dict[str, list[pa.Table]] = defaultdict(list)
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            for number, (name, slots) in enumerate(self.slots.items()):
                mine = rows.filter(pc.equal(rows[NUMBER], number)).select([*slots.values()])
                if len(mine):
                    parts[name].append(without_zone(mine, self.schemas[name]))
        found = {
            name: pa.concat_tables(parts[name]) if name in parts else schema.empty_table()
            for name, schema in self.schemas.items()
        }
        expressions = {name: ibis.memtable(rows) for name, rows in {**found, **self.few}.items()}
        return Tables(engine=DuckDBEngine(threads=1), expressions=expressions, **self.known)


def pack(tables: Tables, names: Sequence[str]) -> tuple[ir.Table, Parcel]:
    """Rows of some tables as one, and how to make tables of them again.

    Args:
        tables: The tables of a business.
        names: Those with customers that are wanted.
    """
    import ibis

    slots: dict[str, dict[str, str]] = {}
    types: dict[str, Any] = {}
    for name in names:
        taken: Counter[str] = Counter()
        slots[name] = {}
        for column, dtype in sorted(tables[name].schema().items(), key=lambda item: item[0] != KEY):
            kind = type(dtype).__name__.lower()
            slots[name][column] = slot = f"{kind}_{taken[kind]}"
            types[slot] = dtype.copy(nullable=True)
            taken[kind] += 1
    parts = []
    for number, name in enumerate(names):
        rows, column_of = tables[name], {slot: column for column, slot in slots[name].items()}
        values = {
            slot: rows[column_of[slot]] if slot in column_of else ibis.null(dtype) for slot, dtype in types.items()
        }
        parts.append(rows.select(**{NUMBER: ibis.literal(number, type="int16")}, **values))
    parcel = Parcel(
        slots=slots,
        schemas={name: tables[name].select(*slots[name]).schema().to_pyarrow() for name in names},
        few={name: rows.to_pyarrow() for name, rows in tables.expressions.items() if KEY not in rows.columns},
        known={name: getattr(tables, name) for name in ("present", "attributes", "complete_end", "snapshot_of")},
    )
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0], parcel


def run_by_customer(
    tables: Tables, names: Sequence[str], work: Work, *, engine: EngineSettings, state: Path
) -> Generator[pa.Table, None, list[Counts]]:
    """Rows that work makes of each part of the customers, part by part; returns what each part counted.

    A part whose worker is lost is worked on again, and stands once all the same: rows and counts are of one file.

    Args:
        tables: The tables of a business, on a cluster.
        names: Tables with customers that the work reads; those without are few rows and go along whole.
        work: What is done with the tables of some customers: it yields rows, and returns what it counted. It is sent to
            the workers, so it holds values and names functions of modules that they have.
        engine: Into how many parts, and where they are put on their way here.
        state: The business's folder of everything written.

    Raises:
        DataError: The cluster cannot do it, or lost a worker too often.
        ResourceError: What the workers wrote is not to be seen here.
    """
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSelector, FileSystem

    cluster = cast(Cluster, tables.engine)
    rows, parcel = pack(tables, names)
    parts = engine.partitions or max(1, -(-int(tables["transactions"].count().to_pyarrow().as_py()) // RECEIPTS_A_PART))
    schema = next(work_through(parcel, work, [])).schema
    counts = []
    with _staging(engine, state) as place:
        job = partial(work_through, parcel, work)
        cluster.map_rows(rows, parcel.key, job, schema=schema, partitions=parts, place=place)
        system, folder = FileSystem.from_uri(place.replace("s3a://", "s3://"))  # Spark's name of the same store
        found = system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        for path in sorted(file.path for file in found if file.path.endswith(".parquet")):
            with pq.ParquetFile(system.open_input_file(path)) as file:
                for batch in file.iter_batches():
                    table = pa_table(batch)
                    counts += [json.loads(text) for text in table[COUNTS].drop_null().to_pylist()]
                    if len(mine := table.filter(table[COUNTS].is_null())):
                        yield mine.drop_columns([COUNTS])
        if len(counts) != parts:
            raise ResourceError(
                f"engine.staging: {len(counts):,} of {parts:,} parts that Spark's workers wrote to {place} are to be "
                "seen from this machine; name a folder that both see, as a path or such as hdfs://… or s3://…"
            )
    return counts


def work_through(parcel: Parcel, work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What the work makes of one part's rows, and in a last row what it counted."""
    import pyarrow as pa

    made, schema = work(parcel.unpack(batches)), pa.schema([])
    while True:
        try:
            table = next(made)
        except StopIteration as end:
            counts = end.value
            break
        schema = table.schema
        yield from table.append_column(COUNTS, pa.nulls(len(table), pa.string())).combine_chunks().to_batches()
    last = {field.name: pa.nulls(1, field.type) for field in schema}
    yield from pa.table({**last, COUNTS: pa.array([json.dumps(counts)])}).to_batches()


def pa_table(batch: pa.RecordBatch) -> pa.Table:
    """One batch as a table."""
    import pyarrow as pa

    return pa.Table.from_batches([batch])


@contextmanager
def _staging(engine: EngineSettings, state: Path) -> Iterator[str]:
    """The address of a folder that does not stand yet, and that goes when the block ends."""
    from pyarrow.fs import FileSystem

    if engine.staging is not None and "://" in engine.staging:
        place = f"{engine.staging.rstrip('/')}/{STAGING_PREFIX}{uuid4().hex}"
        system, folder = FileSystem.from_uri(place.replace("s3a://", "s3://"))
        try:
            yield place
        finally:
            system.delete_dir_contents(folder, missing_dir_ok=True)
            system.delete_dir(folder)
        return
    above = Path(engine.staging) if engine.staging is not None else state / "cache"
    with TemporaryDirectory(prefix=STAGING_PREFIX, dir=above) as folder:
        yield (Path(folder) / "parts").as_uri()
