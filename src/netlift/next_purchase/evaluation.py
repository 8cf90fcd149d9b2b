"""Out-of-time evaluation of predicted dates and categories beside simple baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netlift.next_purchase.next_category import CategoryModel, Habits, blocks, read_habits, spread_due
from netlift.next_purchase.purchases import Purchases
from netlift.next_purchase.rhythm import DateForecast, Rhythm
from netlift.next_purchase.traces import Traces, median_gaps
from netlift.results import Estimate

MODEL = "model"
LAST, FREQUENT, POPULAR = "last_category", "own_most_frequent_category", "most_popular_category"
MEDIAN_GAP, OWN_GAP, FROM_TODAY = "median_gap_after_last", "own_mean_gap_after_last", "own_mean_gap_from_today"
"""Baselines, by the ids under which pages name them."""
QUANTILES = (0.1, 0.5, 0.9)
"""Ends and middle of the interval of the date."""
INTERVAL = QUANTILES[2] - QUANTILES[0]
LIKELY = 0.5
"""Probability of a purchase within the horizon from which a date is named."""
FEWEST_PAIR_GAPS = 2
"""Gaps of a customer in a category from which the category's own date is named."""
BINS = 10
Z = 1.96


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The model beside its baselines, on the same customers.

    Attributes:
        measure: What the scores are.
        rows: Forecasts that were judged.
        model: Score of the model.
        baselines: Score of each baseline.
        best: The best baseline.
        gain: By how much the model is better than it, with an interval over customers.
        chosen: Who is used: the model where it is at least as good as every baseline, else the best one.
    """

    measure: str
    rows: int
    model: float
    baselines: Mapping[str, float]
    best: str
    gain: Estimate
    chosen: str


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Probabilities beside what happened.

    Attributes:
        predicted: Mean probability in each bin.
        observed: Share that happened in each bin.
        rows: Forecasts in each bin.
        error: Mean absolute difference, weighted by rows.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[int, ...]
    error: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was learned before a day and held against the horizon after it.

    Attributes:
        horizon: Days.
        date: Days between the date named and the purchase, of those who came and were named one.
        returns: Probability of a purchase within the horizon, of everybody who ever bought.
        date_coverage: Share of the purchases that fell in their interval, which should be `INTERVAL` or more.
        category: Share of customers whose next category was named; None where receipts have no categories.
        category_probability: Probability of the category that is named.
        category_log_loss: Mean negative log probability of what was bought, beside that of the shares of everybody.
        replenishment: As `date`, for a customer in a category.
        replenishment_coverage: As `date_coverage`, likewise.
    """

    horizon: int
    date: Contest
    returns: Reliability
    date_coverage: Estimate
    category: Contest | None = None
    category_probability: Reliability | None = None
    category_log_loss: Mapping[str, float] | None = None
    replenishment: Contest | None = None
    replenishment_coverage: Estimate | None = None


def evaluate_dates(
    purchases: Purchases, traces: Traces, rhythm: Rhythm, *, by_category: bool
) -> tuple[Contest, Reliability, Estimate] | None:
    """Hold the dates of a rhythm against what came; None where nobody came who was named a date.

    Args:
        purchases: All purchases.
        traces: Histories before the day of the judgement, which the rhythm has not seen beyond it.
        rhythm: Learned before that day.
        by_category: Whether histories are of a customer in a category.
    """
    forecast = rhythm.predict(traces, levels=QUANTILES)
    came = traces.following < traces.cutoff + rhythm.horizon
    returns = _reliability(forecast.probability, came)
    named = came & (forecast.probability >= LIKELY) & (traces.gaps >= (FEWEST_PAIR_GAPS if by_category else 0))
    if not named.any():
        return None
    actual = traces.following[named]
    early, middle, late = forecast.day[:, named]
    guesses = baseline_dates(purchases, traces.take(named), rhythm.horizon, by_category=by_category)
    errors = {MODEL: np.abs(middle - actual)} | {name: np.abs(day - actual) for name, day in guesses.items()}
    contest = _contest("mean absolute error of the date, days", errors, traces.customer[named], less_is_better=True)
    inside = (actual >= early) & (actual <= late)
    coverage = _mean(inside, traces.customer[named], unit="share", method="share of dates in their interval")
    return contest, returns, coverage


def baseline_dates(purchases: Purchases, traces: Traces, horizon: int, *, by_category: bool) -> dict[str, np.ndarray]:
    """Dates by simple rules, brought into the horizon as the model's are, days since 1970-01-01, shape (k,) each."""
    gaps = baseline_gaps(purchases, traces, horizon, by_category=by_category)
    guesses = {name: traces.last + gap for name, gap in gaps.items()}
    guesses[FROM_TODAY] = traces.cutoff - 1 + gaps[FROM_TODAY]
    first, end = traces.cutoff, traces.cutoff + horizon - 1
    return {name: np.clip(np.round(day), first, end).astype(np.int32) for name, day in guesses.items()}


