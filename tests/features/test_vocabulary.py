"""What is learned before training."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from feature_tables import make_tables

from netlift.features.catalogue import build_catalogue
from netlift.features.vocabulary import Vocabulary, learn_vocabulary


def small_tables(events: pd.DataFrame | None = None, **receipt_columns: list[str | None]):
    receipts = pd.DataFrame(
        {
            "customer_id": ["a"] * 6,
            "occurred_at": pd.to_datetime(["2026-01-0" + str(day) for day in (1, 2, 3, 4, 5, 9)]),
            "revenue": 1.0,
            "margin": 0.5,
            **receipt_columns,
        }
    )
    customers = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "joined_at": pd.to_datetime(["2025-01-01", "2026-02-01"]),
            "plan": ["x", "y"],
            "n": [1, 2],
        }
    )
    frames = {"customers": customers, "transactions": receipts} | ({} if events is None else {"events": events})
    return make_tables(frames, attributes=("plan", "n"))


def test_values_are_kept_by_frequency_then_name_from_earlier_rows_only():
    tables = small_tables(category=["pears", "apples", "figs", "figs", None, "late"])
    vocabulary = learn_vocabulary(tables, before=datetime(2026, 1, 9), most=2, least_customers=1)
    assert vocabulary.categories == ("figs", "apples")
    assert vocabulary.attributes == {"plan": ("x",), "n": None}


def test_the_word_other_is_no_value_of_its_own():
    tables = small_tables(category=["other", "other", "other", "tea", "tea", "tea"])
    assert learn_vocabulary(tables, before=datetime(2026, 3, 1), least_customers=1).categories == ("tea",)


def test_every_kind_of_event_has_features_but_those_that_have_their_own():
    when = datetime(2026, 1, 5)
    events = pd.DataFrame(
        {"customer_id": "a", "occurred_at": [when] * 6, "kind": ["visit", "search", "visit", "open", "complaint", None]}
    )
    events.loc[len(events)] = ["a", datetime(2026, 2, 1), "late"]
    vocabulary = learn_vocabulary(small_tables(events), before=datetime(2026, 1, 9), least_customers=1)
    assert vocabulary.event_kinds == ("visit", "search")
    names = [feature.name for feature in build_catalogue(vocabulary) if "event" in feature.name]
    assert names == [
        name
        for kind in ("visit", "search")
        for name in (*(f"events_{kind}_{days}d" for days in (30, 90, 365)), f"days_since_event_{kind}")
    ]
    plain = vocabulary.to_dict()
    del plain["event_kinds"]
    assert Vocabulary.from_dict(plain).event_kinds == (), "of before such features"


def test_columns_and_tables_that_do_not_exist_have_no_words():
    vocabulary = learn_vocabulary(small_tables(), before=datetime(2026, 3, 1))
    assert (vocabulary.categories, vocabulary.channels, vocabulary.contact_channels) == ((), (), ())
    assert vocabulary.sources == ()


def test_a_value_of_fewer_than_twenty_customers_is_pooled_and_counted():
    ids = [f"c{n}" for n in range(60)]
    plan = ["many"] * 20 + ["few"] * 19 + [f"address {n}" for n in range(21)]
    customers = pd.DataFrame({"customer_id": ids, "joined_at": pd.Timestamp("2025-01-01"), "plan": plan})
    receipts = pd.DataFrame(
        {
            "customer_id": ["c0"] * 100 + ids[:20],
            "occurred_at": pd.Timestamp("2026-01-01"),
            "revenue": 1.0,
            "margin": 0.5,
            "category": ["of one customer"] * 100 + ["tea"] * 20,
        }
    )
    tables = make_tables({"customers": customers, "transactions": receipts}, attributes=("plan",))
    found = learn_vocabulary(tables, before=datetime(2026, 3, 1))
    assert found.attributes == {"plan": ("many",)} and found.categories == ("tea",)
    assert found.pooled == {"plan": 22, "category": 1}
    assert (
        "address" not in str(found.to_dict())
        and "plan 22" in found.tell_pooled()
        and "20 customers" in found.tell_pooled()
    )
    assert Vocabulary.from_dict(found.to_dict()) == found
