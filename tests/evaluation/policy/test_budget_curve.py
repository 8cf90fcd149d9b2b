"""What a budget buys: the linear programme's optimum, straight lines for constants, influences by definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from netlift.errors import DataError
from netlift.evaluation.policy.off_policy import LoggedOutcomes, policy_difference
from netlift.evaluation.uplift.cost_curve import budget_curves

COST = np.array([1.0, 2.0, 5.0])


def logged_with(scores: np.ndarray, **columns) -> LoggedOutcomes:
    n = len(scores)
    columns = {"customer": np.arange(n), "weight": None, **columns}
    return LoggedOutcomes(
        y=np.zeros(n), arm=np.zeros(n, dtype=np.int64), propensity=np.ones(n), scores=scores, unit="EUR/customer",
        level=0.95, **columns,
    )  # fmt: skip


def world(n: int, *, seed: int, **columns) -> tuple[LoggedOutcomes, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(1.0, 2.0, size=(n, 3)).round(1)
    scores = np.column_stack([np.zeros(n), truth + rng.normal(size=(n, 3))])
    return logged_with(scores, **columns), truth


def gains(logged, predicted, budgets, cost=COST):
    return budget_curves(logged, {"model": predicted}, against="model", cost=cost, budgets=budgets).rows


def optimum(gain: np.ndarray, cost: np.ndarray, budget: float) -> float:
    n, m = gain.shape
    once = np.kron(np.eye(n), np.ones(m))
    cost = np.broadcast_to(cost, gain.shape)
    found = linprog(
        -gain.ravel(),
        A_ub=np.vstack([once, cost.reshape(1, -1)]),
        b_ub=np.append(np.ones(n), budget * n),
        bounds=(0, 1),
    )
    return -found.fun / n


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0, 4), st.booleans())
def test_known_effects_are_spent_on_as_the_linear_programme_would(seed, budget, per_row):
    rng = np.random.default_rng(seed)
    gain = rng.integers(-2, 6, size=(8, 3)).astype(np.float64)
    cost = rng.integers(0, 5, size=(8, 3) if per_row else 3).astype(np.float64)
    scores = np.column_stack([np.zeros(8), gain])
    (row,) = gains(logged_with(scores), gain, [budget], cost)
    assert row.gain.point == pytest.approx(optimum(gain, cost, budget), abs=1e-6)
    assert row.spent <= budget + 1e-12


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    logged, truth = world(30, seed=seed, weight=rng.uniform(0.5, 2, 30), customer=rng.integers(0, 10, 30))
    order = rng.permutation(30)
    moved = replace(
        logged,
        **{name: getattr(logged, name)[order] for name in ("y", "arm", "propensity", "scores", "customer", "weight")},
    )
    before, after = gains(logged, truth, [0.3, 1.0]), gains(moved, truth[order], [0.3, 1.0])
    assert len(before) == 2
    for one, other in zip(before, after, strict=True):
        assert other.gain.point == pytest.approx(one.gain.point)
        assert other.gain.ci_upper == pytest.approx(one.gain.ci_upper)
        assert (other.price, other.contacted) == pytest.approx((one.price, one.contacted))


def test_one_predicted_number_for_all_draws_a_straight_line_through_the_hull():
    logged, _ = world(2000, seed=1)
    effects = (logged.scores[:, 1:] - logged.scores[:, :1]).mean(axis=0)
    flat = np.tile([3.0, 3.5, 9.0], (2000, 1))
    rows = gains(logged, flat, [0.0, 0.25, 0.5, 1.0, 3.0, 5.0, 7.0])
    expected = [0.0, effects[0] / 4, effects[0] / 2, effects[0], (effects[0] + effects[2]) / 2, effects[2], effects[2]]
    assert [row.gain.point for row in rows] == pytest.approx(expected)
    assert [row.spent for row in rows] == [0.0, 0.25, 0.5, 1.0, 3.0, 5.0, 5.0]
    assert [row.contacted for row in rows] == pytest.approx([0.0, 0.25, 0.5, 1.0, 1.0, 1.0, 1.0])
    assert [row.price for row in rows] == pytest.approx([np.inf, 3.0, 3.0, 3.0, 1.5, 0.0, 0.0])


def test_money_without_end_buys_the_best_predicted_offer_of_everybody():
    logged, truth = world(3000, seed=2, customer=np.arange(3000) // 2)
    best = np.where(truth.max(axis=1) > 0, truth.argmax(axis=1) + 1, 0)
    (row,) = gains(logged, truth, [100.0])
    value = policy_difference(logged, best, np.zeros(3000, dtype=np.int64))
    assert row.gain.point == pytest.approx(value.point)
    assert row.gain.ci_lower == pytest.approx(value.ci_lower)
    assert row.contacted == pytest.approx(np.mean(best > 0))
    assert row.spent == pytest.approx(np.append(0.0, COST)[best].mean())


def test_offers_that_cost_nothing_come_first_and_offers_not_on_offer_never():
    scores = np.array([[0.0, 2.0, 7.0], [0.0, 1.0, np.nan], [0.0, -1.0, 3.0]])
    rows = gains(logged_with(scores), np.nan_to_num(scores[:, 1:], nan=50.0), [0.0, 0.5, 9.0], np.array([0.0, 1.5]))
    assert [row.gain.point for row in rows] == pytest.approx([1.0, 8 / 3, 11 / 3])
    assert [row.contacted for row in rows] == pytest.approx([2 / 3, 2 / 3, 1.0])


def test_a_row_of_weight_two_is_two_rows_of_one_customer():
    rng = np.random.default_rng(3)
    times = rng.integers(1, 4, 400)
    logged, truth = world(400, seed=3, weight=times.astype(np.float64))
    who = np.repeat(np.arange(400), times)
    many = logged_with(logged.scores[who], customer=who)
    for one, other in zip(gains(logged, truth, [0.4, 50.0]), gains(many, truth[who], [0.4, 50.0]), strict=True):
        assert one.gain.point == pytest.approx(other.gain.point)
        assert (one.contacted, one.spent, one.price) == pytest.approx((other.contacted, other.spent, other.price))
    assert one.gain.ci_upper == pytest.approx(other.gain.ci_upper)


def test_the_interval_is_that_of_the_jackknife_over_customers():
    logged, truth = world(600, seed=4, customer=np.arange(600) // 3)
    (row,) = gains(logged, truth, [0.5])
    left_out = []
    for who in range(200):
        kept = logged.customer != who
        few = logged_with(logged.scores[kept], customer=logged.customer[kept])
        left_out.append(gains(few, truth[kept], [0.5])[0].gain.point)
    jackknife = np.sqrt(199 / 200 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert (row.gain.ci_upper - row.gain.point) / 1.959964 == pytest.approx(jackknife, rel=0.05)


def test_the_difference_of_two_models_is_paired():
    logged, truth = world(5000, seed=5)
    models = {"ours": truth, "close": truth + 0.1 * np.random.default_rng(6).normal(size=truth.shape)}
    rows = budget_curves(logged, models, against="close", cost=COST, budgets=[0.5]).rows
    ours, close = rows
    assert close.difference is None
    assert ours.difference.point == pytest.approx(ours.gain.point - close.gain.point)
    assert ours.difference.ci_upper - ours.difference.ci_lower < 0.5 * (ours.gain.ci_upper - ours.gain.ci_lower)


def test_nobody_worth_a_contact_spends_nothing():
    logged, truth = world(20, seed=7)
    (row,) = gains(logged, -np.abs(truth), [1.0])
    assert (row.gain.point, row.spent, row.contacted, row.price) == (0.0, 0.0, 0.0, 0.0)


def test_what_cannot_be_spent_on_is_refused():
    logged, truth = world(5, seed=8)
    with pytest.raises(DataError, match="no model 'b' to compare against; there are a"):
        budget_curves(logged, {"a": truth}, against="b", cost=COST, budgets=[1.0])
    with pytest.raises(DataError, match="do not fit 5 rows and 3 offers"):
        gains(logged, truth[:, :2], [1.0])
    with pytest.raises(DataError, match="predicted gain: 1 of 15 values are not finite"):
        gains(logged, np.where(np.arange(15).reshape(5, 3) == 4, np.nan, truth), [1.0])
    with pytest.raises(DataError, match="no rows to spend a budget on"):
        gains(logged_with(np.zeros((0, 4))), np.zeros((0, 3)), [1.0])
    with pytest.raises(DataError, match="cost: 1 of 3 values are below 0"):
        gains(logged, truth, [1.0], np.array([1.0, -1.0, 2.0]))
    with pytest.raises(DataError, match="budgets: 2 of 3 are below 0 or missing"):
        gains(logged, truth, [1.0, -1.0, np.nan])
