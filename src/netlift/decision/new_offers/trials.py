"""The chances by which new offers are tried: so many contacts as their shares of the budget pay for, within caps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_OF_CUSTOMERS = 0.2  # of those who do not explore: what the policy gives stays the likeliest by far
SPREADS = 5.0


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
        none: Of none, to hold them against: as large as the largest of them.
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
    rate = np.minimum(rate, _cap(rate, MOST_OF_CUSTOMERS * (1 - epsilon)))
    tried = np.zeros(len(rate), dtype=bool)
    tried[list(trials.options)] = True
    return Rates(tried=tried, option=rate, none=float(rate.max(initial=0.0)), budget=trials.budget)


def _cap(rate: np.ndarray, most: float) -> float:
    """The cap c of all rates at which Σ min(rate, c) and the largest of these, that of none, are `most` together."""
    ordered = np.sort(rate)[::-1]
    if ordered.sum() + ordered[0] <= most:
        return float(ordered[0])
    above = np.arange(1, len(ordered) + 1)  # how many are cut
    caps = (most - (ordered.sum() - np.cumsum(ordered))) / (above + 1)
    return float(caps[np.argmax(caps >= np.append(ordered[1:], 0.0))])


def fitting(mean: float, square: float, most: float, share: float = 1.0) -> float:
    """The largest factor f, up to 1, with f mean <= share most and f mean + SPREADS √(f square) <= most.

    Args:
        mean: Expected use of a limit.
        square: Expected sum of squares of single uses, which bounds the variance.
        most: The limit.
        share: Of the limit that may be used in expectation.
    """
    if mean <= 0:
        return 1.0
    root = (np.sqrt(SPREADS**2 * square + 4 * mean * most) - SPREADS * np.sqrt(square)) / (2 * mean)
    return float(min(1.0, share * most / mean, root**2))


__all__ = ["SPREADS", "Rates", "Trials", "find_rates", "fitting"]
