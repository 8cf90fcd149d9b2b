"""A launch's policy against its rivals, in a world whose effects are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from contact_world import OFFERS, make_world

from netlift.config.criteria import parse_criterion
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.problem import Problem
from netlift.decisions.eligibility.options import Option
from netlift.decisions.launch_check.replay import BEST, POLICY, RESPONSE, RULES, LaunchPolicy, prove_policy
from netlift.errors import DataError
from netlift.estimators.expression import linear, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.comparison import AT_RANDOM
from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.off_policy import NOBODY, LoggedOutcomes, dr_scores
from netlift.training.uplift.context import UpliftLearning, predict_uplift
from netlift.training.uplift.evidence_rows import ProofRows, gather_proof_rows
from netlift.training.uplift.holdout import Judged

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What a proof reads of a shipped model."""

    rows: ContactRows
    evidence: Judged
    candidate: Candidate


def column(name):
    return {"op": "column", "name": name}


def shipped_from(rows) -> Shipped:
    """A model that has the true shape of the effects: calls and promos go by f1, mail by f2."""
    features = tuple(f for f in rows.features if f.name in ("f1", "f2"))
    outputs = [
        ("uplift_call", "RUB", linear(0.2, [2.0], [column("f1")])),
        ("uplift_mail", "RUB", linear(1.0, [0.8], [column("f2")])),
        ("uplift_promo", "RUB", linear(0.5, [-1.6], [column("f1")])),
    ]
    files = write_files(task="uplift", features=features, outputs=outputs, boosters={})
    mu = np.full((len(rows), 4), float(np.mean(rows.y)))
    scores = dr_scores(y=rows.y, arm=rows.arm, propensity=rows.propensity, mu=mu, available=rows.available)
    logged = LoggedOutcomes(
        y=rows.y, arm=rows.arm, propensity=rows.propensity, scores=scores, customer=rows.customer, unit="RUB/customer",
        level=0.95, campaign=rows.campaign,
    )  # fmt: skip
    return Shipped(
        candidate=Candidate(name="true", files=files),
        rows=rows,
        evidence=Judged(
            logged=logged,
            policy=np.zeros(len(rows), dtype=np.int64),
            uplift=predict_uplift(StoredModel(files), rows),
            rows=np.arange(len(rows)),
        ),
    )


def option(offer: str, *conditions: str) -> Option:
    return Option(
        offer_id=offer, channel="any", contact_cost=1.0, reward=None, redeemed_by=None, fatigue=0.0, save_rate=0.0,
        criteria=tuple(map(parse_criterion, conditions)), valid_from=None, valid_to=None,
    )  # fmt: skip


def policy(*options: Option, charge=0.0) -> LaunchPolicy:
    m = len(options)
    return LaunchPolicy(
        options=options, charge=np.zeros(m) + charge, per_reward=np.zeros(m), beside=np.zeros(m), kept=np.ones(m)
    )


SHORT = np.array([[8.0, 6.0, 1.0], [4.0, 5.0, 1.0]])  # two customers, of whom the budget pays for one
ALL = tuple(option(offer) for offer in OFFERS)


@pytest.fixture(scope="module")
def world():
    return make_world(9_000, seed=8)


@pytest.fixture(scope="module")
def shipped(world):
    late = world.rows.campaign >= 2
    return shipped_from(world.rows.take(late))


@pytest.fixture(scope="module")
def learning():
    definition = load_definition(CHECKOUT / "models/uplift.yaml", "uplift")
    assert isinstance(definition, UpliftDefinition)
    search = definition.search.model_copy(update={"trials": 1, "max_rounds": 20})
    definition = definition.model_copy(update={"search": search})
    return UpliftLearning(definition=definition, seed=5, threads=1, unit="RUB/customer", say=lambda words: None)


@pytest.fixture(scope="module")
def rows(shipped, learning) -> ProofRows:
    return gather_proof_rows(shipped, learning)


