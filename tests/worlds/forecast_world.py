"""Customers of known truth: who joins, buys with a season and leaves, month by month, past and to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.forecast.purchases import HORIZON, NEVER, PurchaseHistory

MONTH = 30
SEASON = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1.1, 1.3, 1.6])


@dataclass(frozen=True, kw_only=True)
class World:
    """Purchases as they are known on the day, and what comes in the 12 months after: in all, and of joiners."""

    purchases: PurchaseHistory
    truth: np.ndarray
    of_joiners: np.ndarray


def make_world(seed: int, *, months: int = 36, start: int = 300, joiners: float = 15.0, leave: float = 0.04) -> World:
    r = np.random.default_rng(seed)
    count = months + HORIZON
    join = np.concatenate([np.full(start, -1), np.repeat(np.arange(count), r.poisson(joiners, count))])
    n = len(join)
    rate, value, stays = r.gamma(1.5, 0.6, n), r.lognormal(3.0, 0.6, n), r.geometric(leave, n)
    prices = 1.003 ** np.arange(count) * np.exp(r.normal(0.0, 0.02, count))
    rows = []
    first = np.full(n, NEVER)
    for month in range(count):
        there = (join <= month) & (month - np.maximum(join, 0) < stays)
        bought = r.poisson(np.where(there, rate * SEASON[month % 12], 0.0))
        bought[join == month] = np.maximum(bought[join == month], 1)
        who = np.flatnonzero(bought)
        days = np.minimum(bought[who], MONTH)
        begin = (month - months) * MONTH
        last = begin + days - 1 + (r.random(len(who)) * (MONTH - days + 1)).astype(int)
        first[who] = np.minimum(first[who], last - days + 1)
        margin = value[who] * prices[month] * r.gamma(4.0 * bought[who]) / 4.0
        rows.append((who, np.full(len(who), month), margin, days, last))
    who, month, margin, days, last = map(np.concatenate, zip(*rows, strict=True))
    known, past = join < months, month < months
    position = np.cumsum(known) - 1

    def ahead(mask: np.ndarray) -> np.ndarray:
        return np.bincount(month[mask] - months, weights=margin[mask], minlength=HORIZON)

    purchases = PurchaseHistory(
        starts=np.arange(-months, HORIZON + 1) * MONTH,
        whole_from=0,
        ids=np.arange(known.sum()).astype(object),
        joined=join[known],
        first_day=np.where(first < 0, first, NEVER)[known],
        customer=position[who[past]],
        month=month[past],
        margin=margin[past],
        days=days[past],
        last_day=last[past],
    )
    return World(purchases=purchases, truth=ahead(~past), of_joiners=ahead(~past & ~known[who]))


def one_group(purchases: PurchaseHistory) -> dict[int, np.ndarray]:
    """All known customers as one group, at the beginning of every month."""
    return {month: np.where(purchases.joined < month, 0, -1) for month in range(purchases.months + 1)}
