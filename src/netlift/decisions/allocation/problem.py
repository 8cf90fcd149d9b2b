"""The allocation problem: values, costs, a budget, and limits on sets of options.

    maximise   Σ_ia value_ia · z_ia,    z_ia in {0, 1},   Σ_a z_ia ≤ 1 for each customer i
    subject to Σ_ia cost_ia · z_ia ≤ budget
               least_k ≤ Σ_ia usage_ka · z_ia ≤ most_k    for each limit k

An option is an offer over a channel. Doing nothing is worth 0, uses nothing and is always allowed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from netlift.errors import DataError, GateRefusedError

BUDGET = "budget"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much some options may, or must, be used together: an offer's stock, a channel's capacity, a minimum volume.

    Attributes:
        name: As a reader of prices will see it, such as "channel sms".
        options: Columns of the value array that count against it.
        most: No more than this; None for no upper limit.
        least: No less than this; None for no minimum.
        usage: What one customer with the option uses, parallel to `options` (minutes of a call, say); None for 1 each.

    Examples:
        >>> Limit(name="calls per day", options=(2, 3), most=500).per_option(4)
        array([0., 0., 1., 1.])
    """

    name: str
    options: tuple[int, ...]
    most: float | None = None
    least: float | None = None
    usage: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for side, value in (("most", self.most), ("least", self.least)):
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise DataError(f"limit {self.name!r}: {side} is {value}, it must be a finite number not below 0")
        if self.most is not None and self.least is not None and self.most < self.least:
            raise DataError(
                f"limit {self.name!r}: most {self.most:g} is below least {self.least:g} by "
                f"{self.least - self.most:g}; raise the one or lower the other"
            )
        if self.usage is not None and (len(self.usage) != len(self.options) or not all(u >= 0 for u in self.usage)):
            raise DataError(
                f"limit {self.name!r}: usage {self.usage} for options {self.options}; give one number not below 0 each"
            )
        if len(set(self.options)) != len(self.options):
            raise DataError(f"limit {self.name!r}: an option is there twice in {self.options}")

    def per_option(self, m: int) -> np.ndarray:
        """Usage of each of m options, 0 for those that do not count against it."""
        row = np.zeros(m)
        row[list(self.options)] = 1.0 if self.usage is None else self.usage
        return row


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Customers, options, and what binds them together.

    Attributes:
        value: Expected profit of each option for each customer in currency, float32 or float64, shape (n, m); minus
            infinity where the option is not eligible.
        cost: What an option takes from the budget, in currency, not below 0, shape (n, m) or (m,).
        eligible: Where an option may be given, shape (n, m); None where `value` says it all.
        budget: Money to spend at most, in currency; None for no budget.
        limits: Limits on the use of options.

    Raises:
        DataError: Arrays that do not fit each other; values or costs that are missing, costs below 0, a negative
            budget, two limits of one name, an option that does not exist.
        GateRefusedError: A minimum above what all eligible customers together could use.

    Examples:
        >>> problem = Problem(value=np.array([[3.0, 5.0], [2.0, -np.inf]]), cost=np.array([1.0, 2.0]), budget=2.0,
        ...                   limits=(Limit(name="offer B", options=(1,), most=1),))
        >>> problem.n, problem.m
        (2, 2)
    """

    value: np.ndarray
    cost: np.ndarray
    eligible: np.ndarray | None = None
    budget: float | None = None
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_numbers(self)
        _check_limits(self)

    @property
    def n(self) -> int:
        """Customers."""
        return int(self.value.shape[0])

    @property
    def m(self) -> int:
        """Options."""
        return int(self.value.shape[1])

    @cached_property
    def net(self) -> np.ndarray:
        """The values, minus infinity wherever an option is not eligible, shape (n, m)."""
        value = self.value if self.value.dtype in (np.float32, np.float64) else self.value.astype(np.float64)
        if self.eligible is not None:
            value = np.where(self.eligible, value, value.dtype.type(-np.inf))
        return np.ascontiguousarray(value)

    @cached_property
    def own_cost(self) -> np.ndarray:
        """Costs that differ from customer to customer, shape (n, m); shape (0, m) where none do or no budget binds."""
        if self.budget is None or self.cost.ndim == 1:
            return np.zeros((0, self.m))
        cost = self.cost if self.cost.dtype in (np.float32, np.float64) else self.cost.astype(np.float64)
        return np.ascontiguousarray(cost)

    @cached_property
    def usage(self) -> np.ndarray:
        """What one customer with an option uses of each limit, the budget last, shape (limits + 1, m).

        The budget's row is 0 where the cost is each customer's own.
        """
        money = self.cost if self.budget is not None and self.cost.ndim == 1 else np.zeros(self.m)
        return np.vstack([*(limit.per_option(self.m) for limit in self.limits), money]).astype(np.float64)

    @cached_property
    def most(self) -> np.ndarray:
        """Upper limits, the budget last, infinite where there is none, shape (limits + 1,)."""
        upper = [limit.most for limit in self.limits] + [self.budget]
        return np.array([math.inf if each is None else each for each in upper], dtype=np.float64)

    @cached_property
    def least(self) -> np.ndarray:
        """Minimums, 0 where there is none, shape (limits + 1,)."""
        return np.array([limit.least or 0.0 for limit in self.limits] + [0.0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the limits, the budget last."""
        return (*(limit.name for limit in self.limits), BUDGET)


