"""Charts of pages: axes by the data, numbers as the language writes them, long names whole."""

import re
from xml.etree import ElementTree

import pytest

from netlift.abtest.portfolio.page import funnel_chart
from netlift.abtest.readout_report.charts import Step, chance_chart, waterfall_chart
from netlift.report.charts import PAGE_WIDTH
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.report.palette import LIGHT
from netlift.scorecards.charts import lines_chart, stacked_chart

MONTHS = [f"m{i}" for i in range(12)]
LONG = "Скидка 10 % по почте: весна 2026"


def texts(svg):
    root = ElementTree.fromstring(svg)
    return ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]


def number(text):
    return float(text.replace("\xa0", "").replace("−", "-").replace("%", "").replace(",", "."))


def axis(svg):
    """Numbers on the axis."""
    return [number(text) for text in texts(svg) if re.fullmatch(r"−?[\d\xa0]+(,\d+)?(\xa0%)?", text)]


def band(*values):
    return [(value, value - 1, value + 1) for value in values]


@pytest.mark.parametrize(("values", "holds_zero"), [((50, 52, 57), False), ((4, 50, 57), True), ((-3, 5, 9), True)])
def test_a_line_chart_begins_where_its_figures_do(values, holds_zero):
    found = axis(lines_chart(MONTHS[:3], {"a": band(*values)}, unit="₽", language="ru"))
    assert (min(found) <= 0) == holds_zero
    assert min(found) >= min(values) - 12 and max(found) <= max(values) + 12


def test_a_line_chart_holds_zero_where_it_is_asked_to():
    assert 0 in axis(lines_chart(MONTHS[:2], {"a": band(50, 60)}, unit="₽", language="ru", from_zero=True))


def test_bars_always_begin_at_zero():
    assert 0 in axis(stacked_chart(MONTHS[:2], {"a": [50, 60], "b": [40, None]}, unit="₽", language="ru"))


def test_numbers_are_written_as_the_language_writes_them_with_a_true_minus():
    whiskers = [Whisker(label="a", series="", point=p, lower=p - 900, upper=p + 900) for p in (-2000.0,)]
    drawn = {
        lang: texts(forest_chart(whiskers, colors={"": "#1b4f8a"}, unit="x", language=lang)) for lang in ("ru", "en")
    }
    assert "−2\xa0000" in drawn["ru"] and "−2,000" in drawn["en"]
    assert not [text for text in [*drawn["ru"], *drawn["en"]] if re.match(r"-\d", text)]
    assert "50\xa0%" in texts(chance_chart({"a": [(0.0, 1.0), (1.0, 0.0)]}, hurdle="h", chance="c", language="ru"))


def test_a_long_name_stands_in_several_lines_and_is_whole():
    whiskers = [Whisker(label=label, series="", point=1.0, lower=0.0, upper=2.0) for label in (LONG, "SMS")]
    found = texts(forest_chart(whiskers, colors={"": "#1b4f8a"}, unit="₽", language="ru"))
    assert any(text.replace(" ", "") == LONG.replace(" ", "") for text in found)


def test_a_waterfall_writes_every_step_and_colours_it_by_what_it_does():
    steps = [
        Step(label="margin", start=0.0, end=10.0, shown="10"),
        Step(label="cost", start=10.0, end=-2.0, shown="−12"),
        Step(label="profit", start=0.0, end=-2.0, shown="−2", is_total=True, lower=-9.0, upper=5.0),
    ]
    svg = waterfall_chart(steps, unit="₽", language="ru")
    assert {"10", "−12", "−2", "margin", "cost", "profit"} <= set(texts(svg))
    assert [step.color for step in steps] == [LIGHT["gain"], LIGHT["loss"], LIGHT["loss"]]
    assert svg.count(LIGHT["gain"].encode()) == 1 and svg.count(LIGHT["loss"].encode()) == 1


def test_a_return_that_is_far_from_the_others_does_not_squeeze_them():
    def curve(middle, width):
        return [(middle + width * i / 50, max(0.0, min(1.0, 0.5 - i / 100))) for i in range(-50, 51)]

    svg = chance_chart(
        {"a": curve(0.5, 1), "b": curve(0.8, 1), "c": curve(1, 1.2), "free": curve(20, 40)},
        hurdle="h", chance="c", language="ru",
    )  # fmt: skip
    hurdles = [number(text) for text in texts(svg) if text.endswith("%") and abs(number(text)) > 100]
    assert hurdles and max(hurdles) <= 300


@pytest.mark.parametrize("count", [1, 4, 11])
def test_every_chart_is_as_wide_as_a_phone(count):
    series = {f"Сегмент номер {i}": [1.0] * 12 for i in range(count)}
    drawn = [
        stacked_chart(MONTHS, series, unit="млн ₽", language="ru"),
        lines_chart(MONTHS, {name: band(*values) for name, values in series.items()}, unit="₽", language="ru"),
        funnel_chart([("C01", 1.0, 2.0), ("C02", 3.0, 1.0)], centre=1.0, z=2.0, titles=("e", "s"), language="ru"),
    ]
    for svg in drawn:
        assert int(re.search(rb'width="(\d+)"', svg)[1]) <= PAGE_WIDTH + 1
