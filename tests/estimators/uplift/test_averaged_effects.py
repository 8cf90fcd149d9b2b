"""Effects averaged over seeds: steadier than those of one seed, in one stored form, purchases learned once."""

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world
from test_paired_effects import earn, fit, predict

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_uplift
from netlift.estimators.uplift.pairwise.outcome_model import MOST_SEEDS
from netlift.estimators.uplift.rewards import add_rewards

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world():
    return make_world(1200, seed=3)


@pytest.fixture(scope="module")
def fresh():
    return make_world(4000, seed=99, campaigns=1)


def averaged(rows, *, seed=1, threads=1):
    return fit_uplift(
        "averaged_effects", rows, search=SEARCH, folds=3, seed=seed, threads=threads, progress=lambda share, words: None
    )


@pytest.fixture(scope="module")
def whole(world):
    return averaged(world.rows)


def test_it_is_stored_as_one_fit_is_with_the_trees_of_all_seeds(world, whole):
    one = fit(world.rows, seed=1)
    assert set(whole.files) >= set(one.files)
    trees = [sum(content.count(b"Tree=") for content in fitted.files.values()) for fitted in (one, whole)]
    assert trees[1] > 0.5 * MOST_SEEDS * trees[0]


def test_two_means_differ_less_than_two_fits_and_earn_no_less(world, whole, fresh):
    one, other = (predict(fitted, fresh.rows.X) for fitted in (whole, averaged(world.rows, seed=7)))
    singles = [predict(fit(world.rows, seed=seed), fresh.rows.X) for seed in (1, 7, 1001, 1007)]
    apart = [np.mean((a - b) ** 2) for i, a in enumerate(singles) for b in singles[:i]]
    assert np.mean((one - other) ** 2) < 0.8 * np.mean(apart)
    assert earn(one, fresh.effects) > np.mean([earn(single, fresh.effects) for single in singles]) - 0.01


def test_the_same_bytes_whatever_the_threads(world, whole):
    assert whole.files == averaged(world.rows, threads=2).files


def test_rewards_are_added_as_to_any_candidate(world, whole, fresh):
    found = add_rewards(whole, world.rows, machine=Machine(seed=1, threads=1))
    scores = StoredModel(found.files).predict_matrix(fresh.rows.X)
    assert {f"uplift_{offer}" for offer in OFFERS} <= set(scores)
    assert sum(whole.importance.values()) == pytest.approx(1.0)
