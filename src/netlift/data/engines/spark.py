"""Spark by Spark Connect: queries run where the tables are, and Python is mapped over rows split by a key."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from netlift.config.business import EngineSettings, TableSource
from netlift.data.engines.arrow import without_zone
from netlift.data.engines.engine import BATCH_ROWS, updated_column
from netlift.data.engines.errors import reading
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    Work = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

INSTANT = "timestamp('UTC', 6)"
NORMAL = "netlift_nfc"
PORT, WAIT_SECONDS = 15002, 10
CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # what cannot be read is an error, never a silent null
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # an id of digits in a folder's name stays text
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
}


class SparkEngine:
    """See `Warehouse`.

    Within the session, whose zone is UTC, a moment without a zone is Spark's TIMESTAMP or TIMESTAMP_NTZ of the same
    digits; Ibis shows both alike. What is an instant is told by Spark's own schema, before Ibis sees the table.

    Args:
        session: A session of its own at Spark Connect.
    """

    can_hold = True

    def __init__(self, session: Any) -> None:
        self._session = session
        self.connection = _backend(session)
        self._held: list[Any] = []

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table:
        from pyspark.sql.types import TimestampType

        frame = self._read(name, source)
        fields = reading(name, _place(source), lambda: frame.schema.fields)
        rows = self._table(name, frame)
        instants = [field.name for field in fields if isinstance(field.dataType, TimestampType)]
        return rows.mutate(**{column: rows[column].cast(INSTANT) for column in instants}) if instants else rows

    def name_rows(self, name: str, rows: ir.Table) -> ir.Table:
        return self._table(name, self._frame(rows), schema=rows.schema())

    def hold(self, rows: ir.Table) -> ir.Table:
        frame = self._frame(rows).persist()
        self._held.append(frame)
        return self._table("held", frame, schema=rows.schema())

    def hash_id(self, ids: ir.StringValue) -> ir.IntegerValue:
        """By xxHash with 64 bits; Spark's own `hash` has 32, which 200,000 customers share five times."""
        import ibis

        return ibis.udf.scalar.builtin(_text, name="xxhash64", signature=(("string",), "int64"))(ids)

    def compose_id(self, ids: ir.StringValue) -> ir.StringValue:
        """By Python on the cluster: Spark has no normal forms."""
        import ibis

        return ibis.udf.scalar.builtin(_text, name=NORMAL, signature=(("string",), "string"))(ids)

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        schema, frame = rows.schema().to_pyarrow(), self._frame(rows)
        for found in self._session.client.to_table_as_iterator(frame._plan.to_proto(self._session.client), {}):
            if hasattr(found, "to_batches"):  # the first is Spark's schema
                yield from without_zone(found, schema).combine_chunks().to_batches()

    def software(self) -> Mapping[str, str]:
        return {"spark": str(self._session.version)}

    def close(self) -> None:
        for frame in self._held:
            frame.unpersist()
        self._session.stop()

    def version_of(self, name: str, source: TableSource) -> str:
        """Rows, and the sum and the exclusive or of two hashes of each."""
        frame = self._read(name, source)
        names = sorted(reading(name, _place(source), lambda: frame.columns))
        columns = ", ".join("`" + column.replace("`", "``") + "`" for column in names)
        sums = f"count(*), sum(cast(xxhash64({columns}) as decimal(38, 0))), bit_xor(xxhash64('netlift', {columns}))"
        frame.createOrReplaceTempView("netlift_version")
        found = reading(name, _place(source), lambda: self._session.sql(f"select {sums} from netlift_version").first())
        return "-".join(str(each) for each in (*found, *names))

    def updated_at(self, name: str, source: TableSource) -> datetime | None:
        if source.updated_at is None:
            return None
        column = updated_column(name, source, self.open_table(name, source, scratch=Path()), place="Spark's catalog")
        newest: datetime | None = reading(name, _place(source), column.max().to_pyarrow).as_py()
        return newest if newest is None or not column.type().timezone else newest.replace(tzinfo=UTC)

    def map_rows(self, rows: ir.Table, key: str, work: Work, *, schema: pa.Schema, partitions: int, place: str) -> None:
        from pyspark.errors import PySparkException
        from pyspark.sql.connect.functions import xxhash64
        from pyspark.sql.pandas.types import from_arrow_schema

        parts = self._frame(rows).repartition(partitions, xxhash64(key))
        made = parts.mapInArrow(work, from_arrow_schema(schema, prefer_timestamp_ntz=True))
        try:
            made.write.parquet(place, compression="zstd")
        except PySparkException as error:
            raise _workers_error(str(error)) from None

    def _frame(self, rows: ir.Table) -> Any:
        self.connection._run_pre_execute_hooks(rows)
        return self._session.sql(self.connection.compile(rows))

    def _table(self, name: str, frame: Any, *, schema: Any = None) -> ir.Table:
        """The rows of a frame under a name of their own."""
        import ibis

        view = ibis.util.gen_name(f"netlift_{name}")
        frame.createOrReplaceTempView(view)
        table: ir.Table = self.connection.table(view)
        return table if schema is None or table.schema() == schema else table.cast(dict(schema.items()))

    def _read(self, name: str, source: TableSource) -> Any:
        """A table of the catalog, or Parquet files whose columns are taken together.

        Raises:
            DataError: Files of another kind.
        """
        if not source.is_file:
            return self._session.table(str(source.table))
        path = str(source.address or source.path).replace("s3://", "s3a://")
        if source.table is not None or path.endswith((".csv", ".csv.gz")):
            raise DataError(
                f"{name}: {path} is no Parquet; engine.kind: spark reads Parquet files and tables of Spark's catalog: "
                "write it as Parquet, or load it into the catalog"
            )
        return self._session.read.option("mergeSchema", "true").parquet(path)


