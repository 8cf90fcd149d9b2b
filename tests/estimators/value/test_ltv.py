import json

import lightgbm as lgb
import numpy as np
import pytest
from process_world import draw_process_rows
from value_world import SEARCH, draw_world, ignore

from netlift.errors import ConfigError, DataError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.ltv import Horizon, fit_ltv, fit_tuned_ltv, tune_ltv
from netlift.evaluation.value.metrics import money_deviance

pytestmark = pytest.mark.slow

FIT, LATER, TEST = ["2024-01-01", "2024-04-01"], ["2024-08-01"], ["2025-01-01"]
FOLDS = Folds(number=3)


def fit(world, name, *, seed=1, progress=ignore):
    return fit_ltv(
        name, world.at(FIT).labelled("ltv"), world.at(LATER).labelled("ltv"),
        horizon_days=182, search=SEARCH, seed=seed, threads=1, progress=progress,
    )  # fmt: skip


def predict(candidate, rows):
    return StoredModel(candidate.files).predict_matrix(rows.X)["ltv_182d"]


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=4_000, cutoffs=[*FIT, *LATER, *TEST], seed=1, returns=0.3)


@pytest.fixture(scope="module")
def two_part(world):
    return fit(world, "two_part")


def test_the_total_and_every_fifth_of_it_are_right_with_returns_in_it(world, two_part):
    test = world.at(TEST)
    predicted = predict(two_part, test.rows)
    assert np.count_nonzero(world.margin < 0) > 300
    assert predicted.sum() == pytest.approx(test.expected_margin.sum(), rel=0.06)
    for fifth in np.array_split(np.argsort(predicted), 5)[1:]:
        assert predicted[fifth].sum() == pytest.approx(test.expected_margin[fifth].sum(), rel=0.15)


def test_those_who_return_more_than_they_buy_are_expected_to_cost(world, two_part):
    """Subtracted are the losses that were seen, to the total."""
    expression = json.loads(two_part.files["model.json"])["outputs"][0]["expression"]
    assert expression["op"] == "linear" and expression["weights"] == [1.0, -1.0]
    train = world.at([*FIT, *LATER])
    cells = expression["of"][1]
    edges, since = np.array(cells["edges"][0]), train.rows.column("days_since_last_purchase").astype(float)
    loss = np.array(cells["values"])[np.searchsorted(edges, since, side="right")]
    assert loss.sum() == pytest.approx(np.maximum(-train.margin, 0).sum(), rel=1e-9)
    assert cells["values"][0] > cells["values"][-1] >= 0


def test_without_returns_nothing_is_subtracted():
    world = draw_world(customers=800, cutoffs=[*FIT, *LATER], seed=3)
    candidate = fit(world, "two_part")
    assert json.loads(candidate.files["model.json"])["outputs"][0]["expression"]["op"] == "interpolate"
    assert "no label was below zero" in candidate.notes


def test_the_stored_model_is_chance_times_amount_behind_its_level(world, two_part):
    rows = world.at(TEST).rows
    chance = lgb.Booster(model_str=two_part.files["chance.txt"].decode()).predict(rows.X)
    amount = lgb.Booster(model_str=two_part.files["amount.txt"].decode()).predict(rows.X)
    level, cells = json.loads(two_part.files["model.json"])["outputs"][0]["expression"]["of"]
    share = level["of"]["of"][0]
    chance = np.interp(chance, share["x"], share["y"])
    since = rows.column("days_since_last_purchase").astype(float)
    loss = np.array(cells["values"])[np.searchsorted(cells["edges"][0], since, side="right")]
    assert np.allclose(predict(two_part, rows), np.interp(chance * amount, level["x"], level["y"]) - loss, rtol=1e-9)


def test_the_same_seed_gives_the_same_bytes(world, two_part):
    assert fit(world, "two_part").files == two_part.files


