"""Forecast inputs: customer groups on past days, past campaigns and today's run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pandas as pd

from netlift.abtest.portfolio.compute import read_whole_effects
from netlift.abtest.stats.difference import LINES
from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.read import Tables
from netlift.decisions.allocation.budget_curve import budget_path
from netlift.decisions.allocation.problem import BUDGET
from netlift.decisions.eligibility.consents import require_consent_sources
from netlift.decisions.eligibility.journey_events import SENT
from netlift.decisions.eligibility.options import Used
from netlift.decisions.run.customers import describe_customers
from netlift.decisions.run.decide import DecideRequest, decide_for, require_decision
from netlift.decisions.run.journeys import read_journeys
from netlift.decisions.run.log import Log
from netlift.decisions.run.scores import UPLIFT, find_deciders
from netlift.decisions.run.summary import DecisionSummary
from netlift.errors import GateRefusedError
from netlift.evaluation.policy.added_effects import SINCE
from netlift.forecast.backtest import days_to_test
from netlift.forecast.contacts import BudgetLine, ContactPlan, PastCampaign
from netlift.forecast.model import YEAR, months_needed
from netlift.forecast.purchases import PurchaseHistory, month_start
from netlift.forecast.result import KNOWN, ForecastNote
from netlift.progress import Progress
from netlift.registry.champions import Champion
from netlift.segments.monthly import OUTSIDE
from netlift.segments.snapshots import take_snapshots
from netlift.training.uplift.evidence_file import find_champions_file, read_proof_rows

FACTORS = (0.5, 1.0, 2.0)
BEFORE_MONTHS = 3


def group_customers(
    settings: BusinessSettings,
    tables: Tables,
    purchases: PurchaseHistory,
    *,
    as_of: date,
    champions: tuple[list[Champion], tuple[str, ...]],
    progress: Progress,
) -> tuple[tuple[str, ...], dict[int, np.ndarray], dict[str, str]]:
    """Value segments of customers on the day and the days past that a forecast needs.

    Args:
        settings: The business.
        tables: Its tables, checked.
        purchases: Of all customers.
        as_of: First day not seen.
        champions: Those that the rules of segments may ask.
        progress: Who watches.

    Returns:
        Names of the groups, all known customers as one where the config has no segments; the group of each customer by
        month, -1 for who had not joined; and customers of the day to their segment.
    """
    now = purchases.months
    months = sorted({month for day in (now, *days_to_test(purchases)) for month in months_needed(purchases, day)})
    if settings.segments is None:
        return (KNOWN,), {month: np.where(purchases.joined < month, 0, -1) for month in months}, {}
    days = {month: month_start(as_of, month - now) for month in months}
    taken = take_snapshots(settings, tables, as_of=[*days.values()], progress=progress, champions=champions)
    index = pd.Index(purchases.ids, dtype=object)
    named: dict[int, np.ndarray] = {}
    for month, day in days.items():
        frame = taken.frames[day]
        position = index.get_indexer(pd.Index(frame["customer_id"], dtype=object))
        own = np.full(len(index), OUTSIDE, dtype=object)  # had joined, and has cancelled or is dated otherwise
        own[position[position >= 0]] = frame["segment"].to_numpy()[position >= 0]
        named[month] = np.where(purchases.joined < month, own, "")
    seen = {name for own in named.values() for name in np.unique(own.astype(str))} - {""}
    names = tuple(name for name in (*settings.segments.segments, OUTSIDE) if name in seen)
    code = {name: i for i, name in enumerate(names)} | {"": -1}
    group_of = {month: np.array([code[name] for name in own], dtype=np.int64) for month, own in named.items()}
    today = taken.frames[as_of]
    return names, group_of, dict(zip(today["customer_id"], today["segment"], strict=True))


def read_campaigns(
    settings: BusinessSettings, tables: Tables, *, as_of: date, faulty: Collection[str], progress: Progress
) -> tuple[tuple[PastCampaign, ...], tuple[ForecastNote, ...]]:
    """What campaigns of the past year added in margin, against their control, and what to know of them."""
    if "campaigns" not in tables or "contacts" not in tables:
        return (), ()
    since = datetime.combine(month_start(as_of, -YEAR - BEFORE_MONTHS), time())
    until = datetime.combine(as_of, time())
    effects, unread = read_whole_effects(settings, tables, since=since, until=until, faulty=faulty, progress=progress)
    lengths = tables["campaigns"].select("campaign_id", "outcome_days").to_pyarrow().to_pylist()
    days = {row["campaign_id"]: int(row["outcome_days"]) for row in lengths}
    margin = LINES["margin"]
    campaigns = tuple(
        PastCampaign(
            campaign_id=effect.campaign_id,
            started=effect.started,
            outcome_days=days[effect.campaign_id],
            margin=effect.total(effect.contrast.point(margin)) + effect.fixed,
            se=effect.treated * effect.contrast.se(margin),
        )
        for effect in effects
    )
    return campaigns, (ForecastNote(key="unread_campaigns", values={"campaigns": unread}),) if unread else ()


def plan_contacts(
    settings: BusinessSettings,
    tables: Tables,
    *,
    as_of: date,
    segment_of: Mapping[str, str],
    budgets: Sequence[float],
    progress: Progress,
) -> tuple[ContactPlan | None, tuple[ForecastNote, ...]]:
    """The run that would be decided today, as the contacts of a month; nothing is written and nobody is contacted.

    Args:
        settings: The business.
        tables: Its tables, checked.
        as_of: First day not seen.
        segment_of: Customers to their value segment.
        budgets: Budgets of a run to look at beside those around the plan's, in currency.
        progress: Who watches.

    Returns:
        The plan, or None and why there is none.
    """
    if settings.decision is None:
        return None, (ForecastNote(key="no_decision", values={}),)
    told = tuple(_count_journeys(settings.state, settings.decision, as_of))
    try:
        log, window_days, summary = _decide(settings, tables, as_of=as_of, progress=progress)
    except GateRefusedError as refusal:
        return None, (ForecastNote(key="no_plan", values={"reason": str(refusal)}), *told)
    profit = pd.Series(np.nan_to_num(log.money["expected_profit"]), index=pd.Index(log.ids, dtype=object))
    by_segment = profit.groupby(profit.index.map(segment_of)).sum() if segment_of else profit[:0]
    whole = float(profit.sum())
    share_of = {str(name): float(own) / whole for name, own in by_segment.items()} if whole else {}
    plan = ContactPlan(
        profit=summary.forecast.profit,
        basis=summary.forecast.basis,
        spend=summary.spend,
        budget=summary.budget,
        customers=summary.contacted,
        window_days=window_days,
        share_of=share_of,
        curve=_curve(log, summary.budget or summary.spend, budgets),
    )
    if summary.forecast.unknown:
        told = (*told, ForecastNote(key="unknown_effect", values={"contacts": summary.forecast.unknown}))
    mark = summary.observational
    return plan, (*told, ForecastNote(key="observational", values={"campaigns": mark})) if mark else told


def _count_journeys(state: Path, decision: DecisionSettings, as_of: date) -> Iterator[ForecastNote]:
    """Steps of journeys in the month before the day: no step has an effect of its own that a forecast could add."""
    if not decision.journeys:
        return
    events = read_journeys(state, own_key="").events
    since, until = (np.datetime64(day, "D") for day in (month_start(as_of, -1), as_of))
    sent = events[(events["event"] == SENT) & (events["as_of"] >= since) & (events["as_of"] < until)]
    spent = float((sent["contact_cost"] + sent["expected_reward"]).sum())
    counts = {"journeys": len(decision.journeys), "contacts": len(sent), "customers": sent["customer_id"].nunique()}
    yield ForecastNote(key="journeys_apart", values={**counts, "spent": spent})


def _decide(
    settings: BusinessSettings, tables: Tables, *, as_of: date, progress: Progress
) -> tuple[Log, float, DecisionSummary]:
    """A run with today's customers and rested ones alone: budgets renew, and runs stand a window or more apart."""
    decision = require_decision(settings)
    request = DecideRequest(as_of=as_of, run_key=f"forecast-{as_of}")
    champions, without = find_deciders(settings)
    require_consent_sources(tables, decision, {offer.channel for offer in decision.offers.values()})
    kept = find_champions_file(settings, champions[UPLIFT])
    held_out = None if kept is None else read_proof_rows(kept.path, asked=[*decision.asked, SINCE])
    known = describe_customers(settings, tables, champions, request, held_out=held_out, progress=progress, rested=True)
    known = replace(known, used=Used())
    log, summary = decide_for(settings, request, known, None, champions, without, held_out, progress)
    return log, known.outcome_days, summary


def _curve(log: Log, planned: float, asked: Sequence[float]) -> tuple[BudgetLine, ...]:
    """What other budgets do by the model's word, beside the planned one; empty where minimums do not fit them."""
    shared, taken = log.decided.shared, float(log.decided.exploration.used.get(BUDGET, 0.0))
    budgets = sorted({*(factor * planned for factor in FACTORS), *asked} - {0.0})
    if not budgets:
        return ()
    try:
        path = {point.budget: point for point in budget_path(shared, budgets=[max(b - taken, 0.0) for b in budgets])}
    except GateRefusedError:
        return ()
    base = path[max(planned - taken, 0.0)]
    if not base.profit > 0:
        return ()
    lines = [(budget, path[max(budget - taken, 0.0)]) for budget in budgets]
    return tuple(
        BudgetLine(
            budget=budget,
            profit=point.profit / base.profit,
            spend=(point.spent + taken) / (base.spent + taken),
        )
        for budget, point in lines
    )


__all__ = ["group_customers", "plan_contacts", "read_campaigns"]
