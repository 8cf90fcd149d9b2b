"""Fold boosting: LightGBM reads what was grown, losses are true, known effects are found, noise is not."""

from dataclasses import replace

import numpy as np
import pytest

from netlift.estimators.boosting.bins import sort_into_bins
from netlift.estimators.boosting.folds import BoostingTask, SeedDraw, TreeParams, draw_folds, grow_averaged, grow_folds
from netlift.features.matrix import Feature

ROWS, FOLDS = 9_000, 3
GREEDY = TreeParams(learning_rate=0.2, num_leaves=6, min_data_in_leaf=50, lambda_l2=2.0, feature_fraction=0.6)
RANDOM = TreeParams(learning_rate=0.1, num_leaves=4, min_data_in_leaf=50, lambda_l2=2.0, extra_trees=True)
FEATURES = (
    *(Feature(name=f"f{i}", unit="ratio", source="made up", formula="normal") for i in range(5)),
    Feature(name="c", unit="category", source="made up", formula="any", kind="category", categories=("a", "b", "c")),
)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(ROWS, 6)).astype(np.float32)
    X[:, 5] = rng.integers(0, 3, ROWS)
    X[rng.random(ROWS) < 0.2, 3] = np.nan
    true = 0.8 * np.tanh(X[:, 0]) - 0.5 * (X[:, 1] > 0) + 0.9 * np.isnan(X[:, 3]) + 0.6 * (X[:, 5] == 1)
    fold = rng.integers(0, FOLDS, ROWS)
    return np.asfortranarray(X), true, fold, rng


def task_of(objective, true, rng):
    offset, weight = 0.2 * rng.normal(size=ROWS), rng.uniform(0.5, 1.5, ROWS)
    if objective == "binary":
        label = (rng.random(ROWS) < 1 / (1 + np.exp(-(true + offset)))).astype(float)
    elif objective == "gamma":
        label = np.exp(true + offset) * rng.gamma(3.0, 1 / 3.0, ROWS)
    else:
        label = true + offset + rng.normal(size=ROWS)
    return BoostingTask(objective=objective, use=rng.random(ROWS) < 0.9, label=label, offset=offset, weight=weight)


def loss(task, raw):
    score, y = task.offset + raw, task.label
    rows = {
        "binary": np.logaddexp(0, score) - y * score,
        "gamma": score + y * np.exp(-score),
        "l2": (score - y) ** 2 / 2,
    }[task.objective]
    return float(np.sum((task.weight * rows)[task.use]))


@pytest.mark.parametrize("objective", ["binary", "gamma", "l2"])
@pytest.mark.parametrize("setting", [GREEDY, RANDOM, replace(RANDOM, num_leaves=2)])
def test_what_was_put_in_is_found_out_of_fold_and_by_the_text_that_lightgbm_reads(world, objective, setting):
    X, true, fold, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of(objective, true, rng)
    grown = grow_averaged(rows, task, (SeedDraw(seed=1, fold=fold),), (setting,))
    assert grown.rounds > 5
    assert np.corrcoef(grown.out_of_fold, true)[0, 1] > 0.9
    booster = grown.fit(rows)
    scores = booster.predict(X, raw_score=True, num_threads=1)
    assert np.corrcoef(scores, grown.out_of_fold)[0, 1] > 0.97
    assert (booster.feature_importance("gain") > 0).sum() >= 4
    shares = booster.predict(X[:50], pred_contrib=True, num_threads=1)
    assert shares.sum(axis=1) == pytest.approx(scores[:50], abs=1e-6), "Shapley's shares add up: the text is whole"


def test_a_fold_held_out_teaches_its_own_trees_nothing(world):
    X, true, fold, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of("l2", true, rng)
    once = grow_folds(rows, task, fold, (RANDOM,), seed=1)
    other = replace(task, label=np.where(fold == 0, task.label + 3.0 * X[:, 2], task.label))
    again = grow_folds(rows, other, fold, (RANDOM,), seed=1)
    shared = min(once.rounds, again.rounds)
    assert shared > 0
    if once.rounds == again.rounds:
        assert once.out_of_fold[fold == 0] == pytest.approx(again.out_of_fold[fold == 0])
    assert np.abs(np.corrcoef(again.out_of_fold[fold == 0], X[fold == 0, 2])[0, 1]) < 0.1


def test_the_setting_with_the_least_held_out_loss_is_taken(world):
    X, true, fold, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of("binary", true, rng)
    poor = replace(GREEDY, lambda_l2=1e5)
    grown = grow_folds(rows, task, fold, (poor, GREEDY), seed=1)
    assert grown.setting == GREEDY
    alone = grow_folds(rows, task, fold, (poor,), seed=1)
    assert loss(task, grown.out_of_fold) < loss(task, alone.out_of_fold) < loss(task, np.zeros(ROWS))


def test_noise_grows_few_trees_or_none(world):
    X, _, fold, rng = world
    task = task_of("l2", np.zeros(ROWS), rng)
    grown = grow_folds(sort_into_bins(X, FEATURES, seed=0), task, fold, (RANDOM,), seed=1)
    assert grown.out_of_fold.std() < 0.03


def test_too_few_rows_or_one_label_grow_nothing(world):
    X, true, fold, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of("l2", true, rng)
    few = replace(task, use=np.arange(ROWS) < 100)
    same = replace(task, label=np.ones(ROWS))
    for nothing in (few, same):
        assert grow_folds(rows, nothing, fold, (GREEDY,), seed=1).rounds == 0


def test_the_same_seed_gives_the_same_text_and_another_does_not(world):
    X, true, fold, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of("binary", true, rng)
    fits = [grow_averaged(rows, task, (SeedDraw(seed=seed, fold=fold),), (RANDOM,)).fit(rows) for seed in (1, 1, 2)]
    texts = [fitted.model_to_string() for fitted in fits]
    assert texts[0] == texts[1] != texts[2]


def test_averaged_trees_are_the_mean_over_draws_out_of_fold_and_as_one_booster(world):
    X, true, _, rng = world
    rows, task = sort_into_bins(X, FEATURES, seed=0), task_of("gamma", true, rng)
    draws = draw_folds(np.arange(ROWS), folds=3, seed=4, draws=3)
    whole = grow_averaged(rows, task, draws, (RANDOM,))
    alone = [grow_averaged(rows, task, (draw,), (RANDOM,)) for draw in draws]
    assert whole.out_of_fold == pytest.approx(np.mean([one.out_of_fold for one in alone], axis=0))
    scores, each = (
        whole.fit(rows).predict(X, raw_score=True),
        [one.fit(rows).predict(X, raw_score=True) for one in alone],
    )
    assert np.ptp(each, axis=0).max() > 0
    assert scores == pytest.approx(np.mean(each, axis=0))
