"""Allocation against HiGHS on everything that it can solve, against its own certificate, and against greedy rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.problem import Limit, Problem
from netlift.errors import GateRefusedError

pytestmark = pytest.mark.slow

RNG = np.random.default_rng


def solve_by_highs(problem: Problem, *, whole: bool) -> float | None:
    """The optimum, written down a second time from the statement; None where there is no allocation."""
    n, m = problem.n, problem.m
    eligible = np.isfinite(problem.net).ravel()
    rows = [np.tile(limit.per_option(m), n) for limit in problem.limits]
    low = [limit.least or 0.0 for limit in problem.limits]
    high = [np.inf if limit.most is None else limit.most for limit in problem.limits]
    if problem.budget is not None:
        rows, low = [*rows, np.broadcast_to(problem.cost, (n, m)).astype(float).ravel()], [*low, 0.0]
        high = [*high, problem.budget]
    one_each = np.kron(np.eye(n), np.ones(m))
    found = milp(
        -np.where(eligible, problem.net.ravel(), 0.0),
        integrality=np.full(n * m, int(whole)),
        bounds=Bounds(0, eligible.astype(float)),
        constraints=LinearConstraint(
            np.vstack([one_each, *rows]), np.r_[np.full(n, -np.inf), low], np.r_[np.ones(n), high]
        ),
        options={"mip_rel_gap": 1e-9},
    )
    return None if found.x is None else -float(found.fun)


def draw_problem(seed: int) -> Problem:
    """A small problem of any kind: ties, whole-number or real values, own or common costs, caps of 0, minimums."""
    rng = RNG(seed)
    n, m = int(rng.integers(1, 25)), int(rng.integers(1, 6))
    value = rng.normal(1, 2, (n, m)) if rng.random() < 0.6 else rng.integers(-2, 6, (n, m)).astype(float)
    if rng.random() < 0.2:
        value = np.tile(value[:1], (n, 1))
    cost = rng.gamma(1, 1, (n, m)) if rng.random() < 0.5 else rng.integers(0, 4, m).astype(float)
    limits = []
    for k in range(rng.integers(0, 5)):
        options = tuple(np.flatnonzero(rng.random(m) < 0.5).tolist())
        usage = tuple(rng.integers(0, 4, len(options)).tolist()) if rng.random() < 0.25 else None
        most = float(rng.integers(0, n + 1)) if rng.random() < 0.8 else None
        least = float(rng.integers(0, n // 3 + 1)) if rng.random() < 0.3 else None
        if most is not None and least is not None:
            most = max(most, least)
        limits.append(Limit(name=f"limit {k}", options=options, most=most, least=least, usage=usage))
    budget = float(rng.uniform(0, n)) if rng.random() < 0.6 else None
    eligible = rng.random((n, m)) < rng.choice([0.5, 0.9, 1.0])
    return Problem(value=value, cost=cost, eligible=eligible, budget=budget, limits=tuple(limits))


def large_problem(n: int, *, seed: int, least: bool = False, own: bool = True) -> Problem:
    rng = RNG(seed)
    m = 6
    value = rng.lognormal(0, 0.8, (n, 1)) * rng.uniform(0.5, 2, m) * rng.gamma(2, 0.5, (n, m)) - rng.random((n, m))
    limits = [
        Limit(name=f"offer {a}", options=(a,), most=n // 15, least=n // 30 if least and a == 0 else None)
        for a in range(m)
    ]
    limits += [Limit(name=f"channel {c}", options=(c, c + 3), most=n // 9) for c in range(3)]
    cost = rng.gamma(1.5, 0.5, (n, m)) if own else np.linspace(0.2, 1.2, m)
    return Problem(
        value=value.astype(np.float32),
        cost=cost.astype(np.float32),
        eligible=rng.random((n, m)) < 0.8,
        budget=0.15 * n,
        limits=tuple(limits),
    )


def assert_within_limits(problem: Problem, choice: np.ndarray) -> None:
    taken = np.flatnonzero(choice >= 0)
    assert np.isfinite(problem.net[taken, choice[taken]]).all(), "somebody got what is not eligible"
    for limit in problem.limits:
        used = limit.per_option(problem.m)[choice[taken]].sum()
        assert used <= (np.inf if limit.most is None else limit.most) + 1e-9
        assert used >= (limit.least or 0) - 1e-9
    if problem.budget is not None:
        cost = np.broadcast_to(problem.cost, problem.value.shape)[taken, choice[taken]].astype(float)
        assert cost.sum() <= problem.budget * (1 + 1e-11)


@settings(max_examples=80, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_small_problems_get_what_highs_gets_and_the_certificate_holds(seed: int) -> None:
    try:
        problem = draw_problem(seed)
        best = allocate(problem)
    except GateRefusedError as refusal:
        nobody_can = "customers together can use" in str(refusal)  # before there is a problem
        assert nobody_can or solve_by_highs(draw_problem(seed), whole=True) is None, (
            f"refused what can be met: {refusal}"
        )
        return
    optimum, relaxed = solve_by_highs(problem, whole=True), solve_by_highs(problem, whole=False)
    assert optimum is not None and relaxed is not None
    tolerance = 1.1e-5 * max(1.0, abs(optimum))
    assert_within_limits(problem, best.choice)
    assert optimum - tolerance <= best.profit <= optimum + tolerance
    assert optimum - tolerance <= best.bound <= relaxed + tolerance
    assert best.gap == pytest.approx((best.bound - best.profit) / (abs(best.bound) or 1.0), abs=1e-12)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("least", [True, False])
def test_a_large_problem_is_solved_within_a_hundredth_of_a_percent(own: bool, least: bool) -> None:
    problem = large_problem(20_000, seed=3, own=own, least=least)
    best = allocate(problem)
    assert_within_limits(problem, best.choice)
    assert 0 <= best.gap < 1e-4
    taken = np.flatnonzero(best.choice >= 0)
    assert best.profit == pytest.approx(problem.net[taken, best.choice[taken]].sum(dtype=float), rel=1e-12)


def test_it_earns_more_than_serving_customers_in_turn() -> None:
    problem = large_problem(3_000, seed=5)
    room, left, profit = problem.most[:-1].copy(), problem.budget, 0.0
    for i in range(problem.n):
        for a in np.argsort(-problem.net[i]):
            uses = problem.usage[:-1, a]
            if problem.net[i, a] > 0 and problem.cost[i, a] <= left and np.all(uses <= room):
                room, left, profit = room - uses, left - problem.cost[i, a], profit + problem.net[i, a]
                break
    assert allocate(problem).profit > 1.3 * profit


def test_the_same_problem_gives_the_same_choice() -> None:
    problem = large_problem(5_000, seed=1)
    assert np.array_equal(allocate(problem).choice, allocate(problem).choice)


def test_a_start_from_similar_prices_ends_as_well() -> None:
    problem = large_problem(5_000, seed=2)
    cold = allocate(problem)
    warm = allocate(problem, start=cold.row_prices * 1.1)
    assert warm.profit == pytest.approx(cold.profit, rel=2e-6)


def test_a_hundred_thousand_equal_predictions_are_as_good_as_solved() -> None:
    rng = RNG(1)
    leaf, m, n = rng.integers(0, 50, 100_000), 6, 100_000
    limits = [Limit(name=f"offer {a}", options=(a,), most=n / 12, least=n / 50) for a in range(m)]
    limits += [Limit(name=f"channel {c}", options=tuple(range(c, m, 2)), most=n / 5) for c in range(2)]
    problem = Problem(
        value=rng.normal(1, 1, (50, m))[leaf], cost=rng.gamma(1, 1, m), budget=0.3 * n, limits=tuple(limits)
    )
    best = allocate(problem)
    assert_within_limits(problem, best.choice)
    assert best.gap < 1e-5


def test_nobody_eligible_zero_budget_and_caps_of_zero_give_nothing() -> None:
    value = RNG(0).normal(2, 1, (50, 3))
    nobody = allocate(Problem(value=np.full((50, 3), -np.inf), cost=np.ones(3), budget=10.0))
    no_money = allocate(Problem(value=value, cost=np.ones((50, 3)), budget=0.0))
    no_room = allocate(Problem(value=value, cost=np.ones(3), limits=(Limit(name="all", options=(0, 1, 2), most=0),)))
    for best in (nobody, no_money, no_room):
        assert (best.choice == -1).all()
        assert (best.profit, best.bound, best.spent) == pytest.approx((0, 0, 0), abs=1e-9)


def test_no_customers_and_no_limits_are_problems_too() -> None:
    assert allocate(Problem(value=np.zeros((0, 2)), cost=np.ones(2), budget=1.0)).profit == 0
    best = allocate(Problem(value=np.array([[1.0, 2.0], [-1.0, -2.0]]), cost=np.ones(2)))
    assert best.choice.tolist() == [1, -1] and best.gap == 0 and best.prices == ()


def test_a_minimum_takes_those_who_lose_least() -> None:
    value = np.array([[-3.0], [-1.0], [2.0], [-0.5], [-9.0]])
    best = allocate(Problem(value=value, cost=np.zeros(1), limits=(Limit(name="pilot", options=(0,), least=3),)))
    assert best.choice.tolist() == [-1, 0, 0, 0, -1]
    assert best.prices[0].side == "least" and best.prices[0].price == pytest.approx(1.0, abs=1e-6)


def test_a_budget_of_three_tenths_pays_for_a_tenth_and_two_tenths() -> None:
    best = allocate(Problem(value=np.array([[1.0], [1.0]]), cost=np.array([[0.1], [0.2]]), budget=0.3))
    assert best.choice.tolist() == [0, 0]


def test_limits_that_contradict_each_other_are_named_with_what_it_takes() -> None:
    limits = (
        Limit(name="offer A", options=(0,), least=6),
        Limit(name="offer B", options=(1,), most=9),
        Limit(name="channel sms", options=(0, 1), most=4),
    )
    with pytest.raises(GateRefusedError) as refused:
        allocate(Problem(value=np.ones((20, 2)), cost=np.zeros(2), limits=limits))
    said = str(refused.value)
    assert "offer A (at least 6, lowered by 2)" in said and "channel sms (at most 4, raised by 2)" in said
    assert "offer B" not in said


def test_a_minimum_that_the_budget_cannot_pay_is_named() -> None:
    with pytest.raises(GateRefusedError, match=r"budget \(at most 10.*offer A \(at least 6"):
        limits = (Limit(name="offer A", options=(0,), least=6),)
        allocate(Problem(value=np.ones((20, 1)), cost=np.full((20, 1), 2.0), budget=10.0, limits=limits))


def test_a_minimum_that_only_parts_of_customers_reach_is_refused() -> None:
    limit = Limit(name="minutes", options=(0,), most=5, least=4, usage=(3.0,))
    with pytest.raises(GateRefusedError, match="whole customers"):
        allocate(Problem(value=np.ones((20, 1)), cost=np.zeros(1), limits=(limit,)))
