"""Options of a run: offers and channels with their config and table fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from netlift.config.criteria import Criterion
from netlift.config.decision import DecisionSettings
from netlift.config.settings import did_you_mean
from netlift.decisions.allocation.problem import Limit
from netlift.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Option:
    """An offer over its channel.

    Attributes:
        offer_id: The offer.
        channel: Its channel.
        contact_cost: Currency per contact.
        reward: Currency per redeemer; None for what past contacts paid.
        redeemed_by: Share of the contacted who redeem; None for what past contacts did.
        fatigue: Currency per contact.
        save_rate: Share of those about to leave whom it keeps; 0 where it claims nothing.
        criteria: Conditions of eligibility.
        valid_from: First moment; None where it always was valid.
        valid_to: Last moment; None where it always will be.
    """

    offer_id: str
    channel: str
    contact_cost: float
    reward: float | None
    redeemed_by: float | None
    fatigue: float
    save_rate: float
    criteria: tuple[Criterion, ...]
    valid_from: datetime | None
    valid_to: datetime | None

    def is_valid(self, moment: datetime) -> bool:
        """Whether it may go out at a moment."""
        return (self.valid_from is None or self.valid_from <= moment) and not self.is_over(moment)

    def is_over(self, moment: datetime) -> bool:
        """Whether it ended before a moment."""
        return self.valid_to is not None and self.valid_to < moment


def make_options(settings: DecisionSettings, known: Mapping[str, Mapping[str, Any]]) -> tuple[Option, ...]:
    """The options of the config, in its order.

    Args:
        settings: The rules.
        known: Offer to its row of `offers`: channel, contact_cost, valid_from, valid_to (None where missing).

    Raises:
        ConfigError: Offers that the table does not have, or has over another channel; all at once.
    """
    mistakes = []
    for name, offer in settings.offers.items():
        if name not in known:
            mistakes.append(f"decision.offers.{name}: the table offers has no such offer{did_you_mean(name, [*known])}")
        elif known[name]["channel"] != offer.channel:
            mistakes.append(
                f"decision.offers.{name}: goes over {offer.channel!r} here and over {known[name]['channel']!r} in the "
                "table offers; correct one of them"
            )
        elif offer.contact_cost is None and not _is_cost(known[name]["contact_cost"]):
            mistakes.append(
                f"decision.offers.{name}: contact_cost is {known[name]['contact_cost']} in the table offers; correct "
                "it there, or give contact_cost here"
            )
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return tuple(_make_option(settings, name, known[name]) for name in settings.offers)


def _make_option(settings: DecisionSettings, name: str, row: Mapping[str, Any]) -> Option:
    offer = settings.offers[name]
    return Option(
        offer_id=name,
        channel=offer.channel,
        contact_cost=float(row["contact_cost"]) if offer.contact_cost is None else offer.contact_cost,
        reward=offer.reward,
        redeemed_by=offer.redeemed_by,
        fatigue=settings.channels[offer.channel].fatigue,
        save_rate=offer.save_rate or 0.0,
        criteria=offer.criteria,
        valid_from=offer.first_moment or row.get("valid_from"),
        valid_to=offer.last_moment or row.get("valid_to"),
    )


@dataclass(frozen=True, kw_only=True)
class Used:
    """What other runs have used of what a day and a calendar month allow.

    Attributes:
        today: Name of a limit, such as "channel sms", to contacts of the day.
        month: The same to contacts of the month.
        spent: Currency that other runs of the month are expected to spend.
        run: Currency that this run spends on what goes before all else.
    """

    today: Mapping[str, float] = field(default_factory=dict)
    month: Mapping[str, float] = field(default_factory=dict)
    spent: float = 0.0
    run: float = 0.0


def make_limits(settings: DecisionSettings, options: Sequence[Option], used: Used) -> tuple[Limit, ...]:
    """What day and month leave of the config's limits on offers and channels, as the allocation takes them.

    What is short by the month is so for minimums of a day too.
    """
    limits = []
    for family, rules in (("offer", settings.offers), ("channel", settings.channels)):
        for name, rule in rules.items():
            called = f"{family} {name}"
            own = tuple(j for j, o in enumerate(options) if name == (o.offer_id if family == "offer" else o.channel))
            day, month = _left(rule.at_most, used.today, called), _left(rule.monthly_at_most, used.month, called)
            most = min((left for left in (day, month) if left is not None), default=None)
            least = max(0.0, getattr(rule, "at_least", 0) - used.today.get(called, 0.0))
            least = least if month is None else min(least, month)
            if (most is not None or least) and (own or family == "offer"):
                limits.append(Limit(name=called, options=own, most=most, least=least or None))
    return tuple(limits)


def left_to_spend(settings: DecisionSettings, used: Used) -> float | None:
    """Currency that run and month leave for contacts and rewards; None for no limit."""
    budgets = ((settings.budget, used.run), (settings.monthly_budget, used.spent + used.run))
    return min((max(0.0, most - taken) for most, taken in budgets if most is not None), default=None)


def _left(most: float | None, used: Mapping[str, float], name: str) -> float | None:
    return None if most is None else max(0.0, most - used.get(name, 0.0))


def per_option(options: Sequence[Option], name: str) -> np.ndarray:
    """One number of every option, NaN where it is None, float64, shape (m,)."""
    return np.array([math.nan if getattr(o, name) is None else getattr(o, name) for o in options], dtype=np.float64)


def _is_cost(value: Any) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


__all__ = ["Option", "Used", "left_to_spend", "make_limits", "make_options", "per_option"]
