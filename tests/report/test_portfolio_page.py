"""The page of all campaigns: the same strings everywhere, in either language, inert whatever a campaign is called."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import date, datetime

import pytest

from netlift.abtest.portfolio import HoldoutReading, LeftOut, Line, Portfolio, Sums
from netlift.report.exports import to_html, to_json, to_markdown, to_xlsx
from netlift.report.pages.portfolio import portfolio_document
from netlift.report.words import load_texts, speak
from netlift.results import Estimate

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


def test_page_one_speaks_plainly() -> None:
    first = to_markdown(portfolio_document(portfolio(), speak("en"))).decode().split("## Campaigns")[0].lower()
    assert not any(word in first for word in ("significant", "p-value", "lift", "shrunk"))
    assert "2 of 3 made money" in first


def test_the_gap_to_the_holdout_is_said_to_be_beyond_chance_only_when_it_is() -> None:
    def sentences(gap):
        reading = replace(portfolio().holdout, gap=gap)
        document = portfolio_document(portfolio(holdout=reading), speak("en"))
        return " ".join(next(section for section in document.sections if section.name == "holdout").items)

    assert "within chance" in sentences(money(100))
    assert "brought more than" in sentences(money(1400))
    assert "add up to more than" in sentences(money(-1400))
    assert "3 of the universal holdout" in sentences(money(100))


def test_what_is_missing_is_said() -> None:
    empty = portfolio(sums=None, campaigns=(), arms=(), segments=(), holdout=None)
    text = to_markdown(portfolio_document(empty, speak("en"))).decode()
    assert "No campaign can be read" in text and "There is no universal holdout" in text
    few = replace(portfolio().sums, effect_mean=None, effect_sd=None, worked=0, winners=0)
    text = to_markdown(portfolio_document(portfolio(sums=few, left_out=()), speak("en"))).decode()
    assert "Fewer than 10 campaigns" in text and "Of no campaign" in text and "All campaigns are counted" in text
    assert to_html(portfolio_document(portfolio(campaigns=tuple(line(i) for i in range(1, 60))), speak("ru")))


def test_there_are_words_for_every_reason_a_campaign_may_be_left_out_for() -> None:
    import inspect

    from netlift.pipelines import portfolio as pipeline
    from netlift.pipelines import portfolio_contacts

    source = inspect.getsource(pipeline) + inspect.getsource(portfolio_contacts)
    reasons = {key.removeprefix("portfolio.reason.") for key in load_texts() if key.startswith("portfolio.reason.")}
    assert all(f'"{reason}"' in source for reason in reasons)
    assert len(reasons) == 10
