"""Contrasts of arms: the numbers they were drawn with, whatever the offset's error and the chances of arms."""

import numpy as np
import pytest
from contact_world import make_world

from netlift.estimators.boosting.folds import draw_folds
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.uplift.pairwise.case_control import CaseControlContacts, learn_purchases
from netlift.estimators.uplift.pairwise.contrasts import (
    PairContrast,
    learn_contrast,
    list_contrasts,
    logistic_with_offset,
    reconcile,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learned():
    world = make_world(8000, seed=8)
    boosting = CaseControlContacts(world.rows, Machine(seed=0, threads=1), {})
    draws = draw_folds(world.rows.customer, folds=3, seed=0)
    return world, boosting, draws, learn_purchases(boosting, draws)


def test_purchases_of_thinned_rows_are_calibrated_on_all_rows():
    world = make_world(6000, seed=4)
    boosting = CaseControlContacts(world.rows, Machine(seed=0, threads=1), {})
    boosting.kept_share = 0.25
    boosting.kept = boosting.buys | (np.random.default_rng(0).random(len(world.rows)) < 0.25)
    found = learn_purchases(boosting, draw_folds(world.rows.customer, folds=3, seed=0))
    chance = found.own().chance
    assert chance.mean() == pytest.approx(boosting.buys.mean(), rel=0.03)
    likely = chance > np.quantile(chance, 0.8)
    assert chance[likely].mean() == pytest.approx(boosting.buys[likely].mean(), rel=0.05)
    thinned = found.fit(boosting).predict(world.rows.X, threads=1).chance
    assert np.corrcoef(thinned, chance)[0, 1] > 0.9


def test_a_learned_log_odds_ratio_follows_the_one_put_in(learned):
    """The call's is .5 + .9 tanh(x1), the promo's .4 - .8 tanh(x1); controls were drawn with chances of .2 and .5."""
    world, boosting, draws, expected = learned
    sway = np.tanh(world.rows.X[:, 1])
    for arm, level, slope in ((1, 0.5, 0.9), (3, 0.4, -0.8)):
        found = learn_contrast(boosting, expected, PairContrast(arm=arm, beside=0, part="chance"), draws)
        ratio = found.level + found.slope * found.trees.out_of_fold
        assert ratio.mean() == pytest.approx(level, abs=0.12)
        assert np.cov(ratio, sway)[0, 1] / sway.var() == pytest.approx(slope, rel=0.25)


def test_an_amount_that_no_offer_changes_keeps_next_to_nothing_of_its_trees(learned):
    _, boosting, draws, expected = learned
    found = learn_contrast(boosting, expected, PairContrast(arm=1, beside=0, part="amount"), draws)
    assert abs(found.level) < 0.1
    assert found.slope * found.trees.out_of_fold.std() < 0.06


def test_offers_are_compared_only_where_a_campaign_had_both(learned):
    rows = learned[0].rows
    listed = {(c.arm, c.beside) for c in list_contrasts(rows) if c.part == "chance"}
    assert listed == {(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)}
    early = rows.take((rows.campaign < 2) | (rows.arm == 0))
    assert {(c.arm, c.beside) for c in list_contrasts(early)} == {(1, 0), (2, 0), (3, 0), (2, 1)}


def test_reconciled_effects_keep_contrasts_that_agree_and_halve_the_noise_of_those_that_do_not():
    pairs = [PairContrast(arm=a, beside=b, part="chance") for a, b in ((1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2))]
    effects = np.array([0.3, -0.1, 0.8])
    agree = np.array([*effects, effects[1] - effects[0], effects[2] - effects[0], effects[2] - effects[1]])
    weights = reconcile(pairs, 3)
    assert weights @ agree == pytest.approx(effects)
    assert (weights**2).sum(axis=1) == pytest.approx([0.5, 0.5, 0.5])


def test_a_logistic_regression_counts_a_repeated_customer_once_and_stays_finite():
    rng = np.random.default_rng(1)
    x, offset = rng.normal(size=3000), rng.normal(size=3000)
    label = (rng.random(3000) < 1 / (1 + np.exp(-(offset + 0.3 + 0.8 * x)))).astype(float)
    Z, who = np.column_stack([np.ones(3000), x]), np.arange(3000)
    found, error = logistic_with_offset(Z, label, offset, np.ones(3000), who)
    assert found == pytest.approx([0.3, 0.8], abs=0.15)
    twice = [np.concatenate([part, part]) for part in (Z, label, offset, np.ones(3000), who)]
    assert logistic_with_offset(*twice)[1] == pytest.approx(error, rel=0.01)
    always, _ = logistic_with_offset(np.ones((5, 1)), np.ones(5), np.zeros(5), np.ones(5), np.arange(5))
    assert 0 < always[0] < 5