def keep_back(problem: Problem, *, share: float) -> Problem:
    """The problem with a share of the budget and of every upper limit kept back, such as for exploration.

    Limits in customers are rounded down to whole ones; minimums stay.

    Args:
        problem: The whole.
        share: Part to keep back, from 0 to below 1.

    Raises:
        DataError: A share outside [0, 1); a minimum above what is left.

    Examples:
        >>> whole = Problem(value=np.ones((4, 1)), cost=np.ones(1), budget=10.0,
        ...                 limits=(Limit(name="mail", options=(0,), most=3),))
        >>> rest = keep_back(whole, share=0.1)
        >>> rest.budget, rest.limits[0].most
        (9.0, 2.0)
    """
    if not 0 <= share < 1:
        raise DataError(f"share to keep back is {share}, it must be from 0 to below 1")
    kept = {limit.name: share * limit.most for limit in problem.limits if limit.most is not None}
    if problem.budget is not None:
        kept[BUDGET] = share * problem.budget
    return after_use(problem, kept)


def after_use(problem: Problem, used: Mapping[str, float]) -> Problem:
    """What is left of the problem's budget and limits after some of each is taken.

    Args:
        problem: The whole.
        used: Name of the limit, or "budget", to what is taken of it. Minimums stay as they are.

    Raises:
        DataError: A name that is no limit of the problem; more taken than there is.

    Examples:
        >>> whole = Problem(value=np.ones((4, 1)), cost=np.ones(1), budget=10.0)
        >>> after_use(whole, {"budget": 2.5}).budget
        7.5
    """
    unknown = sorted(set(used) - set(problem.names))
    if unknown:
        raise DataError(f"use of {unknown[0]!r}, which is no limit here; there are {', '.join(problem.names)}")
    limits = []
    for limit in problem.limits:
        most = None if limit.most is None else _left(limit.name, limit.most, used)
        whole = most is not None and limit.usage is None
        limits.append(replace(limit, most=math.floor(most + 1e-9) * 1.0 if whole and most is not None else most))
    budget = None if problem.budget is None else _left(BUDGET, problem.budget, used)
    return replace(problem, limits=tuple(limits), budget=budget)


def _left(name: str, most: float, used: Mapping[str, float]) -> float:
    left = most - used.get(name, 0.0)
    if left < 0:
        raise DataError(f"limit {name!r}: {used[name]:g} taken of {most:g}, {-left:g} too many")
    return left


def _check_shapes(problem: Problem) -> None:
    value, cost, eligible = problem.value, problem.cost, problem.eligible
    if value.ndim != 2 or value.shape[1] == 0:
        raise DataError(f"value has shape {value.shape}; it must be (customers, options) with at least one option")
    if cost.shape not in (value.shape, value.shape[1:]):
        raise DataError(f"cost has shape {cost.shape}; it must be {value.shape} or {value.shape[1:]}")
    if eligible is not None and (eligible.shape != value.shape or eligible.dtype != np.bool_):
        raise DataError(f"eligible is {eligible.dtype} of shape {eligible.shape}; it must be bool of {value.shape}")


def _check_numbers(problem: Problem) -> None:
    if not problem.net.max(initial=-np.inf) < np.inf:  # the largest is NaN where one is
        bad = ~(problem.net < np.inf)
        option = int(np.argmax(bad.sum(axis=0)))
        raise DataError(
            f"value: {int(bad.sum())} of {bad.size} are missing or infinite where eligible, most in option {option}; "
            "give a finite number, or minus infinity where the option is not eligible"
        )
    low, high = problem.cost.min(initial=0.0), problem.cost.max(initial=0.0)
    if not (low >= 0 and high < np.inf):
        bad = ~((problem.cost >= 0) & (problem.cost < np.inf))
        raise DataError(f"cost: {int(bad.sum())} of {bad.size} are missing, infinite or below 0; costs are not below 0")
    if problem.budget is not None and not (problem.budget >= 0 and math.isfinite(problem.budget)):
        raise DataError(f"budget is {problem.budget}; it must be a finite number not below 0, or None for no budget")


def _check_limits(problem: Problem) -> None:
    twice = [name for name, count in Counter(problem.names).items() if count > 1]
    if twice:
        raise DataError(f"two limits are called {twice[0]!r}; prices are reported by name, so give each its own")
    for limit in problem.limits:
        astray = [option for option in limit.options if not 0 <= option < problem.m]
        if astray:
            raise DataError(f"limit {limit.name!r}: option {astray[0]} does not exist, there are {problem.m}")
        if limit.least:
            reach = _reach(problem.net, limit.per_option(problem.m))
            if reach < limit.least:
                raise GateRefusedError(
                    f"limit {limit.name!r}: the minimum of {limit.least:g} is {limit.least - reach:g} above the "
                    f"{reach:g} that all eligible customers together can use; lower it or widen eligibility"
                )


def _reach(net: np.ndarray, usage: np.ndarray) -> float:
    """The most that all customers could use of a limit, one option each."""
    best = np.zeros(len(net))
    for option in np.flatnonzero(usage):
        np.maximum(best, usage[option], where=net[:, option] > -np.inf, out=best)
    return float(best.sum())
