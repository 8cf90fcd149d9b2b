"""Bounds that hold for several policies at once: as rarely wrong as they say, and no wider than they must be."""

import numpy as np
import pytest
from scipy.special import ndtri

from netlift.evaluation.policy.joint_comparison import FIRST, critical_values, prove_jointly
from netlift.evaluation.policy.off_policy import LoggedOutcomes, policy_difference

CONFIDENCE = 0.9


def draw(rng, *, n=800, effects=(0.0, 0.0, 0.0)):
    """Doubly robust scores of rows two of which are one customer's, with known effects, and five policies."""
    customer = np.arange(n) // 2
    noise = rng.normal(0, 3, (n // 2, len(effects)))[customer] + rng.normal(0, 3, (n, len(effects)))
    scores = np.column_stack([np.zeros(n), noise + np.array(effects)])
    logged = LoggedOutcomes(
        y=np.zeros(n), arm=np.zeros(n, dtype=np.int64), propensity=np.full(n, 0.5), scores=scores, customer=customer,
        unit="RUB/customer", level=0.95,
    )  # fmt: skip
    mixed = rng.integers(0, 4, n)
    return logged, [mixed, np.where(mixed == 1, 1, 0), np.full(n, 1), np.full(n, 2), np.where(mixed > 1, 3, 0)]


def test_where_nothing_gains_anything_is_proven_no_more_often_than_the_confidence_allows():
    rng, trials = np.random.default_rng(3), 400
    wrong = 0
    for _ in range(trials):
        logged, policies = draw(rng)
        wrong += any(gain.ci_lower > 0 for gain in prove_jointly(logged, policies, confidence=CONFIDENCE))
    assert wrong / trials == pytest.approx(1 - CONFIDENCE, abs=4 * np.sqrt(0.09 / trials))


def test_gains_are_the_doubly_robust_ones_and_the_first_needs_less_proof_than_the_others():
    logged, policies = draw(np.random.default_rng(4), effects=(1.0, 0.2, -1.0))
    gains = prove_jointly(logged, policies, confidence=CONFIDENCE)
    nobody = np.zeros(len(logged), dtype=np.int64)
    widths = []
    for gain, policy in zip(gains, policies, strict=True):
        alone = policy_difference(logged, policy, nobody)
        assert gain.point == pytest.approx(alone.point)
        widths.append((gain.point - gain.ci_lower) / (alone.point - alone.ci_lower) * ndtri(0.975))
    assert widths[0] == pytest.approx(ndtri(1 - FIRST * (1 - CONFIDENCE)), rel=1e-3)
    assert min(widths[1:]) > widths[0]
    assert gains[2].ci_lower > 0 > gains[4].ci_lower


def test_a_policy_that_contacts_nobody_proves_nothing_and_costs_the_others_nothing():
    logged, policies = draw(np.random.default_rng(5))
    with_nobody = prove_jointly(logged, [*policies, np.zeros(len(logged), dtype=np.int64)], confidence=CONFIDENCE)
    assert with_nobody[-1].ci_lower == with_nobody[-1].ci_upper == 0
    without = prove_jointly(logged, policies, confidence=CONFIDENCE)
    for one, other in zip(with_nobody, without, strict=False):
        assert one.ci_lower == pytest.approx(other.ci_lower)


def test_what_is_not_on_offer_is_no_contact():
    logged, policies = draw(np.random.default_rng(6))
    logged.scores[:400, 1] = np.nan
    gain = prove_jointly(logged, [policies[2]], confidence=CONFIDENCE)[0]
    assert gain.point == pytest.approx(logged.scores[400:, 1].sum() / len(logged))


def test_copies_of_one_policy_need_no_more_proof_than_one():
    assert critical_values(np.ones((5, 5)), first=False, confidence=CONFIDENCE) == pytest.approx(
        np.full(5, ndtri(CONFIDENCE)), abs=0.03
    )
