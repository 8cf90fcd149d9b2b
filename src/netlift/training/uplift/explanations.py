"""Explanations of an uplift model: rules, effect drivers, value of budgets and top shares.

Three independent looks: a policy of two questions learned from the campaigns' profits and judged on rows that it never
saw; the model's own predictions split among the features; and what the model's order of customers earned. Nothing in
them is about one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.errors import DataError
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.rows import ContactRows
from netlift.estimators.shapley import EffectShareRow, pick_background, share_effects, summarise_shares
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.randomization import average_effects
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms
from netlift.evaluation.policy.policy_tree import PolicyTree, TreeWorth, learn_policy_tree, value_policy_tree
from netlift.evaluation.uplift.comparison import UpliftComparison, compare_uplift
from netlift.evaluation.uplift.cost_curve import BudgetRow, budget_curves
from netlift.evaluation.uplift.metrics import contrast
from netlift.evaluation.uplift.toc import toc
from netlift.features.matrix import Feature
from netlift.registry.champions import encode_for
from netlift.report.language import Words
from netlift.results import Estimate, Table
from netlift.training.uplift.charts import budget_chart, effect_shares_chart, policy_tree_chart, top_shares_chart
from netlift.training.uplift.context import UpliftLearning, constants_for, predict_uplift
from netlift.training.uplift.sentences import say_constant, say_dependence, say_money, say_path, say_rule

CUSTOMERS, BACKGROUND = 200, 8
TREE_FEATURES = 40
LEADING = 3
LEAST_RANKED_ROWS = 200
TOPS = (0.1, 0.2, 0.3, 0.5)
TOC_SHARES = tuple(np.round(np.arange(0.05, 1.001, 0.05), 2).tolist())
BUDGET_STEPS = 24
MODEL, AVERAGE = "model", "average effects"
CAPTIONS = {
    "effect_shares.svg": "uplift_chart.shares",
    "policy_tree.svg": "uplift_chart.tree",
    "uplift_by_share.svg": "uplift_chart.top",
    "value_by_budget.svg": "uplift_chart.budget",
}


@dataclass(frozen=True, kw_only=True)
class ScoredContacts:
    """Contact rows with doubly robust scores, row by row.

    Attributes:
        rows: The rows.
        logged: The same rows as policies are valued on them.
    """

    rows: ContactRows
    logged: LoggedOutcomes

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.logged):
            raise DataError(f"{len(self.rows)} contact rows and {len(self.logged)} scores are not the same rows")


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """An end of the policy tree, for people.

    Attributes:
        rule: The conditions in words; empty for everybody.
        offer: What is offered; "none" for no contact.
        effect: Profit that it added over no contact, on rows that the tree never saw; None where there is none.
        share: Share of customers.
        on_offer: Of them, the share whose campaign had the offer.
        rows: Rows behind it.
        sentence: All of it in a sentence.
    """

    rule: str
    offer: str
    effect: Estimate | None
    share: float
    on_offer: float
    rows: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class RuleValueRow:
    """What the tree is worth beside a policy, paired on rows that it never saw.

    Attributes:
        policy: The other policy: the model, nobody, or the best constant.
        tree_less_policy: Profit per customer of the tree less that of the policy.
    """

    policy: str
    tree_less_policy: Estimate


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """What was found, ready for the run and the card.

    Attributes:
        tables: By file name.
        figures: File name to SVG.
        sentences: What the model does and what was found, for the card.
        captions: File name of a figure to what it shows.
    """

    tables: Mapping[str, Table[Any]]
    figures: Mapping[str, bytes]
    sentences: tuple[str, ...]
    captions: Mapping[str, str]


def explain_uplift(
    model: StoredModel, *, learned: ScoredContacts, judged: ScoredContacts, words: Words, seed: int
) -> Explanations:
    """Explain a fitted uplift model.

    Args:
        model: The model.
        learned: Rows that it learned from, with scores by an outcome model that never saw them (`log_out_of_fold`).
        judged: Rows that it did not learn from.
        words: The language.
        seed: Of the customers that are looked at.
    """
    rows, logged = judged.rows, judged.logged
    currency = logged.unit.split("/", maxsplit=1)[0]
    uplift = predict_uplift(model, rows)
    if bool((np.ptp(uplift, axis=0) == 0).all()):
        return Explanations(tables={}, figures={}, sentences=(words.say("explained.constant"),), captions={})
    tables: dict[str, Table[Any]] = {}
    figures: dict[str, bytes] = {}
    said: list[str] = []

    shares = share_table(model, rows, unit=logged.unit, level=logged.level, seed=seed)
    features = {feature.name: feature for feature in rows.features}
    tables["effect_shares"] = shares
    figures["effect_shares.svg"] = effect_shares_chart(shares, features, words, currency=currency)
    who = words.count("noun.customers", min(CUSTOMERS, len(rows)))
    said += [say_dependence(rows_of, features, words, currency) for rows_of in _leading(shares)]
    said.append(words.say("explained.shares", customers=who, background=words.number(BACKGROUND)))

    tree, worth = learn_rules(learned, judged, uplift, shares, seed=seed)
    tables["policy_tree"] = rule_table(worth, words, currency)
    tables["policy_tree_value"] = _value_table(worth)
    said.append(_say_tree(tree, worth, words, currency))
    if tree.asks:
        said += [row.sentence for row in tables["policy_tree"]]
        figures["policy_tree.svg"] = policy_tree_chart(tree, worth, words, currency=currency)

    ranked = rank_figures(logged, uplift)
    if ranked is None:
        found, needed = (words.number(count) for count in (len(rows), LEAST_RANKED_ROWS))
        said.append(words.say("explained.few_rows", rows=found, needed=needed))
    else:
        tables["uplift_figures"] = ranked.figures
        figures["uplift_by_share.svg"] = _draw_tops(logged, uplift, words, currency)
    curve = budget_table(learned.rows, logged, uplift)
    if curve is None:
        said.append(words.say("explained.no_costs"))
    else:
        tables["value_by_budget"] = curve
        names = {MODEL: words.say("uplift_chart.by_model"), AVERAGE: words.say("uplift_chart.by_average")}
        figures["value_by_budget.svg"] = budget_chart(curve, names, words, currency=currency)
    captions = {name: words.say(CAPTIONS[name]) for name in figures}
    return Explanations(tables=tables, figures=figures, sentences=tuple(said), captions=captions)


def log_out_of_fold(learning: UpliftLearning, rows: ContactRows, *, folds: int = 2) -> ScoredContacts:
    """Training rows with doubly robust scores by outcome models that never saw them.

    Args:
        learning: How outcome models are learned.
        rows: Training rows.
        folds: Folds of customers.
    """
    fold = assign_folds(rows.customer, folds=folds, seed=learning.seed)
    order = np.argsort(fold, kind="stable")
    parts = [learning.log_outcomes(rows.take(fold != k), rows.take(fold == k)) for k in range(folds)]
    back = np.empty(len(rows), dtype=np.int64)
    back[order] = np.arange(len(rows))
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])[back]
        for name in ("y", "arm", "propensity", "scores", "customer")
    }
    return ScoredContacts(rows=rows, logged=LoggedOutcomes(**columns, unit=parts[0].unit, level=parts[0].level))


def share_table(model: StoredModel, rows: ContactRows, *, unit: str, level: float, seed: int) -> Table[EffectShareRow]:
    """What each offer's predicted effect depends on, among customers drawn by chance."""
    drawn = rows.X[np.random.default_rng(seed).permutation(len(rows))]
    X = encode_for(model, drawn[: 10 * CUSTOMERS], rows.features)
    background = pick_background(model, X, count=BACKGROUND, seed=seed)
    shares = share_effects(model, X[:CUSTOMERS], background, seed=seed)
    categories = [feature["name"] for feature in model.features if feature["kind"] == "category"]
    return summarise_shares(shares, X[:CUSTOMERS], categories=categories, unit=unit, level=level)


