"""Tiers of predicted value by frozen edges, and levels of churn risk by the config's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.config.segments import RISKS, TIERS, Quantiles


@dataclass(frozen=True, kw_only=True)
class TierEdges:
    """Predicted value above which a customer is of the middle and of the high tier, in currency.

    Attributes:
        middle: Above it, middle.
        high: Above it, high.
    """

    middle: float
    high: float


def fit_tier_edges(ltv: np.ndarray, quantiles: Quantiles) -> TierEdges | None:
    """Edges over the customers who have a prediction; None where nobody has.

    Args:
        ltv: Predicted value, NaN without one, shape (n,).
        quantiles: Shares of the customers below each edge.
    """
    known = ltv[~np.isnan(ltv)]
    if not len(known):
        return None
    middle, high = np.quantile(known, [quantiles.middle, quantiles.high], method="inverted_cdf")
    return TierEdges(middle=float(middle), high=float(high))


def value_tiers(edges: TierEdges | None, ltv: np.ndarray) -> np.ndarray:
    """Tier of each customer, `none` without a prediction or without edges; object array of shape (n,).

    Examples:
        >>> value_tiers(TierEdges(middle=10, high=100), np.array([10.0, 11.0, 500.0, np.nan])).tolist()
        ['low', 'middle', 'high', 'none']
    """
    if edges is None:
        return np.full(len(ltv), TIERS[0], dtype=object)
    code = 1 + (ltv > edges.middle).astype(np.int64) + (ltv > edges.high)
    return np.array(TIERS, dtype=object)[np.where(np.isnan(ltv), 0, code)]


def risk_levels(edges: Quantiles, p_churn: np.ndarray) -> np.ndarray:
    """Risk of each customer, `unknown` without a prediction; object array of shape (n,).

    Examples:
        >>> risk_levels(Quantiles(middle=0.3, high=0.6), np.array([0.1, 0.3, 0.9, np.nan])).tolist()
        ['low', 'middle', 'high', 'unknown']
    """
    code = 1 + (p_churn >= edges.middle).astype(np.int64) + (p_churn >= edges.high)
    return np.array(RISKS, dtype=object)[np.where(np.isnan(p_churn), 0, code)]
