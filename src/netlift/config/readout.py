"""Readout settings: tolerance of loss, use of pre-period data, metrics and guardrails."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from netlift.config.bounds import Money, Name
from netlift.config.own_parts import known_or_own
from netlift.config.settings import Settings

OwnMetricName = Annotated[str, AfterValidator(known_or_own((), "metric"))]
Difference = Annotated[float, Field(ge=-1e12, le=1e12)]


class MetricSettings(Settings):
    """A figure of each assigned customer in the outcome window, compared beside the money; with a bound a guardrail.

    Attributes:
        own: An own metric, by dotted path or entry point.
        events: In its place a kind of the table `events`, whose rows are counted.
        at_most: Bound of a guardrail on what must not grow: the largest difference from control, per customer.
        at_least: Bound on what must not shrink: the smallest difference, mostly below zero.
    """

    own: OwnMetricName | None = None
    events: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    at_most: Difference | None = None
    at_least: Difference | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> MetricSettings:
        if (self.own is None) == (self.events is None):
            raise ValueError("give either own (package.module:Name) or a kind of events")
        if self.at_most is not None and self.at_least is not None:
            raise ValueError("a guardrail has one bound: at_most or at_least")
        return self


class ReadoutSettings(Settings):
    """What every readout of the business is made with, unless a plan says otherwise.

    Attributes:
        tolerance: Loss on a campaign that the business calls immaterial, in currency; a verdict weighs against it.
        level: Confidence of the intervals.
        pre_days: Days before the assignment by which noise is taken out of the comparison.
        after_days: Days behind the window that are looked at for sales only brought forward.
        segments: What every readout is split by: columns of customers, `segment` for the value segment as of the day on
            which the campaign began, `strategy` for what the config does with that segment.
        household: Column of what customers share, such as a card or an address; None where each is his own.
        minimum_buyers: Segments with fewer buyers in arm and control together are not read.
        cap: Share of buyers whose spend is below the cap of the sensitivity line.
        metrics: Figures compared beside the money, by name; those with a bound are guardrails.
    """

    tolerance: Money
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    pre_days: Annotated[int, Field(ge=1, le=1096)] = 365
    after_days: Annotated[int, Field(ge=0, le=366)] = 28
    segments: tuple[str, ...] = ()
    household: str | None = None
    minimum_buyers: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    cap: Annotated[float, Field(gt=0.5, lt=1)] = 0.999
    metrics: dict[Name, MetricSettings] = Field(default_factory=dict)
