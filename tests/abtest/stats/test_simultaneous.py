"""Arms that share a control, against Dunnett's table, the multivariate normal, and draws."""

import numpy as np
import pytest
from money_world import customers
from scipy.stats import multivariate_normal

from netlift.abtest.stats.difference import contrast, money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows, of_sums
from netlift.abtest.stats.simultaneous import chance_best, critical_value, simultaneous_profits
from netlift.errors import DataError

TERMS = {"level": 0.95, "currency": "EUR"}


def cell(n, mean=0.0, variance=1.0):
    return of_sums(("margin",), n, np.array([n * mean]), np.array([[n * (variance + mean**2)]]), 0.0, buyers=n)


def arms(sizes, control, means=None):
    means = means or [0.0] * len(sizes)
    return [contrast(cell(n, mean), cell(control)) for n, mean in zip(sizes, means, strict=True)]


@pytest.mark.parametrize(("k", "published"), [(1, 1.96), (2, 2.21), (3, 2.35), (4, 2.44), (5, 2.51), (9, 2.69)])
def test_equal_arms_have_the_critical_value_of_dunnetts_table(k, published):
    """Dunnett (1964), New tables for multiple comparisons with a control, Biometrics 20: two-sided 5 %, infinite df."""
    assert critical_value(arms([10**6] * k, 10**6), level=0.95) == pytest.approx(published, abs=0.006)


def test_unequal_arms_have_that_of_the_multivariate_normal():
    found = arms([5000, 20_000, 9000], 2000)
    c = critical_value(found, level=0.95)
    se = np.array([arm.se(PROFIT) for arm in found])
    correlation = np.full((3, 3), 1 / 1999) / np.outer(se, se)
    np.fill_diagonal(correlation, 1.0)
    normal = multivariate_normal(cov=correlation, seed=1)
    assert normal.cdf([c] * 3, lower_limit=[-c] * 3) == pytest.approx(0.95, abs=2e-4)


def test_it_lies_between_one_arm_and_bonferroni():
    assert 1.96 < critical_value(arms([100, 200], 50), level=0.95) < 2.2414


def test_all_arms_lie_in_their_intervals_as_often_as_is_claimed():
    rng = np.random.default_rng(1)
    c = critical_value(arms([900, 400, 400], 200), level=0.9)
    arm = rng.normal(size=(200_000, 3)) / np.sqrt([899, 399, 399])
    z = (arm - rng.normal(size=(200_000, 1)) / np.sqrt(199)) / np.sqrt(1 / np.array([899, 399, 399]) + 1 / 199)
    assert np.mean(np.all(np.abs(z) <= c, axis=1)) == pytest.approx(0.9, abs=0.003)


def test_one_arm_has_the_interval_that_it_has_alone():
    rng = np.random.default_rng(2)
    seen = contrast(*(of_rows(customers(rng, n), OUTCOMES) for n in (500, 300)))
    together, alone = simultaneous_profits([seen], fixed=[9.0], **TERMS)[0], money(seen, PROFIT, **TERMS, fixed=9.0)[0]
    assert (together.ci_lower, together.ci_upper) == pytest.approx((alone.ci_lower, alone.ci_upper))
    assert together.method == alone.method


def test_intervals_for_all_arms_are_wider_and_say_so():
    rng = np.random.default_rng(3)
    control = of_rows(customers(rng, 300), OUTCOMES)
    found = [contrast(of_rows(customers(rng, 500), OUTCOMES), control) for _ in range(2)]
    for each, arm in zip(simultaneous_profits(found, fixed=[0.0, 5.0], **TERMS), found, strict=True):
        alone = money(arm, PROFIT, **TERMS)[0]
        assert each.ci_upper - each.ci_lower > alone.ci_upper - alone.ci_lower
        assert each.method.endswith("all arms at once")


def test_the_chance_of_the_best_is_that_of_draws():
    found = arms([900, 400], 200, means=[0.05, 0.1])
    rng = np.random.default_rng(4)
    draws = np.column_stack(
        [rng.normal(mean, 1 / np.sqrt(n), 400_000) for mean, n in ((0.0, 199), (0.05, 899), (0.1, 399))]
    )
    best = np.argmax(draws, axis=1)
    assert chance_best(found, fixed=[0.0, 0.0]) == pytest.approx([np.mean(best == 1), np.mean(best == 2)], abs=0.003)


def test_fixed_cost_counts_in_the_chance_of_the_best():
    found = arms([400, 400], 200, means=[0.1, 0.1])
    even = chance_best(found, fixed=[0.0, 0.0])
    assert even[0] == pytest.approx(even[1])
    assert chance_best(found, fixed=[400 * 0.2, 0.0])[0] < 0.05


def test_one_arm_is_best_as_surely_as_it_is_profitable():
    assert chance_best(arms([400], 400, means=[0.1]), fixed=[0.0])[0] == pytest.approx(0.9212, abs=2e-3)


def test_arms_without_noise_are_ranked_outright():
    flat = [contrast(cell(50, mean, 0.0), cell(50, 0.0, 0.0)) for mean in (1.0, 2.0, -1.0)]
    assert chance_best(flat, fixed=[0.0] * 3) == pytest.approx([0, 1, 0])
    assert critical_value(flat, level=0.95) == pytest.approx(1.96, abs=1e-3)


def test_no_arm_is_refused():
    with pytest.raises(DataError, match="no arm"):
        critical_value([], level=0.95)


@pytest.mark.parametrize("own", [0.0, 1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("k", [2, 6])
def test_arms_in_which_nobody_bought_vary_with_control_alone_and_need_little_more_than_one(k, own):
    nearly_the_same = [contrast(cell(1000, variance=own), cell(50)) for _ in range(k)]
    assert 1.96 <= critical_value(nearly_the_same, level=0.95) < 1.96 + 0.05 * k
