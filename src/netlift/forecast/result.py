"""Result of a margin forecast in plain numbers: month, quarter, year, group, backtest and what-if."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from netlift.forecast.contacts import ContactPlan
from netlift.results import Estimate, Table

ALL, JOINERS, KNOWN = "(all)", "(joiners)", "(known)"
Span = Literal["month", "quarter", "year"]


@dataclass(frozen=True, kw_only=True)
class ForecastLine:
    """Margin of some months of a group.

    Attributes:
        span: A month, the next quarter or the next year.
        start: First day.
        end: First day after.
        group: A value segment as of the day of the forecast; `JOINERS` for who joins later, `KNOWN` for all who had
            joined, `ALL` for both.
        without_contacts: What comes without contacts; the interval is not finite where nothing tells how wide it is.
        contacts: What the planned contacts add after their costs; None where none are planned.
        total: Both.
    """

    span: Span
    start: date
    end: date
    group: str
    without_contacts: Estimate
    contacts: Estimate | None
    total: Estimate


@dataclass(frozen=True, kw_only=True)
class TestedDay:
    """A forecast made again on a day past.

    Attributes:
        span: The quarter or the year from the day on.
        day: The day.
        has_season: Whether the same months a year before were known then.
        counts: Whether its error counts today: without a season it does only where too few days have one.
        actual: What came, in currency, contacts of those months included.
        forecast: What the forecast would have said.
        same_months_last_year: The margin of the same months a year before; None where not known.
        last_quarter_by_season: The quarter just past, moved as a year before.
    """

    span: Span
    day: date
    has_season: bool
    counts: bool
    actual: float
    forecast: float
    same_months_last_year: float | None
    last_quarter_by_season: float | None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The forecast beside a naive one, over the days on which both can be judged.

    Attributes:
        span: The quarter or the year.
        naive: Name of the naive forecast.
        days: How many days.
        error: Mean absolute error of the forecast, as a share.
        naive_error: The same of the naive one.
        difference: Mean of the paired differences, below 0 where the forecast was nearer; the interval is not finite
            for a single day.
        used: Whether the naive one was nearer and is the one that is used.
    """

    span: Span
    naive: str
    days: int
    error: float
    naive_error: float
    difference: Estimate
    used: bool


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What if.

    Attributes:
        name: budget, margin, churn, plan for the plan itself, or asked for what the caller asked.
        budget: Money of a run, in currency; None where it is not changed.
        margin: Times the margin of every sale.
        churn: Times the rate at which known customers leave.
        quarter: Margin of the next quarter.
        year: Margin of the next year; None where no year is forecast.
        quarter_change: Against the plan, in currency.
        year_change: The same of the year.
    """

    name: str
    budget: float | None
    margin: float
    churn: float
    quarter: Estimate
    year: Estimate | None
    quarter_change: float
    year_change: float | None


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """What a caller asks of the months ahead.

    Attributes:
        budget: Money of a run, in currency; None for the plan's.
        margin: Times the margin of every sale.
        churn: Times the rate at which known customers leave.
    """

    budget: float | None = None
    margin: float = 1.0
    churn: float = 1.0

    @property
    def asks(self) -> bool:
        """Whether anything differs from the plan."""
        return self != WhatIf()


@dataclass(frozen=True, kw_only=True)
class ForecastNote:
    """Something that a reader must know, by the key of its text, with what is put into it."""

    key: str
    values: Mapping[str, str | int | float]


@dataclass(frozen=True, kw_only=True)
class MarginForecast:
    """The margin of the next quarter, and of the next year where the same months a year before are known.

    Attributes:
        business: Name of the business.
        as_of: First day not seen, and the first of the months ahead.
        currency: Of all money.
        level: Of every interval.
        revenue_based: Whether all money is revenue, because the source has no margins.
        groups: Value segments that have customers, or `KNOWN` where the config has none, and `JOINERS`.
        lines: Every month of them, the quarter and the year, by group and in all.
        past: Margin of past months, first day to currency, oldest first.
        tested: Forecasts of days past.
        beside: The forecast beside the naive ones.
        methods: Span to the method that is used.
        removed: What past contacts had added to the year that the forecast is made of, taken out of it.
        plan: The contacts to come; None where none are planned.
        scenarios: What if, the plan first.
        has_season: Whether the same months a year before are behind the forecast.
        notes: What else a reader must know.
    """

    business: str
    as_of: date
    currency: str
    level: float
    revenue_based: bool
    groups: tuple[str, ...]
    lines: Table[ForecastLine]
    past: Mapping[str, float]
    tested: Table[TestedDay]
    beside: Table[Beside]
    methods: Mapping[Span, str]
    removed: Estimate | None
    plan: ContactPlan | None
    scenarios: Table[Scenario]
    has_season: bool
    notes: tuple[ForecastNote, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is forecast beside months: a year whose season nobody has seen is not."""
        return ("quarter", "year") if self.has_season else ("quarter",)

    def line(self, span: Span, group: str = ALL, month: int = 0) -> ForecastLine:
        """The line of a span and a group; of a month, the one so many after the first."""
        return [one for one in self.lines if (one.span, one.group) == (span, group)][month]


__all__ = [
    "ALL",
    "JOINERS",
    "KNOWN",
    "Beside",
    "ForecastLine",
    "ForecastNote",
    "MarginForecast",
    "Scenario",
    "Span",
    "TestedDay",
    "WhatIf",
]
