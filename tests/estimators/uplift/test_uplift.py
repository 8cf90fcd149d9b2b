"""Uplift candidates: known effects recovered, money right, the same bytes again."""

import json
from dataclasses import replace

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world

from netlift.errors import DataError, NotRandomizedError
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_arm_outcomes, fit_uplift

pytestmark = pytest.mark.slow
NAMES = (
    "response", "recency_frequency", "two_part", "causalml_s", "causalml_t", "causalml_x", "causalml_r", "causalml_dr",
    "causalml_forest",
)  # fmt: skip


def fit(name, rows, *, threads=1):
    return fit_uplift(name, rows, search=SEARCH, folds=3, seed=1, threads=threads, progress=lambda share, words: None)


def predict(candidate, X):
    scores = StoredModel(candidate.files).predict_matrix(X)
    return np.column_stack([scores[f"uplift_{offer}"] for offer in OFFERS])


def earn(uplift, effects):
    """True profit per customer of taking the best predicted uplift, as a share of what the best arm would earn."""
    with_none = np.concatenate([np.zeros((len(effects), 1)), effects], axis=1)
    chosen = np.argmax(np.concatenate([np.zeros((len(uplift), 1)), uplift], axis=1), axis=1)
    return with_none[np.arange(len(effects)), chosen].mean() / with_none.max(axis=1).mean()


@pytest.fixture(scope="module")
def world():
    return make_world(5000, seed=3)


@pytest.fixture(scope="module")
def fresh():
    return make_world(15_000, seed=99, campaigns=1)


@pytest.fixture(scope="module")
def fitted(world):
    return {name: fit(name, world.rows) for name in NAMES}


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("two_part", 0.85),
        ("causalml_s", 0.7),
        ("causalml_t", 0.6),
        ("causalml_x", 0.7),
        ("causalml_r", 0.6),
        ("causalml_dr", 0.6),
        ("causalml_forest", 0.6),
    ],
)
def test_a_learner_recovers_the_effects_it_was_given(fitted, fresh, name, least):
    uplift = predict(fitted[name], fresh.rows.X)
    found = [np.corrcoef(uplift[:, j], fresh.effects[:, j])[0, 1] for j in (0, 2)]
    assert min(found) > least


def test_the_two_part_policy_earns_nearly_what_the_best_arm_would(fitted, fresh):
    shares = {name: earn(predict(candidate, fresh.rows.X), fresh.effects) for name, candidate in fitted.items()}
    assert shares["two_part"] > 0.88
    assert shares["two_part"] >= max(share for name, share in shares.items() if name != "two_part") - 0.01


def test_predicted_profit_is_of_the_right_size(fitted, fresh):
    uplift = predict(fitted["two_part"], fresh.rows.X)
    assert np.abs(uplift.mean(axis=0) - fresh.effects.mean(axis=0)).max() < 0.45
    for j in (0, 2):
        slope = np.polyfit(uplift[:, j], fresh.effects[:, j], 1)[0]
        assert 0.75 < slope < 1.35


def test_the_response_model_ranks_all_offers_alike_and_scales_the_average(fitted, world):
    uplift = predict(fitted["response"], world.rows.X)
    assert np.corrcoef(uplift[:, 1], world.rows.X[:, 0])[0, 1] > 0.5
    assert abs(np.corrcoef(uplift[:, 0], uplift[:, 1])[0, 1]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_candidate_names_its_outputs_by_offer_in_currency(fitted, name):
    spec = json.loads(fitted[name].files["model.json"])
    assert [output["name"] for output in spec["outputs"]] == [f"uplift_{offer}" for offer in OFFERS]
    assert {output["unit"] for output in spec["outputs"]} == {"currency"}
    importance = fitted[name].importance.values()
    assert all(share >= 0 for share in importance) and sum(importance) <= 1 + 1e-9
    assert fitted[name].storable and fitted[name].notes


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_and_seed_give_the_same_bytes_on_any_number_of_threads(fitted, world, name):
    assert fit(name, world.rows, threads=2).files == fitted[name].files


def test_arms_drawn_without_any_effect_are_worth_what_they_cost():
    """A placebo: margins of the world without contact, so that each offer loses exactly its cost."""
    world = make_world(5000, seed=12)
    rng = np.random.default_rng(7)
    cost = np.array([0.0, 2.0, 0.1, 0.3])[world.rows.arm]
    margin = np.where(rng.random(len(cost)) < 0.3, rng.lognormal(2.0, 0.6, len(cost)), 0.0)
    placebo = fit("two_part", replace(world.rows, margin=margin, y=margin - cost))
    uplift = predict(placebo, world.rows.X)
    assert np.abs(uplift.mean(axis=0) - [-2.0, -0.1, -0.3]).max() < 0.45, "four standard errors"
    assert uplift.std(axis=0).max() < 0.2, "what is invented is small beside them"
    chosen = np.argmax(np.column_stack([np.zeros(len(uplift)), uplift]), axis=1)
    assert np.array([0.0, 2.0, 0.1, 0.3])[chosen].mean() < 0.05, "and costs next to nothing"


def test_a_campaigns_season_does_not_pass_for_an_offer():
    """Promo was drawn in the two later campaigns only; doubling everybody's margin there must not credit it."""
    rows, rng = make_world(6000, seed=21).rows, np.random.default_rng(5)
    margin = np.where(rng.random(len(rows)) < 0.3, 10.0, 0.0) * np.where(rows.campaign >= 2, 2.0, 1.0)
    uplift = predict(fit("two_part", replace(rows, margin=margin, y=margin)), rows.X)
    assert np.abs(uplift.mean(axis=0)).max() < 0.5


def test_expected_outcomes_follow_the_arms_and_the_customers(world, fresh):
    outcomes = fit_arm_outcomes(world.rows, search=SEARCH, folds=3, seed=1, threads=1)
    mu = outcomes.predict(fresh.rows.X, threads=1)
    assert mu.shape == (len(fresh.rows), 4)
    own = mu[np.arange(len(mu)), fresh.rows.arm]
    assert own.mean() == pytest.approx(fresh.rows.y.mean(), abs=0.5)
    assert np.corrcoef(own, fresh.rows.y)[0, 1] > 0.25


def test_progress_is_told_of_every_trial(world):
    seen = []
    fit_uplift(
        "two_part", world.rows.take(world.rows.customer < 1500), search=SEARCH, folds=3, seed=1, threads=1,
        progress=lambda share, words: seen.append((share, words)),
    )  # fmt: skip
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)
    assert len(seen) == SEARCH.trials and "trial 1 of 2" in seen[0][1]


@pytest.mark.parametrize("name", ["response", "recency_frequency", "two_part", "x_learner", "causalml_x"])
def test_rows_from_which_nothing_can_be_learned_are_refused_before_any_fit(world, name):
    with pytest.raises(NotRandomizedError):
        fit(name, replace(world.rows, propensity=np.full(len(world.rows), np.nan)))
    with pytest.raises(DataError):
        fit(name, world.rows.take(world.rows.arm > 0))
