import numpy as np
import pytest
from scipy.special import expit

from netlift.errors import DataError
from netlift.estimators.calibration import calibrate_level, calibrate_probabilities
from netlift.estimators.expression import constant


def wrong_probabilities(n, seed):
    rng = np.random.default_rng(seed)
    truth = expit(rng.normal(size=n))
    return (rng.uniform(size=n) < truth).astype(float), truth, truth**2


@pytest.mark.parametrize(("n", "method", "within"), [(60_000, "isotonic", 0.01), (6_000, "Platt", 0.06)])
def test_the_curve_undoes_a_distortion_of_the_probability(n, method, within):
    y, truth, distorted = wrong_probabilities(n, seed=1)
    curve = calibrate_probabilities(y, distorted)
    assert method in curve.method
    inside = (truth > 0.1) & (truth < 0.9)
    assert np.mean(np.abs(curve.apply(distorted) - truth)[inside]) < within
    assert np.mean(np.abs(distorted - truth)[inside]) > 0.15


def test_platt_undoes_a_stretch_of_the_logit():
    rng = np.random.default_rng(3)
    score = rng.normal(size=8_000)
    y = (rng.uniform(size=len(score)) < expit(0.5 + score)).astype(float)
    curve = calibrate_probabilities(y, expit(2 * score))
    assert np.max(np.abs(curve.apply(expit(2 * score)) - expit(0.5 + score))) < 0.03


@pytest.mark.parametrize("n", [3_000, 50_000])
def test_calibration_keeps_the_order_and_never_promises_certainty(n):
    y, _, distorted = wrong_probabilities(n, seed=2)
    calibrated = calibrate_probabilities(y, distorted).apply(distorted)
    order = np.argsort(distorted)
    assert np.all(np.diff(calibrated[order]) > 0)
    assert 0 < calibrated.min() and calibrated.max() < 1


def test_isotonic_calibration_keeps_the_observed_share():
    y, _, distorted = wrong_probabilities(50_000, seed=4)
    assert calibrate_probabilities(y, distorted).apply(distorted).mean() == pytest.approx(y.mean(), abs=0.002)


def test_a_score_that_ranks_nobody_becomes_the_share_of_all():
    rng = np.random.default_rng(5)
    p = rng.uniform(0.1, 0.9, 500)
    y = (p < np.median(p)).astype(float)
    assert np.allclose(calibrate_probabilities(y, p).apply(p), y.mean())


def test_calibration_refuses_a_single_class():
    with pytest.raises(DataError, match="0 of 50 rows are positive"):
        calibrate_probabilities(np.zeros(50), np.linspace(0.1, 0.9, 50))


def money(n, seed, factor):
    rng = np.random.default_rng(seed)
    expected = np.exp(rng.normal(3, 1, n))
    y = expected * (rng.uniform(size=n) < 0.4) / 0.4 * np.exp(0.5 * rng.normal(size=n) - 0.125)
    return y, expected * factor, np.arange(n)


def test_level_calibration_finds_a_common_factor():
    y, predicted, customer = money(40_000, 1, factor=0.8)
    curve = calibrate_level(y, predicted, customer)
    assert curve.apply(predicted).sum() == pytest.approx(y.sum(), rel=0.005)
    assert np.corrcoef(np.log(curve.apply(predicted)), np.log(predicted))[0, 1] > 0.999


def test_level_calibration_finds_a_bend():
    y, predicted, customer = money(60_000, 2, factor=1.0)
    bent = predicted**1.3 / 3
    repaired = calibrate_level(y, bent, customer).apply(bent)
    top = bent > np.quantile(bent, 0.9)
    assert abs(bent[top].sum() / predicted[top].sum() - 1) > 0.3
    assert abs(repaired[top].sum() / predicted[top].sum() - 1) < 0.05


def test_noise_moves_the_level_less_than_the_raw_ratio_would():
    raw, shrunk = [], []
    for seed in range(60):
        y, predicted, customer = money(1_500, 10 + seed, factor=1.0)
        raw.append(y.sum() / predicted.sum() - 1)
        shrunk.append(calibrate_level(y, predicted, customer).apply(predicted).sum() / predicted.sum() - 1)
    assert np.sqrt(np.mean(np.square(shrunk))) < 0.75 * np.sqrt(np.mean(np.square(raw)))


def test_level_calibration_keeps_order_far_beyond_what_it_saw():
    y, predicted, customer = money(5_000, 3, factor=0.9)
    grid = np.linspace(0, 50 * predicted.max(), 500)
    assert np.all(np.diff(calibrate_level(y, predicted, customer).apply(grid)) > 0)


def test_level_calibration_refuses_predictions_that_are_not_above_zero():
    with pytest.raises(DataError, match="1 of 3 are not"):
        calibrate_level(np.ones(3), np.array([1.0, 0.0, 2.0]), np.arange(3))


def test_the_stored_curve_holds_its_knots():
    y, _, distorted = wrong_probabilities(3_000, seed=6)
    curve = calibrate_probabilities(y, distorted)
    node = curve.on(constant(0.5))
    assert node["op"] == "interpolate" and np.all(np.diff(node["x"]) > 0)
    assert np.interp(0.3, node["x"], node["y"]) == curve.apply(np.array([0.3]))[0]
