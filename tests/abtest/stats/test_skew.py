"""Skew-corrected intervals agree with themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from netlift.abtest.design.power import Spread, control_share_for_gamma
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import of_rows

gammas = st.floats(-1.5, 1.5)


@given(st.floats(-4, 4), gammas)
def test_transform_and_inverse_undo_each_other(x, gamma):
    # Near |gamma| x = 3 the inverse has a vertical tangent: rounding of 1e-16 shows as its cube root.
    assert skew.score(skew.quantile(x, gamma), gamma) == pytest.approx(x, abs=2e-6)


@given(gammas, st.floats(0.6, 0.99))
def test_both_ends_of_an_interval_have_the_chance_that_they_claim(gamma, level):
    lower, upper = skew.interval(3.0, 2.0, z=skew.critical(level), shape=skew.even(gamma))
    assert lower < upper
    assert skew.chance_above(lower, 3.0, 2.0, shape=skew.even(gamma)) == pytest.approx((1 + level) / 2, abs=1e-6)
    assert skew.chance_above(upper, 3.0, 2.0, shape=skew.even(gamma)) == pytest.approx((1 - level) / 2, abs=1e-6)


def test_small_skewness_changes_nothing():
    assert skew.interval(1.0, 2.0, z=1.96, shape=skew.even(0.099)) == (1 - 3.92, 1 + 3.92)


def test_a_small_control_moves_the_interval_down():
    plain, corrected = (skew.interval(0.0, 1.0, z=1.96, shape=skew.even(gamma)) for gamma in (0.0, -0.3))
    assert corrected[0] < plain[0]
    assert corrected[1] < plain[1]


def test_the_corrected_interval_says_so():
    made = [
        skew.estimate(1.0, 1.0, shape=skew.even(g), level=0.95, unit="EUR", method="means").method for g in (0.0, 0.2)
    ]
    assert made == ["means", "means, skew-corrected"]


def test_without_noise_the_chance_is_a_step():
    assert [skew.chance_above(0.0, point, 0.0, shape=skew.even(0.5)) for point in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


def test_gamma_of_arms_of_one_shape_is_that_of_the_mean_difference():
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(20_000, 50))
    difference = draws[:, :40].mean(axis=1) - draws[:, 40:].mean(axis=1)
    seen = np.mean((difference - difference.mean()) ** 3) / difference.std() ** 3
    assert skew.gamma_of(2.0, 40, 10) == pytest.approx(seen, abs=0.05)


def test_swapping_the_arms_turns_gamma_round_and_equal_arms_have_none():
    rng = np.random.default_rng(2)
    a, b = (of_rows(rng.exponential(size=(n, 1)), ("margin",)) for n in (900, 100))
    assert contrast(a, b).gamma == pytest.approx(-contrast(b, a).gamma)
    assert contrast(a, b).gamma < -0.1
    assert abs(contrast(a, of_rows(rng.exponential(size=(900, 1)), ("margin",))).gamma) < 0.05


@given(st.integers(100, 10**7), st.floats(0.5, 50), st.sampled_from([0.1, 0.3]))
def test_the_advised_control_has_the_gamma_that_it_was_advised_for(customers, skewness, limit):
    share = control_share_for_gamma(Spread(sd=1.0, skewness=skewness), customers, limit=limit)
    assert 0 < share < 0.5
    gamma = skew.gamma_of(skewness, customers * (1 - share), customers * share)
    assert abs(gamma) == pytest.approx(limit, rel=1e-6)


def test_hall_brings_an_exponential_mean_to_its_tails():
    rng = np.random.default_rng(3)
    draws = rng.exponential(size=(20_000, 60))
    mean, se = draws.mean(axis=1), draws.std(axis=1, ddof=1) / np.sqrt(60)
    gamma, z = 2 / np.sqrt(60), norm.ppf(0.975)
    plain = np.mean(mean + se * z < 1)
    corrected = np.mean(mean - se * skew.quantile(-z, gamma) < 1)
    assert plain > 0.045
    assert corrected == pytest.approx(0.025, abs=0.01)
