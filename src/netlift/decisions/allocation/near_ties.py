"""Lagrangian near-ties: customers that the dual prices leave undecided, grouped by reduced cost.

At prices p the loss of option a for customer i is max_b gain_ib - gain_ia, the gains net of prices. Entries of a large
loss are fixed: the customer keeps the best option, and the limits are lowered by what it uses. What is left is
small enough for an exact program. Customers who face the same losses and costs are one class with a count, so that a
million equal predictions are no larger a program than one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from netlift.decisions.allocation.dual import NONE, Dual, Prices, choose

MOST_CLASSES = 2_000
COARSE, ROUNDING = 1e-8, 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Undecided:
    """Classes of customers who are near a tie, and the entries still open to them.

    Attributes:
        customers: Positions of the customers, by class and then by position, shape (customers,).
        starts: Where each class begins in `customers`, one more at the end, shape (classes + 1,).
        row: Class of each entry, shape (entries,).
        option: Option of each entry, -1 for none, shape (entries,).
        loss: Loss of each entry at the prices, shape (entries,).
        use: What one customer of the class uses with the entry of each dual row, signed, shape (rows, entries).
        room: What the fixed customers leave of each dual row's bound, shape (rows,).
        fixed: The best option of every customer at the prices, shape (n,).
    """

    customers: np.ndarray
    starts: np.ndarray
    row: np.ndarray
    option: np.ndarray
    loss: np.ndarray
    use: np.ndarray
    room: np.ndarray
    fixed: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Customers of each class, shape (classes,)."""
        return np.diff(self.starts)

    @property
    def widest(self) -> float:
        """The largest loss that is open."""
        return float(self.loss.max(initial=0.0))

    def place(self, amounts: np.ndarray) -> np.ndarray:
        """The choice of all customers when so many of each class take each entry, shape (n,).

        Parts of a customer go to the entries with the largest parts; who of a class takes what goes by position.
        """
        choice = self.fixed.copy()
        begins = np.searchsorted(self.row, np.arange(len(self.counts) + 1))
        for c, count in enumerate(self.counts):
            entries = slice(begins[c], begins[c + 1])
            amount = np.maximum(amounts[entries], 0.0)
            whole = np.floor(amount + 1e-5).astype(np.int64)
            short = int(count - whole.sum())
            if short > 0:
                whole[np.argsort(-(amount - whole), kind="stable")[:short]] += 1
            options = np.repeat(self.option[entries], whole)[:count]
            choice[self.customers[self.starts[c] : self.starts[c] + len(options)]] = options
        return choice


def near_ties(dual: Dual, p: np.ndarray) -> Undecided:
    """The customers nearest to a tie at row prices p, as many as an exact program takes; all where they are few."""
    problem, prices = dual.problem, dual.charges(p)
    margin = margins(problem.net, problem.own_cost, prices.per_option, prices.money)
    widest = _widest(margin)
    who = np.flatnonzero(margin <= widest)
    return open_entries(dual, p, who, widest)


def _widest(margin: np.ndarray) -> float:
    """The margin up to which there are as many customers, or different margins, as an exact program takes."""
    if len(margin) <= MOST_CLASSES:
        return np.inf
    widest = float(np.partition(margin, MOST_CLASSES - 1)[MOST_CLASSES - 1])
    near = np.unique(_coarse(margin[margin <= widest]))
    if len(near) > MOST_CLASSES // 2:
        return widest * (1 + ROUNDING)
    different = np.unique(_coarse(margin))
    if len(different) <= MOST_CLASSES:
        return np.inf
    return float(different[MOST_CLASSES]) * float(_unit(margin))


def open_entries(dual: Dual, p: np.ndarray, who: np.ndarray, widest: float) -> Undecided:
    """Classes and entries of the given customers whose loss is at most `widest`.

    Args:
        dual: The problem's dual.
        p: Price of each row, shape (rows,).
        who: Positions, ascending.
        widest: The largest loss that stays open.
    """
    problem, prices = dual.problem, dual.charges(p)
    loss = _losses(problem.net[who], _of(problem.own_cost, who), prices)
    loss[loss > widest] = np.inf
    cost = np.where(np.isfinite(loss[:, :-1]), _of(problem.own_cost, who), 0.0) if len(problem.own_cost) else None
    order, starts = _classes(loss, cost)
    first = order[starts[:-1]]
    row, column = np.nonzero(np.isfinite(loss[first]))
    option = np.where(column == problem.m, NONE, column)
    own = np.zeros(len(row)) if cost is None else np.c_[cost, np.zeros(len(who))][first[row], column]
    fixed = choose(problem, prices)
    used = _used_without(dual, fixed, who[order])
    return Undecided(
        customers=who[order],
        starts=starts,
        row=row,
        option=option,
        loss=loss[first[row], column],
        use=_signed_use(dual, option, own),
        room=dual.bounds - np.array([side.sign * used[side.limit] for side in dual.sides]),
        fixed=fixed,
    )


