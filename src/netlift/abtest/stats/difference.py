"""Difference of one arm and control: outcome vector, covariance and money lines.

    D = mean of treated - mean of control            V = S_T / n_T + S_0 / n_0
    total of any line with weights c:  n_T c'D       standard error  n_T √(c'Vc)
    profit:  n_T (D_margin - D_reward - D_contact) - fixed cost, a known constant

Totals are for the treated customers: what the campaign brought, not what it would have brought everywhere. Several arms
taken together are `contrast(merge(arms), control)`. A line that never varies, such as a contact at a flat price, has an
interval of zero width: it is a price times a count, not a sample. That profit itself does not vary (nobody bought) is
another matter: see `verdict`, which then decides nothing.

References:
    Imbens, Rubin (2015), Causal Inference for Statistics, ch. 6: Neyman's variance, conservative for the sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from netlift.abtest.stats import skew
from netlift.abtest.stats.moments import PROFIT, Moments, weights_of
from netlift.abtest.stats.skew import Shape
from netlift.abtest.stats.spend_shape import shape_of
from netlift.errors import DataError
from netlift.results import Estimate

FEWEST = 2
"""Customers of a cell, below which nothing varies."""

LINES: Mapping[str, Mapping[str, float]] = {
    "revenue": {"revenue": 1.0},
    "margin": {"margin": 1.0},
    "reward": {"reward": 1.0},
    "contact_cost": {"contact_cost": 1.0},
}
COST: Mapping[str, float] = {"reward": 1.0, "contact_cost": 1.0}


@dataclass(frozen=True, kw_only=True)
class Money:
    """One line of the money: a total of the treated and the same per customer.

    Attributes:
        name: revenue, margin, reward, contact_cost, fixed_cost or profit.
        total: Increment over control of all treated.
        per_customer: The same per treated customer.
        raw_total: Without covariates; equal to `total` where none are used.
        treated_mean: Mean of the treated, currency per customer.
        control_mean: Mean of the control.
    """

    name: str
    total: Estimate
    per_customer: Estimate
    raw_total: Estimate
    treated_mean: float
    control_mean: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrast:
    """Difference of an arm to control, per customer.

    Attributes:
        names: Outcomes, k of them.
        difference: Shape (k,), in currency per customer.
        covariance: Of the difference, shape (k, k).
        n_treated: Customers of the arm.
        n_control: Customers of control.
        treated_mean: As seen, without adjustment, shape (k,).
        control_mean: The same of control.
        shape: How the studentized profit difference is distributed; plain where profit does not vary.
        control_cov: What the control adds to `covariance`, shape (k, k): arms that share it share this.
        method: How the difference was made, in a few words.
    """

    names: tuple[str, ...]
    difference: np.ndarray
    covariance: np.ndarray
    n_treated: int
    n_control: int
    treated_mean: np.ndarray
    control_mean: np.ndarray
    shape: Shape
    control_cov: np.ndarray
    method: str = "difference of means"

    def point(self, weights: Mapping[str, float]) -> float:
        """Difference of a line, currency per customer."""
        return float(weights_of(weights, self.names) @ self.difference)

    def cov(self, one: Mapping[str, float], other: Mapping[str, float]) -> float:
        """Covariance of the differences of two lines."""
        return float(weights_of(one, self.names) @ self.covariance @ weights_of(other, self.names))

    def se(self, weights: Mapping[str, float]) -> float:
        """Standard error of a line's difference."""
        return math.sqrt(max(self.cov(weights, weights), 0.0))

    @property
    def gamma(self) -> float:
        """Skewness of the profit difference, that of the end which it moves further."""
        return self.shape.largest

    def shape_of(self, weights: Mapping[str, float]) -> Shape:
        """Shape of a line as far as it moves with profit."""
        spread = self.se(weights) * self.se(PROFIT)
        return self.shape.along(self.cov(weights, PROFIT) / spread if spread else 0.0)


