"""Moments of each arm's cumulative outcome by day since assignment.

The square of a customer's cumulative sum changes on the days of his receipts alone: by (S + x)² - S², S being what he
had brought before. These steps add up over customers, so that the moments of every day come from one pass over
customer-days, however many days there are, and those of the last day are the campaign's own.

Two things change nothing of that. Where a group is a picture of others (`weighting`), u = r (y - μ) + μ with r the
relative weight and μ the weighted mean *of the day*: moments of (r y, r) give those of u for any μ. Where customers
share a cluster, the same steps are taken of the sums of clusters, beside the customers in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.abtest.stats.aggregate import KEYS, Row, log_spend_of, sum_up, sums_and_products
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, ClusterSums, LogSpend, Moments, of_sums, weights_of
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOVING = ("revenue", "margin")
MEMBERS = "members_of_cluster"
SPENT_BACK = 1e-9
"""Share of what was spent before below which what is left after a return is rounding."""
Arm = tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Sums over the units of an arm (customers, or clusters) on one day.

    Attributes:
        units: How many.
        sums: Of the figures and then the masses (weight, members), shape (k,).
        products: Of all of these, shape (k, k).
        cubes: Of profit and the masses, shape (1 + masses,) * 3.
        buyers: Who bought.
        spend: Logarithms of what they spent.
    """

    units: int
    sums: np.ndarray
    products: np.ndarray
    cubes: np.ndarray
    buyers: int
    spend: LogSpend

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            units=self.units + other.units, sums=self.sums + other.sums, products=self.products + other.products,
            cubes=self.cubes + other.cubes, buyers=self.buyers + other.buyers, spend=self.spend + other.spend,
        )  # fmt: skip


def aggregate_days(
    rows: ir.Table,
    days: ir.Table,
    *,
    last_day: int,
    figures: Sequence[str] = OUTCOMES,
    cluster: str | None = None,
    weight: str | None = None,
) -> dict[Arm, tuple[Moments, ...]]:
    """Moments of each campaign and arm at the end of each day since assignment; costs count from the first day.

    Args:
        rows: One row per assigned customer: campaign_id, customer_id, arm, and the figures but revenue and margin.
        days: One row per customer and day with receipts: campaign_id, customer_id, day (0 is the first), revenue,
            margin, purchases.
        last_day: The last day wanted.
        figures: Outcomes, then covariates.
        cluster: Column of `rows` that customers share, such as a household.
        weight: Column of `rows` with relative weights of mean 1 in each arm; the moments are then those of pictures.

    Returns:
        (campaign, arm) to the moments of days 0 ... last_day.

    Raises:
        DataError: No rows, or a figure that is missing or infinite.
    """
    days = days.filter(days.day <= last_day)
    masses = (weight,) if weight else ()
    fixed = [name for name in figures if name not in MOVING]
    kept = rows.select(*KEYS, "customer_id", *masses, *fixed, *([cluster] if cluster else []))
    joined = days.inner_join(kept, ["campaign_id", "customer_id"])
    joined = joined.mutate(spend=joined.revenue)
    if weight:
        kept = kept.mutate(**{name: kept[name] * kept[weight] for name in fixed})
        joined = joined.mutate(**{name: joined[name] * joined[weight] for name in (*fixed, *MOVING)})
    found = _accumulate(kept, joined, "customer_id", figures, masses, last_day)
    if not found:
        raise DataError("no assigned customers were found; a readout needs at least two customers in each arm")
    moments = {arm: tuple(_moments(sums, figures, masses) for sums in own) for arm, own in found.items()}
    if cluster is None:
        return moments
    masses = (*masses, MEMBERS)
    ones = kept.mutate(**{MEMBERS: 1.0})
    together = ones.group_by(*KEYS, cluster).aggregate(**{name: ones[name].sum() for name in (*fixed, *masses)})
    moved = joined.group_by(*KEYS, cluster, "day").aggregate(
        purchases=joined.purchases.sum(), spend=joined.spend.sum(), **{name: joined[name].sum() for name in MOVING}
    )
    moved = moved.inner_join(together, [*KEYS, cluster])
    shared = _accumulate(together, moved, cluster, figures, masses, last_day)
    return {
        arm: tuple(
            replace(own, cluster=_clusters(sums, own, masses)) for own, sums in zip(each, shared[arm], strict=True)
        )
        for arm, each in moments.items()
    }


