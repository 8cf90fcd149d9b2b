"""Three worlds whose effects are known: customers of one randomized campaign, two offers and control.

Every world has the same 30 features f, arms drawn by chance (a third each), and a formula for what a customer of
features f brings under each arm. Profit is margin less reward and contact cost; its expectation is worked out from the
formula and never estimated, so that a policy's profit on fresh customers has no noise but that of the customers.

    A  zero-inflated log-normal spend: each offer moves the chance of buying, and a little what buyers spend
    B  a Poisson number of receipts times gamma amounts: offer 1 moves the number, offer 2 moves both, apart
    C  a discount that buyers redeem, sure ones first: receipts of thin margin then lose money; and a reminder that
       wins some customers and drives others away

A learner sees `ContactRows` only. World A is that of `/work/shared/methods/performance.md`; B and C were written down
before any learner was tried on them, and no number in them was changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netlift.estimators.rows import ContactRows
from netlift.features.matrix import Feature

FEATURES = 30
ARMS = 3
OFFERS = ("offer_1", "offer_2")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What customers bring under the arms they drew.

    Attributes:
        margin: Before contact cost, shape (n,), in currency.
        cost: Contact cost of the drawn arm, shape (n,).
    """

    margin: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True, kw_only=True)
class World:
    """One world.

    Attributes:
        name: A, B or C.
        story: In a line.
        draw: Outcome of features (n, 30) and arms (n,), by a generator.
        profit: Expected profit under every arm, shape (n, 3), of features (n, 30).
    """

    name: str
    story: str
    draw: Callable[[np.ndarray, np.ndarray, np.random.Generator], Outcome]
    profit: Callable[[np.ndarray], np.ndarray]

    def campaign(self, rows: int, seed: int) -> ContactRows:
        """A randomized campaign to learn from."""
        rng = np.random.default_rng([seed, ord(self.name)])
        f = draw_features(rows, rng)
        arm = rng.integers(0, ARMS, rows)
        outcome = self.draw(f, arm, rng)
        return ContactRows(
            X=np.asfortranarray(f, dtype=np.float32),
            features=tuple(
                Feature(name=f"f{i}", unit="ratio", source="world", formula="drawn") for i in range(FEATURES)
            ),
            y=outcome.margin - outcome.cost,
            margin=outcome.margin,
            offers=OFFERS,
            arm=arm.astype(np.int64),
            propensity=np.full(rows, 1 / ARMS),
            available=np.ones((rows, ARMS), dtype=bool),
            customer=np.arange(rows, dtype=np.int64),
            campaign=np.zeros(rows, dtype=np.int64),
        )

    def fresh(self, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Customers nobody has seen: features, float32 (n, 30) in Fortran order, and true expected profit (n, 3)."""
        f = draw_features(rows, np.random.default_rng([seed, ord(self.name), 1]))
        return np.asfortranarray(f, dtype=np.float32), self.profit(f)


def draw_features(rows: int, rng: np.random.Generator) -> np.ndarray:
    """20 standard normal features, then counts, months, days, amounts and flags, shape (n, 30)."""
    columns = [rng.normal(size=rows) for _ in range(20)]
    columns += [rng.poisson(2, rows), rng.poisson(8, rows), rng.integers(0, 12, rows), rng.exponential(30, rows)]
    columns += [rng.lognormal(3, 1, rows), rng.lognormal(1, 0.5, rows), rng.lognormal(5, 0.8, rows)]
    columns += [rng.uniform(size=rows), rng.random(rows) < 0.3, rng.random(rows) < 0.05]
    return np.column_stack(columns).astype(np.float32).astype(np.float64)


# World A: zero-inflated log-normal spend.

A_MARGIN, A_SIGMA = 0.35, 0.9
A_COST = np.array([0.0, 0.60, 0.25])


def _purchases_a(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chance of buying and mean of the logarithm of spend, under each arm, shape (n, 3) each."""
    base = -3.9 + 0.5 * f[:, 0] - 0.6 * f[:, 1] + 0.4 * np.maximum(f[:, 2], 0) + 0.25 * f[:, 3] * f[:, 4]
    base = base + 0.3 * (f[:, 20] > 3)
    first = 0.65 * np.tanh(f[:, 5]) + 0.3 * (f[:, 1] > 0) + 0.1 * f[:, 6]
    second = 0.55 * np.tanh(-f[:, 5] + 0.5 * f[:, 7]) + 0.2 * (f[:, 2] > 0.5) - 0.08
    spend = 3.6 + 0.35 * f[:, 8] + 0.15 * f[:, 9]
    logit = np.column_stack([base, base + first, base + second])
    return _sigmoid(logit), np.column_stack([spend, spend + 0.08, spend + 0.10 * np.tanh(f[:, 10])])


def _profit_a(f: np.ndarray) -> np.ndarray:
    chance, spend = _purchases_a(f)
    return A_MARGIN * chance * np.exp(spend + A_SIGMA**2 / 2) - A_COST


def _draw_a(f: np.ndarray, arm: np.ndarray, rng: np.random.Generator) -> Outcome:
    at = np.arange(len(f))
    chance, spend = (values[at, arm] for values in _purchases_a(f))
    buys = rng.random(len(f)) < chance
    return Outcome(margin=A_MARGIN * buys * np.exp(rng.normal(spend, A_SIGMA)), cost=A_COST[arm])


# World B: a number of receipts times their amounts.

B_MARGIN, B_SHAPE = 0.30, 1.5
B_COST = np.array([0.0, 0.20, 0.30])


def _receipts_b(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected number of receipts and expected amount of one, under each arm, shape (n, 3) each."""
    regular, recency = np.log1p(f[:, 20]), f[:, 23] / 30.0
    number = -2.0 + 0.5 * regular - 0.35 * np.minimum(recency, 4.0) + 0.35 * f[:, 0] + 0.2 * np.abs(f[:, 3])
    first = 0.14 + 0.35 * np.tanh(f[:, 5]) + 0.20 * (recency > 1) - 0.15 * (regular > 1)
    second = 0.25 * np.tanh(f[:, 7] - 0.6 * f[:, 5])
    amount = 3.3 + 0.25 * f[:, 8] + 0.30 * (f[:, 28] > 0) + 0.15 * f[:, 9]
    larger = 0.05 + 0.16 * np.tanh(f[:, 10]) + 0.08 * (f[:, 22] >= 6)
    counts = np.exp(np.column_stack([number, number + first, number + second]))
    return counts, np.exp(np.column_stack([amount, amount, amount + larger]))


def _profit_b(f: np.ndarray) -> np.ndarray:
    number, amount = _receipts_b(f)
    return B_MARGIN * number * amount - B_COST


def _draw_b(f: np.ndarray, arm: np.ndarray, rng: np.random.Generator) -> Outcome:
    at = np.arange(len(f))
    number, amount = (values[at, arm] for values in _receipts_b(f))
    receipts = rng.poisson(number)
    spend = np.where(receipts > 0, rng.gamma(np.maximum(receipts, 1) * B_SHAPE, amount / B_SHAPE), 0.0)
    return Outcome(margin=B_MARGIN * spend, cost=B_COST[arm])


# World C: a discount that sure buyers redeem, and a reminder that harms some.

C_DISCOUNT, C_SIGMA = 0.20, 0.6
C_COST = np.array([0.0, 0.10, 0.15])


@dataclass(frozen=True, kw_only=True)
class _Discounted:
    """Of each customer: chance of buying by arm (n, 3), mean log spend, margin share, chance that a buyer redeems."""

    chance: np.ndarray
    spend: np.ndarray
    margin: np.ndarray
    redeems: np.ndarray


def _purchases_c(f: np.ndarray) -> _Discounted:
    habit = 0.9 * f[:, 0] - 0.5 * np.minimum(f[:, 23] / 30.0, 4.0) + 0.35 * (f[:, 21] - 8.0) / 2.0
    base = -1.6 + habit + 0.3 * f[:, 2] * f[:, 3]
    undecided = np.exp(-0.5 * ((base + 1.5) / 1.2) ** 2)
    discount = undecided * (0.55 + 0.45 * np.tanh(f[:, 5])) + 0.05
    reminder = 0.30 * np.tanh(f[:, 6]) + 0.15 * (f[:, 22] < 3) - 0.45 * (f[:, 27] > 0.8)
    return _Discounted(
        chance=_sigmoid(np.column_stack([base, base + discount, base + reminder])),
        spend=3.4 + 0.3 * f[:, 8] + 0.2 * np.log1p(f[:, 20]),
        margin=0.28 + 0.10 * np.tanh(f[:, 11]),
        redeems=_sigmoid(0.4 + 0.8 * habit + 0.5 * f[:, 12]),
    )


def _profit_c(f: np.ndarray) -> np.ndarray:
    c = _purchases_c(f)
    spend = np.exp(c.spend + C_SIGMA**2 / 2)
    kept = np.column_stack([c.margin, c.margin - C_DISCOUNT * c.redeems, c.margin])
    return c.chance * spend[:, None] * kept - C_COST


def _draw_c(f: np.ndarray, arm: np.ndarray, rng: np.random.Generator) -> Outcome:
    c, n = _purchases_c(f), len(f)
    buys = rng.random(n) < c.chance[np.arange(n), arm]
    redeems = (arm == 1) & (rng.random(n) < c.redeems)
    spend = buys * np.exp(rng.normal(c.spend, C_SIGMA))
    return Outcome(margin=spend * (c.margin - C_DISCOUNT * redeems), cost=C_COST[arm])


def _sigmoid(score: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-score))


WORLDS = {
    "A": World(name="A", story="zero-inflated log-normal spend", draw=_draw_a, profit=_profit_a),
    "B": World(name="B", story="Poisson receipts times gamma amounts", draw=_draw_b, profit=_profit_b),
    "C": World(name="C", story="a redeemed discount and a reminder that harms some", draw=_draw_c, profit=_profit_c),
}
