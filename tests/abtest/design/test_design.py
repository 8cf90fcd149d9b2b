from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.abtest.design.power import Spread
from netlift.abtest.design.sizing import (
    Setup,
    balanced_control,
    clustered_spread,
    control_needed,
    customers_for_balance,
    customers_needed,
    explained_share,
    joint_level,
    measure,
)
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import PROFIT, of_rows

pytestmark = pytest.mark.slow

SKEWED = Setup(
    spread=Spread(sd=1300.0, skewness=6.0), weights={"sms": 1.0}, level=0.95, expected=60.0, chance=0.8,
    fixed_cost=10_000.0,
)  # fmt: skip
FOUR = replace(SKEWED, weights={name: 0.25 for name in "abcd"}, level=joint_level(0.95, arms=4, looks=1))


def zero_inflated(rng, n):
    """Margin of customers most of whom buy nothing."""
    return np.where(rng.random(n) < 0.3, rng.lognormal(4.5, 1.0, n), 0.0)


@pytest.fixture(scope="module")
def past():
    margin = zero_inflated(np.random.default_rng(11), 40_000)
    return margin, of_rows(margin[:, None], ("margin",))


@pytest.mark.parametrize(("customers", "control_share", "effect"), [(8000, 0.1, 12.0), (3000, 0.5, 12.0)])
def test_the_chance_that_is_promised_is_how_often_the_verdict_comes_out(past, customers, control_share, effect):
    margin, moments = past
    rng, fixed = np.random.default_rng(3), 4000.0
    setup = Setup(spread=clustered_spread(moments), weights={"sms": 1.0}, level=0.95, expected=effect, fixed_cost=fixed)
    promised = measure(setup, customers=customers, control_share=control_share)
    n_0, runs = promised.control, 900
    n_t = customers - n_0
    made = widths = 0.0
    for _ in range(runs):
        drawn = rng.choice(margin, customers)
        found = contrast(of_rows(drawn[n_0:, None] + effect, ("margin",)), of_rows(drawn[:n_0, None], ("margin",)))
        low, high = skew.interval(found.point(PROFIT) - fixed / n_t, found.se(PROFIT), z=1.96, shape=found.shape)
        made += low > 0
        widths += (high - low) / 2
    assert promised.chance is not None and 0.2 < promised.chance < 0.95
    # gamma of a sample is smaller than that of those it is drawn from: a leaning control errs on the safe side
    assert -0.045 < made / runs - promised.chance < 0.045 + 0.2 * abs(promised.gamma)
    assert widths / runs == pytest.approx(promised.half_width, rel=0.05)


def test_what_is_needed_is_enough_and_one_less_is_not():
    needed = customers_needed(SKEWED, control_share=0.2)
    assert needed is not None
    assert measure(SKEWED, customers=needed, control_share=0.2).meets(SKEWED)
    assert not measure(SKEWED, customers=needed - 60, control_share=0.2).meets(SKEWED)


@pytest.mark.parametrize("setup", [SKEWED, FOUR])
def test_the_control_that_is_chosen_is_the_smallest_that_meets_the_aims(setup):
    customers = 80_000
    share = control_needed(setup, customers=customers)
    assert share is not None
    assert measure(setup, customers=customers, control_share=share).meets(setup)
    for k in range(1, round(1000 * share)):
        assert not measure(setup, customers=customers, control_share=k / 1000).meets(setup)


def test_where_no_control_does_none_is_named():
    assert control_needed(SKEWED, customers=500) is None
    hopeless = replace(SKEWED, expected=-5.0)
    assert customers_needed(hopeless, control_share=0.5) is None


def test_a_dearer_control_tells_more_and_costs_its_customers_profit():
    rows = [measure(SKEWED, customers=20_000, control_share=share) for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)]
    widths, costs = [row.half_width for row in rows], [row.holdout_cost for row in rows]
    assert widths == sorted(widths, reverse=True)
    assert costs == [60.0 * row.control for row in rows]
    assert [row.control for row in rows] == [200, 400, 1000, 2000, 4000, 10_000]


