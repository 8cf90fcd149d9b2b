"""Customers with a rhythm and a chain of categories that are known."""

from __future__ import annotations

import numpy as np

from netlift.next_purchase.purchases import Purchases, make_purchases

DAYS, SPREAD, BETWEEN, CENTER = 540, 0.5, 0.4, np.log(20.0)
CATEGORIES = ("tea", "milk", "soap", "lamp")
CHAIN = np.array([[0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.6, 0.1, 0.1, 0.2], [0.4, 0.2, 0.2, 0.2]])


def make_rhythms(customers: int, *, seed: int) -> tuple[Purchases, np.ndarray]:
    """Purchases of `DAYS` days by customers who join one after another, and each one's true median gap in days."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(CENTER, BETWEEN, customers)
    owner, day, code = [], [], []
    for i in range(customers):
        at, last = rng.uniform(0, 0.8 * DAYS), int(rng.integers(4))
        while at < DAYS:
            owner.append(i)
            day.append(int(at))
            code.append(last)
            at += np.exp(rng.normal(mean[i], SPREAD))
            last = int(rng.choice(4, p=CHAIN[last]))
    ids = np.array([f"c{i:05}" for i in range(customers)], dtype=object)
    columns = (np.array(owner), np.array(day), np.array(code))
    return make_purchases(*columns, ids=ids, categories=CATEGORIES), np.exp(mean)
