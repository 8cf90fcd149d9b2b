"""Uplift drawn and said: every chart whole in both languages, every feature of the catalogue in words."""

from xml.etree import ElementTree

import numpy as np
import pytest

from netlift.estimators.shapley import Choice, EffectShareRow, ShapleyReason
from netlift.evaluation.policy.binned_columns import Split
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.policy.policy_tree import Answer, Branch, Leaf, PolicyTree, TreeEnd, value_policy_tree
from netlift.evaluation.uplift.cost_curve import BudgetRow
from netlift.evaluation.uplift.toc import TopShare
from netlift.features.catalogue import build_catalogue
from netlift.features.matrix import Feature
from netlift.features.vocabulary import Vocabulary
from netlift.report.language import Words
from netlift.results import Estimate, Table
from netlift.training.uplift.charts import budget_chart, effect_shares_chart, policy_tree_chart, top_shares_chart
from netlift.training.uplift.sentences import say_answer, say_choice, say_constant, say_feature, say_rule, say_value

pytestmark = pytest.mark.slow

RU, EN = Words(language="ru"), Words(language="en")
CATALOGUE = build_catalogue(
    Vocabulary(
        categories=("tea", "it's"), channels=("web",), contact_channels=("sms",), attributes={"region": ("n", "s")}
    )
)
NAMED = {feature.name: feature for feature in CATALOGUE}
SINCE, REGION = NAMED["days_since_last_purchase"], NAMED["region"]


def worth(point, half=2.0):
    return Estimate(
        point=point, ci_lower=point - half, ci_upper=point + half, level=0.95, unit="RUB/customer", method="DR"
    )


def grow():
    """A tree of two questions and what it was worth."""
    root = Branch(
        split=Split(feature=SINCE, below=45.0, missing=True),
        yes=Branch(split=Split(feature=REGION, category="s"), yes=Leaf(arm=1), no=Leaf(arm=2)),
        no=Leaf(arm=0),
    )
    tree = PolicyTree(root=root, offers=("mail", "call"), rows=300, rows_searched=300, features_searched=2)
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 90, 300), rng.integers(0, 3, 300)]).astype(np.float32)
    logged = LoggedOutcomes(
        y=np.zeros(300),
        arm=np.zeros(300, dtype=int),
        propensity=np.ones(300),
        scores=rng.normal(size=(300, 3)) * 50,
        customer=np.arange(300),
        unit="RUB/customer",
        level=0.95,
    )
    nobody = np.zeros(300, dtype=int)
    return tree, value_policy_tree(tree, X, (SINCE, REGION), logged, policy=nobody, constants={"nobody": nobody})


TREE, WORTH = grow()
SHARES = Table(
    name="effect shares",
    rows=tuple(
        EffectShareRow(offer=offer, feature=name, money=worth(9.0 + i), part=0.1, direction=direction)
        for offer in ("mail", "call")
        for i, (name, direction) in enumerate(
            zip(list(NAMED)[60:80], [0.9, -0.9, 0.01, None] * 5, strict=True),
        )
    ),
)
BUDGETS = Table(
    name="value by budget",
    rows=tuple(
        BudgetRow(model=model, budget=b, spent=b, gain=worth(3 * b), difference=None, contacted=0.1, price=1.0)
        for model in ("model", "average effects")
        for b in (0.0, 1.0, 2.0)
    ),
)
TOPS = Table(
    name="top shares",
    rows=tuple(TopShare(share=q, effect=worth(5 / q), above_average=worth(1.0)) for q in (0.1, 0.5, 1.0)),
)
LINES = {"model": "a & <b>", "average effects": "by average"}
DRAWN = {
    "tree": lambda words: policy_tree_chart(TREE, WORTH, words, currency="RUB"),
    "shares": lambda words: effect_shares_chart(SHARES, NAMED, words, currency="RUB"),
    "budget": lambda words: budget_chart(BUDGETS, LINES, words, currency="RUB"),
    "top": lambda words: top_shares_chart(TOPS, worth(5.0), words, currency="RUB"),
}


def texts(svg):
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]


@pytest.mark.parametrize("language", [RU, EN])
@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_svg_with_its_title_and_nothing_from_elsewhere(name, language):
    svg = DRAWN[name](language)
    assert language.say(f"uplift_chart.{name}") in texts(svg)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert not tags & {"script", "image", "foreignObject"}
    assert b"NaN" not in svg
    assert DRAWN[name](language) == svg


def test_the_tree_shows_every_question_and_every_end():
    shown = " ".join(texts(DRAWN["tree"](EN)))
    for part in ("Days since the last purchase", "Offer mail", "Offer call", "No contact", "yes", "no"):
        assert part in shown
    assert sum(text.endswith("of customers") for text in texts(DRAWN["tree"](EN))) == 3


