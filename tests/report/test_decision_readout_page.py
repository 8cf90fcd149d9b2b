"""The page of a run that was read back: the same in both languages, no money where chance did not draw as it should."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from netlift.data.checks.sample_ratio import SampleRatio
from netlift.decisions.readout.page import decision_readout_document
from netlift.decisions.readout.result import DecisionReadout, EffectDrift, GroupLine, LeftOutPolicy
from netlift.evaluation.policy.comparison import AT_RANDOM, ProofRow
from netlift.evaluation.policy.profit_forecast import WorthTenth
from netlift.report.exports import to_html, to_markdown, to_text
from netlift.report.language import speak
from netlift.results import Estimate, Table

EVIL = "<script>alert(1)</script>"


def money(point, half=500.0):
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=0.95, unit="RUB", method="m")


def line(group, against, total):
    return GroupLine(
        group=group, against=against, customers=9000, others=1000, total=money(total),
        per_customer=money(total / 9000, 0.1),
    )  # fmt: skip


def proof(name, above):
    return ProofRow(
        policy=name, value=money(3.0, 0.5), snips=money(3.1, 0.6), ours_above=above, contacted=0.4,
        effective_rows=812.4, max_weight=20.0, without_support=0.0,
    )  # fmt: skip


def check(name, alarm=False):
    return SampleRatio(
        campaign_id=name, rows=10_000, arms=2, method="chi-square", p_value=0.0001 if alarm else 0.42, alarm=alarm,
        note="",
    )  # fmt: skip


def make_readout(**changes):
    drift = EffectDrift(now=money(0.4, 0.2), before=money(1.0, 0.0), change=money(-0.6, 0.2))
    whole = DecisionReadout(
        run_key="2026-10-01",
        as_of=date(2026, 10, 1),
        currency="RUB",
        customers=10_000,
        held_out=1000,
        explored=450,
        open_to=7000,
        checks=(check("holdout"), check("explore"), check("offers")),
        groups=Table(
            name="groups",
            rows=(line("decided", "holdout", 12345), line("policy", "holdout", 12000), line("policy", "explore", 4500)),
        ),
        expected=15000.0,
        tenths=Table(
            name="tenths", rows=(WorthTenth(tenth=1, contacts=70, predicted=9.5, realised=money(4.25, 1.0)),)
        ),
        drift=drift,
        replay=Table(
            name="replay",
            rows=(
                proof("policy", None), proof("nobody", money(2.0, 0.7)), proof(EVIL, money(0.5)),
                proof(AT_RANDOM, money(1.5)),
            ),
        ),
    )  # fmt: skip
    return replace(whole, **changes)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_says_the_same_as_the_text_and_no_policy_name_comes_alive(language):
    document = decision_readout_document(make_readout(), speak(language))
    html, text = to_html(document).decode(), to_markdown(document).decode()
    plain = to_text(document)
    for card in document.sections[0].cards:
        assert document.show(card.cell) in html and document.show(card.cell) in text
    assert "<script" not in html and "alert(1)" in html
    assert {"ru": "12\xa0тыс.\xa0₽", "en": "RUB\xa012k"}[language] in html
    assert {"ru": "Запуск заработал: около 12\xa0тыс.\xa0₽", "en": "The run earned about RUB\xa012k"}[language] in plain
    assert {"ru": "Переобучите", "en": "Train again"}[language] in plain


def test_a_loss_and_an_open_question_are_told_apart():
    words = speak("en")
    for total, told in ((-9000, "lost money: about −RUB\xa09.0k"), (100, "cannot be told yet")):
        groups = make_readout().groups.rows
        changed = Table(name="groups", rows=(line("decided", "holdout", total), *groups[1:]))
        document = decision_readout_document(make_readout(groups=changed), words)
        assert told in document.sections[0].banner.title


def test_no_money_is_shown_where_the_groups_are_of_the_wrong_size():
    bad = make_readout(checks=(check("holdout", alarm=True), check("explore")))
    document = decision_readout_document(bad, speak("en"))
    assert [section.name for section in document.sections] == ["money", "checks"]
    text = to_text(document)
    assert "12k" not in text and "These figures cannot be trusted" in text and "not as expected" in text


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (LeftOutPolicy(model="m v7", why="offers", offers=("mail",)), "no longer has these offers of the run: mail"),
        (LeftOutPolicy(model="m v7", why="costs"), "do not tell what the offers cost then"),
    ],
)
def test_the_model_that_leads_now_is_not_left_out_without_a_word(left, told):
    text = to_text(decision_readout_document(make_readout(left_out=left), speak("en")))
    assert "The model that leads now (m v7) is not compared" in text and told in text


@pytest.mark.parametrize(
    ("now", "half", "told"),
    [(0.4, 0.2, "Train again"), (0.9, 0.4, "can still be trusted"), (2.3, 7.0, "This run cannot tell")],
)
def test_a_forecast_is_trusted_only_where_the_run_could_have_shown_it_wrong(now, half, told):
    drift = EffectDrift(now=money(now, half), before=money(1.0, 0.0), change=money(now - 1, half))
    assert told in to_text(decision_readout_document(make_readout(drift=drift), speak("en")))


def test_a_log_without_expectations_says_so():
    document = decision_readout_document(make_readout(tenths=None, drift=None), speak("ru"))
    assert "policy_profit" in to_text(document)
