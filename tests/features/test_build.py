"""What must hold of features whatever the data."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from feature_tables import instants, make_tables, random_frames
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError, SchemaDriftError
from netlift.features.build import build_features, iterate_features
from netlift.features.matrix import FeatureMatrix
from netlift.features.queries import Queries, queries_at, queries_of_joined
from netlift.features.vocabulary import Vocabulary, learn_vocabulary

pytestmark = pytest.mark.slow

CUTOFFS = instants("2024-06-01", "2024-10-15T12:00", "2025-01-01")
ATTRIBUTES = ("region", "points")
seeds = st.integers(0, 2**32 - 1)


def learn(frames: dict[str, pd.DataFrame]) -> Vocabulary:
    return learn_vocabulary(
        make_tables(frames, attributes=ATTRIBUTES), before=datetime(2024, 6, 1), most=2, least_customers=1
    )


VOCABULARY = Vocabulary(
    categories=("tea", "coffee"),
    channels=("web",),
    contact_channels=("sms", "phone"),
    event_kinds=("visit",),
    attributes={"region": ("north",), "points": None},
)


def compute(frames: dict[str, pd.DataFrame], vocabulary: Vocabulary, **options) -> FeatureMatrix:
    tables = make_tables(frames, attributes=ATTRIBUTES)
    queries = queries_at(frames["customers"]["customer_id"].to_numpy(), options.pop("cutoffs", CUTOFFS))
    return build_features(tables, queries, vocabulary, **{"observation_days": 400, **options})


def assert_same(one: FeatureMatrix, two: FeatureMatrix) -> None:
    assert one.names == two.names
    assert list(one.customer_id) == list(two.customer_id)
    np.testing.assert_array_equal(one.cutoff, two.cutoff)
    np.testing.assert_array_equal(one.X, two.X)


@settings(max_examples=5)
@given(seed=seeds)
def test_rows_at_or_after_the_cutoff_change_no_feature(seed):
    frames = random_frames(np.random.default_rng(seed), customers=20, receipts=400)
    cutoff = CUTOFFS[1]
    poisoned = {name: frame.copy() for name, frame in frames.items()}
    receipts = poisoned["transactions"]
    later = receipts["occurred_at"] >= cutoff
    receipts.loc[later, ["revenue", "margin"]] *= 1e6
    on_the_cutoff = receipts.head(3).assign(occurred_at=cutoff, ingested_at=pd.NaT, revenue=1e6, is_return=False)
    poisoned["transactions"] = pd.concat([receipts, on_the_cutoff])
    for name, time in (("events", "occurred_at"), ("surveys", "answered_at")):
        poisoned[name] = poisoned[name][poisoned[name][time] < cutoff]
    contacts = poisoned["contacts"]
    poisoned["contacts"] = contacts[contacts["assigned_at"] < cutoff]
    assert_same(*(compute(each, VOCABULARY, cutoffs=[cutoff]) for each in (frames, poisoned)))


@settings(max_examples=5)
@given(seed=seeds)
def test_row_order_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    frames = random_frames(rng, customers=20, receipts=400)
    shuffled = {name: frame.sample(frac=1, random_state=rng.integers(1000)) for name, frame in frames.items()}
    shuffled["customers"] = frames["customers"]
    assert_same(compute(frames, VOCABULARY), compute(shuffled, VOCABULARY))


@settings(max_examples=5)
@given(seed=seeds)
def test_rows_that_became_known_after_the_cutoff_are_not_seen(seed):
    frames = random_frames(np.random.default_rng(seed), customers=20, receipts=400)
    cutoff = CUTOFFS[1]
    receipts = frames["transactions"]
    known = receipts["ingested_at"].isna() | (receipts["ingested_at"] <= cutoff)
    without = {**frames, "transactions": receipts[known].assign(ingested_at=pd.NaT)}
    assert_same(*(compute(each, VOCABULARY, cutoffs=[cutoff]) for each in (frames, without)))


@settings(max_examples=5)
@given(seed=seeds, rows_per_partition=st.integers(1, 40))
def test_the_number_of_partitions_changes_nothing(seed, rows_per_partition):
    frames = random_frames(np.random.default_rng(seed), customers=9, receipts=300)
    assert_same(compute(frames, VOCABULARY), compute(frames, VOCABULARY, rows_per_partition=rows_per_partition))


def test_the_stream_equals_the_matrix():
    frames = random_frames(np.random.default_rng(1), customers=9, receipts=300)
    vocabulary, tables = learn(frames), make_tables(frames, attributes=ATTRIBUTES)
    queries = queries_of_joined(tables, CUTOFFS)
    whole = build_features(tables, queries, vocabulary, observation_days=400)
    parts = list(iterate_features(tables, CUTOFFS, vocabulary, observation_days=400, rows_per_partition=50))
    assert len(parts) > 2
    np.testing.assert_array_equal(np.concatenate([part.customer_id for part in parts]), whole.customer_id)
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), whole.X)
    summed = {column: sum(part.unseen.get(column, 0) for part in parts) for column in whole.unseen}
    assert summed == whole.unseen


def test_answers_come_in_the_order_of_the_questions():
    frames = random_frames(np.random.default_rng(2))
    vocabulary, tables = learn(frames), make_tables(frames, attributes=ATTRIBUTES)
    queries = queries_of_joined(tables, CUTOFFS)
    order = np.random.default_rng(3).permutation(len(queries))
    whole = build_features(tables, queries, vocabulary, observation_days=400)
    turned = build_features(tables, queries.take(order), vocabulary, observation_days=400)
    np.testing.assert_array_equal(turned.X, whole.X[order])


def test_features_can_be_chosen_by_name():
    frames = random_frames(np.random.default_rng(4))
    names = ["points", "nps_last_score", "revenue_all", "contacts_30d"]
    some, whole = compute(frames, learn(frames), names=names), compute(frames, learn(frames))
    assert some.names == names
    np.testing.assert_array_equal(some.X, np.column_stack([whole.column(name) for name in names]))
    with pytest.raises(SchemaDriftError, match="no_such_feature"):
        compute(frames, learn(frames), names=["no_such_feature"])


def test_values_unknown_to_the_vocabulary_are_counted_and_become_other():
    frames = random_frames(np.random.default_rng(5))
    vocabulary = learn(frames)
    frames["customers"]["region"] = "new region"
    matrix = compute(frames, vocabulary, cutoffs=[np.datetime64("2026-01-01", "us")], observation_days=3000)
    receipts = frames["transactions"]
    assert matrix.unseen["region"] == 6
    assert set(matrix.column("region")) == {len(vocabulary.attributes["region"])}
    unseen = receipts["category"].notna() & ~receipts["category"].isin(vocabulary.categories)
    assert matrix.unseen["transactions.category"] == unseen.sum() > 0


def test_customers_that_nobody_knows_are_refused_by_number_and_not_by_name():
    tables = make_tables(random_frames(np.random.default_rng(6)))
    queries = queries_at(["nobody 1", "клиент 000", "nobody 2"], CUTOFFS)
    with pytest.raises(DataError, match="2 of 3 customers") as refusal:
        build_features(tables, queries, Vocabulary(attributes={}, sources=()), observation_days=400)
    assert "nobody" not in str(refusal.value)


def test_sources_that_have_gone_since_training_are_named():
    frames = random_frames(np.random.default_rng(7))
    vocabulary = learn(frames)
    del frames["surveys"], frames["transactions"]["category"]
    with pytest.raises(SchemaDriftError, match=r"surveys, transactions\.category"):
        compute(frames, vocabulary)


def test_missing_money_is_refused():
    frames = random_frames(np.random.default_rng(8))
    vocabulary = learn(frames)
    frames["transactions"].loc[3, "margin"] = None
    with pytest.raises(DataError, match=r"transactions\.margin: 1 values are missing"):
        compute(frames, vocabulary, cutoffs=[np.datetime64("2026-01-01", "us")], observation_days=3000)


def test_two_customers_of_one_id_are_refused():
    frames = random_frames(np.random.default_rng(9))
    vocabulary = learn(frames)
    frames["customers"] = pd.concat([frames["customers"], frames["customers"].head(1)])
    tables = make_tables(frames, attributes=ATTRIBUTES)
    with pytest.raises(DataError, match="1 rows repeat a customer_id"):
        next(iterate_features(tables, CUTOFFS, vocabulary, observation_days=400))


def test_no_questions_have_no_answers():
    frames = random_frames(np.random.default_rng(10))
    nobody = Queries(customer_id=np.array([], dtype=object), cutoff=np.array([], dtype="datetime64[us]"))
    tables = make_tables(frames, attributes=ATTRIBUTES)
    matrix = build_features(tables, nobody, learn(frames), observation_days=400)
    assert matrix.X.shape == (0, len(matrix.features))


def test_features_of_one_customer_are_what_a_person_computes_by_hand():
    frames = {
        "customers": pd.DataFrame({"customer_id": ["a", "b"], "joined_at": instants("2025-01-01", "2025-06-01")}),
        "transactions": pd.DataFrame(
            {
                "customer_id": ["a"] * 5,
                "occurred_at": pd.to_datetime(
                    ["2026-02-28 23:59", "2026-02-28 10:00", "2026-02-18 09:00", "2026-01-29 12:00", "2026-03-01 00:00"]
                ),
                "revenue": [10.0, 30.0, -5.0, 20.0, 999.0],
                "margin": [1.0, 3.0, -0.5, 2.0, 99.0],
            }
        ),
    }
    tables = make_tables(frames)
    queries = queries_at(["a", "b"], [datetime(2026, 3, 1)])
    matrix = build_features(tables, queries, Vocabulary(attributes={}, sources=()), observation_days=365)
    a, b = (dict(zip(matrix.names, row, strict=True)) for row in matrix.X)
    expected = {
        "purchases_7d": 2, "purchases_30d": 2, "purchases_90d": 3, "purchase_days_90d": 2, "revenue_30d": 35,
        "margin_all": 5.5, "mean_purchase_90d": 20, "largest_purchase_7d": 30, "sd_purchase_90d": 10,
        "purchases_trend_30d_90d": 2, "gap_mean_days": 30, "days_since_last_purchase": 1,
        "days_since_first_purchase": 31, "age_at_last_purchase_days": 30, "weekend_share_365d": 2 / 3,
        "returns_365d": 1, "returned_amount_365d": 5, "last_purchase_revenue": 10, "tenure_days": 424,
    }  # fmt: skip
    for name, value in expected.items():
        assert a[name] == pytest.approx(value, rel=1e-6), name
    assert (b["purchases_all"], b["revenue_all"], b["returns_365d"]) == (0, 0, 0)
    assert np.isnan([b["days_since_last_purchase"], b["mean_purchase_all"], b["gap_mean_days"]]).all()


def test_an_attribute_that_changed_its_type_is_named():
    frames = random_frames(np.random.default_rng(11))
    frames["customers"]["points"] = "many"
    with pytest.raises(SchemaDriftError, match=r"customers\.points as a number"):
        compute(frames, VOCABULARY)


def test_a_refused_read_leaves_the_tables_usable():
    frames = random_frames(np.random.default_rng(12))
    frames["surveys"].loc[::2, "score"] = None
    tables = make_tables(frames, attributes=ATTRIBUTES)
    queries = queries_at(["клиент 000"], instants("2026-01-01"))
    with pytest.raises(DataError, match=r"surveys\.score: \d+ values are missing"):
        build_features(tables, queries, VOCABULARY, observation_days=3000)
    assert len(queries_of_joined(tables, CUTOFFS))


def test_questions_without_an_id_are_refused():
    tables = make_tables(random_frames(np.random.default_rng(13)), attributes=ATTRIBUTES)
    with pytest.raises(DataError, match="1 of 2 queries have no customer_id"):
        build_features(tables, queries_at([None, "клиент 000"], instants("2026-01-01")), VOCABULARY, observation_days=9)
