"""A store and small fitted models to register."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import lightgbm as lgb
import numpy as np
import pytest

from netlift.estimators import expression
from netlift.features.matrix import Feature
from netlift.registry.models import register
from netlift.registry.tracking import TrainingRecord, log_training

FEATURES = (
    Feature(name="days_since_last_purchase", unit="days", source="transactions", formula="c - last"),
    Feature(name="receipts_90d", unit="receipts", source="transactions", formula="count"),
    Feature(
        name="region",
        unit="category",
        source="customers",
        formula="region",
        kind="category",
        categories=("север", "юг", "other"),
    ),
)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def make_files() -> Callable[[int], dict[str, bytes]]:
    """The stored form of a churn model, another one for each seed."""

    def make(seed: int) -> dict[str, bytes]:
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.uniform(0, 300, 400), rng.poisson(3, 400), rng.integers(0, 3, 400)]).astype(np.float32)
        y = (rng.uniform(size=400) < 1 / (1 + np.exp(2 - X[:, 0] / 100))).astype(float)
        params = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": seed, "deterministic": True}
        names = [feature.name for feature in FEATURES]
        data = lgb.Dataset(X, y, feature_name=names, categorical_feature=["region"])
        booster = lgb.train(params, data, num_boost_round=8)
        chance = expression.interpolate([0.0, 1.0], [0.02, 0.98], expression.booster("booster.txt", link="sigmoid"))
        return expression.write_files(
            task="churn",
            features=FEATURES,
            outputs=[("p_churn", "chance", chance)],
            boosters={"booster.txt": booster.model_to_string()},
        )

    return make


@pytest.fixture
def add_version(store, make_files) -> Callable[[int], int]:
    """Log a run and register the model of a seed; returns the version."""

    def add(seed: int) -> int:
        run_id = log_training(store, TrainingRecord(task="churn", run_name=f"churn-{seed}", started_at=NOON))
        metadata = {"currency": "RUB", "horizon_days": "90"}
        return register(store, "churn", make_files(seed), run_id=run_id, card=f"# Card {seed}", metadata=metadata)

    return add
