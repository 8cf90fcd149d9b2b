"""The mean over seeds: of the fits and of nothing else, steadier than each, in one stored form."""

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world
from test_paired_effects import earn, fit, predict

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_uplift
from netlift.estimators.uplift.pairwise.averaged import APART, MOST_SEEDS, average
from netlift.estimators.uplift.rewards import add_rewards


@pytest.fixture(scope="module")
def world():
    return make_world(1200, seed=3)


@pytest.fixture(scope="module")
def fresh():
    return make_world(4000, seed=99, campaigns=1)


@pytest.fixture(scope="module")
def fits(world):
    return [fit(world.rows, seed=1 + APART * k) for k in range(MOST_SEEDS)]


def averaged(rows, *, threads=1):
    return fit_uplift(
        "averaged_effects", rows, search=SEARCH, folds=3, seed=1, threads=threads, progress=lambda share, words: None
    )


def test_it_predicts_the_mean_of_the_fits_of_its_seeds(world, fits, fresh):
    each = np.stack([predict(one, fresh.rows.X) for one in fits])
    assert np.ptp(each, axis=0).max() > 0
    assert predict(averaged(world.rows), fresh.rows.X) == pytest.approx(each.mean(axis=0))


def test_two_means_differ_less_than_two_fits_and_earn_no_less(world, fits, fresh):
    others = average([fit(world.rows, seed=7 + APART * k) for k in range(MOST_SEEDS)])
    one, other = predict(average(fits), fresh.rows.X), predict(others, fresh.rows.X)
    singles = [predict(single, fresh.rows.X) for single in fits]
    apart = [np.mean((a - b) ** 2) for i, a in enumerate(singles) for b in singles[:i]]
    assert np.mean((one - other) ** 2) < 0.6 * np.mean(apart)
    assert earn(one, fresh.effects) > np.mean([earn(single, fresh.effects) for single in singles]) - 0.01


def test_the_same_bytes_whatever_the_threads(world):
    assert averaged(world.rows).files == averaged(world.rows, threads=2).files


def test_rewards_are_added_as_to_any_candidate(world, fits, fresh):
    whole = average(fits)
    found = add_rewards(whole, world.rows, machine=Machine(seed=1, threads=1))
    scores = StoredModel(found.files).predict_matrix(fresh.rows.X)
    assert {f"uplift_{offer}" for offer in OFFERS} <= set(scores)
    assert whole.importance == pytest.approx(
        {name: np.mean([one.importance[name] for one in fits]) for name in whole.importance}
    )
