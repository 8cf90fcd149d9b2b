"""One row per assigned customer, against rows written down by hand."""

from datetime import datetime
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.abtest.stats.outcomes import Spans, assigned_outcomes, count_left_out, daily_outcomes
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.errors import DataError, UsageError

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
ASSIGNED = pd.Timestamp("2026-03-01 09:00:00.5")
SPANS = Spans(pre_days=10, after_days=3)


def at(days, microseconds=0):
    return ASSIGNED + days * DAY + pd.Timedelta(microseconds=microseconds)


def world(**changes):
    frames = {
        "customers": pd.DataFrame(
            {
                "customer_id": ["ann", "bob", "cat", "dan"],
                "joined_at": [at(-100), at(-20.5), at(-1), at(-50)],
                "region": ["north", "south", None, "north"],
            }
        ),
        "campaigns": pd.DataFrame(
            {"campaign_id": ["K1", "K2"], "started_at": [ASSIGNED, at(7)], "outcome_days": [14.0, 7.0]}
        ),
        "offers": pd.DataFrame({"offer_id": ["mail"], "channel": ["email"], "contact_cost": [0.4]}),
        "contacts": pd.DataFrame(
            [
                ("K1", "ann", ASSIGNED, "mail", 0.7, 2.0, at(0.1)),
                ("K1", "bob", ASSIGNED, "control", None, None, pd.NaT),
                ("K1", "cat", at(0.5), "mail", None, None, pd.NaT),
                ("K1", "stranger", ASSIGNED, "mail", None, None, pd.NaT),
                ("K1", "dan", at(1), "mail", None, 1.0, at(1)),
                ("K1", "dan", ASSIGNED, "control", None, None, pd.NaT),
                ("K2", "ann", at(7), "control", None, None, pd.NaT),
            ],
            columns=[
                "campaign_id",
                "customer_id",
                "assigned_at",
                "offer_id",
                "contact_cost",
                "reward_cost",
                "delivered_at",
            ],
        ),
        "transactions": pd.DataFrame(
            [
                ("ann", at(0), 100.0, 40.0, False),  # the first moment of the window
                ("ann", at(14, -1), 10.0, 4.0, False),  # its last
                ("ann", at(14), 1000.0, 400.0, False),  # behind it
                ("ann", at(17), 9.0, 9.0, False),  # behind everything
                ("ann", at(0, -1), 50.0, 20.0, False),  # before it
                ("ann", at(-10), 5.0, 2.0, False),  # the first moment before it that is seen
                ("ann", at(-10, -1), 7.0, 3.0, False),
                ("bob", at(3), -30.0, -12.0, True),  # a return alone
                ("stranger", at(3), 77.0, 7.0, False),
            ],
            columns=["customer_id", "occurred_at", "revenue", "margin", "is_return"],
        ),
    }
    frames |= changes
    sources = {name: ibis.memtable(frame) for name, frame in frames.items() if frame is not None}
    return conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))


def outcomes(tables, campaigns=("K1",), spans=SPANS, **more):
    frame = assigned_outcomes(tables, campaigns, spans, **more).to_pandas()
    return frame.set_index(["campaign_id", "customer_id"]).sort_index()


def test_receipts_count_from_the_assignment_to_the_last_moment_of_the_window() -> None:
    ann = outcomes(world()).loc["K1", "ann"]
    assert (ann.revenue, ann.margin, ann.bought) == (110.0, 44.0, True)
    amounts = [ann.pre_revenue, ann.pre_margin, ann.pre_purchases, ann.no_history]
    assert amounts == pytest.approx([*np.log1p([5500.0, 2200.0, 200.0]), 0.0])
    assert (ann.revenue_after, ann.margin_after) == (1000.0, 400.0)
    assert ann.tenure_days == pytest.approx(100, abs=1e-4)


