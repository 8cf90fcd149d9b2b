"""The return on cost: every kind of set, and agreement with the verdict on profit."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from money_world import cells, customers

from netlift.abtest.readout import roi as returns
from netlift.abtest.readout.roi import TwoLines, fieller, profit_per_delivered, roi, roi_curve
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import contrast, money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows
from netlift.abtest.stats.skew import Shape
from netlift.errors import DataError

TERMS = {"level": 0.95, "currency": "EUR"}
numbers = st.floats(-5, 5)


@st.composite
def two_lines(draw):
    """Two lines with any covariance that there can be."""
    va, vb, rho = draw(st.floats(0.01, 4)), draw(st.floats(0.01, 4)), draw(st.floats(-0.99, 0.99))
    return TwoLines(a=draw(numbers), b=draw(numbers), va=va, vb=vb, vab=rho * math.sqrt(va * vb))


def inside(found, theta):
    if found.kind == "all":
        return True
    within = found.lower <= theta <= found.upper
    return within if found.kind == "interval" else not found.lower < theta < found.upper


@settings(max_examples=300)
@given(two_lines(), st.floats(-20, 20))
def test_the_set_holds_exactly_the_ratios_that_are_not_excluded(lines, theta):
    z = 1.959964
    found = fieller(lines, z=z)
    distance = abs(lines.net(theta)) - z * lines.net_se(theta)
    assume(abs(distance) > 1e-6)
    assert inside(found, theta) == (distance < 0)


@settings(max_examples=150)
@given(
    st.integers(0, 10_000), st.floats(-1, 4), st.sampled_from([0.05, 0.2, 0.5]), st.floats(0.02, 0.4),
)  # fmt: skip
def test_return_of_zero_is_in_the_set_exactly_when_profit_of_zero_is_in_its_interval(seed, fixed, share, buy):
    rng = np.random.default_rng(seed)
    n_0 = int(2000 * share)
    treated = of_rows(customers(rng, 2000 - n_0, buy=buy), OUTCOMES)
    seen = contrast(treated, of_rows(customers(rng, n_0, buy=buy, reward=0.0, contact=0.0), OUTCOMES))
    fixed *= 300
    profit, found = money(seen, PROFIT, **TERMS, fixed=fixed)[0], roi(seen, **TERMS, fixed=fixed)
    assume(found.kind == "interval")
    assert (found.lower <= 0 <= found.upper) == (profit.ci_lower <= 0 <= profit.ci_upper)
    assert (found.point > 0) == (profit.point > 0)


def test_a_known_cost_gives_the_margin_interval_rescaled():
    lines = TwoLines(a=3.0, b=2.0, va=0.04, vb=0.0, vab=0.0)
    found = fieller(lines, z=2.0)
    assert (found.kind, found.g) == ("interval", 0.0)
    assert (found.lower, found.upper) == (pytest.approx(1.3), pytest.approx(1.7))


def test_a_cost_near_zero_leaves_what_is_outside_and_no_number():
    found = fieller(TwoLines(a=10.0, b=0.1, va=1.0, vb=1.0, vab=0.0), z=2.0)
    assert found.kind == "outside"
    assert found.g > 1
    assert found.lower < 0 < found.upper


def test_nothing_known_of_either_excludes_nothing():
    found = fieller(TwoLines(a=0.1, b=0.1, va=1.0, vb=1.0, vab=0.0), z=2.0)
    assert (found.kind, found.lower, found.upper) == ("all", None, None)


def test_no_denominator_at_all_is_refused():
    with pytest.raises(DataError, match="zero for every customer"):
        fieller(TwoLines(a=1.0, b=0.0, va=1.0, vb=0.0, vab=0.0), z=2.0)


def arms(treated, control):
    return contrast(of_rows(np.asarray(treated, float), OUTCOMES), of_rows(np.asarray(control, float), OUTCOMES))


def test_no_cost_of_any_kind_is_undefined():
    rng = np.random.default_rng(1)
    found = roi(arms(*(customers(rng, 500, reward=0.0, contact=0.0) for _ in range(2))), **TERMS)
    assert (found.kind, found.point, found.lower, found.upper) == ("undefined", None, None, None)
    assert found.cost.point == 0


def test_the_same_flat_price_in_both_arms_is_no_cost():
    rng = np.random.default_rng(2)
    assert roi(arms(*(customers(rng, 500, reward=0.0, contact=0.05) for _ in range(2))), **TERMS).kind == "undefined"


def test_an_offer_cheaper_than_control_saves_cost():
    rng = np.random.default_rng(3)
    found = roi(arms(customers(rng, 500, contact=0.0), customers(rng, 500, contact=9.0)), **TERMS)
    assert (found.kind, found.point) == ("saves_cost", None)
    assert found.cost.ci_upper < 0


def test_an_uncertain_cost_has_no_return_but_a_curve():
    rng = np.random.default_rng(4)
    seen = arms(customers(rng, 500, contact=0.0), customers(rng, 500, contact=0.0))
    found = roi(seen, **TERMS)
    assert found.kind in ("outside", "all")
    assert (found.point, found.g > 1) == (None, True)
    curve = roi_curve(seen, returns.hurdles_about(found))
    assert all(0 <= point.value <= 1 for point in curve)


def test_the_curve_falls_from_sure_to_hopeless_through_the_set():
    seen = contrast(*cells(5))
    found = roi(seen, **TERMS, fixed=50.0)
    curve = roi_curve(seen, returns.hurdles_about(found), fixed=50.0)
    values = [point.value for point in curve]
    assert values == sorted(values, reverse=True)
    ends = roi_curve(seen, (found.lower, found.point, found.upper), fixed=50.0)
    assert [point.value for point in ends] == pytest.approx([0.975, 0.5, 0.025], abs=1e-6)


def test_set_and_curve_agree_where_skewness_is_corrected():
    rng = np.random.default_rng(6)
    seen = arms(customers(rng, 3000, buy=0.05), customers(rng, 300, buy=0.05, contact=0.0))
    assert abs(seen.gamma) > 0.1
    found = roi(seen, **TERMS)
    ends = roi_curve(seen, (found.lower, found.upper))
    assert [point.value for point in ends] == pytest.approx([0.975, 0.025], abs=1e-6)


def test_fixed_cost_lowers_the_return_and_is_in_the_cost():
    seen = contrast(*cells(7))
    without, withit = roi(seen, **TERMS), roi(seen, **TERMS, fixed=1000.0)
    assert withit.cost.point == pytest.approx(without.cost.point + 1000)
    assert withit.point < without.point


def test_profit_is_zero_at_the_break_even_margin_rate():
    seen = contrast(*cells(8))
    rate = returns.break_even_margin_rate(seen, fixed=100.0)
    at = {"revenue": rate, "reward": -1.0, "contact_cost": -1.0}
    assert money(seen, at, **TERMS, fixed=100.0)[0].point == pytest.approx(0, abs=1e-8)


def test_without_more_revenue_no_margin_rate_breaks_even():
    treated, control = cells(9)
    assert returns.break_even_margin_rate(contrast(control, treated)) is None


def test_profit_is_zero_at_the_break_even_reward():
    seen = contrast(*cells(10))
    reward = returns.break_even_reward(seen, fixed=100.0)
    profit = money(seen, PROFIT, **TERMS, fixed=100.0)[0].point
    paid = money(seen, {"reward": 1.0}, **TERMS)[0].point
    assert 3000 * reward == pytest.approx(profit + paid)


def test_the_holdout_costs_the_profit_that_its_customers_would_have_brought():
    seen = contrast(*cells(11))
    profit = money(seen, PROFIT, **TERMS, fixed=500.0)[0]
    cost = returns.cost_of_holdout(seen, **TERMS)
    assert cost.point == pytest.approx(1500 * (profit.point + 500) / 3000)
    assert cost.ci_lower < cost.point < cost.ci_upper


def delivered_world(share, leak=0.0):
    rng = np.random.default_rng(12)
    rows = []
    for n, reach in ((4000, share), (4000, leak)):
        reached = rng.random(n) < reach
        each = customers(rng, n, contact=0.0)
        each[:, 1] += 2.0 * reached
        rows.append(of_rows(np.column_stack([each, reached]), (*OUTCOMES, "delivered")))
    return contrast(*rows)


def test_profit_of_a_delivered_contact_is_what_it_was_made_to_be():
    found = profit_per_delivered(delivered_world(0.8, leak=0.1), **TERMS)
    assert found.ci_lower < 2.0 < found.ci_upper
    assert found.point == pytest.approx(2.0, abs=0.6)


def test_full_delivery_leaves_profit_per_customer():
    seen = delivered_world(1.0)
    profit = money(seen, PROFIT, **TERMS)[1]
    assert profit_per_delivered(seen, **TERMS).point == pytest.approx(profit.point)


def test_delivery_that_does_not_differ_has_no_effect_on_the_delivered():
    assert profit_per_delivered(delivered_world(0.0), **TERMS) is None
    assert profit_per_delivered(delivered_world(0.5, leak=0.5), **TERMS) is None


def test_revenue_over_cost_is_given_only_where_the_cost_is_sure():
    found = returns.iroas(contrast(*cells(13)), **TERMS)
    assert found.ci_lower < found.point < found.ci_upper
    rng = np.random.default_rng(14)
    assert returns.iroas(arms(*(customers(rng, 500, contact=0.0) for _ in range(2))), **TERMS) is None


@given(
    a=st.floats(-2, 4), correlation=st.floats(-0.9, 0.9), own=st.floats(-1.4, 1.4), more=st.floats(0, 0.5),
    vb=st.floats(0.0001, 0.02),
)  # fmt: skip
def test_at_each_end_of_the_set_the_interval_of_the_net_benefit_ends_at_zero(a, correlation, own, more, vb):
    lines = TwoLines(a=a, b=1.0, va=0.3, vb=vb, vab=correlation * np.sqrt(0.3 * vb))
    shape = Shape(lower=own, upper=own + more)

    def interval(theta):
        along = shape.along(lines.correlation(1.0, theta))
        return skew.interval(lines.net(theta), lines.net_se(theta), z=1.96, shape=along)

    found = fieller(lines, z=1.96, shape=shape)
    profit = skew.interval(lines.net(1.0), lines.net_se(1.0), z=1.96, shape=shape)
    if found.kind == "all":
        cost = skew.interval(1.0, np.sqrt(vb), z=1.96, shape=shape.along(lines.correlation(1.0, np.inf)))
        assert cost[0] <= 0
        return
    assert found.lower < a < found.upper
    assert (found.lower <= 1 <= found.upper) == (profit[0] <= 0 <= profit[1])
    for theta, end, outward in ((found.lower, 0, -1), (found.upper, 1, 1)):
        step = outward * 1e-6 * max(1.0, abs(theta))  # Hall's end may be vertical in skewness, or step to none
        assert interval(theta - step)[end] * -outward <= 0 <= interval(theta + step)[end] * -outward


def test_a_small_control_never_returns_more_than_profit_allows():
    # Plain Fieller would say 120 to 210 % here, where the interval of profit holds zero.
    lines = TwoLines(a=0.55, b=0.2, va=0.01, vb=0.0008, vab=0.002)
    shape = Shape(lower=-0.74, upper=0.24)
    found = fieller(lines, z=1.96, shape=shape)
    assert skew.interval(lines.net(1.0), lines.net_se(1.0), z=1.96, shape=shape)[0] < 0
    assert found.kind == "all" or found.lower < 1