def learn_rules(
    learned: ScoredContacts,
    judged: ScoredContacts,
    uplift: np.ndarray,
    shares: Table[EffectShareRow],
    *,
    seed: int,
) -> tuple[PolicyTree, TreeWorth]:
    """The policy tree on the features that effects depend on most, and what it is worth on the judged rows.

    Args:
        learned: Rows to learn from.
        judged: Rows to value it on.
        uplift: The model's predictions for the judged rows, shape (n, m).
        shares: What effects depend on.
        seed: Of the sample.
    """
    searched = _most_telling(shares, learned.rows.features)
    position = [i for i, feature in enumerate(learned.rows.features) if feature.name in searched]
    features = tuple(learned.rows.features[i] for i in position)
    tree = learn_policy_tree(
        np.asarray(learned.rows.X[:, position]), features, learned.logged, offers=learned.rows.offers, seed=seed
    )
    worth = value_policy_tree(
        tree,
        judged.rows.X,
        judged.rows.features,
        judged.logged,
        policy=choose_arms(uplift, judged.rows.available),
        constants=constants_for(learned.rows, judged.rows.available),
    )
    return tree, worth


def rule_table(worth: TreeWorth, words: Words, currency: str) -> Table[RuleRow]:
    """The ends of the tree in words."""
    rows = tuple(
        RuleRow(
            rule=say_path(end.path, words, currency),
            offer=end.offer or "none",
            effect=end.effect,
            share=end.share,
            on_offer=end.on_offer,
            rows=end.rows,
            sentence=say_rule(end, words, currency),
        )
        for end in worth.ends
    )
    return Table(name="policy tree", rows=rows)