def _accumulate(
    units: ir.Table, moves: ir.Table, unit: str, figures: Sequence[str], masses: Sequence[str], last_day: int
) -> dict[Arm, list[_Sums]]:
    """Sums of each arm day by day: those before the first receipt, and the steps of each day on top."""
    wide = (*figures, *masses)
    start = units.mutate(revenue=0.0, margin=0.0, bought=False)
    steps: dict[Arm, dict[int, _Sums]] = {}
    for row in _steps(moves, unit, wide, masses).to_pyarrow().to_pylist():
        steps.setdefault((row["campaign_id"], row["arm"]), {})[row["day"]] = _sums_of(row, wide, masses, units=0)
    cubes = _start_cubes(start, masses)
    found = {}
    for row in sum_up(start, wide, ()):
        arm = (row["campaign_id"], row["arm"])
        found[arm] = list(
            _cumulate(_sums_of({**row, **cubes[arm]}, wide, masses, units=row["n"]), steps.get(arm, {}), last_day)
        )
    return found


def _cumulate(sums: _Sums, steps: Mapping[int, _Sums], last_day: int) -> Iterator[_Sums]:
    for day in range(last_day + 1):
        sums = sums + steps[day] if day in steps else sums
        yield sums


def _start_cubes(start: ir.Table, masses: Sequence[str]) -> dict[Arm, Row]:
    """Third powers of costs and masses, before anybody bought."""
    costs = -sum(start[name].cast("float64") for name in ("reward", "contact_cost") if name in start.columns)
    parts = [costs, *(start[name] for name in masses)]
    cubes = {f"cubes_{i}": (a * b * c).sum() for i, (a, b, c) in enumerate(combinations_with_replacement(parts, 3))}
    answer = start.group_by(*KEYS).aggregate(**cubes).to_pyarrow().to_pylist()
    return {(row["campaign_id"], row["arm"]): row for row in answer}


def _steps(joined: ir.Table, unit: str, figures: Sequence[str], masses: Sequence[str]) -> ir.Table:
    """By how much the sums of each arm change on each day."""
    import ibis

    earlier = ibis.window(
        group_by=[*KEYS, unit],
        order_by="day",
        preceding=(None, 1),  # days before this one
    )
    running = (*MOVING, "purchases", "spend")
    joined = joined.mutate(**{f"before_{name}": joined[name].sum().over(earlier).coalesce(0.0) for name in running})
    costs = sum(joined[name] for name in ("reward", "contact_cost") if name in figures)
    before, after = joined.before_margin - costs, joined.before_margin - costs + joined.margin
    nothing = ibis.literal(0).cast("float64")
    steps: dict[str, Any] = {}
    for i, monomial in enumerate(combinations_with_replacement(("", *masses), 3)):
        change = _power(after, monomial.count("")) - _power(before, monomial.count(""))
        for name in monomial:
            change = change * joined[name] if name else change
        steps[f"cubes_{i}"] = change.sum()
    steps |= {f"sum_{i}": joined[name].sum() if name in MOVING else nothing for i, name in enumerate(figures)}
    for (i, a), (j, b) in combinations_with_replacement(enumerate(figures), 2):
        steps[f"product_{i}_{j}"] = _product_step(joined, a, b, nothing)
    first = (joined.before_purchases == 0) & (joined.purchases > 0)
    return joined.group_by(*KEYS, "day").aggregate(buyers=first.sum(), **steps, **_log_steps(joined))


