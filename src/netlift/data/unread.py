"""A source in the columns of its contract, with the rows marked whose values cannot be read and count as missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from netlift.data.casting import Casting, Unread, impossible_moments, null_of, refusals, unread_values
from netlift.data.contract import MARK, ContractColumn
from netlift.data.engines.errors import reading

if TYPE_CHECKING:
    import ibis.expr.types as ir


def read_columns(
    table: str, source: ir.Table, wanted: Sequence[ContractColumn], casting: Casting, *, mixed: Mapping[str, str]
) -> tuple[ir.Table, list[Unread]]:
    """The contract's columns, and behind those with values that cannot be read a flag of the rows.

    Args:
        table: Name of the table.
        source: The table as its source has it.
        wanted: The columns; one that the source does not have is empty.
        casting: How values are read.
        mixed: Columns whose files have no one type, and what they are; none of their values is read.

    Raises:
        DataError: The source cannot be read to its end.
    """
    found = [column for column in wanted if column.name in source.columns]
    typed = [c for c in found if c.name not in mixed and not refusals(table, c, source[c.name])]
    cast = reading(table, "its source", partial(_cast, source, typed, casting))
    untyped = _untyped(table, source, [column for column in found if column not in typed], mixed)
    unread = [*unread_values(table, source, cast), *untyped]
    values = {column.name: cast[column] if column in cast else null_of(column) for column in wanted}
    rows = source.select(**values, **{f"{MARK}{each.column}": each.bad for each in unread})
    outside = impossible_moments(table, rows, typed)
    return _leave_out(rows, outside), _one_a_column([*unread, *outside])


def _cast(source: ir.Table, columns: Sequence[ContractColumn], casting: Casting) -> dict[ContractColumn, Any]:
    return {column: casting.cast(column, source[column.name]) for column in columns}


def _untyped(
    table: str, source: ir.Table, columns: Sequence[ContractColumn], mixed: Mapping[str, str]
) -> Iterator[Unread]:
    """Columns of a type that holds no value of the contract's, or of no one type: none is read."""
    for column in columns:
        why = mixed[column.name] if column.name in mixed else refusals(table, column, source[column.name])[0]
        bad = source[column.name].notnull()
        count = int(reading(table, "its source", source.filter(bad).count().to_pyarrow).as_py())
        words = f"are in a column that {why.removeprefix(f'{table}.{column.name}: ')}"
        yield Unread(table=table, column=column.name, count=count, words=words, bad=bad)


def _leave_out(rows: ir.Table, unread: Sequence[Unread]) -> ir.Table:
    """The rows with these values missing, and marked."""
    import ibis

    changed: dict[str, Any] = {}
    for each in unread:
        mark, bad = f"{MARK}{each.column}", ibis.coalesce(each.bad, ibis.literal(value=False))
        changed[each.column] = ibis.ifelse(bad, None, rows[each.column])
        changed[mark] = rows[mark] | bad if mark in rows.columns else bad
    return rows.mutate(**changed)


def _one_a_column(unread: Sequence[Unread]) -> list[Unread]:
    found: dict[str, Unread] = {}
    for each in unread:
        other = found.get(each.column)
        if other is not None:
            each = replace(each, count=other.count + each.count, words=f"{other.words}, or {each.words}")
        found[each.column] = each
    return [*found.values()]


__all__ = ["read_columns"]
