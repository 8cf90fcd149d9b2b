"""Gamma-Gamma model of spend per purchase day, shrunk to the population mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from netlift.errors import DataError
from netlift.estimators.process_formulas import SpendMixture, mean_spend
from netlift.estimators.value.maximum_likelihood import climb

START = (3.0, 4.0, 4.0)
NAMES = ("p", "q", "gamma")
BOUNDS = np.array([(-9.0, 9.0), (-9.0, 9.0), (-18.0, 18.0)])


@dataclass(frozen=True, kw_only=True)
class SpendModel(SpendMixture):
    """A fitted population of spenders.

    Attributes:
        log_likelihood: Of all customers' means, in currency.
        customers: How many they are.
        correlation: Of mean spend with the number of purchase days; the model takes it for zero.
        at_bound: Parameters that ran to the end of their range: a large q with a large gamma says that customers
            differ by chance alone, a large p that a customer spends the same every day.
    """

    log_likelihood: float
    customers: int
    correlation: float
    at_bound: tuple[str, ...] = ()


def fit_spend(mean: np.ndarray, count: np.ndarray, weight: np.ndarray | None = None) -> SpendModel:
    """Fit by maximum likelihood on logarithms of the parameters.

    Args:
        mean: Mean spend of a customer's purchase days, shape (n,), in currency, above zero.
        count: How many days the mean is of, shape (n,), above zero.
        weight: Customers of this mean and count, shape (n,); one each where not given.

    Raises:
        DataError: A mean or count not above zero, all means equal, no settled maximum, or a spend so heavy-tailed
            that the population has no mean (q of 1 or less).

    References:
        Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value.
    """
    mean, count = np.asarray(mean, dtype=np.float64), np.asarray(count, dtype=np.float64)
    weight = np.ones(len(mean)) if weight is None else np.asarray(weight, dtype=np.float64)
    _refuse_unusable(mean, count)
    total = float(weight.sum())
    unit = float(weight @ mean) / total
    counts, which = np.unique(count, return_inverse=True)
    rows = _Rows(
        mean=mean / unit,
        count=count,
        weight=weight,
        counts=counts,
        count_weight=np.bincount(which, weights=weight),
    )
    found = climb(lambda theta: _loss_and_slope(theta, rows), np.log(START), BOUNDS)
    p, q, gamma = (float(value) for value in np.exp(found.theta))
    if not found.settled:
        raise DataError(
            f"gamma_gamma: the fit on {total:,.0f} customers did not settle (at p {p:.3g}, q {q:.3g}, gamma "
            f"{gamma * unit:.3g} the likelihood still rises by {found.slope:.1e} a customer); bring more customers, or "
            "drop the candidate"
        )
    if q <= 1.0:
        raise DataError(
            f"gamma_gamma: spend is so heavy-tailed that its mean does not exist (q {q:.3g}, above 1 is needed): take "
            "customers of another kind, such as wholesalers, out, or drop the candidate"
        )
    return SpendModel(
        p=p,
        q=q,
        gamma=gamma * unit,
        log_likelihood=-found.loss * total - total * float(np.log(unit)),
        customers=round(total),
        correlation=_correlation(mean, count, weight),
        at_bound=tuple(name for name, end in zip(NAMES, found.at_bound, strict=True) if end),
    )


def expected_spend(model: SpendMixture, mean: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Expected spend of a customer's next purchase day, shape (n,), in currency.

    Args:
        model: The population.
        mean: Mean spend of the customer's purchase days, shape (n,); anything where count is 0.
        count: How many days the mean is of, shape (n,); 0 gives the population's mean.

    Raises:
        DataError: A mean that is not above zero where there are purchase days.
    """
    bought = count > 0
    low = int(np.count_nonzero(bought & ~(mean > 0)))
    if low:
        raise DataError(f"mean spend must be above zero: {low:,} of {len(mean):,} are not; give them count 0")
    return mean_spend(model, np.where(bought, mean, 0.0), count)


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Means, their counts and weights, shape (n,); the distinct counts with their weights, shape (m,)."""

    mean: np.ndarray
    count: np.ndarray
    weight: np.ndarray
    counts: np.ndarray
    count_weight: np.ndarray


def _loss_and_slope(theta: np.ndarray, rows: _Rows) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood of a customer, and its gradient by the logarithms of p, q and γ, shape (3,)."""
    p, q, gamma = np.exp(theta)
    count, counts, customers = rows.count, rows.counts, rows.count_weight
    total = customers.sum()
    px = p * counts
    spent = gamma + rows.mean * count
    wl, ws, wi = rows.weight * np.log(rows.mean), rows.weight * np.log(spent), rows.weight / spent
    log_sum, spent_sum, inverse_sum = count @ wl, ws.sum(), wi.sum()
    by_count = gammaln(px + q) - gammaln(px) + px * np.log(counts)
    value = customers @ by_count + total * (q * np.log(gamma) - gammaln(q)) + p * log_sum - wl.sum()
    value -= p * (count @ ws) + q * spent_sum
    steep = digamma(px + q)
    slope = np.array(
        [
            customers @ (counts * (steep - digamma(px) + np.log(counts))) + log_sum - count @ ws,
            customers @ steep + total * (np.log(gamma) - digamma(q)) - spent_sum,
            total * q / gamma - p * (count @ wi) - q * inverse_sum,
        ]
    )
    return -float(value / total), -slope * np.exp(theta) / total


def _refuse_unusable(mean: np.ndarray, count: np.ndarray) -> None:
    low, none = int(np.count_nonzero(~(mean > 0))), int(np.count_nonzero(~(count > 0)))
    infinite = int(np.count_nonzero(np.isinf(mean) | np.isinf(count)))
    if low or none or infinite or len(mean) == 0:
        raise DataError(
            f"gamma_gamma needs means and counts above zero and finite: of {len(mean):,} customers {low:,} have a mean "
            f"spend of zero or less, {none:,} no purchase day, {infinite:,} one that is infinite; leave them out and "
            "say how many they are"
        )
    if np.all(mean == mean[0]):
        raise DataError(f"gamma_gamma: all {len(mean):,} customers have the same mean spend, there is nothing to fit")


def _correlation(mean: np.ndarray, count: np.ndarray, weight: np.ndarray) -> float:
    """Pearson's, 0 where everybody has the same count."""
    share = weight / weight.sum()
    m, c = mean - share @ mean, count - share @ count
    spread = float(np.sqrt((share @ m**2) * (share @ c**2)))
    return float(share @ (m * c)) / spread if spread > 0 else 0.0