def _place(source: TableSource) -> str:
    return source.table or source.address or str(source.path)


def open_spark(settings: EngineSettings) -> SparkEngine:
    """The cluster of the config.

    Raises:
        ResourceError: Spark's client is not installed, or nobody answers at the place.
    """
    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise ResourceError(
            f"engine.kind: spark needs Spark's client ({error.name} is missing): pip install 'netlift[spark]'"
        ) from None
    remote = str(settings.remote)
    place = urlparse(remote.split(";")[0])
    host, port = place.hostname or "", place.port or PORT
    try:  # the client itself would try for ten minutes
        socket.create_connection((host, port), timeout=WAIT_SECONDS).close()
    except OSError as error:
        raise ResourceError(
            f"engine.remote: nobody answers at {host}:{port} ({error.strerror or 'timed out'}); "
            "start Spark Connect there (start-connect-server.sh), or correct engine.remote"
        ) from None
    session = SparkSession.builder.remote(remote).create()
    for name, value in CONFIG.items():
        session.conf.set(name, value)
    return SparkEngine(session)


def _backend(session: Any) -> Any:
    """Ibis' Spark backend, with Arrow for answers and null and NaN told apart as every other engine does."""
    import ibis
    import pandas as pd
    from ibis.backends.pyspark import Backend
    from ibis.backends.sql.compilers.base import NULL
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    from pyspark.sql.functions import pandas_udf
    from pyspark.sql.types import StringType

    class Compiler(PySparkCompiler):
        __slots__ = ()

        def visit_IsNull(self, op: Any, *, arg: Any) -> Any:  # noqa: N802 - Ibis' names
            return arg.is_(NULL)

        def visit_NotNull(self, op: Any, *, arg: Any) -> Any:  # noqa: N802
            return arg.is_(NULL).not_()

    class ArrowBackend(Backend):
        compiler = Compiler()

        def to_pyarrow(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None, **_: Any) -> Any:
            rows = expr.as_table()
            self._run_pre_execute_hooks(rows)
            found = self._session.sql(self.compile(rows, params=params, limit=limit)).toArrow()
            return expr.__pyarrow_result__(without_zone(found, rows.schema().to_pyarrow()))

        def execute(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None, **_: Any) -> Any:
            return expr.__pandas_result__(self.to_pyarrow(expr.as_table(), params=params, limit=limit).to_pandas())

        def _register_in_memory_table(self, op: Any) -> None:
            self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)

    def compose(ids: pd.Series) -> pd.Series:
        return ids.str.normalize("NFC")

    compose.__annotations__ = {"ids": pd.Series, "return": pd.Series}  # Spark reads them, and ours are text
    session.udf.register(NORMAL, pandas_udf(compose, StringType()))
    _ = ibis.pyspark  # its options exist from here on
    return ArrowBackend().connect(session)


def _workers_error(text: str) -> DataError | ResourceError:
    """Why the workers gave up; what Python says there may quote a row, so no more than its kind is kept."""
    if "No module named 'netlift" in text:
        return ResourceError(
            "Spark's workers cannot import netlift: install it for the Python that Spark starts there, or send a "
            "packed environment (spark.archives)"
        )
    kinds = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception|Interrupt))\b", text, flags=re.MULTILINE)
    told = f"{kinds[-1]} in Python" if kinds else re.split(r"[\].:\n]", text.lstrip("["))[0]
    return DataError(
        f"Spark's workers gave up on a part of the customers ({told}), so that nothing was written; Spark's log has "
        "the rest. Parts that are too large for a worker get smaller by engine.partitions"
    )


def _text(text: str) -> str:
    raise NotImplementedError("the engine has it built in")


__all__ = ["SparkEngine", "open_spark"]
