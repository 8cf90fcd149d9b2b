"""Document of sections, cards, grids and charts, before it is rendered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from netlift.report.language import Words
from netlift.text import clean

CellKind = Literal["text", "month", "money", "share", "count", "ratio", "score"]
Tone = Literal["", "good", "bad", "warn", "muted"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One place of a grid.

    Attributes:
        kind: How the value is written.
        value: Text, the first day of a month, or a number; None where there is none.
        lower: Lower end of the number's interval.
        upper: Upper end.
        digits: Digits behind the point; of per cent for a share.
        text: What is shown in place of the number: the reason why there is none, or a reading of it.
        note: What stands beside the interval, such as how many answered.
        tone: Whether it is good or bad news.
    """

    kind: CellKind
    value: str | date | float | None
    lower: float | None = None
    upper: float | None = None
    digits: int = 0
    text: str = ""
    note: str = ""
    tone: Tone = ""

    def shown(self, words: Words, currency: str) -> str:
        """The value as a reader of the language writes it."""
        if self.text:
            return self.text
        if isinstance(self.value, date):
            return words.month(self.value, short=True)
        if self.value is None or isinstance(self.value, str):
            return self.value or ""
        return write_number(self.kind, self.value, words, currency, digits=self.digits)

    def small_print(self, words: Words, currency: str) -> str:
        """The interval in words and the note, empty where there is neither."""
        if self.lower is None or self.upper is None:
            return self.note
        ends = [
            words.number(end, digits=self.digits)
            if self.kind == "money"
            else write_number(self.kind, end, words, currency, digits=self.digits)
            for end in (self.lower, self.upper)
        ]
        interval = words.say("cell.interval", lower=ends[0], upper=ends[1])
        return f"{interval}; {self.note}" if self.note else interval


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Rows of a grid that a workbook draws as lines over its columns.

    Attributes:
        rows: Positions of the rows.
        title: Of the drawing.
    """

    rows: tuple[int, ...]
    title: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table; the first column heads its rows.

    Attributes:
        name: Short name, of a sheet or an anchor.
        title: What it shows.
        columns: Titles of the columns, as cells, so that a month stays a month.
        rows: Cells, one per column.
        plot: What a workbook draws of it.
    """

    name: str
    title: str
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    plot: Plot | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One figure that is read first.

    Attributes:
        title: Its name.
        cell: The figure.
        lines: How it changed, each with its tone.
    """

    title: str
    cell: Cell
    lines: tuple[tuple[str, Tone], ...]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart.

    Attributes:
        svg: The drawing.
        title: Its title.
        alternative: What it shows, for who cannot see it.
    """

    svg: bytes
    title: str
    alternative: str


@dataclass(frozen=True, kw_only=True)
class Banner:
    """The answer that stands above everything else of a section.

    Attributes:
        title: The answer in a few words.
        tone: Whether it is good or bad news.
        lines: Sentences below it.
    """

    title: str
    tone: Tone
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a document with a heading.

    Attributes:
        name: Its anchor.
        title: Its heading.
        banner: The answer that stands first.
        paragraphs: Text.
        items: Sentences of a list.
        cards: Figures that are read first.
        pictures: Charts.
        grids: Tables.
    """

    name: str
    title: str
    banner: Banner | None = None
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is written out as a page, a text or a workbook.

    Attributes:
        title: Its title.
        subtitle: One line below it.
        words: The language it speaks.
        currency: Of all money.
        dated: The day that it is of; what a workbook says it was made on.
        sections: Its parts.
        sheets: Tables that a workbook holds beside those of the sections.
        notice: What a reader must see wherever the document is opened; empty for nothing.
    """

    title: str
    subtitle: str
    words: Words
    currency: str
    dated: date
    sections: tuple[Section, ...]
    sheets: tuple[Grid, ...] = ()
    notice: str = ""

    def show(self, cell: Cell) -> str:
        """A cell's value as text."""
        return cell.shown(self.words, self.currency)

    def show_small(self, cell: Cell) -> str:
        """A cell's interval and note as text, empty where it has none."""
        return cell.small_print(self.words, self.currency)


def write_number(
    kind: CellKind, value: float, words: Words, currency: str, *, digits: int, signed: bool = False
) -> str:
    """A number as its kind is written in a language."""
    if kind == "money":
        return words.money(value, currency, digits=digits, signed=signed)
    if kind == "share":
        return words.share(value, digits=digits, signed=signed)
    return words.number(value, digits=digits, signed=signed)


def text_cell(text: str) -> Cell:
    """A cell of text, harmless to who reads it."""
    return Cell(kind="text", value=clean(text))


def scale_money(values: Sequence[float | None], currency: str, words: Words) -> tuple[float, str]:
    """What money is divided by on an axis, and the unit that it leaves."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    for scale, name in ((1e6, "million"), (1e3, "thousand")):
        if largest >= 2 * scale:
            return scale, words.say(f"chart.{name}", currency=words.symbol(currency))
    return 1.0, words.symbol(currency)
