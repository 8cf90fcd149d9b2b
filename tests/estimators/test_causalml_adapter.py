"""causalml's learners, fitted by it and served without it."""

import subprocess
import sys

import numpy as np
import pytest
from contact_world import SEARCH, make_world

from netlift.errors import ConfigError
from netlift.estimators.boosting import Machine
from netlift.estimators.causalml_adapter import PARAMS, fit_causalml, fit_pairs
from netlift.estimators.stored import StoredModel

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


def test_importing_causalml_leaves_the_style_of_matplotlib_alone():
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "from netlift.estimators.causalml_adapter import _import_meta; _import_meta()\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
