"""Trade-off of the control's size: precision in money against the profit that its customers forgo.

Precision, skewness and chances are those of `abtest.design.power`, for the arm that is told least of. Numbers per
customer shrink with the root of the customers and so does gamma, so a control of a given share stops leaning when the
whole test grows as gamma squared; a larger share does it with the customers that there are.

References:
    Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7(1):
        covariates that explain a share R² of the variance narrow an interval by √(1 - R²).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from netlift.abtest.design.power import (
    MOST_CUSTOMERS,
    ArmSizes,
    Spread,
    chance_of_made_money,
    gamma_of,
    half_width,
    spread_of,
)
from netlift.abtest.stats import sequential, skew
from netlift.abtest.stats.moments import Moments

Lean = Literal["fine", "corrected", "too_small"]
LARGEST_CONTROL, STEPS = 0.5, 1000
FEWEST = 2
MOST_EXPLAINED = 0.99


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is known before the test, and what it is to tell.

    Attributes:
        spread: How profit varied between customers of the past.
        weights: How the arms share what control leaves, by arm; in all 1.
        level: Confidence of each interval, with every correction for arms and looks: see `joint_level`.
        explained: Share of the variance that pre-period figures explain, at least 0 and below 1.
        fixed_cost: Of the campaign.
        half_width: Wanted half-width of profit, currency per treated customer; None where it is no aim.
        expected: Profit per treated customer that is assumed, before fixed cost; None where nothing is.
        chance: Wanted chance of the verdict "made money" under it; None where it is no aim.
    """

    spread: Spread
    weights: Mapping[str, float]
    level: float
    explained: float = 0.0
    fixed_cost: float = 0.0
    half_width: float | None = None
    expected: float | None = None
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What a test of some size with some control buys and costs, for the arm that is told least of.

    Attributes:
        control_share: Chance of getting nothing.
        customers: Everybody in the test.
        control: Of them, in control.
        half_width: Of profit, currency per treated customer, with pre-period figures, as a readout gives it.
        half_width_raw: The same without them.
        half_width_total: Of the profit of all treated.
        chance: Of the verdict "made money"; None where no effect is assumed.
        holdout_cost: Profit that control gives up if the assumption is true; None where there is none.
        gamma: Skewness of the difference.
        lean: Whether that is harmless, corrected for, or too large to be corrected.
    """

    control_share: float
    customers: int
    control: int
    half_width: float
    half_width_raw: float
    half_width_total: float
    chance: float | None
    holdout_cost: float | None
    gamma: float
    lean: Lean

    def meets(self, setup: Setup) -> bool:
        """Whether it tells what was asked, without leaning."""
        wide = setup.half_width is not None and self.half_width > setup.half_width
        unlikely = setup.chance is not None and (self.chance or 0.0) < setup.chance
        return not wide and not unlikely and self.lean != "too_small"


def joint_level(level: float, *, arms: int, looks: int) -> float:
    """Confidence of one interval at the last look such that those of all arms over all looks hold together.

    Bonferroni over arms: the readout's own joint intervals are a little narrower.

    Examples:
        >>> round(joint_level(0.95, arms=1, looks=1), 4), round(joint_level(0.95, arms=2, looks=4), 4)
        (0.95, 0.9775)
    """
    one = 1 - (1 - level) / arms
    bound = sequential.bounds([(k + 1) / looks for k in range(looks)], level=one)[-1]
    return float(2 * ndtr(bound) - 1)


def clustered_spread(past: Moments) -> Spread:
    """Spread of past profit; where customers are drawn by cluster, that of clusters told per customer."""
    spread = spread_of(past)
    if past.cluster_cov is None:
        return spread
    clustered = spread_of(replace(past, cov=past.cluster_cov))
    return Spread(sd=clustered.sd, skewness=spread.skewness * (spread.sd / clustered.sd) ** 3)


def measure(setup: Setup, *, customers: int, control_share: float) -> Precision:
    """Precision and price of a test of so many customers with such a control."""
    n_0 = max(FEWEST, round(customers * control_share))
    treated = max(FEWEST, customers - n_0)
    splits = {
        arm: ArmSizes(n_treated=max(FEWEST, round(treated * weight)), n_control=n_0)
        for arm, weight in setup.weights.items()
    }
    left = math.sqrt(1 - setup.explained)
    spread = Spread(sd=setup.spread.sd * left, skewness=setup.spread.skewness)
    widths = {arm: half_width(spread, split, level=setup.level) for arm, split in splits.items()}
    worst = max(widths, key=lambda arm: widths[arm])
    gamma = max((gamma_of(spread, split) for split in splits.values()), key=abs)
    expected, chance = setup.expected, None
    if expected is not None:
        chance = min(
            chance_of_made_money(
                spread, split, profit=expected, fixed=setup.fixed_cost * setup.weights[arm], level=setup.level
            )
            for arm, split in splits.items()
        )
    return Precision(
        control_share=control_share,
        customers=customers,
        control=n_0,
        half_width=widths[worst],
        half_width_raw=widths[worst] / left,
        half_width_total=widths[worst] * splits[worst].n_treated,
        chance=chance,
        holdout_cost=None if expected is None else n_0 * expected,
        gamma=gamma,
        lean=_lean(gamma),
    )


def customers_needed(setup: Setup, *, control_share: float) -> int | None:
    """Smallest test that meets the aims without leaning; None where none of ten billion does.

    Examples:
        >>> setup = Setup(spread=Spread(sd=20.0, skewness=0.0), weights={"sms": 1.0}, level=0.95, half_width=0.5)
        >>> customers_needed(setup, control_share=0.5)
        24586
    """
    smallest = min(control_share, *((1 - control_share) * weight for weight in setup.weights.values()))
    return _first(
        lambda n: measure(setup, customers=n, control_share=control_share).meets(setup),
        least=math.ceil(FEWEST / smallest),
    )


def customers_for_balance(setup: Setup, *, control_share: float) -> int:
    """Smallest test whose difference does not lean beyond what can be corrected, whatever else it is to tell."""
    free = replace(setup, half_width=None, chance=None)
    return customers_needed(free, control_share=control_share) or MOST_CUSTOMERS


def control_needed(setup: Setup, *, customers: int) -> float | None:
    """Smallest share of control, to a thousandth and up to half, that meets the aims with these customers, or None.

    The smallest is the cheapest: every customer in control gives up the profit of a contact.
    """
    shares = (k / STEPS for k in range(1, int(STEPS * LARGEST_CONTROL) + 1))
    return next((s for s in shares if measure(setup, customers=customers, control_share=s).meets(setup)), None)


def balanced_control(setup: Setup, *, customers: int) -> float | None:
    """Smallest share of control, to a thousandth, at which the difference does not lean too far; None without one."""
    return control_needed(replace(setup, half_width=None, chance=None), customers=customers)


def profit_proven(setup: Setup, *, customers: int, control_share: float, chance: float) -> float:
    """Smallest profit per treated customer, before fixed cost, whose verdict is "made money" with a chance.

    Args:
        setup: What is known before the test.
        customers: Everybody in it.
        control_share: Share of control.
        chance: Between 0.5 and 1.

    Examples:
        >>> setup = Setup(spread=Spread(sd=20.0, skewness=0.0), weights={"sms": 1.0}, level=0.95)
        >>> round(profit_proven(setup, customers=10_000, control_share=0.5, chance=0.8), 2)  # (1.96 + 0.84) x 0.4
        1.12
    """

    def short(profit: float) -> float:
        found = measure(replace(setup, expected=profit), customers=customers, control_share=control_share)
        return (found.chance or 0.0) - chance

    high = setup.spread.sd
    while short(high) < 0:
        high *= 2
    return float(brentq(short, 0.0, high, xtol=1e-9 * high))


def explained_share(outcome: np.ndarray, covariates: np.ndarray, *, fold: np.ndarray) -> float:
    """Share of an outcome's variance that a linear prediction explains for customers it was not fitted on, 0 to .99.

    Args:
        outcome: Shape (n,).
        covariates: Shape (n, k).
        fold: Which half a customer is in, bool, shape (n,): each half is predicted by the other.

    Examples:
        >>> x = np.arange(20.0)
        >>> round(explained_share(3 * x, x[:, None], fold=np.arange(20) % 2 == 0), 3)
        0.99
    """
    spread = float(np.sum((outcome - outcome.mean()) ** 2))
    scale = covariates.std(axis=0)
    centred = (covariates - covariates.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    design = np.column_stack([np.ones(len(outcome)), centred])
    if spread == 0 or min(fold.sum(), (~fold).sum()) <= design.shape[1]:
        return 0.0
    error = 0.0
    for half in (fold, ~fold):
        coefficients = np.linalg.lstsq(design[~half], outcome[~half], rcond=None)[0]
        error += float(np.sum((outcome[half] - design[half] @ coefficients) ** 2))
    return min(max(0.0, 1 - error / spread), MOST_EXPLAINED)


def _lean(gamma: float) -> Lean:
    if abs(gamma) > skew.LARGE:
        return "too_small"
    return "corrected" if skew.used(gamma) else "fine"


def _first(holds: Callable[[int], bool], *, least: int) -> int | None:
    """Smallest number from `least` on at which something holds that holds ever after; None up to ten billion."""
    low, high = least - 1, least
    while not holds(high):
        if high >= MOST_CUSTOMERS:
            return None
        low, high = high, min(2 * high, MOST_CUSTOMERS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


__all__ = [
    "Lean", "Precision", "Setup", "balanced_control", "clustered_spread", "control_needed", "customers_for_balance",
    "customers_needed", "explained_share", "joint_level", "measure", "profit_proven",
]  # fmt: skip
