"""Tests for effect heterogeneity between segments, and shrunken segment effects.

    Q = Σ w_j (y_j - ȳ_w)², w = 1/s²                      chi-square with J - 1 degrees of freedom if none differ
    τ² = max(0, (Q - (J - 1)) / (Σ w - Σ w² / Σ w))       variance between segments
    μ = Σ y_j / (s_j² + τ²) / Σ 1 / (s_j² + τ²)           the arm's mean
    shrunken_j = B_j y_j + (1 - B_j) μ, B = τ² / (τ² + s²)

With τ = 0 every segment is shown at the mean. Intervals do not take τ for known, which would make them too short: they
hold the squared error about the shrunken effect, averaged over τ given the data, its prior being half-Cauchy with the
typical standard error as scale. Seen in 1,500 draws of 2 to 30 segments: nominal 95 % covers 92 to 99 %.

References:
    Cochran (1954), The combination of estimates from different experiments, Biometrics 10(1).
    DerSimonian, Laird (1986), Meta-analysis in clinical trials, Controlled Clinical Trials 7(3), eq. 8.
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., sec. 5.4, eq. 5.17-5.21: effects given τ, τ given the data.
    Gelman (2006), Prior distributions for variance parameters, Bayesian Analysis 1(3): half-Cauchy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from netlift.abtest.stats import skew
from netlift.abtest.stats.adjustment import adjusted_inside
from netlift.abtest.stats.difference import Contrast, contrast, money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, Moments, merge
from netlift.errors import DataError
from netlift.results import Estimate

GRID = 400
SHRUNKEN = "drawn toward the mean of segments (DerSimonian-Laird)"


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """The profit of an arm in one segment.

    Attributes:
        dimension: What customers are split by.
        segment: The value of it.
        arm: Offer id.
        treated: Customers assigned to the arm.
        control: Customers assigned to control.
        buyers: Buyers of both.
        total: Profit of the segment's treated as measured, adjusted as the headline is, before fixed cost; those of a
            dimension add up to the arm's with the `SegmentRemainder`.
        raw: The same per treated customer.
        shrunken: The same, drawn toward the arm's mean by as much as the segments agree.
        planned: Whether the plan names the dimension; others are exploratory.
    """

    dimension: str
    segment: str
    arm: str
    treated: int
    control: int
    buyers: int
    total: Estimate
    raw: Estimate
    shrunken: Estimate
    planned: bool


@dataclass(frozen=True, kw_only=True)
class Heterogeneity:
    """Whether the segments of one dimension differ beyond chance: Cochran's Q on the raw effects."""

    dimension: str
    arm: str
    q: float
    freedom: int
    p_value: float
    between_sd: float
    planned: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """What independent estimates of one effect say together.

    Attributes:
        mean: Their mean, allowing for differences between them.
        se: Its standard error.
        between_sd: τ, the standard deviation of the true effects.
        q: Cochran's Q.
        freedom: Degrees of freedom of Q.
        p_value: Chance of such a Q if the true effects are one.
        shrunken: Effects drawn toward the mean, shape (J,).
        shrunken_se: Their standard errors.
    """

    mean: float
    se: float
    between_sd: float
    q: float
    freedom: int
    p_value: float
    shrunken: np.ndarray
    shrunken_se: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class WholeArm:
    """An arm as a whole, whose slopes its segments are adjusted by.

    Attributes:
        treated: Outcomes and covariates of the arm.
        control: The same of its control.
        covariates: Those that its adjustment used.
        of_everybody: Whether the arm is a picture of the campaign's average customer, and taken at everybody's past.
    """

    treated: Moments
    control: Moments
    covariates: tuple[str, ...]
    of_everybody: bool = False


@dataclass(frozen=True, kw_only=True)
class SegmentEffects:
    """One dimension of one arm.

    Attributes:
        rows: A row for each segment that has enough buyers.
        heterogeneity: Whether they differ; None where fewer than two are left.
        left_out: Segments with too few buyers or customers, by name.
    """

    rows: tuple[SegmentRow, ...]
    heterogeneity: Heterogeneity | None
    left_out: tuple[str, ...]