def baseline_gaps(purchases: Purchases, traces: Traces, horizon: int, *, by_category: bool) -> dict[str, np.ndarray]:
    """Days from one purchase to the next by each rule, half the horizon where nobody had a gap, shape (k,) each."""
    median = median_gaps(purchases, traces.cutoff, by_category=by_category)
    typical = median[traces.code if by_category else np.zeros(len(traces), dtype=np.int64)]
    typical = np.where(np.isnan(typical), horizon / 2, typical)
    own = np.where(traces.gaps > 0, (traces.last - traces.first) / np.maximum(traces.gaps, 1), typical)
    return {MEDIAN_GAP: typical, OWN_GAP: own, FROM_TODAY: own}


def evaluate_categories(
    purchases: Purchases, model: CategoryModel, traces: Traces, forecast: DateForecast, *, cutoff: int, end: int
) -> tuple[Contest, Reliability, dict[str, float]] | None:
    """Hold probabilities of the next category against what was bought; None where nobody bought again.

    Args:
        purchases: All purchases.
        model: Learned before the cutoff.
        traces: Histories by customer and category before the cutoff.
        forecast: Of these.
        cutoff: First day not seen.
        end: First day after the horizon.
    """
    width, parts = len(purchases.categories), []
    for customers in blocks(np.unique(traces.customer), width):
        habits = read_habits(purchases, customers, cutoff, end)
        bought = habits.following >= 0
        probability = model.predict(habits, spread_due(traces, forecast, customers, width))
        named = {MODEL: probability.argmax(axis=1)} | baseline_categories(habits, model)
        answer = habits.following.astype(np.int64)
        hits = {name: (category == answer)[bought].astype(np.float64) for name, category in named.items()}
        told = -np.log(np.maximum(probability[np.arange(len(answer)), answer], 1e-12))[bought]
        everybody = -np.log(model.popularity[answer])[bought]
        parts.append((hits, probability.max(axis=1)[bought], told, everybody, customers[bought]))
    if not sum(len(part[4]) for part in parts):
        return None
    hits = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    top, told, everybody, customers = (np.concatenate([part[i] for part in parts]) for i in range(1, 5))
    contest = _contest("share whose next category was named", hits, customers, less_is_better=False)
    losses = {MODEL: float(told.mean()), "shares of everybody": float(everybody.mean())}
    return contest, _reliability(top, hits[MODEL] > 0), losses


def baseline_categories(habits: Habits, model: CategoryModel) -> dict[str, np.ndarray]:
    """Categories by simple rules; of equally frequent ones the more popular, shape (n,) each."""
    popular = np.full(len(habits.last), int(model.popularity.argmax()))
    return {
        LAST: np.where(habits.last >= 0, habits.last, popular),
        FREQUENT: (habits.counts + 1e-3 * model.popularity).argmax(axis=1),
        POPULAR: popular,
    }


def _contest(measure: str, scores: Mapping[str, np.ndarray], customer: np.ndarray, *, less_is_better: bool) -> Contest:
    means = {name: float(score.mean()) for name, score in scores.items()}
    sign = 1.0 if less_is_better else -1.0
    baselines = {name: mean for name, mean in means.items() if name != MODEL}
    best = min(baselines, key=lambda name: sign * baselines[name])
    gain = _mean(sign * (scores[best] - scores[MODEL].astype(np.float64)), customer, unit="", method="paired")
    return Contest(
        measure=measure,
        rows=len(customer),
        model=means[MODEL],
        baselines=baselines,
        best=best,
        gain=gain,
        chosen=MODEL if gain.point >= 0 else best,
    )


def _mean(values: np.ndarray, customer: np.ndarray, *, unit: str, method: str) -> Estimate:
    """A mean with its interval, rows of one customer together."""
    point = float(np.mean(values))
    _, row = np.unique(customer, return_inverse=True)
    residual = np.bincount(row, np.asarray(values, dtype=np.float64) - point)
    half = Z * float(np.sqrt(np.sum(residual**2))) / len(values)
    return Estimate(
        point=point,
        ci_lower=point - half,
        ci_upper=point + half,
        level=0.95,
        unit=unit,
        method=f"{method}, by customer",
    )


def _reliability(probability: np.ndarray, happened: np.ndarray) -> Reliability:
    """Bins of about as many forecasts each."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    predicted = tuple(float(probability[part].mean()) for part in parts)
    observed = tuple(float(happened[part].mean()) for part in parts)
    rows = tuple(len(part) for part in parts)
    error = sum(n * abs(p - o) for n, p, o in zip(rows, predicted, observed, strict=True)) / max(sum(rows), 1)
    return Reliability(predicted=predicted, observed=observed, rows=rows, error=error)


__all__ = [
    "INTERVAL",
    "LIKELY",
    "MODEL",
    "Contest",
    "Evaluation",
    "Reliability",
    "baseline_categories",
    "baseline_dates",
    "baseline_gaps",
    "evaluate_categories",
    "evaluate_dates",
]
