"""Summary of a decision run: expected money, use of limits and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT
from netlift.config.decision import DecisionSettings
from netlift.config.segments import SEGMENTS
from netlift.decisions.allocation.budget_curve import budget_path
from netlift.decisions.allocation.problem import BUDGET
from netlift.decisions.allocation.result import BudgetPoint, Price
from netlift.decisions.choice.choose import Decided, spent
from netlift.decisions.choice.value import find_sensitivity
from netlift.decisions.eligibility.reasons import Refusal, count_reasons
from netlift.decisions.eligibility.stops import find_stopped
from netlift.decisions.journeys.night import Night
from netlift.decisions.launch_check.check import RunProof
from netlift.decisions.new_offers.plan import NewOffers
from netlift.decisions.request import require_decision
from netlift.decisions.run.customers import Known
from netlift.decisions.run.log import Log
from netlift.decisions.run.summary import (
    DecisionSummary,
    Forecast,
    MonthLine,
    NewOfferLine,
    NewOffersPart,
    OfferLine,
    PartLine,
    RunNote,
    StopLine,
)
from netlift.errors import GateRefusedError
from netlift.next_purchase.evaluation import Evaluation
from netlift.results import Estimate

REWARD_MOVED = 0.2
FACTORS = (0.5, 1.0, 1.5, 2.0)
SHOWN = 10


def summarize(
    settings: BusinessSettings,
    log: Log,
    known: Known,
    proof: RunProof,
    *,
    observational: str,
    without: tuple[str, ...],
) -> DecisionSummary:
    """The run as plain numbers.

    Args:
        settings: The business.
        log: What is written of it.
        known: What it was made from.
        proof: What speaks for it on held-out contacts.
        observational: Campaigns that nobody randomized behind the effects; empty for none.
        without: Tasks of the config without a champion.
    """
    decision, decided = require_decision(settings), log.decided
    draw = decided.draw
    given = np.flatnonzero(draw.option >= 0)
    profit = log.money["expected_profit"]
    return DecisionSummary(
        run_key=log.run_key,
        as_of=log.as_of,
        currency=settings.currency,
        customers=len(log.ids),
        contacted=len(given),
        explored=int(draw.explored.sum()),
        held_out=int(draw.held_out.sum()),
        forecast=_forecast(log, settings.currency),
        before_launch=proof.to_plain(),
        budget=decision.budget,
        spend=spent(decided, given),
        gap=decided.allocation.gap,
        curve=_curve(decided, log.night),
        prices=_whole_limits(decided, log.night),
        offers=_offers(log, settings.currency),
        reasons=count_reasons(decided.reason),
        refusals={offer: dict(counts) for offer, counts in decided.eligibility.counts.items()},
        sensitivity=find_sensitivity(decided.options, decided.values, _with_effect(log))[:SHOWN],
        versions=dict(log.versions),
        observational=observational,
        notes=(*_notes(decision, log, known, without), *_still(decision, known)),
        segments=_segments(decided, known, profit),
        strategies=_strategies(decision, decided, profit),
        month=tuple(_month(decision, decided, known, spent(decided, given))),
        journeys=() if log.night is None else log.night.lines,
        new_offers=None if known.new is None else _new_offers(decided, known.new),
        approval=decision.approval,
        stops=tuple(_stops(decided, known)),
    )


def _stops(decided: Decided, known: Known) -> Iterator[StopLine]:
    """What is stopped, and how many customers would otherwise have had something by it open."""
    closed = decided.eligibility.refused == Refusal.STOPPED
    for stop in known.stops:
        own = list(find_stopped([stop], decided.options))
        yield StopLine(stop=stop, customers=int(closed[:, own].any(axis=1).sum()))


def _new_offers(decided: Decided, new: NewOffers) -> NewOffersPart:
    """New offers, whom the run tries them with, and what that costs."""
    names, rates = [option.offer_id for option in decided.options], decided.exploration.rates
    lines = []
    for one in new.offers:
        j = names.index(one.offer_id) if one.offer_id in names else None
        rows = np.flatnonzero(decided.draw.tried & (decided.draw.option == j)) if j is not None else np.zeros(0, int)
        chance = 0.0 if rates is None or j is None else float(rates.option[j] * decided.exploration.kept[j])
        lines.append(NewOfferLine(known=one, customers=len(rows), spend=spent(decided, rows), probability=chance))
    return NewOffersPart(
        lines=tuple(lines),
        level=new.level,
        confidence=new.confidence,
        budget=new.budget,
        spend=sum(line.spend for line in lines),
        monthly_budget=new.monthly_budget,
        before=new.before,
    )


def _month(decision: DecisionSettings, decided: Decided, known: Known, money: float) -> Iterator[MonthLine]:
    """What the calendar month allows, and what is used of it."""
    if decision.monthly_budget is not None:
        yield MonthLine(name=BUDGET, most=decision.monthly_budget, before=known.used.spent, now=money)
    given = [option for option in decided.draw.option if option >= 0]
    for family, rules in (("channel", decision.channels), ("offer", decision.offers)):
        names = [option.channel if family == "channel" else option.offer_id for option in decided.options]
        made = Counter(names[option] for option in given)
        for name, rule in rules.items():
            if rule.monthly_at_most is not None:
                before = known.used.month.get(f"{family} {name}", 0.0)
                yield MonthLine(name=f"{family} {name}", most=rule.monthly_at_most, before=before, now=made[name])


def _curve(decided: Decided, night: Night | None) -> tuple[BudgetPoint, ...]:
    """What less and more money would earn beside journeys and exploration; empty where minimums do not fit it."""
    problem, taken = decided.shared, float(decided.exploration.used.get(BUDGET, 0.0))
    taken += 0.0 if night is None else night.taken[BUDGET]
    if not problem.budget:
        return ()
    try:
        path = budget_path(problem, budgets=[factor * problem.budget for factor in FACTORS])
    except GateRefusedError:
        return ()
    return tuple(replace(point, budget=point.budget + taken, spent=point.spent + taken) for point in path)


def _whole_limits(decided: Decided, night: Night | None) -> tuple[Price, ...]:
    """The limits as the config has them: what journeys and exploration took of each is in them and in what is used."""
    taken = Counter(decided.exploration.used)
    if night is not None:
        taken.update(night.taken)

    def whole(price: Price) -> Price:
        own = float(taken.get(price.name, 0.0))
        return replace(price, bound=price.bound + own, used=price.used + own)

    return tuple(map(whole, decided.allocation.prices))


def _with_effect(log: Log) -> np.ndarray:
    """What each customer gets, none in place of what nobody knows the effect of, shape (n,)."""
    option = log.decided.draw.option
    return np.where(np.isnan(log.predicted(option)), -1, option).astype(option.dtype)


def _forecast(log: Log, currency: str) -> Forecast:
    option = log.decided.draw.option
    unknown = (option >= 0) & np.isnan(log.predicted(option)) & ~log.decided.draw.in_journey
    return Forecast(
        profit=_expect(log, option >= 0, currency),
        promised=float(log.decided.values.of(_with_effect(log))["profit"].sum()),
        basis=log.evidence.basis,
        rows=log.evidence.rows,
        unknown=int(unknown.sum()),
        exploration=_given_up(log.decided),
    )


def _expect(log: Log, who: np.ndarray, currency: str) -> Estimate:
    """What the contacts of some customers, bool (n,), are expected to earn, without those whose effect nobody knows."""
    draw, predicted = log.decided.draw, log.predicted(log.decided.draw.option)
    rows = np.flatnonzero(who & ~np.isnan(predicted))
    beside = float(log.decided.values.of(draw.option)["profit"][rows].sum() - predicted[rows].sum())
    group = log.evidence.group(draw.option[rows], draw.explored[rows])
    return log.evidence.total(predicted[rows], group, beside, unit=currency)


def _given_up(decided: Decided) -> float:
    """What the policy would have earned beyond what chance drew, where both are known."""
    rows = np.flatnonzero(decided.draw.explored)

    def worth(option: np.ndarray) -> np.ndarray:
        return np.where(option >= 0, decided.value[rows, np.maximum(option, 0)], 0.0)

    change = worth(decided.policy[rows]) - worth(decided.draw.option[rows])
    return float(change[np.isfinite(change)].sum(dtype=np.float64))


def _offers(log: Log, currency: str) -> tuple[OfferLine, ...]:
    decided, option, explored = log.decided, log.decided.draw.option, log.decided.draw.explored
    lines = []
    for j, one in enumerate(decided.options):
        rows, profit = np.flatnonzero(option == j), _expect(log, option == j, currency)
        lines.append(
            OfferLine(
                offer_id=one.offer_id,
                channel=one.channel,
                customers=len(rows),
                explored=int(explored[rows].sum()),
                open_to=int(decided.eligibility.explorable[:, j].sum()),
                spend=spent(decided, rows),
                profit=profit.point,
                profit_lower=profit.ci_lower,
                profit_upper=profit.ci_upper,
            )
        )
    return tuple(lines)


def _segments(decided: Decided, known: Known, profit: np.ndarray) -> tuple[PartLine, ...]:
    """Each value segment that has customers, where rules ask for segments."""
    names = known.customers.columns.get(SEGMENT)
    if names is None:
        return ()
    place = {name: k for k, name in enumerate(SEGMENTS)}
    part = np.array([place.get(name, len(SEGMENTS)) for name in names])
    return tuple(line for line in _parts(decided, profit, part, [*SEGMENTS, ""]) if line.customers)


def _strategies(decision: DecisionSettings, decided: Decided, profit: np.ndarray) -> tuple[PartLine, ...]:
    """Each strategy of the config, and those who are in none."""
    if not decision.strategies:
        return ()
    names = [*(strategy.name for strategy in decision.strategies), ""]
    return tuple(_parts(decided, profit, decided.eligibility.strategy, names))


def _parts(decided: Decided, profit: np.ndarray, part: np.ndarray, names: Sequence[str]) -> Iterator[PartLine]:
    """What the customers of each part get.

    Args:
        decided: The run.
        profit: Expected of each customer, NaN where nobody knows, shape (n,).
        part: Position of each customer's part, shape (n,).
        names: Of the parts.
    """
    option = decided.draw.option
    for k, name in enumerate(names):
        rows = np.flatnonzero(part == k)
        counts = np.bincount(option[rows] + 1, minlength=len(decided.options) + 1)[1:]
        yield PartLine(
            name=name,
            customers=len(rows),
            offers={o.offer_id: int(count) for o, count in zip(decided.options, counts, strict=True) if count},
            spend=spent(decided, rows),
            profit=float(np.nansum(profit[rows])),
        )


def _notes(decision: DecisionSettings, log: Log, known: Known, without: tuple[str, ...]) -> Iterator[RunNote]:
    decided = log.decided
    new = () if known.new is None else [one.offer_id for one in known.new.offers]
    has_effect = np.asarray(known.customers.has_effect.any(axis=0))
    untrained = [
        o.offer_id for o, has in zip(decided.options, has_effect, strict=True) if not has and o.offer_id not in new
    ]
    if untrained:
        yield RunNote(key=f"untrained_{decision.explore.untrained}", values={"offers": tuple(untrained)})
    empty = [name for name, customers in decided.eligibility.strategies.items() if not customers]
    if empty and len(log.ids):
        yield RunNote(key="empty_strategy", values={"strategies": tuple(empty)})
    claims = [name for name, offer in decision.offers.items() if offer.save_rate]
    if claims and known.values.unknown_value:
        yield RunNote(key="no_future", values={"customers": known.values.unknown_value, "offers": tuple(claims)})
    for task in without:
        if task in ("churn", "ltv") and claims:
            yield RunNote(key="no_champion", values={"task": task})
    if known.windows.is_open.any():
        days = int(known.outcome_days + 0.5)
        yield RunNote(key="open_windows", values={"count": int(known.windows.is_open.sum()), "days": days})
        if known.proven:
            yield RunNote(key="added", values={"offers": known.proven})
    if known.lists:
        yield RunNote(key="lists", values={"lists": known.lists[:5], "count": len(known.lists)})
    moved = known.values.reward_changed
    for j, one in enumerate(decided.options):
        if np.isfinite(moved[j]) and abs(moved[j] - 1) > REWARD_MOVED:
            yield RunNote(key="reward_moved", values={"offer": one.offer_id, "times": float(moved[j])})
    thin = [o.offer_id for o, kept in zip(decided.options, decided.exploration.kept, strict=True) if kept < 1]
    if thin:
        yield RunNote(key="thinned", values={"offers": tuple(thin), "least": float(decided.exploration.kept.min())})
    yield from _next_purchase_notes(known.next_purchase)
    if known.drifted:
        yield RunNote(key="drifted", values={"count": len(known.drifted), "features": known.drifted[:3]})


def _next_purchase_notes(found: Evaluation | None) -> Iterator[RunNote]:
    """How well next purchases were foretold out of time, and by what: the model, or a rule that was better."""
    if found is None:
        return
    judged = (
        ("next_date", found.date, found.date_coverage),
        ("next_replenishment", found.replenishment, found.replenishment_coverage),
        ("next_category", found.category, None),
    )
    for key, contest, coverage in judged:
        if contest is not None:
            name = "{}" if coverage else "{}_share"
            values: dict[str, str | int | float | tuple[str, ...]] = {
                "chosen": contest.chosen,
                "rule": contest.best,
                "count": contest.rows,
                name.format("model"): contest.model,
                name.format("simple"): contest.baselines[contest.best],
            }
            yield RunNote(key=key, values=values | ({"inside_share": coverage.point} if coverage else {}))


def _still(decision: DecisionSettings, known: Known) -> Iterator[RunNote]:
    """That journeys stand still, in a run for a day before one that has moved them."""
    if known.facts is not None and known.facts.stands_still and decision.journeys:
        yield RunNote(key="journeys_still", values={"day": known.journeys.days[-1].isoformat()})


__all__ = ["summarize"]
