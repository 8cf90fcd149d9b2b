"""Triggers: a run every day fires once for each event, and longer windows catch up what was missed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.config.outreach import TriggerSettings
from netlift.decisions.eligibility.triggers import accumulate_spend, find_triggered
from netlift.errors import DataError

START = date(2026, 1, 1)
DAYS = 90
NUMBERS = {
    "silence": {"over_gap": 2.5},
    "birthday": {"days_before": 6},
    "spend_step": {"step": 100},
    "churn": {"p_churn": 0.5},
    "replenishment": {"days_before": 9},
}


def trigger(when, every=1, **changes):
    return TriggerSettings(
        name=when, when=when, offers=("mail",), window_days=every, **(NUMBERS.get(when, {}) | changes)
    )


def runs(every):
    """Days of the runs, the first looking back from the start."""
    return [START + timedelta(days=k) for k in range(every, DAYS + every, every)]


def moments(hours):
    return np.datetime64(START, "us") + np.asarray(hours) * np.timedelta64(1, "h")


@settings(max_examples=30)
@given(st.lists(st.integers(0, DAYS * 24 - 1), min_size=1, max_size=8), st.sampled_from([1, 3, 10]))
def test_a_first_purchase_and_a_complaint_fire_in_exactly_one_run(hours, every):
    at = moments(hours)
    for when, name in (("first_purchase", "first_purchase_at"), ("complaint", "last_complaint_at")):
        fired = sum(find_triggered(trigger(when, every), {name: at}, as_of=day).astype(int) for day in runs(every))
        assert fired.tolist() == [1] * len(hours)


@settings(max_examples=30)
@given(st.lists(st.integers(2, 30), min_size=1, max_size=8), st.sampled_from([1, 7]))
def test_silence_fires_once_on_the_first_run_past_the_multiple_of_the_own_gap(gaps, every):
    gap = np.array(gaps, dtype=np.float32)
    fired, when = np.zeros(len(gap), dtype=int), np.zeros(len(gap))
    for day in runs(every):
        silent = np.full(len(gap), (day - START).days, dtype=np.float32)
        facts = {"days_since_last_purchase": silent, "days_since_last_purchase_over_gap": silent / gap}
        now = find_triggered(trigger("silence", every), facts, as_of=day)
        fired, when = fired + now, np.where(now, silent, when)
    due = np.ceil(2.5 * gap)
    assert (fired[due <= DAYS] == 1).all()
    assert ((when >= due) & (when < due + every))[due <= DAYS].all()


def test_who_bought_once_or_never_has_no_rhythm_to_be_late_by():
    facts = {
        "days_since_last_purchase": np.array([50.0, np.nan]),
        "days_since_last_purchase_over_gap": np.array([np.nan, np.nan]),
    }
    assert not find_triggered(trigger("silence"), facts, as_of=START).any()


@settings(max_examples=12)
@given(st.sampled_from([1, 5, 7]), st.integers(2023, 2028))
def test_every_birthday_comes_in_exactly_one_run_with_notice(every, year):
    born = np.arange("2000-01-01", "2001-01-01", dtype="datetime64[D]")
    first, count = date(year, 1, 1), 420 // every
    days = [first + timedelta(days=every * k) for k in range(count)]
    fired = sum(find_triggered(trigger("birthday", every), {"birth_date": born}, as_of=day).astype(int) for day in days)
    served = [first + timedelta(days=6 - k) for k in range(every - (count * every), every)]
    wanted = [sum(is_birthday(one, day) for day in served) for one in born.astype(object)]
    assert fired.tolist() == wanted


@settings(max_examples=30)
@given(st.lists(st.integers(0, DAYS - 1), min_size=1, max_size=8), st.sampled_from([1, 3, 10]))
def test_a_replenishment_fires_once_as_many_days_ahead_as_were_asked_for(ahead, every):
    due = np.datetime64(START, "D") + np.asarray(ahead) + 10
    fired, when = np.zeros(len(due), dtype=int), np.full(len(due), np.datetime64("NaT", "D"))
    for day in runs(every):
        seen = np.where(due <= np.datetime64(day, "D") + 9, due, np.datetime64("NaT", "D"))
        now = find_triggered(trigger("replenishment", every), {"replenishment_due_on": seen}, as_of=day)
        fired, when = fired + now, np.where(now, np.datetime64(day, "D"), when)
    assert fired.tolist() == [1] * len(due)
    notice = (due - when).astype(int)
    assert ((notice <= 9) & (notice > 9 - every)).all()


def is_birthday(born, day):
    leap = (day + timedelta(days=1)).day == 1 and (day.month, day.day) == (2, 28) and (born.month, born.day) == (2, 29)
    return leap or (born.month, born.day) == (day.month, day.day)


def test_the_birthday_of_a_leap_day_is_kept_the_day_before_in_other_years():
    born = {"birth_date": np.array(["2000-02-29", "NaT"], dtype="datetime64[D]")}
    one = trigger("birthday", days_before=0)
    assert find_triggered(one, born, as_of=date(2027, 2, 28)).tolist() == [True, False]
    assert not find_triggered(one, born, as_of=date(2028, 2, 28)).any()
    assert find_triggered(one, born, as_of=date(2028, 2, 29)).tolist() == [True, False]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-80, 150), st.integers(0, 19)), max_size=25),
    st.sampled_from([1, 4]),
)
def test_a_step_of_spend_fires_once_even_where_returns_take_spend_back(rows, every):
    customer, amount, day = (np.array([row[k] for row in rows], dtype=int) for k in range(3))
    at = moments(day * 24 + 10)
    fired = np.zeros(3, dtype=int)
    for end in range(every, 20 + every, every):
        start, stop = moments([(end - every) * 24, end * 24])
        before, now = accumulate_spend(customer, amount, at, customers=3, moments=(start, stop))
        facts = {"spend_peak": now, "spend_peak_before": before}
        found = find_triggered(trigger("spend_step", every, step=5000), facts, as_of=START + timedelta(days=end))
        assert (found == (now // 5000 > before // 5000)).all()
        fired += find_triggered(trigger("spend_step", every, step=1e9), facts, as_of=START)
        order = np.argsort(at, kind="stable")
        for c in range(3):
            own = order[(customer[order] == c) & (at[order] < stop)]
            assert now[c] == max([0, *np.cumsum(amount[own])])
    assert not fired.any()


def test_a_step_is_reached_by_kopecks_that_add_up_to_it_once_and_in_one_day_two_steps_are_one_contact():
    """Ten times 0.1 is 0.9999999999999999 in floating point, and the step of 1 is reached all the same."""
    at = moments(np.arange(12) * 24 + 10)
    amount = np.array([0.1] * 10 + [0.5, 2.0])
    fired = []
    for end in range(1, 13):
        start, stop = moments([(end - 1) * 24, end * 24])
        before, now = accumulate_spend(np.zeros(12, int), amount, at, customers=1, moments=(start, stop))
        facts = {"spend_peak": now, "spend_peak_before": before}
        fired += [end] if find_triggered(trigger("spend_step", step=1), facts, as_of=START)[0] else []
    assert fired == [10, 12], "on the tenth, and once on the twelfth, which passes 2 and 3"


def test_a_complaint_of_another_customer_fires_for_nobody_else_and_edges_of_the_window_belong_to_one_run():
    """A window holds its first moment and not its last: midnight is the next run's."""
    midnight = moments([0, 24, 48])
    facts = {"last_complaint_at": np.array([*midnight, "NaT"], dtype="datetime64[us]")}
    days = [START + timedelta(days=k) for k in (1, 2, 3)]
    found = [find_triggered(trigger("complaint"), facts, as_of=day).tolist() for day in days]
    assert found == [[True, False, False, False], [False, True, False, False], [False, False, True, False]]


