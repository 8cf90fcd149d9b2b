"""Computation of a design: from past spend to the size of a campaign, its power and its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from netlift.abtest.assignment.audience import Audience, Question, read_audience, read_segments
from netlift.abtest.assignment.overlaps import ASSIGNMENTS, find_collisions
from netlift.abtest.design.holdout_size import size_holdout
from netlift.abtest.design.past_spend import PRE_DAYS, last_window, read_spend, same_season, summarize_spend
from netlift.abtest.design.plan import HOLDOUT_MONTHS, LEVEL, make_plan, plan_arms
from netlift.abtest.design.request import DesignRequest
from netlift.abtest.design.result import DesignReport, HoldoutSize, PastSpend, Power, Window
from netlift.abtest.design.sizing import (
    Precision,
    Setup,
    balanced_control,
    control_needed,
    customers_for_balance,
    customers_needed,
    joint_level,
    measure,
    profit_proven,
)
from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT, parse_criterion
from netlift.config.plan import ArmPlan
from netlift.data.checks.quality import is_revenue_based
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.errors import HistoryTooShortError, UsageError
from netlift.progress import Progress

CONTROL_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
ENROLMENT_DAYS, DAYS_A_WEEK = 28, 7
USUAL_CHANCE, POWER_STEPS = 0.8, 20


def compute_design(
    settings: BusinessSettings, tables: Tables, request: DesignRequest, *, progress: Progress
) -> DesignReport:
    """The design of a campaign, with its plan where a control meets the aims; writes nothing.

    Args:
        settings: The business.
        tables: Its tables, checked.
        request: What is asked, complete.
        progress: Who watches.

    Raises:
        UsageError: The campaign begins on a day that the receipts reach already.
        HistoryTooShortError: The receipts do not hold one outcome window.
        DataError: Nobody is eligible, or nobody like them bought.
    """
    history = read_history(tables)
    if request.start.date() < history.end:
        raise UsageError(
            f"--start {request.start:%Y-%m-%d}: receipts are known up to {history.end - timedelta(days=1)}, so what "
            "would be asked can be seen already; start on a later day"
        )
    arms = plan_arms(settings, tables, request)
    reader = _Reader(settings=settings, tables=tables, request=request, arms=arms, progress=progress)
    progress.stage("design", "who is eligible, and what customers like them spent")
    audience = reader.audience(request.start, now=True)
    past = reader.spend(_past_window(history, request.outcome_days))
    setup = _setup(request, past)
    share = request.control_share or control_needed(setup, customers=len(audience))
    shares = _over_shares(setup, customers=len(audience), also=share)
    needed, needed_share = _needed(setup, shares, share)
    newcomers, weeks = reader.wait(audience, needed, outcome_days=request.outcome_days)
    chosen = None if share is None else measure(setup, customers=len(audience), control_share=share)
    provable, power = (None, ()) if chosen is None else _power(setup, chosen)
    plan = None if chosen is None else make_plan(settings, tables, request, chosen=chosen, past=past)
    progress.stage("design", "the universal holdout, and campaigns that run in the same days")
    return DesignReport(
        request=request,
        currency=settings.currency,
        revenue_based=is_revenue_based(tables),
        steps=audience.steps,
        held_out=audience.held_out,
        past=past,
        season=reader.season(history),
        arms=plan.arms if plan else arms,
        chosen=chosen,
        shares=shares,
        power=power,
        provable=provable,
        needed=needed,
        needed_share=needed_share,
        needed_raw=customers_needed(replace(setup, explained=0.0), control_share=needed_share),
        balance_customers=customers_for_balance(setup, control_share=needed_share),
        balance_share=balanced_control(setup, customers=len(audience)),
        newcomers_a_week=newcomers,
        weeks=weeks,
        holdout=_holdout(tables, request, history),
        collisions=find_collisions(
            tables,
            audience.ids,
            own=request.campaign_id,
            start=request.start,
            end=request.start + timedelta(days=request.outcome_days),
            assignments=settings.state / ASSIGNMENTS,
        ),
        plan=plan,
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Audiences of one request, as of several days."""

    settings: BusinessSettings
    tables: Tables
    request: DesignRequest
    arms: tuple[ArmPlan, ...]
    progress: Progress

    def audience(self, cutoff: datetime, *, now: bool) -> Audience:
        """Who would be in the campaign at a moment; of another moment, holdout and limit are left out."""
        request, criteria = self.request, tuple(map(parse_criterion, self.request.eligible))
        names = [criterion.name for criterion in criteria] + list(request.strata if now else ())
        question = Question(
            cutoff=cutoff,
            criteria=criteria,
            channels=tuple(dict.fromkeys(arm.channel for arm in self.arms)),
            columns=tuple(name for name in request.columns if now or name != SEGMENT),
            holdout=request.holdout if now else None,
            cluster=request.cluster,
            limit=request.customers if now else None,
            salt=request.campaign_id,
        )
        segment_of = read_segments(self.settings, self.tables, cutoff.date(), names=names, progress=self.progress)
        return read_audience(self.tables, question, segment_of=segment_of)

    def spend(self, window: Window) -> PastSpend:
        """What customers like them spent in a window."""
        like = self.audience(window.cutoff, now=False)
        how = self.settings.readout
        rows = read_spend(self.tables, like.ids, window, pre_days=how.pre_days if how else PRE_DAYS)
        return summarize_spend(rows, window, cluster=like.clusters(self.request.cluster))

    def season(self, history: History) -> PastSpend | None:
        """What they spent a year before the campaign; None where the receipts do not go back so far."""
        window = same_season(self.request.start.date(), self.request.outcome_days)
        if window.start <= history.first or window.end > history.end:
            return None
        return self.spend(window)

    def wait(self, audience: Audience, needed: int | None, *, outcome_days: int) -> tuple[float | None, float | None]:
        """Customers who become eligible a week, where they are needed, and weeks until the result is known."""
        window = outcome_days / DAYS_A_WEEK
        if not self.request.has_aim:
            return None, window
        if needed is None:
            return None, None
        if needed <= len(audience) or self.request.customers is not None:
            return None, window if needed <= len(audience) else None
        before = self.audience(self.request.start - timedelta(days=ENROLMENT_DAYS), now=False)
        a_week = len(set(audience.ids) - set(before.ids)) / (ENROLMENT_DAYS / DAYS_A_WEEK)
        return a_week, (needed - len(audience)) / a_week + window if a_week else None


