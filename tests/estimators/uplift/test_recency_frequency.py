"""The marketer's rule: cells by known propensities, shrunk, in the stored form, and honest about missing features."""

from dataclasses import replace

import numpy as np
import pytest
from contact_world import OFFERS, make_world

from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.randomization import average_effects
from netlift.estimators.uplift.recency_frequency import cell_effects, fit_recency_frequency, shrink_cells


def name_features(rows, *names):
    features = list(rows.features)
    for position, name in enumerate(names, start=1):
        features[position] = replace(features[position], name=name)
    return replace(rows, features=tuple(features))


def predict(candidate, X):
    scores = StoredModel(candidate.files).predict_matrix(X)
    return np.column_stack([scores[f"uplift_{offer}"] for offer in OFFERS])


@pytest.fixture(scope="module")
def world():
    """Effects of call and promo follow the first feature, that of mail the second."""
    return make_world(20_000, seed=5)


@pytest.fixture(scope="module")
def rows(world):
    return name_features(world.rows, "days_since_last_purchase", "purchases_365d")


def test_the_rule_finds_effects_that_follow_recency_and_frequency(world, rows):
    uplift = predict(fit_recency_frequency(rows), rows.X)
    for j in range(3):
        assert np.corrcoef(uplift[:, j], world.effects[:, j])[0, 1] > 0.5
    for j in (0, 2):
        high, low = (world.rows.X[:, 1] > 0.9), (world.rows.X[:, 1] < -0.9)
        found = uplift[high, j].mean() - uplift[low, j].mean()
        true = world.effects[high, j].mean() - world.effects[low, j].mean()
        assert found == pytest.approx(true, rel=0.4)


def test_the_mean_of_the_cells_is_the_mean_effect_of_the_offer(rows):
    uplift = predict(fit_recency_frequency(rows), rows.X)
    assert uplift.mean(axis=0) == pytest.approx(average_effects(rows))


def test_chances_that_differ_inside_a_cell_do_not_pass_for_an_effect():
    """Controls are few among frequent buyers, in every cell; the offers do nothing."""
    rows, rng = make_world(10_000, seed=8).rows, np.random.default_rng(2)
    margin = 10.0 * (rng.random(len(rows)) < np.where(rows.X[:, 0] > 0, 0.6, 0.15))
    rows = name_features(replace(rows, margin=margin, y=margin), "days_since_last_purchase", "purchases_365d")
    assert margin[rows.arm == 1].mean() - margin[rows.arm == 0].mean() > 1.0
    assert np.abs(predict(fit_recency_frequency(rows), rows.X)).max() < 0.5


def test_the_effect_of_a_cell_and_its_error_are_those_of_the_field(rows):
    """One campaign, equal chances, one cell: difference of means, and Welch's standard error up to the prior."""
    rng, n = np.random.default_rng(4), 20_000
    arm, y = rng.integers(0, 2, n), rng.normal(size=n) * 3.0
    drawn = replace(
        rows.take(np.arange(n)), arm=arm, y=y, margin=y, propensity=np.full(n, 0.5), customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64), available=np.ones((n, 4), dtype=bool),
    )  # fmt: skip
    found, variance = cell_effects(drawn, 1, np.zeros(n, dtype=np.int64), cells=1)
    assert found[0] == pytest.approx(y[arm == 1].mean() - y[arm == 0].mean())
    welch = y[arm == 1].var() / (arm == 1).sum() + y[arm == 0].var() / (arm == 0).sum()
    assert variance[0] == pytest.approx(welch, rel=1e-3)


def test_cells_that_differ_by_noise_alone_get_the_mean():
    rng = np.random.default_rng(3)
    kept = [shrink_cells(rng.normal(size=25), np.ones(25), 0.7, np.full(25, 100))[1] for _ in range(200)]
    assert np.mean(kept) < 0.12, "half of all draws exceed their expectation, by little"
    kept = [shrink_cells(rng.normal(size=25) * 3, np.ones(25), 0.7, np.full(25, 100))[1] for _ in range(200)]
    assert np.mean(kept) == pytest.approx(1 - 1 / 9, abs=0.03), "between 8, within 1"


def test_a_cell_without_an_arm_gets_the_mean_and_moves_nobody_else():
    values, _ = shrink_cells(np.array([0.0, 4.0, 99.0]), np.array([1e-6, 1e-6, np.inf]), 2.0, np.array([10, 10, 10]))
    assert values == pytest.approx([0.0, 4.0, 2.0], abs=1e-3)


def test_a_missing_value_has_a_cell_of_its_own(rows):
    gaps = rows.X.copy(order="F")
    gaps[::7, 1] = np.nan
    uplift = predict(fit_recency_frequency(replace(rows, X=gaps)), gaps)
    assert np.isfinite(uplift).all()


@pytest.mark.parametrize("names", [("recency",), ("unknown", "frequency")])
def test_one_of_the_two_is_enough(world, names):
    rows = name_features(world.rows, *names)
    found = fit_recency_frequency(rows)
    assert found.notes[0].startswith(f"cells of {names[-1]}:")
    assert len(np.unique(predict(found, rows.X)[:, len(names) - 1])) > 2


def test_without_either_the_averages_are_given_and_the_notes_say_so(world):
    found = fit_recency_frequency(world.rows)
    assert "neither a recency (days_since_last_purchase" in found.notes[0]
    uplift = predict(found, world.rows.X)
    assert np.ptp(uplift, axis=0).max() == 0
    assert uplift[0] == pytest.approx(average_effects(world.rows))
