"""BG/NBD and MBG/NBD: purchase rate and dropout by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaln, digamma, gammaln

from netlift.errors import DataError
from netlift.estimators.process_formulas import (
    PurchaseMixture,
    expected_purchases,
    log_odds_gone,
    p_alive,
    p_alive_after,
)
from netlift.estimators.value.btyd_columns import Histories
from netlift.estimators.value.maximum_likelihood import Top, climb

Family = Literal["bg_nbd", "mbg_nbd"]
NAMES = ("r", "alpha", "a", "b")
STARTS = ((1.0, 1.0), (0.2, 2.0), (1.0, 30.0))
BOUNDS = np.array([(-9.0, 9.0), (-18.0, 18.0), (-9.0, 9.0), (-9.0, 9.0)])


@dataclass(frozen=True, kw_only=True)
class PurchaseProcess(PurchaseMixture):
    """A fitted population of buyers.

    Attributes:
        log_likelihood: Of all customers, times in units of `unit_days`.
        histories: Distinct histories.
        customers: Customers that have them.
        converged: Always true: a fit that did not settle is refused.
        at_bound: Parameters that ran to the end of their range, where the data know no difference: a small a says that
            hardly anybody leaves, a large r with a large alpha that all buy at the same rate.
    """

    log_likelihood: float
    histories: int
    customers: int
    converged: bool
    at_bound: tuple[str, ...] = ()


def fit_purchases(histories: Histories, family: Family = "bg_nbd") -> PurchaseProcess:
    """Fit by maximum likelihood on logarithms of the parameters, equal histories counted once.

    Args:
        histories: Of all customers, one-time buyers among them.
        family: bg_nbd, or mbg_nbd where one-time buyers may have left.

    Raises:
        DataError: Nobody bought on a second day, or no start led to a point where the likelihood is flat.

    References:
        Fader, Hardie, Lee (2005); Batislam, Denizel, Filiztekin (2007): see `process_formulas.py`.
    """
    repeats = float(histories.weight @ histories.x)
    if repeats == 0:
        raise DataError(
            f"{family}: none of {histories.customers:,} customers bought on a second day, so nothing says how often "
            "they return; bring a longer observation, or drop the candidate"
        )
    likelihood = _Likelihood(histories, family)
    start_rate = repeats / float(histories.weight @ likelihood.T)
    tops: list[Top] = []
    while len(tops) < len(STARTS) and not (tops and tops[-1].inside):
        start = np.log([0.5, 0.5 / start_rate, *STARTS[len(tops)]])
        tops.append(climb(likelihood.loss_and_slope, start, BOUNDS))
    found = min(tops, key=lambda top: top.loss)
    values = np.exp(found.theta)
    if not found.settled:
        at = ", ".join(f"{name} {value:.3g}" for name, value in zip(NAMES, values * likelihood.scale, strict=True))
        raise DataError(
            f"{family}: the fit on {histories.customers:,} customers with {repeats:,.0f} repeat purchases did not "
            f"settle (at {at} the likelihood still rises by {found.slope:.1e} a customer); bring a longer observation "
            "or more customers, or drop the candidate"
        )
    r, alpha, a, b = (float(value) for value in values * likelihood.scale)
    return PurchaseProcess(
        family=family,
        r=r,
        alpha=alpha,
        a=a,
        b=b,
        unit_days=histories.unit_days,
        log_likelihood=-found.loss * likelihood.total - repeats * float(np.log(likelihood.unit)),
        histories=len(histories),
        customers=histories.customers,
        converged=True,
        at_bound=tuple(name for name, end in zip(NAMES, found.at_bound, strict=True) if end),
    )


class _Likelihood:
    """The log-likelihood of grouped histories and its gradient, times scaled so that the mean T is 1."""

    def __init__(self, histories: Histories, family: Family) -> None:
        self.family = family
        self.weight = histories.weight
        self.total = float(histories.weight.sum())
        self.unit = max(float(histories.weight @ histories.T) / self.total, np.finfo(np.float64).tiny)
        self.scale = np.array([1.0, self.unit, 1.0, 1.0])
        self.x, self.t_x, self.T = histories.x, histories.t_x / self.unit, histories.T / self.unit
        self.counts, self.which = np.unique(histories.x, return_inverse=True)
        self.count_weight = np.bincount(self.which, weights=self.weight)

    def loss_and_slope(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean negative log-likelihood of a customer, and its gradient by the logarithms, shape (4,)."""
        r, alpha, a, b = np.exp(theta)
        mixture = PurchaseMixture(family=self.family, r=r, alpha=alpha, a=a, b=b, unit_days=1.0)
        beta, s = mixture.beta(self.counts), r + self.counts
        by_count = gammaln(s) - gammaln(r) + betaln(a, beta) - betaln(a, b) + r * np.log(alpha)
        odds = log_odds_gone(mixture, self.x, self.t_x, self.T)
        log_end = np.log(alpha + self.T)
        value = self.count_weight @ by_count + self.weight @ (np.logaddexp(0.0, odds) - (r + self.x) * log_end)
        gone = self.weight * np.exp(odds - np.logaddexp(0.0, odds))
        gone_by_count = np.bincount(self.which, weights=gone)
        silence = log_end - np.log(alpha + self.t_x)
        late, early = 1.0 / (alpha + self.T), 1.0 / (alpha + self.t_x)
        with_leaving = np.where(gone_by_count > 0, gone_by_count / np.where(gone_by_count > 0, beta - 1.0, 1.0), 0.0)
        apart = digamma(a + b) - digamma(a + beta)
        slope = np.array(
            [
                self.count_weight @ (digamma(s) - digamma(r) + np.log(alpha)) - self.weight @ log_end + gone @ silence,
                self.total * r / alpha + (r + self.x) @ (gone * (late - early) - self.weight * late),
                self.count_weight @ apart + gone.sum() / a,
                self.count_weight @ (apart + digamma(beta) - digamma(b)) - with_leaving.sum(),
            ]
        )
        return -float(value) / self.total, -slope * np.exp(theta) / self.total


__all__ = [
    "Family",
    "PurchaseProcess",
    "expected_purchases",
    "fit_purchases",
    "p_alive",
    "p_alive_after",
]
