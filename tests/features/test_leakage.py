"""The lint that takes the future away."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from feature_tables import instants, make_tables, random_frames

from netlift.errors import LeakageError
from netlift.features import leakage
from netlift.features.build import build_features
from netlift.features.queries import Queries, queries_of_joined
from netlift.features.vocabulary import learn_vocabulary

pytestmark = pytest.mark.slow


def setting(seed: int):
    tables = make_tables(random_frames(np.random.default_rng(seed), receipts=200), attributes=("region",))
    return (
        tables,
        queries_of_joined(tables, instants("2024-06-01", "2024-12-01T15:00")),
        learn_vocabulary(tables, before=datetime(2024, 6, 1), least_customers=1),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_feature_changes_when_the_future_is_taken_away(seed):
    tables, queries, vocabulary = setting(seed)
    assert leakage.truncation_differences(tables, queries, vocabulary, observation_days=300) == {}


def test_features_that_look_one_day_ahead_are_named(monkeypatch):
    tables, queries, vocabulary = setting(0)

    def build_a_day_late(tables, queries, vocabulary, *, observation_days):
        later = Queries(customer_id=queries.customer_id, cutoff=queries.cutoff + np.timedelta64(20, "D"))
        return build_features(tables, later, vocabulary, observation_days=observation_days)

    monkeypatch.setattr(leakage, "build_features", build_a_day_late)
    with pytest.raises(LeakageError, match="purchases_30d"):
        leakage.require_no_leak(tables, queries, vocabulary, observation_days=300)


def test_a_late_write_that_a_feature_uses_is_named(monkeypatch):
    """Every receipt came in a year late: features that ignore ingestion see what nobody knew."""
    frames = random_frames(np.random.default_rng(3), receipts=200)
    frames["transactions"]["ingested_at"] = frames["transactions"].occurred_at + np.timedelta64(365, "D")
    tables = make_tables(frames)
    queries = queries_of_joined(tables, instants("2024-12-01"))
    vocabulary = learn_vocabulary(tables, before=datetime(2024, 6, 1), least_customers=1)
    leakage.require_no_leak(tables, queries, vocabulary, observation_days=300)

    def build_blind_to_ingestion(tables, queries, vocabulary, *, observation_days):
        receipts = tables["transactions"]
        known = tables.replace(transactions=receipts.mutate(ingested_at=receipts.occurred_at))
        return build_features(known, queries, vocabulary, observation_days=observation_days)

    monkeypatch.setattr(leakage, "build_features", build_blind_to_ingestion)
    with pytest.raises(LeakageError, match="came in after the cutoff"):
        leakage.require_no_leak(tables, queries, vocabulary, observation_days=300)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_feature_moves_when_the_future_is_poisoned(seed):
    tables, queries, vocabulary = setting(seed)
    differing = leakage.future_differences(tables, queries, vocabulary, leakage.poison, observation_days=300)
    assert differing == {}


def test_a_future_that_only_poison_shows_is_named(monkeypatch):
    """A feature scaled by the largest receipt of all time does not change when rows are cut from few customers."""
    tables, queries, vocabulary = setting(0)

    def build_scaled(tables, queries, vocabulary, *, observation_days):
        matrix = build_features(tables, queries, vocabulary, observation_days=observation_days)
        largest = tables["transactions"].revenue.max().to_pyarrow().as_py()
        matrix.X[:, 0] = 1.0 if largest < leakage.POISON else 2.0
        return matrix

    monkeypatch.setattr(leakage, "build_features", build_scaled)
    with pytest.raises(LeakageError, match="a million times larger"):
        leakage.require_no_leak(tables, queries, vocabulary, observation_days=300)
