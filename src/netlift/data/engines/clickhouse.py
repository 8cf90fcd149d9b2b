"""ClickHouse as a source: columns come from there, and are counted here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.schema as sch
import sqlglot.expressions as sge

from netlift.config.business import TableSource
from netlift.data.engines.engine import BATCH_ROWS, updated_column
from netlift.data.engines.errors import reading
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

INSTANT = dt.Timestamp(timezone="UTC", scale=6)
WAIT_SECONDS = 10


class ClickHouse:
    """See `Database`.

    Args:
        url: `clickhouse://user:password@host:port/database?secure=true`, of its HTTP interface.
        place: Host and database, for messages; never the password.
    """

    can_hold = False

    def __init__(self, url: str, place: str) -> None:
        import clickhouse_connect.driver.exceptions as driver

        self.place = place
        parts = urlsplit(url)
        try:
            self.connection = ibis.clickhouse.connect(
                host=parts.hostname or "localhost",
                port=parts.port,
                user=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                database=parts.path.strip("/") or "default",
                secure=dict(parse_qsl(parts.query)).get("secure") in ("true", "1") or None,
                connect_timeout=WAIT_SECONDS,
            )
        except driver.OperationalError:
            raise ResourceError(f"{place} cannot be reached; is the host up, and may this machine connect?") from None
        except driver.Error:
            raise DataError(f"{place} refused user, password or database; correct the URL in the variable") from None

    def open_table(
        self, name: str, source: TableSource, *, scratch: Path, mixed: dict[str, str] | None = None
    ) -> ir.Table:
        """All of ClickHouse's moments are instants, whatever zone they are shown in; they come in UTC."""
        query, schema = select_columns(str(source.table), self._schema(name, source))
        found: ir.Table = self.connection.sql(query, schema=schema)
        return found

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        with self.connection.to_pyarrow_batches(rows, chunk_size=BATCH_ROWS) as reader:
            yield from reader

    def version_of(self, name: str, source: TableSource) -> str:
        """Rows, and of two hashes of each row as JSON the sum and the exclusive or."""
        query = version_query(str(source.table))
        found = self._read(name, source, lambda: self.connection.con.query(query).result_rows[0])
        return "-".join(str(each) for each in found)

    def updated_at(self, name: str, source: TableSource) -> datetime | None:
        if source.updated_at is None:
            return None
        rows = self.open_table(name, source, scratch=Path())
        column = updated_column(name, source, rows, place=self.place)
        newest: datetime | None = self._read(name, source, lambda: column.max().to_pyarrow().as_py())
        return newest

    def close(self) -> None:
        self.connection.disconnect()

    def _schema(self, name: str, source: TableSource) -> sch.Schema:
        database, table = _parts(str(source.table))
        found: sch.Schema = self._read(name, source, lambda: self.connection.get_schema(table, database=database))
        return found

    def _read(self, name: str, source: TableSource, read: Any) -> Any:
        return reading(name, f"table {source.table} of {self.place}", read)


def select_columns(table: str, schema: sch.Schema) -> tuple[str, sch.Schema]:
    """The query of a table's columns as netlift reads them, and their types.

    Examples:
        >>> schema = ibis.schema({"id": "uuid", "at": "timestamp('Europe/Moscow')", "margin": "float64"})
        >>> print(select_columns("crm.receipts", schema)[0])
        SELECT toString("id") AS "id", toTimeZone(toDateTime64("at", 6), 'UTC') AS "at", "margin" FROM "crm"."receipts"
    """
    types, columns = {}, []
    for column, dtype in schema.items():
        quoted = _quote(column)
        if dtype.is_timestamp():
            types[column], value = INSTANT, f"toTimeZone(toDateTime64({quoted}, 6), 'UTC') AS {quoted}"
        elif dtype.is_string() or dtype.is_uuid() or dtype.is_unknown():
            types[column], value = dt.string, f"toString({quoted}) AS {quoted}"
        else:
            types[column], value = dtype.copy(nullable=True), quoted
        columns.append(value)
    return f"SELECT {', '.join(columns)} FROM {_quote(*filter(None, _parts(table)))}", ibis.schema(types)


def version_query(table: str) -> str:
    """The query that digests a table's content, whatever the order of its rows.

    Examples:
        >>> print(version_query("receipts").partition(" FROM ")[2])
        (SELECT formatRowNoNewline('JSONEachRow', *) AS text FROM "receipts")
    """
    rows = f"SELECT formatRowNoNewline('JSONEachRow', *) AS text FROM {_quote(*filter(None, _parts(table)))}"
    return f"SELECT count(), sum(cityHash64(text)), groupBitXor(sipHash64(text)) FROM ({rows})"


def _parts(table: str) -> tuple[str | None, str]:
    database, _, name = table.rpartition(".")
    return database or None, name


def _quote(*names: str) -> str:
    return ".".join(sge.to_identifier(name, quoted=True).sql("clickhouse") for name in names)


__all__ = ["ClickHouse", "select_columns", "version_query"]
