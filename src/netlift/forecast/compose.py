"""From purchases, past campaigns and a plan to the forecast that a reader sees.

The interval of a stretch of months has the errors of the same stretch ahead on days past, the standard error of what is
taken out for past contacts, and the interval of what a run of the plan earns, which all runs share. The three are
independent, so that their distances add up as squares (Zou and Donner's MOVER).

References:
    Zou, Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27(10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np

from netlift.forecast.backtest import (
    METHODS,
    MODEL,
    Backtest,
    compare,
    log_error,
    naive_forecasts,
    run_backtest,
    spreads_of,
    trusted_days,
)
from netlift.forecast.contacts import PastCampaign, Plan, added_before
from netlift.forecast.model import QUARTER, YEAR, Outlook, look_ahead
from netlift.forecast.purchases import HORIZON, Purchases, month_start
from netlift.forecast.result import (
    ALL,
    JOINERS,
    KNOWN,
    Beside,
    Line,
    MarginForecast,
    Note,
    Scenario,
    Span,
    TestedDay,
    WhatIf,
)
from netlift.results import Estimate, Table

SPANS: Mapping[Span, slice] = {"quarter": slice(0, QUARTER), "year": slice(0, YEAR)}
HALF, TWICE, MARGIN_STEP, CHURN_STEP = 0.5, 2.0, 0.1, 0.1
PAST_MONTHS = 24


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a forecast is of.

    Attributes:
        business: Name of the business.
        as_of: First day not seen.
        currency: Of all money.
        level: Of every interval.
        revenue_based: Whether all money is revenue.
        groups: Names of the groups of known customers, g of them.
        notes: What else a reader must know.
    """

    business: str
    as_of: date
    currency: str
    level: float
    revenue_based: bool
    groups: tuple[str, ...]
    notes: tuple[Note, ...] = ()


def forecast_margin(
    basis: Basis,
    purchases: Purchases,
    group_of: Mapping[int, np.ndarray],
    *,
    campaigns: Sequence[PastCampaign] = (),
    plan: Plan | None = None,
    what_if: WhatIf = WhatIf(),
) -> MarginForecast:
    """Forecast the margin of the next quarter and the next year.

    Args:
        basis: What it is of.
        purchases: Of all customers.
        group_of: Group of each customer at the beginning of the months that forecast and backtest need, (n,) each.
        campaigns: What past campaigns added, which is taken out of what comes without contacts.
        plan: Contacts to come; None for none.
        what_if: What the caller asks beside the plan.

    Raises:
        HistoryTooShortError: Fewer than six whole months lie before the day.
    """
    groups = len(basis.groups)
    look = look_ahead(purchases, purchases.months, group_of, groups=groups)
    test = run_backtest(purchases, group_of, groups=groups)
    counts = trusted_days(test, has_season=look.has_season)
    beside = [one for span in SPANS for one in _beside(test, counts, span, basis)]
    methods: dict[Span, str] = {
        span: next((one.naive for one in beside if one.span == span and one.used), MODEL) for span in SPANS
    }
    ahead = _Ahead.of(basis, purchases, look, test, counts, methods, campaigns, plan)
    lines = [ahead.line("month", slice(h, h + 1), h, group) for h in range(HORIZON) for group in ahead.names]
    lines += [ahead.line(span, stretch, 0, group) for span, stretch in SPANS.items() for group in ahead.names]
    now = purchases.months
    past = {month_start(basis.as_of, k - now).isoformat(): float(purchases.totals[k]) for k in _shown(purchases)}
    return MarginForecast(
        business=basis.business,
        as_of=basis.as_of,
        currency=basis.currency,
        level=basis.level,
        revenue_based=basis.revenue_based,
        groups=(*basis.groups, JOINERS),
        lines=Table(name="margin", rows=tuple(lines)),
        past=past,
        tested=Table(name="backtests", rows=tuple(_tested(test, counts, basis, now))),
        beside=Table(name="comparisons", rows=tuple(beside)),
        methods=methods,
        removed=ahead.removed_estimate() if campaigns else None,
        plan=plan,
        scenarios=Table(name="scenarios", rows=tuple(ahead.scenarios(what_if))),
        has_season=look.has_season,
        notes=(*basis.notes, *_notes(look, test, counts)),
    )


def _shown(purchases: Purchases) -> range:
    return range(max(purchases.whole_from, purchases.months - PAST_MONTHS), purchases.months)


