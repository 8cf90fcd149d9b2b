"""Figures of the scorecard: values, changes, channel costs and notes as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from netlift.config.segments import LostSettings
from netlift.results import SCHEMA_VERSION, Estimate, Table, to_plain
from netlift.segments.metrics import Source
from netlift.segments.monthly import ChurnRule
from netlift.segments.sums import Measured

TOTAL = "(all)"
Against = Literal["month", "year"]


@dataclass(frozen=True, kw_only=True)
class SegmentFigure:
    """One figure of one segment in one month.

    Attributes:
        month: First day of the month.
        segment: The segment that customers had when the month began; `(all)`, `(joined)` and `(outside)` beside them.
        metric: Its name in the catalogue of `metrics`.
        value: The figure; None where there is none, see `absent`.
        ci_lower: Lower end of its interval; None for plain counts and sums.
        ci_upper: Upper end.
        level: Confidence of the interval.
        n: Observations behind it: customers, receipts, answers.
        unit: What one unit is.
        method: How it was computed, in a few words.
        absent: Why there is no figure, as a word; empty where there is one.
    """

    month: date
    segment: str
    metric: str
    value: float | None
    ci_lower: float | None
    ci_upper: float | None
    level: float
    n: int
    unit: str
    method: str
    absent: str

    @property
    def estimate(self) -> Estimate | None:
        """The figure with its interval, where it has one."""
        if self.value is None or self.ci_lower is None or self.ci_upper is None:
            return None
        return Estimate(
            point=self.value,
            ci_lower=self.ci_lower,
            ci_upper=self.ci_upper,
            level=self.level,
            unit=self.unit,
            method=self.method,
        )


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a figure of the newest month differs from an earlier one.

    Attributes:
        segment: The segment.
        metric: The figure.
        against: The month before, or the same month a year before.
        value: Now.
        earlier: Then.
        difference: Now less then.
        relative: The difference over the earlier figure's size; None for shares and scores, and where that was zero.
        ci_lower: Lower end of the difference's interval, the two figures taken as independent; the difference itself
            for counts and sums.
        ci_upper: Upper end.
        is_clear: The difference is larger than the two intervals explain; always so for counts and sums.
    """

    segment: str
    metric: str
    against: Against
    value: float
    earlier: float
    difference: float
    relative: float | None
    ci_lower: float
    ci_upper: float
    is_clear: bool

    @property
    def surely(self) -> float:
        """How much changed at the least: how far the nearer end of the interval is from no change; 0 within it."""
        return max(0.0, self.ci_lower, -self.ci_upper)


@dataclass(frozen=True, kw_only=True)
class ChannelCost:
    """What customers cost whom a channel brought in a month.

    Attributes:
        month: First day of the month.
        channel: The acquisition channel; None where unknown.
        joined: Customers who joined.
        known: Of how many the acquisition cost is known.
        cac: Its mean; None where it is known of nobody.
        ci_lower: Lower end of the interval; None for one customer alone.
        ci_upper: Upper end.
        level: Confidence of the interval.
    """

    month: date
    channel: str | None
    joined: int
    known: int
    cac: float | None
    ci_lower: float | None
    ci_upper: float | None
    level: float


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something to know, as a word that the language catalogue says, with what stands in its places.

    Attributes:
        code: The word.
        values: What stands in its places: a text as it is, a day, a whole number, or a share of one.
    """

    code: str
    values: Mapping[str, str | date | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What the figures of a business rest on.

    Attributes:
        business: Its name.
        currency: Of all money.
        segments: Names of the segments, in the order of their display.
        ltv_horizon_days: How far LTV looks; None without a model.
        level_sd: Relative error of the level of LTV common to all customers, as `sums.normal_level_sd` gives it.
        lost: What counts as lost.
        rule: What churn means; None where no churn model says it.
        missing: Sources that are not there.
        versions: Task to the champion's version.
    """

    business: str
    currency: str
    segments: tuple[str, ...]
    ltv_horizon_days: int | None
    level_sd: float
    lost: LostSettings
    rule: ChurnRule | None
    missing: frozenset[Source]
    versions: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class CampaignEffect:
    """What the contacts of one month earned, by the readouts of its campaigns together.

    Attributes:
        profit: Incremental profit.
        roi: It over the incremental cost; None where that is not above zero.
    """

    profit: Measured
    roi: Measured | None


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The scorecard of a business.

    Attributes:
        basis: What its figures rest on.
        months: First days of the months shown, oldest first.
        segments: The segments shown, all of them together first.
        figures: Every figure.
        changes: The newest month against the month before and the year before.
        highlights: Where most money changed, one change per segment, all customers together first.
        channels: Acquisition cost by channel.
        notes: What to know.
    """

    basis: Basis
    months: tuple[date, ...]
    segments: tuple[str, ...]
    figures: Table[SegmentFigure]
    changes: Table[Change]
    highlights: Table[Change]
    channels: Table[ChannelCost]
    notes: tuple[Note, ...]

    @property
    def newest(self) -> date:
        """The newest month."""
        return self.months[-1]

    def index(self) -> dict[tuple[date, str, str], SegmentFigure]:
        """The figures by month, segment and metric."""
        return {(figure.month, figure.segment, figure.metric): figure for figure in self.figures}

    def to_document(self) -> dict[str, object]:
        """The scorecard as plain values for JSON."""
        return {"schema_version": SCHEMA_VERSION, **to_plain(self)}
