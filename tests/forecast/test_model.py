from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from forecast_world import make_world, one_group

from netlift.errors import HistoryTooShortError
from netlift.forecast.backtest import days_to_test, naive_forecasts, run_backtest
from netlift.forecast.model import brought_by_groups, lag_of, look_ahead
from netlift.forecast.purchases import HORIZON, month_start

WORLD = make_world(1, months=28, start=120, joiners=8)
PURCHASES = WORLD.purchases


def split(purchases):
    """Two groups: customers of even and of odd position."""
    return {month: np.where(group < 0, -1, np.arange(len(group)) % 2) for month, group in one_group(purchases).items()}


def test_what_groups_brought_is_the_sum_of_their_rows():
    month, group = 16, split(PURCHASES)[16]
    found = brought_by_groups(PURCHASES, month, group, groups=2)
    rows = zip(PURCHASES.customer, PURCHASES.month, PURCHASES.margin, strict=True)
    plain = np.zeros((3, HORIZON))
    for customer, at, margin in rows:
        if month <= at < month + HORIZON:
            plain[group[customer], at - month] += margin  # -1, not joined, is the last row
    assert found == pytest.approx(plain)
    late = brought_by_groups(PURCHASES, 25, group, groups=2)
    assert np.isnan(late[:, 3:]).all() and np.isfinite(late[:, :3]).all()


def test_a_forecast_of_a_day_past_knows_nothing_of_what_came_after():
    groups = split(PURCHASES)
    before = look_ahead(PURCHASES, 19, groups, groups=2).margin
    later = PURCHASES.month >= 19
    other = replace(
        PURCHASES,
        margin=np.where(later, 1e6, PURCHASES.margin),
        days=np.where(later, 30, PURCHASES.days),
        last_day=np.where(later, PURCHASES.last_day + 1, PURCHASES.last_day),
    )
    assert look_ahead(other, 19, groups, groups=2).margin == pytest.approx(before)


def test_the_same_customers_a_year_on_are_forecast_what_they_brought():
    """A year that repeats itself: nobody joins, nobody leaves, each buys every month the same."""
    months, n = 27, 40
    customer, month = np.tile(np.arange(n), months), np.repeat(np.arange(months), n)
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(12) / 12)
    still = replace(
        PURCHASES,
        starts=np.arange(-months, HORIZON + 1) * 30,
        ids=np.arange(n).astype(object),
        joined=np.full(n, -1),
        first_day=np.full(n, -months * 30),
        customer=customer,
        month=month,
        margin=10.0 * season[month % 12],
        days=np.full(len(month), 2),
        last_day=(month - months) * 30 + 20,
    )
    look = look_ahead(still, months, one_group(still), groups=1)
    assert look.has_season
    assert look.margin[0] == pytest.approx(n * 10.0 * season[np.arange(months, months + 12) % 12], rel=0.05)
    assert not look.margin[1].any()


def test_with_less_than_a_year_and_a_quarter_there_is_no_season_and_with_less_than_half_a_year_no_forecast():
    short = make_world(2, months=14, start=80, joiners=5).purchases
    assert not look_ahead(short, 14, one_group(short), groups=1).has_season
    assert [lag_of(short, month) for month in (5, 6, 14)] == [0, 3, 3] and lag_of(PURCHASES, 15) == 12
    with pytest.raises(HistoryTooShortError, match="5 whole months before the day, 6 are needed"):
        look_ahead(short, 5, one_group(short), groups=1)


def test_naive_forecasts_are_those_of_the_months_before():
    totals = PURCHASES.totals
    last_year, last_quarter = naive_forecasts(totals, 20)
    assert last_year == pytest.approx(totals[8:20])
    assert last_quarter == pytest.approx(totals[8:20] * totals[17:20].sum() / totals[5:8].sum())


def test_the_backtest_holds_every_day_against_what_came():
    test = run_backtest(PURCHASES, one_group(PURCHASES), groups=1)
    days = days_to_test(PURCHASES)
    assert days == [25, 22, 19, 16, 13, 10] and test.has_season.tolist() == [True] * 4 + [False] * 2
    assert (PURCHASES.months - test.ago).tolist() == days
    actual, *_ = test.totals(0, 3)
    assert actual == pytest.approx([PURCHASES.totals[day : day + 3].sum() for day in days])
    assert np.isfinite(test.totals(0, 12)[0]).tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize("day", [date(2026, 10, 1), date(2026, 10, 31), date(2024, 2, 29)])
def test_months_counted_from_a_day_follow_each_other(day):
    starts = [month_start(day, k) for k in range(-30, 31)]
    assert starts[30] == day and starts == sorted(set(starts))
    assert all(28 <= (b - a).days <= 31 for a, b in itertools.pairwise(starts))
