"""Propensities of new offers: as many contacts as their budget shares pay for, within caps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_OF_CUSTOMERS = 0.2  # of those who do not explore: what the policy gives stays the likeliest by far
SPREADS = 5.0
BISECTIONS = 60


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What a run may try.

    Attributes:
        options: Positions of the options that are tried.
        shares: Of the budget, parallel to `options`, 1 or less in all.
        left: Contacts that each has left to prove itself, parallel to `options`.
        budget: Currency at most, contacts and expected rewards.
    """

    options: tuple[int, ...]
    shares: tuple[float, ...]
    left: tuple[int, ...]
    budget: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Chances by which a customer is tried with what is open to him.

    Attributes:
        tried: Which options are new, bool, shape (m,).
        option: Chance of each option, 0 of all others, shape (m,).
        none: Of none, to hold all of them against: the root of the sum of their squares, √k times that of each where k
            are alike (Dunnett 1955, J. Amer. Statist. Assoc. 50).
        budget: Currency at most.
    """

    tried: np.ndarray
    option: np.ndarray
    none: float
    budget: float

    @property
    def whole(self) -> float:
        """Chance to be tried at all, of who has any of them open."""
        return float(self.option.sum() + self.none)


def find_rates(trials: Trials, open_to: np.ndarray, cost: np.ndarray, *, epsilon: float) -> Rates:
    """Chances that spend the budget, so that a draw goes over it hardly ever (by `SPREADS` standard deviations).

    Args:
        trials: What is tried.
        open_to: Where an option may be drawn, bool, shape (n, m).
        cost: What an option takes from the budget, shape (m,) or (n, m).
        epsilon: Share of customers who explore otherwise.
    """
    rate, square = np.zeros(open_to.shape[1]), np.zeros(open_to.shape[1])
    spent = np.zeros(open_to.shape[1])
    for a, share, left in zip(trials.options, trials.shares, trials.left, strict=True):
        count = int(open_to[:, a].sum())
        own = np.full(count, cost[a]) if cost.ndim == 1 else cost[open_to[:, a], a].astype(np.float64)
        spent[a], square[a] = own.sum(), own @ own
        if count and left > 0:
            wanted = share * trials.budget / spent[a] if spent[a] else float(share > 0)
            rate[a] = min(wanted, 1.0) * fitting(min(wanted, 1.0) * count, min(wanted, 1.0) * count, left)
    mean, squares = float(rate @ spent), float(rate @ square)
    rate *= fitting(mean, squares, trials.budget)
    rate = _capped(rate, MOST_OF_CUSTOMERS * (1 - epsilon))
    tried = np.zeros(len(rate), dtype=bool)
    tried[list(trials.options)] = True
    return Rates(tried=tried, option=rate, none=float(np.linalg.norm(rate)), budget=trials.budget)


def _capped(rate: np.ndarray, most: float) -> np.ndarray:
    """The rates, the largest of them cut to one height, so that they and that of none are no more together."""
    low, high = 0.0, float(rate.max(initial=0.0))
    for _ in range(BISECTIONS if rate.sum() + np.linalg.norm(rate) > most else 0):
        middle = (low + high) / 2
        cut = np.minimum(rate, middle)
        low, high = (middle, high) if cut.sum() + np.linalg.norm(cut) <= most else (low, middle)
    return np.minimum(rate, high if low == 0.0 else low)


def fitting(mean: float, square: float, most: float, share: float = 1.0) -> float:
    """The largest factor f, up to 1, with f mean <= share most and f mean + SPREADS √(f square) <= most.

    Args:
        mean: Expected use of a limit.
        square: Expected sum of squares of single uses, which bounds the variance.
        most: The limit.
        share: Of the limit that may be used in expectation.
    """
    room, spread = share * most, SPREADS * np.sqrt(square)
    if mean <= room and mean + spread <= most:
        return 1.0
    root = 2 * most / (np.sqrt(spread**2 + 4 * mean * most) + spread)
    return float(min(root**2, room / mean if mean > room else 1.0, 1.0))


__all__ = ["SPREADS", "Rates", "Trials", "find_rates", "fitting"]
