"""Sequential tests: bounds of interim looks.

Two instruments, for two questions. *Planned looks* (weekly, with a known end): Lan-DeMets bounds that spend the error
as O'Brien and Fleming would, so that the last look costs little. *Any day at all*: a band around the cumulative profit
that covers its truth on all days together, wider, meant for a chart that somebody watches.

    spent by t, per side:  "per_side"   2 (1 - Φ(z_{α/2} / √t)), α = (1 - level) / 2 in all on each side
                           "two_sided"  1 - Φ(z_{α/2} / √t), α = 1 - level in all on both sides
    band:  |S_V - truth| <= √((V + ρ) ln((V + ρ) / (ρ α²))) for all V at once, S_V a sum whose variance has grown to V,
           ρ = V_end / (-2 ln α + ln(1 - 2 ln α)) making it narrowest near the end

The band needs increments that are not negatively correlated from day to day: customers who spend more go on spending
more, which only makes it wider than need be.

References:
    Lan, DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).
    Armitage, McPherson, Rowe (1969), Repeated significance tests on accumulating data, JRSS A 132: the recursion.
    Jennison, Turnbull (2000), Group Sequential Methods, ch. 9 (repeated confidence intervals) and 19 (computation).
    Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41(5).
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory, Ann. Statist. 52(6), eq. 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import Contrast, scaled
from netlift.abtest.stats.moments import PROFIT
from netlift.abtest.stats.root import find_root
from netlift.abtest.stats.skew import Shape
from netlift.errors import DataError
from netlift.results import Estimate

Spending = Literal["per_side", "two_sided"]
NODES = 301
SHORT, SHORT_NODES = 0.02, 48
"""A step below this share of the reach is shorter than what the nodes resolve."""
NEVER = 37.0
"""A bound above it is written as infinite: beyond it a normal tail is no number any more."""


@dataclass(frozen=True, kw_only=True)
class DayPoint:
    """Cumulative incremental profit up to a day since assignment, by the headline's estimator, and its bands.

    Costs count from the first day; the last point is the arm's profit.
    """

    arm: str
    day: int
    profit: Estimate
    sequential_lower: float | None
    sequential_upper: float | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """One planned look of a group-sequential test.

    Attributes:
        number: 1 for the first.
        looks: How many are planned.
        information: Share of the planned customers, or days, seen.
        bound: |z| that ends the test at this look.
        z: What was seen.
        stopped: Whether it ends here.
    """

    number: int
    looks: int
    information: float
    bound: float
    z: float
    stopped: bool


def spent(information: float, *, level: float, spending: Spending = "per_side") -> float:
    """Error spent on each side when this share of the information is in.

    Examples:
        >>> round(spent(1.0, level=0.95), 6), round(spent(1.0, level=0.95, spending="two_sided"), 6)
        (0.025, 0.025)
    """
    error = 1 - level
    if spending == "two_sided":
        return float(ndtr(ndtri(error / 2) / math.sqrt(information)))
    return float(2 * ndtr(ndtri(error / 4) / math.sqrt(information)))


def bounds(information: Sequence[float], *, level: float, spending: Spending = "per_side") -> tuple[float, ...]:
    """Bounds on |z| at each look; crossing one ends the test.

    A look depends on those before it only: later ones may be moved or added.

    Args:
        information: Shares of the planned information at the looks, increasing, in (0, 1]; such as customers seen over
            customers planned.
        level: Confidence over all looks, such as .95.
        spending: Which convention spends the error.

    Raises:
        DataError: Shares that do not increase within (0, 1].

    Examples:
        >>> [round(bound, 2) for bound in bounds([0.25, 0.5, 0.75, 1.0], level=0.95)]
        [4.33, 2.96, 2.36, 2.01]
    """
    t = np.asarray(information, dtype=np.float64)
    if not len(t) or not (t[0] > 0 and t[-1] <= 1 + 1e-12 and np.all(np.diff(t) > 0)):
        raise DataError(f"looks at shares {[round(float(x), 4) for x in t]}; they must increase within (0, 1]")
    side = [0.0, *(spent(min(float(x), 1.0), level=level, spending=spending) for x in t)]
    # Before the first look the sum stands at zero for sure: one node that weighs everything.
    place, mass, before = np.zeros(1), np.ones(1), 0.0
    found = []
    for k, now in enumerate(t):
        root, step = math.sqrt(now), math.sqrt(now - before)
        bound = _bound(place, mass, root=root, step=step, error=side[k + 1] - side[k])
        found.append(bound)
        place, mass = _carried(place, mass, reach=min(bound, NEVER) * root, step=step)
        before = now
    return tuple(found)


def _bound(place: np.ndarray, mass: np.ndarray, *, root: float, step: float, error: float) -> float:
    """The |z| that those still within cross upward with probability `error`."""

    def crossing(c: float) -> float:
        return float(mass @ ndtr((place - c * root) / step)) - error

    if crossing(NEVER) >= 0 or error <= 0:
        return math.inf
    return find_root(crossing, 0.0, NEVER, xtol=1e-10)


def _carried(place: np.ndarray, mass: np.ndarray, *, reach: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the sum stands after one more step, for those who stay within (-reach, reach)."""
    nodes, weights = (reach * part for part in _legendre(NODES))
    if len(place) > 1 and step < SHORT * place[-1]:
        return nodes, weights * _smeared(place, mass, nodes, step=step)
    density = skew.density_at((nodes[:, None] - place) / step) @ mass / step
    return nodes, weights * density


