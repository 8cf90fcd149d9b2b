"""The page of all campaigns: the same strings everywhere, in either language, inert whatever a campaign is called."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import date, datetime

import pytest

from netlift.abtest.portfolio.page import portfolio_document
from netlift.abtest.portfolio.result import HoldoutReading, LeftOut, Line, Portfolio, Sums, Total
from netlift.report.exports import to_html, to_json, to_markdown, to_xlsx
from netlift.report.language import load_texts, speak
from netlift.results import Estimate

pytestmark = pytest.mark.slow

EVIL = "=HYPERLINK(1)<script>alert(1)</script>|x"


def money(point, half=500.0, unit="EUR"):
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=0.95, unit=unit, method="m")


def line(number, *, name="", arm="", dimension="", segment=""):
    return Line(
        campaign_id=f"K{number}", name=name or f"K{number}", started=date(2026, 1, 5), arm=arm, dimension=dimension,
        segment=segment, treated=1000, control=200, buyers=90,
        raw=money(1234.4 * number), shrunken=money(600.0 * number),
        effect=money(0.5 * number, 0.2), effect_se=0.1, chance_by_itself=0.8, chance_of_profit=0.7, q_value=0.05,
    )  # fmt: skip


def total(dimension, name, point, advice, **more):
    return Total(
        dimension=dimension, name=name, campaigns=3, contacts=3000, raw=money(2 * point), shrunken=money(point),
        per_contact=point / 3000, chance_by_itself=0.9, chance_of_profit=0.8, advice=advice, **more,
    )  # fmt: skip


def portfolio(**changes):
    sums = Sums(
        raw=money(7406.4), shrunken=money(3600), winners=2, winners_raw=money(6172),
        winners_shrunken=money(3000), worked=2, lost=1, false_share=0.1, effect_mean=0.4, effect_sd=0.2,
    )  # fmt: skip
    holdout = HoldoutReading(
        since=date(2026, 1, 5), until=date(2026, 7, 1), periods=1, held_out=500, others=9500, contacted=3,
        profit=money(5000), campaigns=3, unread=1, campaigns_shrunken=money(3600), gap=money(1400),
    )  # fmt: skip
    whole = Portfolio(
        business="shop", currency="EUR", as_of=datetime(2026, 7, 1), level=0.95, sums=sums,
        campaigns=(line(3, name=EVIL), line(2), line(1)), arms=(line(3, arm="mail", name=EVIL),),
        segments=(line(1, arm="mail", dimension="tier", segment=EVIL), line(2, arm="mail", dimension="tier")),
        offers=(
            total("offer", "mail", 123_456.0, "scale_up", channel="email"),
            total("offer", EVIL, 0.0, "keep_testing", channel="sms"),
            total("offer", "text", -785_942.0, "stop", channel="sms"),
        ),
        channels=(
            total("channel", "email", 123_456.0, "scale_up"), total("channel", "sms", -785_942.0, "stop"),
        ),
        by_segment=(total("segment", "champions", 50.0, "keep_testing"), total("tier", EVIL, 9.0, "keep_testing")),
        holdout=holdout, left_out=(LeftOut(campaign_id="K9", name=EVIL, reason="observational"),),
        covariates=("pre_revenue",), config_digest="0" * 64,
    )  # fmt: skip
    return replace(whole, **changes)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_page_text_and_json_say_the_same_and_nothing_a_campaign_is_called_comes_alive(language) -> None:
    document = portfolio_document(portfolio(), speak(language))
    html, text = to_html(document).decode(), to_markdown(document).decode()
    for card in document.sections[0].cards:
        assert document.show(card.cell) in html and document.show(card.cell) in text
    assert "<script" not in html and "alert(1)" in html
    assert {"ru": "1\xa0234\xa0€", "en": "€1,234"}[language] in html
    saved = json.loads(to_json(portfolio()))
    assert saved["sums"]["raw"]["point"] == 7406.4 and len(saved["campaigns"]) == 3
    with zipfile.ZipFile(io.BytesIO(to_xlsx(document))) as workbook:
        sheets = [workbook.read(name).decode() for name in workbook.namelist() if "sheets/sheet" in name]
    assert len(sheets) >= 4 and not any("<f>" in sheet or "hyperlink" in sheet.lower() for sheet in sheets)


def first_screen(language, **changes):
    document = portfolio_document(portfolio(**changes), speak(language).with_names({"offer.mail": "Письмо"}))
    return replace(document, sections=document.sections[:1])


def test_page_one_speaks_plainly() -> None:
    document = portfolio_document(portfolio(), speak("en"))
    page_one = replace(document, sections=document.sections[:2])
    first = to_markdown(page_one).decode().lower()
    assert not any(word in first for word in ("significant", "p-value", "lift", "shrunk"))
    assert "made money: 2 of 3" in to_markdown(document).decode().lower()


def test_the_first_screen_says_what_all_campaigns_brought_and_what_to_do_with_each_offer() -> None:
    text = to_markdown(first_screen("ru")).decode()
    banner = "Прибыль всех кампаний: около 3\xa0600\xa0€ (95\xa0%: от 3\xa0100 до 4\xa0100)"
    assert banner in text and text.count("95\xa0%") == 1
    assert (
        "Масштабировать: «Письмо» (прибыль 123\xa0тыс.\xa0€); остановить: «text» (прибыль −786\xa0тыс.\xa0€); " in text
    )
    assert "продолжить тест: «=HYPERLINK(1)" in text
    assert "| Письмо | масштабировать | 123\xa0тыс.\xa0€ (от 123 до 124\xa0тыс.) | 80\xa0% |" in text
    assert "−786\xa0тыс.\xa0€" in text and "786\xa0млн" not in text, "one unit for all rows of a table"
    assert "push" not in text and "| SMS |" in text and "Каналы за все кампании" in text
    english = to_markdown(first_screen("en")).decode()
    assert "Scale up: “Письмо” (profit €123k); stop: “text” (profit −€786k); keep testing: “" in english


def test_channels_that_are_offers_once_more_are_not_shown_twice_and_segments_come_by_their_names() -> None:
    alike = portfolio().offers[:2]
    assert "Каналы" not in to_markdown(first_screen("ru", offers=alike)).decode()
    document = portfolio_document(portfolio(), speak("ru"))
    segments = next(section for section in document.sections if section.name == "segments")
    assert [grid.title for grid in segments.grids] == ["Сегмент ценности", "tier"]
    assert document.show(segments.grids[0].rows[0][0]) == "Чемпионы"
    assert [section.name for section in document.sections][-2:] == ["spread", "methods"]
    totals = next(grid for grid in document.sheets if grid.name == "totals")
    assert len(totals.rows) == 7 and [cell.value for cell in totals.rows[0]][8:11] == [123456.0, 122956.0, 123956.0]


def test_the_gap_to_the_holdout_is_said_to_be_beyond_chance_only_when_it_is() -> None:
    def sentences(gap):
        reading = replace(portfolio().holdout, gap=gap)
        document = portfolio_document(portfolio(holdout=reading), speak("en"))
        return " ".join(next(section for section in document.sections if section.name == "holdout").items)

    assert "within chance" in sentences(money(100))
    assert "brought more than" in sentences(money(1400))
    assert "add up to more than" in sentences(money(-1400))
    assert "3 customers were contacted all the same" in sentences(money(100))


def test_what_is_missing_is_said() -> None:
    empty = portfolio(
        sums=None, campaigns=(), arms=(), segments=(), offers=(), channels=(), by_segment=(), holdout=None
    )
    text = to_markdown(portfolio_document(empty, speak("en"))).decode()
    assert "No campaign can be read" in text and "There is no global control group" in text
    few = replace(portfolio().sums, effect_mean=None, effect_sd=None, worked=0, winners=0)
    text = to_markdown(portfolio_document(portfolio(sums=few, left_out=()), speak("en"))).decode()
    assert "Fewer than 10 campaigns" in text and "none can be named yet" in text and "All campaigns are counted" in text
    assert to_html(portfolio_document(portfolio(campaigns=tuple(line(i) for i in range(1, 60))), speak("ru")))


def test_there_are_words_for_every_reason_a_campaign_may_be_left_out_for() -> None:
    import inspect

    from netlift.abtest.portfolio import compute as pipeline
    from netlift.abtest.portfolio import shared_contacts as portfolio_contacts

    source = inspect.getsource(pipeline) + inspect.getsource(portfolio_contacts)
    reasons = {key.removeprefix("portfolio.reason.") for key in load_texts() if key.startswith("portfolio.reason.")}
    assert all(f'"{reason}"' in source for reason in reasons)
    assert len(reasons) == 10
