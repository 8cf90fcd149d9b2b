"""A launch's policy against its rivals, in a world whose effects are known."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from netlift.config.criteria import parse_criterion
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.decision.options import Option
from netlift.decision.prices import Prices
from netlift.errors import DataError
from netlift.estimators.expression import linear, write_files
from netlift.estimators.rows import Candidate
from netlift.evaluation.off_policy import NOBODY, LoggedOutcomes, dr_scores
from netlift.evaluation.policy_proof import AT_RANDOM
from netlift.pipelines.policy_proof import BEST, POLICY, RESPONSE, RULES, Launch, LaunchPolicy, prove_policy
from netlift.pipelines.uplift_evidence import Judged
from netlift.pipelines.uplift_learning import UpliftLearning

sys.path.insert(0, str(Path(__file__).parents[1] / "estimators"))
from contact_world import OFFERS, make_world

CHECKOUT = Path(__file__).parents[2]
FREE = Prices(money=0.0, per_option=np.zeros(3))


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What a proof reads of a shipped model."""

    candidate: Candidate
    training: object
    held_out: object
    how: str
    on_held_out: Judged


def column(name):
    return {"op": "column", "name": name}


def shipped_from(training, held_out) -> Shipped:
    """A model that has the true shape of the effects: calls and promos go by f1, mail by f2."""
    rows = held_out
    features = tuple(f for f in rows.features if f.name in ("f1", "f2"))
    outputs = [
        ("uplift_call", "RUB", linear(0.2, [2.0], [column("f1")])),
        ("uplift_mail", "RUB", linear(1.0, [0.8], [column("f2")])),
        ("uplift_promo", "RUB", linear(0.5, [-1.6], [column("f1")])),
    ]
    files = write_files(task="uplift", features=features, outputs=outputs, boosters={})
    mu = np.full((len(rows), 4), float(np.mean(training.y)))
    scores = dr_scores(y=rows.y, arm=rows.arm, propensity=rows.propensity, mu=mu, available=rows.available)
    logged = LoggedOutcomes(
        y=rows.y, arm=rows.arm, propensity=rows.propensity, scores=scores, customer=rows.customer, unit="RUB/customer",
        level=0.95,
    )  # fmt: skip
    return Shipped(
        candidate=Candidate(name="by hand", files=files),
        training=training,
        held_out=rows,
        how="later campaigns",
        on_held_out=Judged(logged=logged, policy=np.zeros(len(rows), dtype=np.int64)),
    )


def option(offer: str, *conditions: str) -> Option:
    return Option(
        offer_id=offer, channel="any", contact_cost=1.0, reward=None, redeemed_by=None, fatigue=0.0, save_rate=0.0,
        criteria=tuple(map(parse_criterion, conditions)), valid_from=None, valid_to=None,
    )  # fmt: skip


def policy(*options: Option, prices: Prices = FREE) -> LaunchPolicy:
    m = len(options)
    return LaunchPolicy(options=options, prices=prices, cost=np.ones(m), beside=np.zeros(m))


ALL = tuple(option(offer) for offer in OFFERS)


@pytest.fixture(scope="module")
def world():
    return make_world(9_000, seed=8)


@pytest.fixture(scope="module")
def shipped(world):
    late = world.rows.campaign >= 2
    return shipped_from(make_world(2_000, seed=9).rows, world.rows.take(late))


@pytest.fixture(scope="module")
def learning():
    definition = load_definition(CHECKOUT / "models/uplift.yaml", "uplift")
    assert isinstance(definition, UpliftDefinition)
    search = definition.search.model_copy(update={"trials": 1, "max_rounds": 20})
    definition = definition.model_copy(update={"search": search})
    return UpliftLearning(definition=definition, seed=5, threads=1, unit="RUB/customer", say=lambda words: None)


@pytest.fixture(scope="module")
def proof(shipped, learning):
    return prove_policy(shipped, policy(*ALL), learning)


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
    assert proof.forecast.profit.ci_lower < truth.sum() < proof.forecast.profit.ci_upper
    assert proof.forecast.contacts == (choice < 3).sum() and proof.forecast.without_support == 0


def test_prices_conditions_and_the_launch_are_those_that_are_given(shipped, learning):
    dear = prove_policy(shipped, policy(*ALL, prices=Prices(money=0.5, per_option=np.array([0, 9e9, 0]))), learning)
    some = (option("mail", "f2 > 0", "segment = new"), option("call", "region = north"), option("new_offer"))
    launch = Launch(predicted=np.full(100, 2.0), beside=-50.0)
    ruled = prove_policy(shipped, policy(*some), learning, launch=launch)
    assert ruled.not_asked == ("segment",) and ruled.not_learned == ("new_offer",)
    assert ruled.forecast.contacts == 100 and ruled.forecast.naive == 150.0
    table = {row.policy: row for row in ruled.policies}
    rows = shipped.held_out
    north = rows.X[:, 9] == 0
    assert table[RULES].contacted == pytest.approx(np.mean((rows.X[:, 2] > 0) | north))
    assert dear.policies.rows[0].contacted < ruled.policies.rows[0].contacted + 1


def test_offers_that_a_campaign_did_not_have_are_told(world, learning):
    early = shipped_from(make_world(2_000, seed=9).rows, world.rows.take(world.rows.campaign == 1))
    proof = prove_policy(early, policy(*ALL), learning)
    assert proof.forecast.without_support > 0.2, "promos were not on offer then"
    assert proof.policies.rows[0].without_support == 0


def test_a_policy_of_offers_that_nobody_ever_sent_is_refused(shipped, learning):
    with pytest.raises(DataError, match="new_offer"):
        prove_policy(shipped, policy(option("new_offer")), learning)


def test_the_policy_of_a_run_takes_its_prices_and_what_was_added_to_predictions():
    uplift = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, np.nan]])

    class Values:
        def cost(self):
            return np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])

        def profit(self):
            return uplift + np.array([-0.5, 0.25, 0.0])

    class Stub:
        options, values = ALL, Values()
        allocation = type("Allocation", (), {"charges": FREE})

    made = LaunchPolicy.of(Stub(), uplift)
    assert made.cost.tolist() == [2.0, 2.0, 2.0] and made.beside.tolist() == [-0.5, 0.25, 0.0]
    open_to = np.array([[True, True, False], [True, False, False]])
    assert made.choose(np.array([[1.0, 0.5, 9.0], [0.4, 9.0, 9.0]]), open_to).tolist() == [1, -1]