def _beside(test: Backtest, counts: np.ndarray, span: Span, basis: Basis) -> Iterator[Beside]:
    """The forecast beside each naive one; the nearest of them is used where it was nearer than the forecast."""
    own, *naive = test.errors(SPANS[span].start, SPANS[span].stop)[:, counts]
    found = {name: compare(own, errors, level=basis.level) for name, errors in zip(METHODS[1:], naive, strict=True)}
    nearer = {name: one.naive_error for name, one in found.items() if one and one.difference > 0}
    best = min(nearer, key=lambda name: nearer[name]) if nearer else ""
    for name, one in found.items():
        if one is not None:
            difference = Estimate(
                point=one.difference,
                ci_lower=one.ci_lower,
                ci_upper=one.ci_upper,
                level=basis.level,
                unit="share",
                method=f"paired over {one.days} days, Student's t",
            )
            yield Beside(
                span=span,
                naive=name,
                days=one.days,
                error=one.error,
                naive_error=one.naive_error,
                difference=difference,
                used=name == best,
            )


def _tested(test: Backtest, counts: np.ndarray, basis: Basis, now: int) -> Iterator[TestedDay]:
    for span, stretch in SPANS.items():
        totals = test.totals(stretch.start, stretch.stop)
        for i in np.flatnonzero(np.isfinite(totals[0])):
            actual, forecast, *naive = (float(value) for value in totals[:, i])
            known = [value if np.isfinite(value) else None for value in naive]
            yield TestedDay(
                span=span,
                day=month_start(basis.as_of, int(test.months[i]) - now),
                has_season=bool(test.has_season[i]),
                counts=bool(counts[i]),
                actual=actual,
                forecast=forecast,
                same_months_last_year=known[0],
                last_quarter_by_season=known[1],
            )


