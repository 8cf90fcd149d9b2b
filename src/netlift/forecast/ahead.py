"""Monthly forecast by group with intervals: past contacts removed, planned ones added.

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

from netlift.forecast.backtest import METHODS, MODEL, Backtest, chance_of, naive_forecasts, spreads_of
from netlift.forecast.contacts import BudgetLine, ContactPlan, PastCampaign, added_before
from netlift.forecast.model import QUARTER, YEAR, Outlook
from netlift.forecast.purchases import HORIZON, PurchaseHistory, month_start
from netlift.forecast.result import ALL, JOINERS, KNOWN, ForecastLine, ForecastNote, Scenario, Span, WhatIf
from netlift.results import Estimate

SPANS: Mapping[Span, slice] = {"quarter": slice(0, QUARTER), "year": slice(0, YEAR)}
MARGIN_STEP, CHURN_STEP = 0.1, 0.1
TINY = 1.0  # currency: nothing forecast is by chance within it


@dataclass(frozen=True, kw_only=True)
class ForecastBasis:
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
    notes: tuple[ForecastNote, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Ahead:
    """The months ahead by group.

    Attributes:
        basis: What it is of.
        margin: By group and month as before, with contacts as there were, joiners last, in currency, (g + 1, 12).
        kept: Share of what known customers bring that is left after those who leave, shape (12,).
        spread: By name of groups, how far the truth may lie from the sum of one to four quarters, in units of
            `chance_of`, shape (4,).
        month_spread: The same of single months of each quarter ahead.
        dispersion: Variance over mean of a customer's margin of a quarter, in currency.
        removed: What past campaigns added, by campaign and month ahead, in currency, shape (c, 12).
        doubt: Standard errors likewise, each shared by all its months.
        plan: Contacts to come.
        runs: Runs of the plan by month, shape (12,).
    """

    basis: ForecastBasis
    margin: np.ndarray
    kept: np.ndarray
    spread: Mapping[str, np.ndarray]
    month_spread: Mapping[str, np.ndarray]
    dispersion: float
    removed: np.ndarray
    doubt: np.ndarray
    plan: ContactPlan | None
    runs: np.ndarray

    @classmethod
    def of(
        cls,
        basis: ForecastBasis,
        purchases: PurchaseHistory,
        look: Outlook,
        test: Backtest,
        counts: np.ndarray,
        methods: Mapping[Span, str],
        campaigns: Sequence[PastCampaign],
        plan: ContactPlan | None,
    ) -> Ahead:
        """Put the parts beside each other, the forecast's months moved to the sums of the methods that are used."""
        now, lag = purchases.months, YEAR if look.has_season else QUARTER
        margin = look.margin * _moved(look.margin.sum(axis=0), purchases, methods)
        before = purchases.totals[now - lag : now]
        before = before if look.has_season else np.full(HORIZON, before.mean())
        growth = np.divide(margin.sum(axis=0), before, out=np.ones(HORIZON), where=before > 0)
        shares = added_before(campaigns, basis.as_of, purchases.starts, has_season=look.has_season) * growth
        starts = purchases.starts[now:]
        spread, by_month = {}, {}
        for name, rows in rows_of(basis.groups).items():
            forecast, actual = (part[counts][:, rows].sum(axis=1) for part in (test.forecast, test.actual))
            spread[name], by_month[name] = _spreads(forecast, actual, look.dispersion, basis.level)
        came = test.actual[counts].sum(axis=1)
        for naive in {methods[span] for span in SPANS} - {MODEL}:
            # the least of several errors flatters: whichever of the forecast's and the naive one's are wider
            own = test.naive[METHODS[1:].index(naive), counts]
            ends = zip((spread[ALL], by_month[ALL]), _spreads(own, came, look.dispersion, basis.level), strict=True)
            spread[ALL], by_month[ALL] = (np.fmax(*pair) for pair in ends)
        return cls(
            basis=basis,
            margin=margin,
            kept=look.kept,
            spread=spread,
            month_spread=by_month,
            dispersion=look.dispersion,
            removed=shares * np.array([one.margin for one in campaigns])[:, None],
            doubt=shares * np.array([one.se for one in campaigns])[:, None],
            plan=plan,
            runs=np.zeros(HORIZON) if plan is None else plan.runs_by_month(starts),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All names of lines, the sums last."""
        return tuple(rows_of(self.basis.groups))

    def line(self, span: Span, stretch: slice, month: int, group: str) -> ForecastLine:
        """The line of some months of a group."""
        without, contacts = self.parts(stretch, group)
        end = month + 1 if span == "month" else stretch.stop
        return ForecastLine(
            span=span,
            start=month_start(self.basis.as_of, month),
            end=month_start(self.basis.as_of, end),
            group=group,
            without_contacts=without,
            contacts=contacts,
            total=self._sum(without, contacts),
        )

    def parts(self, stretch: slice, group: str, *, times: np.ndarray | float = 1.0) -> tuple[Estimate, Estimate | None]:
        """What comes without contacts in some months, each times a number, and what the plan adds.

        Args:
            stretch: The months.
            group: Name of the group.
            times: By group and month, shape (g + 1, 12), or one number for all.
        """
        rows = rows_of(self.basis.groups)[group]
        known = self.margin[:-1].sum(axis=0)
        portion = np.divide(self.margin, known, out=np.zeros_like(self.margin), where=known != 0)
        portion[-1] = 0.0  # only known customers were contacted
        weight = np.broadcast_to(times, self.margin.shape)[rows]
        margin, weight = (self.margin[rows] * weight).sum(axis=0), weight[:, stretch]
        own = float(margin[stretch].sum())
        out = (portion[rows, stretch] * weight).sum(axis=0)
        removed = float((self.removed[:, stretch] * out).sum())
        z = NormalDist().inv_cdf(0.5 + self.basis.level / 2)
        doubt = z * float(np.linalg.norm((self.doubt[:, stretch] * out).sum(axis=1)))
        half = self._half(margin, stretch, group)
        low = min(half, max(own, 0.0)) if np.isfinite(half) else half  # sales do not bring less than nothing
        without = self._estimate(
            own - removed,
            float(np.hypot(low, doubt)),
            float(np.hypot(half, doubt)),
            method="same months a year before by worth of customers, errors of backtests",
        )
        if self.plan is None:
            return without, None
        share = {ALL: 1.0, KNOWN: 1.0, JOINERS: 0.0}.get(group, self.plan.share_of.get(group, 0.0))
        return without, self._times(self.plan.profit, share * float(self.runs[stretch].sum()))

    def _half(self, margin: np.ndarray, stretch: slice, group: str) -> float:
        """Half the width of the interval of a month, the next quarter or the next year.

        Args:
            margin: Of every month ahead, in currency, shape (12,).
            stretch: A month, or whole quarters from the first on.
            group: Whose margin it is.
        """
        if stretch.stop - stretch.start < QUARTER:
            spread = self.month_spread[group][stretch.start // QUARTER]
            return float(spread * chance_of(margin[stretch], self.dispersion)[0])
        whole = margin[stretch].sum(keepdims=True)
        return float(self.spread[group][stretch.stop // QUARTER - 1] * chance_of(whole, self.dispersion)[0])

    def removed_estimate(self) -> Estimate:
        """What is taken out of the year for past contacts."""
        z = NormalDist().inv_cdf(0.5 + self.basis.level / 2)
        half = z * float(np.linalg.norm(self.doubt.sum(axis=1)))
        return self._estimate(float(self.removed.sum()), half, half, method="sum of readouts in the months before")

    def scenarios(self, asked: WhatIf, spans: Sequence[Span]) -> Iterator[Scenario]:
        """The plan, and what if."""
        planned = self._under_all(WhatIf(), spans)
        wanted = [("plan", WhatIf()), *([("asked", asked)] if asked.asks else [])]
        if self.plan is not None:
            others = [one.budget for one in self.plan.curve if (one.profit, one.spend) != (1.0, 1.0)]
            wanted += [("budget", WhatIf(budget=budget)) for budget in (0.0, *others) if budget != asked.budget]
        wanted += [("margin", WhatIf(margin=1 + step)) for step in (-MARGIN_STEP, MARGIN_STEP)]
        if (self.kept < 1).any():
            wanted += [("churn", WhatIf(churn=1 + step)) for step in (-CHURN_STEP, CHURN_STEP)]
        for name, what in wanted:
            found = self._under_all(what, spans)
            change = {span: found[span].point - planned[span].point for span in spans}
            yield Scenario(
                name=name,
                budget=what.budget,
                margin=what.margin,
                churn=what.churn,
                quarter=found["quarter"],
                year=found.get("year"),
                quarter_change=change["quarter"],
                year_change=change.get("year"),
            )

    def _under_all(self, what: WhatIf, spans: Sequence[Span]) -> dict[Span, Estimate]:
        known = self.kept ** (what.churn - 1)
        times = what.margin * np.vstack([np.tile(known, (len(self.margin) - 1, 1)), np.ones(HORIZON)])
        return {span: self._under(SPANS[span], times, what) for span in spans}

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
        ends = sorted([one.ci_lower * times, one.ci_upper * times]) if times else [0.0, 0.0]
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


def budget_line(plan: ContactPlan, budget: float | None) -> BudgetLine:
    """What a budget does beside the plan's, between two of the curve along the straight line."""
    if budget is None:
        return BudgetLine(budget=plan.budget or plan.spend, profit=1.0, spend=1.0)
    points = [BudgetLine(budget=0.0, profit=0.0, spend=0.0), *sorted(plan.curve, key=lambda one: one.budget)]
    x = [one.budget for one in points]
    return BudgetLine(
        budget=budget,
        profit=float(np.interp(budget, x, [one.profit for one in points])),
        spend=float(np.interp(budget, x, [one.spend for one in points])),
    )


def rows_of(groups: Sequence[str]) -> dict[str, list[int]]:
    """Name of every line to the rows of groups that it adds up."""
    own = {name: [i] for i, name in enumerate(groups)}
    return own | {KNOWN: [*range(len(groups))], JOINERS: [len(groups)], ALL: [*range(len(groups) + 1)]}


def _moved(totals: np.ndarray, purchases: PurchaseHistory, methods: Mapping[Span, str]) -> np.ndarray:
    """What months ahead are multiplied by, so that quarter and year are those of the methods used, shape (12,)."""
    naive = naive_forecasts(purchases.totals, purchases.months, purchases.whole_from)
    by = dict(zip(METHODS, [totals, *naive], strict=True))
    quarter, year = (float(by[methods[span]][SPANS[span]].sum()) for span in ("quarter", "year"))
    parts = np.array([quarter, max(year - quarter, 0.0)])
    own = np.array([totals[:QUARTER].sum(), totals[QUARTER:].sum()])
    times = np.divide(parts, own, out=np.ones(2), where=own > 0)
    return np.repeat(times, [QUARTER, HORIZON - QUARTER])


def _spreads(
    forecast: np.ndarray, actual: np.ndarray, dispersion: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spread of one to four quarters together, and of single months in each, by errors on days past, shape (4,) each.

    Args:
        forecast: By day and month ahead, in currency, shape (d, 12).
        actual: What came, of the same shape.
        dispersion: Variance over mean of a customer's margin.
        level: Of the intervals.
    """
    sums, months = [], []
    for q in range(0, HORIZON, QUARTER):
        whole, came = forecast[:, : q + QUARTER].sum(axis=1), actual[:, : q + QUARTER].sum(axis=1)
        sums.append((came - whole) / np.maximum(chance_of(whole, dispersion), TINY))
        own = forecast[:, q : q + QUARTER]
        apart = (actual[:, q : q + QUARTER] - own) / np.maximum(chance_of(own, dispersion), TINY)
        months.append(np.sqrt(np.mean(apart**2, axis=1)))
    return spreads_of(np.array(sums), level=level), spreads_of(np.array(months), level=level)


__all__ = ["SPANS", "Ahead", "ForecastBasis", "budget_line"]
