"""Days to the next purchase: personal rhythm shrunk to the population, with a hazard learned out of time.

Logs of gaps are taken as normal about the customer's own mean with his own variance. Both are shrunk by empirical
Bayes: the mean to that of the population (of the category), by the variance between customers; the variance to the
common one (Smyth, 2004). What the next gap is like in units of that predictive mean and spread is not assumed but
learned: a piecewise constant hazard (Friedman, 1982) over the gaps that were open at an earlier cutoff, entered late
and censored at the horizon, apart for customers of whom little and much is known. So customers who never come back,
gaps that are not log-normal, and how wrong the shrunk means are, are all in the predicted probabilities.

References:
    Friedman, M. (1982), Piecewise exponential models for survival data with covariates, Annals of Statistics 10(1).
    Smyth, G. (2004), Linear models and empirical Bayes methods for assessing differential expression in microarray
    experiments, Statistical Applications in Genetics and Molecular Biology 3(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from netlift.errors import DataError
from netlift.next_purchase.traces import Traces

FEWEST_GAPS = 100
"""Customers with two gaps or more, and gaps that ended within the horizon, below which no rhythm is learned."""
FEWEST_OF_A_GROUP = 30
EVENTS_OF_A_STRATUM, EVENTS_OF_A_PIECE, MOST_PIECES = 300, 25, 40
KNOWN = (0, 1, 2, 4, 8, 16)
"""Fewest gaps in each stratum of how much is known of a customer."""
LEAST_VARIANCE = 1e-3
SHORTEST = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Hazard:
    """Cumulative hazard over standardized log gaps, linear between its points and beyond them.

    Attributes:
        at: Points, rising, shape (p,).
        total: Cumulative hazard at each, shape (p,).
    """

    at: np.ndarray
    total: np.ndarray

    def cumulative(self, z: np.ndarray) -> np.ndarray:
        """Cumulative hazard, going on at the last rate beyond the last point, shape (k,)."""
        inside = np.interp(z, self.at, self.total)
        rate = (self.total[-1] - self.total[-2]) / (self.at[-1] - self.at[-2])
        return np.asarray(inside + rate * np.maximum(z - self.at[-1], 0.0))

    def rate(self, z: np.ndarray) -> np.ndarray:
        """Hazard per unit of z, that of the outermost pieces beyond them, shape (k,)."""
        piece = np.clip(np.searchsorted(self.at, z, side="right") - 1, 0, len(self.at) - 2)
        return np.asarray((np.diff(self.total) / np.diff(self.at))[piece])

    def where(self, total: np.ndarray) -> np.ndarray:
        """The z at which so much hazard has accumulated, shape (k,)."""
        inside = np.interp(total, self.total, self.at)
        rate = (self.total[-1] - self.total[-2]) / (self.at[-1] - self.at[-2])
        beyond = np.maximum(total - self.total[-1], 0.0)
        return np.asarray(inside + beyond / rate if rate > 0 else np.where(beyond > 0, np.inf, inside))


@dataclass(frozen=True, kw_only=True, eq=False)
class Rhythm:
    """What the population teaches about the gaps of anybody.

    Attributes:
        horizon: Days from a cutoff within which a purchase is foretold.
        center: Mean log gap of each group, shape (g,).
        between: Variance of the customers' mean log gaps.
        within: Variance of a customer's log gaps about his mean, pooled.
        prior_variance: What a customer's own variance is shrunk to.
        prior_weight: How many gaps that prior counts as.
        hazards: Of each stratum of `fewest`.
        fewest: Fewest gaps of each stratum.
    """

    horizon: int
    center: np.ndarray
    between: float
    within: float
    prior_variance: float
    prior_weight: float
    hazards: tuple[Hazard, ...]
    fewest: tuple[int, ...]

    def typical_gap(self, traces: Traces) -> np.ndarray:
        """Each customer's typical gap in days, the median of his gaps, shrunk to the population, shape (k,)."""
        return np.asarray(np.exp(_posterior(self, traces)[0]))

    def predict(self, traces: Traces, *, levels: tuple[float, ...]) -> DateForecast:
        """When the next purchase comes, from the cutoff of the traces on.

        Args:
            traces: Histories, k of them.
            levels: Probabilities of the quantiles that are wanted.
        """
        mean, spread = _posterior(self, traces)
        silent = (traces.cutoff - 1 - traces.last).astype(np.float64)
        now, end = _standardize(silent, mean, spread), _standardize(silent + self.horizon, mean, spread)
        probability, days = np.empty(len(traces)), np.empty((len(levels), len(traces)))
        due, relative = np.empty(len(traces)), np.empty(len(traces))
        for own, hazard in zip(self._strata(traces), self.hazards, strict=True):
            start = hazard.cumulative(now[own])
            probability[own] = -np.expm1(start - hazard.cumulative(end[own]))
            for i, level in enumerate((*levels, None)):
                # a quantile among those who come within the horizon; the last one is of a gap that has just begun
                asked = 0.5 if level is None else level * probability[own]
                reached = hazard.where((0.0 if level is None else start) - np.log1p(-asked))
                gap = np.exp(np.minimum(mean[own] + spread[own] * reached, 15.0))
                if level is None:
                    due[own] = np.ceil(gap)
                else:
                    days[i, own] = np.clip(np.ceil(gap - silent[own]), 1, self.horizon)
            open_for = np.maximum(silent[own] + 0.5, SHORTEST)
            z = _standardize(open_for, mean[own], spread[own])
            relative[own] = hazard.rate(z) * np.exp(mean[own]) / (spread[own] * open_for)
        return DateForecast(
            probability=probability,
            day=(traces.cutoff - 1 + days).astype(np.int32),
            due=traces.last + np.minimum(due, 1e6).astype(np.int32),
            relative_hazard=relative,
        )

    def _strata(self, traces: Traces) -> list[np.ndarray]:
        stratum = np.searchsorted(self.fewest, traces.gaps, side="right") - 1
        return [stratum == i for i in range(len(self.fewest))]


