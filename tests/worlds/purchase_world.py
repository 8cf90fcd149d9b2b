"""Customers who buy and leave as BG/NBD or MBG/NBD say, with what became of them after they were last seen."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class PurchaseWorld:
    """Histories in weeks, and the truth behind them.

    x, t_x, T: repeat purchases, age at the newest, time since the first.
    alive: Whether the customer had not left when last seen.
    later: Purchases of the weeks after.
    alive_later: Whether the customer had not left at their end.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    alive: np.ndarray
    later: np.ndarray
    alive_later: np.ndarray


def draw_purchases(*, customers, family, r, alpha, a, b, weeks, weeks_after, seed):
    """Simulate each customer's purchases one by one; T is uniform over the second half of `weeks`."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(r, 1 / alpha, customers)
    p = rng.beta(a, b, customers)
    T = rng.uniform(weeks / 2, weeks, customers)
    x, t_x, later = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    alive = rng.uniform(size=customers) >= p if family == "mbg_nbd" else np.ones(customers, dtype=bool)
    alive_at_T = alive.copy()
    now = np.zeros(customers)
    moving = np.flatnonzero(alive)
    while len(moving):
        now[moving] += rng.exponential(1 / rate[moving])
        seen = now[moving] <= T[moving]
        after = ~seen & (now[moving] <= T[moving] + weeks_after)
        x[moving[seen]] += 1
        t_x[moving[seen]] = now[moving[seen]]
        later[moving[after]] += 1
        leaves = rng.uniform(size=len(moving)) < p[moving]
        alive_at_T[moving[seen & leaves]] = False
        alive[moving[(seen | after) & leaves]] = False
        moving = moving[(seen | after) & ~leaves]
    return PurchaseWorld(x=x, t_x=t_x, T=T, alive=alive_at_T, later=later, alive_later=alive)


def draw_spend(*, count, p, q, gamma, seed):
    """Mean spend of each customer over `count` purchase days, by Gamma-Gamma."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(q, 1 / gamma, len(count))
    return rng.gamma(p * count, 1 / (rate * count))
