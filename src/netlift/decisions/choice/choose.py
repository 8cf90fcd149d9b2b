"""The decision for all customers: value, eligibility, exploration, allocation, reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.decisions.allocation.allocate import Allocation, allocate
from netlift.decisions.allocation.dual import Prices, choose_by_prices
from netlift.decisions.allocation.exploration import NONE, Draw, Exploration, draw_decisions, draw_exploration
from netlift.decisions.allocation.problem import Limit, Problem, after_use
from netlift.decisions.choice.value import OptionValues
from netlift.decisions.eligibility.eligibility import Customers, Eligibility, find_eligible
from netlift.decisions.eligibility.options import Option, Used, left_to_spend, make_limits
from netlift.decisions.eligibility.reasons import Reason, Refusal, explain
from netlift.decisions.new_offers.plan import NewOffers
from netlift.errors import GateRefusedError

NO_RUNNER_UP = -2


@dataclass(frozen=True, kw_only=True, eq=False)
class Decided:
    """What every customer gets and why, arrays in the order of customers.

    Attributes:
        options: The options, m of them.
        values: Their money.
        value: Expected profit as the allocation saw it, minus infinity where not open, float32, shape (n, m).
        eligibility: What is open to whom.
        exploration: What chance drew before the others were served.
        allocation: What the others were given, and the prices.
        shared: What exploration left to share out: the problem that the allocation solved.
        policy: What the policy gives, -1 for none; for those who explore, what it would have given, shape (n,).
        draw: What each gets, with its chances.
        reason: Code of `Reason` or `Refusal`, uint8, shape (n,).
        runner_up: The next best option, -1 for none, `NO_RUNNER_UP` where nothing was open, int16, shape (n,).
    """

    options: tuple[Option, ...]
    values: OptionValues
    value: np.ndarray
    eligibility: Eligibility
    exploration: Exploration
    allocation: Allocation
    shared: Problem
    policy: np.ndarray
    draw: Draw
    reason: np.ndarray
    runner_up: np.ndarray

    def with_steps(self, option: np.ndarray) -> Decided:
        """The same with what journeys give to customers who have nothing open besides.

        Args:
            option: Option of each customer, -1 for none, shape (n,).
        """
        reason = np.where(option >= 0, np.uint8(Reason.JOURNEY), self.reason)
        return replace(self, draw=self.draw.with_steps(option), reason=reason)


def choose(  # noqa: PLR0913 - all that one decision is made from
    decision: DecisionSettings,
    options: tuple[Option, ...],
    customers: Customers,
    values: OptionValues,
    *,
    words: np.ndarray,
    as_of: datetime,
    is_list: bool = False,
    used: Used | None = None,
    new: NewOffers | None = None,
    stopped: Collection[int] = (),
) -> Decided:
    """Decide for all customers together.

    Args:
        decision: The rules.
        options: The options, m of them.
        customers: What is known of n customers.
        values: Expected money of each option.
        words: 64 bits of each customer that exploration draws by, uint64, shape (n,).
        as_of: Moment of the decision, local time.
        is_list: Whether it is a trigger's list, which may be empty and has no minimum volumes to meet.
        used: What other runs, and the journeys of this one, have used of what day and month allow; None for nothing.
        new: New offers; a list of a trigger does not try them. None for none.
        stopped: Positions of options that an operator has stopped, whose minimum volumes do not hold.

    Raises:
        GateRefusedError: Nothing is open to anybody, or minimum volumes cannot be met, named.
        ConfigError: Conditions on what is not known of customers.
    """
    names = [option.offer_id for option in options]
    trials = None if new is None or is_list else new.trials(names)
    retired = [] if new is None else [names.index(name) for name in new.of("retired") if name in names]
    eligibility = find_eligible(
        decision,
        options,
        customers,
        as_of=as_of,
        tried=trials.options if trials else (),
        retired=retired,
        stopped=stopped,
    )
    explorable = eligibility.explorable
    waits = np.isin(eligibility.refused, (Refusal.OPEN_WINDOW, Refusal.IN_JOURNEY, Refusal.STOPPED)).any()
    if not explorable.any() and not is_list and not waits:
        raise GateRefusedError(_nothing_open(eligibility))
    value = values.profit().astype(np.float32)
    value[~eligibility.eligible] = -np.inf
    used = used or Used()
    limits = make_limits(decision, options, used)
    if is_list:
        limits = tuple(replace(limit, least=None) for limit in limits if limit.options)
    limits = tuple(
        replace(limit, least=None) if limit.options and {*limit.options} <= {*stopped} else limit for limit in limits
    )
    _require_trained(limits, options, customers.has_effect)
    problem = Problem(value=value, cost=values.cost(), budget=left_to_spend(decision, used), limits=limits)
    exploration = draw_exploration(
        words,
        explorable,
        problem,
        epsilon=decision.explore.epsilon,
        most_of_limits=decision.explore.most_of_limits,
        trials=trials,
    )
    shared, allocation = _share_out(problem, exploration)
    policy = allocation.choice.copy()
    explores = exploration.explores
    cost = problem.cost if problem.cost.ndim == 1 else problem.cost[explores]
    policy[explores] = choose_by_prices(value[explores], cost, None, allocation.charges)
    draw = draw_decisions(policy, explorable, exploration, held_out=customers.held_out)
    return Decided(
        options=options,
        values=values,
        value=value,
        eligibility=eligibility,
        exploration=exploration,
        allocation=allocation,
        shared=shared,
        policy=policy,
        draw=draw,
        reason=explain(eligibility.refused, value, draw, _month_used(problem, decision, used)),
        runner_up=_runner_up(value, problem.cost, explorable, draw.option, allocation.charges),
    )


def _share_out(problem: Problem, exploration: Exploration) -> tuple[Problem, Allocation]:
    """What exploration leaves to share out, and what the policy gives of it.

    Raises:
        GateRefusedError: Limits that cannot be met together, and what exploration has had of them.
    """
    try:
        shared = _left_over(problem, exploration)
        return shared, allocate(shared)
    except GateRefusedError as error:
        who = int(exploration.explores.sum())
        had = ", ".join(f"{name} {amount:,.0f}" for name, amount in exploration.used.items() if amount)
        drawn = f". These are what exploration left: it drew for {who:,} customers, and used {had or 'none of it'}"
        raise GateRefusedError(f"{error}{drawn if who else ''}") from error


def _require_trained(limits: Sequence[Limit], options: Sequence[Option], has_effect: np.ndarray) -> None:
    """Refuse a minimum for offers that only chance may give.

    Raises:
        GateRefusedError: The limit.
    """
    for limit in limits:
        unknown = [options[j].offer_id for j in limit.options if not has_effect[:, j].any()]
        if limit.least and len(unknown) == len(limit.options) and len(has_effect):
            raise GateRefusedError(
                f"limit {limit.name!r}: a minimum of {limit.least:g}, and no model knows the effect of "
                f"{', '.join(unknown)}, so that chance alone may give it; take at_least away until `netlift train "
                "uplift` has a campaign with it"
            )


def _month_used(problem: Problem, decision: DecisionSettings, used: Used) -> np.ndarray:
    """Options that the calendar month has nothing left for, bool, shape (n, m)."""
    found = np.zeros((problem.n, problem.m), dtype=bool)
    if decision.monthly_budget is not None and used.spent >= decision.monthly_budget:
        found |= problem.cost > 0
    for family, rules in (("offer", decision.offers), ("channel", decision.channels)):
        for name, rule in rules.items():
            called = f"{family} {name}"
            if rule.monthly_at_most is not None and used.month.get(called, 0.0) >= rule.monthly_at_most:
                own = next((limit.options for limit in problem.limits if limit.name == called), ())
                found[:, list(own)] = True
    return found


def _left_over(problem: Problem, exploration: Exploration) -> Problem:
    """What is left for the policy: the other customers, and what exploration leaves of every limit and minimum."""
    value = problem.value.copy()
    value[exploration.explores] = -np.inf
    return after_use(replace(problem, value=value, limits=_lowered(problem, exploration)), exploration.used)


def _lowered(problem: Problem, exploration: Exploration) -> tuple[Limit, ...]:
    """Limits whose minimums are lower by what exploration gives already."""
    used = exploration.used
    return tuple(
        limit if not limit.least else replace(limit, least=max(0.0, limit.least - used[limit.name]) or None)
        for limit in problem.limits
    )


def _runner_up(
    value: np.ndarray, cost: np.ndarray, explorable: np.ndarray, given: np.ndarray, prices: Prices
) -> np.ndarray:
    """The next best option of each customer at the prices; without an offer, the one of the highest value above 0."""
    n = len(value)
    runner = np.full(n, NO_RUNNER_UP, dtype=np.int16)
    runner[explorable.any(axis=1)] = NONE
    gain = value - prices.per_option.astype(np.float32)
    if cost.ndim == 2:
        gain -= (prices.money * cost).astype(np.float32)
    has = np.flatnonzero(given >= 0)
    gain[has, given[has]] = -np.inf
    without = given < 0
    gain[without] = value[without]
    best = gain.argmax(axis=1)
    pays = gain[np.arange(n), best] > 0
    runner[pays] = best[pays]
    return runner


def _nothing_open(eligibility: Eligibility) -> str:
    told = "; ".join(
        f"{offer}: " + ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in counts.items())
        for offer, counts in eligibility.counts.items()
    )
    return (
        "no offer is open to anybody, so there is nothing to decide and nothing was written; change what closes most "
        f"of them. Customers by the first reason: {told}"
    )


def spent(decided: Decided, rows: np.ndarray) -> float:
    """Contacts and expected rewards of some customers, in currency."""
    option = decided.draw.option[rows]
    cost = decided.values.cost()
    taken = np.flatnonzero(option >= 0)
    if cost.ndim == 1:
        return float(cost[option[taken]].sum())
    return float(cost[rows[taken], option[taken]].sum())


def names_of(options: Sequence[Option]) -> np.ndarray:
    """Offers by position with "none" last, so that -1 is none, object, shape (m + 1,)."""
    return np.array([*(option.offer_id for option in options), "none"], dtype=object)


__all__ = ["NO_RUNNER_UP", "Decided", "Reason", "Refusal", "choose", "names_of", "spent"]
