"""Hillstrom's e-mail test: published figures met, and a gate that says "everybody the men's e-mail".

Figures: minethatdata.com, March 2008, as measured on the same file in methods/uplift.md, sections 6.2 and 6.3.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netlift.config.definitions import load_definition
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import average_effects, fit_arm_outcomes, fit_uplift
from netlift.evaluation.policy.off_policy import (
    LoggedOutcomes,
    best_constant,
    choose_arms,
    constant_policies,
    dr_scores,
    judge_policies,
    policy_difference,
    policy_value,
)
from netlift.features.matrix import Feature

CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT / "../shared/data/hillstrom.parquet"
pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA.name} in shared/data beside the checkout"),
    pytest.mark.slow,
]
OFFERS = ("mens", "womens")
ARMS = {"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}


def read(outcome: str) -> ContactRows:
    frame = pd.read_parquet(DATA)
    numbers = ["recency", "history", "mens", "womens", "newbie"]
    texts = {name: sorted(frame[name].unique()) for name in ("zip_code", "channel")}
    codes = [pd.Categorical(frame[name], categories=values).codes for name, values in texts.items()]
    X = np.asfortranarray(np.column_stack([frame[numbers], *codes]).astype(np.float32))
    features = [Feature(name=name, unit="ratio", source="hillstrom", formula=name) for name in numbers]
    features += [
        Feature(name=name, unit="category", source="hillstrom", formula=name, kind="category",
                categories=(*values, "other"))
        for name, values in texts.items()
    ]  # fmt: skip
    n, y = len(frame), frame[outcome].to_numpy(dtype=np.float64)
    return ContactRows(
        X=X,
        features=tuple(features),
        y=y,
        margin=y,
        offers=OFFERS,
        arm=frame.segment.map(ARMS).to_numpy(dtype=np.int64),
        propensity=np.full(n, 1 / 3),
        available=np.ones((n, 3), dtype=bool),
        customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64),
    )


def log(rows: ContactRows, mu: np.ndarray) -> LoggedOutcomes:
    scores = dr_scores(y=rows.y, arm=rows.arm, propensity=rows.propensity, mu=mu, available=rows.available)
    return LoggedOutcomes(
        y=rows.y, arm=rows.arm, propensity=rows.propensity, scores=scores, customer=rows.customer, unit="USD/customer",
        level=0.95,
    )  # fmt: skip


def error_of(estimate) -> float:
    return (estimate.ci_upper - estimate.point) / 1.959964


def test_spend_of_each_constant_is_the_published_one():
    rows = read("spend")
    means = np.array([rows.y[rows.arm == arm].mean() for arm in range(3)])
    logged = log(rows, np.tile(means, (len(rows), 1)))
    constants = constant_policies(OFFERS, rows.available, [1, 2])
    board = {row.policy: row for row in judge_policies(logged, {}, constants)}
    published = {"nobody": 0.6528, "everybody mens": 1.4226, "everybody womens": 1.0772}
    for name, spend in published.items():
        assert board[name].snips.point == pytest.approx(spend, abs=5e-5)
        assert board[name].value.point == pytest.approx(spend, abs=5e-5)
        assert board[name].ips.point == pytest.approx(spend, abs=0.01)
        assert (board[name].max_weight, board[name].without_support) == (pytest.approx(3.0), 0.0)


@pytest.mark.parametrize(
    ("outcome", "arm", "effect", "error", "digits"),
    [("spend", 1, 0.770, 0.145, 3), ("spend", 2, 0.424, 0.130, 3), ("visit", 1, 0.0766, 0.0034, 4),
     ("visit", 2, 0.0452, 0.0032, 4)],
)  # fmt: skip
def test_average_effects_and_their_errors_are_the_published_ones(outcome, arm, effect, error, digits):
    rows = read(outcome)
    assert average_effects(rows)[arm - 1] == pytest.approx(effect, abs=10**-digits)
    means = np.array([rows.y[rows.arm == j].mean() for j in range(3)])
    logged = log(rows, np.tile(means, (len(rows), 1)))
    found = policy_difference(logged, np.full(len(rows), arm), np.zeros(len(rows), dtype=np.int64))
    assert found.point == pytest.approx(effect, abs=10**-digits)
    assert error_of(found) == pytest.approx(error, abs=10**-digits)


def test_no_spend_policy_is_sure_to_beat_everybody_the_mens_email():
    """No candidate's lower bound is above zero, so the gate refuses: everybody gets the men's e-mail."""
    definition = load_definition(CHECKOUT / "models/uplift.yaml", "uplift")
    rows = read("spend")
    held = np.random.default_rng(3).random(len(rows)) < 0.3
    training, judged = rows.take(~held), rows.take(held)
    options = {"search": definition.search, "folds": definition.folds, "seed": 3, "threads": 1}
    logged = log(judged, fit_arm_outcomes(training, **options).predict(judged.X, threads=1))
    constants = constant_policies(OFFERS, judged.available, [1, 2])
    assert best_constant(logged, constants) == "everybody mens"
    for name in ("paired_effects", "response", "two_part", "causalml_t", "causalml_x"):
        candidate = fit_uplift(name, training, progress=lambda share, words: None, **options)
        scores = StoredModel(candidate.files).predict_matrix(judged.X)
        choice = choose_arms(np.column_stack(list(scores.values())), judged.available)
        gain = policy_difference(logged, choice, constants["everybody mens"])
        assert gain.ci_lower <= definition.gates.min_gain_over_constant
        if name == "two_part":
            assert policy_value(logged, choice).point > policy_value(logged, constants["everybody womens"]).point