def _past_window(history: History, days: int) -> Window:
    if history.days <= days:
        raise HistoryTooShortError(
            f"transactions: {history.days:,} days of history, and spend over {days} days is asked of them; shorten "
            "--outcome-days or bring more"
        )
    return last_window(history.end, days)


def _setup(request: DesignRequest, past: PastSpend) -> Setup:
    return Setup(
        spread=past.spread,
        weights={offer: 1 / len(request.offers) for offer in request.offers},
        level=joint_level(request.level or LEVEL, arms=len(request.offers), looks=request.looks),
        explained=past.explained,
        fixed_cost=request.fixed_cost,
        half_width=request.half_width,
        expected=request.expected,
        chance=request.chance,
    )


def _over_shares(setup: Setup, *, customers: int, also: float | None) -> tuple[Precision, ...]:
    shares = sorted({*CONTROL_SHARES, *([also] if also else [])})
    return tuple(measure(setup, customers=customers, control_share=share) for share in shares)


def _needed(setup: Setup, shares: tuple[Precision, ...], share: float | None) -> tuple[int | None, float]:
    """Customers that meet the aims with a control, or with the best one of a table."""
    if share is not None:
        return customers_needed(setup, control_share=share), share
    found = {row.control_share: customers_needed(setup, control_share=row.control_share) for row in shares}
    best = min(found, key=lambda row: (found[row] is None, found[row] or 0, row))
    return found[best], best


def _power(setup: Setup, chosen: Precision) -> tuple[Power, tuple[Power, ...]]:
    """The profit that the plan proves with the chance asked for, and the chance over profits on both sides of it."""
    customers, share = chosen.customers, chosen.control_share
    treated = customers - chosen.control

    def at(profit: float) -> Power:
        chance = measure(replace(setup, expected=profit), customers=customers, control_share=share).chance
        return Power(expected=profit, total=profit * treated - setup.fixed_cost, chance=chance or 0.0)

    wanted = setup.chance or USUAL_CHANCE
    provable = profit_proven(setup, customers=customers, control_share=share, chance=wanted)
    top = 1.6 * max(provable, setup.expected or 0.0)
    return at(provable), tuple(at(top * step / POWER_STEPS) for step in range(POWER_STEPS + 1))


def _holdout(tables: Tables, request: DesignRequest, history: History) -> HoldoutSize | None:
    standing = request.holdout
    months = request.holdout_months or (HOLDOUT_MONTHS if standing is None else standing.rotate_months)
    first: date = last_window(history.end, months * 31).start
    if first < history.first:
        return None
    return size_holdout(
        tables,
        end=history.end,
        months=months,
        level=request.level or LEVEL,
        start=request.start,
        half_width=request.holdout_half_width,
        planned=standing,
    )


__all__ = ["compute_design"]
