"""Movement of customers and money between segments from month to month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.results import Table

if TYPE_CHECKING:
    import pandas as pd

ENTERED, LEFT = "entered", "left"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Customers who were of one segment before and of one after.

    Attributes:
        before: Segment at the earlier day, or "entered" for who was not a customer then.
        after: Segment at the later day, or "left" for who is no customer any more.
        customers: How many.
        value_before: Their value at the earlier day, in currency.
        value_after: Their value at the later day.
        change: The later less the earlier.
    """

    before: str
    after: str
    customers: int
    value_before: float
    value_after: float
    change: float


def trace_migration(before: pd.DataFrame, after: pd.DataFrame, *, value: str, segments: Sequence[str]) -> Table[Flow]:
    """All flows that anybody took, in the order of the segments.

    Both snapshots are divided over the same frozen edges, so that a customer moves because he changed and not because
    the others did. A customer without a value counts with none.

    Args:
        before: Snapshot of the earlier day.
        after: Snapshot of the later day.
        value: The column that is money.
        segments: Segments in the order in which they are shown.
    """
    columns = ["customer_id", "segment", value]
    both = before[columns].merge(after[columns], on="customer_id", how="outer", suffixes=("_before", "_after"))
    names = [f"{value}_before", f"{value}_after"]
    moved = (
        both[names]
        .fillna(0.0)
        .assign(before=both["segment_before"].fillna(ENTERED), after=both["segment_after"].fillna(LEFT), customers=1)
    )
    sums = moved.groupby(["before", "after"], as_index=False).sum()
    order = {name: i for i, name in enumerate((*segments, ENTERED, LEFT))}
    rows = []
    for _, row in sums.iterrows():
        first, second = float(row[names[0]]), float(row[names[1]])
        rows.append(
            Flow(
                before=str(row["before"]),
                after=str(row["after"]),
                customers=int(row["customers"]),
                value_before=first,
                value_after=second,
                change=second - first,
            )
        )
    rows.sort(key=lambda flow: (order[flow.before], order[flow.after]))
    return Table(name="migration", rows=tuple(rows))


def migration_matrix(flows: Table[Flow], segments: Sequence[str]) -> np.ndarray:
    """Customers by segment before and "entered" (rows) and segment after and "left" (columns), int64.

    Examples:
        >>> flow = Flow(before="new", after="loyal", customers=3, value_before=1.0, value_after=2.0, change=1.0)
        >>> migration_matrix(Table(name="migration", rows=(flow,)), ["loyal", "new"]).tolist()
        [[0, 0, 0], [3, 0, 0], [0, 0, 0]]
    """
    row = {name: i for i, name in enumerate((*segments, ENTERED))}
    column = {name: i for i, name in enumerate((*segments, LEFT))}
    matrix = np.zeros((len(row), len(column)), dtype=np.int64)
    for flow in flows:
        matrix[row[flow.before], column[flow.after]] = flow.customers
    return matrix
