"""Outcomes of assigned customers, one row each: spend in window and before, costs, zero-filled.

Whoever was assigned counts, whether reached or not and whether he bought or not: leaving out customers without a
receipt would give the effect among buyers. A customer drawn twice into one campaign keeps the arm drawn first, and all
its costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from netlift.abtest.stats.moments import OUTCOMES, SPEND
from netlift.config.settings import did_you_mean
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.errors import DataError, UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir

COVARIATES = ("pre_revenue", "pre_margin", "pre_purchases", "tenure_days", "no_history")
"""Of the time before, those of money and purchases as logarithms (see `amount_log`)."""
LOGARITHMIC = COVARIATES[:3]
SMALLEST_COIN = 0.01
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Which receipts are looked at beside those of the outcome window.

    Attributes:
        pre_days: Days before the assignment that the covariates see.
        after_days: Days behind the window, for sales that were only brought forward.
        until: First moment not seen; None for all that the tables hold.
        since: Campaigns whose customers are all read from one moment, and that moment; of others, each from his own
            assignment (see `data.assigned_days`).
    """

    pre_days: int
    after_days: int = 0
    until: datetime | None = None
    since: Mapping[str, datetime] = field(default_factory=dict)


def assigned_outcomes(
    tables: Tables, campaigns: Sequence[str], spans: Spans, *, dimensions: Sequence[str] = ()
) -> ir.Table:
    """One row per assigned customer, in Ibis; nothing is computed before somebody aggregates it.

    Columns: campaign_id, customer_id, arm, propensity, arm_propensities, assigned_at, ends_at; revenue, margin, reward,
    contact_cost of receipts in [assigned_at, assigned_at + outcome_days), returns as booked; bought, delivered (0 or
    1); `COVARIATES` of the `pre_days` before, money as logarithms; revenue_after, margin_after of the `after_days`
    behind the window; the revenue once more as `SPEND`, which no weighting moves; the dimensions, as text. A contact
    costs what was logged, else what its offer says, and nothing in control.

    Args:
        tables: The tables of a business.
        campaigns: Ids.
        spans: Which receipts are looked at.
        dimensions: Columns of `customers` to split by.

    Raises:
        DataError: Tables are missing, or nobody was assigned.
        UsageError: A campaign or a dimension that the tables do not have.
    """
    contacts = campaign_contacts(tables, campaigns, until=spans.until, since=spans.since)
    sums = _sum_receipts(contacts, _receipts_near(tables, contacts, spans), spans)
    people = tables["customers"]
    _require_columns(dimensions, list(people.columns))
    people = people.select("customer_id", "joined_at", **{name: people[name].cast("string") for name in dimensions})
    rows = contacts.inner_join(people, "customer_id").left_join(sums, ["campaign_id", "customer_id"])
    zero = {name: rows[name].coalesce(0.0) for name in sums.columns if name not in ("campaign_id", "customer_id")}
    return rows.select(
        "campaign_id", "customer_id", "arm", "assigned_at", "ends_at", "reward", "contact_cost", "delivered",
        "propensity", "arm_propensities", *dimensions,
        tenure_days=_seconds(rows.joined_at, rows.assigned_at) / SECONDS_A_DAY,
        no_history=(zero["pre_receipts"] == 0).cast("float64"),
        bought=zero["purchases"] > 0,
        **{SPEND: zero["revenue"]},
        **{
            name: amount_log(value) if name in LOGARITHMIC else value
            for name, value in zero.items()
            if name not in ("pre_receipts", "purchases")
        },
    )  # fmt: skip


def amount_log(value: ir.NumericValue) -> ir.NumericValue:
    """log(1 + x / .01), an amount of which no customer is far from all others; who gave back more than bought has zero.

    In hundredths, so that currencies of small figures are treated as those of large ones.
    """
    import ibis

    return (1 + ibis.greatest(value, 0.0) / SMALLEST_COIN).ln()


