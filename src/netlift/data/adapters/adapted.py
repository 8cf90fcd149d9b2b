"""Output of an adapter: contract tables and a counted note for each rule applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from netlift.config.settings import did_you_mean
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class AdapterNote:
    """One rule of an adapter and how much it touched.

    Attributes:
        rule: What was found, and what was done about it.
        table: The contract table that it shaped.
        rows: Rows found, of the source or of the table, as the rule says.
        column: The column that it is about; empty for the whole table.
        code: What kind of finding the check makes of it.
        severity: How much the check makes of it.
    """

    rule: str
    table: str
    rows: int
    column: str = ""
    code: str = "adapter"
    severity: Literal["info", "warning"] = "info"


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """The contract tables of a public data set.

    Attributes:
        tables: Contract table to its expression, contract columns under contract names.
        notes: What the adapter's rules did, counted.
    """

    tables: Mapping[str, ir.Table]
    notes: tuple[AdapterNote, ...]


def require_columns(file: str, table: ir.Table, columns: tuple[str, ...]) -> ir.Table:
    """The columns of a file that an adapter needs, and no others.

    Raises:
        DataError: Columns are missing; all of them at once.
    """
    found = list(table.columns)
    absent = [name for name in columns if name not in found]
    missing = [f"{file}: no column {name!r}{did_you_mean(name, found, quote_all=False)}" for name in absent]
    if missing:
        raise DataError("\n".join(missing))
    return table.select(*columns)


def count_notes(
    table: str, rows: ir.Table, rules: Mapping[str, ir.BooleanValue | ir.IntegerValue]
) -> tuple[AdapterNote, ...]:
    """A note per rule, all counted in one pass.

    Args:
        table: The contract table that the rules shape.
        rows: Where the rules apply.
        rules: The rule in words, to whether it holds for a row, or for how many of the rows that a row sums up.
    """
    sums = {f"rule_{i}": holds.sum() for i, holds in enumerate(rules.values())}
    counts: dict[str, Any] = rows.aggregate(**sums).to_pyarrow().to_pylist()[0]
    return tuple(
        AdapterNote(rule=rule, table=table, rows=int(counts[f"rule_{i}"] or 0)) for i, rule in enumerate(rules)
    )


def drop_rows(
    table: str, rows: ir.Table, rules: Mapping[str, ir.BooleanValue]
) -> tuple[ir.Table, tuple[AdapterNote, ...]]:
    """Rows that no rule drops, and a note per rule; a row counts for the first rule that it meets."""
    import ibis

    order = {rule: i for i, rule in enumerate(rules)}
    first = ibis.cases(*((holds, order[rule]) for rule, holds in rules.items()), else_=len(rules))
    notes = count_notes(table, rows, {f"{rule}: dropped": first == i for rule, i in order.items()})
    return rows.filter(first == len(rules)), notes


def sum_exactly(amount: ir.NumericColumn, *, decimals: int) -> ir.NumericScalar:
    """The sum of amounts of so many decimals, added as whole numbers.

    Floats added in another order, or by another number of threads, differ in their last bit; whole numbers do not.
    """
    unit = 10**decimals
    return (amount * unit).round().cast("int64").sum() / unit
