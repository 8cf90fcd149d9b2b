"""An uplift model explained: tables, pictures and sentences that hold what was planted, and one customer's answer."""

import logging

import numpy as np
import pytest

from netlift.decisions.run.explain import OfferExplainer
from netlift.errors import DataError, SchemaDriftError, UsageError
from netlift.estimators.expression import column, constant, linear, maximum, write_files
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.features.matrix import Feature
from netlift.report.language import Words
from netlift.training.uplift.explanations import MODEL, ScoredContacts, explain_uplift

EN, RU = Words(language="en"), Words(language="ru")
FEATURES = (
    Feature(name="days_since_last_purchase", unit="days", source="transactions", formula=""),
    Feature(name="revenue_90d", unit="currency", source="transactions", formula=""),
    Feature(
        name="region", unit="category", source="customers", formula="", kind="category", categories=("n", "s", "other")
    ),
)
OFFERS = ("call", "mail")
CALL = linear(40.0, [-1.0], [column("days_since_last_purchase")])
MAIL = linear(-20.0, [1.0], [maximum([column("days_since_last_purchase"), constant(10.0)])])


def store(call=CALL, mail=MAIL):
    outputs = [("uplift_call", "EUR/customer", call), ("uplift_mail", "EUR/customer", mail)]
    return StoredModel(write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={}))


