"""Moments of what each arm brought up to each day since assignment, from the days on which customers bought.

The square of a customer's cumulative sum changes on the days of his receipts alone: by (S + x)² - S², S being what he
had brought before. These steps add up over customers, so that the moments of every day come from one pass over
customer-days, however many days there are, and those of the last day are the campaign's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from netlift.abtest.aggregate import KEYS, Row, sum_up, sums_and_products
from netlift.abtest.moments import OUTCOMES, Moments, of_sums
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOVING = ("revenue", "margin")
Arm = tuple[str, str]


def aggregate_days(
    rows: ir.Table, days: ir.Table, *, last_day: int, figures: Sequence[str] = OUTCOMES
) -> dict[Arm, tuple[Moments, ...]]:
    """Moments of each campaign and arm at the end of each day since assignment; costs count from the first day.

    Args:
        rows: One row per assigned customer: campaign_id, customer_id, arm, and the figures but revenue and margin.
        days: One row per customer and day with receipts: campaign_id, customer_id, day (0 is the first), revenue,
            margin, purchases.
        last_day: The last day wanted.
        figures: Outcomes, then covariates.

    Returns:
        (campaign, arm) to the moments of days 0 ... last_day.

    Raises:
        DataError: No rows, or a figure that is missing or infinite.
    """
    start = sum_up(rows.mutate(revenue=0.0, margin=0.0, bought=False), figures, ())
    if not start:
        raise DataError("no assigned customers were found; a readout needs at least two customers in each arm")
    steps: dict[Arm, dict[int, Row]] = {}
    for step in _steps(rows, days, last_day, figures).to_pyarrow().to_pylist():
        steps.setdefault((step["campaign_id"], step["arm"]), {})[step["day"]] = step
    found = {}
    for total in start:
        arm = (total["campaign_id"], total["arm"])
        found[arm] = tuple(_cumulate(total, steps.get(arm, {}), last_day, figures))
    return found


def _cumulate(total: Row, steps: Mapping[int, Row], last_day: int, figures: Sequence[str]) -> Iterator[Moments]:
    """Moments of an arm day by day: the sums before the first receipt, and the steps of each day on top."""
    sums, products, _ = sums_and_products(total, figures)
    cubes, buyers = total["cubes"], 0
    for day in range(last_day + 1):
        if day in steps:
            more = sums_and_products(steps[day], figures)
            sums, products = sums + more[0], products + more[1]
            cubes, buyers = cubes + steps[day]["cubes"], buyers + steps[day]["buyers"]
        yield of_sums(figures, total["n"], sums, products, cubes, buyers=buyers)


def _steps(rows: ir.Table, days: ir.Table, last_day: int, figures: Sequence[str]) -> ir.Table:
    """By how much the sums of each arm change on each day."""
    import ibis

    fixed = [name for name in figures if name not in MOVING]
    days = days.filter(days.day <= last_day)
    joined = days.inner_join(
        rows.select(*KEYS, "customer_id", **{name: rows[name].cast("float64") for name in fixed}),
        ["campaign_id", "customer_id"],
    )
    earlier = ibis.window(
        group_by=["campaign_id", "customer_id"],
        order_by="day",
        preceding=(None, 1),  # days before this one
    )
    joined = joined.mutate(
        **{f"before_{name}": joined[name].sum().over(earlier).coalesce(0.0) for name in (*MOVING, "purchases")}
    )
    profit = joined.before_margin - sum(joined[name] for name in ("reward", "contact_cost") if name in fixed)
    more = joined.margin
    nothing = ibis.literal(0).cast("float64")
    steps = {"cubes": (more * (3 * profit * profit + 3 * profit * more + more * more)).sum()}
    steps |= {f"sum_{i}": joined[name].sum() if name in MOVING else nothing for i, name in enumerate(figures)}
    for (i, a), (j, b) in combinations_with_replacement(enumerate(figures), 2):
        steps[f"product_{i}_{j}"] = _product_step(joined, a, b, nothing)
    first = (joined.before_purchases == 0) & (joined.purchases > 0)
    return joined.group_by(*KEYS, "day").aggregate(buyers=first.sum(), **steps)


def _product_step(joined: ir.Table, a: str, b: str, nothing: ir.Value) -> ir.Value:
    """The change of the sum of a x b: both grow by the day's receipts, one of them, or neither."""
    if a in MOVING and b in MOVING:
        x, y = joined[f"before_{a}"], joined[f"before_{b}"]
        return (x * joined[b] + joined[a] * y + joined[a] * joined[b]).sum()
    if a in MOVING or b in MOVING:
        return (joined[a] * joined[b]).sum()
    return nothing


__all__ = ["aggregate_days"]