def contrast(treated: Moments, control: Moments, *, arm: str = "treated") -> Contrast:
    """Difference of means of two cells with the same figures.

    Args:
        treated: Customers assigned to the arm.
        control: Customers assigned to control.
        arm: What an error calls the arm.

    Raises:
        DataError: An arm of fewer than two customers, or cells of different figures.

    Examples:
        >>> from netlift.abtest.stats.moments import of_rows
        >>> treated = of_rows(np.array([[0.0], [12.0], [6.0]]), ("margin",))
        >>> control = of_rows(np.array([[0.0], [2.0]]), ("margin",))
        >>> contrast(treated, control).difference.tolist()
        [5.0]
    """
    refuse_small(treated, control, arm=arm)
    return Contrast(
        names=treated.names,
        difference=treated.mean - control.mean,
        covariance=treated.mean_cov + control.mean_cov,
        n_treated=treated.n,
        n_control=control.n,
        treated_mean=treated.mean,
        control_mean=control.mean,
        shape=shape_of(treated, control),
        control_cov=control.mean_cov,
    )


def refuse_small(treated: Moments, control: Moments, *, arm: str) -> None:
    """Refuse what has no variance.

    Raises:
        DataError: An arm of fewer than two customers, or cells of different figures.
    """
    if treated.names != control.names:
        raise DataError(
            f"{arm} has figures {', '.join(treated.names)}, control {', '.join(control.names)}; they must be the same"
        )
    for name, cell in ((arm, treated), ("control", control)):
        if cell.n < FEWEST:
            raise DataError(
                f"{name}: {cell.n} customer assigned; at least {FEWEST} are needed to tell an effect from chance"
            )


def money(
    contrast: Contrast, weights: Mapping[str, float], *, level: float, currency: str, fixed: float = 0.0,
    z: float | None = None,
) -> tuple[Estimate, Estimate]:  # fmt: skip
    """A line of money: the total of the treated and the same per treated customer, less a fixed cost.

    Args:
        contrast: Arm against control.
        weights: Weight of each outcome, such as `PROFIT`.
        level: Confidence of the intervals.
        currency: Unit of the total.
        fixed: Fixed cost of the arm, known without error.
        z: Normal score of the intervals in the place of the level's, such as that of all arms at once.
    """
    n = contrast.n_treated
    per_customer = skew.estimate(
        contrast.point(weights) - fixed / n, contrast.se(weights), shape=contrast.shape_of(weights), level=level, z=z,
        unit=f"{currency}/customer", method=contrast.method,
    )  # fmt: skip
    return scaled(per_customer, n, unit=currency), per_customer


def scaled(estimate: Estimate, factor: float, *, unit: str) -> Estimate:
    """An estimate times a known factor of at least zero."""
    return Estimate(
        point=estimate.point * factor, ci_lower=estimate.ci_lower * factor, ci_upper=estimate.ci_upper * factor,
        level=estimate.level, unit=unit, method=estimate.method,
    )  # fmt: skip


def money_lines(
    contrast: Contrast, *, raw: Contrast, level: float, currency: str, fixed: float = 0.0, z: float | None = None
) -> tuple[Money, ...]:
    """Revenue, margin, reward, contact_cost, fixed_cost, profit, each with the raw total beside it.

    The means of treated and control are as seen: their difference times the treated is the raw total.

    Args:
        contrast: Arm against control, adjusted where covariates are used.
        raw: The same without covariates.
        level: Confidence of the intervals.
        currency: Unit of the totals.
        fixed: Fixed cost of the arm.
        z: Normal score of the intervals in the place of the level's.
    """
    n = contrast.n_treated
    terms = _Terms(level=level, currency=currency, z=z)
    lines = [_line(name, weights, contrast, raw, terms) for name, weights in LINES.items()]
    known = Estimate(point=fixed, ci_lower=fixed, ci_upper=fixed, level=level, unit=currency, method="known")
    constant = Money(
        name="fixed_cost", total=known, per_customer=scaled(known, 1 / n, unit=f"{currency}/customer"),
        raw_total=known, treated_mean=fixed / n, control_mean=0.0,
    )  # fmt: skip
    profit = _line("profit", PROFIT, contrast, raw, terms, fixed=fixed)
    return (*lines, constant, profit)


class _Terms(TypedDict):
    level: float
    currency: str
    z: float | None


def _line(
    name: str, weights: Mapping[str, float], contrast: Contrast, raw: Contrast, terms: _Terms, *, fixed: float = 0.0
) -> Money:
    total, per_customer = money(contrast, weights, **terms, fixed=fixed)
    order = weights_of(weights, raw.names)
    return Money(
        name=name, total=total, per_customer=per_customer,
        raw_total=money(raw, weights, **terms, fixed=fixed)[0],
        treated_mean=float(order @ raw.treated_mean) - fixed / raw.n_treated,
        control_mean=float(order @ raw.control_mean),
    )  # fmt: skip