def test_a_customer_counts_in_each_campaign_by_its_own_window() -> None:
    rows = outcomes(world(), campaigns=("K1", "K2"))
    found = rows.loc[("K2", "ann"), ["revenue", "margin", "pre_revenue"]].tolist()
    assert found == pytest.approx([10.0, 4.0, np.log1p(15_000.0)])
    assert rows.loc["K2", "ann"].arm == "control"


def test_who_bought_nothing_has_zeros_and_a_return_is_booked_without_making_a_buyer() -> None:
    rows = outcomes(world())
    assert rows.loc[("K1", "cat"), ["revenue", "margin", "pre_revenue", "bought", "no_history"]].tolist() == [
        0.0, 0.0, 0.0, False, 1.0,
    ]  # fmt: skip
    bob = rows.loc["K1", "bob"]
    assert (bob.revenue, bob.margin, bob.bought) == (-30.0, -12.0, False)


def test_contacts_cost_what_was_logged_else_what_the_offer_says_and_nothing_in_control() -> None:
    rows = outcomes(world()).loc["K1"]
    assert rows.contact_cost.to_dict() == {"ann": 0.7, "bob": 0.0, "cat": 0.4, "dan": 0.4}
    assert rows.reward.to_dict() == {"ann": 2.0, "bob": 0.0, "cat": 0.0, "dan": 1.0}
    assert rows.delivered.to_dict() == {"ann": 1.0, "bob": 0.0, "cat": 0.0, "dan": 1.0}
    without = outcomes(world(offers=None)).loc["K1"]
    assert without.contact_cost.to_dict() == {"ann": 0.7, "bob": 0.0, "cat": 0.0, "dan": 0.0}


def test_a_customer_drawn_twice_keeps_the_first_arm_and_strangers_are_counted() -> None:
    tables = world()
    assert outcomes(tables).loc["K1", "dan"].arm == "control"
    assert sorted(outcomes(tables).loc["K1"].index) == ["ann", "bob", "cat", "dan"]
    found = count_left_out(tables, ("K1",))
    assert found == {"unknown_customers": 1, "repeated_contacts": 1, "two_arms": 1, "costs_assumed": 3}


def test_nothing_is_seen_from_the_moment_the_readout_stands_at() -> None:
    spans = Spans(pre_days=10, until=at(1).to_pydatetime())
    rows = outcomes(world(), spans=spans).loc["K1"]
    assert rows.revenue.to_dict() == {"ann": 100.0, "bob": 0.0, "cat": 0.0, "dan": 0.0}
    assert rows.contact_cost["dan"] == 0.0  # his second contact is yet to come
    with pytest.raises(DataError, match="nobody was assigned"):
        outcomes(world(), spans=Spans(pre_days=10, until=datetime(2020, 1, 1)))


def test_days_are_counted_from_each_customers_own_assignment() -> None:
    days = daily_outcomes(world(), ("K1",), SPANS).to_pandas().set_index(["customer_id", "day"]).sort_index()
    assert days.revenue.to_dict() == {
        ("ann", 0): 100.0, ("ann", 13): 10.0, ("ann", 14): 1000.0, ("bob", 3): -30.0, ("stranger", 3): 77.0,
    }  # fmt: skip


def test_customers_are_split_by_any_column_that_the_table_has() -> None:
    rows = outcomes(world(), dimensions=("region",)).loc["K1"]
    assert rows.region.dropna().to_dict() == {"ann": "north", "bob": "south", "dan": "north"}
    with pytest.raises(UsageError, match="did you mean region"):
        outcomes(world(), dimensions=("regoin",))


def test_an_unknown_campaign_gets_a_hint_and_missing_tables_are_named() -> None:
    with pytest.raises(UsageError, match="no campaign 'K3' in the table campaigns; known: K1, K2"):
        outcomes(world(), campaigns=("K3",))
    with pytest.raises(DataError, match="needs the tables contacts"):
        outcomes(world(contacts=None))