@pytest.fixture(scope="module")
def proof(rows):
    return prove_policy(rows, policy(*ALL))


def test_the_policy_beats_every_rival_where_it_knows_the_effects(proof, world):
    table = {row.policy: row for row in proof.policies}
    assert [row.policy for row in proof.policies] == [POLICY, NOBODY, BEST, RESPONSE, RULES, AT_RANDOM]
    for name in (NOBODY, RESPONSE, AT_RANDOM, RULES):
        assert table[name].ours_above.ci_lower > 0, name
    assert table[RESPONSE].contacted == pytest.approx(table[POLICY].contacted)
    assert table[AT_RANDOM].contacted == pytest.approx(table[POLICY].contacted)
    assert all(row.effective_rows > 1000 and row.max_weight <= 1 / 0.16 for row in proof.policies)


def test_its_gain_over_nobody_is_the_true_one(proof, world, shipped):
    late = world.rows.campaign >= 2
    X, effects = world.rows.X[late], np.column_stack([world.effects[late], np.zeros(late.sum())])
    predicted = np.column_stack([0.2 + 2.0 * X[:, 1], 1.0 + 0.8 * X[:, 2], 0.5 - 1.6 * X[:, 1]])
    choice = np.where(predicted.max(axis=1) > 0, predicted.argmax(axis=1), 3)
    truth = effects[np.arange(len(X)), choice]
    gain = {row.policy: row for row in proof.policies}[NOBODY].ours_above
    assert gain.ci_lower < truth.mean() < gain.ci_upper
    given = predicted[np.arange(len(X)), np.minimum(choice, 2)][choice < 3]
    lines = Lines.of([proof.worth.line], level=0.95, chosen=[True])
    profit = lines.total(given, np.zeros(len(given), dtype=np.int64), unit="RUB", method="")
    assert profit.ci_lower < truth.sum() < profit.ci_upper
    assert proof.worth.contacts == proof.contacts == (choice < 3).sum() and proof.worth.without_support == 0


def test_prices_and_conditions_are_those_that_are_given(shipped, rows):
    dear = prove_policy(rows, policy(*ALL, charge=np.array([0.5, 9e9, 0.5])))
    some = (option("mail", "f2 > 0", "segment = new"), option("call", "region = north"), option("new_offer"))
    ruled = prove_policy(rows, policy(*some))
    assert ruled.not_asked == ("segment",) and ruled.not_learned == ("new_offer",)
    table = {row.policy: row for row in ruled.policies}
    held = shipped.rows
    north = held.X[:, 9] == 0
    assert table[RULES].contacted == pytest.approx(np.mean((held.X[:, 2] > 0) | north))
    assert dear.policies.rows[0].contacted < ruled.policies.rows[0].contacted + 1


def test_what_a_contact_wears_out_is_each_customers_own_as_in_the_choice(rows):
    plain = policy(*ALL)
    chosen = plain.choose(rows.uplift, rows.logged.available[:, 1:], np.zeros(rows.uplift.shape))
    some = np.arange(len(rows)) % 3 == 0
    worn = replace(rows, worn=np.where(some[:, None], 9e9, 0.0) * np.ones(rows.uplift.shape))
    assert prove_policy(worn, plain).contacts == (chosen[~some] >= 0).sum() < prove_policy(rows, plain).contacts


def test_a_rival_that_asks_for_more_of_what_is_short_is_out_of_reach(rows):
    free = prove_policy(rows, policy(*ALL))
    assert free.in_reach == {NOBODY, BEST, RESPONSE, RULES, AT_RANDOM}, "nothing is short"
    short = prove_policy(rows, policy(*ALL, charge=1.0))
    assert {NOBODY, RESPONSE, AT_RANDOM} == short.in_reach, "each contact costs the same, and there are as many"
    without = prove_policy(rows, policy(option("call"), option("promo")))
    assert BEST not in without.in_reach, "everybody the best offer would be mail, which the launch does not have"


