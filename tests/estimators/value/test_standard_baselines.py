import lightgbm as lgb
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from value_world import FEATURES, draw_world, ignore

from netlift.config.definitions import Search
from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import BINARY, Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.baselines import (
    BEST_COLUMN,
    DEFAULT_LIGHTGBM,
    find_best_column,
    fit_default_lightgbm,
)
from netlift.estimators.value.churn import fit_churn
from netlift.estimators.value.ltv import fit_ltv

MACHINE, FOLDS = Machine(seed=1, threads=1), Folds(number=3)
SEARCH = Search(trials=1, folds=3, max_rounds=10, patience=5, space={})


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=3_000, cutoffs=["2025-01-01"], seed=3)


@pytest.mark.parametrize("way", [1.0, -1.0])
@pytest.mark.parametrize("name", ["margin_365d", "days_since_last_purchase"])
def test_the_column_that_makes_the_label_is_found_with_its_way_round(world, name, way):
    x = world.rows.column(name).astype(float)
    y = way * (np.argsort(np.argsort(x)) + np.random.default_rng(1).normal(0, 300, len(x)))
    assert find_best_column(world.rows, y) == (name, way)


@pytest.mark.parametrize("task", ["churn", "ltv"])
def test_the_best_column_orders_as_the_column_itself(world, task):
    rows = world.labelled(task)
    fit = {"horizon_days": 182} if task == "ltv" else {}
    fitted = (fit_ltv if task == "ltv" else fit_churn)(
        BEST_COLUMN, rows, rows, search=SEARCH, seed=1, threads=1, progress=ignore, **fit
    )
    model = StoredModel(fitted.files)
    predicted = model.predict_matrix(rows.X, only=model.outputs[:1])[model.outputs[0]]
    x = rows.column(fitted.params["column"]).astype(float)
    outcome = rows.y > 0
    alone = roc_auc_score(outcome, x)
    assert roc_auc_score(outcome, predicted) == pytest.approx(max(alone, 1 - alone), abs=0.002)
    assert predicted.mean() == pytest.approx(np.maximum(rows.y, 0).mean(), rel=0.05)


def test_lightgbm_as_it_comes_asks_recency_frequency_and_money_alone(world):
    fitted = fit_default_lightgbm(world.labelled("churn"), world.lost, BINARY, folds=FOLDS, machine=MACHINE)
    asked = {name for name, share in fitted.importance.items() if share > 0}
    assert asked == {"days_since_last_purchase", "purchases_365d", "margin_365d"}
    plain = lgb.LGBMClassifier(verbosity=-1, n_jobs=1, random_state=1)
    known = [f.name for f in FEATURES].index
    columns = world.rows.X[:, [known(name) for name in ("days_since_last_purchase", "purchases_365d", "margin_365d")]]
    theirs = plain.fit(columns, world.lost).predict_proba(columns)[:, 1]
    ours = lgb.Booster(model_str=fitted.text).predict(world.rows.X)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_customers_held_out_are_not_known_by_heart(world):
    noise = (np.random.default_rng(4).random(len(world.rows)) < 0.4).astype(float)
    fitted = fit_default_lightgbm(world.rows, noise, BINARY, folds=FOLDS, machine=MACHINE)
    assert roc_auc_score(noise, fitted.out_of_fold) == pytest.approx(0.5, abs=0.05)
    assert roc_auc_score(noise, lgb.Booster(model_str=fitted.text).predict(world.rows.X)) > 0.75


def test_a_learner_that_calibrates_on_them_says_the_share_it_saw(world):
    rows = world.labelled("churn")
    fitted = fit_churn(DEFAULT_LIGHTGBM, rows, rows, search=SEARCH, seed=1, threads=1, progress=ignore)
    fresh = draw_world(customers=3_000, cutoffs=["2025-01-01"], seed=5)
    p = StoredModel(fitted.files).predict_matrix(fresh.rows.X)["p_churn"]
    assert p.mean() == pytest.approx(fresh.p_lost.mean(), abs=0.03)
    assert np.mean(np.abs(p - fresh.p_lost)) < 0.1


def test_without_any_of_its_columns_a_baseline_says_so(world):
    rows = world.labelled("churn").select(["noise"])
    with pytest.raises(DataError, match="take them out of `exclude`"):
        find_best_column(rows, rows.y)
    with pytest.raises(DataError, match="take them out of `exclude`"):
        fit_default_lightgbm(rows, rows.y, BINARY, folds=FOLDS, machine=MACHINE)


def test_labels_or_columns_that_are_all_alike_are_refused_in_words(world):
    rows = world.labelled("churn")
    with pytest.raises(DataError, match="are equal"):
        fit_default_lightgbm(rows, np.zeros(len(rows)), BINARY, folds=FOLDS, machine=MACHINE)
    alike = rows.take(np.zeros(50, dtype=int))
    with pytest.raises(DataError, match="tells the 50 customers apart"):
        find_best_column(alike, np.arange(50.0))
    rare = rows.take(np.arange(len(rows)))
    rare.X[:] = 1.0
    rare.X[0, 2] = 9.0
    with pytest.raises(DataError, match="the same for nearly all"):
        fit_churn(BEST_COLUMN, rare, rare, search=SEARCH, seed=1, threads=1, progress=ignore)
