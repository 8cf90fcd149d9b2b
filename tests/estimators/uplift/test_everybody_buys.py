"""Outcomes that are not "a few buy": everybody pays, margins of both signs, nobody buys, a handful does."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from contact_world import SEARCH, SUBSCRIPTIONS, make_subscribers, make_world

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.arm_outcomes import MoneyContacts, learn_outcomes
from netlift.estimators.uplift.fit import average_effects, fit_arm_outcomes, fit_uplift, share_outcomes
from netlift.estimators.uplift.purchase_model import RAREST, BoostingContacts, find_floor, fit_purchases
from netlift.estimators.uplift.relative_effects import effect_tasks

pytestmark = pytest.mark.slow

QUICK = SEARCH.model_copy(update={"trials": 1})
LEARNERS = ("paired_effects", "two_part", "t_learner", "dr_learner", "s_learner", "x_learner", "r_learner")
ALL = (*LEARNERS, "response", "recency_frequency")
MACHINE = Machine(seed=1, threads=1)
COST = np.array([0.0, 0.5, 0.2])


def fit(name, rows, outcomes=None):
    given = {"search": QUICK, "folds": 3, "seed": 1, "threads": 1, "progress": lambda *_: None}
    return fit_uplift(name, rows, **given, known=outcomes if name.endswith("_learner") else None)


def fit_all(rows, names):
    outcomes = share_outcomes(rows, search=QUICK, folds=3, seed=1, threads=1)
    return {name: fit(name, rows, outcomes) for name in names}


def predict(candidate, X, offers=SUBSCRIPTIONS):
    scores = StoredModel(candidate.files).predict_matrix(X)
    return np.column_stack([scores[f"uplift_{offer}"] for offer in offers])


def earn(uplift, effects):
    """What choosing by uplift earns above the best single arm, as a share of what the oracle would."""
    none = np.zeros((len(effects), 1))
    true = np.concatenate([none, effects], axis=1)
    chosen = np.argmax(np.concatenate([none, uplift], axis=1), axis=1)
    constant = true.mean(axis=0).max()
    return (true[np.arange(len(true)), chosen].mean() - constant) / (true.max(axis=1).mean() - constant)


def put(rows, margin):
    """The rows with another margin, contacts costing what they cost."""
    return replace(rows, margin=margin, y=margin - COST[rows.arm])


@pytest.fixture(scope="module")
def payers():
    return make_subscribers(3500, seed=1)


@pytest.fixture(scope="module")
def fitted(payers):
    return fit_all(payers.rows, ALL)


@pytest.fixture(scope="module")
def few():
    """5,000 rows to put margins on."""
    return make_subscribers(5000 // 3 + 1, seed=2).rows.take(np.arange(5000))


@pytest.mark.parametrize("name", LEARNERS)
def test_effects_on_what_everybody_pays_are_found_in_order_and_in_size(fitted, name):
    fresh = make_subscribers(5000, seed=99)
    uplift = predict(fitted[name], fresh.rows.X)
    assert earn(uplift, fresh.effects) > 0.75
    for j in (0, 1):
        assert np.corrcoef(uplift[:, j], fresh.effects[:, j])[0, 1] > 0.7
        assert 0.7 < np.polyfit(uplift[:, j], fresh.effects[:, j], 1)[0] < 1.35
    assert np.abs(uplift.mean(axis=0) - fresh.effects.mean(axis=0)).max() < 1.2, "four standard errors of an average"


@pytest.mark.parametrize("name", ["paired_effects", "two_part"])
def test_nobody_asks_for_a_chance_that_is_one(fitted, name):
    assert not [file for file in fitted[name].files if "chance" in file]
    assert "amount.txt" in fitted[name].files
    assert any("effects are on amounts alone" in note for note in fitted[name].notes)


def test_the_chance_of_everybody_is_exactly_one_and_of_a_handful_one_number(payers, few):
    everybody = np.ones(len(payers.rows), dtype=bool)
    model = fit_purchases(BoostingContacts(payers.rows, MACHINE, {}), everybody, rounds={"chance": 5, "amount": 5})
    expected = model.predict(payers.rows.X, threads=1)
    assert (expected.chance == 1.0).all() and np.ptp(expected.amount) > 1
    buys = np.arange(len(few)) % 1000 == 0
    boosting = BoostingContacts(put(few, np.where(buys, 10.0, 0.0)), MACHINE, {})
    expected = fit_purchases(boosting, np.ones(len(few), dtype=bool)).predict(few.X, threads=1)
    assert expected.chance[0] == pytest.approx(0.001) and np.ptp(expected.chance) == 0
    assert expected.amount == pytest.approx(10.0) and effect_tasks(boosting, expected) == ()


@pytest.mark.parametrize("name", ["response", "recency_frequency"])
def test_a_baseline_without_a_response_to_scale_by_gives_averages(fitted, payers, name):
    uplift = predict(fitted[name], payers.rows.X)
    assert np.ptp(uplift, axis=0).max() == 0
    assert uplift[0] == pytest.approx(average_effects(payers.rows))


def test_effects_on_margins_of_both_signs_are_found():
    world, fresh = make_subscribers(13_334, seed=1, both_signs=True), make_subscribers(5000, seed=99, both_signs=True)
    assert 0.35 < np.mean(world.rows.margin < 0) < 0.45
    found = fit_all(world.rows, LEARNERS[:4])
    for name, candidate in found.items():
        uplift = predict(candidate, fresh.rows.X)
        assert earn(uplift, fresh.effects) > 0.75, name
        assert np.abs(uplift.mean(axis=0) - fresh.effects.mean(axis=0)).max() < 1.0, "four standard errors"
        assert any("of the money moved" in note for note in candidate.notes), name


@pytest.mark.parametrize("both_signs", [False, True])
def test_offers_without_effect_are_worth_what_they_cost(both_signs):
    rows = make_subscribers(4000, seed=6, both_signs=both_signs).rows
    rows = put(rows, np.random.default_rng(4).permutation(rows.margin))
    error = np.sqrt(2 / 4000) * rows.margin.std()
    found = fit_all(rows, LEARNERS[:4])
    for name in LEARNERS[:4]:
        uplift = predict(found[name], rows.X)
        assert np.abs(uplift.mean(axis=0) + COST[1:]).max() < 4 * error, name
        assert uplift.std(axis=0).max() < 2 * error, name


def test_expected_profit_under_every_arm_follows_the_customers(payers):
    for both_signs, least in ((False, 0.45), (True, 0.05)):
        rows = payers.rows if not both_signs else make_subscribers(3500, seed=1, both_signs=True).rows
        fresh = make_subscribers(3500, seed=5, both_signs=both_signs).rows
        outcomes = fit_arm_outcomes(rows, search=QUICK, folds=3, seed=1, threads=1)
        own = outcomes.predict(fresh.X, threads=1)[np.arange(len(fresh)), fresh.arm]
        assert own.mean() == pytest.approx(fresh.y.mean(), abs=4 * fresh.y.std() / np.sqrt(len(fresh)) + 0.5)
        assert np.corrcoef(own, fresh.y)[0, 1] > least


def _margins(case, rows):
    rng = np.random.default_rng(0)
    bought = np.where(rng.random(len(rows)) < 0.3, rng.lognormal(2.0, 0.8, len(rows)), 0.0)
    three = np.zeros(len(rows))
    three[:3] = (20.0, 5.0, 30.0)
    returned = np.where(rng.random(len(rows)) < 0.1, -10 * rng.standard_t(3, len(rows)) ** 2, bought)
    return {
        "nobody buys": np.zeros(len(rows)),
        "three buyers": three,
        "an offer without buyers": np.where(rows.arm == 2, 0.0, bought),
        "a control without buyers": np.where(rows.arm == 0, 0.0, bought),
        "one offer has all buyers": np.where(rows.arm == 1, bought, 0.0),
        "a control of buyers alone": np.where((rows.arm == 0) | (bought > 0), bought + 1.0, 0.0),
        "all margins equal": np.full(len(rows), 7.0),
        "all margins lost": -bought - 1.0,
        "heavy returns": returned,
        "all but five pay": np.where(np.arange(len(rows)) < 5, 0.0, bought + 1.0),
    }[case]


@pytest.mark.parametrize("case", [
    "nobody buys", "three buyers", "an offer without buyers", "a control without buyers", "one offer has all buyers",
    "a control of buyers alone", "all margins equal", "all margins lost", "heavy returns", "all but five pay",
])  # fmt: skip
def test_average_effects_are_right_whoever_buys(few, case):
    rows = put(few, _margins(case, few))
    tolerance = 0.02 + 0.6 * rows.margin.std() * np.sqrt(4 / len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = fit_all(rows, ALL)
        mu = fit_arm_outcomes(rows, search=QUICK, folds=3, seed=1, threads=1).predict(rows.X, threads=1)
    assert np.isfinite(mu).all()
    for name, candidate in found.items():
        uplift = predict(candidate, rows.X)
        assert np.isfinite(uplift).all() and candidate.notes
        assert np.abs(uplift.mean(axis=0) - average_effects(rows)).max() < tolerance, name
        json.loads(candidate.files["model.json"], parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("name", ALL)
def test_where_nobody_buys_an_offer_is_its_cost_to_everybody_and_the_card_says_so(few, name):
    candidate = fit(name, put(few, np.zeros(len(few))))
    assert predict(candidate, few.X) == pytest.approx(np.tile(-COST[1:], (len(few), 1)))
    if name not in ("recency_frequency", "response"):
        assert any("nobody brought a margin" in note for note in candidate.notes)
    assert set(candidate.files) == {"model.json"}


def test_rare_negative_margins_stay_a_cost_and_the_average_is_right():
    rows, rng = make_world(4000, seed=4).rows, np.random.default_rng(1)
    margin = np.where((rows.margin > 0) & (rng.random(len(rows)) < 0.04), -0.5 * rows.margin, rows.margin)
    rows = replace(rows, margin=margin, y=rows.y - rows.margin + margin)
    assert find_floor(margin) == 0.0 and (margin < 0).any()
    for name in ("paired_effects", "two_part", "t_learner"):
        uplift = predict(fit(name, rows), rows.X, rows.offers)
        assert np.abs(uplift.mean(axis=0) - average_effects(rows)).max() < 0.25, name


def test_an_amount_that_one_arm_hardly_shows_is_not_compared(few):
    bought = np.where(few.arm == 2, np.arange(len(few)) < RAREST, True) * 10.0
    boosting = BoostingContacts(put(few, bought), MACHINE, {})
    expected = fit_purchases(boosting, np.ones(len(few), dtype=bool)).predict(few.X, threads=1)
    assert [(task.arm, task.part) for task in effect_tasks(boosting, expected)] == [
        (1, "chance"), (1, "amount"), (2, "chance"),
    ]  # fmt: skip


def test_a_sample_of_customers_counts_margins_from_the_floor_of_all():
    rows = make_subscribers(1500, seed=3, both_signs=True).rows
    known = learn_outcomes(rows, search=QUICK, folds=3, machine=MACHINE).known
    sample = known.sample(1000)
    assert len(sample.boosting.rows) < len(rows) and sample.boosting.floor == known.boosting.floor
    assert sample.boosting.amount == pytest.approx(sample.boosting.rows.margin - known.boosting.floor)
    assert MoneyContacts(rows, MACHINE, {}).amount.min() > 0
