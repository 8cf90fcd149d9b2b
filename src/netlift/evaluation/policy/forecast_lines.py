"""Calibration of predicted profit by group of contacts, and totals with full error.

A group is who was chosen in one way: by the policy, or by lot. With K_g contacts of a launch in group g, S_g the sum
of their predictions, and d = a_g + b_g x the group's line,

    total = Σ_g (K_g a_g + S_g b_g)        variance = c' V c + Σ_g K_g s²_g,    c = (K_1, S_1, K_2, S_2, …)

Contacts that were chosen for their predictions are predicted too high by the luck of the choice and never too low by
it, so their line may take off of the sum of their predictions and not add to it: K_g a_g + S_g b_g counts up to S_g.
What a line would add beyond stands in the upper end of the total's interval alone.

V is the covariance of all coefficients, clustered by customer; it ties the groups together, since they were fitted on
the same rows. It is shared by all contacts, so it does not average out. Two things that more customers do not take off
are in it beside: by how much campaigns differ (the launch is one more campaign, the same for all groups), and how far a
group's line was drawn towards the others'. s²_g is what one customer's profit varies by chance, with and without the
contact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import interval_half, make_estimate
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLine:
    """A line with what each row of its fit does to it.

    Attributes:
        intercept: Effect where none is predicted.
        slope: Effect per unit predicted.
        influence: Of each row on intercept and slope, shape (n, 2).
        customer: Code of the row's customer, shape (n,).
        own_noise: Variance of a customer's profit with a contact plus that without.
        drift: Variance of the slope from one campaign to another, as it bears on one more.
        apart: Variance of the slope that is this group's alone and that its rows do not tell.
    """

    intercept: float
    slope: float
    influence: np.ndarray
    customer: np.ndarray
    own_noise: float
    drift: float = 0.0
    apart: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """Lines of g groups of contacts.

    Attributes:
        coefficients: Intercept and slope of each group, shape (g, 2).
        covariance: Of all coefficients in their order, shape (2 g, 2 g); NaN where nothing is known.
        own_noise: Variance that each contact of a group adds to a total by itself, shape (g,).
        level: Confidence of intervals.
        chosen: Groups whose contacts were chosen for their predictions, bool, shape (g,): no line raises
            what they are promised to earn together.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    own_noise: np.ndarray
    level: float
    chosen: np.ndarray

    @classmethod
    def of(cls, fitted: Sequence[FittedLine], *, level: float, chosen: Sequence[bool]) -> Lines:
        """Lines fitted on rows of the same customers, one group each; `chosen` as the attribute."""
        who, code = np.unique(np.concatenate([line.customer for line in fitted]), return_inverse=True)
        parts, first = [], 0
        for line in fitted:
            own = code[first : first + len(line.customer)]
            first += len(own)
            parts += [np.bincount(own, weights=one, minlength=len(who)) / len(own) for one in line.influence.T]
        each = np.stack(parts)
        few = len(who) < 2
        covariance = np.full((len(each),) * 2, np.nan) if few else each @ each.T * len(who) / (len(who) - 1)
        common = np.sqrt([line.drift for line in fitted])
        covariance[1::2, 1::2] += np.outer(common, common) + np.diag([line.apart for line in fitted])
        return cls(
            coefficients=np.array([(line.intercept, line.slope) for line in fitted]),
            covariance=covariance,
            own_noise=np.array([line.own_noise for line in fitted]),
            level=level,
            chosen=np.array(chosen, dtype=bool),
        )

    def correct(self, predicted: np.ndarray, group: np.ndarray) -> np.ndarray:
        """What predictions are expected to be worth.

        Args:
            predicted: Predictions, shape (k,).
            group: Group of each, shape (k,).
        """
        return np.asarray(self.coefficients[group, 0] + self.coefficients[group, 1] * predicted)

    def half_width(self, predicted: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Half of the interval of the expected worth of each prediction, shape (k,); NaN where nothing is known."""
        at = 2 * group
        a, ab, b = (self.covariance[at + i, at + j] for i, j in ((0, 0), (0, 1), (1, 1)))
        variance = np.maximum(a + 2 * ab * predicted + b * predicted**2, 0.0)
        return np.asarray(interval_half(1.0, self.level) * np.sqrt(variance))

    def errors(self, predicted: np.ndarray, group: np.ndarray) -> tuple[float, float]:
        """Standard errors of a total: of the lines, NaN where nothing is known, and of what customers do by chance."""
        counts, sums = self._sums(predicted, group)
        both = np.column_stack([counts, sums]).ravel()
        shared = float(both @ self.covariance @ both) if len(predicted) else 0.0  # nobody contacted: nothing to err in
        return float(np.sqrt(np.maximum(shared, 0.0))), math.sqrt(float(counts @ self.own_noise))

    def total(
        self, predicted: np.ndarray, group: np.ndarray, *, unit: str, method: str, beside: float = 0.0
    ) -> Estimate:
        """What contacts are expected to earn in all.

        Args:
            predicted: Their predictions, shape (k,).
            group: Group of each, shape (k,).
            unit: Of the total.
            method: How the lines came about, in words.
            beside: Currency that is added as it stands, such as costs that have changed since.

        Raises:
            DataError: Predictions that are not finite.
        """
        unknown = int(np.sum(~np.isfinite(predicted)))
        if unknown:
            raise DataError(f"launch: {unknown} of {len(predicted)} predictions are not finite; forecast what is known")
        counts, sums = self._sums(predicted, group)
        worth = counts * self.coefficients[:, 0] + sums * self.coefficients[:, 1]
        added = np.where(self.chosen, np.maximum(worth - sums, 0.0), 0.0)
        point = float((worth - added).sum()) + beside
        half = interval_half(math.hypot(*self.errors(predicted, group)), self.level)
        found = make_estimate(point, half, level=self.level, unit=unit, method=method)
        return replace(found, ci_upper=found.ci_upper + float(added.sum()))

    def _sums(self, predicted: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Contacts and their predictions added up, by group, both shape (g,)."""
        g = len(self.coefficients)
        return (
            np.bincount(group, minlength=g).astype(np.float64),
            np.bincount(group, weights=predicted.astype(np.float64), minlength=g),
        )


__all__ = ["FittedLine", "Lines"]