@dataclass(frozen=True, kw_only=True, eq=False)
class DateForecast:
    """When the next purchase comes.

    Attributes:
        probability: That it comes within the horizon, shape (k,).
        day: Day by which it has come with each probability asked for, if it comes within the horizon, days since
            1970-01-01, int32, shape (q, k).
        due: Day by which it would have come with probability 1/2 as seen from the last purchase: it stays the same
            until the next one, while `day` moves on as nothing happens, int32, shape (k,).
        relative_hazard: Purchases expected per typical gap now; 1 for one who buys at any time alike, shape (k,).
    """

    probability: np.ndarray
    day: np.ndarray
    due: np.ndarray
    relative_hazard: np.ndarray


def fit_rhythm(traces: Traces, *, horizon: int, groups: int = 1) -> Rhythm:
    """Learn how gaps are distributed from histories before a cutoff and what came in the horizon after it.

    Args:
        traces: Histories, and the first purchase after them.
        horizon: Days after the cutoff that were seen whole.
        groups: Number of categories in `traces.code`; each has a typical gap of its own.

    Raises:
        DataError: Fewer repeat purchases than it takes.
    """
    repeated = traces.gaps >= 2
    came = traces.following < traces.cutoff + horizon
    if repeated.sum() < FEWEST_GAPS or came.sum() < FEWEST_GAPS:
        raise DataError(
            f"transactions: {int(repeated.sum()):,} histories with three days of purchase and {int(came.sum()):,} "
            f"purchases in the {horizon} days after them; a rhythm needs {FEWEST_GAPS} of each: give more history"
        )
    rhythm = _fit_moments(traces, horizon, groups)
    mean, spread = _posterior(rhythm, traces)
    silent = (traces.cutoff - 1 - traces.last).astype(np.float64)
    # a day of purchase stands for any moment of it, and so for its middle
    until = np.where(came, traces.following - traces.last - 0.5, silent + horizon)
    enter, leave = _standardize(silent, mean, spread), _standardize(until, mean, spread)
    fewest = _choose_strata(traces.gaps[came])
    stratum = np.searchsorted(fewest, traces.gaps, side="right") - 1
    own = [stratum == i for i in range(len(fewest))]
    hazards = tuple(_fit_hazard(enter[rows], leave[rows], came[rows]) for rows in own)
    return Rhythm(**{**vars(rhythm), "hazards": hazards, "fewest": fewest})


