"""Next category: a conditional logit on customer features.

For each customer and category it weighs logs of: the category's share in all purchases; the customer's own share,
shrunk to it (Dirichlet-multinomial), and the same share unlogged, for those who buy little else; the own share among
the newest purchases; how often the category follows the last one, over all customers; and whether the category is due
by the customer's own rhythm in it. The weights maximize the likelihood of what was bought after an earlier cutoff
(McFadden, 1974), so that probabilities are calibrated there.

References:
    McFadden, D. (1974), Conditional logit analysis of qualitative choice behavior, in Frontiers in Econometrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

from netlift.errors import DataError
from netlift.next_purchase.purchases import Purchases
from netlift.next_purchase.rhythm import DateForecast
from netlift.next_purchase.traces import Traces

CUES = ("popularity", "log own share", "own share", "newest share", "follows the last", "due")
CELLS_AT_ONCE = 500_000
MOST_LEARNED_FROM = 20_000
FEWEST_LEARNED_FROM = 100
CONCENTRATIONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
KEEPS = 0.8
"""What a purchase still counts in the newest share after each further one."""
TRANSITION_PRIOR = 20.0
DUE_AT_MOST = 3.0
RIDGE = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Habits:
    """What customers bought before a cutoff, by category.

    Attributes:
        counts: Purchases, float32, shape (n, c).
        newest: The same with older ones counting less, float32, shape (n, c).
        last: Category of the last purchase, -1 without one, int16, shape (n,).
        following: Category of the first purchase on the cutoff or after it and before the end, -1 without one,
            int16, shape (n,).
    """

    counts: np.ndarray
    newest: np.ndarray
    last: np.ndarray
    following: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class CategoryModel:
    """How likely a category is next.

    Attributes:
        popularity: Share of each category in all purchases, shape (c,).
        transitions: Share of each category right after each other one, shape (c, c), rows sum to 1.
        concentration: How many purchases the population's shares count as.
        weights: Of `CUES`.
    """

    popularity: np.ndarray
    transitions: np.ndarray
    concentration: float
    weights: np.ndarray

    def predict(self, habits: Habits, due: np.ndarray) -> np.ndarray:
        """Probabilities, rows sum to 1, shape (n, c).

        Args:
            habits: Of n customers.
            due: Log of the relative hazard of each category, 0 where nothing is known of it, shape (n, c).
        """
        utility = _cues(self, habits, due) @ self.weights
        utility -= utility.max(axis=1, keepdims=True)
        raised = np.exp(utility)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def read_habits(purchases: Purchases, customers: np.ndarray, cutoff: int, end: int) -> Habits:
    """What some customers bought before a cutoff, and first from it on.

    Args:
        purchases: All purchases.
        customers: Their positions, shape (n,).
        cutoff: First day not seen.
        end: First day that is not looked at for what followed.
    """
    n, width = len(customers), len(purchases.categories)
    out = (
        np.zeros((n, width), dtype=np.float32),
        np.zeros((n, width), dtype=np.float32),
        np.full(n, -1, dtype=np.int16),
        np.full(n, -1, dtype=np.int16),
    )
    _read_habits(purchases.offsets, purchases.day, purchases.code, customers, cutoff, end, out)
    return Habits(counts=out[0], newest=out[1], last=out[2], following=out[3])


def blocks(customers: np.ndarray, categories: int) -> Iterator[np.ndarray]:
    """Customers in parts whose tables by category fit in little memory."""
    size = max(CELLS_AT_ONCE // max(categories, 1), 1)
    for start in range(0, len(customers), size):
        yield customers[start : start + size]


def spread_due(traces: Traces, forecast: DateForecast, customers: np.ndarray, categories: int) -> np.ndarray:
    """Log of the relative hazard by customer and category; 0 where fewer than two gaps are known, shape (n, c).

    Args:
        traces: Histories by customer and category, customers rising.
        forecast: Of these.
        customers: Positions of the customers asked about, rising, shape (n,).
        categories: c.
    """
    due = np.zeros((len(customers), categories))
    first, last = np.searchsorted(traces.customer, [customers[0], customers[-1] + 1])
    own = slice(int(first), int(last))
    row = np.searchsorted(customers, traces.customer[own])
    known = (customers[np.minimum(row, len(customers) - 1)] == traces.customer[own]) & (traces.gaps[own] >= 2)
    hazard = np.log(np.maximum(forecast.relative_hazard[own], 1e-9))
    due[row[known], traces.code[own][known]] = np.clip(hazard, -DUE_AT_MOST, DUE_AT_MOST)[known]
    return due


def fit_categories(
    purchases: Purchases, traces: Traces, forecast: DateForecast, *, cutoff: int, end: int, rng: np.random.Generator
) -> CategoryModel:
    """Learn from what customers bought first after a cutoff; of many customers, from some drawn by chance.

    Args:
        purchases: All purchases; those from `end` on are not looked at.
        traces: Histories by customer and category before the cutoff.
        forecast: Of these.
        cutoff: First day not seen.
        end: First day of which the answers are not seen.
        rng: Draws who is learned from.

    Raises:
        DataError: Fewer customers than it takes.
    """
    counted = _count_transitions(
        purchases.offsets, purchases.day, purchases.code, cutoff, len(purchases.categories)
    ).astype(np.float64)
    popularity = (counted.sum(axis=0) + 1.0) / (counted.sum() + len(counted))
    prior = TRANSITION_PRIOR * popularity[None, :]
    transitions = (counted[1:] + prior) / (counted[1:].sum(axis=1, keepdims=True) + TRANSITION_PRIOR)
    customers = _answered(purchases, cutoff, end)
    if len(customers) < FEWEST_LEARNED_FROM:
        raise DataError(
            f"transactions: {len(customers):,} customers bought in a category before and after day {cutoff} of the "
            f"history; the next category is learned from {FEWEST_LEARNED_FROM} at least: give more history"
        )
    if len(customers) > MOST_LEARNED_FROM:
        customers = np.sort(rng.choice(customers, MOST_LEARNED_FROM, replace=False))
    start = CategoryModel(popularity=popularity, transitions=transitions, concentration=1.0, weights=np.empty(0))
    width = len(purchases.categories)
    habits = read_habits(purchases, customers, cutoff, end)
    answer = habits.following.astype(np.int64)
    best = max(
        CONCENTRATIONS,
        key=lambda a: float(np.log(_own_share(habits, popularity, a)[np.arange(len(answer)), answer]).sum()),
    )
    model = CategoryModel(**{**vars(start), "concentration": best})
    cues = _cues(model, habits, spread_due(traces, forecast, customers, width))
    return CategoryModel(**{**vars(model), "weights": _maximize(cues, answer)})


def _answered(purchases: Purchases, cutoff: int, end: int) -> np.ndarray:
    """Customers who bought in a category before the cutoff and between it and the end."""
    return np.flatnonzero(_find_answered(purchases.offsets, purchases.day, purchases.code, cutoff, end))


def _own_share(habits: Habits, popularity: np.ndarray, concentration: float) -> np.ndarray:
    total = habits.counts.sum(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray((habits.counts + concentration * popularity) / (total + concentration))


def _cues(model: CategoryModel, habits: Habits, due: np.ndarray) -> np.ndarray:
    """What is known of each customer and category, as `CUES` names it, shape (n, c, 6)."""
    own = _own_share(habits, model.popularity, model.concentration)
    lately = habits.newest.sum(axis=1, keepdims=True, dtype=np.float64)
    newest = (habits.newest + own) / (lately + 1.0)
    follows = np.where(habits.last[:, None] >= 0, model.transitions[habits.last], model.popularity)
    popular = np.broadcast_to(np.log(model.popularity), own.shape)
    return np.stack([popular, np.log(own), own, np.log(newest), np.log(follows), due], axis=2)


def _maximize(cues: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Weights of most likelihood by Newton's method, drawn a little to the own share alone, shape (6,)."""
    prior = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    weights, rows = prior.copy(), np.arange(len(answer))
    for _ in range(25):
        utility = cues @ weights
        utility -= utility.max(axis=1, keepdims=True)
        probability = np.exp(utility)
        probability /= probability.sum(axis=1, keepdims=True)
        mean = np.einsum("nc,nck->nk", probability, cues)
        gradient = (cues[rows, answer] - mean).sum(axis=0) - RIDGE * (weights - prior)
        second = np.einsum("nc,nck,ncl->kl", probability, cues, cues, optimize=True) - mean.T @ mean
        step = np.linalg.solve(second + RIDGE * np.eye(len(weights)), gradient)
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights


