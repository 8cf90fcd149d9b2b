"""Shares, means and scores with intervals, from sums that add over segments and months."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95
Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number made of sums.

    Attributes:
        value: The number.
        half_width: Lower and upper distance of the interval's ends; None for a plain count or sum, or where one
            observation alone leaves nothing to measure the spread by.
        n: Observations behind it.
        method: How it was computed, in a few words.
    """

    value: float
    half_width: tuple[float, float] | None
    n: int
    method: str


def counted(value: float, n: float) -> Measured:
    """A sum or a count of everything there was: nothing is sampled, so there is no interval.

    Examples:
        >>> counted(12.5, 3).half_width is None
        True
    """
    return Measured(value=float(value), half_width=None, n=int(n), method="sum of all rows")


def mean_of(*, n: float, total: float, squares: float) -> Measured:
    """A mean, with Student's interval.

    Examples:
        >>> csi = mean_of(n=4, total=16, squares=66)
        >>> csi.value, round(csi.half_width[0], 3)
        (4.0, 1.299)
    """
    mean = total / n
    spread = _half(max(squares - n * mean**2, 0.0) / ((n - 1) * n), z=_student(n - 1)) if n > 1 else None
    return Measured(value=mean, half_width=spread, n=int(n), method="mean, Student's interval")


def ratio_of(*, n: float, top: float, bottom: float, top_sq: float, bottom_sq: float, product: float) -> Measured:
    """A ratio of two totals over customers, such as revenue over receipts, by the delta method with customers as units.

    Args:
        n: Customers.
        top: Sum of the numerator.
        bottom: Sum of the denominator, above zero.
        top_sq: Sum over customers of the numerator's square.
        bottom_sq: Sum over customers of the denominator's square.
        product: Sum over customers of numerator times denominator.

    References:
        Cochran (1977), Sampling Techniques, 3rd ed., eq. 2.46.

    Examples:
        >>> receipt = ratio_of(n=2, top=30, bottom=3, top_sq=500, bottom_sq=5, product=50)
        >>> receipt.value, receipt.half_width
        (10.0, (0.0, 0.0))
    """
    ratio = top / bottom
    residual = max(top_sq - 2 * ratio * product + ratio**2 * bottom_sq, 0.0)
    spread = _half(residual / bottom**2 * n / (n - 1), z=_student(n - 1)) if n > 1 else None
    return Measured(value=ratio, half_width=spread, n=int(n), method="ratio of totals, delta method over customers")


def share_of(*, n: float, hits: float) -> Measured:
    """A share with Wilson's interval, which stays within [0, 1] and is honest for few.

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.

    Examples:
        >>> churn = share_of(n=10, hits=0)
        >>> churn.value, round(churn.value + churn.half_width[1], 3)
        (0.0, 0.278)
    """
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    spread = (max(p - centre + half, 0.0), max(centre + half - p, 0.0))
    return Measured(value=p, half_width=spread, n=int(n), method="share, Wilson interval")


def net_promoter_score(*, n: float, promoters: float, detractors: float) -> Measured:
    """Promoters less detractors, in points of a hundred: var = (p⁺ + p⁻ − (p⁺ − p⁻)²) / n.

    In the variance alone, half an answer is added to each of the three groups, so that three promoters out of three
    do not look certain.

    References:
        Rocks (2016), Interval estimation for the "Net Promoter Score", The American Statistician 70.

    Examples:
        >>> nps = net_promoter_score(n=200, promoters=100, detractors=40)
        >>> nps.value, round(nps.half_width[0], 1)
        (30.0, 10.8)
    """
    point = (promoters - detractors) / n
    m = n + 1.5
    plus, minus = (promoters + 0.5) / m, (detractors + 0.5) / m
    half = Z * math.sqrt((plus + minus - (plus - minus) ** 2) / m)
    spread = (100 * min(half, 1 + point), 100 * min(half, 1 - point))
    return Measured(value=100 * point, half_width=spread, n=int(n), method="promoters less detractors, normal interval")


def prediction_of(*, n: float, total: float, variance: float, level_sd: float, per: float = 1.0) -> Measured:
    """A sum of predictions over `per`, with an interval for what will come true.

    The customers' own outcomes scatter independently; an error of the model's level moves all of them together:
    sd² = Σ sd² + (level_sd · Σ prediction)².

    Args:
        n: Customers predicted.
        total: Sum of their predictions.
        variance: Sum of the squared standard deviations of their outcomes.
        level_sd: Relative error common to all, as `normal_level_sd` gives it; zero where nobody knows it.
        per: What the sum is divided by; `n` makes it a mean.
    """
    spread = _half((variance + (level_sd * total) ** 2) / per**2)
    return Measured(value=total / per, half_width=spread, n=int(n), method="predictions, interval of the outcome")


def normal_level_sd(level_sd: float, seen: int, *, level: float = LEVEL) -> float:
    """The deviation whose normal interval is Student's of a relative error of the level that few biases showed.

    Root mean squares of one or two biases are often far too small by luck: 1.96 of them hold the truth in 70 and 81 of
    a hundred. Student's quantile has as many degrees of freedom as biases were seen, since their mean is not fitted.

    Args:
        level_sd: Root mean square of the biases.
        seen: How many there were, at least one.
        level: Confidence of the interval.

    Examples:
        >>> [round(normal_level_sd(0.01, seen), 4) for seen in (1, 2, 5, 1000)]
        [0.0648, 0.022, 0.0131, 0.01]
    """
    from scipy.special import ndtri, stdtrit

    return level_sd * float(stdtrit(seen, 0.5 + level / 2) / ndtri(0.5 + level / 2))


def _half(variance: float, *, z: float = Z) -> tuple[float, float]:
    half = z * math.sqrt(variance)
    return half, half


def _student(degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + LEVEL / 2))