def _of(rows: np.ndarray, who: np.ndarray) -> np.ndarray:
    return rows[who] if len(rows) else rows


def _losses(value: np.ndarray, cost: np.ndarray, prices: Prices) -> np.ndarray:
    """What each option loses against the best, none last, shape (k, m + 1); infinite where not eligible."""
    gain = value.astype(np.float64) - prices.per_option
    if len(cost):
        gain -= prices.money * cost
    gain = np.c_[gain, np.zeros(len(gain))]
    return gain.max(axis=1, keepdims=True) - gain


def _classes(loss: np.ndarray, cost: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the customers by class, those nearest to a tie, and where each class starts among them.

    Customers are one class where the codes of their coarse losses and costs agree; the multipliers are odd and fixed.
    """
    if len(loss) <= MOST_CLASSES:
        return np.arange(len(loss)), np.arange(len(loss) + 1)
    parts = [np.where(np.isfinite(loss), _coarse(loss), -1.0)]
    if cost is not None:
        parts.append(_coarse(cost))
    whole = np.concatenate(parts, axis=1).astype(np.int64).view(np.uint64)
    multipliers = np.random.default_rng(0).integers(1, 2**63, whole.shape[1], dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    _, first, code, counts = np.unique(
        (whole * multipliers).sum(axis=1, dtype=np.uint64), return_index=True, return_inverse=True, return_counts=True
    )
    nearness = np.partition(loss[first], 1, axis=1)[:, 1]
    kept = np.lexsort((first, nearness))[:MOST_CLASSES]
    rank = np.full(len(first), len(first))
    rank[kept] = np.arange(len(kept))
    order = np.argsort(rank[code], kind="stable")[: counts[kept].sum()]
    return order, np.concatenate([[0], np.cumsum(counts[kept])])


def _unit(numbers: np.ndarray) -> float:
    """The step to which numbers count as equal."""
    return COARSE * (float(np.max(numbers, where=np.isfinite(numbers), initial=0.0)) or 1.0)


def _coarse(numbers: np.ndarray) -> np.ndarray:
    return np.round(numbers / _unit(numbers))


def _signed_use(dual: Dual, option: np.ndarray, own: np.ndarray) -> np.ndarray:
    usage = np.c_[dual.problem.usage, np.zeros(len(dual.problem.usage))][:, option]
    usage[-1] += own
    return np.array([side.sign * usage[side.limit] for side in dual.sides]).reshape(len(dual.sides), len(option))


def _used_without(dual: Dual, choice: np.ndarray, who: np.ndarray) -> np.ndarray:
    """What all but the given customers use of each limit, shape (limits + 1,)."""
    problem, rest = dual.problem, choice.copy()
    rest[who] = NONE
    return use_of(problem.usage, problem.own_cost, rest)


def use_of(usage: np.ndarray, own_cost: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """What a choice uses of each limit, the budget last, shape (limits + 1,)."""
    taken = np.flatnonzero(choice >= 0)
    used = usage @ np.bincount(choice[taken], minlength=usage.shape[1]).astype(np.float64)
    if len(own_cost):
        used[-1] += own_cost[taken, choice[taken]].sum(dtype=np.float64)
    return used


@njit(cache=True, nogil=True)
def margins(value: np.ndarray, cost: np.ndarray, charge: np.ndarray, money: float) -> np.ndarray:
    """By how much each customer's best option, none among them, is ahead of the next, shape (n,)."""
    n, m = value.shape
    own = len(cost) > 0
    ahead = np.empty(n)
    for i in range(n):
        best, second = 0.0, -np.inf
        for a in range(m):
            gain = value[i, a] - charge[a]
            if own:
                gain -= money * cost[i, a]
            if gain > best:
                best, second = gain, best
            elif gain > second:
                second = gain
        ahead[i] = best - second
    return ahead
