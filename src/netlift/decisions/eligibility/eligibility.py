"""Eligibility of each option per customer: consent, customer protection, then business rules.

Everything that is missing counts against a contact: no column of consent, no flag, no score. The reasons are asked in
the order of `Refusal`, and the first that holds is the one that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.decisions.eligibility.conditions import all_hold, require_known
from netlift.decisions.eligibility.options import Option
from netlift.decisions.eligibility.reasons import Refusal, count_reasons
from netlift.errors import DataError, GateRefusedError


@dataclass(frozen=True, kw_only=True, eq=False)
class Customers:
    """What is known of n customers as of a moment, arrays of shape (n,) in one order.

    Attributes:
        columns: What conditions ask about: numbers with NaN, booleans, or words with None where missing.
        consent: Channel to whether the customer has agreed to it, bool; missing is no.
        opted_out: Channel to whether the customer has since taken that back, bool.
        left: Whether the customer's contract has ended, bool.
        held_out: Whether the universal holdout has the customer, bool.
        reserved: Whether a priority campaign has the customer, bool.
        in_journey: Whether a journey has the customer, or has him as its control, bool.
        pressed: Channel to whether one more contact over it would break a limit of the contact policy, bool.
        days_since_purchase: Whole days since the day of the last purchase, NaN without one.
        days_since_complaint: Whole days since the day of the last complaint, NaN without one.
        in_window: Whether an earlier contact is still in its outcome window and nothing shows that the option adds to
            it, bool, shape (n, m).
        has_effect: Whether a model knows the effect of each option, bool, shape (n, m).
    """

    columns: Mapping[str, np.ndarray]
    consent: Mapping[str, np.ndarray]
    opted_out: Mapping[str, np.ndarray]
    left: np.ndarray
    held_out: np.ndarray
    reserved: np.ndarray
    in_journey: np.ndarray
    pressed: Mapping[str, np.ndarray]
    days_since_purchase: np.ndarray
    days_since_complaint: np.ndarray
    in_window: np.ndarray
    has_effect: np.ndarray

    def __len__(self) -> int:
        return len(self.held_out)


@dataclass(frozen=True, kw_only=True, eq=False)
class Eligibility:
    """Which options are open to whom.

    Attributes:
        refused: Code of `Refusal`, 0 where the option is open, uint8, shape (n, m).
        explores: Whether each option may be drawn though no model knows its effect, bool, shape (m,).
        counts: Option to the reasons of its refusals and their customers, `open` among them.
        strategies: Strategy to its customers; one without any is probably not what was meant.
        strategy: Position of each customer's strategy, the number of strategies for who has none, shape (n,).
    """

    refused: np.ndarray
    explores: np.ndarray
    counts: Mapping[str, Mapping[str, int]]
    strategies: Mapping[str, int]
    strategy: np.ndarray

    @property
    def eligible(self) -> np.ndarray:
        """Where an option may be chosen, bool, shape (n, m)."""
        return self.refused == Refusal.OPEN

    @property
    def explorable(self) -> np.ndarray:
        """Where an option may be drawn by exploration, bool, shape (n, m): the eligible ones at least."""
        return self.eligible | (self.explores & (self.refused == Refusal.NO_EFFECT_KNOWN))


def require_fresh_consent(updated_at: datetime | None, *, now: datetime, max_age_hours: float) -> None:
    """Refuse to go on with consents that may have been taken back since.

    Args:
        updated_at: When the source of consents was last brought up to date; None where nobody knows.
        now: The moment of the run.
        max_age_hours: Of `decision.consent`.

    Raises:
        GateRefusedError: Nobody knows, it lies in the future, or it is too long ago.
    """
    if updated_at is None:
        raise GateRefusedError(
            "consent: nobody knows when its source was last brought up to date, so nothing goes out; name a source "
            "that tells"
        )
    age = now - updated_at
    if age < timedelta(0):
        raise GateRefusedError(
            f"consent: its source is dated {updated_at:%Y-%m-%d %H:%M}, after the run of {now:%Y-%m-%d %H:%M}, so "
            "nothing goes out; correct the clock or the time zone"
        )
    if age.total_seconds() > max_age_hours * 3600:
        raise GateRefusedError(
            f"consent: its source is {age.total_seconds() / 3600:.1f} hours old, consent.max_age_hours allows "
            f"{max_age_hours:g}, so nothing goes out; bring it up to date and run again"
        )


def find_eligible(
    settings: DecisionSettings,
    options: Sequence[Option],
    customers: Customers,
    *,
    as_of: datetime,
    tried: Collection[int] = (),
    retired: Collection[int] = (),
    stopped: Collection[int] = (),
) -> Eligibility:
    """Which options are open to whom, and the first reason where one is not.

    Args:
        settings: The rules.
        options: The options, m of them.
        customers: What is known of n customers.
        as_of: Moment of the decision, local time.
        tried: Positions of new offers that are tried.
        retired: Positions of those that were shown to lose money.
        stopped: Positions of options that an operator has stopped, or whose channel.

    Raises:
        GateRefusedError: No consents for a channel of the options.
        ConfigError: Conditions on what is not known of customers.
        DataError: Arrays that do not fit each other, or flags that are not true or false.
    """
    channels = tuple(dict.fromkeys(option.channel for option in options))
    _require_whole(settings, customers, channels, len(options))
    by_channel = {channel: _refuse_contact(settings, customers, channel) for channel in channels}
    strategy = _strategy_of(settings, customers)
    refused = np.empty((len(options), len(customers)), dtype=np.uint8)
    for j, option in enumerate(options):
        code = by_channel[option.channel].copy()
        allowed = [s.allows(option.offer_id, option.channel, option.contact_cost) for s in settings.strategies]
        _refuse(code, ~np.array([*allowed, True])[strategy], Refusal.NOT_IN_STRATEGY)
        if option.criteria:
            _refuse(code, ~all_hold(customers.columns, option.criteria, len(customers)), Refusal.NOT_ELIGIBLE)
        if not option.is_valid(as_of):
            _refuse(code, np.ones(len(customers), dtype=bool), Refusal.NOT_VALID)
        _refuse(code, customers.in_window[:, j], Refusal.OPEN_WINDOW)
        if j in retired:
            _refuse(code, np.ones(len(customers), dtype=bool), Refusal.RETIRED)
        if j in stopped:
            _refuse(code, np.ones(len(customers), dtype=bool), Refusal.STOPPED)
        _refuse(code, ~customers.has_effect[:, j], Refusal.NO_EFFECT_KNOWN)
        refused[j] = code
    return Eligibility(
        refused=np.ascontiguousarray(refused.T),
        explores=np.array([j in tried or _is_untrained(settings, option) for j, option in enumerate(options)]),
        counts={option.offer_id: count_reasons(refused[j]) for j, option in enumerate(options)},
        strategies={one.name: int((strategy == k).sum()) for k, one in enumerate(settings.strategies)},
        strategy=strategy,
    )


def _refuse(code: np.ndarray, holds: np.ndarray, reason: Refusal) -> None:
    """Write a reason where it holds and none was found before."""
    code[holds & (code == Refusal.OPEN)] = reason


def _is_untrained(settings: DecisionSettings, option: Option) -> bool:
    """Whether the even draw may give an option that no model knows; new offers have chances of their own."""
    new = settings.explore.new_offers
    return settings.explore.untrained == "explore" and (new is None or option.offer_id not in new.offers)


def _refuse_contact(settings: DecisionSettings, customers: Customers, channel: str) -> np.ndarray:
    """Reasons against any contact over a channel, uint8, shape (n,)."""
    policy = settings.contact_policy
    code = np.zeros(len(customers), dtype=np.uint8)
    _refuse(code, customers.left, Refusal.LEFT)
    _refuse(code, ~customers.consent[channel], Refusal.CONSENT)
    _refuse(code, customers.opted_out[channel], Refusal.OPTED_OUT)
    _refuse(code, customers.held_out, Refusal.HOLDOUT)
    _refuse(code, customers.reserved, Refusal.PRIORITY_CAMPAIGN)
    _refuse(code, customers.in_journey, Refusal.IN_JOURNEY)
    _refuse(code, customers.pressed[channel], Refusal.CONTACT_PRESSURE)
    quiet = customers.days_since_purchase < policy.quiet_after_purchase_days
    _refuse(code, quiet, Refusal.QUIET_AFTER_PURCHASE)
    quiet = customers.days_since_complaint < policy.quiet_after_complaint_days
    _refuse(code, quiet, Refusal.QUIET_AFTER_COMPLAINT)
    return code


def _strategy_of(settings: DecisionSettings, customers: Customers) -> np.ndarray:
    """Position of each customer's strategy, the number of strategies for who has none, shape (n,)."""
    strategy = np.full(len(customers), len(settings.strategies), dtype=np.int16)
    for k in reversed(range(len(settings.strategies))):
        strategy[all_hold(customers.columns, settings.strategies[k].criteria, len(customers))] = k
    return strategy


