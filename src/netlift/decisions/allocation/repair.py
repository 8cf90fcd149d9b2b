"""Repair of a nearly feasible allocation by single-customer moves, cheapest first.

A move takes a customer from one option, or none, to another. Its loss is counted net of prices: what limits are worth
elsewhere is in it. First violated limits are mended, by the least loss per unit of violation removed and never
violating another; then every move that gains and still fits is made, by the least loss. Ties go by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from netlift.decisions.allocation.dual import NONE, Prices
from netlift.decisions.allocation.near_ties import use_of
from netlift.decisions.allocation.problem import Problem

ROUNDING = 1e-12  # relative; .1 + .2 is within a budget of .3
MOST_ROUNDS = 20
Model = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]  # value, own cost, usage, charge, price of money
State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # choice, used, upper limits, minimums


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """A choice after repair.

    Attributes:
        choice: Option of each customer, -1 for none, shape (n,).
        used: What it uses of each limit, the budget last, shape (limits + 1,).
        violated: Names of the limits it still breaks, with by how much.
    """

    choice: np.ndarray
    used: np.ndarray
    violated: tuple[tuple[str, float], ...]


def repair(problem: Problem, choice: np.ndarray, prices: Prices) -> Repaired:
    """Mend violated limits, then fill what is left of all of them.

    Args:
        problem: What is allocated.
        choice: Option of each customer, -1 for none, shape (n,).
        prices: What customers are charged.
    """
    choice = choice.astype(np.int16)
    used = use_of(problem.usage, problem.own_cost, choice)
    model = (problem.net, problem.own_cost, problem.usage, prices.per_option, prices.money)
    state = (choice, used, problem.most * (1 + ROUNDING), problem.least * (1 - ROUNDING))
    for _ in range(MOST_ROUNDS):
        while _is_violated(state) and _sweep(model, state, mend=True):
            pass
        if _is_violated(state) or not _sweep(model, state, mend=False):
            break
        used[:] = use_of(problem.usage, problem.own_cost, choice)
    over = np.maximum(used - state[2], state[3] - used)
    broken = tuple((problem.names[k], float(over[k])) for k in np.flatnonzero(over > 0))
    return Repaired(choice=choice, used=used, violated=broken)


def _is_violated(state: State) -> bool:
    _, used, room, floor = state
    return bool(np.any(used > room) or np.any(used < floor))


def _sweep(model: Model, state: State, *, mend: bool) -> int:
    """Make the best move of each customer, cheapest first, while it is still allowed; how many were made."""
    loss, to = _find_moves(model, state, mend)
    movable = np.flatnonzero(to >= NONE)
    order = movable[np.argsort(loss[movable], kind="stable")]
    return int(_make_moves(model, state, mend, order, to))


@njit(cache=True, nogil=True)
def _change(usage: np.ndarray, k: int, a: int, b: int) -> float:
    """How much more of limit k is used with option b than with a, own costs left out."""
    return (usage[k, b] if b >= 0 else 0.0) - (usage[k, a] if a >= 0 else 0.0)


@njit(cache=True, nogil=True)
def _change_of_cost(cost: np.ndarray, i: int, a: int, b: int) -> float:
    """How much more customer i costs with option b than with a, by own costs."""
    if len(cost) == 0:
        return 0.0
    return (cost[i, b] if b >= 0 else 0.0) - (cost[i, a] if a >= 0 else 0.0)


@njit(cache=True, nogil=True)
def _relief(state: State, k: int, change: float) -> float:
    """How much less violated limit k is after a change, as a share of its violation; -1 where it is more so."""
    _, used, room, floor = state
    before = max(used[k] - room[k], floor[k] - used[k], 0.0)
    after = max(used[k] + change - room[k], floor[k] - used[k] - change, 0.0)
    if after > before:
        return -1.0
    return (before - after) / before if before > 0 else 0.0


@njit(cache=True, nogil=True)
def _relief_of_pair(model: Model, state: State, a: int, b: int) -> float:
    """The same over all limits after a move from a to b, for anybody: own costs left out."""
    usage, total = model[2], 0.0
    last = len(usage) - 1 if len(model[1]) > 0 else len(usage)
    for k in range(last):
        change = _change(usage, k, a, b)
        relief = _relief(state, k, change) if change != 0 else 0.0
        if relief < 0:
            return -1.0
        total += relief
    return total


@njit(cache=True, nogil=True)
def _relief_of_move(model: Model, state: State, move: tuple[int, int, int], pair: float) -> float:
    """The same for customer i, own costs included, where the pair's relief is known."""
    cost = model[1]
    if pair < 0 or len(cost) == 0:
        return pair
    own = _relief(state, len(model[2]) - 1, _change_of_cost(cost, *move))
    return -1.0 if own < 0 else pair + own


@njit(cache=True, nogil=True)
def _gain(model: Model, i: int, a: int) -> float:
    """What an option, or none, is worth to a customer net of prices."""
    value, cost, _, charge, money = model
    if a < 0:
        return 0.0
    return value[i, a] - charge[a] - (money * cost[i, a] if len(cost) > 0 else 0.0)


@njit(cache=True, nogil=True)
def _find_moves(model: Model, state: State, mend: bool) -> tuple[np.ndarray, np.ndarray]:  # noqa: FBT001
    """The best allowed move of each customer: its loss (per relief when mending) and its option, -2 for no move."""
    value, choice = model[0], state[0]
    n, m = value.shape
    pairs = np.empty((m + 1, m + 1))  # none is -1, the last row and column
    for a in range(-1, m):
        for b in range(-1, m):
            pairs[a, b] = _relief_of_pair(model, state, a, b)
    loss, to = np.full(n, np.inf), np.full(n, -2, dtype=np.int16)
    for i in range(n):
        a = choice[i]
        here, now = _gain(model, i, a), (value[i, a] if a >= 0 else 0.0)
        for b in range(-1, m):
            then = value[i, b] if b >= 0 else 0.0
            if pairs[a, b] < 0 or b == a or then == -np.inf or (not mend and then <= now):
                continue
            lost = here - _gain(model, i, b)
            relief = _relief_of_move(model, state, (i, a, b), pairs[a, b])
            if relief < 0 or (mend and relief == 0):
                continue
            if mend:
                lost /= relief
            if lost < loss[i]:
                loss[i], to[i] = lost, b
    return loss, to


@njit(cache=True, nogil=True)
def _make_moves(model: Model, state: State, mend: bool, order: np.ndarray, to: np.ndarray) -> int:  # noqa: FBT001
    """Move customers in order, each if it is still allowed; how many were moved."""
    _, cost, usage, _, _ = model
    choice, used, _, _ = state
    made = 0
    for i in order:
        a, b = choice[i], to[i]
        relief = _relief_of_move(model, state, (i, a, b), _relief_of_pair(model, state, a, b))
        if relief < 0 or (mend and relief == 0):
            continue
        for k in range(len(used)):
            used[k] += _change(usage, k, a, b)
        used[-1] += _change_of_cost(cost, i, a, b)
        choice[i] = b
        made += 1
    return made
