"""ROC-AUC and the difference of two on the same rows, with the intervals of DeLong, customers clustered.

The placement of a row is the share of the other class that it stands on the right side of, ties counting half; their
mean is the AUC. With one row a customer the variance is DeLong's, to the digit; with several, Obuchowski's sums the
placements of a customer first.

References:
    DeLong, DeLong, Clarke-Pearson (1988), Comparing the Areas under Two or More Correlated ROC Curves, Biometrics 44.
    Obuchowski (1997), Nonparametric Analysis of Clustered ROC Curve Data, Biometrics 53, equations 3 to 6.
    Sun, Xu (2014), Fast Implementation of DeLong's Algorithm, IEEE Signal Processing Letters 21(11).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Clusters, interval_half, make_estimate
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class Placements:
    """Where each row stands among the other class.

    Attributes:
        y: Class of the row, 1 or 0, shape (n,).
        value: Share of the other class on its right side, shape (n,).
    """

    y: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, score: np.ndarray) -> Placements:
        """Place rows by a score.

        Raises:
            DataError: One class only.
        """
        positives = float(np.sum(y))
        negatives = len(y) - positives
        if positives == 0 or negatives == 0:
            raise DataError(f"ROC-AUC needs both classes: {positives:,.0f} of {len(y):,} rows are positive")
        _, code = np.unique(score, return_inverse=True)
        hits = np.bincount(code, weights=y)
        misses = np.bincount(code, weights=1 - y)
        misses_below = (np.cumsum(misses) - misses / 2) / negatives
        hits_above = (positives - np.cumsum(hits) + hits / 2) / positives
        return cls(y=y, value=np.where(y == 1, misses_below[code], hits_above[code]))

    def __sub__(self, other: Placements) -> Placements:
        return Placements(y=self.y, value=self.value - other.value)

    @property
    def area(self) -> float:
        """The AUC, or the difference of two."""
        return float(np.mean(self.value[self.y == 1]))

    def error(self, clusters: Clusters) -> float:
        """Standard error of the area."""
        area, y = self.area, self.y
        hits, misses = float(np.sum(y)), float(np.sum(1 - y))
        hit = clusters.sum(y * (self.value - area))
        miss = clusters.sum((1 - y) * (self.value - area))
        with_hits, with_misses = (int(np.count_nonzero(clusters.sum(part))) for part in (y, 1 - y))
        if min(with_hits, with_misses) < 2:
            return float("nan")
        variance = (
            with_hits / (with_hits - 1) * np.sum(hit**2) / hits**2
            + with_misses / (with_misses - 1) * np.sum(miss**2) / misses**2
            + 2 * clusters.count / (clusters.count - 1) * np.sum(hit * miss) / (hits * misses)
        )
        return float(np.sqrt(max(variance, 0.0)))


def roc_auc(y: np.ndarray, score: np.ndarray, *, customer: np.ndarray, level: float) -> Estimate:
    """Chance that a positive row scores above a negative one.

    Args:
        y: 1 or 0, shape (n,).
        score: Any score, shape (n,); only its order matters.
        customer: Code of the customer, shape (n,).
        level: Confidence of the interval.

    Raises:
        DataError: One class only.

    Examples:
        >>> y, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
        >>> roc_auc(y, score, customer=np.arange(4), level=0.95).point
        0.75
    """
    placements = Placements.of(y, score)
    half = interval_half(placements.error(Clusters.of(customer)), level)
    method = "Mann-Whitney, interval by DeLong on the logit scale, clustered by customer"
    return make_estimate(placements.area, half, level=level, unit="", method=method, between_0_and_1=True)


def roc_auc_difference(
    y: np.ndarray, score: np.ndarray, against: np.ndarray, *, customer: np.ndarray, level: float
) -> Estimate:
    """AUC of one score less that of another on the same rows.

    Args:
        y: 1 or 0, shape (n,).
        score: This score, shape (n,).
        against: The other, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the interval.

    Raises:
        DataError: One class only.
    """
    placements = Placements.of(y, score) - Placements.of(y, against)
    half = interval_half(placements.error(Clusters.of(customer)), level)
    method = "difference of Mann-Whitney, paired, DeLong, clustered by customer"
    return make_estimate(placements.area, half, level=level, unit="", method=method)
