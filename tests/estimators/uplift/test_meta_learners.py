"""S, T, X, R and DR over LightGBM: known effects recovered, known propensities enough, folds of whole customers."""

from dataclasses import replace

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world
from scipy.stats import spearmanr

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.expression import write_files
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.arm_outcomes import COMMON, WEAK, MoneyContacts, learn_outcomes
from netlift.estimators.uplift.fit import (
    fit_arm_outcomes,
    fit_outcome_model,
    fit_uplift,
    know_purchases,
    share_outcomes,
)
from netlift.estimators.uplift.lightgbm_folds import BinnedTask
from netlift.estimators.uplift.meta_learners import IMPUTE, fit_meta_learner, prepare
from netlift.estimators.uplift.model_selection import search_settings
from netlift.estimators.uplift.randomization import average_effects
from netlift.estimators.uplift.s_learner import SINGLE

pytestmark = pytest.mark.slow

KINDS = ("s", "t", "x", "r", "dr")
MACHINE = Machine(seed=1, threads=1)
QUICK = SEARCH.model_copy(update={"trials": 1})


def learn(rows, *, machine=MACHINE):
    return learn_outcomes(rows, search=QUICK, folds=3, machine=machine)


def fit(kind, outcomes, *, search=QUICK):
    return fit_meta_learner(kind, outcomes, search=search, progress=lambda share, words: None)


def predict(candidate, X):
    scores = StoredModel(candidate.files).predict_matrix(X)
    return np.column_stack([scores[name] for name in scores])


@pytest.fixture(scope="module")
def world():
    return make_world(3000, seed=3)


@pytest.fixture(scope="module")
def fresh():
    return make_world(10_000, seed=99, campaigns=1)


@pytest.fixture(scope="module")
def outcomes(world):
    return learn(world.rows)


@pytest.fixture(scope="module")
def fitted(outcomes):
    return {kind: fit(kind, outcomes) for kind in KINDS}


@pytest.mark.parametrize(("kind", "least"), [("s", 0.55), ("t", 0.7), ("x", 0.7), ("r", 0.55), ("dr", 0.55)])
def test_a_learner_recovers_the_effects_it_was_given(fitted, fresh, kind, least):
    uplift = predict(fitted[kind], fresh.rows.X)
    assert min(spearmanr(uplift[:, j], fresh.effects[:, j])[0] for j in (0, 2)) > least
    assert np.abs(uplift.mean(axis=0) - fresh.effects.mean(axis=0)).max() < 0.5


def test_expected_profit_under_every_arm_is_near_the_truth(outcomes, world):
    profit = outcomes.known.profit
    found = profit[:, 1:] - profit[:, :1]
    for j in (0, 2):
        assert np.corrcoef(found[:, j], world.effects[:, j])[0, 1] > 0.6
    own = profit[np.arange(len(profit)), world.rows.arm]
    assert own.mean() == pytest.approx(world.rows.y.mean(), abs=0.05)
    assert np.corrcoef(own, world.rows.y)[0, 1] > 0.25


def test_chances_that_differ_inside_a_campaign_do_not_pass_for_effects():
    """Controls are few among frequent buyers; without any effect of arms their profit must not credit the offers."""
    rows, rng = make_world(2500, seed=8).rows, np.random.default_rng(2)
    buys = rng.random(len(rows)) < np.where(rows.X[:, 0] > 0, 0.6, 0.15)
    margin = np.where(buys, 10.0 * rng.lognormal(-0.02, 0.2, len(rows)), 0.0)
    rows = replace(rows, margin=margin, y=margin)
    naive = margin[rows.arm == 1].mean() - margin[rows.arm == 0].mean()
    assert naive > 1.0
    outcomes = learn(rows)
    for kind in ("s", "t", "x", "dr"):
        uplift = predict(fit(kind, outcomes), rows.X)
        assert np.abs(uplift.mean(axis=0)).max() < 0.35, kind
        frequent = rows.X[:, 0] > 0
        assert np.abs(uplift[frequent].mean(axis=0) - uplift[~frequent].mean(axis=0)).max() < 0.8, kind


