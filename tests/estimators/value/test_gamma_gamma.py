import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purchase_world import draw_spend
from scipy.special import gammaln

from netlift.errors import DataError
from netlift.estimators.process_formulas import SpendMixture
from netlift.estimators.value.gamma_gamma import expected_spend, fit_spend

MODEL = SpendMixture(p=6.0, q=4.0, gamma=15.0)
POPULATION = 6.0 * 15.0 / 3.0


def test_the_likelihood_is_the_published_one_at_its_top():
    rng = np.random.default_rng(1)
    count = rng.integers(1, 9, 400).astype(float)
    mean = draw_spend(count=count, p=6, q=4, gamma=15, seed=2)
    found = fit_spend(mean, count)

    def log_likelihood(p, q, gamma):
        px = p * count
        return np.sum(
            gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(gamma) + (px - 1) * np.log(mean)
            + px * np.log(count) - (px + q) * np.log(gamma + mean * count)
        )  # fmt: skip

    at = np.array([found.p, found.q, found.gamma])
    assert found.log_likelihood == pytest.approx(log_likelihood(*at), rel=1e-12)
    for i in range(3):
        for factor in (0.98, 1.02):
            assert log_likelihood(*np.where(np.arange(3) == i, factor * at, at)) < found.log_likelihood


def test_weights_count_customers():
    count = np.array([1.0, 2, 5, 3, 2, 8])
    mean = np.array([10.0, 52, 17, 90, 5, 14])
    weight = np.array([30, 10, 25, 8, 40, 12])
    spread = fit_spend(np.repeat(mean, weight), np.repeat(count, weight))
    weighted = fit_spend(mean, count, weight)
    assert (weighted.p, weighted.q, weighted.gamma) == pytest.approx((spread.p, spread.q, spread.gamma), rel=1e-5)
    assert weighted.log_likelihood == pytest.approx(spread.log_likelihood, rel=1e-10)
    assert weighted.correlation == pytest.approx(np.corrcoef(np.repeat(mean, weight), np.repeat(count, weight))[0, 1])
    assert weighted.customers == 125


@settings(max_examples=50)
@given(st.floats(0.01, 1e5), st.integers(1, 1000))
def test_expected_spend_lies_between_the_own_mean_and_that_of_all(mean, count):
    found = expected_spend(MODEL, np.array([mean]), np.array([float(count)]))[0]
    low, high = sorted((mean, POPULATION))
    assert low * (1 - 1e-9) <= found <= high * (1 + 1e-9)


def test_customers_who_differ_by_chance_alone_end_at_a_bound_that_is_named():
    count = np.random.default_rng(1).integers(1, 6, 3_000).astype(float)
    found = fit_spend(np.random.default_rng(2).gamma(5 * count, 4 / count), count)
    assert found.at_bound == ("q",)
    assert expected_spend(found, np.array([5.0, 60.0]), np.array([2.0, 2.0])) == pytest.approx([20, 20], rel=0.02)


def test_no_purchase_day_gives_the_mean_of_all_and_many_give_the_own():
    found = expected_spend(MODEL, np.array([np.nan, 50.0]), np.array([0.0, 1e9]))
    assert found == pytest.approx([POPULATION, 50.0])


@pytest.mark.parametrize(
    ("mean", "count", "words"),
    [
        ([5.0, 0.0, -2.0], [1, 1, 1], "2 have a mean spend of zero or less, 0 no purchase day"),
        ([5.0, np.nan, 2.0], [1, 0, 1], "1 have a mean spend of zero or less, 1 no purchase day"),
        ([5.0, np.inf, 2.0], [1, 1, 1], "1 one that is infinite"),
        ([5.0, 5.0, 5.0], [1, 2, 1], "all 3 customers have the same mean spend"),
    ],
)
def test_spend_that_cannot_be_fitted_is_refused_and_counted(mean, count, words):
    with pytest.raises(DataError, match=words):
        fit_spend(np.array(mean), np.array(count))


def test_spend_without_a_mean_is_refused():
    count = np.random.default_rng(1).integers(1, 6, 4_000).astype(float)
    with pytest.raises(DataError, match="so heavy-tailed that its mean does not exist"):
        fit_spend(draw_spend(count=count, p=3.0, q=0.7, gamma=10, seed=2), count)


def test_a_mean_that_is_not_above_zero_is_refused_at_prediction():
    with pytest.raises(DataError, match="1 of 2 are not; give them count 0"):
        expected_spend(MODEL, np.array([-1.0, 3.0]), np.array([2.0, 2.0]))