def _power(value: ir.NumericValue, exponent: int) -> ir.NumericValue:
    """A small power; its zeroth is 1."""
    import ibis

    found: Any = ibis.literal(1.0)
    for _ in range(exponent):
        found = found * value
    return found


def _log_steps(joined: ir.Table) -> dict[str, ir.Value]:
    """By how much the powers of the logarithm of what buyers spent change on each day."""
    before, after = joined.before_spend, joined.before_spend + joined.spend
    old, new = _log(before, before), _log(after, before)
    counts = {"logs_0": new.notnull().cast("int64").sum() - old.notnull().cast("int64").sum()}
    return counts | {
        f"logs_{k}": (_power(new, k).coalesce(0.0) - _power(old, k).coalesce(0.0)).sum() for k in (1, 2, 3, 4)
    }


def _log(spent: ir.NumericValue, before: ir.NumericValue) -> ir.NumericValue:
    """Logarithm of what was spent; none where nothing is left of it."""
    return (spent > SPENT_BACK * before.abs()).ifelse(spent, None).cast("float64").ln()


def _product_step(joined: ir.Table, a: str, b: str, nothing: ir.Value) -> ir.Value:
    """The change of the sum of a x b: both grow by the day's receipts, one of them, or neither."""
    if a in MOVING and b in MOVING:
        x, y = joined[f"before_{a}"], joined[f"before_{b}"]
        return (x * joined[b] + joined[a] * y + joined[a] * joined[b]).sum()
    if a in MOVING or b in MOVING:
        return (joined[a] * joined[b]).sum()
    return nothing


def _sums_of(row: Row, figures: Sequence[str], masses: Sequence[str], *, units: int) -> _Sums:
    sums, products, _ = sums_and_products(row, figures)
    size = 1 + len(masses)
    cubes = np.zeros((size, size, size))
    for i, places in enumerate(combinations_with_replacement(range(size), 3)):
        for place in set(permutations(places)):
            cubes[place] = row[f"cubes_{i}"]
    return _Sums(
        units=units, sums=sums, products=products, cubes=cubes, buyers=row["buyers"], spend=log_spend_of(row)
    )  # fmt: skip


def _moments(found: _Sums, figures: Sequence[str], masses: Sequence[str]) -> Moments:
    """Of customers: as they are, or u = r y - μ r + μ where they have weights r."""
    if not masses:
        own = of_sums(figures, found.units, found.sums, found.products, found.cubes[0, 0, 0], buyers=found.buyers)
        return replace(own, spend=found.spend)
    k = len(figures)
    mean = found.sums[:k] / found.units
    move = np.column_stack([np.eye(k), -mean])
    away = np.array([1.0, -float(weights_of(PROFIT, figures) @ mean)])
    own = of_sums(
        figures, found.units, np.zeros(k), move @ found.products @ move.T,
        float(np.einsum("abc,a,b,c", found.cubes, away, away, away)), buyers=found.buyers, shift=mean,
    )  # fmt: skip
    return replace(own, spend=found.spend)


def _clusters(found: _Sums, own: Moments, masses: Sequence[str]) -> ClusterSums:
    """Of clusters about the customers' mean; what is taken off a cluster is the mean times its weight, or members."""
    k, mean = len(own.names), own.mean
    profit = float(weights_of(PROFIT, own.names) @ mean)
    move, reduced = np.zeros((k + 1, k + len(masses))), np.zeros((2, 1 + len(masses)))
    move[0, -1] = move[1:, :k].flat[:: k + 1] = 1.0
    move[1:, k] = -mean
    reduced[0, :2], reduced[1, -1] = (1.0, -profit), 1.0
    cubes = np.einsum("abc,ia,jb,lc->ijl", found.cubes, reduced, reduced, reduced)
    return ClusterSums(
        count=found.units,
        products=move @ found.products @ move.T,
        cubes=np.array([cubes[0, 0, 0], cubes[0, 0, 1], cubes[0, 1, 1], cubes[1, 1, 1]]),
    )


__all__ = ["aggregate_days"]
