"""Estimated chances of arms: near the true ones, of the right size, never from the customer's own arm."""

import numpy as np
import pytest

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.uplift.propensity import Chosen, estimate_propensities, expect_outcomes
from netlift.features.matrix import Feature

FEATURES = tuple(Feature(name=f"f{i}", unit="ratio", source="made up", formula="normal") for i in range(4))


def choose(seed, *, n=5000, arms=3, rule=False):
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.normal(size=(n, 4)).astype(np.float32))
    score = np.column_stack([np.zeros(n), 0.8 * X[:, 0] + 0.3, np.where(X[:, 1] > 0.5, 1.0, -1.0)])[:, :arms]
    if rule:
        score[:, 1] = np.where((X[:, 0] > 0) & (X[:, 1] > 0), 1.5, -1.5)
    chances = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    arm = np.minimum((rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1), arms - 1)
    chosen = Chosen(X=X, features=FEATURES, arm=arm, customer=np.arange(n), machine=Machine(seed=1, threads=1))
    return chosen, chances


@pytest.mark.parametrize(("arms", "rule"), [(2, False), (2, True), (3, False)])
def test_slopes_and_rules_of_choice_are_recovered(arms, rule):
    chosen, chances = choose(1, arms=arms, rule=rule)
    found = estimate_propensities(chosen)
    assert np.allclose(found.sum(axis=1), 1)
    assert np.abs(found - chances).mean() < 0.035
    assert np.corrcoef(found[:, 1], chances[:, 1])[0, 1] > 0.95


def test_estimated_chances_are_of_the_right_size():
    chosen, _ = choose(2)
    found = estimate_propensities(chosen)[:, 1]
    for part in np.array_split(np.argsort(found), 5):
        assert found[part].mean() == pytest.approx(np.mean(chosen.arm[part] == 1), abs=0.05)


def test_arms_drawn_by_lot_get_chances_that_tell_nobody_apart():
    chosen, _ = choose(3)
    lots = Chosen(**{**vars(chosen), "arm": np.random.default_rng(4).integers(0, 2, 5000)})
    found = estimate_propensities(lots)[:, 1]
    assert found.std() < 0.03
    assert abs(np.corrcoef(found, lots.arm)[0, 1]) < 0.05


def test_expected_outcomes_of_an_arm_are_learned_from_that_arm():
    chosen, _ = choose(5, arms=2)
    y = chosen.X[:, 2] + 3.0 * (chosen.arm == 1) + np.random.default_rng(6).normal(size=5000)
    found = expect_outcomes(chosen, y)
    assert (found[:, 1] - found[:, 0]).mean() == pytest.approx(3.0, abs=0.1)
    assert np.corrcoef(found[:, 0], chosen.X[:, 2])[0, 1] > 0.95


def test_an_arm_of_a_few_customers_is_refused():
    chosen, _ = choose(7, n=300, arms=3)
    with pytest.raises(DataError, match="100 of each"):
        estimate_propensities(chosen)
