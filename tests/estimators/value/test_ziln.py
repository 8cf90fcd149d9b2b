import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from value_world import SEARCH, draw_world, ignore

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import Machine, boosting_rows, fit_rounds, start_scores, to_expected
from netlift.estimators.boosting.tuning import Tuning, tune
from netlift.estimators.cross_fit import OUTSIDE, assign_folds, predict_out_of_fold, score_out_of_fold
from netlift.estimators.expression import column, linear, write_files
from netlift.estimators.stored import StoredModel, ziln_mean, ziln_sigma
from netlift.estimators.value.ziln import ZILN, fit_ziln, shared_sigma, ziln_loss, ziln_slopes, ziln_start
from netlift.features.matrix import Feature

pytestmark = pytest.mark.slow

MACHINE = Machine(seed=3, threads=1)
PARAMS = {"learning_rate": 0.1, "num_leaves": 8, "min_data_in_leaf": 80}
raw_scores = st.tuples(st.floats(-4, 4), st.floats(-3, 6), st.floats(-3, 4))


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=2_500, cutoffs=["2025-01-01", "2025-04-01"], seed=1)


def tuned(rounds, rows):
    return Tuning(params=PARAMS, rounds=rounds, rows=rows, loss=0.0, trials=1, pruned=0)


@settings(max_examples=100)
@given(raw_scores, st.one_of(st.just(0.0), st.floats(0.01, 1e5)))
def test_the_gradient_is_the_slope_of_the_loss(scores, y):
    raw, label = np.array([scores]), np.array([y])
    gradient, _ = ziln_slopes(raw, label)
    step = 1e-5 * np.eye(3)
    numeric = [(ziln_loss(raw + e, label) - ziln_loss(raw - e, label)) / 2e-5 for e in step]
    assert gradient[0] == pytest.approx(numeric, rel=1e-5, abs=1e-5)


def test_the_hessian_is_the_expected_second_derivative():
    """Fisher's: at the truth, the mean outer product of the gradient is the mean hessian."""
    rng = np.random.default_rng(1)
    raw = np.tile([0.3, 2.0, 0.5], (200_000, 1))
    sigma = ziln_sigma(raw[:1, 2])[0]
    y = (rng.uniform(size=len(raw)) < 1 / (1 + np.exp(-0.3))) * np.exp(2.0 + sigma * rng.normal(size=len(raw)))
    gradient, hessian = ziln_slopes(raw, y)
    assert np.mean(gradient, axis=0) == pytest.approx(np.zeros(3), abs=0.01)
    assert np.mean(gradient**2, axis=0) == pytest.approx(hessian.mean(axis=0), rel=0.02)
    assert np.all(hessian > 0)


def test_the_mean_is_that_of_draws():
    rng = np.random.default_rng(2)
    raw = np.array([[0.4, 1.5, 0.2]])
    q, s = 1 / (1 + np.exp(-0.4)), ziln_sigma(raw[:, 2])[0]
    y = (rng.uniform(size=2_000_000) < q) * np.exp(1.5 + s * rng.normal(size=2_000_000))
    assert ziln_mean(raw)[0] == pytest.approx(y.mean(), rel=0.005)
    assert ziln_mean(raw, s) == pytest.approx(ziln_mean(raw))


def test_the_start_is_the_best_of_scores_that_know_no_features(world):
    y = np.maximum(world.margin, 0)
    start = ziln_start(y)
    best = ziln_loss(np.tile(start, (len(y), 1)), y)
    for move in np.concatenate([np.eye(3), -np.eye(3)]) * 0.05:
        assert ziln_loss(np.tile(start + move, (len(y), 1)), y) > best


@pytest.mark.parametrize("y", [np.zeros(5), np.ones(5), np.array([0, 2.0, 2.0]), np.array([1.0, 2.0])])
def test_labels_of_one_kind_are_refused(y):
    with pytest.raises(DataError, match=r"ziln: \d of \d rows brought money"):
        ziln_start(y)


