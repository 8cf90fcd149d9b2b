"""Simultaneous intervals of arms that share a control, and each arm's probability of being best.

The arms' means are independent; only the control is shared. Given the control's mean the arms are independent again, so
one integral over the control gives what is usually drawn from a multivariate normal, without any draws:

    P(max |Z_j| <= c) = ∫ φ(u) Π_j [Φ((c se_j + s_0 u) / s_j) - Φ((-c se_j + s_0 u) / s_j)] du,   se_j² = s_j² + s_0²

The verdict is read off these intervals, so no p-value can contradict them.

References:
    Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control, JASA 50, eq. 11.
    Hothorn, Bretz, Westfall (2008), Simultaneous inference in general parametric models, Biometrical Journal 50(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import Contrast, money
from netlift.abtest.stats.heterogeneity import pool
from netlift.abtest.stats.moments import PROFIT, weights_of
from netlift.abtest.stats.root import find_root
from netlift.errors import DataError
from netlift.results import Estimate

NODES = 1001
REACH = 8.5
RESOLVED = 0.03
"""An arm's own error below this share of that against control is narrower than the nodes lie apart."""


def critical_value(contrasts: Sequence[Contrast], *, level: float) -> float:
    """The c that all |Z_j| stay below with probability `level`; the usual z for one arm.

    Args:
        contrasts: Each arm against the same control.
        level: Confidence of all intervals together.

    Raises:
        DataError: No arm.
    """
    if not contrasts:
        raise DataError("no arm was given; simultaneous intervals need at least one")
    errors, own, shared = _varying(contrasts)
    if len(errors) <= 1:
        return skew.critical(level)
    u, weight = _normal_nodes()

    def excess(c: float) -> float:
        moved = shared * u[:, None]
        inside = ndtr((c * errors + moved) / own) - ndtr((-c * errors + moved) / own)
        return float(weight @ inside.prod(axis=1)) - level

    alone = skew.critical(level)
    together = -float(ndtri((1 - level) / (2 * len(errors))))
    return find_root(excess, alone - 1e-3, together + 1e-3, xtol=1e-10)


def simultaneous_profits(
    contrasts: Sequence[Contrast], *, fixed: Sequence[float], level: float, currency: str
) -> tuple[Estimate, ...]:
    """Total profit of each arm with intervals that hold for all arms together.

    Args:
        contrasts: Each arm against the same control.
        fixed: Fixed cost of each arm.
        level: Confidence of all intervals together.
        currency: Unit of the totals.
    """
    c = critical_value(contrasts, level=level)
    many = len(contrasts) > 1
    found = []
    for arm, cost in zip(contrasts, fixed, strict=True):
        total = money(arm, PROFIT, level=level, currency=currency, fixed=cost, z=c)[0]
        found.append(replace(total, method=f"{total.method}, all arms at once") if many else total)
    return tuple(found)


def joint_chance(contrasts: Sequence[Contrast], z: float) -> float:
    """P(no arm's normal score exceeds z when none has an effect): confidence in the best of several arms.

    For one arm it is Φ(z), the chance that its profit is above zero; of six arms without effect the best has one of
    .9 and more in a tenth of the campaigns only, as one arm has.

    Args:
        contrasts: Each arm against the same control.
        z: Normal score of one of them.

    Raises:
        DataError: No arm.
    """
    if not contrasts:
        raise DataError("no arm was given; a chance for all arms at once needs at least one")
    errors, own, shared = _varying(contrasts)
    if len(errors) <= 1:
        return float(ndtr(z))
    u, weight = _normal_nodes()
    return float(weight @ ndtr((z * errors + shared * u[:, None]) / own).prod(axis=1))


def shrink_arms(contrasts: Sequence[Contrast]) -> tuple[tuple[float, float], ...]:
    """Effects drawn toward the mean of the arms by as much as they agree, for what comes after the best was picked.

    Arms differ by their own noise only, the control's being shared: τ² between arms is DerSimonian and Laird's from the
    arms' own variances, and shrinks each arm toward their mean, whose error holds the control's.

    Args:
        contrasts: Each arm against the same control.

    Returns:
        Of each arm its shrunken profit per customer before fixed cost, and the standard error of that.
    """
    errors, own, shared = _errors(contrasts)
    points = np.array([arm.point(PROFIT) for arm in contrasts])
    if len(contrasts) == 1 or not np.all(own > 0):
        return tuple((float(p), float(e)) for p, e in zip(points, errors, strict=True))
    together = pool(points, own)
    spread = np.hypot(together.shrunken_se, shared)
    return tuple((float(p), float(e)) for p, e in zip(together.shrunken, spread, strict=True))


def chance_best(contrasts: Sequence[Contrast], *, fixed: Sequence[float]) -> tuple[float, ...]:
    """P(an arm earns more per customer than every other arm and than control), for each arm; flat prior, normal means.

    What is missing from 1 is the chance that nothing beats control.

    Args:
        contrasts: Each arm against the same control.
        fixed: Fixed cost of each arm.
    """
    errors, own, shared = _errors(contrasts)
    points = [arm.point(PROFIT) - cost / arm.n_treated for arm, cost in zip(contrasts, fixed, strict=True)]
    mean = np.array([0.0, *points])
    tiny = 1e-9 * max(float(errors.max(initial=0.0)), float(np.abs(mean).max()), 1e-12)
    sd = np.maximum(np.array([shared, *own]), tiny)
    u, weight = _normal_nodes()
    found = []
    for arm in range(1, len(mean)):
        x = mean[arm] + sd[arm] * u
        others = [other for other in range(len(mean)) if other != arm]
        below = ndtr((x[:, None] - mean[others]) / sd[others])
        found.append(float(weight @ below.prod(axis=1)))
    return tuple(found)


def _errors(contrasts: Sequence[Contrast]) -> tuple[np.ndarray, np.ndarray, float]:
    """Standard errors of the differences, of the arms' own means, and of the shared control's mean."""
    errors = np.array([arm.se(PROFIT) for arm in contrasts])
    shares = []
    for arm in contrasts:
        order = weights_of(PROFIT, arm.names)
        shares.append(float(order @ arm.control_cov @ order))
    # Adjusted arms differ in nothing but rounding here: the regression in control is the same for each.
    shared = max(min(shares, default=0.0), 0.0)
    return errors, np.sqrt(np.maximum(errors**2 - shared, 0.0)), float(np.sqrt(shared))


def _varying(contrasts: Sequence[Contrast]) -> tuple[np.ndarray, np.ndarray, float]:
    """The same of the arms whose profit varies, their own errors no narrower than the nodes can tell."""
    errors, own, shared = _errors(contrasts)
    varying = errors > 0
    return errors[varying], np.maximum(own[varying], RESOLVED * errors[varying]), shared


def _normal_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of a normal integral, by the trapezoid rule, which for smooth tails is exact to rounding."""
    u = np.linspace(-REACH, REACH, NODES)
    weight = skew.density_at(u)
    return u, weight / weight.sum()
