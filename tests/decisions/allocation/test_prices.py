"""Prices mean what they say: one more unit, one less, and a choice that depends on the customer alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.dual import NONE, Dual, Prices, choose_by_prices
from netlift.decisions.allocation.problem import Limit, Problem
from netlift.errors import DataError

RNG = np.random.default_rng


def campaign(n: int, *, seed: int = 0) -> Problem:
    rng = RNG(seed)
    limits = (Limit(name="offer 0", options=(0,), most=n // 10), Limit(name="calls", options=(1, 2), most=n // 5))
    value = rng.lognormal(0, 1, (n, 3)) - 0.5
    return Problem(value=value, cost=rng.gamma(2, 0.5, (n, 3)), budget=n / 8, limits=limits)


def test_the_price_of_the_budget_is_what_more_of_it_earns() -> None:
    problem = campaign(4_000)
    best = allocate(problem)
    price = {price.name: price.price for price in best.prices}["budget"]
    more = allocate(replace(problem, budget=problem.budget + 20)).bound - best.bound
    less = best.bound - allocate(replace(problem, budget=problem.budget - 20)).bound
    assert price > 0.5
    assert more <= 20 * price * (1 + 1e-6) and less >= 20 * price * (1 - 1e-6)
    assert more == pytest.approx(20 * price, rel=0.02) and less == pytest.approx(20 * price, rel=0.02)


def test_where_many_prices_are_right_the_price_is_what_one_more_earns() -> None:
    value = np.array([[3.0, 5.0], [2.0, 4.5], [1.0, 4.0]])  # B over A gains 2, 2.5 and 3
    best = allocate(Problem(value=value, cost=np.zeros(2), limits=(Limit(name="B", options=(1,), most=2),)))
    assert best.prices[0].price == pytest.approx(2.0, abs=1e-6)
    assert str(best.prices[0]) == "B: one more unit earns up to 2, 2 of 2 used"


def test_a_limit_that_is_not_reached_has_no_price_and_does_not_bind() -> None:
    best = allocate(Problem(value=np.ones((5, 1)), cost=np.ones(1), budget=100.0))
    price = best.prices[0]
    assert (price.name, price.price, price.binding, price.used, price.slack) == ("budget", 0.0, False, 5.0, 95.0)
    assert str(price) == "budget: does not bind, 5 of 100 used"


def test_no_prices_give_an_upper_end_that_a_random_allocation_exceeds() -> None:
    problem = campaign(200)
    best, dual = allocate(problem), Dual(problem=problem)
    for seed in range(20):
        bound, _ = dual.evaluate(RNG(seed).gamma(1, 1, 3))
        assert bound >= best.profit


def test_slopes_agree_with_differences() -> None:
    dual = Dual(problem=campaign(3_000))
    p = np.array([0.3, 0.2, 0.7])
    value, slope = dual.evaluate(p)
    for k in range(3):
        moved = p.copy()
        moved[k] += 1e-7
        assert (dual.evaluate(moved)[0] - value) / 1e-7 == pytest.approx(slope[k], abs=2.0)


def test_choosing_by_prices_repeats_the_allocation_but_for_those_near_a_tie() -> None:
    problem = campaign(5_000)
    best = allocate(problem)
    again = choose_by_prices(problem.value, problem.cost, problem.eligible, best.charges)
    assert np.mean(again != best.choice) < 2e-3


def test_choosing_by_prices_looks_at_one_customer_at_a_time() -> None:
    problem = campaign(300)
    prices = allocate(problem).charges
    eligible = RNG(1).random((300, 3)) < 0.7
    together = choose_by_prices(problem.value, problem.cost, eligible, prices)
    alone = [
        choose_by_prices(problem.value[i : i + 1], problem.cost[i : i + 1], eligible[i : i + 1], prices)[0]
        for i in range(300)
    ]
    assert together.tolist() == alone
    gain = np.where(eligible, problem.value - prices.money * problem.cost - prices.per_option, -np.inf)
    assert np.array_equal(together, np.where(gain.max(axis=1) > 0, gain.argmax(axis=1), NONE))


def test_common_costs_are_charged_by_the_option() -> None:
    problem = Problem(value=RNG(0).gamma(1, 1, (500, 2)), cost=np.array([1.0, 3.0]), budget=90.0)
    best = allocate(problem)
    assert best.charges.per_option == pytest.approx(best.prices[0].price * problem.cost)
    again = choose_by_prices(problem.value, problem.cost, None, best.charges)
    assert np.mean(again != best.choice) < 0.02


def test_values_that_are_missing_are_refused_when_choosing_by_prices() -> None:
    with pytest.raises(DataError, match="missing"):
        choose_by_prices(np.array([[np.nan]]), np.ones(1), None, Prices(money=0.0, per_option=np.zeros(1)))