def test_a_control_too_small_for_the_spend_is_said_to_be_and_the_size_that_would_do_does():
    customers = 20_000
    small = measure(SKEWED, customers=customers, control_share=0.01)
    assert small.lean == "too_small" and abs(small.gamma) > skew.LARGE
    share = balanced_control(SKEWED, customers=customers)
    assert share is not None
    assert measure(SKEWED, customers=customers, control_share=share).lean != "too_small"
    assert measure(SKEWED, customers=customers, control_share=share - 0.001).lean == "too_small"
    enough = customers_for_balance(SKEWED, control_share=0.01)
    assert measure(SKEWED, customers=enough, control_share=0.01).lean != "too_small"
    assert measure(SKEWED, customers=enough - 200, control_share=0.01).lean == "too_small"


def test_an_aim_is_never_met_by_a_control_that_leans_too_far():
    easy = replace(SKEWED, expected=2000.0, chance=0.5)
    share = control_needed(easy, customers=20_000)
    assert share == balanced_control(easy, customers=20_000)


@given(explained=st.floats(0.0, 0.95), n=st.integers(1000, 10**6), share=st.floats(0.05, 0.5))
def test_pre_period_figures_narrow_the_interval_by_the_root_of_what_they_leave(explained, n, share):
    with_them = measure(replace(SKEWED, explained=explained), customers=n, control_share=share)
    without = measure(SKEWED, customers=n, control_share=share)
    assert with_them.half_width == pytest.approx(without.half_width * np.sqrt(1 - explained))
    assert with_them.half_width_raw == pytest.approx(without.half_width)


def test_the_arm_that_is_told_least_of_speaks_for_all():
    uneven = replace(FOUR, weights={"a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1})
    row, alone = (measure(setup, customers=50_000, control_share=0.2) for setup in (uneven, FOUR))
    assert row.half_width > alone.half_width
    assert row.chance < alone.chance


def test_more_arms_and_looks_ask_for_more():
    levels = [joint_level(0.95, arms=arms, looks=looks) for arms, looks in ((1, 1), (1, 4), (3, 1), (3, 4))]
    assert levels[0] == pytest.approx(0.95)
    assert levels[0] < levels[1] < levels[2] < levels[3]
    # the published bound of the last of four O'Brien-Fleming looks (see test_sequential)
    assert skew.critical(levels[1]) == pytest.approx(2.013, abs=0.002)


def test_explained_share_is_that_of_customers_not_fitted_on():
    rng = np.random.default_rng(2)
    n = 6000
    x = rng.normal(size=(n, 3))
    y = x[:, 0] + rng.normal(size=n)
    fold = rng.random(n) < 0.5
    assert explained_share(y, x, fold=fold) == pytest.approx(0.5, abs=0.03)


def test_noise_explains_nothing_however_many_figures_there_are():
    rng = np.random.default_rng(2)
    y, x = rng.lognormal(0, 2, 400), rng.normal(size=(400, 40))
    in_sample = 1 - np.var(y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) / np.var(y)
    assert in_sample > 0.05
    assert explained_share(y, x, fold=np.arange(400) % 2 == 0) == 0.0


def test_figures_that_never_vary_or_too_few_customers_explain_nothing():
    y = np.arange(30.0)
    assert explained_share(np.ones(30), y[:, None], fold=y < 15) == 0.0
    assert explained_share(y[:4], y[:4, None], fold=y[:4] < 2) == 0.0
    assert explained_share(y, np.ones((30, 1)), fold=y % 2 == 0) == 0.0


def test_households_that_buy_alike_make_a_test_smaller_than_it_looks():
    rng = np.random.default_rng(4)
    shared = np.repeat(rng.lognormal(3, 1, 2000), 3)
    apart = clustered_spread(of_rows(shared[:, None], ("margin",)))
    together = clustered_spread(of_rows(shared[:, None], ("margin",), cluster=np.repeat(np.arange(2000), 3)))
    assert together.sd == pytest.approx(apart.sd * np.sqrt(3), rel=0.01)
    one_each = clustered_spread(of_rows(shared[:, None], ("margin",), cluster=np.arange(6000)))
    assert one_each.sd == pytest.approx(apart.sd, rel=0.001)
