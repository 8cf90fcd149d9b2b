"""Duplicate rows of tables without a key: repeated loads distinguished from genuine twins.

Two honest rows can be the same in every column: a day without a time, and a price that many pay. How often, is told by
the customers themselves. With q the chance that two rows of one customer agree in all but the moment, and m rows of
his at one moment that differ in something, chance gives about m q / (1 - q) repeats. Far more than that is a second
copy. Where nearly all agree, a copy still leaves a print that chance does not: each of its rows stands an even number
of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

FEWEST, FEWEST_SHARE = 10, 0.0005
FAR_ABOVE = 3.0
MOST_ALIKE = 0.5
EVEN_SHARE, FEWEST_EVEN = 0.9, 40
"""By chance a row stands an even number of times in half of all cases at most: 36 of 40 in one of ten million."""


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Rows that are the same in every column.

    Attributes:
        rows: Rows of the table.
        surplus: Of them, those that repeat another.
        expected: How many chance would give, about.
        doubled_days: Days of which nearly every row stands an even number of times.
        is_doubled: The same of the table as a whole.
    """

    rows: int
    surplus: int
    expected: float
    doubled_days: int
    is_doubled: bool

    @property
    def suspicious(self) -> bool:
        """Whether chance explains them not."""
        enough = self.surplus >= max(FEWEST, FEWEST_SHARE * self.rows)
        return self.is_doubled or self.doubled_days > 0 or (enough and self.surplus > FAR_ABOVE * self.expected)


def find_repeats(tables: Tables, name: str, *, rows: ir.Table | None = None) -> Repeats | None:
    """Rows of a table that are the same in every column; None for a table with a key, or without customers.

    Args:
        tables: The tables of a business.
        name: Which table.
        rows: Some of its rows, with all its columns; None for all.
    """
    contract = tables.known[name]
    present = sorted(tables.present[name])
    has_key = bool(contract.key) and all(tables.has(name, column) for column in contract.key)
    if has_key or contract.time is None or "customer_id" not in present:
        return None
    rows = tables[name] if rows is None else rows
    alike = rows.group_by(present).aggregate(copies=rows.count())
    day, even = alike[contract.time].date(), (alike.copies % 2 == 0).cast("int64")
    by_day = alike.group_by(day=day).aggregate(rows=alike.copies.sum(), kinds=alike.count(), even=even.sum())
    doubled = (by_day.kinds >= FEWEST_EVEN) & (by_day.even >= EVEN_SHARE * by_day.kinds)
    found = by_day.aggregate(
        rows=by_day.rows.sum(), kinds=by_day.kinds.sum(), even=by_day.even.sum(), days=doubled.sum()
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    total, distinct, evens = (int(found[name] or 0) for name in ("rows", "kinds", "even"))
    surplus = total - distinct
    return Repeats(
        rows=total,
        surplus=surplus,
        expected=_expected(alike, present, contract.time) if surplus >= FEWEST else 0.0,
        doubled_days=int(found["days"] or 0),
        is_doubled=distinct >= FEWEST_EVEN and evens >= EVEN_SHARE * distinct,
    )


def _expected(alike: ir.Table, present: list[str], dated_by: str) -> float:
    """How many repeats chance gives, from rows that are not the same."""
    others = [column for column in present if column != dated_by]
    moments = alike.group_by("customer_id", dated_by).aggregate(n=alike.count())
    kinds = alike.group_by(others).aggregate(n=alike.count())
    people = alike.group_by("customer_id").aggregate(n=alike.count())
    together, agree, pairs = (
        float(t.aggregate(sum=expression.sum()).to_pyarrow().to_pylist()[0]["sum"] or 0)
        for t, expression in (
            (moments, moments.n - 1),
            (kinds, (kinds.n * (kinds.n - 1)).cast("float64")),
            (people, (people.n * (people.n - 1)).cast("float64")),
        )
    )
    q = agree / pairs if pairs else 0.0
    return together * q / (1 - q) if q < MOST_ALIKE else float("inf")


__all__ = ["Repeats", "find_repeats"]
