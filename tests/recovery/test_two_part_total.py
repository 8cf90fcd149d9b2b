"""Totals of the two-part model on worlds whose expected margin is known: no bias beyond the noise of its training."""

import numpy as np
import pytest
from value_world import SEARCH, draw_world, ignore

from netlift.estimators.stored import StoredModel
from netlift.estimators.value.ltv import fit_ltv

pytestmark = pytest.mark.slow

FIT, LATER, TEST = ["2024-01-01", "2024-04-01"], ["2024-08-01"], ["2025-01-01"]


def total_bias(seed, spread):
    world = draw_world(customers=3_000, cutoffs=[*FIT, *LATER, *TEST], seed=seed, spread=spread)
    candidate = fit_ltv(
        "two_part", world.at(FIT).labelled("ltv"), world.at(LATER).labelled("ltv"),
        horizon_days=182, search=SEARCH.model_copy(update={"trials": 1}), seed=seed, threads=1, progress=ignore,
    )  # fmt: skip
    test = world.at(TEST)
    predicted = StoredModel(candidate.files).predict_matrix(test.rows.X)["ltv_182d"]
    return predicted.sum() / test.expected_margin.sum() - 1


def test_the_total_of_zero_inflated_lognormal_margin_is_unbiased():
    biases = np.array([total_bias(seed, spread=1.0) for seed in range(12)])
    assert abs(biases.mean()) < 3 * biases.std(ddof=1) / np.sqrt(len(biases))
    assert np.abs(biases).max() < 0.12


def test_the_total_is_right_in_the_season_that_comes_back():
    """Half the year buys much more; the test cutoff lies where training saw the season a year before."""
    year = ["2024-01-10", "2024-03-10", "2024-05-10", "2024-07-10", "2024-09-10", "2024-11-10"]
    biases = []
    for seed, comes_back in enumerate(["2025-03-10", "2025-09-10"]):
        world = draw_world(customers=3_000, cutoffs=[*year, comes_back], seed=seed, season=0.8)
        candidate = fit_ltv(
            "two_part", world.at(year[:3]).labelled("ltv"), world.at(year[3:]).labelled("ltv"),
            horizon_days=182, search=SEARCH.model_copy(update={"trials": 1}), seed=1, threads=1, progress=ignore,
        )  # fmt: skip
        test = world.at([comes_back])
        predicted = StoredModel(candidate.files).predict_matrix(test.rows.X)["ltv_182d"]
        biases.append(predicted.sum() / test.expected_margin.sum() - 1)
    assert np.abs(biases).max() < 0.06