def test_boosting_starts_from_the_labels_and_betters_them(world):
    """One leaf learns nothing: what remains are the start's scores, which the model's text does not hold."""
    y = np.maximum(world.margin, 0)
    boosting = boosting_rows(world.rows, MACHINE)
    rows = np.arange(len(y))
    blind = fit_rounds(boosting.select(rows, y), ZILN, {"min_data_in_leaf": 10_000.0}, MACHINE, rounds=3)
    raw = blind.predict(world.rows.X, raw_score=True) + start_scores(ZILN, y)
    assert np.allclose(raw, ziln_start(y), atol=1e-3)
    seeing = fit_rounds(boosting.select(rows, y), ZILN, PARAMS, MACHINE, rounds=60)
    fitted = seeing.predict(world.rows.X, raw_score=True) + start_scores(ZILN, y)
    assert ziln_loss(fitted, y) < ziln_loss(raw, y) - 0.1
    assert to_expected(fitted, ZILN) == pytest.approx(ziln_mean(fitted))


def test_the_search_and_cross_fitting_take_it_as_any_other_objective(world):
    y = np.maximum(world.margin, 0)
    boosting = boosting_rows(world.rows, MACHINE)
    learn = np.ones(len(y), dtype=bool)
    found = tune(boosting, y, learn, world.rows.customer, ZILN, SEARCH, progress=ignore)
    blind = ziln_loss(np.tile(ziln_start(y), (len(y), 1)), y)
    assert found.loss < blind - 0.1
    fold = assign_folds(world.rows.customer, folds=3, seed=1)
    fold[world.rows.customer < 50] = OUTSIDE
    rounds = found.rounds
    expected = predict_out_of_fold(boosting, y, learn, fold, ZILN, found.params, rounds=rounds)
    scores = score_out_of_fold(boosting, y, learn, fold, ZILN, found.params, rounds=rounds)
    inside = fold != OUTSIDE
    assert np.array_equal(np.isnan(expected), ~inside)
    assert scores.shape == (len(y), 3)
    assert np.array_equal(expected[inside], ziln_mean(scores[inside]))
    assert ziln_loss(scores[inside], y[inside]) == pytest.approx(found.loss, abs=0.03)
    assert np.corrcoef(expected[inside], world.expected_margin[inside])[0, 1] > 0.75


def test_one_spread_is_the_residuals_of_rows_with_money():
    scores = np.array([[0, 1.0, 0], [0, 2.0, 0], [0, np.nan, 0], [0, 5.0, 0]])
    assert shared_sigma(scores, np.array([np.exp(1.3), np.exp(2.4), 9.0, 0.0])) == pytest.approx(np.sqrt(0.125))


def test_the_stored_form_is_the_fit_with_its_start_and_its_extra_columns(world):
    more = linear(1.0, [0.5], [column("purchases_365d")])
    y = np.maximum(world.margin, 0)
    rows = world.rows.add_columns(
        1.0 + 0.5 * world.rows.column("purchases_365d").astype(float)[:, None],
        (Feature(name="more", unit="ratio", source="test", formula="made"),),
    )
    boosting = boosting_rows(rows, MACHINE)
    fold = assign_folds(rows.customer, folds=3, seed=1)
    fitted = fit_ziln(boosting, y, tuned(40, len(y)), fold=fold, file="money.txt", extra=[more])
    files = write_files(
        task="ltv", features=world.rows.features, outputs=[("money", "currency", fitted.expression)],
        boosters={"money.txt": fitted.booster_text},
    )  # fmt: skip
    stored = StoredModel(files).predict_matrix(world.rows.X)["money"]
    raw = fitted.booster.predict(rows.X, raw_score=True) + start_scores(ZILN, y)
    assert stored == pytest.approx(ziln_mean(raw, fitted.sigma), rel=1e-12)
    assert "one spread of the logarithm for all" in fitted.notes[0]


def test_one_spread_keeps_the_total_where_own_spreads_sink_it(world):
    """methods/clv.md 4.5: a row's own spread over-fits as trees are added, and the total sinks with it."""
    y = np.maximum(world.margin, 0)
    boosting = boosting_rows(world.rows, MACHINE)
    fold = assign_folds(world.rows.customer, folds=3, seed=1)
    fitted = fit_ziln(boosting, y, tuned(300, len(y)), fold=fold, file="money.txt")
    raw = fitted.booster.predict(world.rows.X, raw_score=True) + start_scores(ZILN, y)
    own, shared = (ziln_mean(raw, s).sum() / world.expected_margin.sum() - 1 for s in (None, fitted.sigma))
    assert own < -0.03
    assert abs(shared) < 0.05
    assert fitted.sigma > ziln_sigma(raw[:, 2]).mean()
