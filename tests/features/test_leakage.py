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


def setting(seed: int):
    tables = make_tables(random_frames(np.random.default_rng(seed), receipts=200), attributes=("region",))
    return (
        tables,
        queries_of_joined(tables, instants("2024-06-01", "2024-12-01T15:00")),
        learn_vocabulary(tables, before=datetime(2024, 6, 1)),
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
