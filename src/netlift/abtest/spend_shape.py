"""Skewness of the profit difference, from what was seen of both arms.

Three estimates compete:

    shared    of arms of one shape: third moment and variance of a customer within both arms together
    own       (κ_T / n_T² - κ_0 / n_0²) / se³, κ the third moment within each arm
    tail      the same with the moments of log-normal baskets that have the buyers' mean and variance of log spend:
              a third moment from logarithms does not wait for the rare large basket to be drawn

The outer of `shared` and `own` is taken as long as the spread of log spend among buyers is compatible in both arms.
Where it is not (the offer brought baskets of another kind), arms of one shape are refuted, and the outer of `own` and
`tail` stands. Each end of the interval takes the value that puts it further out.

How often either tail is missed then is what `make calibrate` shows (sections "no effect" and "shape").

References:
    Layard (1973), Robust large-sample tests for homogeneity of variances, JASA 68(341): variance ratio with the
    kurtosis that was seen.
    Aitchison, Brown (1957), The Lognormal Distribution, ch. 2: its moments.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from netlift.abtest.moments import PROFIT, Moments, weights_of
from netlift.abtest.skew import NORMAL, Shape, gamma_of

REFUTED = 0.05
"""Level of the test that buyers of both arms spend with the same spread."""
FEWEST_BUYERS = 20
WIDEST = 8.0
"""Variance of log spend beyond which a log-normal basket is no description of anything."""
STEEPEST = 1.5
"""Skewness beyond which a difference of means has no use for a larger one."""


def shape_of(treated: Moments, control: Moments) -> Shape:
    """How the studentized difference of profits is distributed; plain where profit does not vary.

    Args:
        treated: Customers of the arm.
        control: Customers of control.
    """
    cells = (treated, control)
    freedom = _freedom(*cells)
    variances = [_variance_of_mean(cell) for cell in cells]
    if not sum(variances) > 0:
        return NORMAL
    shared = _shared(*cells)
    own = (_cumulant_of_mean(treated) - _cumulant_of_mean(control)) / sum(variances) ** 1.5
    found = (own, _tail(*cells)) if _is_refuted(*cells) else (own, shared)
    steep = [min(max(gamma, -STEEPEST), STEEPEST) for gamma in found]
    return Shape(lower=min(steep), upper=max(steep), freedom=freedom)


def _freedom(*cells: Moments) -> float:
    """Welch's degrees of freedom from effective clusters; infinite without clusters."""
    if any(cell.cluster is None for cell in cells):
        return math.inf
    variances = np.array([_variance_of_mean(cell) for cell in cells])
    own = np.array([max(cell.effective_units - 1, 1.0) for cell in cells])
    return float(variances.sum() ** 2 / np.sum(variances**2 / own)) if variances.sum() > 0 else math.inf


def _variance_of_mean(cell: Moments) -> float:
    order = weights_of(PROFIT, cell.names)
    return float(order @ cell.mean_cov @ order)


def _unit_moments(cell: Moments) -> tuple[int, float, float]:
    """Units (customers, or clusters), and second and third moment of a unit's profit less its customers' mean."""
    order = weights_of(PROFIT, cell.names)
    if cell.cluster is None:
        return cell.n, float(order @ cell.cov @ order), cell.cube
    count = cell.cluster.count
    return count, float(order @ cell.cluster.products[1:, 1:] @ order) / count, float(cell.cluster.cubes[0]) / count


def _shared(treated: Moments, control: Moments) -> float:
    units, squares, cubes = (np.array(each) for each in zip(*map(_unit_moments, (treated, control)), strict=True))
    variance = float(units @ squares) / units.sum()
    skewness = float(units @ cubes) / units.sum() / variance**1.5 if variance > 0 else 0.0
    return gamma_of(skewness, int(units[0]), int(units[1]))


def _cumulant_of_mean(cell: Moments) -> float:
    units, _, cube = _unit_moments(cell)
    return units * cube / cell.n**3


def _is_refuted(treated: Moments, control: Moments) -> bool:
    """Whether buyers of the arms surely differ in the spread of their log spend."""
    cells = (treated, control)
    if any(cell.cluster is not None or cell.spend.buyers < FEWEST_BUYERS for cell in cells):
        return False
    buyers = np.array([cell.spend.buyers for cell in cells])
    spread = np.array([cell.spend.variance for cell in cells])
    if not spread.min() > 0:
        return bool(spread.max() > 0)
    kurtosis = float(buyers @ [cell.spend.fourth for cell in cells]) * buyers.sum() / float(buyers @ spread) ** 2
    error = math.sqrt(max(kurtosis - 1, 0.5) * float(np.sum(1 / buyers)))
    return bool(abs(math.log(spread[0] / spread[1])) > -float(ndtri(REFUTED / 2)) * error)


def _tail(treated: Moments, control: Moments) -> float:
    """Skewness of the difference if baskets were log-normal."""
    variances, cumulants = [], []
    for cell in (treated, control):
        second, third = _log_normal_moments(cell)
        slope = _profit_per_revenue(cell)
        variances.append(slope**2 * second / cell.n)
        cumulants.append(slope**3 * third / cell.n**2)
    total = sum(variances)
    return (cumulants[0] - cumulants[1]) / total**1.5 if total > 0 else 0.0


def _log_normal_moments(cell: Moments) -> tuple[float, float]:
    """Second and third central moment of the spend of customers, most of whom buy nothing."""
    share, middle, variance = cell.spend.buyers / cell.n, cell.spend.mean, min(cell.spend.variance, WIDEST)
    raw = [share * math.exp(k * middle + k**2 * variance / 2) for k in (1, 2, 3)]
    return raw[1] - raw[0] ** 2, raw[2] - 3 * raw[0] * raw[1] + 2 * raw[0] ** 3


def _profit_per_revenue(cell: Moments) -> float:
    """Slope of profit on revenue."""
    if "revenue" not in cell.names:
        return 1.0
    own, place = weights_of(PROFIT, cell.names), cell.names.index("revenue")
    variance = float(cell.cov[place, place])
    return float(own @ cell.cov[:, place]) / variance if variance > 0 else 1.0


__all__ = ["shape_of"]
