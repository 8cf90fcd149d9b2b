"""Composition of the forecast from purchases, past campaigns and a plan, with its backtest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from netlift.forecast.ahead import SPANS, Ahead, ForecastBasis
from netlift.forecast.backtest import METHODS, MODEL, Backtest, compare, run_backtest, trusted_days
from netlift.forecast.contacts import ContactPlan, PastCampaign
from netlift.forecast.model import QUARTER, Outlook, look_ahead
from netlift.forecast.purchases import PurchaseHistory, month_start
from netlift.forecast.result import JOINERS, Beside, ForecastNote, MarginForecast, Span, TestedDay, WhatIf
from netlift.results import Estimate, Table

PAST_MONTHS = 24


def forecast_margin(
    basis: ForecastBasis,
    purchases: PurchaseHistory,
    group_of: Mapping[int, np.ndarray],
    *,
    campaigns: Sequence[PastCampaign] = (),
    plan: ContactPlan | None = None,
    what_if: WhatIf | None = None,
) -> MarginForecast:
    """Forecast the margin of the next quarter and the next year.

    Args:
        basis: What it is of.
        purchases: Of all customers.
        group_of: Group of each customer at the beginning of the months that forecast and backtest need, (n,) each.
        campaigns: What past campaigns added, which is taken out of what comes without contacts.
        plan: Contacts to come; None for none.
        what_if: What the caller asks beside the plan; None for nothing.

    Raises:
        HistoryTooShortError: Fewer than six whole months lie before the day.
    """
    groups = len(basis.groups)
    look = look_ahead(purchases, purchases.months, group_of, groups=groups)
    test = run_backtest(purchases, group_of, groups=groups)
    counts = trusted_days(test, has_season=look.has_season)
    spans: tuple[Span, ...] = ("quarter", "year") if look.has_season else ("quarter",)
    beside = [one for span in spans for one in _beside(test, counts, span, basis)]
    methods: dict[Span, str] = {
        span: next((one.naive for one in beside if one.span == span and one.used), MODEL) for span in SPANS
    }
    ahead = Ahead.of(basis, purchases, look, test, counts, methods, campaigns, plan)
    months = SPANS[spans[-1]].stop
    lines = [ahead.line("month", slice(h, h + 1), h, group) for h in range(months) for group in ahead.names]
    lines += [ahead.line(span, SPANS[span], 0, group) for span in spans for group in ahead.names]
    past = {
        month_start(basis.as_of, k - purchases.months).isoformat(): float(purchases.totals[k])
        for k in _shown(purchases)
    }
    return MarginForecast(
        business=basis.business,
        as_of=basis.as_of,
        currency=basis.currency,
        level=basis.level,
        revenue_based=basis.revenue_based,
        groups=(*basis.groups, JOINERS),
        lines=Table(name="margin", rows=tuple(lines)),
        past=past,
        tested=Table(name="backtests", rows=tuple(_tested(test, counts, spans, basis.as_of))),
        beside=Table(name="comparisons", rows=tuple(beside)),
        methods={span: methods[span] for span in spans},
        removed=ahead.removed_estimate() if campaigns else None,
        plan=plan,
        scenarios=Table(name="scenarios", rows=tuple(ahead.scenarios(what_if or WhatIf(), spans))),
        has_season=look.has_season,
        notes=(*basis.notes, *_notes(look, test, counts)),
    )


def _shown(purchases: PurchaseHistory) -> range:
    return range(max(purchases.whole_from, purchases.months - PAST_MONTHS), purchases.months)


def _beside(test: Backtest, counts: np.ndarray, span: Span, basis: ForecastBasis) -> Iterator[Beside]:
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


def _tested(test: Backtest, counts: np.ndarray, spans: Sequence[Span], as_of: date) -> Iterator[TestedDay]:
    for span in spans:
        stretch = SPANS[span]
        totals = test.totals(stretch.start, stretch.stop)
        for i in np.flatnonzero(np.isfinite(totals[0])):
            actual, forecast, *naive = (float(value) for value in totals[:, i])
            known = [value if np.isfinite(value) else None for value in naive]
            yield TestedDay(
                span=span,
                day=month_start(as_of, -int(test.ago[i])),
                has_season=bool(test.has_season[i]),
                counts=bool(counts[i]),
                actual=actual,
                forecast=forecast,
                same_months_last_year=known[0],
                last_quarter_by_season=known[1],
            )


def _notes(look: Outlook, test: Backtest, counts: np.ndarray) -> Iterator[ForecastNote]:
    if not look.has_season:
        yield ForecastNote(key="no_season", values={})
    if not look.has_rhythm:
        yield ForecastNote(key="no_rhythm", values={})
    days = np.isfinite(test.actual[:, :, :QUARTER].sum(axis=(1, 2)))[counts]
    if days.sum() < 2:
        yield ForecastNote(key="no_interval", values={"days": int(days.sum())})
    elif not (np.isfinite(test.actual.sum(axis=(1, 2)))[counts]).any():
        yield ForecastNote(key="year_untested", values={})
    if look.has_season and (counts & ~test.has_season).any():
        yield ForecastNote(key="days_without_season", values={"days": int((counts & ~test.has_season).sum())})


__all__ = ["ForecastBasis", "forecast_margin"]
