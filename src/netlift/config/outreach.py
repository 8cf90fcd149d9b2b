"""Building blocks of decision rules in marketer's terms: channels, offers, limits, triggers."""

from __future__ import annotations

import warnings
from datetime import datetime, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from netlift.config.bounds import Count, Day, Money, Name, Share
from netlift.config.criteria import Criterion, parse_criterion
from netlift.config.settings import Settings

UNLIMITED, AS_LOGGED, FROM_MODEL = "unlimited", "as_logged", "from_model"
LIST_COLUMNS = tuple(
    "customer_id priority offer_id offer_name channel value reason valid_until as_of run_key "
    "journey step code code_until".split()
)


def _readable(conditions: tuple[str, ...]) -> tuple[str, ...]:
    mistakes = []
    for text in conditions:
        try:
            parse_criterion(text)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return conditions


def _none_for(word: str) -> BeforeValidator:
    """Reads a word as None, so that leaving a number open is said and not forgotten."""

    def read(value: Any) -> Any:
        return None if value == word else value

    return BeforeValidator(read)


Conditions = Annotated[tuple[str, ...], AfterValidator(_readable)]
Days = Annotated[int, Field(ge=1, le=366)]
QuietDays = Annotated[int, Field(ge=0, le=366)]
Budget = Annotated[Money | None, _none_for(UNLIMITED)]
Reward = Annotated[Money | None, _none_for(AS_LOGGED)]
Redeemed = Annotated[Share | None, _none_for(FROM_MODEL)]


class ChannelSettings(Settings):
    """A channel: who may be reached by it, how many a day, and what each contact wears out.

    Attributes:
        consent: Column of customers that is true for who agreed; None for `consent_<channel>`.
        opt_out_events: Kinds of events that take back the consent to this channel alone.
        opt_in_events: Kinds of events that end such an opt-out; one that is general does not.
        fatigue: Currency per contact: what it costs in attention that later contacts will miss, beyond the outcome
            window.
        at_most: Contacts a day, such as calls, over all runs of the day; None for no limit.
        monthly_at_most: Contacts a calendar month, whoever made them; None for no limit.
    """

    consent: str | None = None
    opt_out_events: tuple[Name, ...] = ()
    opt_in_events: tuple[Name, ...] = ()
    fatigue: Money
    at_most: Count | None = None
    monthly_at_most: Count | None = None


