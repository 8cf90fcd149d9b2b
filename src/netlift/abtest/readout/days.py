"""Cumulative profit by day since assignment, ending at the headline estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlift.abtest.readout.arms import ArmsRead, Terms
from netlift.abtest.readout.comparison import follow_days
from netlift.abtest.readout.rows import Campaign
from netlift.abtest.stats.aggregate_days import aggregate_days
from netlift.abtest.stats.moments import OUTCOMES, Moments
from netlift.abtest.stats.outcomes import COVARIATES, SECONDS_A_DAY, Spans, daily_outcomes
from netlift.abtest.stats.sequential import DayPoint, day_points
from netlift.abtest.stats.weighting import Chances, weigh_the_treated
from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_DAY_POINTS = 61


def read_days(
    tables: Tables, campaign: Campaign, rows: ir.Table, chances: Chances, *, household: str | None
) -> dict[str, tuple[Moments, ...]]:
    """Arms and their controls to moments at the end of each day since assignment that has begun.

    Args:
        tables: The tables of the business.
        campaign: The campaign.
        rows: One row per assigned customer.
        chances: Of the arms.
        household: Column of what customers share.
    """
    lived = -(-(campaign.until - campaign.started).total_seconds() // SECONDS_A_DAY)
    last = min(campaign.outcome_days, int(lived)) - 1
    if last < 0:
        return {}
    spans = Spans(pre_days=0, until=campaign.until, since=campaign.since)
    days = daily_outcomes(tables, [campaign.campaign_id], spans)
    weight = None
    if chances.unequal:
        rows, weight = tables.engine.hold(weigh_the_treated(rows, chances)), "relative_weight"
    figures = (*OUTCOMES, *COVARIATES)
    found = aggregate_days(rows, days, last_day=last, figures=figures, cluster=household, weight=weight)
    return {arm: moments for (_, arm), moments in found.items()}


def follow_arms(
    days: Mapping[str, tuple[Moments, ...]], read: ArmsRead, fixed: Mapping[str, float], terms: Terms
) -> Iterator[DayPoint]:
    """A point a day of each arm, or every so many days where there are very many; the last day is among them.

    Args:
        days: As `read_days` found them.
        read: The arms, with what their adjustment used and how far their intervals reach.
        fixed: Fixed cost of each arm.
        terms: What was decided.
    """
    for arm, adjustment in zip(read.arms, read.adjustments, strict=True):
        if arm.arm not in days:
            continue
        last = len(days[arm.arm]) - 1
        step = max(1, -(-last // (MOST_DAY_POINTS - 1)))
        shown = sorted({*range(last, -1, -step)})
        yield from day_points(
            arm.arm,
            follow_days(days, arm.arm, shown, covariates=adjustment.used),
            days=shown,
            level=terms.level,
            currency=terms.currency,
            fixed=fixed[arm.arm],
            z=read.z,
        )


__all__ = ["follow_arms", "read_days"]
