"""Exploration: exact chances, realised as promised, within every limit, and a holdout that sticks."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.abtest.assignment.draw import hash_units
from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.dual import choose_by_prices
from netlift.decisions.allocation.exploration import draw_decisions, draw_exploration, find_chances
from netlift.decisions.allocation.problem import Limit, Problem, after_use
from netlift.decisions.eligibility.reasons import WORDS, Refusal, explain
from netlift.errors import DataError


def words_of(n, key="2026-10-05"):
    return hash_units([f"{i:08d}" for i in range(n)], salt=f"shop\x1f{key}", purpose="arm")


def problem_of(explorable, cost=1.0, budget=None, limits=()):
    m = explorable.shape[1]
    value = np.where(explorable, 1.0, -np.inf)
    return Problem(value=value, cost=np.full(m, cost), budget=budget, limits=tuple(limits))


def draw(explorable, epsilon=0.2, key="2026-10-05", problem=None, most=0.2):
    problem = problem or problem_of(explorable)
    return draw_exploration(words_of(len(explorable), key), explorable, problem, epsilon=epsilon, most_of_limits=most)


@settings(max_examples=60)
@given(data=st.data())
def test_chances_add_up_to_one_and_are_those_of_the_formula(data):
    m = data.draw(st.integers(1, 5))
    explorable = data.draw(arrays(bool, (20, m)))
    epsilon = data.draw(st.floats(0, 0.5))
    found = draw(explorable, epsilon)
    choice = np.where(explorable.any(axis=1), explorable.argmax(axis=1), -1)
    chances = find_chances(choice, explorable, found)
    assert np.abs(chances.sum(axis=1) - 1).max() < 1e-12
    arms = explorable.sum(axis=1) + 1
    for i in range(20):
        for a in range(m + 1):
            may = a == m or explorable[i, a]
            wanted = (epsilon / arms[i] if may else 0.0) + (1 - epsilon) * (a == choice[i] % (m + 1))
            assert chances[i, a] == pytest.approx(wanted, abs=1e-12)


def test_what_is_drawn_over_many_runs_has_the_chances_that_were_logged():
    rng = np.random.default_rng(3)
    explorable = rng.random((400, 3)) < 0.7
    choice = np.where(explorable[:, 1], 1, -1)
    held_out = np.zeros(400, dtype=bool)
    problem = problem_of(explorable, limits=[Limit(name="offer 2", options=(2,), most=30)])
    runs, counts = 300, np.zeros((400, 4))
    for run in range(runs):
        found = draw_decisions(choice, explorable, draw(explorable, 0.4, str(run), problem), held_out=held_out)
        counts[np.arange(400), found.option] += 1
        assert explorable[found.option >= 0, found.option[found.option >= 0]].all()
    chances = found.chances
    spread = np.sqrt(runs * chances * (1 - chances))
    off = (counts - runs * chances)[spread > 0] / spread[spread > 0]
    assert np.abs(off).max() < 5
    assert off.std() == pytest.approx(1, abs=0.1)
    assert (counts[chances == 0] == 0).all()


def test_exploration_takes_its_share_of_every_limit_and_never_more_than_there_is():
    explorable = np.ones((5000, 3), dtype=bool)
    limits = [Limit(name="calls", options=(2,), most=100), Limit(name="all", options=(0, 1, 2), most=3000)]
    problem = problem_of(explorable, cost=2.0, budget=500.0, limits=limits)
    used = [draw(explorable, 0.3, str(run), problem).used for run in range(40)]
    found = draw(explorable, 0.3, problem=problem)
    smallest = find_chances(np.full(5000, -1), explorable, found)[:, :3].min(axis=0)
    assert found.least_chances == pytest.approx(smallest)
    assert max(one["calls"] for one in used) <= 100
    assert max(one["budget"] for one in used) <= 500
    assert np.mean([one["budget"] for one in used]) == pytest.approx(0.2 * 500, rel=0.1)
    assert np.mean([one["calls"] for one in used]) <= 0.2 * 100


def test_draws_fit_at_the_first_go_even_where_exploration_may_take_everything():
    explorable = np.ones((5000, 3), dtype=bool)
    problem = problem_of(explorable, budget=300.0, limits=[Limit(name="calls", options=(2,), most=40)])
    assert all(draw(explorable, 0.3, str(run), problem, most=1.0).draws == 1 for run in range(40))


@settings(max_examples=30)
@given(most=st.integers(0, 6), budget=st.floats(0, 40), key=st.integers(0, 1000))
def test_the_smallest_limits_are_kept_as_well(most, budget, key):
    explorable = np.ones((300, 2), dtype=bool)
    own = np.random.default_rng(1).gamma(1.0, 3.0, (300, 2))
    problem = Problem(
        value=np.ones((300, 2)), cost=own, budget=budget, limits=(Limit(name="few", options=(1,), most=most),)
    )
    found = draw_exploration(words_of(300, str(key)), explorable, problem, epsilon=0.5, most_of_limits=1.0)
    taken = np.flatnonzero(found.option >= 0)
    assert (found.option == 1).sum() <= most
    assert own[taken, found.option[taken]].sum() <= budget
    assert found.draws <= 3


def test_everybody_together_stays_within_the_limits_when_the_rest_is_allocated():
    rng = np.random.default_rng(5)
    eligible = rng.random((2000, 3)) < 0.8
    value = np.where(eligible, rng.normal(2, 4, (2000, 3)), -np.inf)
    limits = (Limit(name="calls", options=(2,), most=150), Limit(name="mail", options=(0,), most=400))
    whole = Problem(value=value, cost=np.array([0.5, 1.0, 3.0]), budget=700.0, limits=limits)
    found = draw_exploration(words_of(2000), eligible, whole, epsilon=0.1, most_of_limits=0.2)
    rest = np.where(found.explores[:, None], -np.inf, value)
    best = allocate(after_use(Problem(value=rest, cost=whole.cost, budget=700.0, limits=limits), found.used))
    choice = np.where(found.explores, choose_by_prices(value, whole.cost, None, best.charges), best.choice)
    draws = draw_decisions(choice, eligible, found, held_out=np.zeros(2000, bool))
    assert (draws.option == 2).sum() <= 150
    assert (draws.option == 0).sum() <= 400
    assert whole.cost[draws.option[draws.option >= 0]].sum() <= 700
    assert draws.propensity.min() > 0
    reasons = {
        WORDS[code]
        for code in np.unique(
            explain(np.where(eligible, Refusal.OPEN, Refusal.NOT_ELIGIBLE).astype(np.uint8), value, draws)
        )
    }
    assert reasons >= {"policy", "explore", "explore_none", "nothing_pays", "outbid", "not_eligible"}


def test_the_same_key_draws_the_same_and_another_key_draws_anew():
    explorable = np.ones((3000, 2), dtype=bool)
    first, again, other = draw(explorable), draw(explorable), draw(explorable, key="2026-10-06")
    assert (first.option == again.option).all()
    both = (first.explores & other.explores).sum()
    assert both == pytest.approx(3000 * 0.2**2, abs=5 * np.sqrt(3000 * 0.04))
    order = np.random.default_rng(1).permutation(3000)
    shuffled = draw_exploration(
        words_of(3000)[order], explorable, problem_of(explorable), epsilon=0.2, most_of_limits=0.2
    )
    assert (shuffled.option == first.option[order]).all()


def test_the_holdout_is_logged_as_not_drawn_sticks_to_its_period_and_changes_with_it():
    ids = [f"{i:08d}" for i in range(4000)]
    spring, later, next_year = (
        period_of(day, rotate_months=12, washout_days=28)
        for day in (date(2026, 3, 1), date(2026, 11, 1), date(2027, 3, 1))
    )
    held, same, new = (is_held_out(ids, share=0.1, salt="shop", period=p) for p in (spring, later, next_year))
    assert (held == same).all()
    assert (held & new).sum() == pytest.approx(4000 * 0.01, abs=35)
    explorable = np.repeat(~held[:, None], 2, axis=1)
    found = draw_decisions(np.where(held, -1, 0), explorable, draw(explorable), held_out=held)
    assert np.isnan(found.propensity[held]).all()
    assert np.isnan(found.chances[held]).all()
    assert (found.option[held] == -1).all()
    assert set(found.arms[held]) == {"holdout"}
    assert np.isfinite(found.propensity[~held]).all()
    refused = np.where(explorable, 0, Refusal.HOLDOUT).astype(np.uint8)
    assert (explain(refused, np.ones((4000, 2)), found)[held] == Refusal.HOLDOUT).all()


def test_a_policy_that_gives_what_is_not_open_is_refused():
    explorable = np.array([[True, False], [False, False]])
    found = draw(explorable)
    for choice, held in (([1, -1], [False, False]), ([0, -1], [True, False])):
        with pytest.raises(DataError, match="1 of 2 customers are given what is not open"):
            draw_decisions(np.array(choice), explorable, found, held_out=np.array(held))
