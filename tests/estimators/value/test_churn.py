import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from value_world import CHANNELS, SEARCH, draw_world, ignore

from netlift.errors import ConfigError, DataError
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.churn import fit_churn

pytestmark = pytest.mark.slow

FIT, LATER, TEST = ["2024-01-01", "2024-04-01"], ["2024-08-01"], ["2025-01-01"]
NAMES = ("own_rhythm", "logistic", "lightgbm")


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=4_000, cutoffs=[*FIT, *LATER, *TEST], seed=1)


def fit(world, name, *, seed=1, search=SEARCH):
    return fit_churn(
        name, world.at(FIT).labelled("churn"), world.at(LATER).labelled("churn"),
        search=search, seed=seed, threads=1, progress=ignore,
    )  # fmt: skip


@pytest.fixture(scope="module")
def candidates(world):
    return {name: fit(world, name) for name in NAMES}


def predict(candidate, rows):
    return StoredModel(candidate.files).predict_matrix(rows.X)["p_churn"]


@pytest.mark.parametrize(("name", "within"), [("own_rhythm", 0.11), ("logistic", 0.08), ("lightgbm", 0.04)])
def test_the_chance_of_being_lost_is_recovered(world, candidates, name, within):
    test = world.at(TEST)
    assert np.mean(np.abs(predict(candidates[name], test.rows) - test.p_lost)) < within


@pytest.mark.parametrize(("name", "within"), [("own_rhythm", 0.06), ("logistic", 0.1), ("lightgbm", 0.05)])
def test_predicted_chances_are_the_true_shares_on_average(world, candidates, name, within):
    test = world.at(TEST)
    p = predict(candidates[name], test.rows)
    for tenth in np.array_split(np.argsort(p), 10):
        assert p[tenth].mean() == pytest.approx(test.p_lost[tenth].mean(), abs=within)


def test_lightgbm_orders_better_than_the_own_rhythm(world, candidates):
    test = world.at(TEST)
    error = {name: np.mean((predict(candidates[name], test.rows) - test.p_lost) ** 2) for name in NAMES}
    assert error["lightgbm"] < 0.5 * error["own_rhythm"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(world, candidates, name):
    assert fit(world, name).files == candidates[name].files


def test_another_seed_gives_another_model(world, candidates):
    assert fit(world, "lightgbm", seed=2).files != candidates["lightgbm"].files


def test_the_stored_model_is_lightgbm_behind_its_calibration(world, candidates):
    files, X = candidates["lightgbm"].files, world.at(TEST).rows.X
    direct = lgb.Booster(model_str=files["churn.txt"].decode()).predict(X)
    curve = json.loads(files["model.json"])["outputs"][0]["expression"]
    assert np.allclose(predict(candidates["lightgbm"], world.at(TEST).rows),
                       np.interp(direct, curve["x"], curve["y"]), rtol=1e-12)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_with_words_is_scored_as_the_matrix_is(world, candidates, name):
    rows = world.at(TEST).rows
    frame = pd.DataFrame(rows.X, columns=[feature.name for feature in rows.features])
    codes = frame["channel"].fillna(-1).astype(int)
    frame["channel"] = [CHANNELS[code] if code >= 0 else None for code in codes]
    scored = StoredModel(candidates[name].files).predict(frame)
    assert np.array_equal(scored["p_churn"].to_numpy(), predict(candidates[name], rows))


def test_the_search_and_the_calibration_stand_in_the_record(candidates):
    candidate = candidates["lightgbm"]
    assert {"learning_rate", "num_leaves", "trees", "search_trials", "search_pruned", "search_loss"} <= set(
        candidate.params
    )
    assert any(note.startswith("calibration: Platt") for note in candidate.notes)
    assert sum(candidate.importance.values()) == pytest.approx(1)
    assert candidate.importance["noise"] < 0.1


def test_a_level_that_only_the_season_explains_is_not_learnt_twice():
    """The newest training cutoff lies at the other end of the season from the test cutoff, a year after the first."""
    world = draw_world(
        customers=3_000, cutoffs=["2024-03-20", "2024-06-20", "2024-09-20", "2025-03-20"], seed=4, season=0.8
    )
    train, later = (world.at(cutoffs).labelled("churn") for cutoffs in (["2024-03-20", "2024-06-20"], ["2024-09-20"]))
    candidate = fit_churn("lightgbm", train, later, search=SEARCH, seed=1, threads=1, progress=ignore)
    test = world.at(["2025-03-20"])
    assert predict(candidate, test.rows).mean() == pytest.approx(test.p_lost.mean(), abs=0.03)


def test_a_line_does_not_guess_at_a_season_it_never_saw():
    """Two cutoffs in spring, judged in autumn: chance differences between the two must not be drawn out to there."""
    world = draw_world(customers=1_500, cutoffs=["2024-03-01", "2024-03-20", "2024-04-10", "2024-09-20"], seed=6)
    train, later = (world.at(cutoffs).labelled("churn") for cutoffs in (["2024-03-01", "2024-03-20"], ["2024-04-10"]))
    candidate = fit_churn("logistic", train, later, search=SEARCH, seed=1, threads=1, progress=ignore)
    test = world.at(["2024-09-20"])
    assert predict(candidate, test.rows).mean() == pytest.approx(test.p_lost.mean(), abs=0.03)
    assert any("the calendar was left out" in note for note in candidate.notes)


def test_a_single_class_is_refused(world):
    train = world.at(FIT)
    with pytest.raises(DataError, match="8,000 of 8,000 rows at the cutoffs learned from have label 1"):
        fit_churn(
            "lightgbm", train.rows.relabel(np.ones(8_000)), world.at(LATER).rows.relabel(np.ones(4_000)),
            search=SEARCH, seed=1, threads=1, progress=ignore,
        )  # fmt: skip


def test_an_unknown_candidate_is_refused(world):
    with pytest.raises(ConfigError, match="no candidate 'forest'"):
        fit(world, "forest")


def test_own_rhythm_names_the_feature_it_misses(world):
    rows = world.at(FIT).labelled("churn")
    without = LabelledRows(X=rows.X[:, 1:], features=rows.features[1:], y=rows.y, customer=rows.customer,
                           cutoff=rows.cutoff)  # fmt: skip
    with pytest.raises(DataError, match="days_since_last_purchase is needed"):
        fit_churn("own_rhythm", without, without, search=SEARCH, seed=1, threads=1, progress=ignore)
