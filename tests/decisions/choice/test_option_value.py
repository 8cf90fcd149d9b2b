"""The value of an option: costs once, horizons once, and the parts that make it up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketing import content, options_of, rules

from netlift.decisions.choice.value import AtRisk, TrainedCosts, find_sensitivity, value_options
from netlift.errors import ConfigError, DataError

NOBODY = AtRisk(p_churn=np.zeros(2), ltv=np.zeros(2), horizon_days=180, window_days=30, weight=1.0)
UPLIFT = np.array([[30.0, 10.0, -5.0], [np.nan, 2.0, 60.0]])


def options(**changes):
    """Options of the small rules, with the economics of some offers changed."""
    offers = content()["offers"]
    for name, change in changes.items():
        offers[name] |= change
    return options_of(rules(offers=offers, future_weight=0.5))


def trained(contact=(0.5, 4.0, 40.0), reward=(100.0, 300.0, 0.0), redeemed=(0.1, 0.2, 0.0)):
    return TrainedCosts(contact_cost=np.array(contact), reward=np.array(reward), redeemed=np.array(redeemed))


def test_where_nothing_changed_since_training_profit_is_the_effect_less_fatigue():
    found = value_options(options(), uplift=UPLIFT, trained=trained(), risk=NOBODY)
    assert found.profit()[0] == pytest.approx([29, 8, -15])
    assert found.profit()[1, 0] == -np.inf
    assert found.reward_changed == pytest.approx([1, 1, 1])


@settings(max_examples=50)
@given(st.floats(0, 50), st.floats(0, 500), st.floats(0, 1), st.floats(-50, 50))
def test_the_costs_of_training_are_never_taken_off_a_second_time(contact, reward, redeemed, effect):
    same = options(mail={"contact_cost": contact, "reward": reward, "redeemed_by": redeemed})
    past = trained(contact=(contact, 4.0, 40.0), reward=(reward, 300.0, 0.0), redeemed=(redeemed, 0.2, 0.0))
    found = value_options(same, uplift=np.full((2, 3), effect), trained=past, risk=NOBODY)
    assert found.profit()[:, 0] == pytest.approx(effect - 1)
    assert found.margin[:, 0] == pytest.approx(effect + contact + reward * redeemed)


def test_what_a_contact_wears_out_is_the_customers_own_and_is_logged_as_fatigue():
    worn = np.array([[5.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    plain = value_options(options(), uplift=UPLIFT, trained=trained(), risk=NOBODY)
    found = value_options(options(), uplift=UPLIFT, trained=trained(), risk=NOBODY, worn=worn)
    known = np.isfinite(plain.profit())
    assert (plain.profit() - found.profit())[known] == pytest.approx(worn[known])
    choice = np.array([0, 1])
    assert found.of(choice)["fatigue"] - plain.of(choice)["fatigue"] == pytest.approx([5.0, 2.0])


def test_todays_economics_are_paid_to_all_who_redeem_and_the_change_is_told():
    dearer = options(mail={"reward": 150, "redeemed_by": 0.2, "contact_cost": 2.5})
    found = value_options(dearer, uplift=UPLIFT, trained=trained(), risk=NOBODY)
    assert found.profit()[0, 0] == pytest.approx(30 + (0.5 + 100 * 0.1) - (2.5 + 150 * 0.2) - 1)
    assert found.cost()[0] == pytest.approx(2.5 + 30)
    assert found.reward_changed[0] == pytest.approx(3)


def test_rewards_of_the_log_with_predicted_redeemers_differ_from_customer_to_customer():
    predicted = np.array([[0.1, 0.3, 0.0], [0.1, 0.1, 0.0]])
    past = trained(redeemed=predicted)
    found = value_options(options(), uplift=UPLIFT, trained=past, risk=NOBODY)
    assert found.reward == pytest.approx(np.array([[10, 90, 0], [10, 30, 0]]))
    assert found.profit()[0] == pytest.approx([29, 8, -15])


def test_the_future_counts_only_beyond_the_window_and_only_where_an_offer_claims_it():
    risk = AtRisk(
        p_churn=np.array([0.4, np.nan]), ltv=np.array([1200.0, 900.0]), horizon_days=180, window_days=30, weight=0.5
    )
    found = value_options(options(talk={"save_rate": 0.25}), uplift=UPLIFT, trained=trained(), risk=risk)
    assert found.of(np.array([2, 2]))["future"] == pytest.approx([0.25 * 0.4 * 0.5 * 1200 * 150 / 180, 0])
    assert found.of(np.array([0, 1]))["future"] == pytest.approx([0, 0])
    assert found.unknown_value == 1
    assert found.profit()[0] == pytest.approx([29, 8, -15 + 50])
    within = AtRisk(p_churn=np.ones(2), ltv=np.full(2, 500.0), horizon_days=28, window_days=28, weight=1.0)
    assert (within.beyond_window() == 0).all()


def test_the_parts_of_a_choice_add_up_to_its_profit_and_nothing_costs_nothing():
    found = value_options(options(), uplift=UPLIFT, trained=trained(), risk=NOBODY)
    parts = found.of(np.array([0, -1]))
    assert parts["profit"].tolist() == [pytest.approx(29), 0]
    costs = parts["reward"] + parts["contact_cost"] + parts["fatigue"]
    assert parts["margin"] - costs + parts["future"] == pytest.approx(parts["profit"])
    assert all(values[1] == 0 for values in parts.values())


def test_sensitivity_is_what_the_total_does_when_an_input_is_a_tenth_larger():
    base, more = options(), options(text={"reward": 330.0}, mail={"contact_cost": 0.55})
    choice = np.array([0, 1])
    found = [value_options(one, uplift=UPLIFT, trained=trained(), risk=NOBODY) for one in (base, more)]
    totals = [one.of(choice)["profit"].sum() for one in found]
    rows = {(row.offer_id, row.input): row for row in find_sensitivity(base, found[0], choice)}
    assert totals[1] - totals[0] == pytest.approx(rows["text", "reward"].change + rows["mail", "contact_cost"].change)
    assert sum(row.amount for row in rows.values()) == pytest.approx(totals[0])
    changes = [abs(row.change) for row in find_sensitivity(base, found[0], choice)]
    assert changes == sorted(changes, reverse=True)


def test_an_offer_that_no_contact_has_tried_cannot_cost_what_past_contacts_paid():
    past = trained(contact=(0.5, np.nan, 40.0), reward=(100.0, np.nan, 0.0), redeemed=(0.1, np.nan, 0.0))
    nothing_known = UPLIFT.copy()
    nothing_known[:, 1] = np.nan
    with pytest.raises(ConfigError, match="text: past contacts do not tell"):
        value_options(options(), uplift=nothing_known, trained=past, risk=NOBODY)
    given = options(text={"reward": 50, "redeemed_by": 0.1})
    found = value_options(given, uplift=nothing_known, trained=past, risk=NOBODY)
    assert (found.profit()[:, 1] == -np.inf).all()
    assert found.cost()[1] == pytest.approx(9)


def test_arrays_that_do_not_fit_and_infinite_effects_are_refused():
    with pytest.raises(DataError, match="3 options for 2 columns"):
        value_options(options(), uplift=UPLIFT[:, :2], trained=trained(), risk=NOBODY)
    with pytest.raises(DataError, match="1 of 6 effects are infinite"):
        value_options(options(), uplift=np.where(UPLIFT == 30, np.inf, UPLIFT), trained=trained(), risk=NOBODY)