def rank_figures(logged: LoggedOutcomes, uplift: np.ndarray) -> UpliftComparison | None:
    """How the model ranks and measures the effect of the offer that it likes best; None for too few rows."""
    liked, predicted = _liked(logged, uplift)
    if len(logged) < LEAST_RANKED_ROWS:
        return None
    scored, usable = contrast(logged, liked)
    return compare_uplift(scored, {MODEL: predicted[usable]}, against=MODEL, shares=TOPS, least_q=TOPS[0])


def budget_table(learned: ContactRows, logged: LoggedOutcomes, uplift: np.ndarray) -> Table[BudgetRow] | None:
    """What each budget earns by the model and by average effects; None where contacts cost nothing.

    The cost of an offer is what it took on average from the training rows that drew it, contact and reward together;
    predicted effects are after that cost.
    """
    arms = np.arange(1, len(learned.offers) + 1)
    spent = learned.margin - learned.y
    cost = np.array([spent[learned.arm == arm].mean() for arm in arms])
    if not (cost > 0).any():
        return None
    cost = np.maximum(cost, 0.0)
    predictions = {MODEL: uplift, AVERAGE: np.broadcast_to(average_effects(learned), uplift.shape)}
    full = [
        budget_curves(logged, {name: of}, against=name, cost=cost, budgets=[np.inf]).rows[0].spent
        for name, of in predictions.items()
    ]
    if max(full) <= 0:
        return None
    budgets = max(full) * np.linspace(0.0, 1.0, BUDGET_STEPS + 1) ** 2  # the first money earns most
    return budget_curves(logged, predictions, against=AVERAGE, cost=cost, budgets=budgets)


def _leading(shares: Table[EffectShareRow]) -> list[list[EffectShareRow]]:
    """The features with the largest shares of each offer whose effect depends on any."""
    by_offer: dict[str, list[EffectShareRow]] = {}
    for row in shares:
        if row.money.point > 0 and len(by_offer.setdefault(row.offer, [])) < LEADING:
            by_offer[row.offer].append(row)
    return [rows for rows in by_offer.values() if rows]


def _most_telling(shares: Table[EffectShareRow], features: tuple[Feature, ...]) -> set[str]:
    """Names of the features with the largest shares; all where they are few."""
    if len(features) <= TREE_FEATURES:
        return {feature.name for feature in features}
    total: dict[str, float] = {}
    for row in shares:
        total[row.feature] = total.get(row.feature, 0.0) + row.money.point
    return set(sorted(total, key=lambda name: (-total[name], name))[:TREE_FEATURES])


def _value_table(worth: TreeWorth) -> Table[RuleValueRow]:
    named = {
        "the model": worth.gain_over_policy,
        "nobody": worth.gain_over_nobody,
        f"best constant: {worth.best_constant}": worth.gain_over_best_constant,
    }
    rows = tuple(RuleValueRow(policy=name, tree_less_policy=gain) for name, gain in named.items())
    return Table(name="value of the policy tree", rows=rows)


def _say_tree(tree: PolicyTree, worth: TreeWorth, words: Words, currency: str) -> str:
    if not tree.asks:
        offer = worth.ends.rows[0].offer
        alike = (
            words.say("constant.nobody")
            if offer is None
            else words.say("constant.everybody", offer=words.name("offer", offer))
        )
        return words.say("explained.no_tree", constant=alike)
    constant = say_constant(worth.best_constant, words)
    said = words.say(
        "explained.tree",
        features=words.count("uplift_noun.features", tree.features_searched),
        rows=words.count("uplift_noun.contacts", tree.rows_searched),
        policy=say_money(worth.gain_over_policy, words, currency, signed=True),
        gain=say_money(worth.gain_over_best_constant, words, currency, signed=True),
        constant=constant,
    )
    proven = worth.gain_over_best_constant.ci_lower > 0
    return said if proven else f"{said} {words.say('explained.unproven', constant=constant)}"


def _liked(logged: LoggedOutcomes, uplift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The offer of the largest predicted effect among those on offer, as an arm, and that effect, shape (n,) each."""
    offered = np.where(logged.available[:, 1:], uplift, -np.inf)
    best = np.argmax(offered, axis=1)
    return best + 1, offered[np.arange(len(uplift)), best]


def _draw_tops(logged: LoggedOutcomes, uplift: np.ndarray, words: Words, currency: str) -> bytes:
    liked, predicted = _liked(logged, uplift)
    scored, usable = contrast(logged, liked)
    rows = toc(scored, predicted[usable], TOC_SHARES)
    return top_shares_chart(rows, rows.rows[-1].effect, words, currency=currency)