def pool(points: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray) -> Pool:
    """Cochran's Q, the variance between, and the shrunken effects of independent estimates.

    Args:
        points: Estimates, shape (J,).
        errors: Their standard errors, above zero, shape (J,).

    Raises:
        DataError: No estimate, or one whose standard error is not above zero.

    Examples:
        >>> found = pool([1.0, 3.0], [0.5, 0.5])
        >>> round(found.q, 3), round(found.between_sd, 3), found.shrunken.round(3).tolist()
        (8.0, 1.323, [1.125, 2.875])
    """
    y, s = np.asarray(points, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if not len(y) or not np.all(np.isfinite(y)) or not np.all((s > 0) & np.isfinite(s)):
        bad = int(np.sum(~((s > 0) & np.isfinite(s) & np.isfinite(y))))
        raise DataError(f"{bad} of {len(y)} estimates have no standard error above zero; leave them out of the pool")
    w = 1 / s**2
    q = float(np.sum(w * (y - np.average(y, weights=w)) ** 2))
    freedom = len(y) - 1
    spread = float(w.sum() - np.sum(w**2) / w.sum())
    tau2 = max(0.0, (q - freedom) / spread) if freedom and spread > 0 else 0.0
    wide = 1 / (s**2 + tau2)
    mean, variance = float(np.average(y, weights=wide)), 1 / float(wide.sum())
    own = tau2 / (tau2 + s**2)
    shrunken = own * y + (1 - own) * mean
    return Pool(
        mean=mean, se=math.sqrt(variance), between_sd=math.sqrt(tau2), q=q, freedom=freedom,
        p_value=float(chdtrc(freedom, q)) if freedom else 1.0, shrunken=shrunken,
        shrunken_se=_errors_about(shrunken, y, s),
    )  # fmt: skip


def _errors_about(shrunken: np.ndarray, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Root of the expected squared error of the shrunken effects, over τ given the data."""
    scale = 1 / math.sqrt(float(np.mean(1 / s**2)))
    tau = scale * np.tan(np.pi / 2 * (np.arange(GRID) + 0.5) / GRID)  # each stands for as much of the prior
    total = s[:, None] ** 2 + tau**2
    variance = 1 / (1 / total).sum(axis=0)
    mean = variance * (y[:, None] / total).sum(axis=0)
    log = 0.5 * (np.log(variance) - (np.log(total) + (y[:, None] - mean) ** 2 / total).sum(axis=0))
    chance = np.exp(log - log.max())
    own = tau**2 / total
    given = own * s[:, None] ** 2 + (1 - own) ** 2 * variance
    off = own * y[:, None] + (1 - own) * mean - shrunken[:, None]
    return np.sqrt((given + off**2) @ (chance / chance.sum()))


def segment_effects(
    dimension: str, arm: str, cells: Mapping[str, tuple[Moments, Moments]], *, planned: bool, minimum_buyers: int,
    level: float, currency: str, whole: WholeArm | None = None,
) -> SegmentEffects:  # fmt: skip
    """Profit per treated customer in each segment, as measured and shrunken; fixed cost belongs to no segment.

    Args:
        dimension: What customers are split by.
        arm: Offer id.
        cells: Treated and control of each segment.
        planned: Whether the plan names the dimension.
        minimum_buyers: Segments with fewer buyers in both arms together are left out, and named.
        level: Confidence of the intervals.
        currency: Unit of money.
        whole: The arm as a whole, whose adjustment is used in each segment; None for plain differences.
    """
    kept: dict[str, tuple[Moments, Moments, Contrast]] = {}
    for segment, (treated, control) in cells.items():
        if min(treated.n, control.n) >= 2 and treated.buyers + control.buyers >= max(minimum_buyers, 1):
            found = _contrast(treated, control, whole, arm=f"{arm}, {dimension} {segment}")
            if found.se(PROFIT) > 0:
                kept[segment] = (treated, control, found)
    left_out = tuple(segment for segment in cells if segment not in kept)
    if not kept:
        return SegmentEffects(rows=(), heterogeneity=None, left_out=left_out)
    contrasts = [each for _, _, each in kept.values()]
    together = pool([each.point(PROFIT) for each in contrasts], [each.se(PROFIT) for each in contrasts])
    rows = tuple(
        SegmentRow(
            dimension=dimension, segment=segment, arm=arm, treated=treated.n, control=control.n,
            buyers=treated.buyers + control.buyers,
            total=money(each, PROFIT, level=level, currency=currency)[0],
            raw=money(each, PROFIT, level=level, currency=currency)[1],
            shrunken=_shrunken(together, place, level=level, currency=currency), planned=planned,
        )
        for place, (segment, (treated, control, each)) in enumerate(kept.items())
    )  # fmt: skip
    return SegmentEffects(
        rows=rows, heterogeneity=_tested(dimension, arm, together, planned=planned), left_out=left_out
    )


def _contrast(treated: Moments, control: Moments, whole: WholeArm | None, *, arm: str) -> Contrast:
    if whole is None:
        return contrast(treated, control, arm=arm)
    centre = merge(treated, control) if whole.of_everybody else treated
    return adjusted_inside(
        treated, control, (whole.treated, whole.control), outcomes=OUTCOMES, covariates=whole.covariates,
        everyone=centre, arm=arm,
    )  # fmt: skip


def _shrunken(together: Pool, place: int, *, level: float, currency: str) -> Estimate:
    point, se = float(together.shrunken[place]), float(together.shrunken_se[place])
    return skew.estimate(point, se, level=level, unit=f"{currency}/customer", method=SHRUNKEN)


def _tested(dimension: str, arm: str, together: Pool, *, planned: bool) -> Heterogeneity | None:
    if not together.freedom:
        return None
    return Heterogeneity(
        dimension=dimension, arm=arm, q=together.q, freedom=together.freedom, p_value=together.p_value,
        between_sd=together.between_sd, planned=planned,
    )  # fmt: skip
