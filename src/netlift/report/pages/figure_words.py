"""A scorecard's figures and changes as cells and words of a language."""

from __future__ import annotations

from dataclasses import dataclass

from netlift.report.document import Cell, CellKind, Tone, text_cell, write_number
from netlift.report.words import Words
from netlift.segments.figures import Change, Figure
from netlift.segments.metrics import METRIC, Metric

DIGITS = {"money": 0, "share": 1, "count": 0, "ratio": 2, "score": 1}
SMALL_MONEY = 100.0
MOST_TIMES = 10.0
ANSWERED = ("nps", "csi")


@dataclass(frozen=True, kw_only=True)
class FigureWords:
    """How figures are said.

    Attributes:
        words: The language.
        currency: Of all money.
    """

    words: Words
    currency: str

    def name(self, metric: Metric) -> str:
        """What a figure is called."""
        return self.words.say(f"metric.{metric.name}")

    def head(self, name: str) -> Cell:
        """The head of a column."""
        return text_cell(self.words.say(f"column.{name}"))

    def absent(self, kind: CellKind, reason: str) -> Cell:
        """A place without a figure of a kind, and why."""
        return Cell(kind=kind, value=None, text=self.words.say(f"absent.{reason}"), tone="muted")

    def cell(self, figure: Figure) -> Cell:
        """A figure with its interval, or the reason why there is none."""
        metric = METRIC[figure.metric]
        if figure.value is None:
            return self.absent(metric.kind, figure.absent)
        return Cell(
            kind=metric.kind,
            value=figure.value,
            lower=figure.ci_lower,
            upper=figure.ci_upper,
            digits=digits_of(metric, figure.value),
            note=self.words.count("noun.answers", figure.n) if metric.name in ANSWERED else "",
        )

    def number(self, metric: Metric, value: float, *, signed: bool = False) -> str:
        """A value of a figure in its own writing."""
        digits = digits_of(metric, value)
        return write_number(metric.kind, value, self.words, self.currency, digits=digits, signed=signed)

    def size(self, change: Change) -> str:
        """How large a change is: per cent of the earlier figure, points, or the difference itself beyond tenfold."""
        metric = METRIC[change.metric]
        if change.relative is not None and abs(change.relative) < MOST_TIMES:
            return self.words.share(change.relative, signed=True)
        if metric.kind == "share":
            points = self.words.number(100 * change.difference, digits=1, signed=True)
            return self.words.say("change.points", value=points)
        if metric.kind == "score":
            points = self.words.number(change.difference, digits=digits_of(metric, change.difference), signed=True)
            return self.words.say("change.score", value=points)
        return self.number(metric, change.difference, signed=True)

    def doubt(self, change: Change) -> str:
        """A remark where the intervals alone explain a change, else nothing."""
        return "" if change.is_clear else f" ({self.words.say('change.unclear')})"


def digits_of(metric: Metric, value: float) -> int:
    """Digits behind the point."""
    if metric.kind == "money" and 0 < abs(value) < SMALL_MONEY:
        return 2
    return 2 if metric.name == "csi" else DIGITS[metric.kind]


def tone_of(change: Change) -> Tone:
    """Good or bad news, or none of both."""
    better = METRIC[change.metric].better
    if not change.is_clear or change.difference == 0 or better == "neither":
        return "muted"
    return "good" if (change.difference > 0) == (better == "up") else "bad"
