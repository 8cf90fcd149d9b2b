"""Ranking metrics of scores by customers' realised money, with midrank ties.

With u_i the share of rows ranked above i, counting half of those tied with it, the concentration of y along a score is
the mean of y_i·(1 - 2·u_i): twice the area between the gains curve and the diagonal, times the mean of y.

References:
    Lerman, Yitzhaki (1984), A Note on the Calculation and Interpretation of the Gini Index, Economics Letters 15.
    Langel, Tillé (2013), Variance Estimation of the Gini Index: Revisiting a Result Several Times Published, JRSS A.
    Beach, Davidson (1983), Distribution-Free Statistical Inference with Lorenz Curves, Review of Economic Studies 50.
    Croux, Dehon (2010), Influence Functions of the Spearman and Kendall Correlation Measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Figure, mean_of


def strongest_feature(X: np.ndarray, names: Sequence[str], outcome: np.ndarray) -> tuple[str, float]:
    """The feature with the largest ROC-AUC of its own, either way round; a missing value is lower than any other.

    Args:
        X: Features, shape (n, k).
        names: Their names.
        outcome: True or False, shape (n,).

    Raises:
        DataError: One outcome only, or no feature.

    Examples:
        >>> X = np.array([[1.0, 5.0], [2.0, 4.0], [1.0, 3.0], [2.0, 2.0]])
        >>> strongest_feature(X, ["a", "b"], np.array([True, True, False, False]))
        ('b', 1.0)
    """
    from scipy.stats import rankdata

    happened = np.asarray(outcome, dtype=bool)
    number = int(happened.sum())
    others = len(happened) - number
    if not number or not others or not len(names):
        raise DataError(f"single features: {number:,} of {len(happened):,} rows have the outcome; both are needed")
    best, name = 0.0, names[0]
    for i, candidate in enumerate(names):
        x = np.nan_to_num(X[:, i].astype(np.float64), nan=-np.inf, neginf=-np.inf)
        auc = (rankdata(x)[happened].sum() - number * (number + 1) / 2) / (number * others)
        if max(auc, 1 - auc) > best:
            best, name = float(max(auc, 1 - auc)), candidate
    return name, best


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Rows in the order of a score, highest first.

    Attributes:
        code: Position of the row's score among the distinct ones, lowest first, shape (n,).
        count: Rows of each distinct score.
        above: Share of rows strictly above each row, shape (n,).
        tied: Share of rows tied with each row, itself among them, shape (n,).
    """

    code: np.ndarray
    count: np.ndarray
    above: np.ndarray
    tied: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray) -> Ranking:
        """Rank a score, shape (n,)."""
        _, code, count = np.unique(score, return_inverse=True, return_counts=True)
        n = len(code)
        return cls(code=code, count=count, above=((n - np.cumsum(count)) / n)[code], tied=(count / n)[code])

    @property
    def middle(self) -> np.ndarray:
        """Share of rows above each row, counting half of those tied with it, shape (n,)."""
        return self.above + self.tied / 2

    def below(self, values: np.ndarray) -> np.ndarray:
        """Sum of the values of rows below each row and half of those tied with it, over n, shape (n,)."""
        total = np.bincount(self.code, weights=values, minlength=len(self.count))
        return ((np.cumsum(total) - total / 2) / len(self.code))[self.code]

    def part_of_top(self, share: float) -> np.ndarray:
        """How much of each row is among the top share, in [0, 1], shape (n,); tied rows enter by equal parts."""
        return np.clip((share - self.above) / self.tied, 0.0, 1.0)

    def mean_at(self, share: float, values: np.ndarray) -> float:
        """Mean of the values of rows near the border of the top share."""
        near = 0.5 * len(values) ** (-1 / 3)
        return float(values[(self.above < share + near) & (self.above + self.tied > share - near)].mean())


def concentration(y: np.ndarray, ranking: Ranking) -> Figure:
    """Mean of y·(1 - 2u): how much of y stands high in the ranking, in the unit of y.

    Args:
        y: What each row brought, shape (n,).
        ranking: The order.
    """
    weighted = y * (1 - 2 * ranking.middle)
    influence = weighted - 2 * ranking.below(y)
    return Figure(point=float(weighted.mean()), influence=influence - influence.mean())


def band_total(y: np.ndarray, ranking: Ranking, start: float, end: float) -> Figure:
    """Sum of y among the rows between two shares of the ranking, over n; tied rows at a border enter by equal parts.

    Args:
        y: What each row brought, shape (n,).
        ranking: The order.
        start: Share of rows above the band.
        end: Share of rows down to its end; the top tenth is 0 to .1.
    """
    upper, lower = ranking.part_of_top(end), ranking.part_of_top(start)
    inside = (upper - lower) * y
    moved = ranking.mean_at(end, y) * (upper - end) - ranking.mean_at(start, y) * (lower - start)
    influence = inside - moved
    return Figure(point=float(inside.mean()), influence=influence - influence.mean())


def tenth_means(y: np.ndarray, ranking: Ranking) -> list[Figure]:
    """Mean of y in each tenth of the ranking, highest first."""
    tenth = mean_of(np.full(len(y), 0.1))
    return [band_total(y, ranking, k / 10, (k + 1) / 10) / tenth for k in range(10)]


def rank_correlation(a: Ranking, b: Ranking) -> Figure:
    """Spearman's correlation of two orders of the same rows, ties at their middle."""
    return _rank_covariance(a, b) / (_rank_covariance(a, a) * _rank_covariance(b, b)).root()


def gains_curve(y: np.ndarray, score: np.ndarray, *, points: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """Share of the total of y that the top share of rows holds.

    Args:
        y: What each row brought, shape (n,); its sum must not be 0.
        score: The order, shape (n,).
        points: Points of the curve.

    Returns:
        Shares of rows from 0 to 1, and shares of the total, shape (points,) each.

    Examples:
        >>> share, held = gains_curve(np.array([3.0, 1.0, 0.0, 0.0]), np.array([9, 8, 2, 1]), points=5)
        >>> held.tolist()
        [0.0, 0.75, 1.0, 1.0, 1.0]
    """
    ranking = Ranking.of(score)
    rows = np.cumsum(ranking.count[::-1]) / len(y)
    held = np.cumsum(np.bincount(ranking.code, weights=y)[::-1]) / np.sum(y)
    share = np.linspace(0.0, 1.0, points)
    return share, np.interp(share, np.concatenate([[0.0], rows]), np.concatenate([[0.0], held]))


def _rank_covariance(a: Ranking, b: Ranking) -> Figure:
    x, y = 0.5 - a.middle, 0.5 - b.middle
    influence = x * y - a.below(y) - b.below(x)
    return Figure(point=float(np.mean(x * y)), influence=influence - influence.mean())
