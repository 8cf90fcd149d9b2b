"""Number formats of segments: thousands on the page, full values in a workbook."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netlift.report.document import Cell, CellKind, Tone, text_cell
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.segments.pages.figure_text import say_horizon, short_money_cell
from netlift.segments.payback import Payback
from netlift.segments.report import SegmentReport

THOUSAND, FEW = 1e3, 1e5


@dataclass(frozen=True, kw_only=True)
class SegmentWords:
    """How a report of segments is said.

    Attributes:
        report: The report.
        words: The language.
    """

    report: SegmentReport
    words: Words

    def say(self, key: str, **values: str) -> str:
        """A text of the page."""
        return self.words.say(f"segments.{key}", **values)

    def head(self, name: str, **values: str) -> Cell:
        """The head of a column."""
        return text_cell(self.say(f"column.{name}", **values))

    def segment(self, name: str) -> str:
        """A segment's name, or where customers came from or went who were in none."""
        return self.words.name("flow" if self.words.has(f"flow.{name}") else "segment", name)

    @property
    def horizon(self) -> str:
        """How far predicted value looks."""
        return say_horizon(self.report.horizon_days, self.words)

    @property
    def scale(self) -> float:
        """What money in tables is divided by."""
        return THOUSAND if abs(self.report.total.margin_365d) >= FEW else 1.0

    @property
    def unit(self) -> str:
        """What money in tables is in."""
        symbol = self.words.symbol(self.report.currency)
        return symbol if self.scale == 1.0 else self.say("thousand", currency=symbol)

    @property
    def flow_value(self) -> str:
        """What migration follows."""
        return "LTV" if self.report.flow_value == "ltv" else self.say("margin_value")

    def thousands(self, value: float, *, signed: bool = False) -> str:
        """Money in the unit of the tables."""
        return self.words.number(value / self.scale, signed=signed)

    def money_cell(self, value: float | Estimate | None, *, signed: bool = False, tone: Tone = "") -> Cell:
        """Money of many customers, in the unit of the tables."""
        if value is None:
            return self.absent("money")
        point = value.point if isinstance(value, Estimate) else value
        text = self.thousands(point, signed=signed)
        ends = [self.thousands(end) for end in ends_of(value)]
        return Cell(kind="money", value=point, text=text, note=self._between(*ends) if ends else "", tone=tone)

    def short_cell(self, value: float | Estimate) -> Cell:
        """Money in thousands or millions, with its range where it has one."""
        point = value.point if isinstance(value, Estimate) else value
        lower, upper = ends_of(value) or (None, None)
        return short_money_cell(point, lower, upper, self.words, self.report.currency)

    def cell(self, kind: CellKind, value: float | Estimate | None, *, digits: int = 0, tone: Tone = "") -> Cell:
        """A number of one customer or a share, with its range where it has one."""
        if value is None:
            return self.absent(kind)
        if not isinstance(value, Estimate):
            return Cell(kind=kind, value=value, digits=digits, tone=tone)
        lower, upper = ends_of(value) or (None, None)
        return Cell(kind=kind, value=value.point, lower=lower, upper=upper, digits=digits, tone=tone)

    def absent(self, kind: CellKind) -> Cell:
        """A place without a figure."""
        return Cell(kind=kind, value=None, text="–", tone="muted")

    def payback_cell(self, payback: Payback | None) -> Cell:
        """The month in which an acquisition was paid back, and the months that it could be."""
        if payback is None:
            return self.absent("count")
        months = self.words.count("noun.months", payback.within_months)
        first = payback.ci_lower
        if payback.months is None:
            note = self.say("perhaps_from", month=self.words.number(first)) if first else ""
            return Cell(kind="text", value=self.say("not_within", months=months), note=note, tone="bad")
        last = (
            self.words.number(payback.ci_upper)
            if payback.ci_upper
            else self.say("over", months=self.words.number(payback.within_months))
        )
        note = "" if first == payback.ci_upper else self._between(self.words.number(first or 1), last)
        return Cell(kind="text", value=self.words.count("noun.months", payback.months), note=note)

    def _between(self, lower: str, upper: str) -> str:
        return self.words.say("cell.interval", lower=lower, upper=upper)


def ends_of(value: float | Estimate) -> tuple[float, ...]:
    """The ends of a range; empty where there is none."""
    if isinstance(value, Estimate) and math.isfinite(value.ci_lower) and math.isfinite(value.ci_upper):
        return value.ci_lower, value.ci_upper
    return ()


__all__ = ["SegmentWords", "ends_of"]
