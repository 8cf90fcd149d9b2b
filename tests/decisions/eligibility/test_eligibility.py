"""Eligibility: nobody is contacted who may not be, and the first reason is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from marketing import NOW, OFFERS, content, customers, options_of, rules

from netlift.config.criteria import parse_criterion
from netlift.config.outreach import StrategySettings
from netlift.decisions.eligibility.conditions import all_hold
from netlift.decisions.eligibility.eligibility import find_eligible, require_fresh_consent
from netlift.decisions.eligibility.options import Used, left_to_spend, make_limits, make_options
from netlift.decisions.eligibility.reasons import Refusal
from netlift.errors import ConfigError, DataError, GateRefusedError

CHANNELS = ("email", "sms", "call")
N = 12


def ask(known, now=NOW, **changes):
    one = rules(**changes)
    return find_eligible(one, options_of(one), known, as_of=now)


def flags(n=N):
    return arrays(bool, n)


@settings(max_examples=60)
@given(data=st.data())
def test_nobody_is_open_who_has_not_agreed_or_is_out_held_out_reserved_or_pressed(data):
    per_channel = {what: {c: data.draw(flags()) for c in CHANNELS} for what in ("consent", "opted_out", "pressed")}
    per_customer = {what: data.draw(flags()) for what in ("left", "held_out", "reserved")}
    days = data.draw(arrays(float, N, elements=st.sampled_from([0.0, 1.0, 2.0, 29.0, 30.0, np.nan])))
    effect = data.draw(arrays(bool, (N, 3)))
    known = customers(N, **per_channel, **per_customer, days_since_complaint=days, has_effect=effect)
    found = ask(known)
    for j, channel in enumerate(CHANNELS):
        may = per_channel["consent"][channel] & ~per_channel["opted_out"][channel] & ~per_channel["pressed"][channel]
        may &= ~per_customer["left"] & ~per_customer["held_out"] & ~per_customer["reserved"] & ~(days < 30)
        assert (found.eligible[:, j] == (may & effect[:, j])).all()
        assert not (found.explorable[:, j] & ~may).any()
    assert all(sum(counts.values()) == N for counts in found.counts.values())


@settings(max_examples=40)
@given(data=st.data())
def test_one_more_reason_against_a_contact_never_opens_anything(data):
    consent = {channel: data.draw(flags()) for channel in CHANNELS}
    before = ask(customers(N, consent=consent)).eligible
    fewer = {channel: consent[channel] & data.draw(flags()) for channel in CHANNELS}
    after = ask(customers(N, consent=fewer, held_out=data.draw(flags()))).eligible
    assert not (after & ~before).any()


def test_the_first_reason_in_the_order_of_asking_is_the_one_told():
    no = np.zeros(3, dtype=bool)
    known = customers(
        3,
        consent=dict.fromkeys(CHANNELS, np.array([False, True, True])),
        held_out=np.array([True, True, False]),
        pressed=dict.fromkeys(CHANNELS, ~no),
    )
    found = ask(known)
    assert found.refused[:, 0].tolist() == [Refusal.CONSENT, Refusal.HOLDOUT, Refusal.CONTACT_PRESSURE]
    assert found.refused.dtype == np.uint8
    assert found.counts["mail"] == {"consent": 1, "holdout": 1, "contact_pressure": 1}


def test_an_opt_out_of_one_channel_leaves_the_others_open():
    out = {channel: np.array([channel == "sms"]) for channel in CHANNELS}
    assert ask(customers(1, opted_out=out)).eligible.tolist() == [[True, False, True]]


def test_quiet_days_end_when_so_many_have_passed():
    days = np.array([0.0, 1.0, 2.0, np.nan])
    assert ask(customers(4, days_since_purchase=days)).eligible[:, 0].tolist() == [False, False, True, True]


def test_conditions_hold_for_values_that_are_known_and_for_no_others():
    offers = content()["offers"]
    offers["mail"]["eligible"] = ["p_churn >= 0.5", "region != Tver"]
    columns = {
        "p_churn": np.array([0.6, 0.5, 0.4, np.nan, 0.9]),
        "region": np.array(["Moscow", "Tver", "Moscow", "Moscow", None], dtype=object),
    }
    found = ask(customers(5, columns=columns), offers=offers)
    assert found.eligible[:, 0].tolist() == [True, False, False, False, False]
    assert found.refused[1, 0] == Refusal.NOT_ELIGIBLE


def test_the_first_strategy_that_holds_is_the_customers_and_costs_close_dear_contacts():
    strategies = [
        {"name": "VIP", "who": ["vip = true"], "offers": ["talk"]},
        {"name": "casual", "who": ["segment = one_off, lost"], "contact_cost_at_most": 0.5},
    ]
    columns = {
        "vip": np.array([True, False, False]),
        "segment": np.array(["lost", "lost", "loyal"], dtype=object),
    }
    found = ask(customers(3, columns=columns), strategies=strategies)
    assert found.eligible.tolist() == [[False, False, True], [True, False, False], [True, True, True]]
    assert found.refused[0, 0] == Refusal.NOT_IN_STRATEGY
    assert StrategySettings(name="x", who=("a = b",), channels=("sms",)).allows("text", "sms", 4.0)


def test_a_flag_reads_the_same_whether_it_came_as_truth_or_as_a_word_and_strategies_are_counted():
    strategies = [{"name": name, "who": [f"vip = {word}"], "offers": []} for name, word in
                  (("yes", "True"), ("no", "false"), ("odd", "maybe"))]  # fmt: skip
    flags = np.array([True, False, True])
    words = np.array(["true", "false", None], dtype=object)
    capital = np.array(["True", "False", None], dtype=object)
    for values, counts in (
        (words, {"yes": 1, "no": 1, "odd": 0}),
        (capital, {"yes": 1, "no": 0, "odd": 0}),
    ):
        assert ask(customers(3, columns={"vip": values}), strategies=strategies).strategies == counts
    assert ask(customers(3, columns={"vip": flags}), strategies=strategies[:2]).strategies == {"yes": 2, "no": 1}


def test_an_offer_is_valid_from_its_first_day_to_the_end_of_its_last():
    offers = content()["offers"]
    offers["mail"] |= {"valid_from": "2026-10-05", "valid_to": "2026-10-06"}
    moments = {datetime(2026, 10, 4, 23, 59): False, NOW: True, datetime(2026, 10, 6, 23, 59): True}
    for moment, is_open in (moments | {datetime(2026, 10, 7): False}).items():
        assert ask(customers(1), now=moment, offers=offers).eligible[0, 0] == is_open


def test_an_offer_without_a_known_effect_is_refused_or_explored_as_the_rules_say():
    effect = np.array([[False, True, True]])
    refused = ask(customers(1, has_effect=effect))
    assert refused.counts["mail"] == {"no_effect_known": 1}
    assert not refused.explorable[0, 0]
    explored = ask(customers(1, has_effect=effect), explore=content()["explore"] | {"untrained": "explore"})
    assert explored.explorable[0, 0]
    assert not explored.eligible[0, 0]


def test_without_a_column_of_consent_nothing_goes_out():
    known = customers(2, consent={"email": np.ones(2, bool), "call": np.ones(2, bool)})
    with pytest.raises(GateRefusedError, match="no column consent_sms") as caught:
        ask(known)
    assert caught.value.exit_code == 4


def test_flags_that_are_not_true_or_false_and_arrays_of_another_length_are_refused():
    with pytest.raises(DataError, match="held_out"):
        ask(customers(2, held_out=np.array([0.0, np.nan])))
    with pytest.raises(DataError, match="days_since_purchase"):
        ask(customers(2, days_since_purchase=np.zeros(3)))
    with pytest.raises(DataError, match="opted_out: nothing is known for channel 'sms'"):
        ask(customers(2, opted_out={"email": np.zeros(2, bool)}))


def test_a_condition_on_what_nobody_knows_says_what_was_probably_meant():
    offers = content()["offers"]
    offers["mail"]["eligible"] = ["p_chrn > 0.5"]
    with pytest.raises(ConfigError, match="'p_chrn' is known of customers; did you mean p_churn"):
        ask(customers(1, columns={"p_churn": np.array([0.1])}), offers=offers)


@pytest.mark.parametrize("hours", [-1.0, 24.1, None])
def test_consents_that_are_old_undated_or_of_tomorrow_stop_everything(hours):
    updated = None if hours is None else NOW - timedelta(hours=hours)
    with pytest.raises(GateRefusedError, match="nothing goes out") as caught:
        require_fresh_consent(updated, now=NOW, max_age_hours=24)
    assert caught.value.exit_code == 4
    require_fresh_consent(NOW - timedelta(hours=23.9), now=NOW, max_age_hours=24)


def test_options_take_costs_and_dates_of_the_table_unless_the_rules_give_them():
    offers = content()["offers"]
    offers["text"] |= {"contact_cost": 3.0, "valid_to": "2026-10-31"}
    one = rules(offers=offers)
    mail, text, _ = make_options(one, OFFERS)
    assert (mail.contact_cost, text.contact_cost) == (0.5, 3.0)
    assert text.valid_to.date().isoformat() == "2026-10-31"
    with pytest.raises(ConfigError) as caught:
        make_options(one, {"mail": OFFERS["mail"] | {"channel": "push"}, "texts": OFFERS["text"]})
    for part in ("over 'email' here and over 'push'", "did you mean texts?", "offers.talk"):
        assert part in str(caught.value)


def test_limits_of_offers_and_channels_bind_the_options_they_are_about():
    offers = content()["offers"]
    offers["mail"]["at_least"] = 2
    one = rules(offers=offers)
    least, calls = make_limits(one, options_of(one), Used())
    assert (least.name, least.options, least.most, least.least) == ("offer mail", (0,), None, 2)
    assert (calls.name, calls.options, calls.most) == ("channel call", (2,), 5)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40), st.floats(0, 2000))
def test_what_is_left_is_the_less_of_day_and_month_and_never_below_nothing(day, today, before, spent):
    channels = content()["channels"]
    channels["call"] = channels["call"] | {"at_most": day, "monthly_at_most": 30}
    one = rules(channels=channels, budget=100, monthly_budget=1000)
    used = Used(today={"channel call": today}, month={"channel call": today + before}, spent=spent)
    (calls,) = make_limits(one, options_of(one), used)
    assert calls.most == max(0, min(day - today, 30 - today - before))
    assert left_to_spend(one, used) == pytest.approx(max(0.0, min(100.0, 1000.0 - spent)))


def test_a_window_that_is_open_closes_an_option_and_is_told_after_what_protects_the_customer():
    closed = np.array([[True, False, True], [False, False, False]])
    found = ask(customers(2, in_window=closed))
    assert found.eligible.tolist() == [[False, True, False], [True, True, True]]
    assert found.refused[0, 0] == Refusal.OPEN_WINDOW
    found = ask(customers(2, in_window=closed, held_out=np.array([True, False])))
    assert found.refused[0, 0] == Refusal.HOLDOUT


def test_a_condition_on_a_day_is_refused_with_what_to_ask_for():
    days = {"next_purchase_on": np.array(["2026-10-05"], dtype="datetime64[D]")}
    with pytest.raises(ConfigError, match=r"next_purchase_on is a day.*ask for the days until it"):
        all_hold(days, [parse_criterion("next_purchase_on = 2026-10-05")], 1)
