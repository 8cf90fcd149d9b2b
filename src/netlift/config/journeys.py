"""Journeys: chains of contacts that a trigger starts, each a treatment with its own control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import Field, model_validator

from netlift.config.bounds import Day, Name
from netlift.config.contradictions import find_contradictions
from netlift.config.criteria import Criterion, parse_criterion
from netlift.config.outreach import Conditions, Days, OfferSettings, QuietDays, TriggerSettings
from netlift.config.plan import CONTROL
from netlift.config.settings import Settings, did_you_mean

NO_OFFER = "none"
Exit = Literal["bought", "opted_out", "complained"]
EXITS: tuple[Exit, ...] = ("bought", "opted_out", "complained")


class CodeSettings(Settings):
    """A code that a journey gives each of its customers, for so many days.

    Attributes:
        prefix: What the code begins with.
        days: Days on which it holds, that of the first step among them; no step follows after them.
    """

    prefix: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,10}$")]
    days: Days


class StepSettings(Settings):
    """One contact of a journey.

    Attributes:
        offers: In the order of preference; the first that is open to the customer goes out.
        after_days: Days since the step before, or since the beginning.
        when: Conditions, all of which hold; without them the step is passed over.
    """

    offers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    after_days: QuietDays = 0
    when: Conditions = ()

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The conditions."""
        return tuple(map(parse_criterion, self.when))


class JourneySettings(Settings):
    """A chain of contacts: what begins it, what follows, and what ends it.

    Attributes:
        name: Its id: that of its campaign, and of its arm beside control.
        trigger: Name of the trigger that begins it.
        who: Conditions at the beginning, all of which hold.
        steps: The contacts, in their order.
        exits: What ends it for a customer: bought, opted_out, complained.
        control_share: Chance of being left alone, so that what the journey earns can be read.
        outcome_days: Days from the beginning whose receipts count, and on which nothing else goes to its customers,
            control included.
        again_after_days: Days after which it may begin anew for a customer; None for once.
        enter_until: Last day on which it begins for anybody; None for no end.
        code: The code that its lists carry; None for none.
    """

    name: Name
    trigger: Name
    who: Conditions = ()
    steps: Annotated[tuple[StepSettings, ...], Field(min_length=1, max_length=20)]
    exits: Annotated[tuple[Exit, ...], Field(max_length=3)] = ()
    control_share: Annotated[float, Field(gt=0, lt=1)]
    outcome_days: Days
    again_after_days: Days | None = None
    enter_until: Day | None = None
    code: CodeSettings | None = None

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The conditions at the beginning."""
        return tuple(map(parse_criterion, self.who))

    @property
    def offers(self) -> tuple[str, ...]:
        """All offers of its steps, each once."""
        return tuple(dict.fromkeys(offer for step in self.steps for offer in step.offers))

    @property
    def treatment(self) -> str:
        """Digest of what is done to whom; while it stands, all of the journey's customers had the same treatment."""
        rules = {"control_share": 0.5, "enter_until": None, "again_after_days": None}
        return self.model_copy(update=rules).digest()

    def is_open(self, day: date) -> bool:
        """Whether it still begins on a day."""
        return self.enter_until is None or day <= self.enter_until

    @model_validator(mode="after")
    def _has_an_end(self) -> JourneySettings:
        mistakes = [*self._mistakes()]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def _mistakes(self) -> Iterator[str]:
        days = [*accumulate(step.after_days for step in self.steps)]
        if not self.exits:
            yield (
                f"has no exit, and would go on with customers who have bought or said no; give exits: "
                f"[{', '.join(EXITS)}], or some of them"
            )
        if days[-1] >= self.outcome_days:
            yield (
                f"its last step comes on day {days[-1]}, outcome_days are {self.outcome_days}: what it does would not "
                f"be seen; raise outcome_days above {days[-1]} or shorten the waits"
            )
        for number, step in enumerate(self.steps[1:], start=2):
            if not step.after_days:
                yield f"step {number} comes on the day of step {number - 1}; give after_days of 1 at least"
        if self.again_after_days is not None and self.again_after_days < self.outcome_days:
            yield (
                f"again_after_days ({self.again_after_days}) is below outcome_days ({self.outcome_days}): it would "
                "begin anew while its effect is still counted"
            )
        late = days[-1] - days[0] + 1
        if self.code is not None and late > self.code.days:
            yield (
                f"its last step comes on day {late} of the code, which holds for {self.code.days}; raise code.days or "
                "shorten the waits"
            )
        yield from (f"who: {mistake}" for mistake in find_contradictions(self.criteria))
        for number, step in enumerate(self.steps, start=1):
            yield from (f"step {number}, when: {mistake}" for mistake in find_contradictions(step.criteria))


def find_mistakes(
    journeys: Sequence[JourneySettings], *, triggers: Sequence[TriggerSettings], offers: Mapping[str, OfferSettings]
) -> Iterator[str]:
    """What is wrong with journeys beside the other rules: unknown names, and journeys that can never begin.

    Args:
        journeys: In the order of priority.
        triggers: Of the config.
        offers: Of the config.
    """
    known, names = [trigger.name for trigger in triggers], [journey.name for journey in journeys]
    first: dict[str, str] = {}
    for journey in journeys:
        place = f"journeys.{journey.name}"
        if journey.trigger not in known:
            yield f"{place}: no trigger {journey.trigger!r}{did_you_mean(journey.trigger, known)}"
        for offer in journey.offers:
            if offer not in offers:
                yield f"{place}: no offer {offer!r}{did_you_mean(offer, [*offers])}"
        if journey.name in (*offers, CONTROL, NO_OFFER):
            yield f"{place}: an offer, or no contact, is called so too; give the journey a name of its own"
        if journey.trigger in first:
            yield (
                f"{place}: never begins, since {first[journey.trigger]} begins by the same trigger for whomever it "
                "fires; give that one conditions (who), or put it behind"
            )
        elif not journey.who and journey.enter_until is None:
            first[journey.trigger] = f"journeys.{journey.name}"
    yield from (f"journeys: {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1}))


__all__ = ["EXITS", "CodeSettings", "JourneySettings", "StepSettings", "find_mistakes"]
