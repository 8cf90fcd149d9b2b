"""allocate: at most one option a customer under a budget and caps, by the allocator of `netlift decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from netlift.decisions.allocation.allocate import Allocation
from netlift.decisions.allocation.allocate import allocate as solve
from netlift.decisions.allocation.problem import Limit, Problem
from netlift.decisions.allocation.result import Price
from netlift.frames.columns import FrameError, read_frame, read_numbers
from netlift.results import Table, Told, format_number

NOTHING = "none"


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerChoices(Told):
    """Who gets what, and what the limits are worth.

    Attributes:
        choices: Option of each customer, "none" for none, with the index of the values.
        profit: Sum of the chosen values.
        gap: How far below the best possible that may be, as a share of it: none earns more than profit and gap.
        prices: Shadow price of each limit: what one more unit of it would earn.
        spent: Sum of the chosen costs.
        solved: The allocation itself.
    """

    choices: pd.Series
    profit: float
    gap: float
    prices: Table[Price]
    spent: float
    solved: Allocation

    def to_text(self) -> str:
        """The allocation for people."""
        return "\n".join([str(self.solved), f"spent {format_number(self.spent)}", *map(str, self.prices)])

    def __str__(self) -> str:
        return self.to_text()


def allocate(
    value: Any, cost: Any = 0.0, *, budget: float | None = None, caps: Mapping[Any, float] | None = None
) -> CustomerChoices:
    """Choose at most one option for each customer, for the most value within a budget and caps.

    Args:
        value: Expected profit of each option for each customer, a column an option; missing where it is not eligible.
        cost: What an option takes from the budget: one number, a mapping from option to number, or a table as `value`.
        budget: To spend at most; None for no budget.
        caps: Option to the most customers who may have it.

    Raises:
        FrameError: Options that `value` does not have, or tables of other sizes.
        DataError: Costs or a budget below zero.
        GateRefusedError: Limits that cannot be met together.

    References:
        See `netlift.decisions.allocation.allocate`: Lagrangian prices, exact near ties, a bound that certifies the gap.

    Examples:
        >>> value = pd.DataFrame({"mail": [3.0, 2.0, 1.0], "call": [5.0, 4.5, 4.0]}, index=["ann", "bob", "cem"])
        >>> found = allocate(value, {"mail": 0.1, "call": 2.0}, budget=5.0, caps={"call": 1})
        >>> found.choices.to_dict(), found.gap
        ({'ann': 'mail', 'bob': 'mail', 'cem': 'call'}, 0.0)
    """
    table = read_frame(value, "value")
    options = list(table.columns)
    worth = np.column_stack([_column(table[name], name) for name in options])
    limits = []
    for name, most in dict(caps or {}).items():
        if str(name) not in options:
            raise FrameError(f"caps: no option is called {name!r}; there are {', '.join(options)}")
        limits.append(Limit(name=str(name), options=(options.index(str(name)),), most=float(most)))
    solved = solve(Problem(value=worth, cost=_costs(cost, options, len(table)), budget=budget, limits=tuple(limits)))
    names = np.array([*options, NOTHING], dtype=object)
    return CustomerChoices(
        choices=pd.Series(names[solved.choice], index=table.index, name="choice"),
        profit=solved.profit,
        gap=solved.gap,
        prices=Table(name="shadow prices", rows=solved.prices),
        spent=solved.spent,
        solved=solved,
    )


def _column(column: pd.Series, name: str) -> np.ndarray:
    filled = column.where(column.notna(), 0.0)
    return np.where(column.isna(), -np.inf, read_numbers(filled, rows=len(column), name=f"value of {name}"))


def _costs(cost: Any, options: list[str], rows: int) -> np.ndarray:
    """Shape (m,) or (n, m)."""
    if isinstance(cost, Mapping):
        cost = {str(name): each for name, each in cost.items()}
        unlike = sorted(set(cost) ^ set(options))
        if unlike:
            raise FrameError(f"cost: {', '.join(unlike)} is not both in cost and an option; give each option its cost")
        return np.array([float(cost[name]) for name in options])
    if np.ndim(cost) == 0 and not hasattr(cost, "columns"):
        return np.full(len(options), float(cost))
    table = read_frame(cost, "cost")
    names = options if not isinstance(cost, np.ndarray) else list(table.columns)
    if len(table) != rows or table.shape[1] != len(options) or set(names) != set(map(str, table.columns)):
        raise FrameError(f"cost has shape {table.shape}, value ({rows}, {len(options)}); they need the same columns")
    return np.column_stack([read_numbers(table[name], rows=rows, name=f"cost of {name}") for name in names])


__all__ = ["CustomerChoices", "allocate"]
