import numpy as np
import pytest
from scipy.special import expit, logit
from value_world import FEATURES, draw_world

from netlift.estimators.cross_fit import Folds
from netlift.estimators.expression import write_files
from netlift.estimators.logistic import cross_fit_logistic, fit_logistic, prepare_columns
from netlift.estimators.stored import StoredModel


@pytest.fixture(scope="module")
def rows():
    return draw_world(customers=20_000, cutoffs=["2025-01-01"], seed=1).labelled("churn")


def predict(rows, expression):
    files = write_files(task="churn", features=rows.features, outputs=[("p", "probability", expression)], boosters={})
    return StoredModel(files).predict_matrix(rows.X)["p"]


def test_the_stored_score_is_the_sum_of_scaled_columns(rows):
    columns = prepare_columns(rows)
    fit = fit_logistic(rows, columns)
    score = fit["intercept"] + sum(c * column.values(rows.X) for c, column in zip(fit["coef"], columns, strict=True))
    assert np.allclose(predict(rows, fit), expit(score), atol=1e-12)


def test_a_linear_logit_of_a_category_and_a_gap_is_recovered(rows):
    web = rows.column("channel") == 1
    absent = np.isnan(rows.column("days_since_last_purchase_over_gap"))
    truth = expit(-0.5 + 1.0 * web + 0.7 * absent + 0.8 * rows.column("noise"))
    y = (np.random.default_rng(2).uniform(size=len(rows)) < truth).astype(float)
    labelled = rows.relabel(y)
    p = predict(rows, fit_logistic(labelled, prepare_columns(labelled)))
    assert np.sqrt(np.mean((logit(p) - logit(truth)) ** 2)) < 0.12


def test_long_tails_are_clipped_and_logged_and_constants_left_out(rows):
    columns = {(column.name, tuple(column.transform)): column for column in prepare_columns(rows)}
    assert columns["margin_365d", ("low", "high", "log")].transform["log"]
    assert not columns["noise", ("low", "high", "log")].transform["log"]
    assert ("days_since_last_purchase_over_gap", ("missing",)) in columns
    assert not any(name == "calendar_sin" for name, _ in columns)
    assert sum(transform == ("equals",) for _, transform in columns) == 1
    assert len([f for f in FEATURES if f.kind == "category"]) == 1


def test_a_value_never_seen_does_not_run_away(rows):
    columns = prepare_columns(rows)
    fit = fit_logistic(rows, columns)
    far = rows.take(np.arange(1))
    far.X[0, 3] = 1e9
    highest = rows.take(np.array([np.argmax(rows.column("margin_365d"))]))
    highest.X[0, :3], highest.X[0, 4:] = far.X[0, :3], far.X[0, 4:]
    assert predict(far, fit)[0] == pytest.approx(predict(highest, fit)[0])


def test_fits_without_a_fold_that_start_from_the_whole_are_those_that_start_from_nothing(rows):
    columns, fold = prepare_columns(rows), Folds(number=3).draw(rows.customer, seed=1)
    whole, p = cross_fit_logistic(rows, columns, fold)
    assert whole == fit_logistic(rows, columns)
    for k in range(3):
        alone = fit_logistic(rows.take(fold != k), columns)
        assert predict(rows, alone)[fold == k] == pytest.approx(p[fold == k], abs=1e-6)