def _smeared(place: np.ndarray, mass: np.ndarray, nodes: np.ndarray, *, step: float) -> np.ndarray:
    """The density after a step too short for a sum over nodes: it is interpolated a few steps around each place."""
    from scipy.interpolate import BarycentricInterpolator  # half of what a readout would import, for short steps alone

    inner, weights = _legendre(NODES)
    end = place[-1] / inner[-1]
    before = BarycentricInterpolator(place, mass / (end * weights))
    inner, weights = _legendre(SHORT_NODES)
    low, high = (np.clip(nodes + side * 8 * step, -end, end)[:, None] for side in (-1, 1))
    near = (low + high) / 2 + (high - low) / 2 * inner
    kernel = skew.density_at((nodes[:, None] - near) / step) / step * weights * (high - low) / 2
    return np.maximum((kernel * before(near)).sum(axis=1), 0.0)


@cache
def _legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def looks(
    information: Sequence[float], z: Sequence[float], *, planned: int, level: float, spending: Spending = "per_side"
) -> tuple[Look, ...]:
    """The looks taken so far, each with its bound and what was seen.

    Args:
        information: Share of the planned information at each look taken.
        z: Normal score of the difference at each, that of the interval which is shown.
        planned: How many looks the plan has.
        level: Confidence over all looks.
        spending: Which convention spends the error.
    """
    limits = bounds(information, level=level, spending=spending)
    return tuple(
        Look(
            number=k + 1,
            looks=planned,
            information=float(share),
            bound=limit,
            z=float(seen),
            stopped=abs(seen) >= limit,
        )
        for k, (share, limit, seen) in enumerate(zip(information, limits, z, strict=True))
    )


def repeated_interval(
    point: float, se: float, *, bound: float, shape: Shape, level: float, unit: str, method: str
) -> Estimate:
    """The interval of one look that holds over all looks: `bound` in the place of the usual z.

    It excludes zero exactly when the look's bound is crossed by `skew.normal_score` of the same difference. With an
    infinite bound it says nothing.
    """
    lower, upper = (-math.inf, math.inf)
    if math.isfinite(bound):
        lower, upper = skew.interval(point, se, z=bound, shape=shape)
    return Estimate(
        point=point, ci_lower=lower, ci_upper=upper, level=level, unit=unit, method=f"{method}, over all planned looks"
    )


def always_valid_half_width(variance: float, variance_at_end: float, *, level: float) -> float:
    """Half-width of the band that covers on every day at once, two-sided.

    Args:
        variance: Of the cumulative difference on this day.
        variance_at_end: The same on the planned last day, where the band is to be narrow.
        level: Confidence of the whole band.

    Raises:
        DataError: A variance at the end that is not above zero.

    Examples:
        >>> round(always_valid_half_width(1.0, 1.0, level=0.95), 3)
        3.035
    """
    if not variance_at_end > 0:
        raise DataError(f"variance at the end is {variance_at_end}; a band needs profit that varies")
    error = 1 - level
    rho = variance_at_end / (-2 * math.log(error) + math.log(1 - 2 * math.log(error)))
    return math.sqrt((variance + rho) * math.log((variance + rho) / (rho * error**2)))


def day_points(
    arm: str,
    contrasts: Sequence[Contrast],
    *,
    days: Sequence[int],
    level: float,
    currency: str,
    fixed: float = 0.0,
    z: float | None = None,
) -> tuple[DayPoint, ...]:
    """Cumulative profit of all treated by day.

    Args:
        arm: Offer id.
        contrasts: Arm against control in what each brought up to the end of each day.
        days: Days since assignment, in order; the band is made to be narrow at the last.
        level: Confidence of each interval, and of the band as a whole.
        currency: Unit of the totals.
        fixed: Fixed cost of the arm, spent on the first day.
        z: Normal score of each interval in the place of the level's: that of the arm's profit, so that the last day's
            interval is the headline's.

    Returns:
        A point a day; without a band while profit has never varied.
    """
    end = max((each.se(PROFIT) for each in contrasts), default=0.0) ** 2
    points = []
    for day, seen in zip(days, contrasts, strict=True):
        n, point, se = seen.n_treated, seen.point(PROFIT) - fixed / seen.n_treated, seen.se(PROFIT)
        each = skew.estimate(
            point, se, shape=seen.shape, level=level, z=z, unit=f"{currency}/customer", method=seen.method
        )
        band = n * always_valid_half_width(se**2, end, level=level) if end > 0 else None
        points.append(
            DayPoint(
                arm=arm,
                day=int(day),
                profit=scaled(each, n, unit=currency),
                sequential_lower=None if band is None else n * point - band,
                sequential_upper=None if band is None else n * point + band,
            )
        )
    return tuple(points)
