"""Skewness of the profit difference, estimated from both arms.

Five estimates compete, each for the tests that it can serve:

    own       (κ_T / n_T² - κ_0 / n_0²) / se³, κ the third moment within each arm
    shared    of arms of one shape: third moment and variance of a customer within both arms together
    baskets   of arms of one kind of basket, of which each sells its own number
    tail      `own` with the moments of log-normal baskets that have the buyers' mean and variance of log spend: a third
              moment from logarithms does not wait for the rare large basket to be drawn
    steep     the same with the third cumulant of log spend too, E X^k = exp(k κ1 + k² κ2 / 2 + k³ κ3 / 6): it sees
              large baskets of another kind, and wavers more

Arms of one shape are refuted where the log spend of buyers differs in its spread. They are in doubt where it may, or
where that may which spread and skewness of logarithms make of a basket's third moment (κ2 and κ3 above, at k = 3).
Rare large baskets show there first, but its error is known for normal logarithms only: too little to refute anything.
`steep` needs about as many buyers in both arms, or the logarithms are not of the same customers.

    refuted              own, tail, steep; and shared, unless it is that of a much smaller control
    in doubt             own, shared, steep
    neither              own, shared
    too few buyers       own, shared, baskets: nothing can be refuted
    clusters             own, shared

Each end of the interval takes the value that puts it further out. Where one shape is refuted by chance, the larger arm
mostly lacks large baskets, and `own` and `tail` lack them with it: so `shared` is given up only where it would deny
what rare large baskets earned, and counts as zero where it is too small to matter. `baskets` and `steep` claim no more
than FITTED: where gamma nears 1/z, Hall's end runs away from its estimate (`skew`).

How often either tail is missed then is what `make calibrate` shows (sections "no effect" and "shape").

References:
    Layard (1973), Robust large-sample tests for homogeneity of variances, JASA 68(341): variance ratio with the
    kurtosis that was seen.
    Aitchison, Brown (1957), The Lognormal Distribution, ch. 2: its moments.
    Stuart, Ord (1994), Kendall's Advanced Theory of Statistics 1, 6th ed., ch. 3 (cumulant generating function) and 10
    (variances of sample moments).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from netlift.abtest.stats.moments import PROFIT, Moments, weights_of
from netlift.abtest.stats.skew import NORMAL, NOTICEABLE, Shape, gamma_of, used

REFUTED, DOUBTED = 0.05, 0.2
"""Levels of the tests that buyers of both arms spend alike."""
FEWEST_BUYERS = 20
ALIKE = 1.3
"""Ratio of the shares of buyers within which they are taken to be of one kind, so that the tails of the logarithms of
what they spend may be fitted: small sums from everybody change those more than rare large baskets do."""
WIDEST = 8.0
"""Variance of log spend beyond which a log-normal basket is no description of anything."""
MOST_SKEWED = 2.0
"""Skewness of log spend, likewise."""
MUCH = 3
"""Ratio of arm to control above which one shape may be given up."""
STEEPEST = 1.5
"""Skewness beyond which a difference of means has no use for a larger one."""
FITTED = 0.37
"""Skewness that a fitted basket may claim at most."""


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
    found = [_within(gamma, STEEPEST) for gamma in (own, *_others(treated, control, shared))]
    return Shape(lower=min(found), upper=max(found), freedom=freedom)


def _others(treated: Moments, control: Moments, shared: float) -> tuple[float, ...]:
    """Estimates beside each arm's own."""
    cells = (treated, control)
    if any(cell.cluster is not None for cell in cells):
        return (shared,)
    if min(cell.spend.buyers for cell in cells) < FEWEST_BUYERS:
        return shared, _within(_baskets(*cells), FITTED)
    more = treated.spend.buyers / treated.n / (control.spend.buyers / control.n)
    is_alike = 1 / ALIKE < more < ALIKE
    steep = (_within(_tail(*cells, steep=1.0), FITTED),) if is_alike else ()
    by_spread, by_tail = _unlike(*cells)
    if by_spread < REFUTED:
        is_kept = treated.n <= MUCH * control.n or shared > -NOTICEABLE
        return _tail(*cells), *steep, *((used(shared),) if is_kept else ())
    return (shared, *steep) if min(by_spread, by_tail) < DOUBTED else (shared,)


