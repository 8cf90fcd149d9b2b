"""Contact pressure: counts of rolling windows, against a count by hand, and who has opted out last."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.config.outreach import ContactLimit
from netlift.decisions.eligibility.contact_policy import ContactLog, find_opted_out, find_pressure
from netlift.errors import DataError

NOW = datetime(2026, 10, 5, 12)
CHANNELS = ("email", "sms")


def log(*rows):
    """A log of (customer, channel, moment)."""
    customer, channel, at = zip(*rows, strict=True) if rows else ((), (), ())
    return ContactLog(
        customer=np.array(customer, dtype=np.int32),
        channel=np.array(channel, dtype=np.int8),
        at=np.array(at, dtype="datetime64[us]"),
    )


def press(sent, *limits, customers=3, planned=None):
    return find_pressure(sent, limits, channels=CHANNELS, customers=customers, as_of=NOW, planned=planned)


contacts = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(-40 * 24, 40 * 24)), min_size=0, max_size=30
)
some_limits = st.lists(
    st.builds(
        ContactLimit, at_most=st.integers(0, 3), days=st.integers(1, 30), channel=st.sampled_from([None, *CHANNELS])
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=80)
@given(rows=contacts, limits=some_limits)
def test_pressure_is_that_of_a_count_by_hand(rows, limits):
    hours = [(c, ch, NOW + timedelta(hours=h)) for c, ch, h in rows]
    found = press(log(*hours), *limits)
    for c in range(3):
        for channel in CHANNELS:
            closed = False
            for limit in limits:
                start = NOW - timedelta(days=limit.days)
                own = [
                    1 for i, ch, at in hours
                    if i == c and start <= at < NOW and limit.channel in (None, CHANNELS[ch])
                ]  # fmt: skip
                closed |= limit.channel in (None, channel) and len(own) >= limit.at_most
            assert found.pressed[channel][c] == closed


def test_a_window_begins_so_many_times_24_hours_before_and_ends_before_the_moment():
    weekly = ContactLimit(at_most=1, days=7)
    start = NOW - timedelta(days=7)
    found = press(log((0, 0, start), (1, 0, start - timedelta(microseconds=1)), (2, 0, NOW)), weekly)
    assert found.pressed["email"].tolist() == [True, False, False]
    assert found.counts.tolist() == [[1, 0, 0]]


def test_contacts_that_are_promised_already_count_as_far_ahead_as_the_window_is_long():
    weekly = ContactLimit(at_most=1, days=7, channel="sms")
    planned = log((0, 1, NOW + timedelta(days=6)), (1, 1, NOW + timedelta(days=8)), (2, 1, NOW - timedelta(days=1)))
    assert press(log(), weekly, planned=planned).pressed["sms"].tolist() == [True, False, False]


def test_contacts_without_a_moment_or_of_strangers_are_refused():
    with pytest.raises(DataError, match="1 of 1 contacts have no moment"):
        log((0, 0, "NaT"))
    with pytest.raises(DataError, match="of a customer that is not among the 3"):
        press(log((7, 0, NOW)), ContactLimit(at_most=1, days=7))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), max_size=25))
def test_the_last_word_counts_and_of_two_at_one_moment_the_no(rows):
    customer, is_out, day = (np.array(x, dtype=t) for x, t in zip(
        zip(*rows, strict=True) if rows else ((), (), ()), (int, bool, int), strict=True))  # fmt: skip
    found = find_opted_out(customer, is_out, np.datetime64("2026-10-01", "us") + day.astype("m8[D]"), customers=4)
    for c in range(4):
        own = sorted((d, out) for i, out, d in rows if i == c)
        assert found[c] == (own[-1][1] if own else False)
