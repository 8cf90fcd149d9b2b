"""Result of `netlift segments` in numbers and codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from netlift.results import Estimate, Table
from netlift.segments.economics import SegmentEconomics
from netlift.segments.figures import Note
from netlift.segments.migration import Flow
from netlift.segments.value_segments import RecencyFrequency, ValueRisk


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """How long the customers of a segment stayed from the landmark on.

    Attributes:
        segment: Their segment at the landmark.
        customers: Those who were still there then.
        lost: Those lost in the following.
        within: Mean days not lost within the following.
        beyond_days: Expected days after it by the last hazard, an extrapolation; None where too few were lost to say.
        curve: Day to share not lost, at twelve steps of the following and its end.
    """

    segment: str
    customers: int
    lost: int
    within: Estimate
    beyond_days: float | None
    curve: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class SegmentReport:
    """The segments of a business as of a day.

    Attributes:
        business: Its name.
        as_of: First day not seen.
        previous: The day with which migration compares; None without.
        currency: Of all money.
        horizon_days: Days that predicted value is of; None without a model.
        lifetime_years: Of the textbook formula of LTV.
        level: Confidence of the intervals.
        revenue_based: Whether margin is revenue, because the source has no margins.
        segments: A row per segment.
        total: The row of all customers.
        recency_frequency: Score of recency crossed with that of frequency.
        value_by_risk: Value tier crossed with churn risk.
        flow_value: The column whose money migration follows; empty without it.
        flows: Migration.
        followed_from: The landmark of the survival view; None without it.
        remaining: A row per segment of the survival view.
        labels_from: The day whose label of churn is whole and newest; None without one.
        nps_days: Days before `as_of` whose answers count, each customer's newest; None without surveys.
        versions: Task to the version that was asked.
        notes: What is missing or approximate.
    """

    business: str
    as_of: date
    previous: date | None
    currency: str
    horizon_days: int | None
    lifetime_years: float
    level: float
    revenue_based: bool
    segments: Table[SegmentEconomics]
    total: SegmentEconomics
    recency_frequency: Table[RecencyFrequency]
    value_by_risk: Table[ValueRisk]
    flow_value: str
    flows: Table[Flow]
    followed_from: date | None
    remaining: Table[Remaining]
    labels_from: date | None
    nps_days: int | None
    versions: Mapping[str, int]
    notes: tuple[Note, ...]


__all__ = ["Remaining", "SegmentReport"]