def _fit_moments(traces: Traces, horizon: int, groups: int) -> Rhythm:
    """Means and variances of log gaps, by moments."""
    there = traces.gaps > 0
    gaps, code = traces.gaps[there].astype(np.float64), traces.code[there]
    mean = traces.log_sum[there] / gaps
    squares = np.maximum(traces.log_squares[there] - gaps * mean**2, 0.0)
    free = gaps - 1
    within = max(squares.sum() / free.sum(), LEAST_VARIANCE)
    counted = np.bincount(code, minlength=groups)
    center = np.bincount(code, mean, minlength=groups) / np.maximum(counted, 1)
    center[counted < FEWEST_OF_A_GROUP] = mean.mean()
    between = max(float(np.mean((mean - center[code]) ** 2 - within / gaps)), LEAST_VARIANCE)
    several = free > 0
    prior_variance, prior_weight = _shrink_variances(squares[several] / free[several], free[several])
    return Rhythm(
        horizon=horizon,
        center=center,
        between=between,
        within=within,
        prior_variance=prior_variance,
        prior_weight=prior_weight,
        hazards=(),
        fewest=(),
    )


def _shrink_variances(variance: np.ndarray, free: np.ndarray) -> tuple[float, float]:
    """Prior variance and its degrees of freedom, by the moments of the log of own variances (Smyth, 2004)."""
    from scipy.special import digamma, polygamma

    logs = np.log(np.maximum(variance, LEAST_VARIANCE)) - digamma(free / 2) + np.log(free / 2)
    surplus = float(np.var(logs) - np.mean(polygamma(1, free / 2)))
    grid = np.geomspace(0.5, 200.0, 400)
    weight = float(grid[np.argmin(np.abs(polygamma(1, grid / 2) - surplus))])
    return float(np.exp(np.mean(logs) + digamma(weight / 2) - np.log(weight / 2))), weight


def _posterior(rhythm: Rhythm, traces: Traces) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the log of the next gap, shape (k,) each."""
    gaps, free = traces.gaps, np.maximum(traces.gaps - 1, 0)
    center = rhythm.center[np.minimum(traces.code, len(rhythm.center) - 1)]
    precision = 1 / rhythm.between + gaps / rhythm.within
    mean = (center / rhythm.between + traces.log_sum / rhythm.within) / precision
    own = np.divide(traces.log_sum, gaps, out=np.zeros(len(traces)), where=gaps > 0)
    squares = np.maximum(traces.log_squares - gaps * own**2, 0.0)
    weight = rhythm.prior_weight
    variance = (weight * rhythm.prior_variance + squares) / (weight + free)
    return mean, np.sqrt(variance + 1 / precision)


def _standardize(gap: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.asarray((np.log(np.maximum(gap, SHORTEST)) - mean) / spread)


def _choose_strata(gaps_of_events: np.ndarray) -> tuple[int, ...]:
    """Fewest gaps of each stratum, so that each holds enough purchases."""
    fewest = [0]
    for least in KNOWN[1:]:
        before = (gaps_of_events >= fewest[-1]) & (gaps_of_events < least)
        if before.sum() >= EVENTS_OF_A_STRATUM and (gaps_of_events >= least).sum() >= EVENTS_OF_A_STRATUM:
            fewest.append(least)
    return tuple(fewest)


def _fit_hazard(enter: np.ndarray, leave: np.ndarray, came: np.ndarray) -> Hazard:
    """Events over exposure in pieces that hold about as many events each."""
    events = leave[came]
    pieces = int(np.clip(len(events) // EVENTS_OF_A_PIECE, 1, MOST_PIECES))
    at = np.quantile(events, np.linspace(0, 1, pieces + 1))
    at[0], at[-1] = min(at[0], enter.min()), max(at[-1], leave.max()) + 1e-9
    at = np.unique(at)
    counted = np.histogram(events, at)[0]
    exposed = np.array([np.maximum(np.minimum(leave, b) - np.maximum(enter, a), 0.0).sum() for a, b in pairwise(at)])
    rate = counted / np.maximum(exposed, 1e-12)
    return Hazard(at=at, total=np.concatenate([[0.0], np.cumsum(rate * np.diff(at))]))


__all__ = ["DateForecast", "Hazard", "Rhythm", "fit_rhythm"]
