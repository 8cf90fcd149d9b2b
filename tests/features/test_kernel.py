"""The kernels against the same features written as Ibis expressions."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from feature_tables import cdnow_tables, instants, make_tables, online_retail_tables, random_frames, retailer_tables
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import Oracle

from netlift.data.read import Tables
from netlift.features.build import build_features
from netlift.features.queries import Queries, queries_of_joined
from netlift.features.vocabulary import learn_vocabulary

pytestmark = pytest.mark.slow

COUNTED = ("purchases_", "purchase_days_", "returns_", "contacts_", "openings_", "complaints_", "categories_", "days_")


def assert_equals_oracle(tables: Tables, queries: Queries, *, observation_days: int, most: int = 8) -> None:
    vocabulary = learn_vocabulary(tables, before=queries.cutoff.max().item(), most=most, least_customers=1)
    ours = build_features(tables, queries, vocabulary, observation_days=observation_days)
    theirs = Oracle(tables, queries, vocabulary, observation_days=observation_days).frame()
    assert ours.names == list(theirs.columns)
    for name in ours.names:
        is_count = name.startswith(COUNTED) and not any(part in name for part in ("_trend_", "_over_", "_per_"))
        tolerance = {"rtol": 0, "atol": 0} if is_count else {"rtol": 1e-5, "atol": 1e-6}
        np.testing.assert_allclose(ours.column(name), theirs[name].to_numpy(), **tolerance, err_msg=name)


def cutoffs_on_limits(rng: np.random.Generator, frames: dict[str, pd.DataFrame]) -> np.ndarray:
    """Cutoffs at which some row lies exactly on an end of a window."""
    at = [
        rng.choice(frames[name][time].dropna().to_numpy(), 2)
        for name, time in (
            ("transactions", "occurred_at"),
            ("transactions", "ingested_at"),
            ("contacts", "delivered_at"),
            ("events", "occurred_at"),
            ("surveys", "answered_at"),
        )
    ]
    lengths = np.array([0, 0, 7, 30, 90, 365, 14, 14, 0, 0])
    return np.unique(np.concatenate(at).astype("datetime64[us]") + lengths * np.timedelta64(1, "D"))


@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1), observation_days=st.sampled_from([3, 60, 200, 400, 730]))
def test_the_kernels_equal_the_oracle_on_random_businesses(seed, observation_days):
    rng = np.random.default_rng(seed)
    frames = random_frames(rng, customers=30, receipts=600)
    tables = make_tables(frames, attributes=("region", "points"))
    queries = queries_of_joined(tables, cutoffs_on_limits(rng, frames))
    assume(len(queries) > 0)
    assert_equals_oracle(tables, queries, observation_days=observation_days, most=2)


def test_the_kernel_equals_the_oracle_on_cdnow():
    tables = cdnow_tables()
    queries = queries_of_joined(tables, instants("1997-04-01", "1997-12-31", "1998-06-30T12:30"))
    assert len(queries) == 3 * 23_570
    assert_equals_oracle(tables, queries.take(np.arange(0, len(queries), 7)), observation_days=730)


def test_the_kernel_equals_the_oracle_on_online_retail():
    tables = online_retail_tables()
    queries = queries_of_joined(tables, instants("2011-03-01", "2011-09-01", "2011-12-09"))
    assert_equals_oracle(tables, queries, observation_days=270)


def test_the_kernels_equal_the_oracle_on_the_demo_retailer(tmp_path):
    tables = retailer_tables(tmp_path / "retailer", customers=300, end=date(2026, 10, 1))
    queries = queries_of_joined(tables, instants("2025-06-01", "2026-03-01", "2026-10-01"))
    assert_equals_oracle(tables, queries, observation_days=730)


def test_a_contact_is_no_feature_of_its_own_assignment(tmp_path):
    tables = retailer_tables(tmp_path / "retailer", customers=300, end=date(2026, 10, 1))
    contacts = tables.connection.to_pandas(tables["contacts"])
    queries = Queries(
        customer_id=contacts["customer_id"].to_numpy(dtype=object),
        cutoff=contacts["assigned_at"].to_numpy().astype("datetime64[us]"),
    )
    assert_equals_oracle(tables, queries, observation_days=730)
    vocabulary = learn_vocabulary(tables, before=queries.cutoff.min().item(), least_customers=1)
    ours = build_features(tables, queries, vocabulary, observation_days=730)
    first_campaign = (contacts["assigned_at"] < contacts["assigned_at"].min() + pd.Timedelta(days=1)).to_numpy()
    assert len(contacts) > 500
    assert ours.column("contacts_365d")[first_campaign].max() == 0
