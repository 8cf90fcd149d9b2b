"""Bounds for looking early, against published ones, the multivariate normal, and paths."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from netlift.abtest.stats import skew
from netlift.abtest.stats.sequential import always_valid_half_width, bounds, looks, repeated_interval, spent
from netlift.errors import DataError

pytestmark = pytest.mark.slow

QUARTERS = (0.25, 0.5, 0.75, 1.0)


def chance_of_stopping(information, limits):
    """P(|z| crosses at any look) of the multivariate normal with independent increments."""
    t = np.array(information)
    cov = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    normal = multivariate_normal(cov=cov, seed=1, abseps=1e-7, maxpts=2_000_000)
    return 1 - normal.cdf(list(limits), lower_limit=[-b for b in limits])


@pytest.mark.parametrize("spending", ["per_side", "two_sided"])
@pytest.mark.parametrize("information", [(0.25, 0.5, 0.75), (0.1, 0.6, 0.7, 1.0)])
def test_the_error_spent_is_that_of_the_multivariate_normal(information, spending):
    assert len(information)
    for k in range(1, len(information) + 1):
        seen = information[:k]
        want = 2 * spent(seen[-1], level=0.95, spending=spending)
        crossed = chance_of_stopping(seen, bounds(seen, level=0.95, spending=spending))
        assert crossed == pytest.approx(want, abs=2e-5)


def test_one_look_is_the_usual_test():
    assert bounds([1.0], level=0.95) == pytest.approx([1.959964])


def test_the_first_two_sided_bound_is_z_over_the_root_of_information():
    assert bounds([0.25], level=0.95, spending="two_sided")[0] == pytest.approx(1.959964 / 0.5, abs=1e-5)


def test_a_look_depends_on_earlier_looks_only():
    assert bounds(QUARTERS[:2], level=0.95) == bounds(QUARTERS, level=0.95)[:2]


def test_twenty_eight_daily_looks_cost_little_and_keep_their_error():
    days = np.arange(1, 29) / 28
    limits = np.array(bounds(days, level=0.95))
    assert limits[0] > 8
    assert limits[-1] < 2.15
    rng = np.random.default_rng(1)
    paths = np.cumsum(rng.normal(size=(40_000, 28)), axis=1) / np.sqrt(np.arange(1, 29))
    assert np.mean(np.any(np.abs(paths) >= limits, axis=1)) == pytest.approx(0.05, abs=0.004)
    assert np.mean(np.any(np.abs(paths) >= 1.96, axis=1)) > 0.2


@pytest.mark.parametrize("information", [(), (0.5, 0.5), (0.0, 1.0), (0.5, 1.2), (float("nan"),)])
def test_shares_that_do_not_increase_to_one_are_refused(information):
    with pytest.raises(DataError, match="increase within"):
        bounds(information, level=0.95)


def test_looks_say_what_was_seen_and_whether_to_stop():
    found = looks([0.25, 0.5], [2.5, -3.1], planned=4, level=0.95)
    assert [(look.number, look.looks, look.stopped) for look in found] == [(1, 4, False), (2, 4, True)]
    assert found[1].bound == pytest.approx(2.963, abs=1e-3)


def test_the_interval_of_a_look_leaves_zero_out_exactly_when_the_bound_is_crossed():
    terms = {"shape": skew.NORMAL, "level": 0.95, "unit": "EUR", "method": "means"}
    assert repeated_interval(2.97, 1.0, bound=2.963, **terms).ci_lower > 0
    assert repeated_interval(2.96, 1.0, bound=2.963, **terms).ci_lower < 0


def test_an_infinite_bound_says_nothing_yet():
    found = repeated_interval(5.0, 1.0, bound=math.inf, shape=skew.NORMAL, level=0.95, unit="EUR", method="means")
    assert (found.ci_lower, found.ci_upper) == (-math.inf, math.inf)


def test_the_band_covers_on_all_days_at_once():
    rng = np.random.default_rng(2)
    paths = np.cumsum(rng.normal(size=(20_000, 60)), axis=1)
    band = np.array([always_valid_half_width(day, 60.0, level=0.9) for day in range(1, 61)])
    assert np.mean(np.any(np.abs(paths) > band, axis=1)) < 0.1


def test_the_band_is_growthbooks_asymptotic_confidence_sequence():
    """Waudby-Smith et al. (2024), eq. 9 as in GrowthBook docs/statistics/sequential.mdx, of a mean of n."""
    n, planned, alpha, sd = 700, 1000, 0.05, 3.0
    r = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned)
    half = sd * math.sqrt(2 * (n * r**2 + 1) / (n * r) ** 2 * math.log(math.sqrt(n * r**2 + 1) / alpha))
    ours = always_valid_half_width(n * sd**2, planned * sd**2, level=0.95) / n
    assert ours == pytest.approx(half)


def test_the_band_is_wider_than_one_interval_and_not_absurd():
    end = always_valid_half_width(1.0, 1.0, level=0.95)
    assert norm.ppf(0.975) < end < 1.6 * norm.ppf(0.975)


def test_a_band_without_variance_is_refused():
    with pytest.raises(DataError, match="needs profit that varies"):
        always_valid_half_width(0.0, 0.0, level=0.95)


@pytest.mark.parametrize("spending", ["per_side", "two_sided"])
def test_every_number_of_even_looks_has_finite_falling_bounds_that_begin_where_the_tail_says(spending):
    z = norm.isf(0.0125 if spending == "per_side" else 0.025)
    for number in range(1, 61):
        shares = [(k + 1) / number for k in range(number)]
        found = np.array(bounds(shares, level=0.95, spending=spending))
        tail = norm.sf(z / math.sqrt(shares[0]))
        assert found[0] == pytest.approx(norm.isf(2 * tail if spending == "per_side" else tail), rel=1e-7)
        assert np.all(np.isfinite(found))
        assert np.all(np.diff(found) < 0)
        assert norm.isf(0.025) - 1e-6 <= found[-1] < 2.25


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("first", [0.01, 0.3, 0.9])
def test_a_second_look_at_the_same_information_changes_nothing_later(first, gap):
    """Little error is spent in so short a step, so that later bounds are those without it, or a shade higher."""
    once, twice = bounds([first, 0.95, 1.0], level=0.95), bounds([first, first + gap, 0.95, 1.0], level=0.95)
    assert twice[0] == once[0]
    assert twice[1] == pytest.approx(once[0], rel=0.06)
    assert twice[2:] == pytest.approx(once[1:], abs=0.06 * math.sqrt(gap) + 5e-5)


def test_uneven_looks_keep_their_error_on_paths():
    shares = np.array([0.01, 0.0101, 0.3, 0.3005, 0.31, 0.7, 0.99, 0.9999, 1.0])
    limits = np.array(bounds(shares, level=0.95))
    steps = np.sqrt(np.diff(shares, prepend=0.0))
    paths = np.cumsum(np.random.default_rng(3).normal(size=(100_000, len(shares))) * steps, axis=1) / np.sqrt(shares)
    assert np.mean(np.any(np.abs(paths) >= limits, axis=1)) == pytest.approx(0.05, abs=0.0021)


def test_a_look_so_early_that_its_error_is_no_number_has_no_bound():
    assert bounds([1e-4, 1.0], level=0.95) == pytest.approx((math.inf, norm.isf(0.025)))
