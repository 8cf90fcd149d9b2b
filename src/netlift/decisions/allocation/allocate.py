"""Allocation: at most one option per customer for the most profit under all limits, with a duality gap.

Prices first (level bundle on the dual), then exactly those near a tie (linear program), then repair to whole customers;
where that leaves a gap and the program is small, whole numbers exactly. The certificate is the dual bound:

    gap = (bound - profit) / |bound|

No allocation earns more than the bound, whatever method found it.

References:
    Fisher (1981), The Lagrangian Relaxation Method for Solving Integer Programming Problems, Management Science 27.
    Kellerer, Pferschy, Pisinger (2004), Knapsack Problems, chapter 11: multiple-choice knapsack, the relaxation leaves
    at most as many customers divided as there are limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netlift.decisions.allocation.bundle_method import Effort, Lowest, minimise
from netlift.decisions.allocation.dual import NONE, Dual, Prices
from netlift.decisions.allocation.exact_programs import solve_relaxed, solve_whole
from netlift.decisions.allocation.near_ties import Undecided, margins, near_ties, open_entries
from netlift.decisions.allocation.problem import Problem
from netlift.decisions.allocation.repair import Repaired, repair
from netlift.decisions.allocation.result import Price
from netlift.errors import GateRefusedError
from netlift.results import format_number

TOLERANCE = 1e-7
MOST_EVALUATIONS = 1_000
GAP_WANTED = 1e-5
POLISHES = 3
MOST_ENTRIES = 4_000
NEAR, FAR = 20.0, 1e3
EQUAL = 1e-10
ROUNDING = 1e-6  # %, below which a gap is that of floating point


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation:
    """Who gets what, what it earns, and how far from the best possible that may be.

    Attributes:
        choice: Option of each customer, -1 for none, shape (n,).
        profit: Sum of the chosen values, in currency.
        bound: No allocation within the limits earns more than this, in currency.
        gap: (bound - profit) / |bound|; 0 where both are 0.
        prices: What each limit is worth at the margin.
        charges: The same prices as charges to the customer, for `choose_by_prices`.
        used: Name of each limit to what is used of it; "budget" to what is spent where there is one.
        spent: Sum of the chosen costs, in currency.
        row_prices: Price of each row of the dual, to start a similar problem from, shape (rows,).
    """

    choice: np.ndarray
    profit: float
    bound: float
    gap: float
    prices: tuple[Price, ...]
    charges: Prices
    used: dict[str, float]
    spent: float
    row_prices: np.ndarray

    def __str__(self) -> str:
        given = int(np.count_nonzero(self.choice >= 0))
        return (
            f"{format_number(self.profit)} from {given:,} of {len(self.choice):,} customers, "
            f"at most {max(100 * self.gap, ROUNDING):.2g} % below the best possible"
        )


def allocate(problem: Problem, *, start: np.ndarray | None = None) -> Allocation:
    """Choose at most one option for each customer; the same problem gives the same choice.

    Args:
        problem: Values, costs and limits.
        start: `row_prices` of a similar problem with the same limits, to begin from; None to begin at no prices.

    Raises:
        GateRefusedError: Limits that cannot be met together, named; minimums that whole customers cannot reach.

    Examples:
        >>> from netlift.decisions.allocation.problem import Limit
        >>> best = allocate(Problem(value=np.array([[3.0, 5.0], [2.0, 4.5], [1.0, 4.0]]), cost=np.zeros(2),
        ...                         limits=(Limit(name="offer B", options=(1,), most=2),)))
        >>> best.choice, best.profit, best.bound
        (array([0, 1, 1], dtype=int16), 11.5, 11.5)
        >>> print(best.prices[0])
        offer B: one more unit earns up to 2, 2 of 2 used
    """
    dual = Dual(problem=problem)
    found = find_prices(dual, start)
    standing = _Standing(p=found.x, at=found.value, bound=found.value)
    for _ in range(POLISHES):
        standing = _polish(dual, standing)
        if standing.is_close:
            break
    else:
        standing = _choose_whole(dual, standing)
    if standing.best is None:
        raise GateRefusedError(_explain_unmet(standing.broken))
    return _answer(dual, standing, standing.best)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Standing:
    """What is known so far.

    Attributes:
        p: Row prices of the best bound, shape (rows,).
        at: The dual at these prices.
        bound: No allocation earns more; below `at` where a whole-number program has shown it.
        best: The best allocation within all limits; None before one is found.
        profit: What it earns, minus infinity before one is found.
        broken: Limits that the last attempt broke, and by how much.
    """

    p: np.ndarray
    at: float
    bound: float
    best: Repaired | None = None
    profit: float = -np.inf
    broken: tuple[tuple[str, float], ...] = ()

    @property
    def is_close(self) -> bool:
        return self.bound - self.profit <= GAP_WANTED * abs(self.bound)

    def weigh(self, problem: Problem, tried: Repaired) -> _Standing:
        """With another attempt, kept if it is better."""
        if tried.violated:
            return replace(self, broken=tried.violated)
        earned = _earned(problem, tried.choice)
        return replace(self, best=tried, profit=earned) if earned > self.profit else self


def find_prices(dual: Dual, start: np.ndarray | None) -> Lowest:
    """Row prices of the smallest bound.

    Args:
        dual: Of the problem.
        start: Row prices to begin from, shape (rows,); None for no prices.

    Raises:
        GateRefusedError: Limits that cannot be met together, named.
    """
    rows = len(dual.sides)
    if rows == 0:
        value, _ = dual.evaluate(np.zeros(0))
        return Lowest(x=np.zeros(0), value=value, proven=value, evaluations=1)
    worst = _worst(dual.problem)
    below = 1e-6 * (1 + abs(worst))
    low = worst - abs(worst) - np.abs(dual.bounds).max() - 2 * below if dual.problem.least.any() else worst
    effort = Effort(
        tolerance=TOLERANCE, most=MOST_EVALUATIONS, first=0.1 if start is None else 0.01, stop_below=worst - below
    )
    found = _minimise(dual, np.zeros(rows) if start is None else start, low, effort)
    if found.value <= effort.stop_below:
        raise GateRefusedError(_explain_conflict(dual))
    return found


def _minimise(dual: Dual, begin: np.ndarray, low: float, effort: Effort) -> Lowest:
    """In units in which the rows' prices are comparable."""
    scale = dual.scale

    def scaled(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = dual.evaluate(x / scale)
        return value, slope / scale

    found = minimise(scaled, begin * scale, low, effort)
    return replace(found, x=found.x / scale)


def _worst(problem: Problem) -> float:
    """What any allocation earns at least: 0 where nothing has to be given, else every customer's worst option."""
    if not problem.least.any():
        return 0.0
    lowest = np.zeros(problem.n)
    for option in range(problem.m):
        column = problem.net[:, option]
        np.minimum(lowest, column, where=column > -np.inf, out=lowest)
    return float(lowest.sum())


def _polish(dual: Dual, standing: _Standing) -> _Standing:
    """Solve for the customers near a tie: better prices, if there are, and an allocation."""
    p, problem = standing.p, dual.problem
    undecided = near_ties(dual, p)
    choice = undecided.fixed
    solved = solve_relaxed(undecided, p, _penalty(dual, p, undecided)) if len(p) else None
    if solved is not None:
        choice = undecided.place(solved.amounts)
        at, _ = dual.evaluate(solved.prices)
        if at <= standing.at + EQUAL * abs(standing.at):
            standing = replace(standing, p=solved.prices, at=at, bound=min(at, standing.bound))
    return standing.weigh(problem, repair(problem, choice, dual.charges(standing.p)))


def _penalty(dual: Dual, p: np.ndarray, undecided: Undecided) -> np.ndarray:
    """Price at which rows may be exceeded: near the prices where customers are fixed, out of reach where none is."""
    if len(undecided.customers) < dual.problem.n:
        return p + NEAR * undecided.widest / dual.scale
    return p + FAR * (undecided.widest + np.max(p * dual.scale, initial=0.0)) / dual.scale


def _choose_whole(dual: Dual, standing: _Standing) -> _Standing:
    """Whole customers exactly, if few entries can be in a better choice: those that lose no more than the gap."""
    problem, prices = dual.problem, dual.charges(standing.p)
    spare = standing.at - standing.profit
    near = np.flatnonzero(margins(problem.net, problem.own_cost, prices.per_option, prices.money) <= spare)
    if not len(standing.p):
        return standing
    undecided = open_entries(dual, standing.p, near, spare)
    if len(undecided.row) > MOST_ENTRIES or len(undecided.customers) < len(near):
        return standing
    solved = solve_whole(undecided, standing.p, 0.1 * GAP_WANTED)
    if solved is None:
        return standing
    standing = standing.weigh(problem, repair(problem, undecided.place(solved.amounts), prices))
    if undecided.counts.max(initial=1) > 1:  # a class shares its first customer's losses, equal only to rounding
        return standing
    return replace(standing, bound=min(standing.bound, standing.at - solved.least_loss))


def _earned(problem: Problem, choice: np.ndarray) -> float:
    taken = np.flatnonzero(choice >= 0)
    return float(problem.net[taken, choice[taken]].sum(dtype=np.float64))


def _answer(dual: Dual, standing: _Standing, best: Repaired) -> Allocation:
    problem, profit = dual.problem, standing.profit
    taken = np.flatnonzero(best.choice >= 0)
    cost = problem.cost[best.choice[taken]] if problem.cost.ndim == 1 else problem.cost[taken, best.choice[taken]]
    spent = float(cost.sum(dtype=np.float64))
    bound = max(standing.bound, profit)
    return Allocation(
        choice=best.choice,
        profit=profit,
        bound=bound,
        gap=(bound - profit) / abs(bound) if bound > profit else 0.0,
        prices=dual.report(standing.p, best.used),
        charges=dual.charges(standing.p),
        used=dict(zip(problem.names, [*map(float, best.used[:-1]), spent], strict=True)),
        spent=spent,
        row_prices=standing.p,
    )


def _explain_conflict(dual: Dual) -> str:
    """Which limits contradict each other, and by how much: prices under which not even worthless values can be had.

    With values left out, g(p) < 0 proves that no allocation meets the limits; loosening row k alone takes -g(p) / p_k.
    """
    alone = Dual(problem=dual.problem, worth=0.0)
    total = float(np.abs(alone.bounds).sum()) or 1.0
    found = _minimise(
        alone, np.zeros(len(alone.sides)), -1e7 * total, Effort(tolerance=1e-6, most=200, stop_below=-1e6 * total)
    )
    weight, said = found.x * alone.scale, []
    for side, price, share, bound in zip(alone.sides, found.x, weight, alone.bounds, strict=True):
        if share > 1e-3 * weight.max():
            at, change = ("at least", "lowered") if side.sign < 0 else ("at most", "raised")
            by = format_number(-found.value / float(price))
            said.append(f"{dual.problem.names[side.limit]} ({at} {format_number(abs(float(bound)))}, {change} by {by})")
    return f"no allocation meets these limits together, one of them would have to be changed: {'; '.join(said)}"


def _explain_unmet(broken: tuple[tuple[str, float], ...]) -> str:
    said = ", ".join(f"{name} by {format_number(over)}" for name, over in broken)
    return (
        f"no allocation of whole customers was found within all limits; the nearest breaks {said}: loosen one of them"
    )


__all__ = ["NONE", "Allocation", "allocate", "find_prices"]
