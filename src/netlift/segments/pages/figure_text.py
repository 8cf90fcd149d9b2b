"""Scorecard figures and changes as cells and words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from netlift.report.document import Cell, CellKind, Tone, text_cell, write_number
from netlift.report.language import Words
from netlift.segments.figures import Change, Note, SegmentFigure
from netlift.segments.metrics import METRIC, SegmentMetric

DIGITS = {"money": 0, "share": 1, "count": 0, "ratio": 2, "score": 1}
SMALL_MONEY = 100.0
MOST_TIMES = 10.0
ANSWERED = ("nps", "csi")
HALF_YEAR_DAYS, YEAR_DAYS = range(180, 185), range(363, 367)


@dataclass(frozen=True, kw_only=True)
class FigureWords:
    """How figures are said.

    Attributes:
        words: The language.
        currency: Of all money.
        horizon_days: How far LTV looks; None without a model.
    """

    words: Words
    currency: str
    horizon_days: int | None

    def name(self, metric: SegmentMetric) -> str:
        """What a figure is called."""
        return self.words.say(f"metric.{metric.name}", horizon=say_horizon(self.horizon_days, self.words))

    def head(self, name: str) -> Cell:
        """The head of a column."""
        return text_cell(self.words.say(f"column.{name}"))

    def absent(self, kind: CellKind, reason: str) -> Cell:
        """A place without a figure of a kind, and why."""
        return Cell(kind=kind, value=None, text=self.words.say(f"absent.{reason}"), tone="muted")

    def cell(self, figure: SegmentFigure) -> Cell:
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

    def short_cell(self, figure: SegmentFigure) -> Cell:
        """Money of a figure in thousands or millions with its interval, or the reason why there is none."""
        cell = self.cell(figure)
        if figure.value is None:
            return cell
        return short_money_cell(figure.value, figure.ci_lower, figure.ci_upper, self.words, self.currency)

    def money(self, change: Change) -> str:
        """How much money a change is, in thousands or millions, with its interval where it has one."""
        size = self.words.short_money(change.difference, self.currency, signed=True)
        if change.ci_lower == change.ci_upper:
            return size
        ends = (self.words.short_money(end, self.currency) for end in (change.ci_lower, change.ci_upper))
        lower, upper = ends
        return f"{size} ({self.words.say('cell.interval', lower=lower, upper=upper)})"

    def number(self, metric: SegmentMetric, value: float, *, signed: bool = False) -> str:
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


def short_money_cell(value: float, lower: float | None, upper: float | None, words: Words, currency: str) -> Cell:
    """Money in thousands or millions, with its range where it has one; a workbook gets it whole."""
    note = ""
    if lower is not None and upper is not None:
        ends = [words.short_money(end, currency) for end in (lower, upper)]
        note = words.say("cell.interval", lower=ends[0], upper=ends[1])
    return Cell(kind="money", value=value, text=words.short_money(value, currency), note=note)


def digits_of(metric: SegmentMetric, value: float) -> int:
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


def say_note(note: Note, words: Words) -> str:
    """A note in a language.

    Examples:
        >>> say_note(Note(code="no_value_in_migration", values={"customers": 1200}), Words(language="en"))
        'Customers whom the LTV model does not value: 1,200; in moves their LTV counts as zero.'
    """
    return words.say(f"note.{note.code}", **{name: _said(value, words) for name, value in note.values.items()})


def say_horizon(days: int | None, words: Words) -> str:
    """A horizon as people say it.

    Examples:
        >>> say_horizon(182, Words(language="ru")), say_horizon(91, Words(language="en"))
        ('полгода', '91 days')
    """
    if days is None:
        return words.say("horizon.unknown")
    if days in HALF_YEAR_DAYS:
        return words.say("horizon.half_year")
    return words.say("horizon.year") if days in YEAR_DAYS else words.count("noun.days", days)


def _said(value: str | date | float, words: Words) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return words.day(value)
    return words.number(value) if isinstance(value, int) else words.share(value)
