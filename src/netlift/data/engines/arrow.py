"""Answers of engines in Arrow, in the types of the expression that was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def without_zone(found: pa.Table, schema: pa.Schema) -> pa.Table:
    """An answer in the types that Ibis promised; instants of a session in UTC as the moments that they stand for.

    Args:
        found: The answer, its columns in the order of the schema.
        schema: Names and types.
    """
    import pyarrow as pa

    columns: list[Any] = []
    for column, field in zip(found.columns, schema, strict=True):
        if pa.types.is_timestamp(column.type) and column.type.tz and not field.type.tz:
            column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=schema)


__all__ = ["without_zone"]
