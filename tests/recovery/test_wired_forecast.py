"""A run of decisions as `netlift decide` makes it, a hundred times over: its forecast covers what it then earns."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from test_launch_forecast import COST, Campaign, campaign, learn

from netlift.config.decision import DecisionSettings
from netlift.decisions.choice.choose import Decided, choose
from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.options import make_options
from netlift.decisions.launch_check.check import RunProof, prove_run
from netlift.decisions.launch_check.forecast import evidence_of
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.features.matrix import Feature
from netlift.training.uplift.evidence_rows import ProofRows

pytestmark = pytest.mark.slow

OFFERS = ("letter", "text", "talk")
CHANNELS = ("post", "sms", "call")
LAUNCHES = 100
RULES = DecisionSettings.model_validate(
    {
        "budget": 200,
        "channels": {"post": {"fatigue": 0}, "sms": {"fatigue": 0, "at_most": 240}, "call": {"fatigue": 0}},
        "offers": {
            "letter": {"channel": "post", "reward": 0, "redeemed_by": 0},
            "text": {"channel": "sms", "reward": 0, "redeemed_by": 0, "eligible": ["spend >= -1"]},
            "talk": {"channel": "call", "reward": 0, "redeemed_by": 0, "at_most": 120},
        },
        "contact_policy": {
            "limits": [{"at_most": 3, "days": 28}],
            "quiet_after_purchase_days": 0,
            "quiet_after_complaint_days": 0,
        },
        "consent": {"max_age_hours": 24},
        "holdout": {"share": 0.05, "salt": "shop", "rotate_months": 12, "washout_days": 28},
        "explore": {"epsilon": 0.2, "floor": 0.01, "most_of_limits": 0.4, "untrained": "refuse"},
    }
)
KNOWN = {
    offer: {"channel": channel, "contact_cost": cost, "valid_from": None, "valid_to": None}
    for offer, channel, cost in zip(OFFERS, CHANNELS, COST, strict=True)
}
SPEND = Feature(name="spend", unit="currency", source="made up", formula="x3")


def kept_rows(training: Campaign, held_out: Campaign, weights: np.ndarray) -> ProofRows:
    """What a training of least squares per arm would keep."""
    n, mu = len(held_out.y), held_out.X @ weights
    p = np.full(n, 1 / mu.shape[1])
    scores = dr_scores(y=held_out.y, arm=held_out.arm, propensity=p, mu=mu, available=np.ones(mu.shape, dtype=bool))
    means = [training.y[training.arm == arm].mean() for arm in range(mu.shape[1])]
    return ProofRows(
        logged=LoggedOutcomes(
            y=held_out.y, arm=held_out.arm, propensity=p, scores=scores, customer=np.arange(n), unit="RUB/customer",
            level=0.95,
        ),
        offers=OFFERS,
        uplift=mu[:, 1:] - mu[:, :1],
        reward=np.zeros((n, len(OFFERS))),
        worn=np.zeros((n, len(OFFERS))),
        likely=mu[:, 0],
        best=np.full(n, 1 + int(np.argmax(means[1:]))),
        X=held_out.X[:, 3:4].astype(np.float32),
        features=(SPEND,),
        how="later campaigns",
    )  # fmt: skip


def decide(launch: Campaign, uplift: np.ndarray, rng: np.random.Generator) -> Decided:
    n = len(uplift)
    options = make_options(RULES, KNOWN)
    no, everybody = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    customers = Customers(
        columns={"spend": launch.X[:, 3]},
        consent=dict.fromkeys(CHANNELS, everybody),
        opted_out=dict.fromkeys(CHANNELS, no),
        left=no,
        held_out=rng.random(n) < 0.05,
        reserved=no,
        in_journey=no,
        pressed=dict.fromkeys(CHANNELS, no),
        days_since_purchase=np.full(n, np.nan),
        days_since_complaint=np.full(n, np.nan),
        in_window=np.zeros(uplift.shape, dtype=bool),
        has_effect=np.ones(uplift.shape, dtype=bool),
    )
    risk = AtRisk(p_churn=np.zeros(n), ltv=np.zeros(n), horizon_days=180, window_days=28, weight=0.0)
    before = TrainedCosts(contact_cost=COST, reward=np.zeros(3), redeemed=np.zeros(3))
    values = value_options(options, uplift=uplift, trained=before, risk=risk)
    words = rng.integers(0, 2**63, n, dtype=np.uint64) * np.uint64(2)
    return choose(RULES, options, customers, values, words=words, as_of=datetime(2026, 10, 1))


@pytest.fixture(scope="module")
def runs():
    """Seed to decisions, predictions of what is given, proof, and what the contacts then earned."""
    found = []
    for seed in range(LAUNCHES):
        rng = np.random.default_rng([seed, 21])
        training, held_out, launch = campaign(1_500, rng), campaign(4_000, rng), campaign(1_200, rng)
        weights = learn(training)
        expected = launch.X @ weights
        uplift = expected[:, 1:] - expected[:, :1]
        decided = decide(launch, uplift, rng)
        option = decided.draw.option
        given = np.flatnonzero(option >= 0)
        proof = prove_run(kept_rows(training, held_out, weights), RULES, decided, uplift, is_list=False)
        realised = launch.profits[given, option[given] + 1] - launch.profits[given, 0]
        found.append((decided, given, uplift[given, option[given]], proof, realised))
    return found


def total(run, *, of=slice(None)):
    decided, given, predicted, proof, realised = run
    explored = decided.draw.explored[given]
    rows = of(explored) if callable(of) else of
    evidence = evidence_of(proof.proof)
    group = evidence.group(decided.draw.option[given], explored)
    forecast = evidence.total(predicted[rows], group[rows], 0.0, unit="RUB")
    return forecast, float(realised[rows].sum())


def test_the_limits_bind_and_chance_gives_a_part(runs):
    assert len(runs) == LAUNCHES
    for decided, given, _, proof, _ in runs[:10]:
        option = decided.draw.option
        assert COST[option[given]].sum() <= 200 + 1e-9 and (option == 1).sum() <= 240 and (option == 2).sum() <= 120
        assert any(price.binding for price in decided.allocation.prices)
        assert 0.1 < decided.draw.explored[given].mean() < 0.5
        assert isinstance(proof, RunProof) and not proof.why_not
        policies = {one.name: one for one in proof.to_plain().policies}
        assert not policies["best"].in_reach and policies["at_random"].in_reach


@pytest.mark.parametrize(
    "part", [slice(None), lambda explored: explored, lambda explored: ~explored], ids=["all", "lot", "policy"]
)
def test_the_forecast_covers_what_the_launch_earns_in_whole_and_in_part(runs, part):
    covered, away = 0, []
    for run in runs:
        forecast, realised = total(run, of=part)
        half = (forecast.ci_upper - forecast.ci_lower) / 2
        covered += forecast.ci_lower <= realised <= forecast.ci_upper
        away.append((forecast.point - realised) / (half / 1.96))
    assert 90 <= covered <= 100
    assert abs(np.mean(away)) < 3 / np.sqrt(LAUNCHES), "neither too high nor too low on the whole"


def test_what_was_chosen_is_promised_too_high_and_what_was_drawn_is_not(runs):
    curse = {}
    for name, by_lot in (("policy", False), ("lot", True)):
        over, contacts = 0.0, 0
        for decided, given, predicted, _, realised in runs:
            rows = decided.draw.explored[given] == by_lot
            over, contacts = over + float((predicted - realised)[rows].sum()), contacts + int(rows.sum())
        curse[name] = over / contacts
    assert curse["policy"] > 0.3 and abs(curse["lot"]) < 0.1, "currency a contact, where offers cost 0.2 to 1"
