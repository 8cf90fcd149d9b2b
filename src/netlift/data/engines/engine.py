"""What every engine does for the rest: tables, hashes of ids, batches of rows, versions of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from netlift.config.business import TableSource
from netlift.config.settings import did_you_mean
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

BATCH_ROWS = 122_880


class Engine(Protocol):
    """One open connection to where the tables are.

    All tables of a job live in one engine, so that any of them can be joined. What a driver raises is translated by
    `netlift.data.engines.errors`.

    Attributes:
        connection: The Ibis backend: expressions are run by it, and compiled in its dialect.
    """

    connection: Any

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table:
        """A table as its source has it, moments with a zone as instants of UTC.

        Args:
            name: Name of the table, for messages.
            source: Where it is and how it is written.
            scratch: An empty folder that outlives the table, for what must be written anew first.
            mixed: Takes the columns that have no one type in all files, with what they have; None refuses them.

        Raises:
            DataError: There is no such table, or it cannot be read.
        """

    def name_rows(self, name: str, rows: ir.Table) -> ir.Table:
        """The rows under a name where the engine can give one, so that a query need not hold how they are made."""

    def hold(self, rows: ir.Table) -> ir.Table:
        """The rows, worked out once and held by the engine until it is closed."""

    def hash_id(self, ids: ir.StringValue) -> ir.IntegerValue:
        """A hash of 64 bits of each id; rows come as int64 or uint64, of the same bits.

        Which hash it is, is the engine's matter: hashes are compared within one job and never written.
        """

    def compose_id(self, ids: ir.StringValue) -> ir.StringValue:
        """The ids in Unicode normal form C."""

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        """Record batches of an expression, of about `BATCH_ROWS` rows; never all of it at once."""

    def software(self) -> Mapping[str, str]:
        """Name and version of what reads, for manifests."""

    def close(self) -> None:
        """End the session; held tables go with it."""


class Database(Protocol):
    """A database that tables are read from, and which must tell itself when they change.

    Attributes:
        can_hold: Whether queries can run there whole, with tables held between them, so that it is a `Warehouse`; else
            rows are copied from there.
    """

    @property
    def can_hold(self) -> bool: ...

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table: ...

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]: ...

    def version_of(self, name: str, source: TableSource) -> str:
        """A digest of a table's content; tables that differ in a value have different ones, whatever their row order.

        Raises:
            DataError: There is no such table, or it cannot be read.
        """

    def updated_at(self, name: str, source: TableSource) -> datetime | None:
        """When the table was last written, without a zone where its column has none; None where nothing tells.

        Raises:
            DataError: There is no such table, or it cannot be read.
        """

    def close(self) -> None: ...


class Warehouse(Engine, Database, Protocol):
    """An engine whose tables are no files of this machine."""


class Cluster(Warehouse, Protocol):
    """A warehouse whose workers run Python."""

    def map_rows(
        self,
        rows: ir.Table,
        key: str,
        work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
        *,
        schema: pa.Schema,
        partitions: int,
        place: str,
    ) -> None:
        """Write what `work` makes of all rows of each part, in parts of the key, as Parquet.

        A part that is tried again replaces its first try: what is written stands once.

        Args:
            rows: What is split; rows of one key come to one call.
            key: The column.
            work: Called once a part, on a worker; it is sent there, and what it names must be importable there.
            schema: Of what it makes.
            partitions: How many parts.
            place: Address of a folder that does not stand yet.

        Raises:
            DataError: A part failed as often as the cluster tries.
        """


def updated_column(name: str, source: TableSource, rows: ir.Table, *, place: str) -> Any:
    """The column that says when a table was last written.

    Raises:
        DataError: There is no such column, or it holds no moments.
    """
    column = str(source.updated_at)
    if column not in rows.columns or not rows[column].type().is_timestamp():
        near = did_you_mean(column, list(rows.columns))
        raise DataError(f"{name}.{column}: no moment of {source.table} in {place}{near}; updated_at needs one")
    return rows[column]


__all__ = ["BATCH_ROWS", "Cluster", "Database", "Engine", "Warehouse", "updated_column"]
