"""The sample-ratio test keeps its level when all is well, and sees what is lost, doubled or moved."""

from __future__ import annotations

import numpy as np
import pytest

from netlift.data.checks.sample_ratio import ArmTotals, judge_sample_ratio

pytestmark = pytest.mark.slow

ARMS = ("control", "email", "sms", "call")
SHARES = np.array([0.2, 0.4, 0.3, 0.1])
REPETITIONS = 1500


def vectors(rng, n, arms, kind):
    """Propensity vectors of n customers, shape (n, arms); an arm that a customer may not get has 0."""
    if kind == "the same":
        return np.tile(SHARES[:arms] / SHARES[:arms].sum(), (n, 1))
    if kind == "by segment":
        return rng.dirichlet(np.full(arms, 4.0), 3)[rng.integers(0, 3, n)]
    own = rng.dirichlet(np.full(arms, 2.0), n) * (1 - 0.05 * arms) + 0.05
    if kind == "not all open":
        own[:, 1:] *= rng.random((n, arms - 1)) < np.array([0.9, 0.5, 0.3])[: arms - 1]
        own /= own.sum(axis=1, keepdims=True)
    return own


def draw(rng, propensities):
    return (rng.random(len(propensities))[:, None] > propensities.cumsum(axis=1)[:, :-1]).sum(axis=1)


def judge(arm, p):
    totals = []
    for number, name in enumerate(ARMS):
        weights = 1 / p[(p < 1) & (arm == number)]
        sums = {"weight": float(weights.sum()), "weight_squares": float((weights**2).sum())}
        totals.append(ArmTotals(arm=name, rows=len(weights), **sums))
    return judge_sample_ratio("c", totals, alarm=0.001)


def three_errors(level):
    return 3 * np.sqrt(level * (1 - level) / REPETITIONS)


@pytest.mark.parametrize(
    ("kind", "n", "arms"),
    [
        ("the same", 300, 3),
        ("by segment", 2000, 4),
        ("everyone their own", 500, 2),
        ("everyone their own", 2000, 4),
        ("not all open", 2000, 4),
    ],
)
def test_the_level_holds_when_all_is_well(kind, n, arms):
    rng = np.random.default_rng(20260101)
    p_values = []
    for _ in range(REPETITIONS):
        propensities = vectors(rng, n, arms, kind)
        arm = draw(rng, propensities)
        p_values.append(judge(arm, propensities[np.arange(n), arm]).p_value)
    alarmed = {level: np.mean(np.array(p_values) < level) for level in (0.2, 0.05, 0.01, 0.001)}
    assert all(share <= level + three_errors(level) for level, share in alarmed.items())
    if kind != "not all open":  # there Bonferroni and the one-sided offers make it cautious
        assert all(share >= level - three_errors(level) for level, share in alarmed.items() if level > 0.01)


@pytest.mark.parametrize(("n", "share"), [(1_000_000, 0.51), (20_000, 0.55)])
@pytest.mark.parametrize("kind", ["the same", "everyone their own"])
def test_a_skewed_split_is_seen(n, share, kind):
    rng = np.random.default_rng(5)
    p = np.full(n, 0.5) if kind == "the same" else rng.uniform(0.4, 0.6, n)
    arm = (rng.random(n) < p + share - 0.5).astype(int)
    found = judge(arm, np.where(arm == 1, p, 1 - p))
    assert found.method == "chi-square"
    assert found.p_value < 1e-12


@pytest.mark.parametrize("kind", ["the same", "by segment", "everyone their own"])
@pytest.mark.parametrize("lost_from", [0, 1, 2])
def test_a_tenth_of_any_arm_lost_from_the_log_is_seen(kind, lost_from):
    rng = np.random.default_rng(6)
    propensities = vectors(rng, 30_000, 3, kind)
    arm = draw(rng, propensities)
    kept = ~((arm == lost_from) & (rng.random(len(arm)) < 0.1))
    found = judge(arm[kept], propensities[np.arange(len(arm)), arm][kept])
    assert (found.method, found.alarm) == ("chi-square", True)


@pytest.mark.parametrize("change", ["lost", "doubled", "moved to an offer"])
def test_a_tenth_of_control_is_seen_though_not_every_offer_is_open_to_everyone(change):
    rng = np.random.default_rng(7)
    propensities = vectors(rng, 50_000, 4, "not all open")
    arm = draw(rng, propensities)
    p = propensities[np.arange(len(arm)), arm]
    assert not judge(arm, p).alarm
    touched = (arm == 0) & (p < 1) & (rng.random(len(arm)) < 0.1)
    rows = np.arange(len(arm))
    if change == "moved to an offer":
        arm = np.where(touched & (propensities[:, 1] > 0), 1, arm)
        p = propensities[rows, arm]
    else:
        rows = rows[~touched] if change == "lost" else np.r_[rows, rows[touched]]
    found = judge(arm[rows], p[rows])
    assert (found.method, found.alarm) == ("arm by arm", True)
