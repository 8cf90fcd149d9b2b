"""Lagrangian dual of an allocation: prices of limits, and each customer's option under them.

For prices p ≥ 0, one per upper limit and one per minimum, no allocation earns more than

    g(p) = Σ_k p_k · bound_k + Σ_i max(0, max_a value_ia - Σ_k p_k · usage_k,ia)

so any p is a certificate, and the smallest g is the optimum of the linear relaxation. Minimums enter as upper limits of
negative usage. One pass over the customers gives g and its slope: the bounds less what the customers then take.

References:
    Everett (1963), Generalized Lagrange Multiplier Method for Solving Problems of Optimum Allocation of Resources,
    Operations Research 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from netlift.decisions.allocation.problem import Problem
from netlift.decisions.allocation.result import Price

NONE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Prices:
    """What the customers are charged when they choose: a policy that is a function of the customer alone.

    Attributes:
        money: Charge for a unit of money spent on a customer's own cost.
        per_option: Charge for each option, negative where a minimum pays for it, shape (m,).
    """

    money: float
    per_option: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Side:
    """A row of the dual: an upper limit, or a minimum as an upper limit of negative usage."""

    limit: int
    sign: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Dual:
    """The function g of one problem.

    Attributes:
        problem: What is to be allocated.
        worth: 1, or 0 to leave values out and ask of the limits alone whether they can be met.
    """

    problem: Problem
    worth: float = 1.0

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """The rows that have a price, upper limits and minimums."""
        most, least = self.problem.most, self.problem.least
        upper = [Side(limit=k, sign=1.0) for k in range(len(most)) if np.isfinite(most[k])]
        return (*upper, *(Side(limit=k, sign=-1.0) for k in range(len(least)) if least[k] > 0))

    @cached_property
    def bounds(self) -> np.ndarray:
        """Right-hand side of each row, shape (rows,)."""
        most, least = self.problem.most, self.problem.least
        return np.array([most[side.limit] if side.sign > 0 else -least[side.limit] for side in self.sides])

    @cached_property
    def scale(self) -> np.ndarray:
        """Typical usage of one customer in each row, so that prices become comparable, shape (rows,)."""
        own, typical = self.problem.own_cost, []
        for side in self.sides:
            usage = self.problem.usage[side.limit]
            some = usage[usage > 0]
            if side.limit == len(self.problem.limits) and len(own):
                some = own[:: max(1, len(own) // 10_000)]
                some = some[some > 0]
            typical.append(float(some.mean()) if some.size else 1.0)
        return np.array(typical)

    def charges(self, p: np.ndarray) -> Prices:
        """What customers are charged at row prices p, shape (rows,)."""
        signed = np.zeros(len(self.problem.most))
        for side, price in zip(self.sides, p, strict=True):
            signed[side.limit] += side.sign * price
        return Prices(money=float(signed[-1]), per_option=signed @ self.problem.usage)

    def evaluate(self, p: np.ndarray) -> tuple[float, np.ndarray]:
        """The bound at row prices p, and its slope, shape (rows,)."""
        problem, prices = self.problem, self.charges(p)
        best, counts, spent = _sum_best(problem.net, problem.own_cost, prices.per_option, prices.money, self.worth)
        used = problem.usage @ counts
        used[-1] += spent
        slope = self.bounds - np.array([side.sign * used[side.limit] for side in self.sides])
        return float(p @ self.bounds + best), slope

    def report(self, p: np.ndarray, used: np.ndarray) -> tuple[Price, ...]:
        """The prices in the reader's words.

        Args:
            p: Price of each row, shape (rows,).
            used: What the allocation uses of each limit, the budget last, shape (limits + 1,).
        """
        rows = []
        largest = float(np.max(p * self.scale, initial=0.0))
        for side, price, bound, scale in zip(self.sides, p, self.bounds, self.scale, strict=True):
            taken, limit = float(used[side.limit]), float(side.sign * bound)
            rows.append(
                Price(
                    name=self.problem.names[side.limit],
                    side="most" if side.sign > 0 else "least",
                    bound=limit,
                    used=taken,
                    slack=float(side.sign * (limit - taken)) + 0.0,
                    price=float(price),
                    binding=bool(price * scale > 1e-6 * largest),
                )
            )
        return tuple(rows)


def choose_by_prices(value: np.ndarray, cost: np.ndarray, eligible: np.ndarray | None, prices: Prices) -> np.ndarray:
    """The option that each customer gains most by under fixed prices, shape (n,); -1 where none gains.

    It depends on the customer's own row alone, as an off-policy judgement needs. Ties go to the first option.

    Args:
        value: Expected profit, shape (n, m); minus infinity where not eligible.
        cost: What an option takes from the budget, shape (n, m) or (m,).
        eligible: Where an option may be given, shape (n, m); None where `value` says it all.
        prices: Of an `Allocation`.

    Examples:
        >>> prices = Prices(money=1.0, per_option=np.array([0.0, 2.0]))
        >>> choose_by_prices(np.array([[3.0, 5.0], [0.5, 0.0]]), np.array([[1.0, 2.0], [1.0, 1.0]]), None, prices)
        array([ 0, -1], dtype=int16)
    """
    problem = Problem(value=value, cost=cost, eligible=eligible, budget=None if cost.ndim == 1 else 0.0)
    return choose(problem, prices)


def choose(problem: Problem, prices: Prices) -> np.ndarray:
    """The option that each customer gains most by, shape (n,); -1 where none gains."""
    return _choose_best(problem.net, problem.own_cost, prices.per_option, prices.money)


@njit(cache=True, nogil=True)
def _sum_best(
    value: np.ndarray, cost: np.ndarray, charge: np.ndarray, money: float, worth: float
) -> tuple[float, np.ndarray, float]:
    """Sum of what customers gain at best, customers per option, and their own costs.

    With `worth` 0, values that are minus infinity become NaN, which is never the largest.
    """
    n, m = value.shape
    own = len(cost) > 0
    total, spent = 0.0, 0.0
    counts = np.zeros(m)
    for i in range(n):
        best, at = 0.0, -1
        for a in range(m):
            gain = worth * value[i, a] - charge[a]
            if own:
                gain -= money * cost[i, a]
            if gain > best:
                best, at = gain, a
        if at >= 0:
            total += best
            counts[at] += 1
            if own:
                spent += cost[i, at]
    return total, counts, spent


@njit(cache=True, nogil=True)
def _choose_best(value: np.ndarray, cost: np.ndarray, charge: np.ndarray, money: float) -> np.ndarray:
    n, m = value.shape
    own = len(cost) > 0
    choice = np.full(n, -1, dtype=np.int16)
    for i in range(n):
        best = 0.0
        for a in range(m):
            gain = value[i, a] - charge[a]
            if own:
                gain -= money * cost[i, a]
            if gain > best:
                best = gain
                choice[i] = a
    return choice
