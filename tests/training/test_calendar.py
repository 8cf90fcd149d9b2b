from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.config.definitions import Windows
from netlift.data.history import History
from netlift.errors import HistoryTooShortError
from netlift.training.calendar import plan_calendar, season_distance


def windows(**changes: int) -> Windows:
    days = {
        "observation_days": 180,
        "gap_days": 7,
        "horizon_days": 60,
        "cutoff_every_days": 30,
        "cutoffs": 6,
        "late_arrival_days": 2,
    }
    return Windows(**(days | changes))


@given(
    days=st.integers(400, 2000),
    gap=st.integers(0, 20),
    horizon=st.integers(10, 120),
    every=st.integers(5, 90),
    late=st.integers(0, 10),
)
def test_no_label_is_used_before_its_time(days: int, gap: int, horizon: int, every: int, late: int) -> None:
    history = History(first=date(2020, 1, 1), end=date(2020, 1, 1) + timedelta(days=days))
    plan = windows(gap_days=gap, horizon_days=horizon, cutoff_every_days=every, late_arrival_days=late)
    label = timedelta(days=gap + horizon)
    try:
        calendar = plan_calendar(history, plan)
    except HistoryTooShortError:
        assert days < plan.observation_days + 2 * label.days + late
        return
    assert calendar.test + label == history.end - timedelta(days=late)
    assert calendar.calibration + label <= calendar.test
    assert all(cutoff + label <= calendar.calibration for cutoff in calendar.fit)
    assert all(cutoff + label <= calendar.test for cutoff in calendar.refit)
    assert set(calendar.fit) | {calendar.calibration} <= set(calendar.refit)
    assert min(calendar.refit) >= history.first + timedelta(days=plan.observation_days)


def test_a_short_history_says_how_many_days_are_missing() -> None:
    history = History(first=date(2020, 1, 1), end=date(2020, 1, 1) + timedelta(days=300))
    with pytest.raises(HistoryTooShortError, match="300 days of history, 16 too few"):
        plan_calendar(history, windows())
    longer = History(first=date(2020, 1, 1), end=history.end + timedelta(days=16))
    assert plan_calendar(longer, windows()).refit == (plan_calendar(longer, windows()).calibration,)


def test_candidates_can_be_compared_before_the_test_once_a_third_label_fits() -> None:
    first, needed = date(2020, 1, 1), 180 + 3 * 67 + 2
    short, enough = (History(first=first, end=first + timedelta(days=needed - k)) for k in (1, 0))
    assert plan_calendar(short, windows()).fit == ()
    assert len(plan_calendar(enough, windows()).fit) == 1


@pytest.mark.parametrize("days", [900, 1400])
def test_a_second_year_of_history_teaches_the_season_that_is_judged(days: int) -> None:
    history = History(first=date(2020, 1, 1), end=date(2020, 1, 1) + timedelta(days=days))
    plan = windows(cutoffs=2)
    calendar = plan_calendar(history, plan)
    apart = [later - sooner for sooner, later in pairwise((*calendar.refit, calendar.test))]
    assert calendar.refit[0] == calendar.test - timedelta(weeks=52)
    assert max(apart) <= timedelta(weeks=13)
    assert season_distance(calendar.refit, calendar.test, plan) < 2
    assert set(calendar.fit) >= {cutoff for cutoff in calendar.refit if cutoff + timedelta(days=67) <= calendar.fit[-1]}
    longer = windows(cutoffs=14)
    assert plan_calendar(history, longer).refit[-14:] == plan_calendar(history, longer).refit
