"""Effect of the universal holdout against all others, compared with the sum of the campaigns.

Whoever is held out is drawn anew in every period of rotation, and a period is read from the end of its wash-out. All
that the business did to the others counts, campaigns that nobody can read included, so a gap to the sum of campaigns is
what these did, what overlapping campaigns did to each other, and chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np

from netlift.abtest.assignment.holdout import Period, is_held_out, period_of
from netlift.abtest.portfolio.result import HoldoutReading
from netlift.abtest.portfolio.totals import Beliefs, Effect, sum_raw, sum_shrunken
from netlift.abtest.readout.result import ALL_ARMS
from netlift.abtest.stats.adjustment import adjusted
from netlift.abtest.stats.aggregate import MomentCell, aggregate
from netlift.abtest.stats.moments import OUTCOMES
from netlift.abtest.stats.outcomes import campaign_contacts
from netlift.config.business import BusinessSettings
from netlift.config.plan import HoldoutPlan, Plan
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.errors import DataError
from netlift.results import Estimate

if TYPE_CHECKING:
    import ibis.expr.types as ir

OTHERS = "contacted"
COVARIATES = ("pre_margin", "pre_purchases", "tenure_days")


class Started(Protocol):
    """A campaign that began."""

    @property
    def campaign_id(self) -> str:
        """Its id."""

    @property
    def fixed(self) -> float:
        """Its fixed cost."""

    @property
    def started(self) -> datetime:
        """First assignment."""


@dataclass(frozen=True, kw_only=True)
class UniversalHoldout:
    """The holdout of a business.

    Attributes:
        plan: Share, salt and rotation.
        cluster: Column of customers who are held out together; None for single ones.
        since: First moment from which everybody kept to it.
    """

    plan: HoldoutPlan
    cluster: str | None
    since: datetime


def find_holdout(
    settings: BusinessSettings, plans: Sequence[Plan], decided: Mapping[str, date]
) -> UniversalHoldout | None:
    """The universal holdout that plans and decisions name; None where none does, or nothing went out by it yet.

    Args:
        settings: The business, whose config may name it.
        plans: Plans of its campaigns.
        decided: Run keys of the decisions that stand, and their days.

    Raises:
        DataError: They name different holdouts.
    """
    named = {plan.campaign_id: (plan.holdout, plan.cluster, plan.start) for plan in plans if plan.holdout is not None}
    if settings.decision is not None:
        household = settings.readout.household if settings.readout else None
        for key, day in decided.items():
            named[f"decisions {key}"] = (settings.decision.holdout, household, datetime.combine(day, time()))
    different = {(holdout, cluster) for holdout, cluster, _ in named.values()}
    if len(different) > 1:
        raise DataError(
            f"{', '.join(sorted(named)[:5])}: {len(different)} different universal holdouts or clusters; a holdout is "
            "one, name it with the same share, salt, rotation and cluster everywhere"
        )
    if not named:
        return None
    ((holdout, cluster),) = different
    return UniversalHoldout(plan=holdout, cluster=cluster, since=min(start for *_, start in named.values()))


def read_holdout(
    tables: Tables,
    universal: UniversalHoldout | None,
    beliefs: Beliefs,
    campaigns: Sequence[Started],
    *,
    until: datetime,
    pre_days: int,
    level: float,
    currency: str,
) -> HoldoutReading | None:
    """What all contacts earned by the universal holdout; None where there is none, or none of its days can be read.

    Args:
        tables: The tables of a business.
        universal: Its holdout.
        beliefs: Of the campaigns that could be read.
        campaigns: All campaigns that began.
        until: First moment not seen.
        pre_days: Days before a period by which noise is taken out.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    if universal is None:
        return None
    holdout, cluster = universal.plan, universal.cluster
    effects, contacted = [], 0
    spans = list(_spans(holdout, since=universal.since, until=until))
    inside = [c for c in campaigns if any(_within(c.started, span) for _, *span in spans)]
    names = [campaign.campaign_id for campaign in campaigns]
    for period, start, end in spans:
        days = (start, end, pre_days)
        rows = tables.engine.hold(
            _period_rows(tables, names, period, days, held=_held_out(tables, holdout, cluster, period))
        )
        effects.append(_effect(rows, period, sum(c.fixed for c in inside if _within(c.started, (start, end)))))
        contacted += int(rows.filter(rows.arm == CONTROL).was_contacted.sum().to_pyarrow().as_py() or 0)
    if not effects:
        return None
    profit = sum_raw(effects, level=level, currency=currency)
    read = np.array([any(e.campaign_id == c.campaign_id for c in inside) for e in beliefs.effects], dtype=bool)
    known = _nothing(level, currency)
    if read.any():
        known = sum_shrunken(beliefs, level=level, currency=currency, only=read)
    return HoldoutReading(
        since=spans[0][1].date(),
        until=spans[-1][2].date(),
        periods=len(effects),
        held_out=sum(effect.contrast.n_control for effect in effects),
        others=sum(effect.treated for effect in effects),
        contacted=contacted,
        profit=replace(profit, method="others against the universal holdout"),
        campaigns=int(read.sum()),
        unread=len(inside) - int(read.sum()),
        campaigns_shrunken=known,
        gap=_difference(profit, known),
    )


