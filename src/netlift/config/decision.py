"""The `decision` block: offers, costs, limits and contact policy of a business."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from netlift.config.contradictions import allows_segment, find_contradictions
from netlift.config.criteria import SEGMENT
from netlift.config.journeys import JourneySettings, find_mistakes
from netlift.config.outreach import (
    Budget,
    ChannelSettings,
    ConsentSettings,
    ContactLimit,
    ContactPolicy,
    ExplorationSettings,
    ListSettings,
    Name,
    OfferSettings,
    StrategySettings,
    TriggerSettings,
)
from netlift.config.plan import CONTROL, HoldoutPlan
from netlift.config.segments import SEGMENTS
from netlift.config.settings import Settings, did_you_mean

ROUNDING = 1e-9
Approval = Literal["none", "required"]


class DecisionSettings(Settings):
    """The rules by which offers go out.

    Attributes:
        budget: Currency a run for contacts and for the rewards of all expected redeemers; None (`unlimited`) for all
            it takes.
        monthly_budget: Currency a calendar month, over all its runs; None (`unlimited`) for no limit but that of a run.
        channels: What is used to reach customers.
        offers: What may be put to them; doing nothing is always allowed and is not written down.
        strategies: What some customers may get; who is in none may get everything.
        contact_policy: When customers are left alone.
        consent: How consent is known.
        holdout: Customers whom nothing goes to; the same as in the plans of campaigns.
        explore: What is drawn by chance.
        future_weight: How much of the value beyond the outcome window counts for offers that keep customers, from 0 to
            1; needed where an offer has a save_rate.
        triggers: Lists that open when something happens in a customer's life.
        journeys: Chains of contacts, in the order of priority: a customer is in one at a time.
        lists: What the lists of channels hold.
        approval: Whether an operator has to approve the lists of a run before anybody can fetch them. It changes where
            lists lie, not what is decided, and so no digest.
    """

    budget: Budget
    monthly_budget: Budget = None
    channels: Annotated[dict[Name, ChannelSettings], Field(min_length=1, max_length=50)]
    offers: Annotated[dict[Name, OfferSettings], Field(min_length=1, max_length=200)]
    strategies: Annotated[tuple[StrategySettings, ...], Field(max_length=50)] = ()
    contact_policy: ContactPolicy
    consent: ConsentSettings
    holdout: HoldoutPlan
    explore: ExplorationSettings
    future_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    triggers: Annotated[tuple[TriggerSettings, ...], Field(max_length=100)] = ()
    journeys: Annotated[tuple[JourneySettings, ...], Field(max_length=50)] = ()
    lists: ListSettings = ListSettings()
    approval: Approval = Field(default="none", exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> DecisionSettings:
        mistakes = [*self._wrong_names()]
        if not mistakes:  # what nobody can reach follows from names that are wrong
            mistakes += [*self._unreachable_offers(), *self._idle_strategies()]
        mistakes += [*self._wrong_offers(), *self._wrong_strategies(), *self._wrong_policy()]
        mistakes += [*self._wrong_triggers(), *self._wrong_volumes(), *self._wrong_exploration()]
        mistakes += find_mistakes(self.journeys, triggers=self.triggers, offers=self.offers)
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """Names that conditions and lists ask about, each once: features, scores, attributes or `segment`."""
        parts = [offer.criteria for offer in self.offers.values()]
        parts += [strategy.criteria for strategy in self.strategies]
        parts += [journey.criteria for journey in self.journeys]
        parts += [step.criteria for journey in self.journeys for step in journey.steps]
        names = [criterion.name for part in parts for criterion in part]
        return tuple(dict.fromkeys([*names, *self.lists.fields]))

    def consent_column(self, channel: str) -> str:
        """The column of customers that holds the consent to a channel."""
        return self.channels[channel].consent or f"consent_{channel}"

    def _wrong_names(self) -> Iterator[str]:
        offers, channels = [*self.offers], [*self.channels]
        named = [(f"offers.{name}", offer.channel) for name, offer in self.offers.items()]
        named += [(f"strategies.{s.name}", channel) for s in self.strategies for channel in s.channels or ()]
        named += [("contact_policy.limits", limit.channel) for limit in self.contact_policy.limits if limit.channel]
        for place, channel in named:
            if channel not in channels:
                yield f"{place}: no channel {channel!r}{did_you_mean(channel, channels)}"
        lists = [(f"strategies.{s.name}", s.offers or ()) for s in self.strategies]
        lists += [(f"triggers.{t.name}", t.offers) for t in self.triggers]
        for place, names in lists:
            yield from (
                f"{place}: no offer {name!r}{did_you_mean(name, offers)}" for name in names if name not in offers
            )
        if CONTROL in offers:
            yield f"offers.{CONTROL}: stands for no contact; doing nothing is always allowed and is not written down"
        for what, given in (("strategies", self.strategies), ("triggers", self.triggers)):
            called = [one.name for one in given]
            twice = sorted({name for name in called if called.count(name) > 1})
            yield from (f"{what}: {name!r} is there twice" for name in twice)

    def _wrong_offers(self) -> Iterator[str]:
        for name, offer in self.offers.items():
            place = f"offers.{name}"
            if offer.valid_from and offer.valid_to and offer.valid_to < offer.valid_from:
                yield f"{place}: valid_to {offer.valid_to} is before valid_from {offer.valid_from}"
            yield from (f"{place}.eligible: {mistake}" for mistake in find_contradictions(offer.criteria))
            if offer.save_rate is not None and self.future_weight is None:
                yield f"{place}: save_rate needs decision.future_weight, how much of the value kept counts"

    def _unreachable_offers(self) -> Iterator[str]:
        for name, offer in self.offers.items():
            closed = self._closing_limit(offer.channel)
            if closed is not None:
                yield f"offers.{name}: may go nowhere, since contact_policy allows 0 contacts {closed}"
            elif not find_contradictions(offer.criteria) and not any(self._reaches(name, each) for each in SEGMENTS):
                yield f"offers.{name}: is eligible nowhere: every segment that it may go to has a strategy without it"

    def _closing_limit(self, channel: str) -> str | None:
        """The words of a limit of 0 contacts that a channel is under; None without one."""
        for limit in self.contact_policy.limits:
            if limit.at_most == 0 and limit.channel in (None, channel):
                return f"over {limit.channel or 'all channels'} in {limit.days} days"
        return None

    def _reaches(self, name: str, segment: str) -> bool:
        """Whether an offer may come to somebody of a segment: strategies in order, as far as they speak of segments."""
        offer = self.offers[name]
        if not allows_segment(offer.criteria, segment):
            return False
        for strategy in self.strategies:
            if allows_segment(strategy.criteria, segment):
                if strategy.allows(name, offer.channel, offer.contact_cost):
                    return True
                if all(criterion.name == SEGMENT for criterion in strategy.criteria):
                    return False
        return True

    def _wrong_strategies(self) -> Iterator[str]:
        for strategy in self.strategies:
            against = find_contradictions(strategy.criteria)
            yield from (f"strategies.{strategy.name}.who: {mistake}" for mistake in against)

    def _idle_strategies(self) -> Iterator[str]:
        for strategy in self.strategies:
            left = [n for n, o in self.offers.items() if strategy.allows(n, o.channel, o.contact_cost)]
            if not left and strategy.offers != ():
                yield (
                    f"strategies.{strategy.name}: no offer is left for its customers; write `offers: []` if they are "
                    "to get nothing, or widen offers, channels or contact_cost_at_most"
                )

    def _wrong_policy(self) -> Iterator[str]:
        for first, second in permutations(enumerate(self.contact_policy.limits, 1), 2):
            (i, limit), (j, other) = first, second
            if _is_idle(limit, other) and not (_is_idle(other, limit) and i < j):
                yield (
                    f"contact_policy.limits: number {i}, {_words(limit)}, can never be reached, since number {j}, "
                    f"{_words(other)}, comes first; take it out or correct one of them"
                )

    def _wrong_triggers(self) -> Iterator[str]:
        policy = self.contact_policy
        quiet = {"purchase": policy.quiet_after_purchase_days, "complaint": policy.quiet_after_complaint_days}
        begin = {journey.trigger for journey in self.journeys}
        for trigger in self.triggers:
            event = trigger.answers
            if not trigger.offers and trigger.name not in begin:
                yield f"triggers.{trigger.name}: has no offers and begins no journey; give it one or the other"
            if trigger.offers and event and not trigger.despite_quiet_days and quiet[event] > trigger.window_days:
                yield (
                    f"triggers.{trigger.name}: its list would be empty, since window_days ({trigger.window_days}) is "
                    f"below contact_policy.quiet_after_{event}_days ({quiet[event]}); write despite_quiet_days: true "
                    f"if the list answers that {event}, or lower the quiet days"
                )

    def _wrong_volumes(self) -> Iterator[str]:
        for name, offer in self.offers.items():
            if offer.at_most is not None and offer.at_least > offer.at_most:
                yield f"offers.{name}: at_least {offer.at_least:,} is above at_most {offer.at_most:,}"
        for name, channel in self.channels.items():
            least = sum(offer.at_least for offer in self.offers.values() if offer.channel == name)
            if channel.at_most is not None and least > channel.at_most:
                yield f"channels.{name}: its offers ask for {least:,} contacts at least, at_most is {channel.at_most:,}"
            yield from _more_a_day(f"channels.{name}", channel.at_most, channel.monthly_at_most)
        for name, offer in self.offers.items():
            yield from _more_a_day(f"offers.{name}", offer.at_most, offer.monthly_at_most)
            if offer.monthly_at_most is not None and offer.at_least > offer.monthly_at_most:
                yield (
                    f"offers.{name}: at_least {offer.at_least:,} a day is above monthly_at_most "
                    f"{offer.monthly_at_most:,}"
                )
        if self.budget is not None and self.monthly_budget is not None and self.budget > self.monthly_budget:
            yield (
                f"budget: {self.budget:,.2f} a run is above monthly_budget {self.monthly_budget:,.2f}; lower it, or "
                "write `budget: unlimited` where one run may spend the month"
            )
        needed = sum(
            offer.at_least * ((offer.contact_cost or 0) + (offer.reward or 0) * (offer.redeemed_by or 0))
            for offer in self.offers.values()
        )
        if self.budget is not None and needed > self.budget * (1 + ROUNDING):
            yield f"budget: {self.budget:,.2f} does not pay for the offers' minimums, which cost {needed:,.2f} at least"

    def _wrong_exploration(self) -> Iterator[str]:
        arms = len(self.offers) + 1
        least = self.explore.epsilon / arms
        if self.explore.floor > least * (1 + ROUNDING):
            yield (
                f"explore: epsilon {self.explore.epsilon:g} over {arms} arms ({len(self.offers)} offers and none) "
                f"gives each a chance of {least:.4g}, below the floor of {self.explore.floor:g}; raise epsilon to "
                f"{self.explore.floor * arms:.4g} or lower the floor"
            )
        new = self.explore.new_offers
        if new is None:
            return
        for name in new.offers:
            if name not in self.offers:
                yield f"explore.new_offers.offers: no offer {name!r}{did_you_mean(name, [*self.offers])}"
            elif self.offers[name].at_least:
                yield (
                    f"offers.{name}: at_least {self.offers[name].at_least:,} of an offer that explore.new_offers has "
                    "yet to prove; take at_least away, or the offer from that list"
                )
            elif self.offers[name].reward is None or self.offers[name].redeemed_by is None:
                yield (
                    f"offers.{name}: explore.new_offers has to know what it costs before anybody was contacted; give "
                    "reward and redeemed_by as numbers"
                )
        twice = sorted({name for name in new.offers if new.offers.count(name) > 1})
        yield from (f"explore.new_offers.offers: {name!r} is there twice" for name in twice)
        limits = {"budget": (new.budget, self.budget), "monthly_budget": (new.monthly_budget, self.monthly_budget)}
        for name, (own, whole) in limits.items():
            if own is not None and whole is not None and own > whole:
                yield f"explore.new_offers.{name}: {own:,.2f} is above {name} {whole:,.2f}, of which it is a part"
        if new.monthly_budget is not None and new.budget > new.monthly_budget:
            yield (
                f"explore.new_offers.budget: {new.budget:,.2f} a run is above its monthly_budget "
                f"{new.monthly_budget:,.2f}; lower it"
            )


def _more_a_day(place: str, day: int | None, month: int | None) -> Iterator[str]:
    if day is not None and month is not None and day > month:
        yield f"{place}: at_most {day:,} a day is above monthly_at_most {month:,}; lower it, or leave it out"


def _is_idle(limit: ContactLimit, other: ContactLimit) -> bool:
    """Whether a limit is never reached because another, of at least its scope and time, allows no more."""
    wider = other.channel is None or other.channel == limit.channel
    return wider and other.days >= limit.days and other.at_most <= limit.at_most


def _words(limit: ContactLimit) -> str:
    return f"at most {limit.at_most} over {limit.channel or 'all channels'} in {limit.days} days"


__all__ = ["Approval", "DecisionSettings"]
