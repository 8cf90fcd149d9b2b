"""Customers most of whom buy nothing, some of whom redeem, with a known effect."""

import numpy as np

from netlift.abtest.stats.moments import OUTCOMES, Moments, of_rows


def customers(
    rng: np.random.Generator, n: int, *, buy: float = 0.2, basket: float = 50.0, reward: float = 0.1,
    contact: float = 0.5,
) -> np.ndarray:  # fmt: skip
    """Outcome vectors, shape (n, 4); reward is a share of what half of the buyers spend."""
    spend = (rng.random(n) < buy) * rng.gamma(2.0, basket / 2, n)
    redeemed = spend * reward * (rng.random(n) < 0.5)
    return np.column_stack([spend, 0.4 * spend, redeemed, np.full(n, contact)])


def cells(seed: int, n_treated: int = 3000, n_control: int = 1500) -> tuple[Moments, Moments]:
    rng = np.random.default_rng(seed)
    treated = customers(rng, n_treated, buy=0.25)
    control = customers(rng, n_control, reward=0.02, contact=0.0)
    return of_rows(treated, OUTCOMES), of_rows(control, OUTCOMES)
