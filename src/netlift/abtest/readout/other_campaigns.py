"""Contacts of other campaigns during a campaign, and effects beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from netlift.abtest.readout.checks import arms_share
from netlift.abtest.readout.overlaps import ANY, TOO_MUCH, Touch, count_touches, find_pairs, touched_customers
from netlift.abtest.readout.result import Overlap
from netlift.abtest.stats import skew
from netlift.abtest.stats.aggregate import Cells
from netlift.abtest.stats.difference import Contrast, contrast, money
from netlift.abtest.stats.moments import PROFIT
from netlift.abtest.stats.weighting import treated_of
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.results import Estimate

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_CROSSED = 5
FEWEST_IN_A_CELL = 100
INSIDE = "inside_other_campaign"


def find_touches(
    tables: Tables, campaign: str, rows: ir.Table, *, until: datetime
) -> tuple[Mapping[str, Touch], ir.Table | None]:
    """Other campaigns, and all together, to whom they contacted of each arm; and who these are, if there are others.

    Args:
        tables: The tables of a business.
        campaign: The campaign that is read.
        rows: One row per assigned customer.
        until: First moment not seen.
    """
    pairs = find_pairs(tables, [campaign], until=until)
    if not any(pairs.values()):
        return {}, None
    touched = tables.engine.hold(touched_customers(tables, rows, pairs, until=until))
    return count_touches(rows, touched).get(campaign, {}), touched


def read_overlaps(
    tables: Tables,
    rows: ir.Table,
    touches: Mapping[str, Touch],
    touched: ir.Table | None,
    *,
    cells: Callable[[ir.Table], Cells],
    level: float,
    currency: str,
) -> tuple[Overlap, ...]:
    """Other campaigns, those that contacted most first; of those with many in all four cells, the effects by cell.

    Args:
        tables: The tables of a business.
        rows: One row per assigned customer.
        touches: What `find_touches` counted.
        touched: Whom it counted; None where there is nobody else.
        cells: Moments of rows by the column `INSIDE`.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    if touched is None:
        return ()
    named = tables["campaigns"].select("campaign_id", "name").to_pyarrow().to_pylist()
    names = {row["campaign_id"]: row["name"] or row["campaign_id"] for row in named}
    order = sorted((name for name in touches if name != ANY), key=lambda name: (-touches[name].contacted, name))
    found, crossed = [], 0
    for other in order:
        overlap = _overlap(touches[other], names.get(other, other))
        if crossed < MOST_CROSSED and _can_be_crossed(touches[other]):
            crossed += 1
            who = touched.filter(touched.other == other).customer_id
            split = rows.mutate(**{INSIDE: rows.customer_id.isin(who).cast("string")})
            overlap = _cross(overlap, cells(split), level=level, currency=currency)
        found.append(overlap)
    return tuple(found)


def _overlap(touch: Touch, name: str) -> Overlap:
    control = touch.arms[CONTROL]
    return Overlap(
        campaign_id=touch.other,
        name=name,
        contacted=touch.contacted,
        control=control.contacted,
        control_share=control.share,
        arms_share=arms_share(touch),
        difference=touch.difference,
        p_value=touch.p_value,
        coincides=touch.coincides,
    )


def _can_be_crossed(touch: Touch) -> bool:
    """Whether enough of control and of the arms are in and out, and who is in was not decided by this campaign."""
    arms = [arm for name, arm in touch.arms.items() if name != CONTROL]
    control = touch.arms[CONTROL]
    inside = (control.contacted, sum(arm.contacted for arm in arms))
    outside = (control.customers - control.contacted, sum(arm.customers - arm.contacted for arm in arms))
    return min(*inside, *outside) >= FEWEST_IN_A_CELL and abs(touch.unlike) <= TOO_MUCH


def _cross(overlap: Overlap, cells: Cells, *, level: float, currency: str) -> Overlap:
    """The effect in each half, and their difference; halves hold other customers, so that errors add up."""
    halves = {}
    for half in ("true", "false"):
        own = {
            cell.arm: moments for cell, moments in cells.items() if cell.dimension == INSIDE and cell.segment == half
        }
        halves[half] = contrast(treated_of(own), own[CONTROL])
    inside, outside = (money(halves[half], PROFIT, level=level, currency=currency)[1] for half in ("true", "false"))
    gap = _difference(halves["true"], halves["false"], level=level, unit=inside.unit)
    return replace(overlap, inside=inside, outside=outside, gap=gap)


def _difference(one: Contrast, other: Contrast, *, level: float, unit: str) -> Estimate:
    point = one.point(PROFIT) - other.point(PROFIT)
    half = skew.critical(level) * (one.se(PROFIT) ** 2 + other.se(PROFIT) ** 2) ** 0.5
    return Estimate(
        point=point, ci_lower=point - half, ci_upper=point + half, level=level, unit=unit, method="interaction"
    )


__all__ = ["INSIDE", "find_touches", "read_overlaps"]
