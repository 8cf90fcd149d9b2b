"""Remaining budgets and capacities while steps are sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from netlift.config.decision import DecisionSettings
from netlift.decisions.allocation.problem import BUDGET
from netlift.decisions.eligibility.options import Option, Used, left_to_spend, make_limits

NO_BUDGET, NO_CAPACITY = "no_budget", "no_capacity"
ROUNDING = 1e-9


class ContactRoom:
    """Budgets and capacities of a run, as steps take from them.

    Args:
        decision: The rules.
        options: The options, m of them.
        used: What other runs have used of what day and month allow.
    """

    def __init__(self, decision: DecisionSettings, options: Sequence[Option], used: Used) -> None:
        self._options, self._used = options, used
        limits = [limit for limit in make_limits(decision, options, used) if limit.most is not None]
        self._left = {limit.name: limit.most or 0.0 for limit in limits}
        self._of = [[limit.name for limit in limits if j in limit.options] for j in range(len(options))]
        self._money, self._spent = left_to_spend(decision, used), 0.0
        self._taken: Counter[str] = Counter()

    def take(self, option: int, cost: float) -> str:
        """Take a contact's place and its cost in currency; the reason where there is none, and nothing is taken."""
        if any(self._left[name] < 1 for name in self._of[option]):
            return NO_CAPACITY
        if self._money is not None and self._spent + cost > self._money + ROUNDING:
            return NO_BUDGET
        self._spent += cost
        for name in self._of[option]:
            self._left[name] -= 1
        one = self._options[option]
        self._taken.update([f"offer {one.offer_id}", f"channel {one.channel}"])
        return ""

    @property
    def taken(self) -> dict[str, float]:
        """What these steps took, by the names of limits; of the budget in currency."""
        return {**self._taken, BUDGET: self._spent}

    @property
    def used(self) -> Used:
        """What other runs and these steps have used together."""
        return replace(
            self._used,
            today=Counter(self._used.today) + self._taken,
            month=Counter(self._used.month) + self._taken,
            run=self._used.run + self._spent,
        )


__all__ = ["NO_BUDGET", "NO_CAPACITY", "ContactRoom"]
