"""Intervals of ranking, calibration, policy and budget figures hold the truth as often as they say.

Worlds have two offers with unequal propensities, customers in two campaigns, weights that go with the effect, heavy
tails and tied scores; the truth is that of a large population, so that borders and prices are estimates as well.
"""

import numpy as np
import pytest

from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores, judge_policies
from netlift.evaluation.uplift.comparison import compare_uplift
from netlift.evaluation.uplift.cost_curve import budget_curves
from netlift.evaluation.uplift.metrics import contrast

pytestmark = pytest.mark.slow

WORLDS = 300
CUSTOMERS = 700
LOWEST, HIGHEST = 0.912, 0.988  # three standard errors of a share of .95 in 300 worlds, either way
COST = np.array([1.0, 2.0])


def draw(rng: np.random.Generator, customers: int):
    customer = np.repeat(np.arange(customers), 2)
    n = len(customer)
    x = np.repeat(rng.normal(size=(customers, 2)), 2, axis=0)
    own = np.repeat(rng.normal(size=customers), 2)
    chances = np.where((x[:, 0] > 0)[:, None], [0.2, 0.5, 0.3], [0.4, 0.3, 0.3])
    arm = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    effects = np.column_stack([0.5 + 0.8 * np.tanh(x[:, 0]), 0.7 + x[:, 1]])
    truth = np.column_stack([x[:, 0], x[:, [0]] + effects])
    y = truth[np.arange(n), arm] + own + rng.exponential(1.5, n) - 1.5
    scores = dr_scores(
        y=y, arm=arm, propensity=chances[np.arange(n), arm], mu=np.tile(0.5 * x[:, [0]], 3),
        available=np.ones((n, 3), dtype=bool),
    )  # fmt: skip
    weight = np.exp(0.3 * x[:, 0]) * rng.uniform(0.7, 1.3, n)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=chances[np.arange(n), arm], scores=scores, customer=customer, unit="EUR/customer",
        level=0.95, weight=weight,
    )  # fmt: skip
    return logged, x, truth


def figures(logged: LoggedOutcomes, x: np.ndarray) -> dict:
    ours = np.column_stack([0.5 + 0.8 * x[:, 0], 0.7 + 0.9 * x[:, 1]]).round(1)
    theirs = np.column_stack([x[:, 0] ** 2, 0.7 + 0.5 * x[:, 1] + 0.3 * x[:, 0]])
    scored, _ = contrast(logged, 1)
    comparison = compare_uplift(
        scored, {"ours": ours[:, 0], "theirs": theirs[:, 0]}, against="theirs", shares=(0.2, 0.5), least_q=0.1
    )
    found = {(row.metric, row.model): row.value for row in comparison.figures}
    found |= {(row.metric, "paired"): row.difference for row in comparison.figures if row.difference}
    for row in budget_curves(logged, {"ours": ours, "theirs": theirs}, against="theirs", cost=COST, budgets=[0.3, 1.0]):
        found["budget", row.model, row.budget] = row.gain
        if row.difference:
            found["budget", "paired", row.budget] = row.difference
    choice = np.where(ours.max(axis=1) > 0, ours.argmax(axis=1) + 1, 0)
    nobody = {"nobody": np.zeros(len(x), dtype=np.int64)}
    policy = next(row for row in judge_policies(logged, {"policy": choice}, nobody) if row.policy == "policy")
    return found | {name: getattr(policy, name) for name in ("value", "ips", "snips", "gain_over_nobody")}


def truth_of(logged: LoggedOutcomes, x: np.ndarray, truth: np.ndarray) -> dict:
    exact = LoggedOutcomes(
        y=logged.y, arm=logged.arm, propensity=logged.propensity, scores=truth, customer=logged.customer, unit="",
        level=0.95, weight=logged.weight,
    )  # fmt: skip
    found = {name: estimate.point for name, estimate in figures(exact, x).items()}
    return found | {"ips": found["value"], "snips": found["value"]}


def test_intervals_hold_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(20261122)
    want = truth_of(*draw(rng, 300_000))
    held = dict.fromkeys(want, 0)
    for _ in range(WORLDS):
        logged, x, _ = draw(rng, CUSTOMERS)
        for name, figure in figures(logged, x).items():
            held[name] += figure.ci_lower <= want[name] <= figure.ci_upper
    coverage = {name: count / WORLDS for name, count in held.items()}
    assert len(coverage) == 3 * 7 + 2 * 3 + 4
    assert all(LOWEST <= share <= HIGHEST for share in coverage.values()), coverage