def _spans(holdout: HoldoutPlan, *, since: datetime, until: datetime) -> Iterator[tuple[Period, datetime, datetime]]:
    """Periods of rotation and the days of each that are read, from the first plan that names the holdout."""
    day = since.date()
    while datetime.combine(day, time()) < until:
        period = period_of(day, rotate_months=holdout.rotate_months, washout_days=holdout.washout_days)
        first = max(period.read_from, min(since.date() + timedelta(days=holdout.washout_days), period.end))
        start, end = datetime.combine(first, time()), min(datetime.combine(period.end, time()), until)
        if start < end:
            yield period, start, end
        day = period.end


def _within(moment: datetime, span: Sequence[datetime]) -> bool:
    return span[0] <= moment < span[1]


def _effect(rows: ir.Table, period: Period, fixed: float) -> Effect:
    cells = aggregate(rows, figures=(*OUTCOMES, *COVARIATES))
    name = period.start.isoformat()
    sides = [cells.get(MomentCell(campaign=name, arm=arm)) for arm in (OTHERS, CONTROL)]
    if sides[0] is None or sides[1] is None:
        raise DataError(f"universal holdout of {name}: nobody is held out, or everybody; check its share in the plans")
    read = adjusted(sides[0], sides[1], outcomes=OUTCOMES, covariates=COVARIATES, arm="all contacts")
    buyers = sides[0].buyers + sides[1].buyers
    return Effect(
        campaign_id=name,
        name=name,
        started=period.start,
        arm=ALL_ARMS,
        contrast=read.contrast,
        buyers=buyers,
        fixed=fixed,
    )


def _period_rows(
    tables: Tables, campaigns: Sequence[str], period: Period, span: tuple[datetime, datetime, int], *, held: ir.Table
) -> ir.Table:
    """One row per customer who had joined before the period: what he brought and cost in the days that are read."""
    import ibis

    start, end, pre_days = span
    begun = datetime.combine(period.start, time())
    people = tables["customers"]
    people = people.filter(people.joined_at < begun)
    receipts = tables["transactions"]
    before = begun - timedelta(days=pre_days)
    receipts = receipts.filter((receipts.occurred_at >= before) & (receipts.occurred_at < end))
    at, bought = receipts.occurred_at, (~receipts.is_return.coalesce(receipts.revenue < 0)).cast("float64")
    within, earlier = at >= start, at < begun
    sums = receipts.group_by("customer_id").aggregate(
        revenue=within.ifelse(receipts.revenue, 0.0).sum(),
        margin=within.ifelse(receipts.margin, 0.0).sum(),
        purchases=within.ifelse(bought, 0.0).sum(),
        pre_margin=earlier.ifelse(receipts.margin, 0.0).sum(),
        pre_purchases=earlier.ifelse(bought, 0.0).sum(),
    )
    contacts = campaign_contacts(tables, campaigns, until=end)
    contacts = contacts.filter(contacts.assigned_at >= start)
    costs = contacts.group_by("customer_id").aggregate(
        reward=contacts.reward.sum(),
        contact_cost=contacts.contact_cost.sum(),
        contacts=(contacts.arm != CONTROL).cast("float64").sum(),
    )
    rows = people.left_join(sums, "customer_id").left_join(costs, "customer_id")
    zero = {name: rows[name].coalesce(0.0) for name in (*OUTCOMES, "pre_margin", "pre_purchases")}
    return rows.select(
        campaign_id=ibis.literal(period.start.isoformat()),
        arm=rows.customer_id.isin(held.customer_id).ifelse(CONTROL, OTHERS),
        bought=rows.purchases.coalesce(0.0) > 0,
        was_contacted=rows.contacts.coalesce(0.0) > 0,
        tenure_days=(ibis.literal(begun).epoch_seconds() - rows.joined_at.epoch_seconds()) / 86_400,
        **zero,
    )


def _held_out(tables: Tables, holdout: HoldoutPlan, cluster: str | None, period: Period) -> ir.Table:
    """Ids of the customers who are held out in a period."""
    import ibis
    import pandas as pd

    people = tables["customers"]
    if cluster is not None and cluster not in people.columns:
        raise DataError(f"customers.{cluster}: the universal holdout is drawn by it, and the table has no such column")
    columns = ["customer_id", *([cluster] if cluster else [])]
    frame = tables.connection.to_pyarrow(people.select(*columns)).to_pydict()
    units = frame[cluster] if cluster else None
    chosen = is_held_out(frame["customer_id"], share=holdout.share, salt=holdout.salt, period=period, cluster=units)
    ids = np.array(frame["customer_id"], dtype=object)[chosen]
    return ibis.memtable(pd.DataFrame({"customer_id": pd.array(ids, dtype="string")}))


def _nothing(level: float, currency: str) -> Estimate:
    return Estimate(point=0.0, ci_lower=0.0, ci_upper=0.0, level=level, unit=currency, method="no campaign")


def _difference(one: Estimate, other: Estimate) -> Estimate:
    """One less the other, taken as independent."""
    point = one.point - other.point
    lower = math.hypot(one.point - one.ci_lower, other.ci_upper - other.point)
    upper = math.hypot(one.ci_upper - one.point, other.point - other.ci_lower)
    return Estimate(
        point=point, ci_lower=point - lower, ci_upper=point + upper, level=one.level, unit=one.unit, method="difference"
    )


__all__ = ["Started", "UniversalHoldout", "find_holdout", "read_holdout"]
