"""Effects learned two arms at a time: known ones recovered, none invented, the same bytes again."""

import json
from dataclasses import replace

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world

from netlift.errors import NotRandomizedError
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_uplift

pytestmark = pytest.mark.slow


def fit(rows, *, seed=1, threads=1):
    return fit_uplift(
        "paired_effects", rows, search=SEARCH, folds=3, seed=seed, threads=threads, progress=lambda share, words: None
    )


def predict(candidate, X, offers=OFFERS):
    scores = StoredModel(candidate.files).predict_matrix(X)
    return np.column_stack([scores[f"uplift_{offer}"] for offer in offers])


def earn(uplift, effects):
    """True profit of taking the best predicted uplift, as a share of what the best arm would earn."""
    none = np.zeros((len(effects), 1))
    true = np.concatenate([none, effects], axis=1)
    chosen = np.argmax(np.concatenate([none, uplift], axis=1), axis=1)
    return true[np.arange(len(true)), chosen].mean() / true.max(axis=1).mean()


@pytest.fixture(scope="module")
def world():
    return make_world(5000, seed=3)


@pytest.fixture(scope="module")
def fresh():
    return make_world(15_000, seed=99, campaigns=1)


@pytest.fixture(scope="module")
def fitted(world):
    return fit(world.rows)


def test_effects_that_were_put_in_are_found_in_order_and_in_size(fitted, fresh):
    uplift = predict(fitted, fresh.rows.X)
    for j in (0, 2):
        assert np.corrcoef(uplift[:, j], fresh.effects[:, j])[0, 1] > 0.85
        assert 0.75 < np.polyfit(uplift[:, j], fresh.effects[:, j], 1)[0] < 1.35
    assert np.abs(uplift.mean(axis=0) - fresh.effects.mean(axis=0)).max() < 0.45
    assert earn(uplift, fresh.effects) > 0.88


def test_seeds_of_the_folds_change_little(world, fitted, fresh):
    other = predict(fit(world.rows, seed=2), fresh.rows.X)
    assert earn(other, fresh.effects) == pytest.approx(earn(predict(fitted, fresh.rows.X), fresh.effects), abs=0.05)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(world, fitted):
    assert fit(world.rows, threads=2).files == fitted.files


def test_the_stored_form_is_json_and_lightgbm_text_by_offer_in_currency(fitted):
    spec = json.loads(fitted.files["model.json"])
    assert [output["name"] for output in spec["outputs"]] == [f"uplift_{offer}" for offer in OFFERS]
    assert {output["unit"] for output in spec["outputs"]} == {"currency"}
    assert all(name == "model.json" or content.startswith(b"tree\n") for name, content in fitted.files.items())
    assert fitted.storable and fitted.notes and sum(fitted.importance.values()) == pytest.approx(1.0)


def test_offers_without_any_effect_are_worth_their_cost_to_everybody(world):
    rng = np.random.default_rng(7)
    cost = np.array([0.0, 2.0, 0.1, 0.3])[world.rows.arm]
    margin = np.where(rng.random(len(cost)) < 0.3, rng.lognormal(2.0, 0.6, len(cost)), 0.0)
    placebo = fit(replace(world.rows, margin=margin, y=margin - cost))
    uplift = predict(placebo, world.rows.X)
    assert uplift.std(axis=0).max() < 0.1, "what is invented is small"
    chosen = np.argmax(np.column_stack([np.zeros(len(uplift)), uplift]), axis=1)
    assert np.bincount(chosen).max() > 0.99 * len(chosen), "and changes nobody's offer"
    assert np.abs(uplift[0] - [-2.0, -0.1, -0.3]).max() < 0.45, "four standard errors"


def test_a_campaigns_season_does_not_pass_for_an_offer():
    """Promo was drawn in the two later campaigns only; doubling everybody's margin there must not credit it."""
    rows, rng = make_world(6000, seed=21).rows, np.random.default_rng(5)
    margin = np.where(rng.random(len(rows)) < 0.3, 10.0, 0.0) * np.where(rows.campaign >= 2, 2.0, 1.0)
    uplift = predict(fit(replace(rows, margin=margin, y=margin)), rows.X)
    assert np.abs(uplift.mean(axis=0)).max() < 0.5


def test_non_buyers_are_thinned_where_they_are_many_and_the_money_stays_right():
    world, rng = make_world(9000, seed=5), np.random.default_rng(1)
    rows = world.rows
    rare = (rng.random(len(rows)) < 0.15) & (rows.margin > 0)
    margin = np.where(rare, rows.margin, 0.0)
    found = fit(replace(rows, margin=margin, y=margin))
    assert "thinned to" in found.notes[0]
    true = 0.15 * (world.effects + np.array([2.0, 0.1, 0.3]))[:, :2]
    assert np.abs(predict(found, rows.X)[:, :2].mean(axis=0) - true.mean(axis=0)).max() < 0.15


def test_offers_that_never_shared_a_campaign_are_learned_beside_control_alone(world):
    rows = world.rows
    keep = np.where(rows.campaign < 2, rows.arm < 2, np.isin(rows.arm, (0, 3)))
    rows = rows.take(keep)
    available = np.column_stack([np.ones(len(rows), bool), rows.campaign < 2, rows.campaign >= 2])
    two = replace(rows, arm=np.where(rows.arm == 3, 2, rows.arm), available=available, offers=("call", "promo"))
    found = fit(two)
    assert not [name for name in found.params if "2_beside_1" in name]
    uplift = predict(found, world.rows.X, two.offers)
    assert np.corrcoef(uplift[:, 0], world.effects[:, 0])[0, 1] > 0.7


def test_one_campaign_with_one_offer_is_enough(world):
    rows = world.rows.take((world.rows.campaign == 0) & (world.rows.arm < 2))
    one = replace(rows, offers=("call",), available=np.ones((len(rows), 2), dtype=bool))
    assert np.isfinite(predict(fit(one), one.X, one.offers)).all()


def test_a_handful_of_customers_gives_averages_not_an_error(world):
    few = world.rows.take(world.rows.customer < 20)
    uplift = predict(fit(few), few.X)
    assert np.isfinite(uplift).all() and np.ptp(uplift, axis=0).max() < 1e-9


def test_rows_whose_propensity_nobody_knows_are_refused(world):
    with pytest.raises(NotRandomizedError):
        fit(replace(world.rows, propensity=np.full(len(world.rows), np.nan)))


@pytest.mark.parametrize("outcome", ["everybody buys", "margins of both signs"])
def test_where_the_chance_says_nothing_effects_are_found_in_amounts(world, outcome):
    rows, rng = world.rows, np.random.default_rng(0)
    margin = rows.margin + 5.0 if outcome == "everybody buys" else rows.margin + 5.0 * rng.normal(size=len(rows))
    found = fit(replace(rows, margin=margin, y=margin - (rows.margin - rows.y)))
    uplift = predict(found, rows.X)
    assert not [name for name in found.params if "chance" in name]
    assert np.corrcoef(uplift[:, 0], world.effects[:, 0])[0, 1] > 0.8
    assert np.abs(uplift.mean(axis=0) - world.effects.mean(axis=0)).max() < 0.5


def test_nobody_buying_makes_every_offer_worth_its_cost(world):
    rows, nothing = world.rows, np.zeros(len(world.rows))
    found = fit(replace(rows, margin=nothing, y=nothing - np.array([0.0, 2.0, 0.1, 0.3])[rows.arm]))
    assert predict(found, rows.X) == pytest.approx(np.tile([-2.0, -0.1, -0.3], (len(rows), 1)))
    assert set(found.files) == {"model.json"}