def test_a_lot_has_a_line_of_its_own_which_knows_predictions_below_zero(proof, world, rows):
    late = world.rows.campaign >= 2
    lines = Lines.of([proof.worth.line, proof.drawn.line], level=0.95, chosen=[True, False])
    drawn = np.random.default_rng(1).integers(0, 3, late.sum())
    at = np.arange(late.sum())
    predicted, group = rows.uplift[at, drawn], np.ones(late.sum(), dtype=np.int64)
    truth = world.effects[late][at, drawn].sum()
    total = lines.total(predicted, group, unit="RUB", method="")
    assert np.mean(predicted < 0) > 0.2 and total.ci_lower < truth < total.ci_upper
    by_choice = lines.total(predicted, 0 * group, unit="RUB", method="")
    assert abs(by_choice.point - truth) > abs(total.point - truth)


def test_offers_that_a_campaign_did_not_have_are_told(world, learning):
    early = shipped_from(world.rows.take(np.isin(world.rows.campaign, (1, 2))))
    proof = prove_policy(gather_proof_rows(early, learning), policy(*ALL))
    assert proof.worth.without_support > 0.1, "promos were not on offer in one of the two"
    assert proof.policies.rows[0].without_support == 0


def test_a_policy_of_offers_that_nobody_ever_sent_is_refused(rows):
    with pytest.raises(DataError, match="new_offer"):
        prove_policy(rows, policy(option("new_offer")))


def test_a_policy_that_contacts_next_to_nobody_has_a_table_and_no_line(rows):
    dear = prove_policy(rows, policy(*ALL, charge=9e9))
    assert dear.worth is None and dear.contacts == 0
    assert {row.policy: row for row in dear.policies}[NOBODY].ours_above.point == 0


def test_of_very_many_rows_a_sample_is_kept_and_said(shipped, learning):
    some = gather_proof_rows(shipped, learning, most_rows=1000)
    again = gather_proof_rows(shipped, learning, most_rows=1000)
    assert len(some) == len(some.best) == len(some.X) == 1000 and "1,000 were drawn by chance" in some.how
    assert np.array_equal(some.logged.y, again.logged.y) and np.array_equal(some.likely, again.likely)


@pytest.mark.parametrize("reward", [np.array([2.0, 2.0, 2.0]), np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])])
def test_the_policy_of_a_run_takes_its_prices_and_what_was_added_to_predictions(reward):
    uplift = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, np.nan]])

    class Values:
        contact_cost, reward_changed = np.array([0.0, 0.5, 0.0]), np.array([1.0, 1.0, 1.0])

        def __init__(self):
            self.reward = reward

        def cost(self):
            return self.contact_cost + reward

        def profit(self):
            return uplift + np.array([-0.5, 0.25, 0.0])

    class Stub:
        options, values = ALL, Values()
        allocation = allocate(Problem(value=SHORT, cost=Values().cost(), budget=2.0))
        eligibility = type("Eligibility", (), {"eligible": np.array([[True, True, False], [True, False, False]])})
        exploration = type("Exploration", (), {"kept": np.array([1.0, 0.5, 1.0])})

    made = LaunchPolicy.of(Stub(), uplift)
    charged = made.charged(np.broadcast_to(reward, uplift.shape))
    price = charged[0, 0] / Values().cost().reshape(-1)[0]
    assert price > 0
    assert charged == pytest.approx(np.broadcast_to(price * Values().cost(), charged.shape)), "one price of money"
    assert made.beside.tolist() == [-0.5, 0.25, -np.inf]
    assert made.kept.tolist() == [1.0, 0.5, 1.0], "and what is open to nobody is not to be had"
    open_to = np.array([[True, True, False], [True, False, False]])
    gain = np.array([[1.0, 0.5, 9.0], [0.4, 9.0, 9.0]]) + charged * [1, 1, 0]
    assert made.choose(gain, open_to, charged).tolist() == [1, -1]
