"""Design-based variance of a replay with few logged draws.

A run of decisions leaves about one contact in a hundred to each option that its policy would not give. A replay of
"none" therefore rests on a few dozen customers who count a hundred times each. Their own spread says too little of
spend that a few make: where no large basket is among them, the interval is narrow and the figure low, both at once.
With spend as in retail 4 % of decisions by chance, 8,000 customers, an interval of 95 % by influences held 83 %.

Chances are known and luck is much the same whatever the option, so all rows tell how far the figure strays. With the
figure a mean of c_i Σ_a Δ_ia Γ_ia, Δ the difference of two policies' chances and e_i = y_i - μ_i the residual of a row

    variance        (1/n²) Σ_i c_i² e_i² Σ_a Δ_ia² / p_ia
    third moment    (1/n³) Σ_i c_i³ e_i³ Σ_a Δ_ia³ / p_ia²

The first does not depend on who happened to draw what, and the second leans the interval to where luck leans it
(Cornish and Fisher's first term); on either side the wider end of the two is taken.

References:
    Cornish, Fisher (1938), Moments and Cumulants in the Specification of Distributions.
    Aronow, Samii (2017), Estimating Average Causal Effects Under General Interference, section 5: variances by design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from netlift.results import Estimate

METHOD = "spread by the chances of the draw"


@dataclass(frozen=True, kw_only=True, eq=False)
class RowNoise:
    """How far each row's part of a replayed mean may stray.

    Attributes:
        second: Its variance, shape (n,).
        third: Its third moment, shape (n,).
    """

    second: np.ndarray
    third: np.ndarray

    def widen(self, found: Estimate, weight: np.ndarray) -> Estimate:
        """A mean that was found by replay, with the interval that the draw gives it.

        Args:
            found: The mean.
            weight: Of each row in it, shape (n,).
        """
        n = len(self.second)
        error = math.sqrt(float(weight**2 @ self.second)) / n
        skewness = float(weight**3 @ self.third) / (n * error) ** 3 if error else 0.0
        lower, upper = interval(found.point, error, skewness=skewness, level=found.level)
        return replace(found, ci_lower=lower, ci_upper=upper, method=f"{found.method}, {METHOD}")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayNoise:
    """What the draw and everybody's luck say of replays.

    Attributes:
        profit: Of a row, shape (n,).
        guess: What was expected of it whatever the option, shape (n,).
        chances: Of each arm, arm 0 is none, shape (n, m + 1).
    """

    profit: np.ndarray
    guess: np.ndarray
    chances: np.ndarray

    def of_difference(self, difference: np.ndarray) -> RowNoise:
        """Noise of a mean of differences between two policies.

        Args:
            difference: Chance of each arm by the one policy less that by the other, shape (n, m + 1).
        """
        residual, inverse = self.profit - self.guess, self._inverse(difference != 0)
        return RowNoise(
            second=residual**2 * np.sum(difference**2 * inverse, axis=1),
            third=residual**3 * np.sum(difference**3 * inverse**2, axis=1),
        )

    def of_value(self, policy: np.ndarray, mean: float) -> RowNoise:
        """Noise of the mean value of one policy, customers themselves being a draw.

        Args:
            policy: Its chance of each arm, shape (n, m + 1).
            mean: Its mean value.
        """
        residual, own, inverse = self.profit - self.guess, self.profit - mean, self._inverse(policy != 0)
        square, cube = np.sum(policy**2 * inverse, axis=1), np.sum(policy**3 * inverse**2, axis=1)
        return RowNoise(
            second=own**2 + residual**2 * (square - 1),
            third=own**3 + 3 * own * residual**2 * (square - 1) + residual**3 * (cube - 3 * square + 2),
        )

    def _inverse(self, asked: np.ndarray) -> np.ndarray:
        where = asked & (self.chances > 0)
        return np.divide(1.0, self.chances, out=np.zeros(self.chances.shape), where=where)


def interval(point: float, error: float, *, skewness: float, level: float) -> tuple[float, float]:
    """Ends about a point whose error is known and leans to one side: the wider of the plain and the leaning ones.

    Examples:
        >>> [round(end, 2) for end in interval(0.0, 1.0, skewness=-1.0, level=0.95)]
        [-1.96, 2.43]
    """
    z = float(ndtri(0.5 + level / 2))
    lean = skewness * (z * z - 1) / 6
    return point - error * max(z, z + lean), point + error * max(z, z - lean)


def chances_of(arm: np.ndarray, arms: int) -> np.ndarray:
    """A policy that chooses, as chances: all of it to one arm, shape (n, arms)."""
    chances = np.zeros((len(arm), arms))
    chances[np.arange(len(arm)), arm] = 1.0
    return chances


__all__ = ["ReplayNoise", "RowNoise", "chances_of", "interval"]
