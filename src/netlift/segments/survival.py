"""Kaplan-Meier survival of customers, and expected lifetime with its extrapolated part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from netlift.errors import DataError
from netlift.results import Estimate

LAST_PART = 0.25
FEWEST_LOST = 5
PARTS, LOST_A_PART = 10, 40


@dataclass(frozen=True, kw_only=True)
class SurvivalCurve:
    """A Kaplan-Meier curve; between its times it is flat, before the first it is 1.

    Attributes:
        days: Times at which somebody was lost, ascending, in days, shape (k,).
        survival: Share not lost by each time, itself included, shape (k,).
        ci_lower: Lower end of its interval, shape (k,).
        ci_upper: Upper end, shape (k,).
        at_risk: Customers still followed and not lost just before each time, shape (k,).
        lost: Customers lost at each time, shape (k,).
        customers: Customers in all.
        follow_days: How long anybody was followed.
        level: Confidence of the intervals.
        last_hazard: Lost per customer and day over the last quarter of the following; NaN with fewer than five lost
            in it.
    """

    days: np.ndarray
    survival: np.ndarray
    ci_lower: np.ndarray
    ci_upper: np.ndarray
    at_risk: np.ndarray
    lost: np.ndarray
    customers: int
    follow_days: float
    level: float
    last_hazard: float

    def at(self, days: np.ndarray) -> np.ndarray:
        """Share not lost by each of some times, shape of `days`; NaN beyond the following."""
        days = np.asarray(days, dtype=np.float64)
        steps = np.concatenate([[1.0], self.survival])
        return np.where(days <= self.follow_days, steps[np.searchsorted(self.days, days, side="right")], np.nan)


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Expected remaining lifetime.

    Attributes:
        within: Mean days not lost within the following: the area under the curve.
        within_days: How long the following was.
        beyond_days: Expected days after it, if the hazard of its last quarter went on for ever: an extrapolation.
            NaN where too few were lost in that quarter to say.
        total_days: Both together.
    """

    within: Estimate
    within_days: float
    beyond_days: float
    total_days: float


def kaplan_meier(
    days: np.ndarray, lost: np.ndarray, *, level: float, follow_days: float | None = None
) -> SurvivalCurve:
    """The product-limit curve, its interval by Greenwood's variance on the scale of log(-log S).

    Args:
        days: Time to the loss or to the end of the following, at least 0, shape (n,).
        lost: Whether it was a loss, shape (n,).
        level: Confidence of the intervals.
        follow_days: How long anybody was followed; the longest time when None.

    Raises:
        DataError: There are no customers, or times that are negative, not finite or beyond the following.

    References:
        Kaplan & Meier (1958), Nonparametric Estimation from Incomplete Observations, JASA 53.
        Kalbfleisch & Prentice (2002), The Statistical Analysis of Failure Time Data, section 1.4.

    Examples:
        >>> curve = kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, False]), level=0.95)
        >>> curve.days.tolist(), curve.survival.tolist()
        ([1.0, 2.0], [0.75, 0.5])
    """
    days, lost = np.asarray(days, dtype=np.float64), np.asarray(lost, dtype=bool)
    follow = float(np.max(days, initial=0.0, where=np.isfinite(days))) if follow_days is None else float(follow_days)
    wrong = int(np.count_nonzero(~(np.isfinite(days) & (days >= 0) & (days <= follow))))
    if wrong or not len(days):
        raise DataError(
            f"survival: {len(days):,} times, {wrong:,} negative, not finite or beyond the following; give finite times "
            "from 0 on"
        )
    times, count = np.unique(days[lost], return_counts=True)
    at_risk = len(days) - np.searchsorted(np.sort(days), times, side="left")
    survival = np.cumprod(1.0 - count / at_risk)
    lower, upper = _log_log_interval(survival, _greenwood(count, at_risk), level)
    return SurvivalCurve(
        days=times,
        survival=survival,
        ci_lower=lower,
        ci_upper=upper,
        at_risk=at_risk,
        lost=count,
        customers=len(days),
        follow_days=follow,
        level=level,
        last_hazard=_last_hazard(days, lost, follow),
    )