class OfferSettings(Settings):
    """What an offer costs, to whom it may go, and how often.

    Attributes:
        channel: Its channel, as in `offers`.
        reward: Currency for each who redeems it; None (`as_logged`) for what past contacts paid.
        redeemed_by: Share of all contacted who redeem it, sure buyers among them; None (`from_model`) for what past
            contacts did.
        contact_cost: Currency per contact; None for that of `offers`.
        eligible: Conditions, all of which hold.
        valid_from: First day; None for that of `offers`.
        valid_to: Last day; None for that of `offers`.
        at_least: Contacts a day, no less, but in lists of triggers.
        at_most: Contacts a day, no more, over all runs of the day; None for no limit.
        monthly_at_most: Contacts a calendar month, no more, whoever made them; None for no limit.
        save_rate: Share of those about to leave whom it keeps beyond the outcome window; None where it does not claim
            to keep anybody.
    """

    channel: Name
    reward: Reward
    redeemed_by: Redeemed
    contact_cost: Money | None = None
    eligible: Conditions = ()
    valid_from: Day | None = None
    valid_to: Day | None = None
    at_least: Count = 0
    at_most: Count | None = None
    monthly_at_most: Count | None = None
    save_rate: Share | None = None

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The conditions."""
        return tuple(map(parse_criterion, self.eligible))

    @property
    def first_moment(self) -> datetime | None:
        """When it begins, local time."""
        return None if self.valid_from is None else datetime.combine(self.valid_from, time.min)

    @property
    def last_moment(self) -> datetime | None:
        """When it ends, local time."""
        return None if self.valid_to is None else datetime.combine(self.valid_to, time.max)


class ListSettings(Settings):
    """What the list of a channel holds beside customer, priority, offer, value and reason.

    Attributes:
        language: Of names and reasons, ru or en.
        valid_days: Days, that of the run among them, on which a contact may still be made.
        fields: What templates need of a customer: features, scores, `segment` or columns of `customers`.
    """

    language: Literal["ru", "en"] = "ru"
    valid_days: Days = 7
    fields: Annotated[tuple[Name, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _has_fields_of_its_own(self) -> ListSettings:
        taken = [name for name in self.fields if name in LIST_COLUMNS]
        twice = sorted({name for name in self.fields if self.fields.count(name) > 1})
        if taken or twice:
            what = f"{taken[0]!r} is a column of every list" if taken else f"{twice[0]!r} is there twice"
            raise ValueError(f"fields: {what}; leave it out")
        return self


class StrategySettings(Settings):
    """What some customers may get; the first strategy whose conditions all hold is the customer's.

    Attributes:
        name: What the business calls it, such as VIP.
        who: Conditions, all of which hold.
        offers: Only these; None for all.
        channels: Only these; None for all.
        contact_cost_at_most: Only contacts that cost no more, in currency; None for all.
    """

    name: Name
    who: Annotated[Conditions, Field(min_length=1)]
    offers: tuple[Name, ...] | None = None
    channels: tuple[Name, ...] | None = None
    contact_cost_at_most: Money | None = None

    @model_validator(mode="after")
    def _says_something(self) -> StrategySettings:
        if self.offers is None and self.channels is None and self.contact_cost_at_most is None:
            raise ValueError("give offers, channels or contact_cost_at_most; without any of them it changes nothing")
        return self

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """Who it is for."""
        return tuple(map(parse_criterion, self.who))

    def allows(self, offer_id: str, channel: str, contact_cost: float | None) -> bool:
        """Whether an offer is open to customers of the strategy; costs that are not known yet are let pass."""
        return (
            (self.offers is None or offer_id in self.offers)
            and (self.channels is None or channel in self.channels)
            and (self.contact_cost_at_most is None or contact_cost is None or contact_cost <= self.contact_cost_at_most)
        )


class ContactLimit(Settings):
    """At most so many contacts of a customer in any so many days.

    Attributes:
        at_most: Contacts.
        days: Of 24 hours each, back from the moment of the decision.
        channel: Over this channel; None for all channels together.
    """

    at_most: Count
    days: Days
    channel: Name | None = None


class ContactPolicy(Settings):
    """When customers are left alone.

    Attributes:
        limits: All of them hold.
        quiet_after_purchase_days: No contact until so many days have passed since the day of a purchase.
        quiet_after_complaint_days: No contact until so many days have passed since the day of a complaint.
        complaint_events: Kinds of events that are complaints.
        priority_campaigns: Customers in these, their control too, are left to them while their outcome windows run.
    """

    limits: Annotated[tuple[ContactLimit, ...], Field(max_length=50)]
    quiet_after_purchase_days: QuietDays
    quiet_after_complaint_days: QuietDays
    complaint_events: tuple[Name, ...] = ("complaint",)
    priority_campaigns: tuple[Name, ...] = ()


class ConsentSettings(Settings):
    """How consent is known.

    Attributes:
        max_age_hours: Nothing goes out when the source of consents is older.
        opt_out_events: Kinds of events that take back all consents, whatever the columns of consent say.
        opt_in_events: Kinds of events that end such an opt-out, and none that was of one channel.
    """

    max_age_hours: Annotated[float, Field(gt=0, le=24 * 31)]
    opt_out_events: tuple[Name, ...] = ("opt_out",)
    opt_in_events: tuple[Name, ...] = ("opt_in",)


class NewOfferSettings(Settings):
    """Offers that have to prove themselves, and what may be spent on learning what they earn.

    Attributes:
        offers: Offers of the config that are new. Each is tried with customers whom chance picks until it is proven by
            the gate of the uplift model, and is then decided as all others are; one that is shown to lose money stops.
        budget: Currency a run at most, for contacts and for the rewards of all expected redeemers.
        monthly_budget: Currency a calendar month, over all its runs; None (`unlimited`) for no limit but that of a run.
        floor: Least share of the budget of each that is still learning.
        most_contacts: Contacts that each has to prove itself.
    """

    offers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    budget: Annotated[float, Field(gt=0, le=1e12)]
    monthly_budget: Budget = None
    floor: Annotated[float, Field(gt=0, le=1)] = 0.1
    most_contacts: Annotated[int, Field(ge=200, le=10_000_000)] = 10_000


class ExplorationSettings(Settings):
    """What is drawn by chance so that the next model has something to learn from.

    Attributes:
        epsilon: Share of customers whose offer, or none, is drawn evenly among those they are eligible for.
        floor: Least chance of every eligible offer where no limit is short; the settings are refused below it.
        most_of_limits: Share of every limit and of the budget that exploration takes at most, in expectation.
        untrained: Whether an offer whose effect no model knows is explored, or refused.
        new_offers: New offers and the budget for learning what they earn; None for none, when an offer is decided as
            soon as a model knows it.
    """

    epsilon: Annotated[float, Field(ge=0, le=0.5)]
    floor: Annotated[float, Field(ge=0, le=0.5)]
    most_of_limits: Annotated[float, Field(gt=0, le=1)]
    untrained: Literal["explore", "refuse"]
    new_offers: NewOfferSettings | None = None


TriggerKind = Literal[
    "first_purchase", "silence", "birthday", "spend_step", "complaint", "churn", "replenishment"
]  # fmt: skip
_NUMBERS_OF: dict[str, tuple[str, ...]] = {
    "silence": ("over_gap",),
    "birthday": ("days_before",),
    "spend_step": ("step",),
    "churn": ("p_churn",),
    "replenishment": ("days_before", "over_gap"),
}
_OLD_NAMES = {"rhythm": "replenishment"}
OWN_GAP = "own_gap"

_ANSWERS = {"first_purchase": "purchase", "spend_step": "purchase", "complaint": "complaint"}


class TriggerSettings(Settings):
    """Something that happens in a customer's life, and opens a list of offers or begins a journey on that day.

    Attributes:
        name: What the business calls it.
        kind: Always trigger.
        when: What happens.
        offers: What may follow, in a list of its own; empty for a trigger that only begins journeys.
        window_days: Days between its runs; it fires once, in the run whose window holds the moment.
        rest_days: It does not fire again for a customer within so many days.
        despite_quiet_days: With first_purchase, spend_step and complaint: the list answers that event, and so goes out
            within the quiet days that the contact policy asks for after it.
        over_gap: With silence: multiple of the customer's own mean gap between purchases. With replenishment: of the
            median gap, which a long pause does not move; 1 for the day on which the next purchase is due.
        days_before: With birthday: days of notice; at least the days between runs, less one, so that none comes late.
            With replenishment, in place of over_gap: the same before a category is expected to be bought again.
        step: With spend_step: accumulated spend in currency, at each multiple of which it fires.
        p_churn: With churn: the chance of churn from which it fires.
    """

    name: Name
    kind: Literal["trigger"] = "trigger"
    when: TriggerKind
    offers: tuple[Name, ...] = ()
    window_days: Annotated[int, Field(ge=1, le=31)]
    rest_days: QuietDays = 0
    despite_quiet_days: bool = False
    over_gap: Annotated[float, Field(gt=0, le=1000)] | None = None
    days_before: QuietDays | None = None
    step: Annotated[float, Field(gt=0, le=1e12)] | None = None
    p_churn: Annotated[float, Field(gt=0, lt=1)] | None = None

    @property
    def answers(self) -> str | None:
        """The event that it answers and that quiet days follow, purchase or complaint; None without one."""
        return _ANSWERS.get(self.when)

    @property
    def event(self) -> str:
        """What happens: `when`, or `OWN_GAP` for a replenishment told by all purchases and not by category."""
        return OWN_GAP if self.when == "replenishment" and self.over_gap is not None else self.when

    @field_validator("when", mode="before")
    @classmethod
    def _renamed(cls, when: object) -> object:
        if not isinstance(when, str) or when not in _OLD_NAMES:
            return when
        new = _OLD_NAMES[when]
        warnings.warn(
            f"triggers: `when: {when}` is now called {new}, with the same numbers; the old name is read until the next "
            "version, write the new one",
            FutureWarning,
            stacklevel=2,
        )
        return new

    @model_validator(mode="after")
    def _own_number(self) -> TriggerSettings:
        own = _NUMBERS_OF.get(self.when, ())
        given = [name for name in own if getattr(self, name) is not None]
        mistakes = [f"{self.when} needs {' or '.join(own)}"] if own and not given else []
        mistakes += [f"{self.when} goes with one of {' and '.join(own)}, not with both"] if len(given) > 1 else []
        others = [name for name in dict.fromkeys(n for ns in _NUMBERS_OF.values() for n in ns) if name not in own]
        strange = [name for name in others if getattr(self, name) is not None]
        mistakes += [f"{name} does not go with {self.when}" for name in strange]
        if self.despite_quiet_days and self.when not in _ANSWERS:
            mistakes.append(f"despite_quiet_days goes with {', '.join(_ANSWERS)} alone")
        if self.days_before is not None and self.days_before < self.window_days - 1:
            mistakes.append(
                f"with a run every {self.window_days} days and days_before {self.days_before} some would be served "
                f"after the day itself; days_before must be {self.window_days - 1} at least"
            )
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


__all__ = [
    "AS_LOGGED",
    "FROM_MODEL",
    "OWN_GAP",
    "UNLIMITED",
    "Budget",
    "ChannelSettings",
    "ConsentSettings",
    "ContactLimit",
    "ContactPolicy",
    "ExplorationSettings",
    "NewOfferSettings",
    "OfferSettings",
    "StrategySettings",
    "TriggerSettings",
]