def test_progress_counts_both_searches(world):
    calls = []
    fit(world, "two_part", progress=lambda done, total, best: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_mean_by_rfm_keeps_the_total_of_what_it_learnt_from(world):
    train = world.at([*FIT, *LATER])
    predicted = predict(fit(world, "mean_by_rfm"), train.rows)
    assert predicted.sum() == pytest.approx(train.margin.sum(), rel=1e-9)


def test_two_part_is_nearer_to_the_truth_than_the_mean_by_rfm(world, two_part):
    test = world.at(TEST)
    error = [
        np.mean((predict(candidate, test.rows) - test.expected_margin) ** 2)
        for candidate in (two_part, fit(world, "mean_by_rfm"))
    ]
    assert error[0] < 0.8 * error[1]


CUTOFFS, NEWEST, HALF_YEAR = [420, 510, 600], 790, 182


@pytest.fixture(scope="module")
def buyers():
    return draw_process_rows(customers=6_000, cutoffs=[*CUTOFFS, NEWEST], horizon=HALF_YEAR, seed=2)


def fit_process(buyers, name, **horizon):
    newest = buyers.cutoff == buyers.cutoff.max()
    known, test = buyers.take(~newest), buyers.take(newest)
    plan, machine = Horizon(days=HALF_YEAR, **horizon), Machine(seed=1, threads=1)
    tunings = tune_ltv(name, known, horizon=plan, search=SEARCH, machine=machine, progress=ignore)
    blind = test.relabel(np.full(len(test), np.nan))
    return fit_tuned_ltv(name, known, tunings, newest=blind, horizon=plan, folds=FOLDS, machine=machine), test


def test_the_probability_model_finds_the_total_of_a_world_made_by_it(buyers):
    candidate, test = fit_process(buyers, "bg_nbd")
    predicted = StoredModel(candidate.files).predict_matrix(test.X)["ltv_182d"]
    assert predicted.sum() == pytest.approx(test.y.sum(), rel=0.05)


def test_a_stack_is_no_worse_than_the_probability_model_in_its_own_world_nor_than_trees_alone(buyers):
    loss = {}
    for name in ("bg_nbd", "two_part", "stack"):
        candidate, test = fit_process(buyers, name)
        loss[name] = money_deviance(test.y, StoredModel(candidate.files).predict_matrix(test.X)["ltv_182d"])
    assert loss["stack"] < 1.02 * loss["bg_nbd"]
    assert loss["stack"] < 1.01 * loss["two_part"]


def test_a_stack_asked_about_older_customers_is_bent_in_level_and_keeps_its_order(buyers):
    """Most customers of the newest cutoff are older than any whose label was whole."""
    candidate, _ = fit_process(buyers, "stack")
    assert any("older than any that labels were seen of" in note for note in candidate.notes)
    expression = json.loads(candidate.files["model.json"])["outputs"][0]["expression"]
    assert expression["op"] == "interpolate" and np.all(np.diff(expression["y"]) >= 0)
    young = buyers.take(buyers.cutoff < buyers.cutoff.max())
    same_age, _ = fit_process(young.take(young.column("days_since_first_purchase") <= 300), "stack")
    assert not any("older than any" in note for note in same_age.notes)


def test_labels_of_the_newest_cutoff_are_not_looked_at(buyers):
    newest = buyers.cutoff == buyers.cutoff.max()
    known, test = buyers.take(~newest), buyers.take(newest)
    plan, machine = Horizon(days=HALF_YEAR), Machine(seed=1, threads=1)
    files = [
        fit_tuned_ltv("bg_nbd", known, {}, newest=test.relabel(y), horizon=plan, folds=FOLDS, machine=machine).files
        for y in (test.y, np.full(len(test), np.nan))
    ]
    assert files[0] == files[1]


def test_a_longer_time_is_extrapolated_under_its_own_name_to_the_truth_of_the_world():
    rows = draw_process_rows(customers=6_000, cutoffs=[600], horizon=1092, seed=5)
    half = draw_process_rows(customers=6_000, cutoffs=[600], horizon=HALF_YEAR, seed=5)
    candidate = fit_tuned_ltv(
        "bg_nbd", half, {}, newest=half, horizon=Horizon(days=HALF_YEAR, extrapolate_to_days=1092), folds=FOLDS,
        machine=Machine(seed=1, threads=1),
    )  # fmt: skip
    outputs = StoredModel(candidate.files).predict_matrix(rows.X)
    longer, shorter = outputs["ltv_1092d_extrapolated"].sum(), outputs["ltv_182d"].sum()
    assert longer == pytest.approx(rows.y.sum(), rel=0.08)
    assert shorter < longer < 6 * shorter
    assert any("no forecast that a label was held against" in note for note in candidate.notes)


def test_the_gap_and_the_discount_make_less_of_the_same_customers(buyers):
    totals = []
    for horizon in ({}, {"gap_days": 30}, {"discount_rate_year": 0.5}):
        candidate, test = fit_process(buyers, "bg_nbd", **horizon)
        totals.append(StoredModel(candidate.files).predict_matrix(test.X)["ltv_182d"].sum())
    assert totals[1] < totals[0]
    assert totals[2] == pytest.approx(totals[0] * 1.5 ** (-91 / 365.25), rel=0.01)


def test_the_last_period_is_stretched_to_the_horizon(buyers):
    candidate, test = fit_process(buyers, "last_period")
    predicted = StoredModel(candidate.files).predict_matrix(test.X)["ltv_182d"]
    assert np.allclose(predicted, test.column("margin_180d") * 182 / 180)


@pytest.mark.parametrize("name", ["mean_by_rfm", "bg_nbd", "two_part", "stack"])
def test_two_and_a_half_of_a_hundred_lie_above_their_interval_and_no_more_below(buyers, name):
    candidate, test = fit_process(buyers, name)
    outputs = StoredModel(candidate.files).predict_matrix(test.X)
    assert np.mean(test.y > outputs["ltv_182d_upper"]) == pytest.approx(0.025, abs=0.01)
    assert np.mean(test.y < outputs["ltv_182d_lower"]) <= 0.035
    assert np.all(outputs["ltv_182d_sd"] > 0)


def test_nobody_who_buys_twice_is_told_to_the_probability_model(buyers):
    once = buyers.take(buyers.column("purchase_days_all") == 1)
    with pytest.raises(DataError, match=r"none of .* customers bought on a second day"):
        fit_ltv(
            "bg_nbd", once, once, horizon_days=182, search=SEARCH, seed=1, threads=1, progress=ignore
        )  # fmt: skip


def test_nobody_who_buys_is_refused(world):
    rows = world.at(FIT).rows
    with pytest.raises(DataError, match="0 of 8,000 rows at the fit cutoffs have a label above zero"):
        fit_ltv("two_part", rows, rows, horizon_days=90, search=SEARCH, seed=1, threads=1, progress=ignore)


def test_an_unknown_candidate_is_refused(world):
    with pytest.raises(ConfigError, match="no candidate 'oracle'"):
        fit(world, "oracle")
