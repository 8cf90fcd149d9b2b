import numpy as np
import pytest
from value_world import draw_world

from netlift.estimators.boosting.lightgbm import (
    BINARY,
    GAMMA,
    SQUARED,
    TWEEDIE,
    Machine,
    boosting_rows,
    fit_rounds,
    gain_shares,
    to_expected,
    tweedie_deviance,
)

MACHINE = Machine(seed=3, threads=1)


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=1_500, cutoffs=["2025-01-01", "2025-04-01"], seed=1)


def every(rows):
    return boosting_rows(rows, MACHINE).all(rows.y)


def test_the_same_seed_gives_the_same_text(world):
    texts = [
        fit_rounds(every(world.labelled("churn")), BINARY, {"feature_fraction": 0.5}, MACHINE, rounds=9)
        for _ in range(2)
    ]
    assert texts[0].model_to_string() == texts[1].model_to_string()


def test_a_selection_has_bins_of_its_own(world):
    """The text of a fit on some rows is that of a fit on a world that holds no others, to the byte."""
    rows = world.labelled("churn")
    chosen = np.flatnonzero(rows.customer % 2 == 0)
    part = boosting_rows(rows, MACHINE).select(chosen, rows.y)
    texts = [
        fit_rounds(data, BINARY, {}, MACHINE, rounds=9).model_to_string() for data in (part, every(rows.take(chosen)))
    ]
    assert texts[0] == texts[1]


def test_a_selection_is_the_fit_on_these_rows_alone(world):
    boosting = boosting_rows(world.labelled("churn"), MACHINE)
    chosen = np.flatnonzero(world.rows.customer % 2 == 0)
    fit = fit_rounds(boosting.select(chosen, world.lost), BINARY, {}, MACHINE, rounds=20)
    p = to_expected(fit.predict(world.rows.X[chosen], raw_score=True), BINARY)
    assert p.mean() == pytest.approx(world.lost[chosen].mean(), abs=0.005)
    assert np.allclose(p, fit.predict(world.rows.X[chosen]))


def test_labels_of_a_selection_follow_their_rows_in_any_order(world):
    boosting = boosting_rows(world.rows, MACHINE)
    rows = np.flatnonzero(world.margin > 0)
    shuffled = np.random.default_rng(1).permutation(rows)
    fits = [fit_rounds(boosting.select(r, world.margin), GAMMA, {}, MACHINE, rounds=5) for r in (rows, shuffled)]
    assert fits[0].model_to_string() == fits[1].model_to_string()


def test_a_category_is_split_as_a_category(world):
    booster = fit_rounds(every(world.labelled("churn")), BINARY, {}, MACHINE, rounds=60)
    trees = booster.trees_to_dataframe()
    assert set(trees[trees.split_feature == "Column_7"].decision_type) == {"=="}


def test_gain_shares_name_what_matters_and_add_up_to_one(world):
    booster = fit_rounds(every(world.labelled("churn")), BINARY, {}, MACHINE, rounds=30)
    shares = gain_shares(booster, world.rows.features)
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) in ("days_since_last_purchase", "days_since_last_purchase_over_gap")


def test_too_few_rows_to_split_give_the_share_of_all_and_no_gain(world):
    few = world.labelled("churn").take(np.arange(30))
    booster = fit_rounds(every(few), BINARY, {"min_data_in_leaf": 500.0}, MACHINE, rounds=5)
    assert np.allclose(booster.predict(few.X), few.y.mean())
    assert set(gain_shares(booster, few.features).values()) == {0.0}


@pytest.mark.parametrize(("objective", "want"), [(SQUARED, 0.0), (BINARY, 0.5), (GAMMA, 1.0), (TWEEDIE, 1.0)])
def test_each_objective_has_its_link(objective, want):
    assert to_expected(np.zeros(1), objective)[0] == want


@pytest.mark.parametrize("power", [1.2, 1.5, 1.8])
def test_tweedie_takes_its_power_from_the_parameters_and_keeps_the_total(world, power):
    y = np.maximum(world.margin, 0)
    params = {"tweedie_variance_power": power, "num_leaves": 6, "min_data_in_leaf": 150}
    dataset = boosting_rows(world.rows, MACHINE).select(np.arange(len(y)), y)
    fit = fit_rounds(dataset, TWEEDIE, params, MACHINE, rounds=60)
    assert f"tweedie_variance_power: {power}" in fit.model_to_string()
    expected = to_expected(fit.predict(world.rows.X, raw_score=True), TWEEDIE)
    assert expected.sum() == pytest.approx(world.expected_margin.sum(), rel=0.08)
    assert np.corrcoef(expected, world.expected_margin)[0, 1] > 0.8


def test_fits_of_several_powers_are_judged_by_one_loss_that_is_lowest_at_the_mean():
    """LightGBM's own metric changes its scale with the power: a search over powers would compare apples and pears."""
    y = np.array([0.0, 0.0, 1.0, 7.0])
    at = [tweedie_deviance(np.full(4, mean), y) for mean in (1.9, 2.0, 2.1)]
    assert at[1] == min(at)
