"""No id of an offer, channel, segment, strategy or attribute that has a name stands on a page, in a text or a chart.

A document joins by a line in DOCUMENTS: what it shows when its ids are those of `IDS`, and which of the families it
speaks of. Each of these must be there by its name, so that a document which shows nothing does not pass.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime

import pytest
from decision_example import about, make_loop, make_summary
from readout_example import ONE, make_readout
from readout_parts import arm
from scorecard_page import make_document as make_scorecard
from segments_page import make_report
from test_decision_readout_page import make_readout as make_decision_readout
from test_decision_readout_page import proof
from test_portfolio_page import line, portfolio
from test_uplift_charts import SHARES, TREE, WORTH

from netlift.abtest.assignment.page import assignment_document
from netlift.abtest.assignment.result import ArmCount, AssignReport
from netlift.abtest.design.page import design_document
from netlift.abtest.design.power import Spread
from netlift.abtest.design.request import DesignRequest
from netlift.abtest.design.result import DesignReport, PastSpend, Power, Window
from netlift.abtest.design.sizing import Precision
from netlift.abtest.portfolio.page import portfolio_document
from netlift.abtest.readout_report.page import readout_brief, readout_document
from netlift.closed_loop.page import demo_document
from netlift.config.plan import ArmPlan
from netlift.data.contract import CONTROL
from netlift.decisions.readout.page import decision_readout_document
from netlift.decisions.readout.result import LeftOutPolicy
from netlift.decisions.run.page import decision_document
from netlift.estimators.shapley import Choice, ShapleyReason
from netlift.evaluation.policy.binned_columns import Split
from netlift.evaluation.policy.policy_tree import Answer, TreeEnd
from netlift.features.matrix import Feature
from netlift.report.document import Document
from netlift.report.exports import to_html, to_markdown, to_text, to_xlsx
from netlift.report.language import LANGUAGES, Words, speak
from netlift.results import Table
from netlift.segments.pages.page import segments_document
from netlift.training.uplift.charts import effect_shares_chart, policy_tree_chart
from netlift.training.uplift.sentences import say_choice, say_constant, say_dependence, say_feature, say_rule

pytestmark = pytest.mark.slow

OFFERS, CHANNELS = ("zz_offer_17", "zz_offer_18"), ("zz_channel_3", "zz_channel_4")
SEGMENT, STRATEGY, ATTRIBUTE, VALUE = "zz_segment_5", "zz_strategy_2", "zz_attribute_4", "zz_value_6"
NAMES = {
    f"offer.{OFFERS[0]}": "Письмо со скидкой",
    f"offer.{OFFERS[1]}": "Визит курьера",
    f"channel.{CHANNELS[0]}": "почтовые открытки",
    f"channel.{CHANNELS[1]}": "курьеры",
    f"segment.{SEGMENT}": "Золотые клиенты",
    f"strategy.{STRATEGY}": "Беречь",
    f"attribute.{ATTRIBUTE}": "тариф",
    f"value.{ATTRIBUTE}.{VALUE}": "Домашний",
}
Shown = Iterator[str]


def pages(document: Document) -> Shown:
    """A document as page, Markdown, terminal text and workbook."""
    yield to_html(document).decode()
    yield to_markdown(document).decode()
    yield to_text(document)
    with zipfile.ZipFile(io.BytesIO(to_xlsx(document))) as workbook:
        yield from (workbook.read(name).decode() for name in workbook.namelist() if name.endswith(".xml"))


def decide(words: Words) -> Shown:
    summary = make_summary(OFFERS, CHANNELS, segment=SEGMENT, strategy=STRATEGY, attribute=ATTRIBUTE)
    for in_full in (True, False):
        yield from pages(decision_document(summary, words, path="x", written=True, in_full=in_full))


def decision_readout(words: Words) -> Shown:
    rows = (proof("policy", None), proof(f"everybody {OFFERS[0]}", about(2.0)))
    left = LeftOutPolicy(model="m v7", why="offers", offers=(OFFERS[1],))
    readout = make_decision_readout(replay=Table(name="replay", rows=rows), left_out=left)
    yield from pages(decision_readout_document(readout, words))


def demo(words: Words) -> Shown:
    yield from pages(demo_document(make_loop(OFFERS[0]), words, path="x"))


def assignment(words: Words) -> Shown:
    arms = [ArmCount(arm=arm, customers=100, share=0.5, planned=0.5, contact_cost=10.0) for arm in (CONTROL, *OFFERS)]
    drawn = AssignReport(
        campaign_id="C12", currency="RUB", plan_digest="", started_at=datetime(2026, 10, 5),
        ends_at=datetime(2026, 11, 2), steps={"known": 400, "taken": 300}, held_out=5, arms=tuple(arms), strata=0,
        merged=0, clusters=0, srm_p_value=0.5, digests={},
    )  # fmt: skip
    yield from pages(assignment_document(drawn, words, path="x", written=True))


def design(words: Words) -> Shown:
    asked = DesignRequest(
        campaign_id="C12", hypothesis="", offers=OFFERS, start=datetime(2026, 10, 5), outcome_days=28, level=0.95
    )
    spend = PastSpend(
        window=Window(start=date(2026, 9, 1), end=date(2026, 9, 29)), customers=900, buyers=300, margin_mean=90.0,
        revenue_mean=300.0, spread=Spread(sd=200.0, skewness=3.0), explained=0.2,
    )  # fmt: skip
    arms = [
        ArmPlan(offer_id=offer, share=0.4, channel=channel, contact_cost=1, reward=30, reward_share=0)
        for offer, channel in zip(OFFERS, CHANNELS, strict=True)
    ]
    chosen = Precision(
        control_share=0.2, customers=900, control=180, half_width=9.0, half_width_raw=10.0, half_width_total=3_000.0,
        chance=0.8, holdout_cost=500.0, gamma=0.1, lean="fine",
    )  # fmt: skip
    report = DesignReport(
        request=asked, currency="RUB", revenue_based=False, steps={"known": 1_000, "taken": 900}, held_out=0,
        past=spend, season=None, arms=tuple(arms), chosen=chosen, shares=(chosen,),
        power=(Power(expected=10.0, total=3_600.0, chance=0.8),), provable=None, needed=None, needed_share=0.2,
        needed_raw=None, balance_customers=100, balance_share=0.1, newcomers_a_week=None, weeks=None, holdout=None,
        collisions=(), plan=None,
    )  # fmt: skip
    yield from pages(design_document(report, words, path="x"))


def readout(words: Words) -> Shown:
    arms = [arm(offer, per_customer=ONE, se=0.95, fixed=45_000, treated=90_000) for offer in OFFERS]
    made = make_readout(arms=arms, dimensions={ATTRIBUTE: [VALUE, "b", "c"], "segment": [SEGMENT, "loyal"]})
    yield from pages(readout_document(made, words))
    yield to_text(readout_brief(made, words))


def all_campaigns(words: Words) -> Shown:
    parts = (
        line(1, arm=OFFERS[0], dimension=ATTRIBUTE, segment=VALUE),
        line(1, arm=OFFERS[1], dimension="segment", segment=SEGMENT),
    )
    yield from pages(portfolio_document(portfolio(arms=(line(3, arm=OFFERS[0]),), segments=parts), words))


def segments(words: Words) -> Shown:
    report = make_report()
    rows = tuple(replace(row, segment=SEGMENT, strategy=STRATEGY) for row in report.segments.rows[:1])
    named = replace(report.segments, rows=(*rows, *report.segments.rows[1:]))
    yield from pages(segments_document(replace(report, segments=named), words))


def scorecard(words: Words) -> Shown:
    yield from pages(make_scorecard(segment=SEGMENT, words=words)[1])


def uplift(words: Words) -> Shown:
    """The sentences and charts of an uplift model's card."""
    own = Feature(
        name=ATTRIBUTE, unit="category", source="customers", formula="", kind="category", categories=("other", VALUE)
    )
    sent = Feature(
        name="contacts_zz_30d", unit="contacts", source="contacts", formula=f"contacts by '{CHANNELS[0]}' in 30 days"
    )
    yield say_feature(sent, words)
    path = (Answer(split=Split(feature=own, category=VALUE), yes=True),)
    yield say_rule(
        TreeEnd(path=path, offer=OFFERS[0], effect=about(12.0), share=0.3, on_offer=1.0, rows=9), words, "RUB"
    )
    yield say_rule(TreeEnd(path=path, offer=OFFERS[0], effect=None, share=0.3, on_offer=0.0, rows=9), words, "RUB")
    yield say_constant(f"everybody {OFFERS[0]}", words)
    rows = [replace(row, offer=offer, feature=ATTRIBUTE) for row, offer in zip(SHARES.rows, OFFERS, strict=False)]
    yield say_dependence(rows[:1], {ATTRIBUTE: own}, words, "RUB")
    reasons = (ShapleyReason(feature=own, value=1.0, money=30.0),)
    choice = Choice(offer=OFFERS[0], instead=OFFERS[1], gain=42.0, typical=12.0, reasons=reasons, rest=4.0)
    yield say_choice(choice, words, "RUB")
    shares = Table(name="effect shares", rows=tuple(rows))
    yield effect_shares_chart(shares, {ATTRIBUTE: own}, words, currency="RUB").decode()
    ends = Table(name="ends", rows=tuple(replace(end, offer=end.offer and OFFERS[0]) for end in WORTH.ends))
    yield policy_tree_chart(TREE, replace(WORTH, ends=ends), words, currency="RUB").decode()