def daily_outcomes(tables: Tables, campaigns: Sequence[str], spans: Spans) -> ir.Table:
    """One row per assigned customer and day since assignment (0 is the first) with receipts: campaign_id, customer_id,
    day, revenue, margin, purchases; days behind the window too where `after_days` asks for them.

    Raises:
        DataError: Tables are missing, or nobody was assigned.
        UsageError: A campaign that the tables do not have.
    """  # noqa: D205 - a list of columns
    import ibis

    contacts = campaign_contacts(tables, campaigns, until=spans.until, since=spans.since)
    joined = contacts.inner_join(_receipts_near(tables, contacts, spans), "customer_id")
    last = _shifted(joined.ends_at, spans.after_days)
    joined = joined.filter((joined.occurred_at >= joined.assigned_at) & (joined.occurred_at < last))
    day = _seconds(joined.assigned_at, joined.occurred_at) // SECONDS_A_DAY
    whole = _seconds(joined.assigned_at, _shifted(joined.ends_at, spans.after_days)) // SECONDS_A_DAY
    joined = joined.mutate(day=ibis.least(day, whole - 1).cast("int64"))
    return joined.group_by("campaign_id", "customer_id", "day").aggregate(
        revenue=joined.revenue.sum(), margin=joined.margin.sum(), purchases=joined.purchases.sum()
    )


def campaign_contacts(
    tables: Tables,
    campaigns: Sequence[str],
    *,
    until: datetime | None = None,
    since: Mapping[str, datetime] | None = None,
) -> ir.Table:
    """Who was assigned what and when, what that cost, and when its window ends; one row per campaign and customer.

    Campaigns of `since` have the moment named there in the place of each customer's assignment.

    Raises:
        DataError: Tables are missing.
        UsageError: A campaign that the tables do not have.
    """
    import ibis

    missing = [name for name in ("campaigns", "contacts") if name not in tables]
    if missing:
        raise DataError(f"a readout needs the tables {', '.join(missing)}; name them in the config under data.tables")
    named = tables["campaigns"].select("campaign_id", "outcome_days")
    known = named.campaign_id.to_pyarrow().to_pylist()
    for campaign in campaigns:
        if campaign not in known:
            raise UsageError(f"no campaign {campaign!r} in the table campaigns{did_you_mean(campaign, known)}")
    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.campaign_id.isin(list(campaigns)))
    if until is not None:
        contacts = contacts.filter(contacts.assigned_at < until)
    cost, key = contacts.contact_cost, {"at": contacts.assigned_at, "offer": contacts.offer_id}
    if "offers" in tables:
        offers = tables["offers"].select("offer_id", planned="contact_cost")
        contacts = contacts.left_join(offers, "offer_id")
        cost, key = (
            contacts.contact_cost.coalesce(contacts.planned),
            {"at": contacts.assigned_at, "offer": contacts.offer_id},
        )
    cost = ibis.ifelse(contacts.offer_id == CONTROL, contacts.contact_cost, cost).coalesce(0.0)
    drawn = contacts.group_by("campaign_id", "customer_id").aggregate(
        arm=contacts.offer_id.argmin(ibis.struct(key)),
        assigned_at=contacts.assigned_at.min(),
        contact_cost=cost.sum(),
        reward=contacts.reward_cost.coalesce(0.0).sum(),
        delivered=contacts.delivered_at.notnull().cast("float64").max(),
        propensity=contacts.propensity.argmin(ibis.struct(key)),
        arm_propensities=contacts.arm_propensities.argmin(ibis.struct(key)),
    )
    drawn = drawn.inner_join(named, "campaign_id")
    if since:
        moments = [(campaign, ibis.literal(moment, drawn.assigned_at.type())) for campaign, moment in since.items()]
        drawn = drawn.mutate(assigned_at=drawn.campaign_id.cases(*moments, else_=drawn.assigned_at))
    return drawn.select(
        "campaign_id", "customer_id", "arm", "assigned_at", "contact_cost", "reward", "delivered", "propensity",
        "arm_propensities",
        ends_at=drawn.assigned_at + drawn.outcome_days.cast("int64").as_interval("D"),
    )  # fmt: skip


