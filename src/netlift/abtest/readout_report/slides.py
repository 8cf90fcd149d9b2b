"""Slides of a readout with native charts: verdict, advice per arm, profit breakdown, validity."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from netlift.abtest.readout.result import CampaignReadout
from netlift.abtest.readout_report.advice import advice_grid
from netlift.abtest.readout_report.charts import Step
from netlift.abtest.readout_report.checks import checks_grid
from netlift.abtest.readout_report.figures import waterfall_steps
from netlift.abtest.readout_report.headline import Headline, write_headline
from netlift.abtest.readout_report.sentences import ReadoutWords, is_bounded
from netlift.report.document import Cell, Grid, Section, scale_money
from netlift.report.language import Words
from netlift.report.palette import LIGHT
from netlift.results import Estimate

__all__ = ["add_arms", "add_waterfall", "settle", "to_pptx"]

STACKED, SINGLE = ("base", "above", "below"), ("profit",)
MARKS = 6
CHART_NS = "http://schemas.openxmlformats.org/drawingml/2006/chart"


def add_waterfall(slide: Any, readout: CampaignReadout, say: ReadoutWords, *, box: Sequence[float]) -> None:
    """Stacked columns on an invisible base, the last with the interval of the profit.

    Args:
        slide: A slide of python-pptx.
        readout: The readout.
        say: The language and the currency.
        box: Left, top, width and height in inches.
    """
    from pptx.enum.chart import XL_CHART_TYPE

    steps, unit = waterfall_steps(readout, say)
    sheet = _Sheet(
        labels=[f"{step.label}\n{step.shown}" for step in steps],
        names=STACKED,
        rows=[_split(step) for step in steps],
        made=readout.as_of.date(),
    )
    chart = _add(slide, sheet, kind=XL_CHART_TYPE.COLUMN_STACKED, unit=unit, box=box)
    chart.plots[0].overlap = 100
    base, *bars = chart.plots[0].series
    base.format.fill.background()
    base.invert_if_negative = False
    for series in bars:
        _paint(series, [step.color for step in steps])
    last = steps[-1]
    if last.lower is not None and last.upper is not None:
        whisker = {len(steps) - 1: (last.end - last.lower, last.upper - last.end)}
        _whiskers(bars[0] if last.end >= 0 else bars[1], whisker, len(steps))
    ends = [end for step in steps for end in (step.start, step.end, step.lower, step.upper) if end is not None]
    _span(chart.value_axis, ends)


def add_arms(slide: Any, readout: CampaignReadout, say: ReadoutWords, *, box: Sequence[float]) -> None:
    """A lying bar for the profit of each arm, the most profitable on top, with its interval.

    Args:
        slide: A slide of python-pptx.
        readout: The readout.
        say: The language and the currency.
        box: Left, top, width and height in inches.
    """
    from pptx.enum.chart import XL_CHART_TYPE

    arms = sorted(readout.arms, key=lambda arm: arm.profit.point)  # drawn from the bottom
    profits = [arm.profit for arm in arms]
    ends = [end for one in profits for end in (one.point, one.ci_lower, one.ci_upper)]
    scale, unit = scale_money(ends, readout.currency, say.words)
    sheet = _Sheet(
        labels=[f"{say.name('offer', arm.arm)}\n{_shown(arm.profit, say)}" for arm in arms],
        names=SINGLE,
        rows=[(one.point / scale,) for one in profits],
        made=readout.as_of.date(),
    )
    chart = _add(slide, sheet, kind=XL_CHART_TYPE.BAR_CLUSTERED, unit=unit, box=box)
    (series,) = chart.plots[0].series
    _paint(series, [LIGHT["gain"] if one.point >= 0 else LIGHT["loss"] for one in profits])
    sizes = {
        i: ((one.point - one.ci_lower) / scale, (one.ci_upper - one.point) / scale)
        for i, one in enumerate(profits)
        if is_bounded(one)
    }
    _whiskers(series, sizes, len(arms))
    _span(chart.value_axis, [end / scale for end in ends if math.isfinite(end)])


def value_axis(ends: Sequence[float]) -> tuple[float, float, float]:
    """The lowest and highest mark of an axis that holds zero and all `ends`, and the step between marks: 1, 2 or 5.

    Examples:
        >>> value_axis([112.0, -363.0, 539.0])
        (-400.0, 600.0, 200.0)
    """
    low, high = min(0.0, *ends), max(0.0, *ends)
    rough = (high - low) / MARKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return math.floor(low / step) * step, max(math.ceil(high / step), 1) * step, step


def _span(axis: Any, ends: Sequence[float]) -> None:
    """Marks that hold the ends of the intervals too: programs choose an axis by the bars alone."""
    axis.minimum_scale, axis.maximum_scale, step = value_axis(ends)
    axis.major_unit = step
    digits = max(0, -math.floor(math.log10(step)))
    number = f"#,##0.{'0' * digits}" if digits else "#,##0"
    axis.tick_labels.number_format, axis.tick_labels.number_format_is_linked = f"{number};\N{MINUS SIGN}{number}", False


def _shown(profit: Estimate, say: ReadoutWords) -> str:
    """Profit and its interval as the page shows them."""
    cell = say.about_cell(profit)
    return ", ".join(filter(None, [cell.shown(say.words, say.currency), cell.small_print(say.words, say.currency)]))


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    """What a chart draws, and the sheet behind it."""

    labels: Sequence[str]
    names: Sequence[str]
    rows: Sequence[Sequence[float]]
    made: date


def _add(slide: Any, sheet: _Sheet, *, kind: Any, unit: str, box: Sequence[float]) -> Any:
    """A chart without legend, its names beside the drawing also where bars end below zero."""
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_TICK_LABEL_POSITION
    from pptx.util import Inches, Pt

    data = CategoryChartData(number_format="#,##0.0")
    data.categories = sheet.labels
    for j, name in enumerate(sheet.names):
        data.add_series(name, [row[j] for row in sheet.rows])
    chart = slide.shapes.add_chart(kind, *(Inches(value) for value in box), data).chart
    chart.part.chart_workbook.update_from_xlsx_blob(_data_sheet(sheet))
    chart.has_legend, chart.has_title = False, False
    chart.plots[0].gap_width = 60
    chart.category_axis.tick_labels.font.size = chart.value_axis.tick_labels.font.size = Pt(13)
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    chart.value_axis.has_title = True
    chart.value_axis.axis_title.text_frame.text = unit
    return chart


def _split(step: Step) -> tuple[float, float, float]:
    """The invisible base, and the parts of the bar above and below zero."""
    low, high = min(step.start, step.end), max(step.start, step.end)
    base = low if low > 0 else high if high < 0 else 0.0
    above = high - max(low, 0.0) if high > 0 else 0.0
    below = low - min(high, 0.0) if low < 0 else 0.0
    return base, above, below


def _paint(series: Any, colors: Sequence[str]) -> None:
    from pptx.dml.color import RGBColor

    series.invert_if_negative = False
    for i, color in enumerate(colors):
        fill = series.points[i].format.fill
        fill.solid()
        fill.fore_color.rgb = RGBColor.from_string(color.removeprefix("#").upper())
    _keep_colors(series)


def _keep_colors(series: Any) -> None:
    """Bars below zero in the colour of their point: without a word for each point some programs draw them white."""
    from lxml import etree

    for point in series._element.findall(f"{{{CHART_NS}}}dPt"):
        stays = etree.Element(f"{{{CHART_NS}}}invertIfNegative")
        stays.set("val", "0")
        point.find(f"{{{CHART_NS}}}idx").addnext(stays)


def _whiskers(series: Any, sizes: Mapping[int, tuple[float, float]], count: int) -> None:
    """Error bars of some of a series' bars: how far below and above the end of the bar they reach."""
    from lxml import etree

    bars = etree.SubElement(series._element, f"{{{CHART_NS}}}errBars")
    for tag, value in (("errBarType", "both"), ("errValType", "cust"), ("noEndCap", "0")):
        etree.SubElement(bars, f"{{{CHART_NS}}}{tag}").set("val", value)
    for side, place in (("plus", 1), ("minus", 0)):
        literal = etree.SubElement(etree.SubElement(bars, f"{{{CHART_NS}}}{side}"), f"{{{CHART_NS}}}numLit")
        etree.SubElement(literal, f"{{{CHART_NS}}}formatCode").text = "General"
        etree.SubElement(literal, f"{{{CHART_NS}}}ptCount").set("val", str(count))
        for i, size in sizes.items():
            point = etree.SubElement(literal, f"{{{CHART_NS}}}pt")
            point.set("idx", str(i))
            etree.SubElement(point, f"{{{CHART_NS}}}v").text = repr(float(size[place]))
    series._element.find(f"{{{CHART_NS}}}cat").addprevious(bars)


