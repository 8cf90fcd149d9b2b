"""Next purchases on customers whose rhythm and chain of categories are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from purchase_rhythms import CATEGORIES, CHAIN, DAYS, make_rhythms

from netlift.errors import DataError, HistoryTooShortError
from netlift.next_purchase.evaluation import FREQUENT, INTERVAL, MODEL, OWN_GAP, baseline_dates
from netlift.next_purchase.model import foretell, learn_next_purchases
from netlift.next_purchase.purchases import make_purchases
from netlift.next_purchase.traces import trace

HORIZON = 84
TODAY = DAYS - HORIZON


@pytest.fixture(scope="module")
def world():
    """What is known on a day, and the truth after it."""
    purchases, gap = make_rhythms(2500, seed=5)
    return purchases, gap, learn_next_purchases(purchases, end=TODAY, horizon=HORIZON, seed=1)


def test_dates_and_categories_beat_every_baseline_where_rhythm_and_chain_are_there(world):
    evaluation = world[2].evaluation
    for contest in (evaluation.date, evaluation.category):
        assert contest.chosen == MODEL and contest.gain.ci_lower > 0
    entropy = -np.sum(CHAIN * np.log(CHAIN), axis=1)
    assert evaluation.category_log_loss[MODEL] == pytest.approx(np.average(entropy), abs=0.08)
    assert evaluation.category_probability.error < 0.05
    assert evaluation.returns.error < 0.03


def test_intervals_of_dates_not_seen_by_anybody_cover(world):
    purchases, _, model = world
    told = foretell(model, purchases, as_of=TODAY)
    seen = trace(purchases, TODAY, by_category=False)
    came = seen.following < TODAY + HORIZON
    customer, following = seen.customer[came], seen.following[came].astype("datetime64[D]")
    named = ~np.isnat(told.day[customer])
    inside = (told.early[customer] <= following) & (following <= told.late[customer])
    share, error = inside[named].mean(), np.sqrt(INTERVAL * (1 - INTERVAL) / named.sum())
    # beyond the level only by what a whole day more at either end takes in
    assert INTERVAL - 3 * error < share < INTERVAL + 0.05 + 3 * error
    width = (told.late - told.early)[customer][named].astype(int)
    assert width.mean() < 35, "an interval as wide as the horizon would cover and tell nothing"


def test_the_typical_gap_is_recovered_and_better_than_the_own_mean(world):
    purchases, gap, model = world
    seen = trace(purchases, TODAY, by_category=False)
    few = (seen.gaps > 0) & (seen.gaps < 4) & (seen.first > TODAY - 150)  # few, for they are new and not for being slow
    truth = np.log(gap[seen.customer])
    shrunk = np.log(model.rhythm.typical_gap(seen)) - truth
    own = seen.log_sum / np.maximum(seen.gaps, 1) - truth
    assert np.sqrt(np.mean(shrunk[few] ** 2)) < 0.9 * np.sqrt(np.mean(own[few] ** 2))
    assert np.median(np.abs(shrunk[seen.gaps >= 8])) < 0.12


def test_probabilities_of_categories_are_those_of_the_chain(world):
    purchases, _, model = world
    told = foretell(model, purchases, as_of=TODAY)
    last = np.array([purchases.code[a:b][purchases.day[a:b] < TODAY][-1] if (purchases.day[a:b] < TODAY).any() else -1
                     for a, b in zip(purchases.offsets, purchases.offsets[1:], strict=False)])  # fmt: skip
    for before in (0, 1, 2):
        own = last == before
        assert np.mean(told.category[own] == CHAIN[before].argmax()) > 0.95
        assert told.category_probability[own].mean() == pytest.approx(CHAIN[before].max(), abs=0.06)
    assert (told.category[last < 0] == -1).all()


def test_nothing_after_the_day_changes_what_is_foretold(world):
    purchases, _, model = world
    before = purchases.day < TODAY
    customer = np.repeat(np.arange(len(purchases.ids)), np.diff(purchases.offsets))[before]
    past = make_purchases(
        customer, purchases.day[before], purchases.code[before], ids=purchases.ids, categories=purchases.categories
    )
    assert vars(learn_next_purchases(past, end=TODAY, horizon=HORIZON, seed=1).evaluation) == vars(model.evaluation)
    both = [foretell(model, one, as_of=TODAY) for one in (purchases, past)]
    for name in ("probability", "early", "day", "late", "category", "category_probability"):
        np.testing.assert_array_equal(getattr(both[0], name), getattr(both[1], name))


def test_a_baseline_that_was_better_is_used_in_place_of_the_model(world):
    purchases, _, model = world
    evaluation = replace(
        model.evaluation,
        date=replace(model.evaluation.date, chosen=OWN_GAP),
        category=replace(model.evaluation.category, chosen=FREQUENT),
        replenishment=replace(model.evaluation.replenishment, chosen=OWN_GAP),
    )
    told = foretell(replace(model, evaluation=evaluation), purchases, as_of=TODAY)
    plain = foretell(model, purchases, as_of=TODAY)
    seen = trace(purchases, TODAY, by_category=False)
    rule = baseline_dates(purchases, seen, HORIZON, by_category=False)[OWN_GAP].astype("datetime64[D]")
    named = ~np.isnat(told.day[seen.customer])
    rule = np.clip(rule, plain.early[seen.customer], plain.late[seen.customer])
    np.testing.assert_array_equal(told.day[seen.customer][named], rule[named])
    pairs, due = trace(purchases, TODAY, by_category=True), told.replenishments
    at = np.searchsorted(
        pairs.customer * 4 + pairs.code, due.customer * 4 + due.code, sorter=np.lexsort((pairs.code, pairs.customer))
    )
    own = pairs.take(np.lexsort((pairs.code, pairs.customer))[at])
    gap = np.round((own.last - own.first) / own.gaps)
    np.testing.assert_array_equal(due.due.astype(int), own.last + gap)
    counts = np.zeros((len(purchases.ids), len(CATEGORIES)))
    owner = np.repeat(np.arange(len(purchases.ids)), np.diff(purchases.offsets))
    np.add.at(counts, (owner[purchases.day < TODAY], purchases.code[purchases.day < TODAY]), 1)
    sure = (np.sort(counts, axis=1)[:, -1] > np.sort(counts, axis=1)[:, -2]) & (told.category >= 0)
    np.testing.assert_array_equal(told.category[sure], counts[sure].argmax(axis=1))
    assert (told.category_probability[sure] <= plain.category_probability[sure] + 1e-12).all()


def test_a_replenishment_falls_due_on_one_day_until_it_is_bought(world):
    purchases, _, model = world
    first, later = (foretell(model, purchases, as_of=TODAY + days).replenishments for days in (0, 7))
    bought = set()
    for customer in range(len(purchases.ids)):
        rows = slice(purchases.offsets[customer], purchases.offsets[customer + 1])
        days = purchases.day[rows]
        bought |= {(customer, int(code)) for code in purchases.code[rows][(days >= TODAY) & (days < TODAY + 7)]}
    due = [
        dict(zip(zip(p.customer.tolist(), p.code.tolist(), strict=True), p.due, strict=True)) for p in (first, later)
    ]
    both = [pair for pair in due[0] if pair in due[1]]
    still = [pair for pair in both if pair not in bought]
    assert len(still) > 100 and len(bought) > 100
    assert all(due[0][pair] == due[1][pair] for pair in still)
    assert all(due[1][pair] > np.datetime64(TODAY, "D") for pair in both if pair in bought)


def test_a_rhythm_without_any_chance_is_left_to_the_own_mean_gap_which_is_never_wrong():
    gaps = np.random.default_rng(9).integers(5, 40, 400)
    rows = [(i, day) for i, gap in enumerate(gaps) for day in range(int(gap) - 1, DAYS, int(gap))]
    customer, day = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array([f"c{i:03}" for i in range(len(gaps))], dtype=object)
    purchases = make_purchases(customer, day, np.zeros(len(day), dtype=int), ids=ids, categories=CATEGORIES[:2])
    model = learn_next_purchases(purchases, end=TODAY, horizon=HORIZON, seed=1)
    assert model.evaluation.date.baselines[OWN_GAP] == 0 and model.evaluation.date.model < 0.5
    assert model.evaluation.date.chosen in (OWN_GAP, MODEL)
    told = foretell(model, purchases, as_of=TODAY)
    following = trace(purchases, TODAY, by_category=False).following
    if model.evaluation.date.chosen == OWN_GAP:
        np.testing.assert_array_equal(told.day, following.astype("datetime64[D]"))
    np.testing.assert_array_equal(told.category, 0)


def test_receipts_without_categories_have_dates_and_no_category():
    purchases, _ = make_rhythms(400, seed=6)
    plain = replace(purchases, code=np.full_like(purchases.code, -1), categories=())
    model = learn_next_purchases(plain, end=TODAY, horizon=HORIZON, seed=1)
    told = foretell(model, plain, as_of=TODAY)
    assert model.evaluation.category is None and model.evaluation.replenishment is None
    assert (told.category == -1).all() and not len(told.replenishments.day) and (~np.isnat(told.day)).any()


def test_short_and_thin_histories_are_refused_with_what_is_missing():
    purchases, _ = make_rhythms(60, seed=7)
    with pytest.raises(HistoryTooShortError, match="needs 252"):
        learn_next_purchases(purchases, end=200, horizon=HORIZON, seed=1)
    with pytest.raises(DataError, match="histories with three days of purchase"):
        learn_next_purchases(purchases, end=TODAY, horizon=HORIZON, seed=1)
