"""Sparse regression whose true effects are known."""

import numpy as np

from netlift.estimators.single_effects import find_single_effects


def regress(effect: float, *, seed: int, n: int = 400, k: int = 60) -> np.ndarray:
    """Posterior mean where the fourth of k features has an effect and the others have none, noise of variance 1."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    return find_single_effects(Z.T @ Z, Z.T @ (effect * Z[:, 3] + rng.normal(size=n)), effects=3, slab=1.0)


def test_the_one_feature_that_tells_is_found_and_others_get_next_to_nothing():
    found = regress(0.4, seed=1)
    assert abs(found[3] - 0.4) < 0.15 and np.abs(np.delete(found, 3)).max() < 0.05


def test_noise_alone_gets_next_to_nothing():
    assert max(np.abs(regress(0.0, seed=seed)).max() for seed in range(10)) < 0.1


def test_features_that_say_the_same_share_the_effect():
    rng = np.random.default_rng(2)
    one = rng.normal(size=300)
    Z = np.column_stack([one, one, rng.normal(size=(300, 20))])
    found = find_single_effects(Z.T @ Z, Z.T @ (0.5 * one + rng.normal(size=300)), effects=1, slab=1.0)
    assert found[0] == found[1] and abs(found[:2].sum() - 0.5) < 0.15
