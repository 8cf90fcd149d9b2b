"""Level bundle method: minimum of a convex function of few non-negative variables, by value and subgradient.

Every evaluation is a cut, g(x) ≥ g(x_j) + slope_j · (x - x_j). The next point is the one nearest to the best so far
where all cuts allow a chosen level; where none does, the level is a proven lower end. Finding that point is a
least-distance problem, solved as non-negative least squares.

References:
    Lemaréchal, Nemirovskii, Nesterov (1995), New variants of bundle methods, Mathematical Programming 69.
    Lawson, Hanson (1974), Solving Least Squares Problems, chapter 23: least distance programming.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

INFEASIBLE = 1e-9
CUTS_PER_VARIABLE, CUTS_AT_LEAST = 3, 40
NULL_STEPS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowest:
    """Where the search ended.

    Attributes:
        x: The best point, shape (k,).
        value: The function there.
        proven: No point is below this, up to rounding.
        evaluations: How often the function was asked.
    """

    x: np.ndarray
    value: float
    proven: float
    evaluations: int


@dataclass(frozen=True, kw_only=True)
class Effort:
    """When to stop.

    Attributes:
        tolerance: Relative difference between the best value and the proven lower end.
        most: Evaluations.
        first: First decrease to try for, relative to the value at the start.
        stop_below: A value that makes it pointless to go on; the search ends once it is reached.
    """

    tolerance: float
    most: int
    first: float = 0.1
    stop_below: float = -np.inf


def minimise(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, low: float, effort: Effort
) -> Lowest:
    """Go down from a point until the certificate or the effort ends it.

    Args:
        function: Point, shape (k,), to value and slope, shape (k,).
        start: Where to begin, not below 0, shape (k,).
        low: A value that the function is known not to fall below.
        effort: When to stop.
    """
    x = np.maximum(start, 0.0)
    value, slope = function(x)
    cuts = _Cuts(slopes=slope[None], offsets=np.array([value - slope @ x]))
    step, nulls, asked = effort.first * max(abs(value), 1e-12), 0, 1
    while asked < effort.most and value > effort.stop_below:
        if value - low <= effort.tolerance * abs(value) or step <= 0.05 * effort.tolerance * abs(value):
            break
        level = max(value - step, low + 0.3 * (value - low))
        to = cuts.nearest(x, level)
        if to is None:
            low, step, nulls = level, 0.5 * (value - level), 0
            continue
        new, slope = function(to)
        asked += 1
        cuts = cuts.add(to, new, slope, x)
        nulls += 1
        if value - new >= 0.5 * (value - level):
            step, nulls = 1.5 * step, 0
        elif nulls >= NULL_STEPS:
            step, nulls = 0.5 * step, 0
        if new < value:
            x, value = to, new
    return Lowest(x=x, value=value, proven=low, evaluations=asked)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cuts:
    """Lower bounds slopes · x + offsets, the newest last."""

    slopes: np.ndarray
    offsets: np.ndarray

    def add(self, x: np.ndarray, value: float, slope: np.ndarray, best: np.ndarray) -> _Cuts:
        """With one more cut; those that say least at the best point are dropped once there are many."""
        slopes = np.vstack([self.slopes, slope])
        offsets = np.append(self.offsets, value - slope @ x)
        room = max(CUTS_AT_LEAST, CUTS_PER_VARIABLE * len(x))
        if len(offsets) > room:
            says = slopes @ best + offsets
            says[-room // 2 :] = np.inf
            keep = np.sort(np.argsort(-says, kind="stable")[:room])
            slopes, offsets = slopes[keep], offsets[keep]
        return _Cuts(slopes=slopes, offsets=offsets)

    def nearest(self, centre: np.ndarray, level: float) -> np.ndarray | None:
        """The point not below 0 nearest to the centre where no cut is above the level; None where there is none."""
        k = len(centre)
        above = self.slopes @ centre + self.offsets - level
        length = np.linalg.norm(self.slopes, axis=1)
        flat = length <= 1e-300
        if np.any(flat & (above > 0)):
            return None
        sides = np.vstack([-self.slopes[~flat] / length[~flat, None], np.eye(k)])
        needed = np.concatenate([above[~flat] / length[~flat], -centre])
        unit = max(float(needed.max()), 1e-300)
        system = np.vstack([sides.T, np.maximum(needed / unit, -1e6)])
        target = np.zeros(k + 1)
        target[-1] = 1.0
        try:
            weights, _ = nnls(system, target, maxiter=20 * system.shape[1])
        except RuntimeError:
            return None
        rest = target - system @ weights
        if rest[-1] < INFEASIBLE:
            return None
        return np.maximum(centre - unit * rest[:-1] / rest[-1], 0.0)