DOCUMENTS: dict[str, tuple[Callable[[Words], Shown], tuple[str, ...]]] = {
    "decide": (decide, (*OFFERS, *CHANNELS, SEGMENT, STRATEGY, ATTRIBUTE)),
    "decision readout": (decision_readout, OFFERS),
    "demo": (demo, OFFERS[:1]),
    "assignment": (assignment, OFFERS),
    "design": (design, OFFERS),
    "readout": (readout, (*OFFERS, SEGMENT, ATTRIBUTE, VALUE)),
    "portfolio": (all_campaigns, OFFERS[:1]),
    "segments": (segments, (SEGMENT,)),
    "scorecard": (scorecard, (SEGMENT,)),
    "uplift": (uplift, (*OFFERS, CHANNELS[0], ATTRIBUTE, VALUE)),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_has_a_name_is_called_by_it_and_never_by_its_id(name: str, language: str) -> None:
    show, ids = DOCUMENTS[name]
    shown = [*show(speak(language).with_names(NAMES))]
    ids_shown = {part for text in shown for part in text.split() if "zz_" in part}
    assert not ids_shown
    everything = " ".join(shown).lower()
    for thing in ids:
        called = next(text for key, text in NAMES.items() if key.endswith(f".{thing}"))
        assert called.lower() in everything, f"{thing} is not there by its name {called}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_has_no_name_is_shown_by_its_id(language: str) -> None:
    shown = " ".join(decide(speak(language)))
    assert all(thing in shown for thing in (*OFFERS, *CHANNELS, SEGMENT, STRATEGY))