def _notes(look: Outlook, test: Backtest, counts: np.ndarray) -> Iterator[Note]:
    if not look.has_season:
        yield Note(key="no_season", values={})
    if not look.has_rhythm:
        yield Note(key="no_rhythm", values={})
    days = np.isfinite(test.actual[:, :, :QUARTER].sum(axis=(1, 2)))[counts]
    if days.sum() < 2:
        yield Note(key="no_interval", values={"days": int(days.sum())})
    elif not (np.isfinite(test.actual.sum(axis=(1, 2)))[counts]).any():
        yield Note(key="year_untested", values={})
    if look.has_season and (counts & ~test.has_season).any():
        yield Note(key="days_without_season", values={"days": int((counts & ~test.has_season).sum())})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ahead:
    """The months ahead by group.

    Attributes:
        basis: What it is of.
        margin: By group and month as before, with contacts as there were, joiners last, in currency, (g + 1, 12).
        kept: Share of known customers' purchases left after those who leave, shape (g + 1, 12).
        spread: By name of groups, how far the truth may lie from quarters ahead, shape (4,).
        month_spread: The same of single months of each quarter ahead.
        removed: What past campaigns added, by campaign and month ahead, in currency, shape (c, 12).
        doubt: Standard errors likewise, each shared by all its months.
        plan: Contacts to come.
        runs: Runs of the plan by month, shape (12,).
    """

    basis: Basis
    margin: np.ndarray
    kept: np.ndarray
    spread: Mapping[str, np.ndarray]
    month_spread: Mapping[str, np.ndarray]
    removed: np.ndarray
    doubt: np.ndarray
    plan: Plan | None
    runs: np.ndarray

    @classmethod
    def of(
        cls,
        basis: Basis,
        purchases: Purchases,
        look: Outlook,
        test: Backtest,
        counts: np.ndarray,
        methods: Mapping[Span, str],
        campaigns: Sequence[PastCampaign],
        plan: Plan | None,
    ) -> _Ahead:
        """Put the parts beside each other, the forecast's months moved to the sums of the methods that are used."""
        now, lag = purchases.months, YEAR if look.has_season else QUARTER
        margin = look.margin * _moved(look.margin.sum(axis=0), purchases, methods)
        before = purchases.totals[now - lag : now]
        before = before if look.has_season else np.full(HORIZON, before.mean())
        growth = np.divide(margin.sum(axis=0), before, out=np.ones(HORIZON), where=before > 0)
        shares = added_before(campaigns, basis.as_of, purchases.starts, has_season=look.has_season) * growth
        starts = purchases.starts[now:]
        spread, by_month = {}, {}
        for name, rows in _rows_of(basis.groups).items():
            forecast, actual = (part[counts][:, rows].sum(axis=1) for part in (test.forecast, test.actual))
            spread[name], by_month[name] = _spreads(forecast, actual, basis.level)
        if methods["quarter"] != MODEL or methods["year"] != MODEL:
            which = METHODS.index(methods["year"] if methods["year"] != MODEL else methods["quarter"])
            errors = [test.errors(q, q + QUARTER)[which, counts] for q in range(0, HORIZON, QUARTER)]
            spread[ALL] = spreads_of(np.array(errors), level=basis.level)
        return cls(
            basis=basis,
            margin=margin,
            kept=look.kept,
            spread=spread,
            month_spread=by_month,
            removed=shares * np.array([one.margin for one in campaigns])[:, None],
            doubt=shares * np.array([one.se for one in campaigns])[:, None],
            plan=plan,
            runs=np.zeros(HORIZON) if plan is None else plan.runs_by_month(starts),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All names of lines, the sums last."""
        return tuple(_rows_of(self.basis.groups))

    def line(self, span: Span, stretch: slice, month: int, group: str) -> Line:
        """The line of some months of a group."""
        without, contacts = self.parts(stretch, group)
        end = month + 1 if span == "month" else stretch.stop
        return Line(
            span=span,
            start=month_start(self.basis.as_of, month),
            end=month_start(self.basis.as_of, end),
            group=group,
            without_contacts=without,
            contacts=contacts,
            total=self._sum(without, contacts),
        )

    def parts(
        self, stretch: slice, group: str, *, times: np.ndarray | float = 1.0
    ) -> tuple[Estimate, Estimate | None]:
        """What comes without contacts in some months, each times a number, and what the plan adds.

        Args:
            stretch: The months.
            group: Name of the group.
            times: By group and month, shape (g + 1, 12), or one number for all.
        """
        rows = _rows_of(self.basis.groups)[group]
        known = self.margin[:-1].sum(axis=0)
        portion = np.divide(self.margin, known, out=np.zeros_like(self.margin), where=known != 0)
        portion[-1] = 0.0  # only known customers were contacted
        weight = np.broadcast_to(times, self.margin.shape)[rows, stretch]
        own = float((self.margin[rows, stretch] * weight).sum())
        out = (portion[rows, stretch] * weight).sum(axis=0)
        removed = float((self.removed[:, stretch] * out).sum())
        z = NormalDist().inv_cdf(0.5 + self.basis.level / 2)
        doubt = z * float(np.linalg.norm((self.doubt[:, stretch] * out).sum(axis=1)))
        spread = self._spread(stretch, group)
        point = own - removed
        without = self._estimate(
            point,
            float(np.hypot(own * -np.expm1(-spread), doubt)),
            float(np.hypot(own * np.expm1(spread), doubt)),
            method="same months a year before by worth of customers, errors of backtests",
        )
        if self.plan is None:
            return without, None
        share = {ALL: 1.0, KNOWN: 1.0, JOINERS: 0.0}.get(group, self.plan.share_of.get(group, 0.0))
        return without, self._times(self.plan.profit, share * float(self.runs[stretch].sum()))

    def _spread(self, stretch: slice, group: str) -> float:
        """How far the truth may lie from some months; of several quarters, as if their errors were one."""
        quarters = slice(stretch.start // QUARTER, -(-stretch.stop // QUARTER))
        whole = stretch.stop - stretch.start >= QUARTER
        own = (self.spread if whole else self.month_spread)[group][quarters]
        return float(np.sqrt(np.mean(own**2)))

    def removed_estimate(self) -> Estimate:
        """What is taken out of the year for past contacts."""
        z = NormalDist().inv_cdf(0.5 + self.basis.level / 2)
        half = z * float(np.linalg.norm(self.doubt.sum(axis=1)))
        return self._estimate(float(self.removed.sum()), half, half, method="sum of readouts in the months before")

    def scenarios(self, asked: WhatIf) -> Iterator[Scenario]:
        """The plan, and what if."""
        plan = self.scenario("plan", WhatIf())
        yield plan
        if asked.asks:
            yield self.scenario("asked", asked, plan)
        if self.plan is not None:
            yield self.scenario("budget", WhatIf(budget=0.0), plan)
            offered = [one.budget for one in self.plan.curve]
            for budget in offered:
                if self.plan.budget is None or abs(budget - self.plan.budget) > 0.01 * budget:
                    yield self.scenario("budget", WhatIf(budget=budget), plan)
        for step in (-MARGIN_STEP, MARGIN_STEP):
            yield self.scenario("margin", WhatIf(margin=1 + step), plan)
        if (self.kept < 1).any():
            for step in (-CHURN_STEP, CHURN_STEP):
                yield self.scenario("churn", WhatIf(churn=1 + step), plan)

    def scenario(self, name: str, what: WhatIf, plan: Scenario | None = None) -> Scenario:
        """The quarter and the year under other conditions."""
        times = what.margin * self.kept ** (what.churn - 1)
        found = {span: self._under(stretch, times, what) for span, stretch in SPANS.items()}
        return Scenario(
            name=name,
            budget=what.budget,
            margin=what.margin,
            churn=what.churn,
            quarter=found["quarter"],
            year=found["year"],
            quarter_change=0.0 if plan is None else found["quarter"].point - plan.quarter.point,
            year_change=0.0 if plan is None else found["year"].point - plan.year.point,
        )

    def _under(self, stretch: slice, times: np.ndarray, what: WhatIf) -> Estimate:
        """Margin of some months where every sale's margin, churn and the budget are others.

        A run's margin is its profit and what it spends; the margin moves, the spend does not, and both go with the
        customers who are left.
        """
        without, _ = self.parts(stretch, ALL, times=times)
        if self.plan is None:
            return without
        at = budget_line(self.plan, what.budget)
        left = (self.margin * times)[:-1].sum(axis=0) / np.maximum(self.margin[:-1].sum(axis=0) * what.margin, 1e-9)
        runs = float((self.runs * left)[stretch].sum())
        moved = self._times(self.plan.profit, what.margin * at.profit * runs)
        costs = (what.margin - 1) * at.spend * self.plan.spend * runs
        shifted = self._estimate(
            moved.point + costs, moved.point - moved.ci_lower, moved.ci_upper - moved.point, method=moved.method
        )
        return self._sum(without, shifted)

    def _sum(self, one: Estimate, other: Estimate | None) -> Estimate:
        if other is None:
            return one
        low = float(np.hypot(one.point - one.ci_lower, other.point - other.ci_lower))
        high = float(np.hypot(one.ci_upper - one.point, other.ci_upper - other.point))
        return self._estimate(one.point + other.point, low, high, method="sum of independent parts")

    def _times(self, one: Estimate, times: float) -> Estimate:
        """So many times an estimate, all with the same error; times below 0 turn its ends round."""
        ends = sorted([one.ci_lower * times, one.ci_upper * times])
        point = one.point * times
        return self._estimate(point, point - ends[0], ends[1] - point, method=one.method)

    def _estimate(self, point: float, low: float, high: float, *, method: str) -> Estimate:
        known = np.isfinite(low) and np.isfinite(high)
        return Estimate(
            point=point,
            ci_lower=point - low if known else np.nan,
            ci_upper=point + high if known else np.nan,
            level=self.basis.level,
            unit=self.basis.currency,
            method=method,
        )


def budget_line(plan: Plan, budget: float | None):  # type: ignore[no-untyped-def]
    """What a budget does beside the plan's, between two of the curve along the straight line."""
    from netlift.forecast.contacts import BudgetLine

    if budget is None:
        return BudgetLine(budget=plan.budget or plan.spend, profit=1.0, spend=1.0)
    points = [BudgetLine(budget=0.0, profit=0.0, spend=0.0), *sorted(plan.curve, key=lambda one: one.budget)]
    x = [one.budget for one in points]
    return BudgetLine(
        budget=budget,
        profit=float(np.interp(budget, x, [one.profit for one in points])),
        spend=float(np.interp(budget, x, [one.spend for one in points])),
    )


def _rows_of(groups: Sequence[str]) -> dict[str, list[int]]:
    """Name of every line to the rows of groups that it adds up."""
    own = {name: [i] for i, name in enumerate(groups)}
    return own | {KNOWN: [*range(len(groups))], JOINERS: [len(groups)], ALL: [*range(len(groups) + 1)]}


def _moved(totals: np.ndarray, purchases: Purchases, methods: Mapping[Span, str]) -> np.ndarray:
    """What the months of the forecast are multiplied by, so that quarter and year are those of the methods used, (12,)."""
    naive = naive_forecasts(purchases.totals, purchases.months, purchases.whole_from)
    by = dict(zip(METHODS, [totals, *naive], strict=True))
    quarter, year = (float(by[methods[span]][SPANS[span]].sum()) for span in ("quarter", "year"))
    parts = np.array([quarter, max(year - quarter, 0.0)])
    own = np.array([totals[:QUARTER].sum(), totals[QUARTER:].sum()])
    times = np.divide(parts, own, out=np.ones(2), where=own > 0)
    return np.repeat(times, [QUARTER, HORIZON - QUARTER])


def _spreads(forecast: np.ndarray, actual: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Spread of quarters ahead, and of single months in them, by errors on days past, shape (4,) each.

    Args:
        forecast: By day and month ahead, shape (d, 12).
        actual: What came, of the same shape.
        level: Of the intervals.
    """
    quarters = [slice(q, q + QUARTER) for q in range(0, HORIZON, QUARTER)]
    whole = [log_error(forecast[:, q].sum(axis=1), actual[:, q].sum(axis=1)) for q in quarters]
    months = [np.sqrt(np.mean(log_error(forecast[:, q], actual[:, q]) ** 2, axis=1)) for q in quarters]
    return spreads_of(np.array(whole), level=level), spreads_of(np.array(months), level=level)


__all__ = ["Basis", "budget_line", "forecast_margin"]
