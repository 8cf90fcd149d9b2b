from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.abtest.assignment.draw import assign
from netlift.abtest.assignment.holdout import holdout_half_width, holdout_share, is_held_out, period_of
from netlift.errors import DataError

IDS = [f"{i:08d}" for i in range(20_000)]
PERIOD = period_of(date(2026, 10, 5), rotate_months=6, washout_days=28)
NEXT = period_of(PERIOD.end, rotate_months=6, washout_days=28)


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), months=st.integers(1, 24), washout=st.integers(0, 366))
def test_periods_follow_each_other_without_a_gap_and_hold_their_days(day, months, washout):
    period = period_of(day, rotate_months=months, washout_days=washout)
    assert period.start <= day < period.end
    assert period.start <= period.read_from <= period.end
    assert period_of(period.end, rotate_months=months, washout_days=washout).start == period.end
    assert period_of(period.start - timedelta(days=1), rotate_months=months, washout_days=washout).end == period.start


def test_all_campaigns_of_a_period_leave_out_the_same_people():
    other_day = period_of(date(2026, 12, 31), rotate_months=6, washout_days=28)
    one, other = (is_held_out(IDS, share=0.05, salt="demo", period=p) for p in (PERIOD, other_day))
    assert np.array_equal(one, other)


def test_a_larger_holdout_keeps_those_of_the_smaller():
    small, large = (is_held_out(IDS, share=share, salt="demo", period=PERIOD) for share in (0.02, 0.1))
    assert np.all(large[small])
    assert abs(large.mean() - 0.1) < 4 * np.sqrt(0.09 / len(IDS))


def test_rotation_draws_anew_independently_of_the_last_time():
    now, later = (is_held_out(IDS, share=0.2, salt="demo", period=p) for p in (PERIOD, NEXT))
    assert abs(np.mean(now & later) - 0.04) < 4 * np.sqrt(0.04 * 0.96 / len(IDS))


def test_being_held_out_says_nothing_about_the_arm_of_a_campaign_with_the_same_salt():
    held = is_held_out(IDS, share=0.2, salt="C12", period=PERIOD)
    treated = assign(IDS, shares={"control": 0.5, "sms": 0.5}, salt="C12").arm == 1
    assert abs(treated[held].mean() - treated[~held].mean()) < 4 * np.sqrt(0.25 / held.sum())


def test_a_household_is_held_out_together():
    households = [str(i // 4) for i in range(len(IDS))]
    held = is_held_out(IDS, share=0.1, salt="demo", period=PERIOD, cluster=households)
    assert all(len(set(held[i : i + 4])) == 1 for i in range(0, len(IDS), 4))


@given(variance=st.floats(0.1, 1e6), customers=st.integers(100, 10**7), half_width=st.floats(10.0, 1e7))
def test_the_share_that_is_needed_gives_the_half_width_that_was_asked(variance, customers, half_width):
    share = holdout_share(variance, customers=customers, half_width=half_width, z=1.96)
    assert 0 <= share <= 1
    if share > 0:
        found = holdout_half_width(variance, customers=customers, share=share, z=1.96)
        assert found == pytest.approx(half_width, rel=1e-4)


def test_the_half_width_is_what_drawing_again_and_again_gives():
    rng = np.random.default_rng(5)
    spend = rng.gamma(0.5, 40.0, 4000)
    totals = []
    for _ in range(2000):
        held = rng.permutation(4000) < 400
        totals.append((~held).sum() * (spend[~held].mean() - spend[held].mean()))
    half_width = holdout_half_width(float(spend.var()), customers=4000, share=0.1, z=1.96)
    assert np.mean(np.abs(totals) < half_width) == pytest.approx(0.95, abs=0.015)


def test_a_half_width_of_nothing_is_refused():
    with pytest.raises(DataError, match="must be above zero"):
        holdout_share(1.0, customers=100, half_width=0.0, z=1.96)


def test_numbered_households_are_the_same_ones_however_the_number_came():
    ids = [f"c{i}" for i in range(300)]
    whole = [i // 3 for i in range(300)]
    period = period_of(date(2026, 10, 5), rotate_months=6, washout_days=28)
    drawn = {"share": 0.3, "salt": "s", "period": period}
    chosen = is_held_out(ids, cluster=whole, **drawn)
    assert 0 < chosen.sum() < 300 and (chosen.reshape(-1, 3).all(axis=1) == chosen.reshape(-1, 3).any(axis=1)).all()
    assert (is_held_out(ids, cluster=list(np.array(whole, dtype=float)), **drawn) == chosen).all()
    alone = is_held_out(ids, **drawn)
    for missing in (None, float("nan")):
        assert (is_held_out(ids, cluster=[missing] * 300, **drawn) == alone).all()
