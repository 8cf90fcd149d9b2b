"""Cost curve: profit of the best offer per customer, ordered by gain per cost, with intervals.

A customer's offers are reduced to those on the upper hull of predicted gain over cost: from no contact to the offer of
the greatest gain per cost, from there to the dearer one of the greatest further gain per further cost, and so on while
it gains. All such steps of all customers, steepest first, are what any budget is best spent on; the budget B ends at a
price λ, the predicted gain of its last unit of money. Steps tied at λ are taken by equal parts, so that one predicted
number for everybody draws a straight line, and the order of rows changes nothing.

    gain(B)   = mean over customers of Γ_i,offer - Γ_i,0, with Γ the doubly robust scores: observed, not predicted
    influence = G_i - gain(B) - ρ · (C_i - B)

with G_i the row's effect, C_i its cost, and ρ what a unit of money earned near λ: customers who cost more than average
move the price up for all. Beyond the budget that all gainful steps cost, nothing more is spent and ρ = 0.

References:
    Sverdrup, Wu, Athey, Wager (2025), Qini Curves for Multi-Armed Treatment Rules, JCGS: the hull, its path over
    budgets and its limit; they bootstrap where this uses the influence.
    Sinha, Zoltners (1979), The Multiple-Choice Knapsack Problem, Operations Research 27: the reduction to the hull.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Figure
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.rank_kernel import hull_steps, take_steps
from netlift.evaluation.rank_weighting import Ranks
from netlift.results import Estimate, Table

ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """One budget of one model.

    Attributes:
        model: Name of the model.
        budget: Money to spend on contacts, per customer of the list.
        spent: What was spent, per customer; less than the budget where nothing more gains.
        gain: What was earned over no contact, per customer of the list.
        difference: The same less that of the model compared against, paired; None for that model itself.
        contacted: Share of customers contacted.
        price: Predicted gain of the last unit of money; 0 where money is left, infinite before any is spent.
    """

    model: str
    budget: float
    spent: float
    gain: Estimate
    difference: Estimate | None
    contacted: float
    price: float


def budget_curves(
    logged: LoggedOutcomes,
    predictions: Mapping[str, np.ndarray],
    *,
    against: str,
    cost: np.ndarray,
    budgets: Sequence[float] | np.ndarray,
) -> Table[BudgetRow]:
    """What each budget earns over no contact when each model spends it.

    Args:
        logged: Rows of randomized campaigns that the models never saw.
        predictions: Name to predicted gain of each offer over no contact, shape (n, m). The same numbers for everybody
            are contacts by chance.
        against: Name of the model that the others are compared against.
        cost: What an offer takes from the budget, not below 0, shape (m,) or (n, m), in currency.
        budgets: Per row of the list, not below 0, in currency.

    Raises:
        DataError: No model of the name to compare against; predictions or costs that are not finite or of another
            shape; costs or budgets below 0.

    Examples:
        >>> logged = LoggedOutcomes(y=np.zeros(2), arm=np.zeros(2, dtype=int), propensity=np.ones(2),
        ...                         scores=np.array([[0.0, 3.0, 4.0], [0.0, 1.0, 5.0]]), customer=np.arange(2),
        ...                         unit="EUR/customer", level=0.95)
        >>> models = {"oracle": logged.scores[:, 1:]}
        >>> rows = budget_curves(logged, models, against="oracle", cost=np.array([1.0, 2.0]), budgets=[0.5, 1.5, 9.0])
        >>> [(row.gain.point, row.spent, row.price) for row in rows]
        [(1.5, 0.5, 3.0), (4.0, 1.5, 2.5), (4.5, 2.0, 0.0)]
    """
    if against not in predictions:
        raise DataError(f"no model {against!r} to compare against; there are {', '.join(predictions)}")
    unfit = sum(not budget >= 0 for budget in budgets)
    if unfit:
        raise DataError(f"budgets: {unfit} of {len(budgets)} are below 0 or missing")
    steps = {name: _Steps.of(logged, predicted, cost) for name, predicted in predictions.items()}
    rows = []
    for budget in map(float, budgets):
        spent = {name: path.spend(budget) for name, path in steps.items()}
        for name, (gain, contacted) in spent.items():
            difference = None
            if name != against:
                difference = logged.estimate(gain - spent[against][0], f"DR, less {against}'s, paired")
            rows.append(
                BudgetRow(
                    model=name,
                    budget=budget,
                    spent=min(budget, steps[name].total),
                    gain=logged.estimate(gain, "DR, offers by gain per cost"),
                    difference=difference,
                    contacted=contacted,
                    price=steps[name].price(budget),
                )
            )
    return Table(name="value by budget", rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """Steps of all rows that cost something, and what came free.

    Attributes:
        row: Row of each step, shape (steps,).
        cost: Further cost of each step, above 0.
        effect: Further effect of each step, by the scores.
        begins: Whether the step is from no contact.
        slope: Predicted gain per cost.
        ranks: Order of the steps, weighted by what they cost.
        total: What all steps cost, per row of the list.
        free: Effect of offers that cost nothing, per row, shape (n,).
        free_contact: Whether the row is contacted at no cost, shape (n,).
        weight: Relative weight of the rows, shape (n,).
    """

    row: np.ndarray
    cost: np.ndarray
    effect: np.ndarray
    begins: np.ndarray
    slope: np.ndarray
    ranks: Ranks | None
    total: float
    free: np.ndarray
    free_contact: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, logged: LoggedOutcomes, predicted: np.ndarray, cost: np.ndarray) -> _Steps:
        gain, price = _offers(logged, predicted, cost)
        n, weight = len(logged), logged.relative_weight
        row, start, end, further_gain, further = hull_steps(gain, price)
        effect = logged.scores[row, end] - logged.scores[row, start]
        paid = further > 0
        free, free_contact = np.zeros(n), np.zeros(n, dtype=bool)
        free[row[~paid]], free_contact[row[~paid]] = effect[~paid], True
        row, start, effect = row[paid], start[paid], effect[paid]
        further, slope = further[paid], further_gain[paid] / further[paid]
        spending = weight[row] * further
        return cls(
            row=row,
            cost=further,
            effect=effect,
            begins=(start == 0),
            slope=slope,
            ranks=Ranks.of(slope, spending / spending.mean()) if len(row) else None,
            total=float(spending.sum() / n),
            free=free,
            free_contact=free_contact,
            weight=weight,
        )

    @cached_property
    def earned_by_slope(self) -> np.ndarray:
        """What a unit of money earned, by distinct slope."""
        return np.zeros(0) if self.ranks is None else self.ranks.mean(self.effect / self.cost)

    def spend(self, budget: float) -> tuple[Figure, float]:
        """Effect over no contact per row, with its influence, and the share of rows contacted."""
        ranks, n, earned = self.ranks, len(self.weight), 0.0
        moved, contacted = self.free, self.free_contact
        if ranks is not None:
            whole, part = ranks.top(min(budget / self.total, 1.0))
            if 0 < budget < self.total:
                earned = ranks.near(budget / self.total, self.earned_by_slope)
            worth = self.effect - earned * self.cost
            paid = take_steps(ranks.code, whole, part, self.row, self.begins, worth, n)
            moved, contacted = moved + paid[0], contacted + paid[1]
        mean = float(self.weight @ moved) / n
        figure = Figure(point=mean + earned * min(budget, self.total), influence=self.weight * (moved - mean))
        return figure, float(self.weight @ contacted) / n

    def price(self, budget: float) -> float:
        """Predicted gain of the last unit of money."""
        if budget >= self.total or self.ranks is None:
            return 0.0
        last = int(np.searchsorted(self.ranks.border[:-1], budget / self.total - ROUNDING)) - 1
        return math.inf if last < 0 else float(self.slope[np.argmax(self.ranks.code == last)])


def _offers(logged: LoggedOutcomes, predicted: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and cost of every offer, shape (n, m) each; what was not on offer gains minus infinity."""
    n, m = logged.scores.shape[0], logged.scores.shape[1] - 1
    if n == 0:
        raise DataError("no rows to spend a budget on; keep rows of a randomized campaign")
    cost = np.asarray(cost, dtype=np.float64)
    if predicted.shape != (n, m) or cost.shape not in ((m,), (n, m)):
        raise DataError(f"predicted gain {predicted.shape} and cost {cost.shape} do not fit {n} rows and {m} offers")
    for name, values in (("predicted gain", predicted), ("cost", cost)):
        if not np.isfinite(values).all():
            raise DataError(f"{name}: {int(np.sum(~np.isfinite(values)))} of {values.size} values are not finite")
    if (cost < 0).any():
        raise DataError(
            f"cost: {int(np.sum(cost < 0))} of {cost.size} values are below 0; a budget is spent, not earned"
        )
    return np.where(logged.available[:, 1:], predicted, -np.inf), np.broadcast_to(cost, (n, m))
