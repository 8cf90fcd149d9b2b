from xml.etree import ElementTree

import numpy as np
import pytest
from readout_example import EXAMPLES
from scorecard_page import make_document

from netlift.abtest.readout_report.page import readout_document
from netlift.report import charts
from netlift.report.language import speak
from netlift.results import Estimate

pytestmark = pytest.mark.slow

TITLE = 'Чек <script>alert(1)</script> & "x", ₽'
STEPS = np.linspace(0.05, 0.9, 10)
BAND = {"predicted": STEPS, "observed": STEPS, "lower": STEPS - 0.02, "upper": STEPS + 0.02}


def worth(point):
    return Estimate(point=point, ci_lower=point - 2, ci_upper=point + 2, level=0.95, unit="RUB/customer", method="DR")


DRAWN = {
    "calibration": lambda: charts.calibration_chart(**BAND, title=TITLE),
    "gains": lambda: charts.gains_chart(share=STEPS, captured=STEPS**0.5, outcome="lost customers", title=TITLE),
    "deciles": lambda: charts.deciles_chart(**BAND, unit="RUB per customer", title=TITLE),
    "importance": lambda: charts.importance_chart({f"feature_{i}": 1 / (i + 1) for i in range(30)}, title=TITLE),
    "leaderboard": lambda: charts.leaderboard_chart(["nobody", "two_part"], [worth(0.0), worth(5.0)], title=TITLE),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_svg_with_its_title_as_text_and_nothing_from_elsewhere(name):
    svg = DRAWN[name]()
    root = ElementTree.fromstring(svg)
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert TITLE in texts
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "image", "foreignObject"}
    assert not [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert DRAWN[name]() == svg


def test_what_is_drawn_is_valid_vega_lite(monkeypatch):
    checked, to_svg = [], charts.to_svg

    def checking(chart, **how):
        checked.append(chart.to_dict(validate=True))
        return to_svg(chart, **how)

    monkeypatch.setattr(charts, "to_svg", checking)
    for draw in DRAWN.values():
        draw()
    readout_document(EXAMPLES["six_arms"](), speak("en"))
    make_document("en")
    assert len(checked) > len(DRAWN) + 10


def test_the_leaderboard_draws_every_candidate_best_first():
    root = ElementTree.fromstring(DRAWN["leaderboard"]())
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert texts.index("two_part") < texts.index("nobody")


def test_importance_says_how_many_features_it_left_out():
    svg = DRAWN["importance"]().decode()
    assert "the first 20 of 30 features" in svg
    assert "feature_19" in svg and "feature_20" not in svg


def test_a_bin_without_customers_leaves_a_gap_and_not_a_broken_chart():
    gap = {name: np.where(np.arange(10) == 3, np.nan, column) for name, column in BAND.items()}
    assert b"NaN" not in charts.calibration_chart(**gap, title="a")
    assert b"NaN" not in charts.deciles_chart(**gap, unit="RUB", title="a")
