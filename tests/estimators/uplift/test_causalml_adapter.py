"""causalml's learners, fitted by it and served without it."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
from contact_world import SEARCH, make_world

from netlift.errors import ConfigError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.causalml.forest import fit_causalml_forest, grow_forest, write_forest
from netlift.estimators.uplift.causalml.meta_learners import PARAMS, fit_causalml, fit_pairs

pytestmark = pytest.mark.slow

MACHINE = Machine(seed=4, threads=1)
SETTINGS = PARAMS | MACHINE.settings() | {"max_bin": 63}


@pytest.fixture(scope="module")
def world():
    return make_world(1500, seed=6)


@pytest.mark.parametrize("kind", ["s", "t", "x", "r", "dr"])
def test_the_stored_form_gives_causalmls_own_predictions(world, kind):
    rows = world.rows
    stored = StoredModel(fit_causalml(kind, rows, search=SEARCH, folds=3, machine=MACHINE).files)
    pairs = fit_pairs(kind, rows, params=SETTINGS, folds=3)
    ours = stored.predict_matrix(rows.X)
    assert pairs
    for offer, pair in pairs.items():
        share = {"p": {offer: np.full(len(rows), pair.propensity)}} if kind in ("x", "dr") else {}
        theirs = pair.learner.predict(X=rows.X, **share)[:, 0]
        assert np.ptp(theirs) > 0
        assert np.abs(ours[f"uplift_{offer}"] - theirs).max() < 1e-6


def test_an_offer_is_compared_with_the_control_of_its_own_campaigns_only(world):
    rows = world.rows
    pair = fit_pairs("t", rows, params=SETTINGS, folds=3)["promo"]
    assert list(pair.learner.t_groups) == ["promo"]
    tree = pair.learner.model_c.booster_.dump_model()["tree_info"][0]["tree_structure"]
    assert tree["internal_count"] == np.sum((rows.arm == 0) & (rows.campaign >= 2))


def test_the_known_propensities_are_used_not_estimated(world):
    learner = fit_pairs("x", world.rows, params=SETTINGS, folds=3)["call"].learner
    assert learner.propensity == {}
    assert not hasattr(learner, "propensity_model")


def test_a_causalml_that_does_not_import_is_a_named_refusal(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "causalml.inference", None)
    with pytest.raises(ConfigError, match=r"causalml, which does not import .*models/uplift\.yaml"):
        fit_causalml("t", world.rows, search=SEARCH, folds=3, machine=MACHINE)
    with pytest.raises(ConfigError, match=r"causalml, which does not import"):
        fit_causalml_forest(world.rows, machine=MACHINE)


def test_a_forest_written_as_lightgbms_text_gives_its_own_predictions_missing_values_among_them(world):
    rows, fresh = world.rows, make_world(4000, seed=7).rows.X
    assert np.isnan(fresh).any()
    ours = StoredModel(fit_causalml_forest(rows, machine=MACHINE).files).predict_matrix(fresh)
    for arm, offer in enumerate(rows.offers, start=1):
        theirs = grow_forest(rows, arm, MACHINE).predict(fresh)
        assert np.ptp(theirs) > 0
        assert np.abs(ours[f"uplift_{offer}"] - theirs).max() < 1e-12


def test_values_on_a_threshold_of_the_forest_go_the_same_way(world):
    """Thresholds are 64-bit and values 32-bit in both; the nearest values about each threshold are asked for."""
    forest = grow_forest(world.rows, 1, MACHINE)
    trees = [tree.tree_ for tree in forest.estimators_]
    text, level = write_forest(trees, features=10)
    booster = lgb.Booster(model_str=text)
    cuts = [(f, t) for tree in trees for f, t in zip(tree.feature, tree.threshold, strict=True) if f >= 0]
    X = np.repeat(world.rows.X[:1], 3 * len(cuts), axis=0)
    for i, (feature, threshold) in enumerate(cuts):
        near = np.float32(threshold)
        X[3 * i : 3 * i + 3, feature] = [near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]
    assert np.abs(booster.predict(X) + level - forest.predict(X)).max() < 1e-12


def test_trees_that_never_split_are_a_level(world):
    rows = world.rows.take(world.rows.customer < 40)
    trees = [tree.tree_ for tree in grow_forest(rows, 1, MACHINE).estimators_]
    assert {tree.node_count for tree in trees} == {1}
    text, level = write_forest(trees, features=10)
    assert text == ""
    assert level == pytest.approx(np.mean([tree.value[0, 1, 0] - tree.value[0, 0, 0] for tree in trees]))


def test_importing_causalml_leaves_the_style_of_matplotlib_alone():
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "from netlift.estimators.uplift.causalml.meta_learners import import_causalml; import_causalml('tree')\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
