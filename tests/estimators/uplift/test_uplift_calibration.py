"""Calibrated uplift: the right size where it pays to differ, the averages where it does not."""

import numpy as np
import pytest

from netlift.estimators.uplift.calibration import calibrate, effect_scores
from netlift.evaluation.policy.off_policy import dr_scores

OFFERS = ("call", "mail")


def scores_of(truth: np.ndarray, *, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    arms = np.concatenate([np.zeros((len(truth), 1)), truth], axis=1)
    return arms + noise * rng.normal(size=arms.shape)


def truth_of(n: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=n)
    return np.column_stack([0.5 + x, 0.8 - 0.5 * x])


def test_a_prediction_of_half_the_size_is_stretched():
    truth = truth_of(20_000, 0)
    fitted = calibrate(
        0.5 * truth + 3.0, scores_of(truth, noise=2.0, seed=1), customer=np.arange(20_000), offers=OFFERS
    )
    calibrated = fitted.apply(0.5 * truth + 3.0)
    assert np.abs(calibrated - truth).mean() < 0.1


def test_noise_falls_back_to_the_average_of_each_offer():
    truth = np.tile([0.5, 0.8], (5000, 1))
    noise = np.random.default_rng(2).normal(size=truth.shape)
    fitted = calibrate(noise, scores_of(truth, noise=5.0, seed=3), customer=np.arange(5000), offers=OFFERS)
    assert not fitted.weights.any()
    assert np.ptp(fitted.apply(noise), axis=0).max() == 0.0
    assert np.abs(fitted.intercept - [0.5, 0.8]).max() < 0.4
    assert "each offer is worth its average" in fitted.notes[0]


def test_the_mean_of_each_offer_stays_what_the_scores_say():
    truth = truth_of(8000, 4)
    scores = scores_of(truth, noise=3.0, seed=5)
    raw = truth + np.random.default_rng(6).normal(size=truth.shape)
    fitted = calibrate(raw, scores, customer=np.arange(8000), offers=OFFERS)
    assert fitted.weights.any()
    assert np.allclose(fitted.apply(raw).mean(axis=0), (scores[:, 1:] - scores[:, :1]).mean(axis=0))


def test_offers_that_lose_on_average_are_compared_with_no_contact():
    truth = truth_of(20_000, 7) - 1.0
    fitted = calibrate(truth, scores_of(truth, noise=1.0, seed=8), customer=np.arange(20_000), offers=OFFERS)
    assert "best single arm in training: control" in fitted.notes[0]
    assert np.allclose(fitted.weights, np.diag(np.diag(fitted.weights)))
    assert np.abs(np.diag(fitted.weights) - 1.0).max() < 0.2


def test_offers_never_seen_together_are_still_calibrated():
    truth = truth_of(20_000, 9)
    scores = scores_of(truth, noise=1.0, seed=10)
    scores[:10_000, 1], scores[10_000:, 2] = np.nan, np.nan
    fitted = calibrate(truth, scores, customer=np.arange(20_000), offers=OFFERS)
    assert np.abs(fitted.apply(truth) - truth).mean() < 0.15


def test_training_and_judgement_share_one_doubly_robust_score():
    rng = np.random.default_rng(11)
    n = 200
    arm = rng.integers(0, 3, n)
    available = np.ones((n, 3), dtype=bool)
    available[:50, 2] = arm[:50] == 2
    arrays = {
        "y": rng.normal(size=n), "arm": arm, "propensity": rng.uniform(0.1, 1, n), "mu": rng.normal(size=(n, 3)),
        "available": available,
    }  # fmt: skip
    assert np.array_equal(effect_scores(**arrays), dr_scores(**arrays), equal_nan=True)


def test_a_repeated_customer_adds_no_certainty():
    truth = np.tile([0.5, 0.3], (1500, 1))
    raw = np.random.default_rng(12).normal(size=truth.shape)
    scores = scores_of(truth, noise=3.0, seed=13) + 0.25 * np.concatenate([np.zeros((1500, 1)), raw], axis=1)
    once = calibrate(raw, scores, customer=np.arange(1500), offers=OFFERS)
    often = calibrate(
        np.tile(raw, (9, 1)), np.tile(scores, (9, 1)), customer=np.tile(np.arange(1500), 9), offers=OFFERS
    )
    assert often.weights == pytest.approx(once.weights, abs=1e-3)


@pytest.mark.parametrize("best", [0.0, 1.0], ids=["beside the best", "the best itself"])
def test_an_offer_upside_down_gets_its_mean_and_misleads_no_other(best):
    n, rng = 20_000, np.random.default_rng(11)
    truth = np.column_stack([0.5 + rng.normal(size=n), best + 0.5 * rng.normal(size=n)])
    raw = np.column_stack([truth[:, 0], 2 * best - truth[:, 1]])
    scores = scores_of(truth, noise=2.0, seed=12)
    fitted = calibrate(raw, scores, customer=np.arange(n), offers=OFFERS)
    calibrated = fitted.apply(raw)
    assert np.ptp(calibrated[:, 1]) == 0
    assert calibrated[0, 1] == pytest.approx((scores[:, 2] - scores[:, 0]).mean())
    assert np.corrcoef(calibrated[:, 0], truth[:, 0])[0, 1] > 0.999
    assert any(note.startswith("mail: its order of customers is no better than chance") for note in fitted.notes)
