"""Result of a decision run in plain numbers: profit, limits used, reasons for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from netlift.config.decision import Approval
from netlift.decisions.allocation.result import BudgetPoint, Price
from netlift.decisions.changes.result import Changes
from netlift.decisions.choice.value import Sensitivity
from netlift.decisions.eligibility.stops import Stop
from netlift.decisions.journeys.reach import JourneyLine
from netlift.decisions.launch_check.result import Basis, BeforeLaunch
from netlift.decisions.new_offers.plan import NewOffer
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class OfferLine:
    """One offer of a run.

    Attributes:
        offer_id: The offer.
        channel: Its channel.
        customers: Who gets it, by policy or by chance.
        explored: Of these, by chance.
        open_to: Customers who might have got it.
        spend: Contacts and expected rewards, currency.
        profit: Expected profit, corrected as the forecast is, by what is known of this offer; without those whose
            effect nobody knows.
        profit_lower: Lower end of its interval, of the forecast's level; NaN where nothing is known.
        profit_upper: Upper end.
    """

    offer_id: str
    channel: str
    customers: int
    explored: int
    open_to: int
    spend: float
    profit: float
    profit_lower: float = float("nan")
    profit_upper: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class PartLine:
    """The customers of one value segment, or of one strategy of the config.

    Attributes:
        name: The segment or strategy; empty for customers who are in none.
        customers: How many they are.
        offers: Offer to those who get it.
        spend: Contacts and expected rewards, currency.
        profit: Expected profit, corrected as the forecast is; without those whose effect nobody knows.
    """

    name: str
    customers: int
    offers: Mapping[str, int]
    spend: float
    profit: float


@dataclass(frozen=True, kw_only=True)
class NewOfferLine:
    """A new offer of a run.

    Attributes:
        known: What is known of it by now.
        customers: Whom the run tries it with.
        spend: Contacts and expected rewards of these, currency.
        probability: By which each customer with the offer open is tried with it.
    """

    known: NewOffer
    customers: int
    spend: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class NewOffersPart:
    """New offers of a run, and the money for them.

    Attributes:
        lines: The offers.
        level: Confidence of their intervals.
        confidence: How sure the gate must be.
        budget: Currency that the run might spend on them.
        spend: What it is expected to spend.
        monthly_budget: Currency a calendar month; None for no limit.
        before: What other runs of the month are expected to spend.
    """

    lines: tuple[NewOfferLine, ...]
    level: float
    confidence: float
    budget: float
    spend: float
    monthly_budget: float | None
    before: float

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> NewOffersPart:
        """Read what `results.to_plain` made of it."""
        lines = (NewOfferLine(**one | {"known": NewOffer(**one["known"])}) for one in plain["lines"])
        return cls(**{**plain, "lines": tuple(lines)})


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the contacts of a run are expected to earn beyond no contact.

    Attributes:
        profit: Corrected for the choice of the highest predictions. The interval has the error that all customers
            share and, on the basis of the policy itself, what they do by chance.
        promised: The same as the model predicts it, uncorrected.
        basis: What the correction rests on: held-out contacts that this `policy` chooses, `tenths` of those that the
            model likes, or nothing but the model's own `promise`.
        rows: Held-out contacts behind it; 0 without.
        unknown: Contacts by chance whose effect nobody knows, left out.
        exploration: What is expected to be given up for exploration, currency; where effects are known.
    """

    profit: Estimate
    promised: float
    basis: Basis
    rows: int
    unknown: int
    exploration: float


@dataclass(frozen=True, kw_only=True)
class MonthLine:
    """What a calendar month allows of a limit, and what is used of it.

    Attributes:
        name: "budget", in currency, or a limit in contacts such as "channel sms".
        most: No more than this in the month.
        before: Used by other runs of the month; of contacts by all lists and campaigns.
        now: Used by this run.
    """

    name: str
    most: float
    before: float
    now: float

    @property
    def left(self) -> float:
        """What the rest of the month may use."""
        return max(0.0, self.most - self.before - self.now)

    @property
    def was_used_up(self) -> bool:
        """Whether nothing was left for this run."""
        return self.before >= self.most


@dataclass(frozen=True, kw_only=True)
class StopLine:
    """What an operator has stopped.

    Attributes:
        stop: The offer or channel, who stopped it, until when, and why.
        customers: Who might have got something by it; 0 where the run has no such offer.
    """

    stop: Stop
    customers: int


