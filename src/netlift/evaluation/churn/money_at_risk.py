"""Churn in money: margin lost, and how much of it a short list finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class MoneyAtRisk:
    """A churn model in money, on customers whose fate is known.

    Attributes:
        predicted: Sum of P(lost) × value.
        observed: Sum of the value of those who were lost.
        found: Share of the observed that stands in the list of the largest P(lost) × value.
        list_share: How long the list is, as a share of customers.
    """

    predicted: Estimate
    observed: Estimate
    found: Estimate
    list_share: float


def money_at_risk(
    p_lost: np.ndarray, lost: np.ndarray, value: np.ndarray, *, list_share: float, level: float, currency: str
) -> MoneyAtRisk:
    """Judge predicted chances of loss in money.

    Intervals are normal: of a sum over independent customers, and of the ratio found / lost by linearisation with the
    list's threshold held fixed.

    Args:
        p_lost: Predicted chance, shape (n,).
        lost: What happened, 1 or 0, shape (n,).
        value: Money a year that goes with the customer, shape (n,); below zero counts as zero.
        list_share: Length of the list, such as .1.
        level: Confidence of the intervals.
        currency: Unit of `value`.

    Examples:
        >>> result = money_at_risk(np.array([0.9, 0.1]), np.array([1, 0]), np.array([100.0, 50.0]),
        ...                        list_share=0.5, level=0.95, currency="RUB")
        >>> result.predicted.point, result.observed.point, result.found.point
        (95.0, 100.0, 1.0)
    """
    worth = np.maximum(np.nan_to_num(value, nan=0.0), 0.0)
    expected, happened = p_lost * worth, lost * worth
    z = float(ndtri(0.5 + level / 2))

    def total(values: np.ndarray, spread: np.ndarray, unit: str) -> Estimate:
        point, half = float(values.sum()), z * float(np.sqrt(np.sum(spread**2)))
        return Estimate(
            point=point, ci_lower=point - half, ci_upper=point + half, level=level, unit=unit, method="normal sum"
        )

    share, influence = _found(expected, happened, list_share)
    half = z * float(np.sqrt(np.sum(influence**2)))
    return MoneyAtRisk(
        predicted=total(expected, worth * np.sqrt(p_lost * (1 - p_lost)), currency),
        observed=total(happened, happened - happened.mean(), currency),
        found=Estimate(
            point=share, ci_lower=share - half, ci_upper=share + half, level=level, unit="share", method="linearised"
        ),
        list_share=list_share,
    )


def compare_found(
    p_lost: np.ndarray, against: np.ndarray, lost: np.ndarray, value: np.ndarray, *, list_share: float, level: float
) -> Estimate:
    """By how much more of the money that was lost one list holds than another as long, paired by customer.

    Args:
        p_lost: Chances that the list is made by, shape (n,).
        against: Those of the other list, shape (n,).
        lost: What happened, 1 or 0, shape (n,).
        value: Money that goes with the customer, shape (n,); below zero counts as zero.
        list_share: Length of both lists.
        level: Confidence of the interval.

    Examples:
        >>> gain = compare_found(np.array([0.9, 0.1]), np.array([0.1, 0.9]), np.array([1, 0]), np.array([5.0, 5.0]),
        ...                      list_share=0.5, level=0.95)
        >>> gain.point
        1.0
    """
    worth = np.maximum(np.nan_to_num(value, nan=0.0), 0.0)
    (ours, one), (theirs, other) = (_found(p * worth, lost * worth, list_share) for p in (p_lost, against))
    half = float(ndtri(0.5 + level / 2)) * float(np.sqrt(np.sum((one - other) ** 2)))
    point = ours - theirs
    return Estimate(
        point=point,
        ci_lower=point - half,
        ci_upper=point + half,
        level=level,
        unit="share",
        method="paired, linearised",
    )


def _found(expected: np.ndarray, happened: np.ndarray, list_share: float) -> tuple[float, np.ndarray]:
    """Share of what happened that the list of the most expected holds, and each customer's influence on it."""
    listed = np.zeros(len(expected), dtype=bool)
    listed[np.argsort(-expected, kind="stable")[: max(1, round(list_share * len(expected)))]] = True
    everything = float(happened.sum())
    if not everything > 0:
        return float("nan"), np.zeros(len(expected))
    share = float(happened[listed].sum()) / everything
    return share, (happened * listed - share * happened) / everything