def contacts(n, seed, cost=1.0):
    """Campaigns in which a call adds 40 less the days since the last purchase, and a mail the days less 20."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 60, n)
    X = np.asfortranarray(np.column_stack([days, rng.gamma(2, 50, n), rng.integers(0, 3, n)]).astype(np.float32))
    effects = np.column_stack([np.zeros(n), 40.0 - days, np.maximum(days, 10) - 20.0])
    arm = rng.integers(0, 3, n)
    y = effects[np.arange(n), arm] + rng.exponential(30, n)
    available = np.ones((n, 3), dtype=bool)
    rows = ContactRows(
        X=X,
        features=FEATURES,
        y=y,
        margin=y + cost * arm,
        offers=OFFERS,
        arm=arm,
        propensity=np.full(n, 1 / 3),
        available=available,
        customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64),
    )
    mu = effects + 30.0
    scores = dr_scores(y=y, arm=arm, propensity=rows.propensity, mu=mu, available=available)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=rows.propensity, scores=scores, customer=rows.customer, unit="EUR/customer", level=0.95
    )
    return ScoredContacts(rows=rows, logged=logged)


LEARNED, JUDGED = contacts(4000, 1), contacts(3000, 2)


@pytest.fixture(scope="module")
def explained():
    return explain_uplift(store(), learned=LEARNED, judged=JUDGED, words=EN, seed=3)


def test_everything_is_there(explained):
    assert set(explained.tables) == {
        "effect_shares", "policy_tree", "policy_tree_value", "uplift_figures", "value_by_budget"
    }  # fmt: skip
    assert set(explained.figures) == {
        "effect_shares.svg", "policy_tree.svg", "uplift_by_share.svg", "value_by_budget.svg"
    }  # fmt: skip
    assert set(explained.captions) == set(explained.figures)
    assert all(table.to_markdown() and table.to_json() for table in explained.tables.values())


def test_the_planted_rule_is_told_in_words_and_money(explained):
    rules = explained.tables["policy_tree"]
    call = [row for row in rules if row.offer == "call"]
    mail = [row for row in rules if row.offer == "mail"]
    assert call and mail
    assert sum(row.share for row in rules) == pytest.approx(1)
    assert all(row.effect.ci_lower > 0 for row in rules)
    assert len(rules) == 2
    assert all(row.sentence.startswith("If days since the last purchase") for row in rules)
    against = {row.policy: row.tree_less_policy for row in explained.tables["policy_tree_value"]}
    assert against["nobody"].ci_lower > 10
    assert abs(against["the model"].point) < 3
    assert any("earns +€" in sentence for sentence in explained.sentences)


def test_the_effect_depends_on_what_was_planted_and_which_way(explained):
    rows = {(row.offer, row.feature): row for row in explained.tables["effect_shares"]}
    assert rows["call", "days_since_last_purchase"].direction == pytest.approx(-1)
    assert rows["mail", "days_since_last_purchase"].direction > 0.9
    assert rows["mail", "days_since_last_purchase"].part == 1.0
    assert rows["mail", "region"].money.point == 0.0
    said = [sentence for sentence in explained.sentences if sentence.startswith("The effect of call depends most on")]
    assert said and "days since the last purchase" in said[0] and "larger value, smaller effect" in said[0]
    assert "region" not in said[0]


def test_ranking_and_budgets_are_told_of_the_model(explained):
    figures = {row.metric: row.value for row in explained.tables["uplift_figures"]}
    assert figures["qini"].ci_lower > 0
    assert figures["calibration slope"].ci_lower < 1 < figures["calibration slope"].ci_upper
    last = [row for row in explained.tables["value_by_budget"] if row.model == MODEL][-1]
    assert last.difference.ci_lower > 0
    assert last.price == 0.0


def test_the_same_seed_gives_the_same_bytes_and_another_language_other_words(explained):
    again = explain_uplift(store(), learned=LEARNED, judged=JUDGED, words=EN, seed=3)
    assert again.figures == explained.figures
    russian = explain_uplift(store(), learned=LEARNED, judged=JUDGED, words=RU, seed=3)
    assert all("Если" in row.sentence for row in russian.tables["policy_tree"])


def test_a_model_of_constants_has_nothing_to_explain_and_says_so():
    model = store(call=constant(3.0), mail=constant(1.0))
    found = explain_uplift(model, learned=LEARNED, judged=JUDGED, words=EN, seed=3)
    assert not found.tables and not found.figures
    assert found.sentences == ("The model predicts the same for everybody; there is nothing to explain.",)


def test_free_contacts_have_no_curve_and_few_rows_no_ranks():
    free, few = contacts(4000, 1, cost=0.0), contacts(150, 2)
    found = explain_uplift(store(), learned=free, judged=few, words=EN, seed=3)
    assert "value_by_budget" not in found.tables
    assert "uplift_figures" not in found.tables
    assert any("cost nothing" in note for note in found.sentences)
    assert any("150 contacts to judge on" in note for note in found.sentences)


def test_scores_of_other_rows_are_refused():
    with pytest.raises(DataError, match="4000 contact rows and 3000 scores"):
        ScoredContacts(rows=LEARNED.rows, logged=JUDGED.logged)


def test_one_customer_is_told_why_and_nobody_else(caplog):
    explainer = OfferExplainer.of(store(), LEARNED.rows.X, FEATURES, currency="EUR", seed=3)
    customer = np.array([[4.0, 77.5, 1.0]], dtype=np.float32)
    with caplog.at_level(logging.DEBUG):
        why = explainer.explain(customer, FEATURES, offer="call", instead="mail", words=EN)
    assert why.choice.gain == pytest.approx(46.0)
    (reason,) = why.choice.reasons
    assert reason.feature.name == "days_since_last_purchase"
    assert why.choice.typical + reason.money == pytest.approx(46.0)
    assert "For it: days since the last purchase, here 4 (+€" in why.sentence
    assert not caplog.records
    assert "here 4" not in repr(why)


def test_the_customer_may_be_encoded_otherwise_than_the_model():
    outputs = [("uplift_mail", "EUR/customer", column("region"))]
    model = StoredModel(write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={}))
    other = Feature(
        name="region", unit="category", source="customers", formula="", kind="category", categories=("other", "s", "n")
    )
    explainer = OfferExplainer.of(model, LEARNED.rows.X, FEATURES, currency="EUR", seed=3)
    customer = np.array([[0.0, 4.0, 77.5]], dtype=np.float32)
    why = explainer.explain(customer, (other, *FEATURES[:2]), offer="mail", instead=None, words=EN)
    assert why.choice.gain == 2.0
    assert "region, here other" in why.sentence
    with pytest.raises(SchemaDriftError):
        explainer.explain(customer[:, :1], (other,), offer="mail", instead=None, words=EN)
    with pytest.raises(UsageError, match="mail"):
        explainer.explain(customer, (other, *FEATURES[:2]), offer="letter", instead=None, words=EN)