@njit(cache=True, nogil=True)
def _read_habits(
    offsets: np.ndarray,
    day: np.ndarray,
    code: np.ndarray,
    customers: np.ndarray,
    cutoff: int,
    end: int,
    out: tuple[np.ndarray, ...],
) -> None:
    counts, newest, last, following = out
    for row in range(len(customers)):
        customer = customers[row]
        weight = 1.0
        for i in range(offsets[customer + 1] - 1, offsets[customer] - 1, -1):
            c = code[i]
            if c < 0 or day[i] >= end:
                continue
            if day[i] >= cutoff:
                following[row] = c
                continue
            if last[row] < 0:
                last[row] = c
            counts[row, c] += 1.0
            newest[row, c] += weight
            weight *= KEEPS


@njit(cache=True, nogil=True)
def _count_transitions(offsets: np.ndarray, day: np.ndarray, code: np.ndarray, cutoff: int, width: int) -> np.ndarray:
    """How often each category came first (row 0), and right after each other one."""
    counted = np.zeros((width + 1, width), dtype=np.int64)
    for customer in range(len(offsets) - 1):
        before = -1
        for i in range(offsets[customer], offsets[customer + 1]):
            if day[i] >= cutoff:
                break
            if code[i] >= 0:
                counted[before + 1, code[i]] += 1
                before = code[i]
    return counted


@njit(cache=True, nogil=True)
def _find_answered(offsets: np.ndarray, day: np.ndarray, code: np.ndarray, cutoff: int, end: int) -> np.ndarray:
    found = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for customer in range(len(offsets) - 1):
        before, after = False, False
        for i in range(offsets[customer], offsets[customer + 1]):
            if code[i] >= 0:
                before |= day[i] < cutoff
                after |= cutoff <= day[i] < end
        found[customer] = before and after
    return found


__all__ = ["CUES", "CategoryModel", "Habits", "blocks", "fit_categories", "read_habits", "spread_due"]