def _data_sheet(data: _Sheet) -> bytes:
    """The sheet behind a chart; what is text stays text, and it says no time of its making."""
    import xlsxwriter

    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    workbook.set_properties({"created": datetime.combine(data.made, time())})
    sheet = workbook.add_worksheet("Sheet1")
    for j, name in enumerate(data.names, start=1):
        sheet.write_string(0, j, name)
        for i, row in enumerate(data.rows, start=1):
            sheet.write_number(i, j, row[j - 1])
    for i, label in enumerate(data.labels, start=1):
        sheet.write_string(i, 0, label)
    workbook.close()
    return buffer.getvalue()


WIDTH, MARGIN = 13.333, 0.6
INK, QUIET, SOFT, GOOD, BAD, WARN, BLUE = (
    LIGHT[name].removeprefix("#").upper() for name in ("ink", "quiet", "soft", "gain", "loss", "warn", "blue")
)
COLORS = {"good": GOOD, "bad": BAD, "warn": WARN, "muted": QUIET, "": BLUE}
EPOCH = (1980, 1, 1, 0, 0, 0)
MOST_ARMS, MOST_CHECKS, MOST_ROWS, LONGEST, SHORT = 6, 11, 13, 160, 45


def to_pptx(readout: CampaignReadout, words: Words, *, more: tuple[Section, ...] = ()) -> bytes:
    """The readout as slides; the same readout gives the same bytes.

    Args:
        readout: The readout.
        words: The language.
        more: Sections of whoever ran the campaign, a slide for each table, before the checks.
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
    for section in more:
        for grid in section.grids:
            _section_slide(deck, section, grid, head, say)
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


def _section_slide(deck: Any, section: Section, grid: Grid, head: Headline, say: ReadoutWords) -> None:
    """A section's words and one of its tables."""
    slide = _slide(deck, head)
    _text(slide, [(section.title, 24, INK, True)], box=(MARGIN, 1.5, 12.1, 0.6))
    widths = (7.1, *(5.0 / (len(grid.columns) - 1),) * (len(grid.columns) - 1))
    _table(slide, grid, head, widths=widths, rows=MOST_ROWS, height=0.31, points=11)
    words = [(_cut(text, LONGEST), 12, QUIET, False) for text in section.paragraphs]
    _text(slide, words, box=(MARGIN, 6.5, 12.1, 0.45))
    _say_rest(slide, say.say("more_rows", n=say.words.number(len(grid.rows) - MOST_ROWS)), grid, MOST_ROWS)


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