def expected_lifetime(curve: SurvivalCurve) -> Lifetime:
    """The restricted mean with its interval, and the part beyond the following by a constant last hazard.

    References:
        Klein & Moeschberger (2003), Survival Analysis, section 4.5: variance of the restricted mean.

    Examples:
        >>> curve = kaplan_meier(np.array([10.0, 20.0, 20.0]), np.array([True, False, False]), level=0.95)
        >>> round(expected_lifetime(curve).within.point, 2)
        16.67
    """
    inner = curve.days < curve.follow_days
    edges = np.concatenate([[0.0], curve.days[inner], [curve.follow_days]])
    heights = np.concatenate([[1.0], curve.survival[inner]])
    areas = np.diff(edges) * heights
    rest = np.cumsum(areas[::-1])[::-1][1:]
    count, at_risk = curve.lost[inner].astype(np.float64), curve.at_risk[inner].astype(np.float64)
    terms = np.divide(count, at_risk * (at_risk - count), out=np.zeros_like(count), where=at_risk > count)
    half = float(ndtri(0.5 + curve.level / 2)) * float(np.sqrt(np.sum(rest**2 * terms)))
    mean = float(areas.sum())
    last = float(curve.survival[-1]) if len(curve.survival) else 1.0
    beyond = 0.0 if last == 0 else last / curve.last_hazard
    within = Estimate(
        point=mean,
        ci_lower=max(mean - half, 0.0),
        ci_upper=min(mean + half, curve.follow_days),
        level=curve.level,
        unit="days",
        method=f"area under the Kaplan-Meier curve of {curve.follow_days:g} days, Greenwood",
    )
    return Lifetime(within=within, within_days=curve.follow_days, beyond_days=beyond, total_days=mean + beyond)


@dataclass(frozen=True, kw_only=True)
class LifetimeByRisk:
    """Expected lifetime along the churn risk: one curve for each part of the customers, lowest risk first.

    Attributes:
        p_churn: Mean risk of each part, ascending, shape (k,).
        days: Expected lifetime of each, shape (k,); NaN where its tail cannot be told.
    """

    p_churn: np.ndarray
    days: np.ndarray

    def of(self, p_churn: np.ndarray) -> np.ndarray:
        """Expected days of customers, along a line between the parts, flat at the ends; NaN without a risk."""
        known = ~np.isnan(self.days)
        if not known.any():
            return np.full(len(p_churn), np.nan)
        return np.where(np.isnan(p_churn), np.nan, np.interp(p_churn, self.p_churn[known], self.days[known]))


def lifetime_by_risk(
    p_churn: np.ndarray, days: np.ndarray, lost: np.ndarray, *, level: float, follow_days: float | None = None
) -> LifetimeByRisk:
    """Curves by tenth of churn risk at the landmark, each brought to its expected lifetime.

    Where fewer than 400 were lost, the parts are fewer, so that each has 40 from which its tail can be told.

    Args:
        p_churn: Risk at the landmark, finite, shape (n,).
        days: As in `kaplan_meier`.
        lost: As in `kaplan_meier`.
        level: Confidence of the curves.
        follow_days: As in `kaplan_meier`.

    Raises:
        DataError: There are no customers.
    """
    count = int(np.clip(np.count_nonzero(lost) // LOST_A_PART, 1, PARTS))
    parts = np.array_split(np.argsort(p_churn, kind="stable"), count)
    curves = [kaplan_meier(days[part], lost[part], level=level, follow_days=follow_days) for part in parts]
    means = np.array([float(np.mean(p_churn[part])) for part in parts])
    return LifetimeByRisk(p_churn=means, days=np.array([expected_lifetime(curve).total_days for curve in curves]))


def _greenwood(lost: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    """Variance of log S, shape (k,); infinite from where the last customer was lost."""
    remaining = at_risk - lost
    terms = np.full(len(lost), np.inf)
    np.divide(lost, at_risk * remaining, out=terms, where=remaining > 0)
    return np.cumsum(terms)


def _log_log_interval(survival: np.ndarray, variance: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of S; where the curve is at 0 nothing is known of them."""
    inner = (survival > 0) & (survival < 1)
    logs = np.log(survival, where=inner, out=np.full(len(survival), np.nan))
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(np.where(inner, variance, np.nan)) / np.abs(logs)
    return np.exp(logs * np.exp(half)), np.exp(logs * np.exp(-half))


def _last_hazard(days: np.ndarray, lost: np.ndarray, end: float) -> float:
    """Lost per customer and day in the last quarter of the following, start-of-quarter losses left out."""
    start = end * (1.0 - LAST_PART)
    exposure = float(np.sum(np.maximum(days - start, 0.0)))
    count = int(np.count_nonzero(lost & (days > start)))
    return count / exposure if count >= FEWEST_LOST and exposure > 0 else float("nan")
