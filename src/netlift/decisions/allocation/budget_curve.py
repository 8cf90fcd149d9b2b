"""Budget curve: profit, shadow price and use of limits over a grid of budgets.

Each budget is allocated anew, from the prices of the one before. The bound is concave in the budget and its slope is
the price of money, so that a point between two budgets earns no less than the straight line between their profits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.problem import BUDGET, Problem
from netlift.decisions.allocation.result import BudgetPoint
from netlift.errors import DataError
from netlift.results import Table


def budget_path(problem: Problem, *, budgets: Sequence[float] | np.ndarray) -> Table[BudgetPoint]:
    """The best use of every budget of a grid, all other limits unchanged.

    Args:
        problem: What is allocated; its own budget is not used.
        budgets: In currency, each not below 0.

    Raises:
        DataError: No budgets, or one that is below 0.
        GateRefusedError: Limits that cannot be met together within one of the budgets, named.

    Examples:
        >>> problem = Problem(value=np.array([[3.0, 5.0], [2.0, 4.0]]), cost=np.array([1.0, 2.0]))
        >>> [(row.budget, row.profit, row.spent) for row in budget_path(problem, budgets=[0, 1, 2, 4])]
        [(0.0, 0.0, 0.0), (1.0, 3.0, 1.0), (2.0, 5.0, 2.0), (4.0, 9.0, 4.0)]
    """
    if not len(budgets):
        raise DataError("no budgets to draw a path over; give at least one")
    points: dict[float, BudgetPoint] = {}
    start = None
    for budget in sorted(set(map(float, budgets))):
        best = allocate(replace(problem, budget=budget), start=start)
        start = best.row_prices
        points[budget] = BudgetPoint(
            budget=budget,
            spent=best.spent,
            profit=best.profit,
            bound=best.bound,
            gap=best.gap,
            price=next(price.price for price in best.prices if price.name == BUDGET),
            customers=int(np.count_nonzero(best.choice >= 0)),
            binding=tuple(price.name for price in best.prices if price.binding),
        )
    return Table(name="profit by budget", rows=tuple(points[float(budget)] for budget in budgets))