@dataclass(frozen=True, kw_only=True)
class RunNote:
    """Something that a reader must know, by the key of its text.

    Attributes:
        key: Of the text.
        values: What is put into it: numbers, names, and several names at once.
    """

    key: str
    values: Mapping[str, str | int | float | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class DecisionSummary:
    """What a run of decisions did.

    Attributes:
        run_key: The run's key; also the id of its campaign.
        as_of: First day not seen.
        currency: Of all money.
        customers: Everybody asked about.
        contacted: Who gets an offer.
        explored: Whose option was drawn by chance, none included.
        held_out: Whom the universal holdout has.
        forecast: What it is expected to earn.
        before_launch: The policy beside simple rivals on held-out contacts, or why there is no such proof.
        budget: Money at most; None for no limit.
        spend: Contacts and expected rewards, currency.
        gap: How far from the best possible the allocation may be, as a share.
        curve: What other budgets would earn, by the model's word and without exploration; empty without a budget.
        prices: What each limit is worth at the margin.
        offers: Each offer.
        reasons: Why customers got what they got: reason to customers.
        refusals: Offer to the reasons against it and their customers.
        sensitivity: What each economic input does to the expected profit, the largest first.
        versions: Task to the version of its champion.
        observational: Campaigns that nobody randomized and that the effects were learned from; empty for none.
        notes: What else a reader must know.
        segments: Each value segment; empty where no rule of the config asks for segments.
        strategies: Each strategy of the config, and those who are in none; empty without strategies.
        month: What the calendar month allows and what is used of it; empty where the config limits no month.
        journeys: How far the customers of each journey have come; empty without, and for the list of a trigger.
        new_offers: New offers and the money for them; None where the config names none.
        approval: Whether the lists wait for an operator, or none is needed.
        stops: What operators have stopped.
        changes: What it changes against the run before; None without one, and for the list of a trigger.
    """

    run_key: str
    as_of: date
    currency: str
    customers: int
    contacted: int
    explored: int
    held_out: int
    forecast: Forecast
    before_launch: BeforeLaunch
    budget: float | None
    spend: float
    gap: float
    curve: tuple[BudgetPoint, ...]
    prices: tuple[Price, ...]
    offers: tuple[OfferLine, ...]
    reasons: Mapping[str, int]
    refusals: Mapping[str, Mapping[str, int]]
    sensitivity: tuple[Sensitivity, ...]
    versions: Mapping[str, int]
    observational: str
    notes: tuple[RunNote, ...]
    segments: tuple[PartLine, ...] = ()
    strategies: tuple[PartLine, ...] = ()
    month: tuple[MonthLine, ...] = ()
    journeys: tuple[JourneyLine, ...] = ()
    new_offers: NewOffersPart | None = None
    approval: Approval = "none"
    stops: tuple[StopLine, ...] = ()
    changes: Changes | None = None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> DecisionSummary:
        """Read what `results.to_plain` made of a summary."""
        own: dict[str, Any] = {field.name: plain[field.name] for field in fields(cls) if field.name in plain}
        forecast: dict[str, Any] = dict(own["forecast"])
        forecast["profit"] = Estimate(**_numbers(forecast["profit"], float("nan")))
        return cls(
            **own
            | {
                "as_of": date.fromisoformat(own["as_of"]),
                "forecast": Forecast(**forecast),
                "before_launch": BeforeLaunch.from_plain(own["before_launch"]),
                "curve": tuple(BudgetPoint(**one | {"binding": tuple(one["binding"])}) for one in own["curve"]),
                "prices": tuple(Price(**_numbers(one, float("inf"))) for one in own["prices"]),
                "offers": tuple(OfferLine(**_numbers(one, float("nan"))) for one in own["offers"]),
                "sensitivity": tuple(Sensitivity(**one) for one in own["sensitivity"]),
                "notes": tuple(RunNote(key=one["key"], values=_with_tuples(one["values"])) for one in own["notes"]),
                "segments": tuple(PartLine(**one) for one in own.get("segments", ())),
                "strategies": tuple(PartLine(**one) for one in own.get("strategies", ())),
                "month": tuple(MonthLine(**one) for one in own.get("month", ())),
                "journeys": tuple(JourneyLine.from_plain(one) for one in own.get("journeys", ())),
                "new_offers": NewOffersPart.from_plain(own["new_offers"]) if own.get("new_offers") else None,
                "stops": tuple(
                    StopLine(stop=Stop.from_plain(one["stop"]), customers=one["customers"])
                    for one in own.get("stops", ())
                ),
                "changes": Changes.from_plain(own["changes"]) if own.get("changes") else None,
            }
        )


def _with_tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    """With tuples in place of the lists of JSON."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}


def _numbers(plain: Mapping[str, Any], missing: float) -> dict[str, Any]:
    """With the number that JSON cannot hold in place of null."""
    return {name: missing if value is None else value for name, value in plain.items()}


__all__ = [
    "DecisionSummary",
    "Forecast",
    "MonthLine",
    "NewOfferLine",
    "NewOffersPart",
    "OfferLine",
    "PartLine",
    "RunNote",
    "StopLine",
]
