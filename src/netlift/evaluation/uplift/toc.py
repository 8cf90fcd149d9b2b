"""Targeting operator characteristic (TOC) and its area (RATE).

    TOC(q)  mean effect among the top share q, less the mean effect of all
    AUTOC   mean of TOC(q) over q from q0 to 1: for effects that a few customers hold
    Qini    mean of q · TOC(q) over q from q0 to 1: for effects that many hold; with q0 = 0 it is `uplift.qini`

Near q = 0, TOC is the effect of a handful of rows and AUTOC their noise: a least share q0, such as the smallest that
anybody would ever contact, leaves them their part of the top q0 and no more. As rank weightings of the effects,

    AUTOC   ω(u) = (-ln max(u, q0)) / (1 - q0) - 1
    Qini    ω(u) = (1 - max(u, q0)) / (1 - q0) - (1 + q0) / 2

both of which have exactly zero for a constant score. grf averages the same over a grid of q from .1 to 1.

References:
    Yadlowsky, Fleming, Shah, Brunskill, Wager (2025), Evaluating Treatment Prioritization Rules via Rank-Weighted
    Average Treatment Effects, JASA, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import entr

from netlift.errors import DataError
from netlift.evaluation.rank_weighting import Weighting
from netlift.evaluation.uplift.metrics import ScoredModel
from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class TopShare:
    """Those ranked highest, against all.

    Attributes:
        share: Of the rows, by weight.
        effect: Mean effect among them.
        above_average: The same less the mean effect of all: TOC.
    """

    share: float
    effect: Estimate
    above_average: Estimate


def rate(
    scored: ScoredModel, predicted: np.ndarray, *, weighting: Literal["autoc", "qini"] = "autoc", least_q: float
) -> Estimate:
    """Average advantage of contacting the best-ranked first.

    Args:
        scored: Rows with their effects.
        predicted: Predicted uplift, shape (n,); only its order matters.
        weighting: Every share alike, or each in proportion to its size.
        least_q: Smallest share that counts, in [0, 1).

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 0.0]), customer=np.arange(2), unit="EUR", level=0.95)
        >>> round(rate(rows, np.array([2.0, 1.0]), least_q=0.0).point, 4)  # 2 to the half, then 2/q - 2: 2·ln 2
        1.3863
        >>> rate(rows, np.array([1.0, 1.0]), least_q=0.1).point
        0.0
    """
    heights = rate_weighting(weighting, least_q)
    return scored.estimate(scored.rank(predicted).weighted(heights), heights.method)


def rate_difference(
    scored: ScoredModel,
    predicted: np.ndarray,
    against: np.ndarray,
    *,
    weighting: Literal["autoc", "qini"] = "autoc",
    least_q: float,
) -> Estimate:
    """RATE of one predicted uplift above another's, paired on the same rows."""
    heights = rate_weighting(weighting, least_q)
    figure = scored.rank(predicted).weighted(heights) - scored.rank(against).weighted(heights)
    return scored.estimate(figure, f"difference of {heights.method}, paired")


def toc(scored: ScoredModel, predicted: np.ndarray, shares: Sequence[float]) -> Table[TopShare]:
    """The targeting operator characteristic at given shares, in (0, 1].

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> [row.above_average.point for row in toc(rows, np.array([9.0, 5.0, 1.0, 0.0]), [0.25, 0.5, 1.0])]
        [2.5, 1.5, 0.0]
    """
    ranked = scored.rank(predicted)
    mean = ranked.mean()
    rows = []
    for share in shares:
        top = ranked.top(share)
        rows.append(
            TopShare(
                share=share,
                effect=scored.estimate(top, f"mean effect among the top {share:.0%}"),
                above_average=scored.estimate(top - mean, f"top {share:.0%} less all"),
            )
        )
    return Table(name="top shares", rows=tuple(rows))


def rate_weighting(weighting: Literal["autoc", "qini"], least_q: float) -> Weighting:
    """The weighting behind a RATE.

    Raises:
        DataError: A least share outside [0, 1).
    """
    if not 0 <= least_q < 1:
        raise DataError(f"least share {least_q} must be in [0, 1)")
    words = f" over shares from {least_q:.0%}" if least_q else ""
    return _autoc(least_q, words) if weighting == "autoc" else _qini(least_q, words)


def _autoc(q: float, words: str) -> Weighting:
    rest = 1 - q
    head = -(math.log(q) + rest) if q else 0.0
    return Weighting(
        method=f"AUTOC: mean of TOC(q){words}",
        height=lambda u: -np.log(np.maximum(u, q)) / rest - 1,
        area=lambda u: np.where(u <= q, u * head, entr(u) - q * (1 - u)) / rest,
    )


def _qini(q: float, words: str) -> Weighting:
    rest = 1 - q
    return Weighting(
        method=f"Qini: mean of q x TOC(q){words}",
        height=lambda u: (1 - np.maximum(u, q)) / rest - (1 + q) / 2,
        area=lambda u: np.where(u <= q, u * rest**2, (1 - u) * (u - q**2)) / (2 * rest),
    )
