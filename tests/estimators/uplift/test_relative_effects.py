"""Effects on buying and on amounts, learned apart from who buys anyway."""

from dataclasses import replace

import numpy as np
import pytest
from contact_world import make_world

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.uplift.purchase_model import BoostingContacts, ExpectedPurchases, cross_fit_purchases
from netlift.estimators.uplift.relative_effects import clustered_slope, cross_fit_effects, effect_tasks
from netlift.estimators.uplift.tuning import DEFAULT

MACHINE = Machine(seed=0, threads=1)


@pytest.fixture(scope="module")
def learned():
    world = make_world(4000, seed=8)
    boosting = BoostingContacts(world.rows, MACHINE, {})
    fold = assign_folds(world.rows.customer, folds=3, seed=0)
    expected = cross_fit_purchases(boosting, fold)
    return world, boosting, fold, expected


def test_expected_purchases_are_calibrated_by_campaign(learned):
    world, boosting, _, expected = learned
    for campaign in range(4):
        inside = world.rows.campaign == campaign
        assert expected.own.chance[inside].mean() == pytest.approx(boosting.buys[inside].mean(), rel=0.1)
    buyers = boosting.buys
    assert expected.own.amount[buyers].mean() == pytest.approx(world.rows.margin[buyers].mean(), rel=0.05)


def test_the_average_label_of_a_task_is_the_relative_effect():
    """With p and m known the weighted mean label is (p1 - p0) / p at the middle of the arms, for any propensities."""
    rng = np.random.default_rng(3)
    world = make_world(30_000, seed=1, campaigns=1)
    rows = world.rows
    chance = np.where(rows.arm == 1, 0.24, 0.16)
    buys = rng.random(len(rows)) < chance
    rows = replace(rows, margin=np.where(buys, 5.0, 0.0), y=np.where(buys, 5.0, 0.0))
    boosting = BoostingContacts(rows, MACHINE, {})
    middle = ExpectedPurchases(chance=np.full(len(rows), 0.20), amount=np.full(len(rows), 5.0))
    tasks = {(task.arm, task.part): task for task in effect_tasks(boosting, middle)}
    assert tasks[1, "chance"].mean() == pytest.approx(0.08 / 0.20, abs=0.05)
    assert tasks[1, "amount"].mean() == pytest.approx(0.0, abs=1e-9)


def test_out_of_fold_effects_have_a_slope_near_one_and_follow_the_truth(learned):
    world, boosting, fold, expected = learned
    effects = cross_fit_effects(boosting, effect_tasks(boosting, expected.own), fold, DEFAULT)
    call = effects[0]
    assert call.task.part == "chance"
    assert 0.7 < call.slope < 1.5
    assert np.corrcoef(call.out_of_fold, np.tanh(world.rows.X[:, 1]))[0, 1] > 0.7


def test_drawn_by_chance_arms_leave_nothing_of_the_effects(learned):
    world, boosting, fold, expected = learned
    rng = np.random.default_rng(0)
    shuffled = world.rows.arm.copy()
    for campaign in range(4):
        inside = np.flatnonzero(world.rows.campaign == campaign)
        shuffled[inside] = rng.permutation(shuffled[inside])
    placebo = BoostingContacts(replace(world.rows, arm=shuffled, propensity=np.full(len(shuffled), 0.25)), MACHINE, {})
    effects = cross_fit_effects(placebo, effect_tasks(placebo, expected.own), fold, DEFAULT)
    real = cross_fit_effects(boosting, effect_tasks(boosting, expected.own), fold, DEFAULT)

    def spread(all_effects):
        return np.mean([effect.slope * effect.out_of_fold.std() for effect in all_effects])

    assert spread(effects) < 0.2 * spread(real)


def test_clustered_error_of_a_slope_counts_a_repeated_customer_once():
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=400), rng.normal(size=400)
    slope, error = clustered_slope(x, x + noise, np.ones(400), np.arange(400))
    twice = np.tile(np.arange(400), 2)
    again, same = clustered_slope(np.tile(x, 2), np.tile(x + noise, 2), np.ones(800), twice)
    assert again == pytest.approx(slope)
    assert same == pytest.approx(error, rel=1e-9)
