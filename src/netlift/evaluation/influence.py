"""Estimates with their influence functions, for intervals of ratios and differences.

The influence of a row is how much the figure moves, times n, when the row gets a little more weight. Of a mean it is
the value less the mean; of a ratio or a difference it follows by the chain rule; of a rank statistic it also holds what
the row does to the ranks of the others. Influences are summed within a customer, whose rows are not independent; the
root of the sum of their squares, over n, is the standard error. This is what a bootstrap of customers comes to, without
its noise, its seed and its time.

References:
    Hampel (1974), The Influence Curve and its Role in Robust Estimation, JASA 69.
    Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6: the infinitesimal jackknife.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logit, ndtri

from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure by name.

    Attributes:
        metric: Its name, such as "roc_auc".
        value: The figure.
    """

    metric: str
    value: Estimate


def tabulate_metrics(name: str, metrics: Mapping[str, Estimate]) -> Table[Metric]:
    """Figures by name as a table, in their order."""
    return Table(name=name, rows=tuple(Metric(metric=metric, value=value) for metric, value in metrics.items()))


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Whose row each row is.

    Attributes:
        code: Customer of the row as 0 … count - 1, shape (n,).
        count: Customers.
    """

    code: np.ndarray
    count: int

    @classmethod
    def of(cls, customer: np.ndarray) -> Clusters:
        """Code any labels of customers, shape (n,)."""
        if _are_few_codes(customer):
            seen = np.bincount(customer) > 0  # a counting pass in the place of a sort
            return cls(code=(np.cumsum(seen) - 1)[customer], count=int(seen.sum()))
        who, code = np.unique(customer, return_inverse=True)
        return cls(code=code, count=len(who))

    @cached_property
    def is_one_row_each(self) -> bool:
        """Whether the rows are of the customers 0 … count - 1, in this order: their values are their sums."""
        return self.count == len(self.code) and bool(np.array_equal(self.code, np.arange(self.count)))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum within each customer, shape (count,); of one row each, the values themselves."""
        if self.is_one_row_each:
            return values
        return np.bincount(self.code, weights=values, minlength=self.count)

    def error(self, influence: np.ndarray) -> float:
        """Standard error of a figure from its influences, shape (n,); NaN for a single customer.

        Examples:
            >>> round(Clusters.of(np.arange(4)).error(np.array([1.0, -1.0, 1.0, -1.0])), 4)
            0.5774
        """
        if self.count < 2:
            return float("nan")
        sums = self.sum(influence)
        return float(np.sqrt(sums @ sums * self.count / (self.count - 1)) / len(influence))

    def covariance(self, influences: list[np.ndarray]) -> np.ndarray:
        """Covariance of several figures from their influences, shape (figures, figures)."""
        if self.count < 2:
            return np.full((len(influences), len(influences)), np.nan)
        sums = np.stack([self.sum(influence) for influence in influences])
        return np.asarray(sums @ sums.T * self.count / (self.count - 1) / len(self.code) ** 2)


def _are_few_codes(customer: np.ndarray) -> bool:
    """Whether labels are whole numbers from zero, not many more than rows."""
    if not len(customer) or not np.issubdtype(customer.dtype, np.integer):
        return False
    return bool(customer.min() >= 0 and customer.max() < 4 * len(customer))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number with the influence of each row on it; ratios and differences carry theirs along.

    Attributes:
        point: The number.
        influence: Influence of each row, mean zero, shape (n,).
    """

    point: float
    influence: np.ndarray

    def __sub__(self, other: Figure) -> Figure:
        return Figure(point=self.point - other.point, influence=self.influence - other.influence)

    def __mul__(self, other: Figure) -> Figure:
        influence = other.point * self.influence + self.point * other.influence
        return Figure(point=self.point * other.point, influence=influence)

    def __truediv__(self, other: Figure) -> Figure:
        if other.point == 0:
            return Figure(point=float("nan"), influence=np.full(len(self.influence), np.nan))
        ratio = self.point / other.point
        return Figure(point=ratio, influence=(self.influence - ratio * other.influence) / other.point)

    def __abs__(self) -> Figure:
        return Figure(point=abs(self.point), influence=np.sign(self.point) * self.influence)

    def shift(self, by: float) -> Figure:
        """The figure plus a constant."""
        return Figure(point=self.point + by, influence=self.influence)

    def root(self) -> Figure:
        """Its square root."""
        root = float(np.sqrt(self.point))
        return Figure(point=root, influence=self.influence / (2 * root) if root > 0 else self.influence * np.nan)

    def estimate(
        self, clusters: Clusters, *, level: float, unit: str, method: str, between_0_and_1: bool = False
    ) -> Estimate:
        """The number with its interval.

        Args:
            clusters: Customers of the rows.
            level: Confidence.
            unit: Unit of the number.
            method: How it was computed, in words.
            between_0_and_1: Make the interval on the logit scale, inside whose ends the number must be.
        """
        half = interval_half(clusters.error(self.influence), level)
        return make_estimate(self.point, half, level=level, unit=unit, method=method, between_0_and_1=between_0_and_1)


def mean_of(values: np.ndarray) -> Figure:
    """The mean of a value per row; without an interval where one of them is infinite.

    Examples:
        >>> spend, orders = np.array([10.0, 30.0]), np.array([1.0, 3.0])
        >>> (mean_of(spend) / mean_of(orders)).point
        10.0
    """
    point = float(np.mean(values))
    influence = values - point if np.isfinite(point) else np.full(len(values), np.nan)
    return Figure(point=point, influence=influence)


def interval_half(error: float, level: float) -> float:
    """Half the width of a normal interval."""
    return float(ndtri(0.5 + level / 2)) * error


def make_estimate(
    point: float, half: float, *, level: float, unit: str, method: str, between_0_and_1: bool = False
) -> Estimate:
    """An estimate with a normal interval, on the logit scale where the number cannot leave (0, 1)."""
    lower, upper = point - half, point + half
    if between_0_and_1 and 0 < point < 1:
        wide = half / (point * (1 - point))
        lower, upper = float(expit(logit(point) - wide)), float(expit(logit(point) + wide))
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=level, unit=unit, method=method)
