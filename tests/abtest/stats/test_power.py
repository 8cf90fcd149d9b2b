"""Sizes of a test: what is asked for is what the test then has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_world import customers

from netlift.abtest.design import power
from netlift.abtest.design.power import ArmSizes, Spread
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import contrast, money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows
from netlift.errors import DataError

EVEN = Spread(sd=12.0, skewness=0.0)


def test_spread_is_that_of_past_profit():
    rows = customers(np.random.default_rng(1), 5000)
    profit = rows[:, 1] - rows[:, 2] - rows[:, 3]
    found = power.spread_of(of_rows(rows, OUTCOMES))
    assert found.sd == pytest.approx(profit.std())
    assert found.skewness == pytest.approx(np.mean((profit - profit.mean()) ** 3) / profit.std() ** 3)
    assert power.spread_of(of_rows(rows, OUTCOMES), variance_ratio=0.49).sd == pytest.approx(0.7 * found.sd)


def test_the_readout_of_such_customers_has_the_planned_width_and_skewness():
    rng = np.random.default_rng(2)
    rows = customers(rng, 40_000, buy=0.01)
    spread = power.spread_of(of_rows(rows, OUTCOMES))
    seen = contrast(of_rows(rows[:36_000], OUTCOMES), of_rows(rows[36_000:], OUTCOMES))
    split = ArmSizes.of_share(40_000, 0.1)
    got = money(seen, PROFIT, level=0.95, currency="EUR")[1]
    assert power.half_width(spread, split, level=0.95) == pytest.approx((got.ci_upper - got.ci_lower) / 2, rel=0.15)
    assert power.gamma_of(spread, split) == pytest.approx(seen.gamma, rel=0.15)


@given(st.floats(0.05, 3.0), st.floats(0.02, 0.98))
def test_so_many_customers_have_the_half_width_asked_for(width, share):
    n = power.customers_for_half_width(EVEN, half_width=width, control_share=share, level=0.95)
    exact = ArmSizes(n_treated=n * (1 - share), n_control=n * share)
    assert power.half_width(EVEN, exact, level=0.95) <= width
    assert power.half_width(EVEN, exact, level=0.95) == pytest.approx(width, rel=0.01)


def test_the_chance_of_the_verdict_is_the_textbooks_power():
    """n = 63.8 an arm for 80 % at d = .5, one-sided 2.5 %: Cohen (1988), table 2.4.1 gives 64 (two-sided 5 %)."""
    split = ArmSizes(n_treated=64, n_control=64)
    chance = power.chance_of_made_money(Spread(sd=1.0, skewness=0.0), split, profit=0.5, level=0.95)
    assert chance == pytest.approx(0.80, abs=0.01)


def test_so_many_customers_have_the_chance_asked_for():
    n = power.customers_for_chance(EVEN, profit=0.8, chance=0.8, control_share=0.2, level=0.95, fixed=400.0)
    chances = [
        power.chance_of_made_money(EVEN, ArmSizes.of_share(k, 0.2), profit=0.8, fixed=400.0, level=0.95)
        for k in (n - 20, n)
    ]
    assert chances[0] < 0.8 <= chances[1] + 1e-4


def test_no_profit_is_never_proven():
    terms = {"chance": 0.8, "control_share": 0.5, "level": 0.95}
    assert power.customers_for_chance(EVEN, profit=0.0, **terms) is None
    assert power.customers_for_chance(EVEN, profit=1e-6, **terms) is None


def test_a_certain_effect_needs_no_more_than_the_least():
    assert power.customers_for_chance(EVEN, profit=1e6, chance=0.8, control_share=0.5, level=0.95) < 10


def test_the_planned_chance_is_that_of_simulated_readouts():
    rng = np.random.default_rng(3)
    past = of_rows(customers(rng, 200_000, buy=0.05, reward=0.0, contact=0.0), OUTCOMES)
    split = ArmSizes(n_treated=5400, n_control=600)
    lift = 2.2 * power.standard_error(power.spread_of(past), split)
    planned = power.chance_of_made_money(power.spread_of(past), split, profit=lift, level=0.95)
    won = 0
    for _ in range(400):
        treated, control = (customers(rng, n, buy=0.05, reward=0.0, contact=0.0) for n in (5400, 600))
        treated[:, 1] += lift
        seen = contrast(of_rows(treated, OUTCOMES), of_rows(control, OUTCOMES))
        assert abs(seen.gamma) > skew.NOTICEABLE
        won += money(seen, PROFIT, level=0.95, currency="EUR")[0].ci_lower > 0
    assert won / 400 == pytest.approx(planned, abs=0.06)


def test_looks_and_arms_raise_what_must_be_crossed():
    split = ArmSizes(n_treated=500, n_control=500)
    plain = power.chance_of_made_money(EVEN, split, profit=2.0, level=0.95)
    assert power.chance_of_made_money(EVEN, split, profit=2.0, level=0.95, bound=2.5) < plain


def test_even_shapes_need_no_control_for_skewness():
    assert power.control_share_for_gamma(EVEN, 1000) == 0


@pytest.mark.parametrize("share", [0.0, 0.001, 0.999, 1.0])
def test_a_share_that_empties_an_arm_is_refused(share):
    with pytest.raises(DataError, match="at least 2"):
        ArmSizes.of_share(1000, share)


def test_a_past_in_which_nobody_bought_is_refused():
    with pytest.raises(DataError, match="does not vary"):
        power.spread_of(of_rows(np.zeros((100, 4)), OUTCOMES))


@pytest.mark.parametrize(("width", "share"), [(0.0, 0.5), (1.0, 0.0), (1.0, 1.0)])
def test_a_width_or_share_out_of_range_is_refused(width, share):
    with pytest.raises(DataError, match="above 0"):
        power.customers_for_half_width(EVEN, half_width=width, control_share=share, level=0.95)