def count_left_out(tables: Tables, campaigns: Sequence[str]) -> Mapping[str, int]:
    """What `assigned_outcomes` left out, merged or assumed of these campaigns; only what was found.

    Returns:
        `unknown_customers`: contacts of customers that `customers` does not know; `repeated_contacts`: second and
        later contacts of a customer in a campaign; `two_arms`: customers drawn into two arms of a campaign;
        `costs_assumed`: contacts without a logged cost, control apart.
    """
    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.campaign_id.isin(list(campaigns)))
    strangers = contacts.anti_join(tables["customers"].select("customer_id"), "customer_id").count()
    pairs = contacts.group_by("campaign_id", "customer_id").aggregate(
        rows=contacts.count(),
        low=contacts.offer_id.min(),
        high=contacts.offer_id.max(),
        assumed=(contacts.contact_cost.isnull() & (contacts.offer_id != CONTROL)).sum(),
    )
    answers = pairs.aggregate(
        repeated_contacts=(pairs.rows - 1).sum(),
        two_arms=(pairs.low != pairs.high).sum(),
        costs_assumed=pairs.assumed.sum(),
    )
    found = {"unknown_customers": strangers.to_pyarrow().as_py(), **answers.to_pyarrow().to_pylist()[0]}
    return {name: int(count) for name, count in found.items() if count}


def _receipts_near(tables: Tables, contacts: ir.Table, spans: Spans) -> ir.Table:
    """Receipts that any of the windows may see; the bounds are constants, so that files are read in part only."""
    ends = contacts.aggregate(first=contacts.assigned_at.min(), last=contacts.ends_at.max()).to_pyarrow().to_pylist()[0]
    if ends["first"] is None:
        raise DataError(
            "contacts: nobody was assigned in these campaigns; a readout needs who was drawn into which arm"
        )
    since = ends["first"] - timedelta(days=spans.pre_days)
    before = ends["last"] + timedelta(days=spans.after_days)
    receipts = tables["transactions"]
    receipts = receipts.filter((receipts.occurred_at >= since) & (receipts.occurred_at < before))
    if spans.until is not None:
        receipts = receipts.filter(receipts.occurred_at < spans.until)
    is_return = receipts.is_return.coalesce(receipts.revenue < 0)
    return receipts.select("customer_id", "occurred_at", "revenue", "margin", purchases=(~is_return).cast("float64"))


def _sum_receipts(contacts: ir.Table, receipts: ir.Table, spans: Spans) -> ir.Table:
    """Sums of each campaign and customer with receipts before, in and behind its window."""
    joined = contacts.select("campaign_id", "customer_id", "assigned_at", "ends_at").inner_join(receipts, "customer_id")
    at, start, end = joined.occurred_at, joined.assigned_at, joined.ends_at
    before = (at >= _shifted(start, -spans.pre_days)) & (at < start)
    within, behind = (at >= start) & (at < end), (at >= end) & (at < _shifted(end, spans.after_days))
    totals = {name: (name, within) for name in ("revenue", "margin", "purchases")}
    totals |= {f"pre_{name}": (name, before) for name in ("revenue", "margin", "purchases")}
    totals |= {f"{name}_after": (name, behind) for name in ("revenue", "margin") if spans.after_days}
    return joined.group_by("campaign_id", "customer_id").aggregate(
        pre_receipts=before.cast("float64").sum(),
        **{name: where.ifelse(joined[column], 0.0).sum() for name, (column, where) in totals.items()},
    )


def _shifted(moment: ir.TimestampValue, days: int) -> ir.TimestampValue:
    import ibis

    return moment + ibis.interval(days=days) if days >= 0 else moment - ibis.interval(days=-days)


def _seconds(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.IntegerValue:
    return end.epoch_seconds() - start.epoch_seconds()


def _require_columns(dimensions: Sequence[str], known: list[str]) -> None:
    for name in dimensions:
        if name not in known:
            raise UsageError(f"no column {name!r} in the table customers to split by{did_you_mean(name, known)}")


__all__ = [
    "COVARIATES", "OUTCOMES", "Spans", "assigned_outcomes", "campaign_contacts", "count_left_out", "daily_outcomes",
]  # fmt: skip
