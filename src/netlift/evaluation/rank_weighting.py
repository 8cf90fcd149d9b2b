"""Rank-weighted average effects, with exact ties and any weights.

With u the share of customers ranked above, every figure here is the integral of Γ(u)·ω(u) over u, for a weighting ω
with area W(u), the integral of ω from 0 to u. Rows tied from share a to share b get (W(b) - W(a)) / (b - a) each: the
mean over all ways to break the tie. Where W(0) = W(1) = 0, a constant score has exactly zero.

The influence of row i of group h, whose mean effect is m_h and which ends at share b_h:

    (Γ_i - m_h) (W(b_h) - W(a_h)) / (b_h - a_h)  +  m_h ω(b_h)  +  sum over groups g below h of m_g (ω(b_g) - ω(a_g))

less its mean. The first part is the row's own effect; the others are what it does to the ranks of those below it.

References:
    Yadlowsky, Fleming, Shah, Brunskill, Wager (2025), Evaluating Treatment Prioritization Rules via Rank-Weighted
    Average Treatment Effects, JASA: section 2 for the weightings, section 3 for asymptotic linearity.
    Langel, Tillé (2013), Variance Estimation of the Gini Index: Revisiting a Result Several Times Published, JRSS A.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Figure
from netlift.evaluation.rank_kernel import order_groups, sum_groups, top_influence, weighted_effects

ROUNDING = 1e-9  # of a border between groups: one that a window only touches is outside it


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Rows in the order of a score, highest first; equal scores are one group.

    Attributes:
        code: Group of each row, 0 for the highest score, shape (n,).
        held: Weight of each group, shape (groups,).
        weight: Weight of each row, mean 1, shape (n,).
    """

    code: np.ndarray
    held: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, weight: np.ndarray) -> Ranks:
        """Rank a score with weights of mean 1, all positive, shape (n,) each; sorts once."""
        code, held = order_groups(np.asarray(score, dtype=np.float64), weight)
        return cls(code=code, held=held, weight=weight)

    @cached_property
    def border(self) -> np.ndarray:
        """Shares of the weight at the borders of the groups, from 0 to 1, shape (groups + 1,)."""
        above = np.cumsum(self.held)
        return np.concatenate([[0.0], above / above[-1]])

    @cached_property
    def mass(self) -> np.ndarray:
        """Share of the weight in each group, shape (groups,)."""
        return np.diff(self.border)

    @property
    def middle(self) -> np.ndarray:
        """Share above each group and half of itself, shape (groups,)."""
        return (self.border[1:] + self.border[:-1]) / 2

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of the values, shape (n,), in each group, shape (groups,)."""
        return np.asarray(sum_groups(self.code, values, self.weight, len(self.held)) / self.held)

    def top(self, share: float) -> tuple[int, float]:
        """Groups that are among the top share whole, and how much of the next one is, in [0, 1)."""
        whole = int(np.searchsorted(self.border[1:], share, side="right"))
        if whole == len(self.held):
            return whole, 0.0
        return whole, float((share - self.border[whole]) / self.mass[whole])

    def near(self, share: float, means: np.ndarray) -> float:
        """Mean of the groups' means near the border of the top share; the window shrinks as n to the -1/3."""
        width = 0.5 * len(self.code) ** (-1 / 3) - ROUNDING
        first = int(np.searchsorted(self.border[1:], share - width, side="right"))
        last = int(np.searchsorted(self.border[:-1], share + width, side="left"))
        first, last = min(first, len(means) - 1), max(last, first + 1)
        return float(np.average(means[first:last], weights=self.mass[first:last]))


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """How much an effect counts by the share ranked above it.

    Attributes:
        method: The figure in words.
        height: ω(u), for u in (0, 1]; continuous.
        area: W(u), its integral from 0, for u in [0, 1].
    """

    method: str
    height: Callable[[np.ndarray], np.ndarray]
    area: Callable[[np.ndarray], np.ndarray]


QINI = Weighting(
    method="Qini: mean of effect x (1/2 - rank share)", height=lambda u: 0.5 - u, area=lambda u: u * (1 - u) / 2
)
AUUC = Weighting(
    method="AUUC: mean of effect x (1 - rank share)", height=lambda u: 1.0 - u, area=lambda u: u * (1 - u / 2)
)


@dataclass(frozen=True, kw_only=True)
class RankedEffects:
    """Effects of rows along the order of a predicted uplift: what all figures of one model are made of.

    Attributes:
        effects: Effect scores, shape (n,).
        predicted: Predicted uplift, shape (n,).
        ranks: Their order.
    """

    effects: np.ndarray
    predicted: np.ndarray
    ranks: Ranks

    @cached_property
    def means(self) -> np.ndarray:
        """Mean effect of each group of equal predictions, shape (groups,)."""
        return self.ranks.mean(self.effects)

    def mean(self) -> Figure:
        """Mean effect of all."""
        weight = self.ranks.weight
        point = float(weight @ self.effects) / len(weight)
        return Figure(point=point, influence=weight * (self.effects - point))

    def weighted(self, weighting: Weighting) -> Figure:
        """The rank-weighted mean effect."""
        ranks, border = self.ranks, self.ranks.border
        area, height = np.stack([border, weighting.area(border)]), weighting.height(border[1:])
        point, influence = weighted_effects(self.effects, ranks.weight, ranks.code, self.means, area, height)
        return Figure(point=point, influence=influence)

    def top(self, share: float) -> Figure:
        """Mean effect among the top share, rows tied at the border by equal parts.

        The border is an estimate too: a row that enters the top pushes out one whose effect is that near the border.

        Raises:
            DataError: A share outside (0, 1].
        """
        if not 0 < share <= 1:
            raise DataError(f"share {share} must be in (0, 1]")
        ranks, means = self.ranks, self.means
        whole, part = ranks.top(share)
        border = ranks.near(share, means) if share < 1 else 0.0
        total = float(means[:whole] @ ranks.mass[:whole])
        if part:
            total += float(part * means[whole] * ranks.mass[whole])
        influence = top_influence(self.effects, ranks.weight, ranks.code, whole, part, border)
        return Figure(point=total / share, influence=influence / share)


def relative_weights(weight: np.ndarray | None, n: int) -> np.ndarray:
    """Weights of mean 1, shape (n,); ones where there are none.

    Raises:
        DataError: A weight that is missing, infinite or not above 0, or not one for each row.

    Examples:
        >>> relative_weights(np.array([1.0, 3.0]), 2)
        array([0.5, 1.5])
    """
    if weight is None:
        return np.ones(n)
    weight = np.asarray(weight, dtype=np.float64)
    unfit = int(np.sum(~((weight > 0) & np.isfinite(weight))))
    if weight.shape != (n,) or unfit:
        raise DataError(
            f"weight: shape {weight.shape} with {unfit} values that are not above 0 and finite, need ({n},); "
            "leave out rows of no weight"
        )
    return weight / weight.mean()
