"""The page of a run of decisions and of a closed loop: the first screen answers, figures add up, one word per thing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from decision_example import about, make_loop, make_summary, new_offer

from netlift.closed_loop.page import demo_document
from netlift.decisions.launch_check.result import BeforeLaunch
from netlift.decisions.run.page import decision_document
from netlift.report.exports import to_text
from netlift.report.language import load_texts, speak

pytestmark = pytest.mark.slow

OURS = (
    "decide",
    "decision_readout",
    "demo",
    "feature",
    "answer",
    "rule",
    "choice",
    "constant",
    "explained",
    "uplift_chart",
)
NOT_SAID = {
    "ru": r"жреби|наград|шанс|зерно|везени|везёт|контрольной группы базы|контрольная группа базы",
    "en": r"universal holdout|chances in 100|\bby lot\b|\blucky?\b|roll(ed)? (it )?out|\brewards?\b",
}


def page(language, summary, *, in_full=True):
    return decision_document(summary, speak(language), path="x", written=True, in_full=in_full)


def first_screen(language, summary):
    document = page(language, summary)
    return to_text(replace(document, sections=document.sections[:1])).replace("\xa0", " ")


def test_the_first_screen_says_profit_check_cost_and_what_limits_it():
    shown = first_screen("ru", make_summary())
    for said in (
        "Ожидаемая прибыль: около 390 тыс. ₽ (95 %: от 190 до 590 тыс.)",
        "Проверка на прошлых кампаниях: прогноз 114 ₽ на клиента, факт около 96 ₽ (95 %: от 55 до 137).",
        "Получат предложение: 4 300; 43 % из 10 000",
        "Затраты: контакты, скидки и бонусы: 30 тыс. ₽; 100 % бюджета в 30 тыс. ₽",
        "Звонки: распределено 300 из 300; ещё один звонок принёс бы ≈ 336 ₽.",
        "Бюджет 30 тыс. ₽ распределён полностью: ещё 1 ₽ принёс бы ≈ 5,34 ₽ прибыли.",
    ):
        assert said in shown, said
    english = first_screen("en", make_summary())
    assert "Expected profit: about RUB 390k (95%: 190k to 590k)" in english and "one more call would earn" in english
    assert "Улучшить распределение можно не более чем на 0,0014" in to_text(page("ru", make_summary()))


def test_offers_segments_and_strategies_add_up_to_the_headline():
    summary = make_summary()
    grids = {grid.name: grid for section in page("en", summary).sections for grid in section.grids}
    total = grids["offers"].rows[-1]
    assert total[2].value == summary.forecast.profit.point and total[3].value == summary.spend
    assert total[1].value == summary.contacted
    assert [row[2].note for row in grids["offers"].rows] == ["120k to 480k", "", "190k to 590k"], "where one is known"
    for name in ("segments", "strategies"):
        assert sum(row[3].value for row in grids[name].rows) == summary.forecast.profit.point
        assert sum(row[2].value for row in grids[name].rows) == summary.contacted


@pytest.mark.parametrize(("profit", "tone"), [(-300_000.0, "bad"), (50_000.0, "warn"), (300_000.0, "good")])
def test_a_loss_is_told_with_a_true_minus_and_is_no_good_news(profit, tone):
    summary = make_summary()
    banner = (
        page("en", replace(summary, forecast=replace(summary.forecast, profit=about(profit, 100_000))))
        .sections[0]
        .banner
    )
    assert banner.tone == tone and ("−RUB\xa0300k" in banner.title) == (profit < 0) and "-" not in banner.title


def test_without_held_out_contacts_the_first_screen_claims_neither_interval_nor_check():
    summary = make_summary(before_launch=BeforeLaunch(why_not="missing"))
    bare = replace(summary.forecast, profit=about(400_000, float("nan")), basis="promise", rows=0)
    banner = page("ru", replace(summary, forecast=bare)).sections[0].banner
    assert banner.tone == "warn" and banner.lines == () and "проверить его не на чем" in banner.title


def test_the_loop_is_told_beside_the_other_rules_with_what_it_costs_the_next_year():
    loop = make_loop()
    banner = demo_document(loop, speak("ru"), path="x").sections[0].banner
    told = " ".join([banner.title, *banner.lines]).replace("\xa0", " ")
    assert "около 4,76 млн ₽ (95 %: от 4,28 до 5,24 млн)" in told and "рассылка всем −504 тыс. ₽" in told
    assert "48 %" in told and "маржа следующего года ниже" not in told
    rows = tuple(replace(row, left_behind=about(-500_000, 100_000)) for row in loop.worlds)
    worse = demo_document(replace(loop, worlds=replace(loop.worlds, rows=rows)), speak("ru"), path="x")
    assert "маржа следующего года ниже" in " ".join(worse.sections[0].banner.lines)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_one_word_stands_for_one_thing(language):
    texts = {key: text[language] for key, text in load_texts().items() if key.split(".")[0] in OURS}
    assert len(texts) > 300
    for key, text in texts.items():
        forms = [text] if isinstance(text, str) else text.values()
        assert not any(re.search(NOT_SAID[language], form, re.I) for form in forms), (key, text)


@pytest.mark.parametrize(
    ("state", "known", "said"),
    [
        ("learning", {"needed": 2100, "share": 0.7}, "about 1,980 more contacts; runs like this one: 11"),
        ("learning", {"share": 0.7}, "not within the contacts that it has"),
        ("learning", {"needed": 2100}, "about 1,980 more contacts"),
        ("proven", {}, "It is now sent like all others."),
        ("proven", {"share": 0.7}, "no model knows it yet. Run netlift train uplift."),
        ("retired", {}, "is stopped: a contact brings about −RUB 25, a loss with a probability of 99%"),
        ("unproven", {}, "its contacts are used up (600 contacts)"),
    ],
)
def test_the_page_says_what_becomes_of_a_new_offer_and_when(state, known, said):
    summary = make_summary()
    part = replace(summary.new_offers, lines=(new_offer("mail", state, 600, **known),))
    text = to_text(page("en", replace(summary, new_offers=part), in_full=False)).replace("\xa0", " ")
    assert said in text and "Spent on learning in this run: RUB 720 of RUB 2.0k." in text
    assert "October 2026 allows RUB 5.0k for learning; earlier runs have spent RUB 1.5k." in text


def test_who_gets_what_is_said_in_full_beside_charts_that_say_what_they_show():
    [section] = [section for section in page("en", make_summary()).sections if section.name == "parts"]
    assert [row[-1].value for row in section.grids[0].rows] == [
        "mail (3,000), phone (100)",
        "mail (1,000), phone (200)",
    ]
    said = [picture.title.replace("\xa0", " ") for picture in section.pictures]
    assert said == [
        "Most contacts go to “Champions”: 72% of all, most often “mail”",
        "Most profit is expected from “Champions”: RUB 300k at a cost of RUB 9.0k",
        "Most contacts are of the strategy “VIP”: 72% of all, most often “mail”",
        "Most profit is expected of the strategy “VIP”: RUB 300k at a cost of RUB 9.0k",
    ]
    assert all(picture.svg.startswith(b"<svg") for picture in section.pictures)
    nobody = tuple(replace(line, offers={}) for line in make_summary().segments)
    [section] = [
        section
        for section in page("en", make_summary(segments=nobody, strategies=())).sections
        if section.name == "parts"
    ]
    assert not section.pictures
