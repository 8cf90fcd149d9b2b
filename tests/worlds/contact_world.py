"""A made-up world of randomized campaigns whose true effects are known."""

from dataclasses import dataclass

import numpy as np

from netlift.config.definitions import Range, Search
from netlift.estimators.rows import ContactRows
from netlift.features.matrix import Feature

SEARCH = Search(
    trials=2,
    folds=3,
    max_rounds=80,
    patience=10,
    space={"num_leaves": Range(low=4, high=16, whole=True), "lambda_l2": Range(low=1, high=50, log=True)},
)
OFFERS = ("call", "mail", "promo")
REGIONS = ("north", "south", "other")


@dataclass(frozen=True, kw_only=True)
class World:
    """Contact rows with the true effect of each offer on profit, shape (n, m), at an average campaign."""

    rows: ContactRows
    effects: np.ndarray


def make_world(customers: int, *, seed: int, campaigns: int = 4, heterogeneous: bool = True) -> World:
    """Campaigns 0 and 1 had no promo; controls are fewer among frequent buyers; the season moves whole campaigns."""
    rng = np.random.default_rng(seed)
    customer = np.tile(np.arange(customers), campaigns)
    campaign = np.repeat(np.arange(campaigns), customers)
    n = len(customer)
    X = np.asfortranarray(rng.normal(size=(n, 10)).astype(np.float32))
    X[:, 9] = rng.integers(0, 3, n)
    X[rng.random(n) < 0.05, 4] = np.nan
    season = np.array([0.0, -0.3, 0.4, 0.1])[campaign % 4]
    available = np.ones((n, 4), dtype=bool)
    available[campaign < 2, 3] = False
    chances = _chances(X, available)
    arm = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    expected = np.stack([_expected(X, j, heterogeneous=heterogeneous) for j in range(4)])
    p, m = _parts(X, arm_of=arm, season=season, heterogeneous=heterogeneous)
    buys = rng.random(n) < p
    margin = np.where(buys, m * rng.lognormal(-0.18, 0.6, n), 0.0)
    cost = np.array([0.0, 2.0, 0.1, 0.3])[arm] + np.where((arm == 3) & buys, 1.5, 0.0)
    features = [Feature(name=f"f{i}", unit="ratio", source="made up", formula="normal") for i in range(9)]
    region = Feature(
        name="region", unit="category", source="made up", formula="any", kind="category", categories=REGIONS
    )
    rows = ContactRows(
        X=X,
        features=(*features, region),
        y=margin - cost,
        margin=margin,
        offers=OFFERS,
        arm=arm.astype(np.int64),
        propensity=chances[np.arange(n), arm],
        available=available,
        customer=customer.astype(np.int64),
        campaign=campaign.astype(np.int64),
    )
    return World(rows=rows, effects=(expected[1:] - expected[0]).T)


def _chances(X: np.ndarray, available: np.ndarray) -> np.ndarray:
    control = np.where(X[:, 0] > 0, 0.2, 0.5)
    offers = (1 - control) / available[:, 1:].sum(axis=1)
    return np.concatenate([control[:, None], offers[:, None] * available[:, 1:]], axis=1)


def _parts(
    X: np.ndarray, *, arm_of: np.ndarray, season: np.ndarray, heterogeneous: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Chance of buying and mean margin of buyers."""
    sway = 1.0 if heterogeneous else 0.0
    lift = np.stack(
        [
            np.zeros(len(X)),
            0.5 + sway * 0.9 * np.tanh(X[:, 1]),
            0.15 + sway * 0.5 * (X[:, 2] > 0),
            0.4 - sway * 0.8 * np.tanh(X[:, 1]),
        ]
    )[arm_of, np.arange(len(X))]
    level = -1.2 + 0.7 * X[:, 0] + 0.4 * X[:, 3] + 0.3 * (X[:, 9] == 1) + season + lift
    return 1 / (1 + np.exp(-level)), np.exp(2.5 + 0.3 * X[:, 5])


def _expected(X: np.ndarray, arm: int, *, heterogeneous: bool) -> np.ndarray:
    p, m = _parts(X, arm_of=np.full(len(X), arm), season=np.zeros(len(X)), heterogeneous=heterogeneous)
    cost = (0.0, 2.0, 0.1, 0.3)[arm] + (1.5 * p if arm == 3 else 0.0)
    return p * m - cost


SUBSCRIPTIONS = ("tariff", "discount")


def make_subscribers(customers: int, *, seed: int, both_signs: bool = False, heterogeneous: bool = True) -> World:
    """A telecom: everybody pays each month, offers move how much; three campaigns, of which the first had no discount.

    Args:
        customers: In each campaign.
        seed: Of the draw.
        both_signs: Margins are normal about 5 with a deviation of 20, so that support and refunds outweigh what four in
            ten pay; else log-normal about 25, all of them positive.
        heterogeneous: Whether effects differ between customers.
    """
    rng = np.random.default_rng(seed)
    campaign = np.repeat(np.arange(3), customers)
    n = len(campaign)
    X = np.asfortranarray(rng.normal(size=(n, 8)).astype(np.float32))
    X[rng.random(n) < 0.05, 6] = np.nan
    season = np.array([0.0, 0.1, -0.1])[campaign]
    available = np.ones((n, 3), dtype=bool)
    available[campaign == 0, 2] = False
    chances = np.concatenate([np.full((n, 1), 0.4), 0.6 * available[:, 1:] / available[:, 1:].sum(1)[:, None]], axis=1)
    arm = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    sway = 1.0 if heterogeneous else 0.0
    lift = np.stack(
        [np.zeros(n), 0.02 + sway * 0.2 * np.tanh(X[:, 1]), 0.03 - sway * 0.25 * np.tanh(X[:, 1] - X[:, 2])]
    )
    usual = np.exp(3.2 + 0.3 * X[:, 0] + 0.2 * X[:, 3])
    cost, at = np.array([0.0, 0.5, 0.2]), np.arange(n)
    if both_signs:
        money = 5.0 + 2.0 * X[:, 0] + 20.0 * lift
        margin = money[arm, at] + 20.0 * season + rng.normal(0.0, 20.0, n)
    else:
        money = usual * (1.0 + lift)
        margin = money[arm, at] * np.exp(season) * rng.lognormal(-0.08, 0.4, n)
    rows = ContactRows(
        X=X,
        features=tuple(Feature(name=f"f{i}", unit="ratio", source="made up", formula="normal") for i in range(8)),
        y=margin - cost[arm],
        margin=margin,
        offers=SUBSCRIPTIONS,
        arm=arm.astype(np.int64),
        propensity=chances[at, arm],
        available=available,
        customer=np.tile(np.arange(customers), 3).astype(np.int64),
        campaign=campaign.astype(np.int64),
    )
    return World(rows=rows, effects=(money[1:] - money[0] - cost[1:, None]).T)
