"""A readout as slides with native charts: verdict, what to do with each arm, where the profit comes from, trust."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from netlift.abtest.readout import CampaignReadout
from netlift.report.document import Cell, Grid
from netlift.report.native_charts import add_arms, add_waterfall
from netlift.report.pages.readout_advice import advice_grid
from netlift.report.pages.readout_checks import checks_grid
from netlift.report.pages.readout_verdict import Headline, write_headline
from netlift.report.pages.readout_words import ReadoutWords
from netlift.report.palette import LIGHT
from netlift.report.words import Words

WIDTH, MARGIN = 13.333, 0.6
INK, QUIET, SOFT, GOOD, BAD, WARN, BLUE = (
    LIGHT[name].removeprefix("#").upper() for name in ("ink", "quiet", "soft", "gain", "loss", "warn", "blue")
)
COLORS = {"good": GOOD, "bad": BAD, "warn": WARN, "muted": QUIET, "": BLUE}
EPOCH = (1980, 1, 1, 0, 0, 0)
MOST_ARMS, MOST_CHECKS, LONGEST, SHORT = 6, 11, 160, 45


def to_pptx(readout: CampaignReadout, words: Words) -> bytes:
    """The readout as slides; the same readout gives the same bytes.

    Args:
        readout: The readout.
        words: The language.
    """
    from pptx import Presentation
    from pptx.util import Inches

    say = ReadoutWords(words=words, currency=readout.currency)
    head = write_headline(readout, say)
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(7.5)
    made = datetime.combine(readout.as_of.date(), time())
    properties = deck.core_properties
    properties.title, properties.author, properties.last_modified_by = head.title[:255], "netlift", "netlift"
    properties.created = properties.modified = made
    _verdict_slide(deck, head)
    if readout.advice:
        _advice_slide(deck, readout, head, say)
    _money_slide(deck, readout, head, say)
    if len(readout.arms) > 1:
        _arms_slide(deck, readout, head, say)
    _trust_slide(deck, readout, head, say)
    buffer = io.BytesIO()
    deck.save(buffer)
    return settle(buffer.getvalue())


def settle(package: bytes) -> bytes:
    """A zipped package whose entries carry no time of writing."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(package)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, source.read(name))
    return buffer.getvalue()


def _verdict_slide(deck: Any, head: Headline) -> None:
    """The verdict, its sentences and three figures."""
    slide = _slide(deck, head)
    title = 30 if len(head.banner.title) < SHORT else 24 if len(head.banner.title) < 2 * SHORT else 18
    _text(slide, [(head.banner.title, title, COLORS[head.banner.tone], True)], box=(MARGIN, 1.55, 12.1, 0.75))
    size = 16 if sum(map(len, head.banner.lines)) < 700 else 12
    lines = [(_cut(line, 400), size, INK, False) for line in head.banner.lines]
    _text(slide, lines, box=(MARGIN, 2.3, 12.1, 2.9))
    for i, card in enumerate(head.cards):
        parts = [
            (card.title, 13, QUIET, False),
            (head.shown(card.cell), 26, COLORS[card.cell.tone] if card.cell.tone else INK, True),
        ]
        small = head.small(card.cell)
        parts += [(small, 12, QUIET, False)] if small else []
        parts += [(text, 11, QUIET, False) for text, _ in card.lines]
        _text(slide, parts, box=(MARGIN + 4.1 * i, 5.25, 3.9, 1.9), filled=True)


def _money_slide(deck: Any, readout: CampaignReadout, head: Headline, say: ReadoutWords) -> None:
    """The waterfall, native, so that it can be copied and restyled."""
    slide = _slide(deck, head)
    _text(slide, [(say.say("money"), 24, INK, True)], box=(MARGIN, 1.5, 12.1, 0.6))
    add_waterfall(slide, readout, say, box=(MARGIN, 2.1, 12.1, 4.6))
    profit = f"{say.say('tile_profit')}: {head.shown(head.cards[0].cell)}"
    small = head.small(head.cards[0].cell)
    _text(slide, [(f"{profit} ({small})" if small else profit, 14, INK, False)], box=(MARGIN, 6.75, 12.1, 0.5))


def _arms_slide(deck: Any, readout: CampaignReadout, head: Headline, say: ReadoutWords) -> None:
    """What each arm earned, native as well."""
    slide = _slide(deck, head)
    _text(slide, [(say.say("arms"), 24, INK, True)], box=(MARGIN, 1.5, 12.1, 0.6))
    _text(slide, [(say.say("simultaneous"), 13, QUIET, False)], box=(MARGIN, 2.05, 12.1, 0.4))
    add_arms(slide, readout, say, box=(MARGIN, 2.5, 12.1, 4.6))