def test_only_the_features_that_matter_most_are_drawn_and_it_is_said():
    shown = texts(DRAWN["shares"](EN))
    assert any("The first 12 of 20 features" in text for text in shown)
    last = say_feature(NAMED[list(NAMED)[79]], EN)
    assert last[:20] in " ".join(shown)


def test_every_feature_of_the_catalogue_has_words_but_for_own_attributes():
    unsaid = [
        feature.name
        for feature in CATALOGUE
        if say_feature(feature, RU) == feature.name.replace("_", " ") and feature.source != "customers"
    ]
    assert unsaid == []
    assert len({say_feature(feature, RU) for feature in CATALOGUE}) == len(CATALOGUE)
    assert say_feature(NAMED["share_category_it_s_365d"], EN) == 'share of category "it\'s" in 365 days'
    assert say_feature(NAMED["contacts_sms_30d"], RU) == "контактов по каналу «SMS» за 30 дней"
    assert say_feature(NAMED["spend_trend_7d_30d"], RU) == "траты в день за 7 дней к тратам за 30 дней"
    assert say_feature(NAMED["margin_all"], EN) == "margin in all the time seen"


@pytest.mark.parametrize(
    ("split", "yes", "no"),
    [
        (
            Split(feature=SINCE, below=45.0),
            "дней с последней покупки меньше 45",
            "дней с последней покупки не меньше 45",
        ),
        (
            Split(feature=SINCE, below=4.5, missing=True),
            "дней с последней покупки меньше 4,5 (или нет данных)",
            "дней с последней покупки не меньше 4,5",
        ),
        (
            Split(feature=REGION, category="s", missing=False),
            "в поле «регион» стоит «s»",
            "в поле «регион» не «s» (или нет данных)",
        ),
        (
            Split(feature=SINCE, missing=True),
            "дней с последней покупки: нет данных",
            "дней с последней покупки: есть данные",
        ),
    ],
)
def test_questions_are_said_as_conditions(split, yes, no):
    assert say_answer(Answer(split=split, yes=True), RU, "RUB") == yes
    assert say_answer(Answer(split=split, yes=False), RU, "RUB") == no


def test_a_rule_says_whom_what_how_much_and_how_many():
    path = (
        Answer(split=Split(feature=SINCE, below=45.0), yes=True),
        Answer(split=Split(feature=REGION, category="s"), yes=False),
    )
    end = TreeEnd(path=path, offer="mail", effect=worth(12.0), share=0.34, on_offer=1.0, rows=100)
    assert say_rule(end, EN, "RUB").replace("\xa0", " ") == (
        'If days since the last purchase below 45 and region is not "s": offer mail, earns about RUB 12.00 '
        "(10.00 to 14.00) per customer, 34% of customers."
    )
    none = TreeEnd(path=(), offer=None, effect=None, share=1.0, on_offer=1.0, rows=100)
    assert say_rule(none, RU, "RUB") == "Всем: без коммуникаций, 100\xa0% клиентов."
    unseen = TreeEnd(path=(), offer="mail", effect=None, share=1.0, on_offer=0.0, rows=100)
    assert "no campaign it was checked on" in say_rule(unseen, EN, "RUB")


def test_values_are_written_in_their_unit():
    assert say_value(NAMED["revenue_90d"], 1234.5, RU, "RUB") == "1\xa0234\xa0₽"
    assert say_value(NAMED["promo_share_90d"], 0.5, RU, "RUB") == "50\xa0%"
    assert say_value(REGION, 1.0, RU, "RUB") == "s"
    assert say_value(SINCE, float("nan"), RU, "RUB") == "нет данных"
    assert say_value(Feature(name="x", unit="ratio", source="", formula=""), 0.0625, EN, "EUR") == "0.0625"


def test_a_choice_is_said_with_its_reasons_for_and_against():
    reasons = (
        ShapleyReason(feature=SINCE, value=12.0, money=30.0),
        ShapleyReason(feature=REGION, value=1.0, money=-4.0),
    )
    choice = Choice(offer="mail", instead="call", gain=42.0, typical=12.0, reasons=reasons, rest=4.0)
    assert say_choice(choice, EN, "RUB").replace("\xa0", " ") == (
        "mail rather than call: +RUB 42 of expected profit, +RUB 12 for customers on average. For it: days "
        "since the last purchase, here 12 (+RUB 30). Against it: region, here s (−RUB 4). Everything else: +RUB 4."
    )
    alone = Choice(offer="mail", instead=None, gain=1.0, typical=1.0, reasons=(), rest=0.0)
    assert say_choice(alone, RU, "RUB").startswith("«mail» вместо «без коммуникаций»: ")


def test_constants_have_names():
    assert [say_constant(name, EN) for name in ("nobody", "everybody mail", "everybody the best offer")] == [
        "no contact",
        "mail to everybody",
        "the best offer there is to everybody",
    ]
