"""The waterfall of a readout as a native chart of a slide, with a data sheet that computes nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from netlift.abtest.readout import CampaignReadout
from netlift.report.pages.readout_pictures import waterfall_steps
from netlift.report.pages.readout_words import ReadoutWords
from netlift.report.readout_charts import Step

SERIES = ("base", "above", "below")
CHART_NS = "http://schemas.openxmlformats.org/drawingml/2006/chart"


def add_waterfall(slide: Any, readout: CampaignReadout, say: ReadoutWords, *, box: Sequence[float]) -> None:
    """Stacked columns on an invisible base, the last with the interval of the profit.

    Args:
        slide: A slide of python-pptx.
        readout: The readout.
        say: The language and the currency.
        box: Left, top, width and height in inches.
    """
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches, Pt

    steps, unit = waterfall_steps(readout, say)
    columns = [_split(step) for step in steps]
    data = CategoryChartData(number_format="#,##0.0")
    data.categories = [f"{step.label}\n{step.shown}" for step in steps]
    for j, name in enumerate(SERIES):
        data.add_series(name, [column[j] for column in columns])
    place = [Inches(value) for value in box]
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_STACKED, *place, data).chart
    chart.part.chart_workbook.update_from_xlsx_blob(_data_sheet(steps, columns, readout))
    chart.has_legend, chart.has_title = False, False
    chart.plots[0].gap_width, chart.plots[0].overlap = 60, 100
    chart.category_axis.tick_labels.font.size = chart.value_axis.tick_labels.font.size = Pt(13)
    chart.value_axis.has_title = True
    chart.value_axis.axis_title.text_frame.text = unit
    _low_labels(chart)
    _paint(chart, steps)
    _whisker(chart, steps[-1])


def _split(step: Step) -> tuple[float, float, float]:
    """The invisible base, and the parts of the bar above and below zero."""
    low, high = min(step.start, step.end), max(step.start, step.end)
    base = low if low > 0 else high if high < 0 else 0.0
    above = high - max(low, 0.0) if high > 0 else 0.0
    below = low - min(high, 0.0) if low < 0 else 0.0
    return base, above, below


def _paint(chart: Any, steps: Sequence[Step]) -> None:
    from pptx.dml.color import RGBColor

    base, *bars = chart.plots[0].series
    base.format.fill.background()
    for series in bars:
        series.invert_if_negative = False
        for i, step in enumerate(steps):
            fill = series.points[i].format.fill
            fill.solid()
            fill.fore_color.rgb = RGBColor.from_string(step.color.removeprefix("#").upper())


def _low_labels(chart: Any) -> None:
    """Names of the columns below the drawing, also where bars hang below zero."""
    from pptx.enum.chart import XL_TICK_LABEL_POSITION

    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW


def _whisker(chart: Any, step: Step) -> None:
    """Error bars on the last column, at the end where it points."""
    if step.lower is None or step.upper is None:
        return
    from lxml import etree

    series = chart.plots[0].series[1 if step.end >= 0 else 2]._element
    last = chart.plots[0].categories.__len__() - 1
    sides = {"plus": step.upper - step.end, "minus": step.end - step.lower}
    bars = etree.SubElement(series, f"{{{CHART_NS}}}errBars")
    for tag, value in (("errBarType", "both"), ("errValType", "cust"), ("noEndCap", "0")):
        etree.SubElement(bars, f"{{{CHART_NS}}}{tag}").set("val", value)
    for side, size in sides.items():
        literal = etree.SubElement(etree.SubElement(bars, f"{{{CHART_NS}}}{side}"), f"{{{CHART_NS}}}numLit")
        etree.SubElement(literal, f"{{{CHART_NS}}}formatCode").text = "General"
        etree.SubElement(literal, f"{{{CHART_NS}}}ptCount").set("val", str(last + 1))
        point = etree.SubElement(literal, f"{{{CHART_NS}}}pt")
        point.set("idx", str(last))
        etree.SubElement(point, f"{{{CHART_NS}}}v").text = repr(float(size))
    series.find(f"{{{CHART_NS}}}cat").addprevious(bars)


def _data_sheet(steps: Sequence[Step], columns: Sequence[Sequence[float]], readout: CampaignReadout) -> bytes:
    """The sheet behind the chart; what is text stays text, and it says no time of its making."""
    import xlsxwriter

    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    workbook.set_properties({"created": datetime.combine(readout.as_of.date(), time())})
    sheet = workbook.add_worksheet("Sheet1")
    for j, name in enumerate(SERIES, start=1):
        sheet.write_string(0, j, name)
        for i, column in enumerate(columns, start=1):
            sheet.write_number(i, j, column[j - 1])
    for i, step in enumerate(steps, start=1):
        sheet.write_string(i, 0, f"{step.label}\n{step.shown}")
    workbook.close()
    return buffer.getvalue()


__all__ = ["add_waterfall"]
