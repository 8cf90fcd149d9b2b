"""The page of segments: money first, the same figures everywhere, in either language, inert whatever it is called."""

import json
import re
from pathlib import Path

import pytest
from segments_page import EVIL, make_document, make_report
from test_exports import Seen, sheets

from netlift.config.segments import SEGMENTS
from netlift.report.exports import to_html, to_json, to_markdown, to_xlsx
from netlift.report.language import load_texts, speak
from netlift.results import Table
from netlift.segments import pages

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("language", ["ru", "en"])
def test_page_text_workbook_and_json_say_the_same_and_nothing_comes_alive(language):
    document, report = make_document(language), make_report()
    page, text, book = to_html(document).decode(), to_markdown(document).decode(), to_xlsx(document)
    seen = Seen(page)
    assert seen.open == [] and "<script" not in page and EVIL in "".join(seen.texts)
    for card in document.sections[0].cards:
        assert document.show(card.cell) in page and document.show(card.cell) in text
    table = sheets(book)[speak(language).say("segments.strategies")[:31]]
    saved = json.loads(to_json(report))
    for row, kept in zip(table[1:], [*saved["segments"]["rows"], saved["total"]], strict=True):
        assert [row[i][0] for i in (2, 4, 5, 6)] == pytest.approx(
            [kept["customers"], kept["margin_365d"], kept["ltv_total"]["point"], kept["value_at_risk"]["point"]]
        )
        assert "€" in row[4][1]
        ranges = next(own for own in sheets(book)[speak(language).say("segments.ranges")] if own[0] == row[0])
        ends = [kept["ltv_total"][end] for end in ("point", "ci_lower", "ci_upper")]
        assert [cell[0] for cell in ranges[1:4]] == pytest.approx(ends)
        shown = speak(language).number(kept["margin_365d"] / 1000)
        assert shown in page and shown in text


def test_the_first_screen_says_where_the_money_is_what_is_at_risk_and_what_to_do():
    first = make_document("ru").sections[0]
    assert first.title == "Где деньги?"
    assert [card.title for card in first.cards] == [
        "LTV базы, прогноз на полгода", "Маржа за год", "LTV под риском оттока", "Окупаемость привлечения",
    ]  # fmt: skip
    document = make_document("ru")
    assert document.show(first.cards[0].cell) == "247\xa0тыс.\xa0€"
    assert document.show_small(first.cards[0].cell) == "от 242\xa0тыс.\xa0€ до 252\xa0тыс.\xa0€"
    most, risk, moved = first.items
    assert "«Чемпионы»: 75\xa0% маржи за год при 75\xa0% клиентов" in most
    assert "«Чемпионы»: 30\xa0тыс.\xa0€, 75\xa0% всего риска. Что делать: удержать" in risk
    assert "+93\xa0тыс.\xa0€" in moved and "(7 клиентов, −21\xa0тыс.\xa0€)" in moved
    (grid,) = first.grids
    assert [document.show(cell) for cell in grid.rows[1]][:2] == ["Засыпающие", "вернуть"]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_id_stands_where_there_is_a_name_and_every_sentence_is_of_the_language(language):
    document = make_document(language, business="Shop")
    page = re.sub("<style>.*?</style>", "", to_html(document).decode(), flags=re.DOTALL)
    texts = "".join(Seen(page).texts) + to_markdown(document).decode()
    ids = [*SEGMENTS, "reactivate", "serve_cheaply", "entered", "(all)"]
    named = {speak("en").name("segment", name).casefold() for name in SEGMENTS}
    assert not [name for name in ids if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", texts) and name not in named]
    assert not re.search(r"[{}]|\bnan\b|None", texts)
    foreign = "[А-Яа-яё]" if language == "en" else r"\b(of|the|customers|segment|money)\b"
    assert not re.search(foreign, texts.replace(EVIL, ""))


def test_the_window_of_the_surveys_and_the_notes_are_said():
    text = to_markdown(make_document("en")).decode()
    assert "newest answer of the 365 days before 1 October 2026" in text
    assert "frozen on 1 April 2026 (customers with purchases: 1,234)" in text and "an error of 4.3%" in text


def test_what_is_missing_is_left_out_and_the_rest_stands():
    nothing = Table(name="none", rows=())
    report = make_report()
    bare = {"ltv_total": None, "ltv_mean": None, "value_at_risk": None, "p_churn": None, "lost": None, "cac": None,
            "ltv_to_cac": None, "textbook_to_cac": None, "payback": None, "nps": None, "csi": None}  # fmt: skip
    rows = tuple(type(row)(**{**row.__dict__, **bare}) for row in report.segments)
    document = make_document(
        "en", segments=Table(name="segments", rows=rows), total=type(rows[0])(**{**report.total.__dict__, **bare}),
        horizon_days=None, previous=None, flows=nothing, flow_value="", remaining=nothing, followed_from=None,
        labels_from=None, nps_days=None, revenue_based=True,
    )  # fmt: skip
    names = [section.name for section in document.sections]
    assert names == ["money", "charts", "rfm", "risk", "acquisition", "churn", "notes"]
    assert [card.title for card in document.sections[0].cards] == ["Revenue of the last year"]
    page = to_html(document).decode()
    assert "The source has no margins" in page and "nan" not in page


def test_every_text_of_the_page_is_said_somewhere():
    used = "".join(path.read_text() for path in Path(pages.__file__).parent.glob("*.py"))
    keys = [key.split(".")[-1] for key in load_texts() if key.startswith("segments.")]
    assert [key for key in keys if f'{key}"' not in used] == []
