"""RFM scores of 1 to 5 by frozen quantile edges, comparable across months."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError

SCORES = 5
COLUMNS: Mapping[str, str] = {"r": "days_since_last_purchase", "f": "purchase_days_365d", "m": "margin_365d"}


@dataclass(frozen=True, kw_only=True)
class RfmEdges:
    """Four inner edges of each score; the ends are open. A value on an edge belongs to the side below it.

    Attributes:
        r: Days since the last purchase, ascending; few days score 5.
        f: Purchase days of 365 days, ascending.
        m: Margin of 365 days, ascending, in currency.
    """

    r: tuple[float, ...]
    f: tuple[float, ...]
    m: tuple[float, ...]

    @property
    def empty_scores(self) -> tuple[str, ...]:
        """Scores that nobody can have, because too many customers share one value, such as "f=2"."""
        places = {"r": [SCORES - k for k in range(1, SCORES - 1)], "f": [2, 3, 4], "m": [2, 3, 4]}
        edges = {"r": self.r, "f": self.f, "m": self.m}
        return tuple(
            f"{name}={score}"
            for name, own in edges.items()
            for score, low, high in zip(places[name], own[:-1], own[1:], strict=True)
            if low == high
        )


def fit_rfm_edges(days_since_last_purchase: np.ndarray, frequency: np.ndarray, margin: np.ndarray) -> RfmEdges:
    """Edges that cut the customers who have bought into fifths, as nearly as customers with equal values allow.

    Args:
        days_since_last_purchase: Days, NaN for who never bought, shape (n,).
        frequency: Purchase days of 365 days, shape (n,).
        margin: Margin of 365 days, in currency, shape (n,).

    Raises:
        DataError: Nobody bought.

    References:
        Hughes (1994), Strategic Database Marketing: quintiles of recency, frequency and money.
    """
    bought = ~np.isnan(days_since_last_purchase)
    if not bought.any():
        raise DataError(
            f"RFM edges: none of {len(bought):,} customers bought before the reference, so there is nothing to divide; "
            "name a later segments.reference in the config"
        )
    shares = np.arange(1, SCORES) / SCORES

    def edges(values: np.ndarray) -> tuple[float, ...]:
        return tuple(float(v) for v in np.quantile(values[bought], shares, method="inverted_cdf"))

    return RfmEdges(r=edges(days_since_last_purchase), f=edges(frequency), m=edges(margin))


def score_rfm(
    edges: RfmEdges, days_since_last_purchase: np.ndarray, frequency: np.ndarray, margin: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores `r`, `f`, `m` of 1 (worst) to 5, or all three 0 for who never bought; int64, each of shape (n,).

    Examples:
        >>> edges = RfmEdges(r=(7, 14, 30, 90), f=(1, 2, 4, 8), m=(100, 200, 400, 800))
        >>> scores = score_rfm(edges, np.array([3.0, 400.0, np.nan]), np.array([9, 1, 0]), np.array([150.0, -5.0, 0.0]))
        >>> [scores[name].tolist() for name in ("r", "f", "m")]
        [[5, 1, 0], [5, 1, 0], [2, 1, 0]]
    """
    bought = ~np.isnan(days_since_last_purchase)
    places = {
        "r": SCORES - np.searchsorted(edges.r, np.nan_to_num(days_since_last_purchase), side="left"),
        "f": 1 + np.searchsorted(edges.f, frequency, side="left"),
        "m": 1 + np.searchsorted(edges.m, margin, side="left"),
    }
    return {name: np.where(bought, score, 0).astype(np.int64) for name, score in places.items()}