def _advice_slide(deck: Any, readout: CampaignReadout, head: Headline, say: ReadoutWords) -> None:
    """What to do with each arm, its money in total and per customer."""
    slide = _slide(deck, head)
    grid = advice_grid(readout, say)
    _text(slide, [(say.say("advice"), 24, INK, True)], box=(MARGIN, 1.5, 12.1, 0.6))
    _table(slide, grid, head, widths=(1.9, 1.6, 1.8, 1.8, 1.9, 3.1), rows=MOST_ARMS, height=0.62, points=12)
    _say_rest(slide, say.say("more_arms", n=say.words.number(len(grid.rows) - MOST_ARMS)), grid, MOST_ARMS)


def _trust_slide(deck: Any, readout: CampaignReadout, head: Headline, say: ReadoutWords) -> None:
    """The checks with their lights, failed ones first."""
    slide = _slide(deck, head)
    grid = checks_grid(readout, say)
    _text(slide, [(say.say("trust"), 24, INK, True)], box=(MARGIN, 1.5, 12.1, 0.6))
    _table(slide, grid, head, widths=(4.2, 1.7, 6.2), rows=MOST_CHECKS, height=0.36, points=11)
    _say_rest(slide, say.say("more_checks", n=say.words.number(len(grid.rows) - MOST_CHECKS)), grid, MOST_CHECKS)


def _table(
    slide: Any, grid: Grid, head: Headline, *, widths: Sequence[float], rows: int, height: float, points: int
) -> None:
    """The first rows of a grid as a table of the slide."""
    from pptx.util import Inches

    shown = grid.rows[:rows]
    place = [Inches(inches) for inches in (MARGIN, 2.15, sum(widths), height * (len(shown) + 1))]
    table = slide.shapes.add_table(len(shown) + 1, len(grid.columns), *place).table
    for j, width in enumerate(widths):
        table.columns[j].width = Inches(width)
    for i, row in enumerate((grid.columns, *shown)):
        for j, cell in enumerate(row):
            _fill(table.cell(i, j), cell, head, points=points, bold=i == 0)


def _say_rest(slide: Any, text: str, grid: Grid, rows: int) -> None:
    if len(grid.rows) > rows:
        _text(slide, [(text, 11, QUIET, False)], box=(MARGIN, 6.95, 12.1, 0.4))


def _slide(deck: Any, head: Headline) -> Any:
    """A blank slide with the campaign's name, and the notice where there is one."""
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = _emu(MARGIN, 0.25, 12.1, 0.65)
    _write(title.text_frame, [(_cut(head.title, 110), 20 if len(head.title) < 70 else 15, QUIET, True)])
    _text(slide, [(_cut(head.subtitle, LONGEST), 12, QUIET, False)], box=(MARGIN, 0.85, 12.1, 0.35))
    if head.notice:
        _text(slide, [(head.notice, 11, COLORS["bad"], True)], box=(MARGIN, 1.15, 12.1, 0.4))
    return slide


def _text(
    slide: Any,
    parts: Sequence[tuple[str, int, str, bool]],
    *,
    box: tuple[float, float, float, float],
    filled: bool = False,
) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.text import MSO_AUTO_SIZE

    shape = slide.shapes.add_textbox(*_emu(*box))
    if filled:
        shape.fill.solid()
        shape.fill.fore_color.rgb = RGBColor.from_string(SOFT)
    shape.text_frame.auto_size = MSO_AUTO_SIZE.NONE
    _write(shape.text_frame, parts)


def _write(frame: Any, parts: Sequence[tuple[str, int, str, bool]]) -> None:
    """Paragraphs of (text, points, colour, bold)."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Pt

    frame.word_wrap = True
    for i, (text, points, color, bold) in enumerate(parts):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.LEFT
        run = paragraph.add_run()
        run.text = text
        run.font.size, run.font.bold = Pt(points), bold
        run.font.color.rgb = RGBColor.from_string(color)


def _fill(place: Any, cell: Cell, head: Headline, *, points: int, bold: bool) -> None:
    from pptx.dml.color import RGBColor
    from pptx.util import Inches

    place.margin_top = place.margin_bottom = Inches(0.03)
    place.fill.solid()
    place.fill.fore_color.rgb = RGBColor.from_string("E8EEF5" if bold else "FFFFFF")
    small = head.small(cell)
    parts = [(_cut(head.shown(cell), LONGEST), points, COLORS[cell.tone] if cell.tone else INK, bold)]
    parts += [(_cut(small, LONGEST), points - 2, QUIET, False)] if small else []
    _write(place.text_frame, parts)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _emu(*inches: float) -> tuple[int, ...]:
    from pptx.util import Inches

    return tuple(int(Inches(value)) for value in inches)


__all__ = ["settle", "to_pptx"]