def test_an_offer_of_some_campaigns_is_compared_with_the_control_of_those_alone(outcomes, world):
    rows, promo = world.rows, 3
    for impute in IMPUTE.values():
        shown = impute(outcomes.known, promo)
        assert (rows.campaign[shown.use] >= 2).all() and shown.use.any()
        assert np.isin(rows.arm[shown.use], [0, promo]).all() or impute is IMPUTE["dr"]
        assert shown.weight[shown.use].mean() == pytest.approx(1.0)
        assert not shown.label[~shown.use].any() and np.isfinite(shown.label).all()


def test_a_campaigns_season_does_not_pass_for_an_offer():
    rows, rng = make_world(3000, seed=21).rows, np.random.default_rng(5)
    margin = np.where(rng.random(len(rows)) < 0.3, 10.0, 0.0) * np.where(rows.campaign >= 2, 2.0, 1.0)
    outcomes = learn(replace(rows, margin=margin, y=margin))
    for kind in ("t", "x", "dr"):
        assert np.abs(predict(fit(kind, outcomes), rows.X).mean(axis=0)).max() < 0.5


@pytest.mark.parametrize("kind", ["x", "r", "dr"])
def test_imputed_effects_have_the_mean_effect_as_their_mean(outcomes, world, kind):
    """Unbiased by the logged propensities, however crude the outcomes: the three differ from the averages by noise."""
    effects = average_effects(world.rows)
    for arm in (1, 2, 3):
        shown = IMPUTE[kind](outcomes.known, arm)
        assert np.average(shown.label, weights=shown.weight) == pytest.approx(effects[arm - 1], abs=0.25)


def test_no_customer_is_in_two_folds(outcomes, world):
    folds = {(int(c), int(k)) for c, k in zip(world.rows.customer, outcomes.known.fold, strict=True)}
    assert len(folds) == len(np.unique(world.rows.customer))


def test_trees_of_a_fold_know_nothing_of_its_customers(world):
    """Labels of one fold are redrawn: trees grown on the others give its rows the same scores, to the last digit."""
    boosting = MoneyContacts(world.rows, MACHINE, {})
    fold = assign_folds(world.rows.customer, folds=3, seed=1)
    own = fold == 0
    redrawn = boosting.amount.copy()
    redrawn[own] = np.random.default_rng(0).permutation(redrawn[own])
    scores = []
    for label in (boosting.amount, redrawn):
        task = replace(boosting.margin_task(fold >= 0, np.full(len(fold), 1.0)), label=label)
        booster = BinnedTask(boosting, task, fold).boosters(COMMON)[0]
        for _ in range(10):
            booster.update()
        scores.append(booster.predict(world.rows.X[own], raw_score=True, num_threads=1))
    assert np.ptp(scores[0]) > 0
    assert np.array_equal(*scores)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stored_form_ranks_the_rows_it_learned_from_as_the_out_of_fold_learner_does(fitted, outcomes, kind):
    rows = outcomes.known.boosting.rows
    learned = prepare(kind, outcomes.known, outcomes.common)((SINGLE,) if kind == "s" else WEAK)
    raw, stored = learned.uplift(), predict(fitted[kind], rows.X)
    assert np.corrcoef(raw[:, 0], stored[:, 0])[0, 1] > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_terms_fitted_on_all_rows_are_stored_number_for_number(outcomes, kind):
    """The expression's value equals the boosters' own predictions put together by hand."""
    rows = outcomes.known.boosting.rows
    learned = prepare(kind, outcomes.known, outcomes.common)((SINGLE,) if kind == "s" else WEAK)
    used = np.any(learned.coefficients[1:] != 0, axis=1)
    assert used.any()
    stored = learned.refit(used)
    boosters = {**stored.boosters, **stored.others}
    names = [f"term_{k}" for k in np.flatnonzero(used)]
    expressions = [stored.expressions[k] for k in np.flatnonzero(used)]
    files = write_files(
        task="uplift",
        features=rows.features,
        outputs=[(n, "currency", e) for n, e in zip(names, expressions, strict=True)],
        boosters={file: fitted.model_to_string() for file, fitted in boosters.items()},
    )
    values = StoredModel(files).predict_matrix(rows.X)
    for name, expression in zip(names, expressions, strict=True):
        parts = expression["of"] if expression["op"] == "product" else [expression]
        by_hand = np.ones(len(rows))
        for part in parts:
            if part["op"] == "constant":
                by_hand *= part["value"]
                continue
            wide = np.column_stack([rows.X, np.tile(np.array(part["append"], dtype=np.float32), (len(rows), 1))])
            score = boosters[part["file"]].predict(wide, raw_score=True, num_threads=1) + part["init"]
            by_hand *= np.exp(score) if part["link"] == "exp" else score
        assert np.abs(values[name] - by_hand).max() < 1e-9
        assert np.corrcoef(values[name], learned.terms[:, int(name.removeprefix("term_"))])[0, 1] > 0.6


