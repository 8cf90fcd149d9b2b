"""Money lines of an arm: recomputed from rows, and the identities that finance checks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from money_world import cells, customers

from netlift.abtest.stats.difference import contrast, money, money_lines
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows
from netlift.errors import DataError

TERMS = {"level": 0.95, "currency": "EUR"}


def lines(seed=1, fixed=100.0):
    seen = contrast(*cells(seed))
    return {line.name: line for line in money_lines(seen, raw=seen, **TERMS, fixed=fixed)}


def test_profit_is_recomputed_from_raw_rows():
    rng = np.random.default_rng(1)
    treated, control = customers(rng, 3000, buy=0.25), customers(rng, 1500, contact=0.0)
    profits = [rows[:, 1] - rows[:, 2] - rows[:, 3] for rows in (treated, control)]
    se = np.sqrt(sum(p.var(ddof=1) / len(p) for p in profits))
    point = 3000 * (profits[0].mean() - profits[1].mean()) - 100
    total = money(contrast(of_rows(treated, OUTCOMES), of_rows(control, OUTCOMES)), PROFIT, **TERMS, fixed=100)[0]
    assert total.point == pytest.approx(point)
    assert total.ci_upper - total.ci_lower == pytest.approx(2 * 1.959964 * 3000 * se, rel=1e-6)


def test_the_lines_come_in_the_order_of_the_waterfall_and_add_up():
    found = lines()
    assert list(found) == ["revenue", "margin", "reward", "contact_cost", "fixed_cost", "profit"]
    for part in ("total", "per_customer", "raw_total"):
        values = {name: getattr(line, part).point for name, line in found.items()}
        spent = values["reward"] + values["contact_cost"] + values["fixed_cost"]
        assert values["profit"] == pytest.approx(values["margin"] - spent)


def test_means_of_treated_and_control_tell_the_raw_total():
    found = lines()
    assert found
    for line in found.values():
        assert 3000 * (line.treated_mean - line.control_mean) == pytest.approx(line.raw_total.point)


def test_units_are_of_the_total_and_of_a_customer():
    profit = lines()["profit"]
    assert (profit.total.unit, profit.per_customer.unit) == ("EUR", "EUR/customer")
    assert profit.total.point == pytest.approx(3000 * profit.per_customer.point)


def test_a_flat_contact_price_has_no_width():
    contact = lines()["contact_cost"].total
    assert contact.ci_lower == contact.point == contact.ci_upper == pytest.approx(1500)


def test_swapping_the_arms_turns_every_sign():
    treated, control = cells(2)
    one, other = contrast(treated, control), contrast(control, treated)
    np.testing.assert_allclose(one.difference, -other.difference)
    np.testing.assert_allclose(one.covariance, other.covariance)
    assert one.gamma == pytest.approx(-other.gamma)


@settings(max_examples=25)
@given(st.floats(1e-3, 1e6))
def test_another_currency_scales_every_figure(rate):
    rng = np.random.default_rng(3)
    treated, control = customers(rng, 300), customers(rng, 50)
    before, after = (
        money(contrast(of_rows(k * treated, OUTCOMES), of_rows(k * control, OUTCOMES)), PROFIT, **TERMS, fixed=7 * k)[0]
        for k in (1.0, rate)
    )
    for part in ("point", "ci_lower", "ci_upper"):
        assert getattr(after, part) == pytest.approx(rate * getattr(before, part), rel=1e-7)


def test_a_discount_off_the_price_and_the_same_as_a_reward_earn_the_same_profit():
    rng = np.random.default_rng(4)
    control = of_rows(customers(rng, 500), OUTCOMES)
    rows = customers(rng, 800)
    netted = rows.copy()
    netted[:, [0, 1]] -= rows[:, [2]]
    netted[:, 2] = 0.0
    as_reward, as_price = (money(contrast(of_rows(r, OUTCOMES), control), PROFIT, **TERMS)[0] for r in (rows, netted))
    for part in ("point", "ci_lower", "ci_upper"):
        assert getattr(as_reward, part) == pytest.approx(getattr(as_price, part))


def test_strata_weighted_by_their_treated_add_up_to_the_total_where_shares_are_equal():
    rng = np.random.default_rng(5)
    pairs = [tuple(of_rows(customers(rng, n, buy=b), OUTCOMES) for n in (4 * k, k)) for k, b in ((50, 0.1), (80, 0.6))]
    parts = sum(money(contrast(*pair), PROFIT, **TERMS)[0].point for pair in pairs)
    whole = contrast(pairs[0][0] + pairs[1][0], pairs[0][1] + pairs[1][1])
    assert money(whole, PROFIT, **TERMS)[0].point == pytest.approx(parts)


def test_control_that_redeems_other_offers_lowers_the_cost_of_this_one():
    treated, control = cells(6)
    reward = lines(6)["reward"]
    assert control.value("reward") > 0
    assert reward.total.point == pytest.approx(3000 * (treated.value("reward") - control.value("reward")))


def test_control_with_a_negative_mean_needs_no_relative_figure():
    rng = np.random.default_rng(7)
    treated, control = (of_rows(customers(rng, n) - [[20.0, 20.0, 0, 0]], OUTCOMES) for n in (500, 500))
    total = money(contrast(treated, control), PROFIT, **TERMS)[0]
    assert control.value("profit") < 0
    assert total.ci_lower < total.point < total.ci_upper


def test_nobody_buying_has_an_interval_of_zero_width_and_no_skewness():
    nothing = of_rows(np.zeros((50, 4)), OUTCOMES)
    seen = contrast(nothing, nothing)
    assert seen.gamma == 0
    assert money(seen, PROFIT, **TERMS, fixed=3.0)[0].ci_lower == -3.0


def test_an_outlier_of_a_milliard_widens_the_interval_and_breaks_nothing():
    rows = customers(np.random.default_rng(8), 1000)
    rows[0, :2] = 1e9
    control = of_rows(customers(np.random.default_rng(9), 1000), OUTCOMES)
    total = money(contrast(of_rows(rows, OUTCOMES), control), PROFIT, **TERMS)[0]
    assert total.ci_lower < 0 < total.ci_upper


def test_lines_are_corrected_as_far_as_they_move_with_profit():
    rng = np.random.default_rng(10)
    rows = [customers(rng, n, buy=0.02, reward=0.0) for n in (9000, 1000)]
    for each in rows:
        each[:, 2] = rng.random(len(each))
    seen = contrast(*(of_rows(each, OUTCOMES) for each in rows))
    assert seen.gamma < -0.1
    assert seen.shape_of(PROFIT).largest == pytest.approx(seen.gamma)
    assert seen.shape_of({"margin": 1.0}).largest == pytest.approx(seen.gamma, rel=0.1)
    assert abs(seen.shape_of({"reward": 1.0}).largest) < 0.05 * abs(seen.gamma)
    assert seen.shape_of({"contact_cost": 1.0}).largest == 0


@pytest.mark.parametrize(("n_treated", "n_control", "who"), [(1, 50, "coffee: 1 customer"), (50, 1, "control: 1 cust")])
def test_an_arm_of_one_customer_is_refused_by_name(n_treated, n_control, who):
    rng = np.random.default_rng(11)
    treated, control = (of_rows(customers(rng, n), OUTCOMES) for n in (n_treated, n_control))
    with pytest.raises(DataError, match=who):
        contrast(treated, control, arm="coffee")


def test_arms_of_different_figures_are_refused():
    treated, control = cells(12)
    with pytest.raises(DataError, match=r"tea has figures .* control margin"):
        contrast(treated, control.take(["margin"]), arm="tea")