def _within(gamma: float, limit: float) -> float:
    return min(max(gamma, -limit), limit)


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


def _baskets(treated: Moments, control: Moments) -> float:
    """Skewness of the difference if a buyer were the same in both arms."""
    customers, squares, cubes = (np.array(each) for each in zip(*map(_unit_moments, (treated, control)), strict=True))
    buyers = np.array([treated.spend.buyers, control.spend.buyers])
    if not buyers.sum():
        return 0.0
    square, cube = float(customers @ squares) / buyers.sum(), float(customers @ cubes) / buyers.sum()
    variance = square * float(np.sum(buyers / customers**2))
    return cube * float(buyers / customers**3 @ [1, -1]) / variance**1.5 if variance > 0 else 0.0


def _unlike(treated: Moments, control: Moments) -> tuple[float, float]:
    """Levels at which it is refuted that both arms spend alike: by the spread of log spend, and by its tail."""
    spends = (treated.spend, control.spend)
    buyers = np.array([spend.buyers for spend in spends])
    spread = np.array([spend.variance for spend in spends])
    if not spread.min() > 0:
        return (0.0, 0.0) if spread.max() > 0 else (1.0, 1.0)
    common = float(buyers @ spread) / buyers.sum()
    kurtosis = max(float(buyers @ [spend.fourth for spend in spends]) / buyers.sum() / common**2 - 1, 0.5)
    few = float(np.sum(1 / buyers))
    by_spread = math.log(spread[0] / spread[1]) / math.sqrt(kurtosis * few)
    tails = 9 / 2 * spread + 27 / 6 * np.array([spend.third for spend in spends])
    error = (9 / 2) ** 2 * kurtosis * common**2 + (27 / 6) ** 2 * 6 * common**3
    by_tail = float(tails[0] - tails[1]) / math.sqrt(error * few)
    return 2 * float(ndtr(-abs(by_spread))), 2 * float(ndtr(-abs(by_tail)))


def _tail(treated: Moments, control: Moments, *, steep: float = 0.0) -> float:
    """Skewness of the difference if baskets were log-normal, or by so much of the third cumulant of their logarithm."""
    variances, cumulants = [], []
    for cell in (treated, control):
        second, third = _log_moments(cell, steep)
        slope = _profit_per_revenue(cell)
        variances.append(slope**2 * second / cell.n)
        cumulants.append(slope**3 * third / cell.n**2)
    total = sum(variances)
    return (cumulants[0] - cumulants[1]) / total**1.5 if total > 0 else 0.0


def _log_moments(cell: Moments, steep: float) -> tuple[float, float]:
    """Second and third central moment of the spend of customers, most of whom buy nothing."""
    spend, share = cell.spend, cell.spend.buyers / cell.n
    first, second = spend.mean, min(spend.variance, WIDEST)
    third = steep * max(min(spend.third, MOST_SKEWED * second**1.5), -second / 2)  # E X² stays above (E X)²
    raw = [share * math.exp(k * first + k**2 * second / 2 + k**3 * third / 6) for k in (1, 2, 3)]
    return raw[1] - raw[0] ** 2, raw[2] - 3 * raw[0] * raw[1] + 2 * raw[0] ** 3


def _profit_per_revenue(cell: Moments) -> float:
    """Slope of profit on revenue."""
    if "revenue" not in cell.names:
        return 1.0
    own, place = weights_of(PROFIT, cell.names), cell.names.index("revenue")
    variance = float(cell.cov[place, place])
    return float(own @ cell.cov[:, place]) / variance if variance > 0 else 1.0


__all__ = ["shape_of"]