def test_churn_fires_when_the_threshold_is_crossed_and_not_while_it_stays_over():
    facts = {
        "p_churn": np.array([0.6, 0.6, 0.4, np.nan, 0.5]),
        "p_churn_before": np.array([0.4, 0.6, 0.6, 0.1, np.nan]),
    }
    assert find_triggered(trigger("churn"), facts, as_of=START).tolist() == [True, False, False, False, True]


def test_who_was_served_lately_rests():
    facts = {"last_complaint_at": moments([12, 12, 12])}
    last = np.array(["2025-12-20", "2025-10-01", "NaT"], dtype="datetime64[D]")
    resting = trigger("complaint", rest_days=30)
    found = find_triggered(resting, facts, as_of=START + timedelta(days=1), last_fired=last)
    assert found.tolist() == [False, True, True]


def test_a_missed_run_is_caught_up_by_a_longer_window():
    facts = {"first_purchase_at": moments([12, 36])}
    day = START + timedelta(days=2)
    assert find_triggered(trigger("first_purchase"), facts, as_of=day).tolist() == [False, True]
    assert find_triggered(trigger("first_purchase"), facts, as_of=day, window_days=2).all()
    with pytest.raises(DataError, match="looks back one day at least"):
        find_triggered(trigger("first_purchase"), facts, as_of=day, window_days=0)


def test_what_a_trigger_needs_and_does_not_get_is_named():
    with pytest.raises(DataError, match="needs p_churn_before"):
        find_triggered(trigger("churn"), {"p_churn": np.zeros(1)}, as_of=START)
