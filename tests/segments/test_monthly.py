from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scorecard_world import LOST, MONTH, RULE, count_over, make_frames, make_snapshot, months_from
from segment_tables import make_tables

from netlift.config.segments import LostSettings
from netlift.segments.monthly import JOINED, OUTSIDE, ChurnRule, Month, sum_channels, sum_month

pytestmark = pytest.mark.slow


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), customers=st.integers(3, 40))
def test_every_sum_is_that_of_the_raw_rows(seed, customers):
    rng = np.random.default_rng(seed)
    frames = make_frames(rng, customers=customers)
    snapshot = make_snapshot(frames, rng)
    own = sum_month(make_tables(frames), MONTH, snapshot, lost=LOST, rule=RULE)
    told = count_over(frames, snapshot)
    assert set(told.index) <= set(own.index)
    assert not own.loc[own.index.difference(told.index)].to_numpy().any()
    for name in told:
        expected = told[name].reindex(own.index, fill_value=0.0)
        np.testing.assert_allclose(own[name], expected, rtol=1e-9, atol=1e-6, err_msg=name)


@settings(max_examples=4)
@given(seed=st.integers(0, 10_000))
def test_segments_of_all_months_together_hold_every_receipt_once(seed):
    rng = np.random.default_rng(seed)
    frames = make_frames(rng, customers=15)
    tables = make_tables(frames)
    months = months_from(date(2025, 12, 1), 6)
    parts = [sum_month(tables, m, make_snapshot(frames, rng, m), lost=LOST, rule=None) for m in months]
    receipts = frames["transactions"]
    whole = pd.concat(parts)
    assert whole["receipts"].sum() == len(receipts)
    assert whole["revenue"].sum() == pytest.approx(receipts["revenue"].sum())
    assert whole["margin"].sum() == pytest.approx(receipts["margin"].sum())
    assert whole["joined"].sum() == len(frames["customers"])


def test_the_order_of_the_rows_changes_no_bit():
    rng = np.random.default_rng(5)
    frames = make_frames(rng, customers=40)
    snapshot = make_snapshot(frames, rng)
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in frames.items()}
    first, second = (sum_month(make_tables(f), MONTH, snapshot, lost=LOST, rule=RULE) for f in (frames, shuffled))
    pd.testing.assert_frame_equal(first, second, check_exact=True, check_like=True)


def test_who_joined_in_the_month_stands_apart_and_strangers_are_outside():
    rng = np.random.default_rng(6)
    frames = make_frames(rng)
    own = sum_month(make_tables(frames), MONTH, make_snapshot(frames, rng), lost=LOST, rule=RULE)
    assert own.loc[JOINED, "customers"] == 0 and own.loc[JOINED, "joined"] > 0
    assert own.loc[OUTSIDE, "receipts"] > 0 and own.loc[OUTSIDE, "customers"] == 0


def test_a_customer_who_never_bought_neither_leaves_nor_returns():
    frames = {
        "customers": pd.DataFrame({"customer_id": ["a"], "joined_at": [pd.Timestamp("2026-01-01")]}),
        "transactions": pd.DataFrame(
            {"customer_id": ["a"], "occurred_at": [pd.Timestamp("2026-03-05")], "revenue": [10.0], "margin": [3.0]}
        ),
    }
    snapshot = pd.DataFrame({"customer_id": ["a"], "segment": ["prospect"], "days_since_last_purchase": [np.nan]})
    snapshot = snapshot.assign(ltv=np.nan, ltv_sd=np.nan, p_churn=np.nan, value_at_risk=np.nan, acquisition_cost=np.nan)
    own = sum_month(make_tables(frames), MONTH, snapshot, lost=LOST, rule=RULE).loc["prospect"]
    assert (own["active"], own["lost"], own["returned"]) == (1, 0, 0)
    assert "watched" not in own or own["watched"] == 0


def test_where_lost_is_a_cancellation_it_is_counted_by_its_date():
    frames = {
        "customers": pd.DataFrame(
            {
                "customer_id": ["a", "b", "c"],
                "joined_at": pd.Timestamp("2025-01-01"),
                "cancelled_at": [pd.Timestamp("2026-03-31 23:59"), pd.Timestamp("2026-04-01"), pd.NaT],
            }
        ),
        "transactions": pd.DataFrame(
            {"customer_id": ["a"], "occurred_at": [pd.Timestamp("2026-02-05")], "revenue": [1.0], "margin": [1.0]}
        ),
    }
    snapshot = pd.DataFrame(
        {"customer_id": ["a", "b", "c"], "segment": "loyal", "days_since_last_purchase": [24.0, 9, 9]}
    )
    snapshot = snapshot.assign(ltv=1.0, ltv_sd=1.0, p_churn=0.1, value_at_risk=0.1, acquisition_cost=np.nan)
    lost = LostSettings(kind="cancellation", follow_days=90)
    rule = ChurnRule(
        active_within_days=None, gap_days=0, horizon_days=60, by_cancellation=True, known_until=date(2026, 5, 1)
    )
    own = sum_month(make_tables(frames), MONTH, snapshot, lost=lost, rule=rule).loc["loyal"]
    assert (own["lost"], own["watched"], own["churned"]) == (1, 3, 2)


def test_a_month_is_mature_when_its_watch_has_ended():
    assert RULE.is_mature(MONTH) and not RULE.is_mature(MONTH.before(-1))
    assert RULE.watched(MONTH) == (date(2026, 3, 8), date(2026, 4, 7))


@given(st.dates(date(1950, 1, 1), date(2150, 1, 1)), st.integers(0, 200))
def test_months_follow_one_another_without_gap(day, back):
    month = Month(first=day.replace(day=1))
    assert month.before(1).end == month.first
    assert month.before(back).before(-back) == month
    assert month.days in (28, 29, 30, 31)


def test_the_cost_of_channels_is_counted_by_channel_and_month():
    frames = make_frames(np.random.default_rng(3), customers=60)
    customers = frames["customers"].assign(month=lambda t: t["joined_at"].dt.strftime("%Y-%m"))
    own = sum_channels(make_tables(frames), (MONTH.before(1), MONTH))
    for row in own.itertuples():
        there = customers[customers["month"] == f"{row.month:%Y-%m}"]
        same = (
            there["acquisition_channel"].isna() if row.channel is None else there["acquisition_channel"] == row.channel
        )
        costs = there.loc[same, "acquisition_cost"]
        assert (row.joined, row.cac_known) == (same.sum(), costs.count())
        assert row.cac_sum == pytest.approx(costs.sum())
    assert own["joined"].sum() == customers["month"].isin(["2026-02", "2026-03"]).sum()