def _require_whole(settings: DecisionSettings, customers: Customers, channels: Sequence[str], options: int) -> None:
    """Refuse what would let a contact through because something is missing."""
    for channel in channels:
        if channel not in customers.consent:
            raise GateRefusedError(
                f"customers: no column {settings.consent_column(channel)}, so nobody is known to have agreed to "
                f"{channel}, and nothing goes out; add the column, true for who agreed"
            )
    require_known(settings.asked, customers.columns)
    flags = {name: getattr(customers, name) for name in ("left", "held_out", "reserved", "in_journey")}
    for what in ("consent", "opted_out", "pressed"):
        known: Mapping[str, np.ndarray] = getattr(customers, what)
        missing = [channel for channel in channels if channel not in known]
        if missing:
            raise DataError(f"{what}: nothing is known for channel {missing[0]!r}; give an array for each channel")
        flags |= {f"{what} of {channel}": known[channel] for channel in channels}
    wrong = [n for n, x in flags.items() if x.dtype != np.bool_ or x.shape != (len(customers),)]
    by_option = {"in_window": customers.in_window, "has_effect": customers.has_effect}
    wrong += [n for n, x in by_option.items() if x.dtype != np.bool_ or x.shape != (len(customers), options)]
    days = {name: getattr(customers, name) for name in ("days_since_purchase", "days_since_complaint")}
    wrong += [name for name, values in {**days, **customers.columns}.items() if values.shape != (len(customers),)]
    if wrong:
        raise DataError(
            f"{', '.join(wrong)}: for {len(customers):,} customers and {options} options each flag must be true or "
            "false, and each array as long as there are customers"
        )


__all__ = ["Customers", "Eligibility", "find_eligible", "require_fresh_consent"]
