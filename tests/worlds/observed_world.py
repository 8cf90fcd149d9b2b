"""A campaign whose customers somebody chose, by what the features show or also by what they do not."""

import numpy as np

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.rows import ContactRows
from netlift.features.matrix import Feature
from netlift.training.uplift.observational import Observed

REGIONS = ("north", "south", "other")
MEAN_EFFECT = 1.5


def features():
    numbers = [Feature(name=f"f{i}", unit="ratio", source="made up", formula="any") for i in range(5)]
    region = Feature(
        name="region", unit="category", source="made up", formula="any", kind="category", categories=REGIONS
    )
    return (*numbers, region)


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def observe(seed, *, n=5000, seen=1.0, unseen=0.0, effect=MEAN_EFFECT, sharp=False):
    """Contacted are those of high f0 (seen) and those with a reason of their own (unseen); both buy more."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:, 5] = rng.integers(0, 3, n)
    X[rng.random(n) < 0.05, 3] = np.nan
    reason = rng.normal(size=n)
    score = seen * (X[:, 0] + 0.5 * (X[:, 5] == 1)) + unseen * reason - 0.2
    chance = (score > 0).astype(float) if sharp else sigmoid(score)
    arm = (rng.random(n) < chance).astype(np.int64)

    def margin():
        buys = rng.random(n) < sigmoid(-0.5 + X[:, 0] + 0.3 * (X[:, 5] == 1) + reason)
        return buys * rng.gamma(2.0, 5.0, n)

    before, after = margin(), margin() + arm * effect * (1 + 0.5 * np.sign(X[:, 1]))
    rows = ContactRows(
        X=np.asfortranarray(X),
        features=features(),
        y=after - 0.2 * arm,
        margin=after,
        offers=("mail",),
        arm=arm,
        propensity=np.full(n, np.nan),
        available=np.ones((n, 2), dtype=bool),
        customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64),
        before=before,
    )
    earlier = X.copy()
    earlier[:, 1:5] = 0.8 * X[:, 1:5] + 0.6 * rng.normal(size=(n, 4))
    earlier[:50] = np.nan
    observed = Observed(
        rows=rows,
        earlier=earlier.astype(np.float32),
        campaigns=("picked",),
        unit="EUR/customer",
        level=0.95,
        machine=Machine(seed=1, threads=1),
    )
    return observed, chance
