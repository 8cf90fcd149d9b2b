"""Profit against budget: rises, ever more slowly, and every point is its own allocation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.budget_curve import budget_path
from netlift.decisions.allocation.problem import Limit, Problem
from netlift.errors import DataError

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
PROBLEM = Problem(
    value=RNG.lognormal(0, 1, (3_000, 3)) - 0.5,
    cost=RNG.gamma(2, 0.5, (3_000, 3)),
    limits=(Limit(name="calls", options=(1, 2), most=900),),
)


def test_the_path_rises_ever_more_slowly_and_ends_where_money_is_left() -> None:
    rows = budget_path(PROBLEM, budgets=[0, 100, 200, 400, 800, 1_600, 100_000]).rows
    bound, budget = np.array([row.bound for row in rows]), np.array([row.budget for row in rows])
    slopes = np.diff(bound) / np.diff(budget)
    assert rows[0].profit == 0 and (np.diff(bound) > -1e-6).all() and (np.diff(slopes) < 1e-9).all()
    assert all(row.spent <= row.budget * (1 + 1e-9) and row.gap < 1e-4 for row in rows)
    assert "budget" in rows[3].binding and "budget" not in rows[-1].binding and rows[-1].price == pytest.approx(0)
    prices = [row.price for row in rows]
    for left, right, slope in zip(prices[1:-2], prices[2:-1], slopes[1:], strict=False):
        assert right * (1 - 1e-3) <= slope <= left * (1 + 1e-3)


def test_a_point_of_the_path_is_the_allocation_of_its_budget() -> None:
    row = budget_path(PROBLEM, budgets=[150, 300]).rows[1]
    best = allocate(replace(PROBLEM, budget=300.0))
    assert row.profit == pytest.approx(best.profit, rel=2e-5)
    assert row.customers == pytest.approx(np.count_nonzero(best.choice >= 0), abs=5)


def test_budgets_come_back_in_the_order_asked() -> None:
    assert [row.budget for row in budget_path(PROBLEM, budgets=[300, 0, 300])] == [300, 0, 300]


def test_no_budgets_and_negative_ones_are_refused() -> None:
    with pytest.raises(DataError, match="no budgets"):
        budget_path(PROBLEM, budgets=[])
    with pytest.raises(DataError, match="budget is -1"):
        budget_path(PROBLEM, budgets=[-1])
