import numpy as np
import pytest

from netlift.evaluation.churn.calibration_error import by_chance, folded_interval

WEIGHT = np.full(10, 0.1)


def test_chance_alone_shows_the_mean_of_folded_noise():
    drawn = np.abs(np.random.default_rng(1).normal(scale=0.02, size=(20_000, 10))).mean()
    assert by_chance(np.eye(10) * 0.02**2, WEIGHT) == pytest.approx(drawn, rel=0.01)


@pytest.mark.parametrize("size", [0.0, 0.01, 0.03, 0.1])
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_the_interval_holds_the_truth(size, shared):
    rng = np.random.default_rng(2)
    truth = size * np.linspace(-1, 1, 10)
    covariance = 0.02**2 * ((1 - shared) * np.eye(10) + shared)
    root = np.linalg.cholesky(covariance)
    held = 0
    for _ in range(300):
        lower, upper = folded_interval(truth + root @ rng.normal(size=10), covariance, WEIGHT, level=0.95)
        held += lower <= np.mean(np.abs(truth)) <= upper
    assert held / 300 >= 0.91


def test_without_noise_the_interval_is_the_figure():
    lower, upper = folded_interval(np.array([0.2, -0.1]), np.zeros((2, 2)), np.array([0.5, 0.5]), level=0.95)
    assert (lower, upper) == (pytest.approx(0.15), pytest.approx(0.15))


def test_an_unknown_deviation_has_no_interval():
    lower, upper = folded_interval(np.array([np.nan, 0.1]), np.eye(2), np.array([0.5, 0.5]), level=0.95)
    assert np.isnan(lower) and np.isnan(upper)
