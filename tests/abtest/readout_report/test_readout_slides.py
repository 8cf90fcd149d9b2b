"""What slides and workbook of a readout show is the readout's own: bars, whiskers, and the sheet that opens."""

import io
import re
import zipfile
from xml.etree import ElementTree

import hypothesis.strategies as st
import pytest
from hypothesis import given
from readout_example import EXAMPLES

from netlift.abtest.readout_report.page import readout_workbook
from netlift.abtest.readout_report.slides import to_pptx, value_axis
from netlift.report.language import speak
from netlift.report.palette import LIGHT

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COSTS = ("reward", "contact_cost", "fixed_cost")


def charts(readout):
    """Charts of the slides, in order."""
    book = zipfile.ZipFile(io.BytesIO(to_pptx(readout, speak("ru"))))
    names = [name for name in book.namelist() if re.fullmatch(r"ppt/charts/chart\d+\.xml", name)]
    return [ElementTree.fromstring(book.read(name)) for name in sorted(names)]


def numbers(element):
    return [float(value.text) for value in element.iter(f"{C}v")]


def values(chart):
    return [numbers(series.find(f"{C}val")) for series in chart.iter(f"{C}ser")]


def unit(readout, ends):
    largest = max(map(abs, ends))
    return 1e6 if largest >= 2e6 else 1e3 if largest >= 2e3 else 1.0


def drawn(base, above, below):
    """Where a stacked bar's visible part lies: what is positive stacks up from zero, what is negative down."""
    up, down = max(base, 0.0), min(base, 0.0)
    places = [(up, up + above)] if above else []
    places += [(down, down + below)] if below else []
    ends = [end for place in places for end in place] or [base]
    return min(ends), max(ends)


@pytest.mark.parametrize("name", ["probably", "lost_money", "six_arms"])
def test_the_waterfall_of_the_slide_runs_from_margin_to_profit_losses_below_zero(name):
    readout = EXAMPLES[name]()
    sums = {line.name: line.total.point for line in readout.money}
    left = sums["margin"]
    bars = [(0.0, left)]
    for cost in COSTS:
        bars.append((left, left - sums[cost]))
        left -= sums[cost]
    bars.append((0.0, readout.profit.point))
    scale = unit(readout, [readout.profit.ci_lower, readout.profit.ci_upper, *(end for bar in bars for end in bar)])
    found = [drawn(*parts) for parts in zip(*values(charts(readout)[0]), strict=True)]
    for (low, high), bar in zip(found, bars, strict=True):
        assert (low * scale, high * scale) == (pytest.approx(min(bar), abs=1e-6), pytest.approx(max(bar), abs=1e-6))
    if name == "lost_money":
        assert found[-1][0] < 0, "this example is there to lose"


def test_the_slide_of_arms_shows_the_profit_of_each_with_its_interval():
    readout = EXAMPLES["six_arms"]()
    found = charts(readout)
    assert len(found) == 2
    assert len(charts(EXAMPLES["probably"]())) == 1, "one arm is the campaign itself"
    profits = sorted((arm.profit for arm in readout.arms), key=lambda profit: profit.point)
    scale = unit(readout, [end for one in profits for end in (one.point, one.ci_lower, one.ci_upper)])
    (shown,) = values(found[1])
    assert [value * scale for value in shown] == pytest.approx([one.point for one in profits])
    plus, minus = (numbers(next(found[1].iter(f"{C}{side}"))) for side in ("plus", "minus"))
    assert [value * scale for value in plus] == pytest.approx([one.ci_upper - one.point for one in profits])
    assert [value * scale for value in minus] == pytest.approx([one.point - one.ci_lower for one in profits])
    fills = [next(point.iter(f"{A}srgbClr")).get("val") for point in found[1].iter(f"{C}dPt")]
    colors = {side: LIGHT[side].removeprefix("#").upper() for side in ("gain", "loss")}
    assert fills == [colors["gain" if one.point >= 0 else "loss"] for one in profits]


@given(st.lists(st.floats(-1e7, 1e7).map(lambda end: round(end, 2)), min_size=1, max_size=8))
def test_an_axis_holds_zero_and_all_ends_within_a_few_round_marks(ends):
    low, high, step = value_axis(ends)
    assert low <= min(0.0, *ends) and high >= max(0.0, *ends)
    assert 1 <= (high - low) / step <= 9


@pytest.mark.parametrize("name", ["six_arms", "probably", "lost_money"])
def test_no_whisker_of_a_slide_leaves_its_axis(name):
    found = charts(EXAMPLES[name]())
    assert found
    for chart in found:
        axis = chart.find(f".//{C}valAx/{C}scaling")
        low, high = (float(axis.find(f"{C}{end}").get("val")) for end in ("min", "max"))
        tops = [numbers(next(chart.iter(f"{C}{side}"))) for side in ("plus", "minus")]
        points = [sum(parts) for parts in zip(*values(chart), strict=True)][-len(tops[0]) :]
        assert points
        for point, more, less in zip(points, *tops, strict=True):
            assert low <= point - less
            assert point + more <= high


def test_the_workbook_opens_on_the_calculator_behind_its_cover():
    content = readout_workbook(EXAMPLES["probably"](), speak("ru"))
    root = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(content)).read("xl/workbook.xml"))
    names = [sheet.get("name") for sheet in root.iter(f"{MAIN}sheet")]
    view = next(root.iter(f"{MAIN}workbookView"))
    assert names[int(view.get("activeTab", "0"))] == speak("ru").say("readout.calculator") == names[1]
