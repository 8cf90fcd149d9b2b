"""A readout's waterfall and its arms as native charts of slides, with data sheets that compute nothing."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from netlift.abtest.readout import CampaignReadout
from netlift.report.document import scale_money
from netlift.report.pages.readout_pictures import waterfall_steps
from netlift.report.pages.readout_words import ReadoutWords, is_bounded
from netlift.report.palette import LIGHT
from netlift.report.readout_charts import Step
from netlift.results import Estimate

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


__all__ = ["add_arms", "add_waterfall"]
