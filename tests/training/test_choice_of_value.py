"""Which candidate goes on: the best baseline of all is the measure, and what is surely worse than it is not taken."""

from types import SimpleNamespace

import numpy as np
import pytest

from netlift.evaluation.churn.metrics import compare_probabilities, roc_auc
from netlift.evaluation.churn.money_at_risk import compare_found
from netlift.training.value import Trial, _choose

ROWS = 4_000


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=ROWS)
    y = (rng.random(ROWS) < 1 / (1 + np.exp(-2 * truth))).astype(float)

    def score(noise):
        return 1 / (1 + np.exp(-truth - noise * rng.normal(size=ROWS)))

    return y, {"sharp": score(0.1), "sharp again": score(0.11), "blunt": score(2.0)}


def choose(world, board, loss):
    """The choice among scores named by candidate, with their losses before the test."""
    y, scores = world
    customer = np.arange(ROWS)

    def compare(p, against):
        figures = compare_probabilities(y, p, against, customer=customer, level=0.95)
        return next(row.value for row in figures if row.metric == "roc_auc")

    judge = SimpleNamespace(
        compare=compare,
        compare_money=lambda p, against: compare_found(p, against, y, np.ones(ROWS), list_share=0.1, level=0.95),
        held="the customers lost",
        primary=lambda p: roc_auc(y, p, customer=customer, level=0.95).point,
        measure="ROC-AUC",
        definition=SimpleNamespace(gates=SimpleNamespace(min_gain_over_baseline=0.0)),
    )
    trials = [Trial(candidate=name, loss=value, bias=0.0) for name, value in loss.items()]
    return _choose(judge, {name: scores[score] for name, score in board.items()}, trials)


@pytest.mark.parametrize("rival", ["default_lightgbm", "best_column", "logistic"])
def test_a_learner_behind_any_baseline_gives_way_to_it(world, rival):
    board = {"lightgbm": "blunt", rival: "sharp"}
    chosen, checks = choose(world, board, {"lightgbm": 0.4, rival: 0.5})
    assert chosen == rival
    assert "lightgbm does not beat it. The model's ROC-AUC is" in checks[0].words and rival in checks[0].words


def test_a_baseline_surely_worse_in_order_is_not_taken_for_its_level(world):
    board = {"lightgbm": "blunt", "own_rhythm": "blunt", "default_lightgbm": "sharp"}
    chosen, _ = choose(world, board, {"lightgbm": 0.4, "own_rhythm": 0.3, "default_lightgbm": 0.6})
    assert chosen == "default_lightgbm"


def test_a_learner_tied_in_order_stays_where_it_came_nearer_than_the_tied_baselines(world):
    board = {"lightgbm": "sharp", "default_lightgbm": "sharp again", "own_rhythm": "blunt"}
    near = {"lightgbm": 0.4, "default_lightgbm": 0.5, "own_rhythm": 0.3}
    assert choose(world, board, near)[0] == "lightgbm"
    assert choose(world, board, near | {"default_lightgbm": 0.35})[0] == "default_lightgbm"


def test_a_learner_that_beats_them_all_needs_no_level(world):
    board = {"lightgbm": "sharp", "default_lightgbm": "blunt", "best_column": "blunt"}
    chosen, checks = choose(world, board, {"lightgbm": 0.9, "default_lightgbm": 0.5, "best_column": 0.4})
    assert chosen == "lightgbm" and checks[0].passed and checks[0].found > 0
    assert checks[1].passed and "percentage points more of the customers lost than by the baseline" in checks[1].words
