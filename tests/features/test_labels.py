"""What customers did after their cutoffs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from feature_tables import cdnow_tables, instants, make_tables, random_frames
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.features.labels import build_labels, sum_outcomes
from netlift.features.queries import Queries, queries_at, queries_of_joined


def recompute(receipts: pd.DataFrame, queries: Queries, start: np.ndarray, end: np.ndarray) -> pd.DataFrame:
    """Each query on its own, from the raw rows."""
    back = receipts["is_return"].where(receipts["is_return"].notna(), receipts["revenue"] < 0).astype(bool)
    rows = []
    for customer, low, high in zip(queries.customer_id, start, end, strict=True):
        at = receipts["occurred_at"]
        within = receipts[(receipts["customer_id"] == customer) & (at >= low) & (at < high)]
        rows.append((within["revenue"].sum(), within["margin"].sum(), int((~back[within.index]).sum())))
    return pd.DataFrame(rows, columns=["revenue", "margin", "purchases"])


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), rows_per_partition=st.integers(1, 500))
def test_outcomes_of_any_spans_equal_the_raw_rows(seed, rows_per_partition):
    rng = np.random.default_rng(seed)
    frames = random_frames(rng)
    ids = rng.permutation(frames["customers"]["customer_id"].to_numpy())
    queries = queries_at(ids, instants("2024-03-01", "2024-07-01"))
    start = queries.cutoff + rng.integers(0, 90, len(queries)) * np.timedelta64(1, "D")
    end = start + rng.integers(1, 200, len(queries)) * np.timedelta64(1, "D")
    labels = sum_outcomes(make_tables(frames), queries, start=start, end=end, rows_per_partition=rows_per_partition)
    expected = recompute(frames["transactions"], queries, start, end)
    np.testing.assert_array_equal(labels.purchases, expected["purchases"])
    np.testing.assert_allclose(labels.margin, expected["margin"], atol=1e-9)
    np.testing.assert_allclose(labels.revenue, expected["revenue"], atol=1e-9)


def test_a_label_starts_after_the_gap_and_ends_before_the_horizon_does():
    times = ["2026-01-01", "2026-01-07T23:59:59.999999", "2026-01-08", "2026-02-06T23:59:59.999999", "2026-02-07"]
    frames = {
        "customers": pd.DataFrame({"customer_id": ["a"], "joined_at": pd.to_datetime(["2025-01-01"])}),
        "transactions": pd.DataFrame(
            {"customer_id": "a", "occurred_at": instants(*times), "revenue": [1.0, 2, 4, 8, 16], "margin": 1.0}
        ),
    }
    labels = build_labels(make_tables(frames), queries_at(["a"], instants("2026-01-01")), gap_days=7, horizon_days=30)
    assert (labels.revenue[0], labels.margin[0], labels.purchases[0]) == (12.0, 2.0, 2)


def test_cdnow_spend_of_the_second_half_is_that_of_the_file():
    tables = cdnow_tables()
    queries = queries_of_joined(tables, instants("1997-10-01"))
    labels = build_labels(tables, queries, gap_days=0, horizon_days=300)
    receipts = tables["transactions"].to_pandas()
    later = receipts[receipts["occurred_at"] >= pd.Timestamp("1997-10-01")]
    assert len(queries) == 23_570
    assert labels.purchases.sum() == len(later)
    assert labels.revenue.sum() == pytest.approx(later["revenue"].sum(), rel=1e-12)


def test_customers_that_nobody_knows_are_refused():
    tables = make_tables(random_frames(np.random.default_rng(0)))
    with pytest.raises(DataError, match="1 of 1 customers"):
        build_labels(tables, queries_at(["nobody"], instants("2024-05-01")), gap_days=0, horizon_days=30)


def test_later_margin_counts_for_less_and_receipts_count_as_they_are():
    """Recomputed by the definition: (1 + rate)^(-days since the cutoff / 365.25) for each receipt."""
    frames = random_frames(np.random.default_rng(11), receipts=300)
    ids = frames["customers"]["customer_id"].to_numpy()
    queries = queries_at(ids, instants("2024-05-01"))
    rate = 0.5
    plain = build_labels(make_tables(frames), queries, gap_days=7, horizon_days=120)
    less = build_labels(make_tables(frames), queries, gap_days=7, horizon_days=120, discount_rate_year=rate)
    receipts = frames["transactions"]
    start = pd.Timestamp("2024-05-08")
    inside = receipts[(receipts.occurred_at >= start) & (receipts.occurred_at < start + pd.Timedelta(days=120))]
    days = (inside.occurred_at - pd.Timestamp("2024-05-01")) / pd.Timedelta(days=1)
    worth = (inside.margin * (1 + rate) ** (-days / 365.25)).groupby(inside.customer_id).sum()
    assert np.allclose(less.margin, worth.reindex(queries.customer_id).fillna(0.0))
    assert np.array_equal(less.purchases, plain.purchases) and np.array_equal(less.revenue, plain.revenue)
    assert abs(less.margin.sum()) < abs(plain.margin.sum())
