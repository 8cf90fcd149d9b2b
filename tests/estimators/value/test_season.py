import numpy as np
import pytest
from value_world import draw_world

from netlift.estimators.expression import constant, write_files
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.btyd import evaluate_expressions
from netlift.estimators.value.level_correction import learn_season

YEAR = ["2024-01-10", "2024-03-10", "2024-05-10", "2024-07-10", "2024-09-10", "2024-11-10"]


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=2_000, cutoffs=YEAR, seed=1)


def money(rows, *, swing, seed=2):
    rng = np.random.default_rng(seed)
    predicted = np.exp(rng.normal(3, 0.7, len(rows)))
    factor = 1 + swing * rows.column("calendar_sin") - 0.5 * swing * rows.column("calendar_cos")
    return factor * predicted * rng.gamma(2, 0.5, len(rows)), predicted


def drifting(cutoffs, *, customers, drift, seed):
    """Money that falls away from what was predicted by the same share every year."""
    rows = draw_world(customers=customers, cutoffs=[str(cutoff) for cutoff in cutoffs], seed=seed).rows
    rng = np.random.default_rng(seed)
    predicted = np.exp(rng.normal(3, 0.7, len(rows)))
    years = (rows.cutoff - rows.cutoff.min()) / np.timedelta64(1, "D") / 365.25
    return rows, (1 + drift * years) * predicted * rng.gamma(2, 0.5, len(rows)), predicted


def test_what_the_year_left_over_is_found(world):
    y, predicted = money(world.rows, swing=0.1)
    assert learn_season(world.rows, y, predicted).weights == pytest.approx((0.1, -0.05), abs=0.02)


def test_noise_is_taken_for_a_season_less_than_it_looks_like(world):
    kept, seen = [], []
    for seed in range(20):
        y, predicted = money(world.rows, swing=0.0, seed=seed)
        weights = learn_season(world.rows, y, predicted).weights
        kept.append(np.sum(np.square(weights)) if weights else 0.0)
        ratio = [y[world.rows.cutoff == c].sum() / predicted[world.rows.cutoff == c].sum() for c in
                 np.unique(world.rows.cutoff)]  # fmt: skip
        seen.append(np.var(ratio))
    assert np.mean(kept) < 0.5 * np.mean(seen)


def test_a_third_of_a_year_unseen_is_not_guessed_at():
    rows = draw_world(customers=300, cutoffs=YEAR[:4], seed=3).rows
    season = learn_season(rows, *money(rows, swing=0.3))
    assert season.weights == ()
    assert "a third of the year unseen" in season.note


def test_without_the_calendar_there_is_no_season():
    rows = draw_world(customers=300, cutoffs=YEAR, seed=4).rows
    keep = [i for i, feature in enumerate(rows.features) if not feature.name.startswith("calendar")]
    without = LabelledRows(X=rows.X[:, keep], features=tuple(rows.features[i] for i in keep), y=rows.y,
                           customer=rows.customer, cutoff=rows.cutoff)  # fmt: skip
    assert learn_season(without, *money(rows, swing=0.3)).weights == ()


def test_the_stored_factor_follows_the_calendar(world):
    season = learn_season(world.rows, *money(world.rows, swing=0.2))
    expression = season.on(constant(10.0))
    files = write_files(
        task="ltv", features=world.rows.features, outputs=[("ltv", "currency", expression)], boosters={}
    )
    sine, cosine = world.rows.column("calendar_sin"), world.rows.column("calendar_cos")
    want = 10 * (1 + season.weights[0] * sine + season.weights[1] * cosine)
    assert np.allclose(StoredModel(files).predict_matrix(world.rows.X)["ltv"], want)


def test_a_drift_is_followed_to_the_newest_cutoff_and_not_beyond():
    """Money falls by 4 % of the first year's a year against what the model says, seen over a year and a quarter."""
    cutoffs = np.arange("2024-01-01", "2025-07-01", np.timedelta64(91, "D"), dtype="datetime64[us]")
    rows, y, predicted = drifting(cutoffs, customers=4_000, drift=-0.04, seed=1)
    season = learn_season(rows, y, predicted)
    assert season.level == pytest.approx(1 - 0.04 * 1.25, abs=0.015)
    steady = learn_season(*drifting(cutoffs, customers=4_000, drift=0.0, seed=2))
    assert steady.level == pytest.approx(1, abs=0.015)


def test_five_cutoffs_are_too_few_to_tell_a_drift_from_a_season():
    cutoffs = np.arange("2024-01-01", "2025-03-01", np.timedelta64(91, "D"), dtype="datetime64[us]")
    rows, y, predicted = drifting(cutoffs, customers=4_000, drift=-0.04, seed=1)
    assert learn_season(rows, y, predicted).level == 1.0


def test_the_stored_factor_is_the_one_that_was_applied():
    cutoffs = np.arange("2024-01-01", "2025-07-01", np.timedelta64(91, "D"), dtype="datetime64[us]")
    rows, y, predicted = drifting(cutoffs, customers=4_000, drift=-0.08, seed=3)
    season = learn_season(rows, y, predicted)
    stored = evaluate_expressions(rows, {"value": season.on({"op": "constant", "value": 2.0})})["value"]
    assert np.allclose(stored, season.apply(rows, np.full(len(rows), 2.0)))
