"""Doubly robust effects under estimated propensities, with their sensitivity.

The score of a customer is mu_j - mu_0 + (1{a = j} / p_j - 1{a = 0} / p_0) · (y - mu_a): its mean is the effect when
either the chances or the expected outcomes are right, and all reasons for choosing are in the features.

References:
    Robins, Rotnitzky, Zhao (1994), Estimation of Regression Coefficients When Some Regressors Are Not Always Observed,
    JASA 89. Chernozhukov and others (2018), Double/Debiased Machine Learning, Econometrics Journal 21.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.evaluation.causal_checks.sensitivity import e_value, robustness_of_effect
from netlift.evaluation.influence import Clusters, mean_of
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class AdjustedEffects:
    """Customers whom somebody chose for one of several arms.

    Attributes:
        y: Outcome, shape (n,).
        arm: Arm of each, 0 is control, shape (n,).
        chances: Estimated chance of every arm, out of fold, shape (n, a).
        expected: Expected outcome under every arm, out of fold, shape (n, a).
        customer: Code of the customer, shape (n,).
    """

    y: np.ndarray
    arm: np.ndarray
    chances: np.ndarray
    expected: np.ndarray
    customer: np.ndarray

    def take(self, rows: np.ndarray) -> AdjustedEffects:
        """The given rows, by position or mask."""
        return AdjustedEffects(
            y=self.y[rows],
            arm=self.arm[rows],
            chances=self.chances[rows],
            expected=self.expected[rows],
            customer=self.customer[rows],
        )

    @property
    def residual(self) -> np.ndarray:
        """Outcome less what was expected under the arm that each got, shape (n,)."""
        return np.asarray(self.y - self.expected[np.arange(len(self.y)), self.arm])

    def contrast(self, arm: int) -> np.ndarray:
        """1 / p for an offer's rows, -1 / p for control's, else 0, shape (n,)."""
        return np.asarray((self.arm == arm) / self.chances[:, arm] - (self.arm == 0) / self.chances[:, 0])

    def estimate(self, arm: int, *, unit: str, level: float) -> Estimate:
        """Mean effect of an offer over control."""
        scores = self.expected[:, arm] - self.expected[:, 0] + self.contrast(arm) * self.residual
        return mean_of(scores).estimate(
            Clusters.of(self.customer), level=level, unit=unit, method="observational: DR, estimated chances"
        )

    def robustness(self, effect: Estimate, arm: int) -> tuple[float, float]:
        """Robustness values of an estimate of `estimate` and of the end of its interval nearer to zero."""
        return robustness_of_effect(effect, residual=self.residual, weight=self.contrast(arm))

    def e_value(self, bought: np.ndarray, arm: int) -> float | None:
        """For the ratio of the weighted shares of buyers, bool (n,), offer over control; None where an arm has none."""
        shares = [float(np.average(bought, weights=np.maximum(sign * self.contrast(arm), 0.0))) for sign in (1.0, -1.0)]
        return e_value(shares[0] / shares[1]) if min(shares) > 0 else None
