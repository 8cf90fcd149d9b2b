"""PostgreSQL from 15 on: queries run in the database, and rows come by a cursor of the server in bounded batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis.expr.datatypes as dt
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.postgres import PostgresCompiler

from netlift.config.business import TableSource
from netlift.config.settings import did_you_mean
from netlift.data.engines.engine import BATCH_ROWS, updated_column
from netlift.data.engines.errors import reading
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

OLDEST = 150_000
SESSION = "-c TimeZone=UTC -c DateStyle=ISO -c extra_float_digits=1 -c jit=off"
"""Rows are compared as text for versions; PostgreSQL's own compiler costs more than these queries."""
WAIT_SECONDS = 10
LAST = "9999-12-31"


class PostgresEngine:
    """See `Warehouse`.

    Args:
        url: `postgresql://user:password@host:port/database`, as libpq reads it.
        place: Host and database, for messages; never the password.
    """

    def __init__(self, url: str, place: str) -> None:
        import ibis
        import psycopg

        self.place = place
        try:
            session = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=WAIT_SECONDS,
                options=SESSION,
                application_name="netlift",
            )
        except psycopg.OperationalError as error:
            raise _refused(error, place) from None
        except psycopg.Error:  # libpq quotes the URL
            raise DataError(
                f"{place}: no URL of a database, such as postgresql://user:password@host/database"
            ) from None
        if session.info.server_version < OLDEST:
            found = session.info.server_version // 10_000
            session.close()
            raise DataError(f"{place} is PostgreSQL {found}; netlift reads 15 and newer")
        self.connection = ibis.postgres.from_connection(session)
        self.connection.compiler = _Compiler()

    @property
    def can_hold(self) -> bool:
        """Whether the user may have temporary tables here, as nobody may on a replica."""
        asked = "select not pg_is_in_recovery() and has_database_privilege(current_database(), 'TEMP')"
        return bool(self.connection.con.execute(asked).fetchone()[0])

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table:
        """What netlift reads otherwise than PostgreSQL shows it is put right where the rows are selected.

        Text is in the order of its code points, whatever the database's collation; numbers without a precision
        (`numeric` alone) are floats of 64 bits; infinite moments are of the year 9999, which the check counts.
        """
        import ibis

        rows = self._read(name, source, lambda: self._table(name, source))
        schema, columns = {}, []
        for column, dtype in rows.schema().items():
            quoted = _quote(column)
            if dtype.is_string() or dtype.is_uuid() or dtype.is_unknown():
                dtype, value = ibis.dtype("string"), f'{quoted}::text collate "C"'
            elif dtype.is_decimal() and dtype.precision is None:
                dtype, value = ibis.dtype("float64"), f"{quoted}::double precision"
            elif dtype.is_timestamp() or dtype.is_date():
                value = f"case when {quoted} > '{LAST}' then '{LAST}' else {quoted} end"
            else:
                value = quoted
            schema[column] = dtype.copy(nullable=True)
            columns.append(f"{value} as {quoted}")
        query = f"select {', '.join(columns)} from {_quote(*str(source.table).split('.'))}"
        found: ir.Table = self.connection.sql(query, schema=ibis.schema(schema))
        return found

    def name_rows(self, name: str, rows: ir.Table) -> ir.Table:
        """By a temporary view, which needs no right but that to temporary tables."""
        import ibis

        if rows.op().find(ibis.expr.operations.InMemoryTable):
            return rows
        view = ibis.util.gen_name(f"netlift_{name}")
        self.connection.raw_sql(f'create temporary view "{view}" as {self.connection.compile(rows)}').close()
        found: ir.Table = self.connection.table(view)
        return found if found.schema() == rows.schema() else rows

    def hold(self, rows: ir.Table) -> ir.Table:
        import ibis

        held: ir.Table = self.connection.create_table(ibis.util.gen_name("netlift_held"), rows, temp=True)
        return held

    def hash_id(self, ids: ir.StringValue) -> ir.IntegerValue:
        import ibis

        hashed = ibis.udf.scalar.builtin(
            _text_and_seed, name="hashtextextended", signature=(("string", "int64"), "int64")
        )
        return hashed(ids, 0)

    def compose_id(self, ids: ir.StringValue) -> ir.StringValue:
        import ibis

        return ibis.udf.scalar.builtin(_text, name="normalize", signature=(("string",), "string"))(ids)

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        with self.connection.to_pyarrow_batches(rows, chunk_size=BATCH_ROWS) as reader:
            yield from reader

    def software(self) -> Mapping[str, str]:
        return {"postgres": str(self.connection.version)}

    def close(self) -> None:
        self.connection.con.close()

    def version_of(self, name: str, source: TableSource) -> str:
        """Rows, and of two hashes of each row as text the sum and the exclusive or."""
        hashes = "sum(hashtextextended(t::text, 0)::numeric), bit_xor(hashtextextended(t::text, 1))"
        asked = f"select count(*), {hashes} from {_quote(*str(source.table).split('.'))} t"
        found = self._read(name, source, lambda: self.connection.con.execute(asked).fetchone())
        return "-".join(str(each) for each in found)

    def updated_at(self, name: str, source: TableSource) -> datetime | None:
        if source.updated_at is None:
            return None
        rows = self._read(name, source, lambda: self._table(name, source))
        column = updated_column(name, source, rows, place=self.place)
        newest: datetime | None = self._read(name, source, lambda: column.max().to_pyarrow().as_py())
        return newest

    def _table(self, name: str, source: TableSource) -> ir.Table:
        from ibis.common.exceptions import TableNotFound

        *schema, table = str(source.table).split(".")
        try:
            found: ir.Table = self.connection.table(table, database=schema[0] if schema else None)
        except TableNotFound:
            known = self.connection.list_tables(database=schema[0] if schema else None)
            near = did_you_mean(table, known)
            raise DataError(
                f"{name}: {self.place} has no table {source.table}, or its user may not see it{near}"
            ) from None
        return found

    def _read(self, name: str, source: TableSource, read: Any) -> Any:
        return reading(name, f"table {source.table} of {self.place}", read)


class _Compiler(PostgresCompiler):
    """Ibis's own, where PostgreSQL reads otherwise what Ibis writes."""

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:  # noqa: N802 - a boolean is no number but by integer
        if op.arg.dtype.is_boolean() and to.is_numeric():
            return self.cast(self.cast(arg, dt.int32), to)
        return super().visit_Cast(op, arg=arg, to=to)

    visit_TryCast = visit_Cast  # noqa: N815

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:  # noqa: N802 - 0.5 is a decimal
        if dtype.is_floating() and math.isfinite(value):
            return self.cast(sge.convert(value), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)


def _quote(*names: str) -> str:
    return ".".join(sge.to_identifier(name, quoted=True).sql("postgres") for name in names)


def _refused(error: Exception, place: str) -> DataError | ResourceError:
    """Why nobody let us in; the driver's own words may hold what stands in the URL."""
    text = str(error)
    if "password" in text or "authentication" in text or "no pg_hba.conf entry" in text:
        return DataError(f"{place} refused user or password; correct the URL in the environment variable")
    if "does not exist" in text:
        return DataError(f"{place}: no such database or user; correct the URL in the environment variable")
    return ResourceError(f"{place} cannot be reached; is the host up, and may this machine connect to it?")


def _text(text: str) -> str:
    raise NotImplementedError("the engine has it built in")


def _text_and_seed(text: str, seed: int) -> int:
    raise NotImplementedError("the engine has it built in")


__all__ = ["PostgresEngine"]