@pytest.mark.parametrize("kind", ["t", "dr"])
def test_the_order_of_rows_matters_no_more_than_the_draws_that_follow_it(world, fresh, fitted, kind):
    """Thinning draws, and bins are cut, by position: figures differ, what is found does not."""
    order = np.random.default_rng(4).permutation(len(world.rows))
    shuffled = fit(kind, learn(world.rows.take(order)))
    one, other = (predict(candidate, fresh.rows.X) for candidate in (fitted[kind], shuffled))
    for j in (0, 2):
        assert np.corrcoef(one[:, j], other[:, j])[0, 1] > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_and_seed_give_the_same_bytes_on_any_number_of_threads(world, kind):
    rows = world.rows.take(world.rows.customer < 1200)
    files = [fit(kind, learn(rows, machine=Machine(seed=2, threads=threads))).files for threads in (1, 2)]
    assert files[0] == files[1]


def test_what_is_shared_between_fits_gives_what_each_finds_alone(world):
    rows = world.rows.take(world.rows.customer < 1200)
    given = {"search": QUICK, "folds": 3, "seed": 2, "threads": 1}
    outcomes, purchases = share_outcomes(rows, **given), know_purchases(rows, **given)
    judging = fit_outcome_model(purchases).predict(rows.X, threads=1)
    np.testing.assert_array_equal(judging, fit_arm_outcomes(rows, **given).predict(rows.X, threads=1))
    for name, known in (("t_learner", outcomes), ("dr_learner", outcomes), ("paired_effects", purchases)):
        alone = fit_uplift(name, rows, **given, progress=lambda *_: None)
        assert fit_uplift(name, rows, **given, progress=lambda *_: None, known=known).files == alone.files
        assert alone.name == name
        with pytest.raises(ValueError, match="learned of other rows"):
            fit_uplift(name, rows.take(rows.arm >= 0), **given, progress=lambda *_: None, known=known)


def test_arms_drawn_without_any_effect_are_worth_what_they_cost():
    world, rng = make_world(2500, seed=12), np.random.default_rng(7)
    cost = np.array([0.0, 2.0, 0.1, 0.3])[world.rows.arm]
    margin = np.where(rng.random(len(cost)) < 0.3, rng.lognormal(2.0, 0.6, len(cost)), 0.0)
    outcomes = learn(replace(world.rows, margin=margin, y=margin - cost))
    for kind in KINDS:
        uplift = predict(fit(kind, outcomes), world.rows.X)
        assert np.abs(uplift.mean(axis=0) - [-2.0, -0.1, -0.3]).max() < 0.6, kind
        assert uplift.std(axis=0).max() < 0.4, kind


def test_a_setting_replaces_the_default_only_if_it_is_better_beyond_noise():
    rng = np.random.default_rng(3)
    effect = rng.normal(size=4000)
    scores = np.column_stack([np.zeros(4000), effect + rng.normal(size=4000)])
    default = ({"learning_rate": 0.1, "num_leaves": 5},)

    def search(better):
        return search_settings(
            lambda settings: better * effect[:, None] if settings != default else 0.0 * effect[:, None],
            scores,
            np.arange(4000),
            default=default,
            search=SEARCH.model_copy(update={"trials": 4}),
            seed=1,
            progress=lambda share, words: None,
        )

    chosen, tuned = search(better=1.0)
    assert chosen != default and set(chosen[0]) == {"learning_rate", "num_leaves", "lambda_l2"}
    assert "replaces the default" in tuned.note and tuned.loss < 0.6
    chosen, tuned = search(better=-0.5)
    assert chosen == default and "the default had the least loss" in tuned.note


def test_progress_is_told_of_every_trial(world):
    seen = []
    rows = world.rows.take(world.rows.customer < 1000)
    found = fit_meta_learner("x", learn(rows), search=SEARCH, progress=lambda share, words: seen.append((share, words)))
    assert len(seen) == SEARCH.trials and "trial 1 of 2" in seen[0][1]
    assert [f"uplift_{offer}" for offer in OFFERS] == StoredModel(found.files).outputs
