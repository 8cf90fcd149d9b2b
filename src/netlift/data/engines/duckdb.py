"""DuckDB, within the process: files, folders, patterns and DuckDB files. The default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.config.business import EngineSettings, TableSource
from netlift.data.engines.engine import BATCH_ROWS
from netlift.data.engines.files import open_files
from netlift.data.memory import LIBRARIES_MB, require_memory
from netlift.data.write import resource_error
from netlift.errors import ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


class DuckDBEngine:
    """See `Engine`.

    Args:
        connection: The Ibis backend; None for one in memory with DuckDB's own settings.
        threads: Threads of that one.
    """

    def __init__(self, connection: Any = None, *, threads: int = 1) -> None:
        import ibis

        self.connection = ibis.duckdb.connect(threads=threads) if connection is None else connection

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table:
        return open_files(self.connection, name, source, scratch=scratch, mixed=mixed)

    def name_rows(self, name: str, rows: ir.Table) -> ir.Table:
        import ibis

        if rows.op().find(ibis.expr.operations.InMemoryTable):  # the database forgets it with the frame
            return rows
        view: ir.Table = self.connection.create_view(ibis.util.gen_name(f"netlift_{name}"), rows)
        return view if view.schema() == rows.schema() else rows  # the database may take a written fraction for decimal

    def hold(self, rows: ir.Table) -> ir.Table:
        import ibis

        held: ir.Table = self.connection.create_table(ibis.util.gen_name("netlift_held"), rows, temp=True)
        return held

    def hash_id(self, ids: ir.StringValue) -> ir.IntegerValue:
        import ibis

        return ibis.udf.scalar.builtin(_text, name="hash", signature=(("string",), "uint64"))(ids)

    def compose_id(self, ids: ir.StringValue) -> ir.StringValue:
        import ibis

        return ibis.udf.scalar.builtin(_text, name="nfc_normalize", signature=(("string",), "string"))(ids)

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        """As DuckDB makes them: Ibis's `to_pyarrow_batches` holds the whole result before the first batch."""
        reader = self.connection._to_duckdb_relation(rows).to_arrow_reader(BATCH_ROWS)
        try:
            yield from reader
        finally:
            reader.close()

    def software(self) -> Mapping[str, str]:
        return {"duckdb": version("duckdb")}

    def close(self) -> None:
        self.connection.disconnect()


def open_duckdb(engine: EngineSettings, *, state: Path) -> DuckDBEngine:
    """DuckDB in memory with the config's threads and memory; it spills below `state`.

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
    return DuckDBEngine(
        ibis.duckdb.connect(
            threads=engine.threads,
            memory_limit=f"{engine.memory_mb}MB",
            temp_directory=str(spill),
            autoinstall_known_extensions=False,
            preserve_insertion_order=False,
        )
    )


def table_names(path: Path) -> list[str]:
    """Tables of a DuckDB file."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        tables = "select table_name from information_schema.tables where table_catalog = current_catalog()"
        return sorted(row[0] for row in connection.execute(tables).fetchall())


def _text(text: str) -> str:
    raise NotImplementedError("the engine has it built in")


__all__ = ["DuckDBEngine", "open_duckdb", "table_names"]
