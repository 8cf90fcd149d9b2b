"""Verdict on an arm from its interval, its probability of profit and its expected loss.

With profit about N(m, s²):

    P(profit > 0) = Φ(m / s)
    E[loss | ship] = s (φ(m/s) - (m/s) Φ(-m/s))          E[loss | stop] = m + E[loss | ship]

    blocked, observational    the numbers stand, but no verdict may be built on them: the caller says so
    made_money                the interval lies above zero
    lost_money                the interval lies below zero
    probably_made_money       P >= .90 and the loss of shipping wrongly is within the tolerance; of several arms P is
                              for all of them at once; where other campaigns tell what is luck, P among them is .90 too
    no_material_effect        the interval lies within ± tolerance
    cannot_tell_yet           anything else

Where the interval is skew-corrected, chance and losses are those of the same corrected confidence distribution, the
loss of shipping by the skewness of the lower end and the loss of stopping by that of the upper. Where profit does not
vary at all (nobody bought) there is nothing to judge by, however many were contacted: cannot_tell_yet.

References:
    Stucchio (2015), Bayesian A/B testing at VWO, sec. 4: expected loss. GrowthBook gbstats `get_risk`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from netlift.abtest.readout.result import Verdict, VerdictCode
from netlift.abtest.stats import skew
from netlift.abtest.stats.skew import NORMAL, Shape
from netlift.errors import DataError
from netlift.results import Estimate

PROBABLE = 0.9
HOPELESS = 100


@dataclass(frozen=True, kw_only=True)
class VerdictProbabilities:
    """Chances of profit that know more than one interval.

    Attributes:
        joint: Of one of several arms, for all of them at once; None for a single one.
        among: Once what was luck is taken out by all campaigns of the business; None where they are too few.
    """

    joint: float | None = None
    among: float | None = None


def expected_losses(mean: float, sd: float, *, shape: Shape = NORMAL) -> tuple[float, float]:
    """Expected money lost by shipping, and by stopping, when that is the wrong thing.

    Args:
        mean: Estimate of the profit.
        sd: Its standard error.
        shape: How the studentized estimate is distributed.

    Examples:
        >>> [round(loss, 9) for loss in expected_losses(0.1, 0.05)]
        [0.000424535, 0.100424535]
    """
    if sd == 0:
        return max(-mean, 0.0), max(mean, 0.0)
    t, lower, upper = mean / sd, skew.used(shape.lower), skew.used(shape.upper)
    if not lower and not upper and math.isinf(shape.freedom):
        ship = sd * float(skew.density_at(t) - t * ndtr(-t))
        return ship, mean + ship
    u = np.linspace(-9.0, 9.0, 4001)
    weight = skew.density_at(u) / skew.density_at(u).sum()
    student = skew.studentized(u, shape.freedom)
    low, high = (mean - sd * np.asarray(skew.quantile(student, gamma)) for gamma in (lower, upper))
    return float(weight @ np.maximum(-low, 0.0)), float(weight @ np.maximum(high, 0.0))


def decide(
    profit: Estimate,
    se: float,
    *,
    tolerance: float,
    assigned: int,
    shape: Shape = NORMAL,
    fixed: float = 0.0,
    chances: VerdictProbabilities = VerdictProbabilities(),
    withheld: Literal["blocked", "observational"] | None = None,
) -> Verdict:
    """The verdict on a total profit.

    Args:
        profit: Total with the interval that decides: the simultaneous one where several arms are judged.
        se: Standard error of the total.
        tolerance: Loss that the business calls immaterial, in currency, at least zero.
        assigned: Customers of arm and control, for the customers still needed.
        shape: How the studentized estimate is distributed.
        fixed: Fixed cost that the profit is net of.
        chances: What several arms, and other campaigns, make of the chance of profit.
        withheld: Why no verdict may be built on the numbers, if none may.

    Raises:
        DataError: A profit that is not finite, or a tolerance below zero.
    """
    if not (math.isfinite(profit.point) and math.isfinite(se) and se >= 0 and tolerance >= 0):
        raise DataError(
            f"profit {profit.point} with standard error {se} and tolerance {tolerance}: a verdict needs finite "
            "figures, the last two at least zero"
        )
    own = skew.chance_above(0.0, profit.point, se, shape=shape)
    ship, stop = expected_losses(profit.point, se, shape=shape)
    sure = min(chance for chance in (own, chances.joint, chances.among) if chance is not None)
    code: VerdictCode = withheld or _step(profit, se, chance=sure, loss=ship, tolerance=tolerance)
    more = None
    if code in ("cannot_tell_yet", "probably_made_money"):
        z = _reach(profit, se)
        more = more_customers(profit.point, se, assigned=assigned, z=z, fixed=fixed)
    return Verdict(
        code=code, chance_of_profit=own, chance_jointly=chances.joint, chance_among_campaigns=chances.among,
        expected_loss_if_shipped=ship, expected_loss_if_stopped=stop,
        tolerance=tolerance, more_customers=more,
    )  # fmt: skip


def _step(profit: Estimate, se: float, *, chance: float, loss: float, tolerance: float) -> VerdictCode:
    if se == 0:
        return "cannot_tell_yet"
    if profit.ci_lower > 0:
        return "made_money"
    if profit.ci_upper < 0:
        return "lost_money"
    if chance >= PROBABLE and loss <= tolerance:
        return "probably_made_money"
    if -tolerance <= profit.ci_lower and profit.ci_upper <= tolerance:
        return "no_material_effect"
    return "cannot_tell_yet"


def _reach(profit: Estimate, se: float) -> float:
    """How many standard errors the interval reaches toward zero."""
    if se == 0:
        return 0.0
    return (profit.point - profit.ci_lower if profit.point > 0 else profit.ci_upper - profit.point) / se


def more_customers(point: float, se: float, *, assigned: int, z: float, fixed: float = 0.0) -> int | None:
    """How many more assigned customers, split as now, would bring the interval off zero at the present estimate.

    With k times the customers the profit before fixed cost is k times as high and the standard error √k times:
    |k (point + fixed) - fixed| = z se √k is solved for √k.

    Args:
        point: Total profit, net of the fixed cost.
        se: Its standard error.
        assigned: Customers of arm and control now.
        z: Standard errors that the interval reaches toward zero.
        fixed: Fixed cost, which does not grow.

    Returns:
        The customers; None where it would take more than 100 times as many, or would never be settled.

    Examples:
        >>> more_customers(100.0, 100.0, assigned=1000, z=2.0)
        3000
    """
    before = point + fixed
    reach = z * se
    square = reach**2 + 4 * before * fixed
    if before == 0 or reach == 0 or not math.isfinite(reach) or square < 0:
        return None
    root = (reach + math.sqrt(square)) / (2 * abs(before))
    return max(math.ceil(assigned * root**2 - 1e-6) - assigned, 0) if root <= math.sqrt(HOPELESS) else None
