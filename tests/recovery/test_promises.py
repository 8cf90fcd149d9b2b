"""What a launch is promised covers what it truly earns: many small worlds, a cheap learner, campaigns that differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms, dr_scores
from netlift.evaluation.policy.profit_forecast import find_worth
from netlift.results import Estimate

WORLDS, CAMPAIGNS, CUSTOMERS, LAUNCH, FOLDS = 100, 4, 1500, 20_000, 3
COST = np.array([0.3, 0.5, 0.9])
LEVELS = 0.07  # of what offers add; what is left of it after costs differs by twice that


@dataclass(frozen=True, kw_only=True)
class Told:
    """A launch: what is predicted, promised and true, in all and by offer, and what the best policy would earn."""

    predicted: float
    promised: Estimate
    by_offer: list[Estimate]
    came: float
    came_by_offer: list[float]
    oracle: float


def effects(X, level):
    """Profit that offers add, a campaign's level times what customers are moved by, less what a contact costs."""
    moved = np.column_stack([0.5 + 0.6 * X[:, 1], 0.3 + 0.6 * X[:, 2], 0.8 - 0.7 * X[:, 1]])
    return level * np.exp(0.3 * X[:, 3])[:, None] * moved - COST


def learn(X, arm, y):
    """Least squares per arm, shape (k, arms)."""
    return np.column_stack([np.linalg.lstsq(X[arm == a], y[arm == a], rcond=None)[0] for a in range(4)])


def launch(seed: int) -> Told:
    """Past campaigns whose levels differ, the learner fitted without each fold and on all, and one campaign more."""
    rng = np.random.default_rng([seed, 14])
    n = CAMPAIGNS * CUSTOMERS
    campaign, levels = np.repeat(np.arange(CAMPAIGNS), CUSTOMERS), np.exp(rng.normal(0, LEVELS, CAMPAIGNS + 1))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 8))])
    arm = rng.integers(0, 4, n)
    own = np.column_stack([np.zeros(n), effects(X, levels[campaign][:, None])])[np.arange(n), arm]
    y = rng.gamma(0.7, 4.0, n) + own
    customer = rng.integers(0, n // 2, n)
    fold, mu = customer % FOLDS, np.empty((n, 4))
    for k in range(FOLDS):
        mu[fold == k] = X[fold == k] @ learn(X[fold != k], arm[fold != k], y[fold != k])
    p, everything = np.full(n, 0.25), np.ones((n, 4), dtype=bool)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=p, scores=dr_scores(y=y, arm=arm, propensity=p, mu=mu, available=everything),
        customer=customer, unit="RUB/customer", level=0.95, campaign=campaign,
    )  # fmt: skip
    uplift = mu[:, 1:] - mu[:, :1]
    policy = choose_arms(uplift, everything)
    worth = find_worth(logged, policy, uplift[np.arange(n), np.maximum(policy - 1, 0)])
    lines = Lines.of(worth.gains_by_arm((1, 2, 3)), level=0.95, chosen=[True] * 3)

    ahead = np.column_stack([np.ones(LAUNCH), rng.normal(size=(LAUNCH, 8))])
    expected = ahead @ learn(X, arm, y)
    promised = expected[:, 1:] - expected[:, :1]
    choice = choose_arms(promised, np.ones((LAUNCH, 4), dtype=bool))
    given = np.flatnonzero(choice > 0)
    x, j = promised[given, choice[given] - 1], choice[given] - 1
    truth = effects(ahead, levels[-1])
    came = truth[given, j]

    def tell(rows):
        return lines.total(x[rows], j[rows], unit="RUB", method="")

    return Told(
        predicted=float(x.sum()), promised=tell(slice(None)), by_offer=[tell(j == o) for o in range(3)],
        came=float(came.sum()), came_by_offer=[float(came[j == o].sum()) for o in range(3)],
        oracle=float(np.maximum(truth.max(axis=1), 0).sum()),
    )  # fmt: skip


@pytest.fixture(scope="module")
def launches():
    return [launch(seed) for seed in range(WORLDS)]


def covers(estimate, truth):
    return estimate.ci_lower <= truth <= estimate.ci_upper


def test_intervals_cover_what_launches_earn_in_all_and_offer_by_offer(launches):
    assert sum(covers(one.promised, one.came) for one in launches) >= 0.92 * WORLDS
    found = np.array([list(map(covers, one.by_offer, one.came_by_offer)) for one in launches])
    assert found.mean() >= 0.92 and found.mean(axis=0).min() >= 0.85


def test_they_are_narrower_than_what_there_is_to_earn_and_right_on_the_mean(launches):
    width = [(one.promised.ci_upper - one.promised.ci_lower) / one.oracle for one in launches]
    assert np.mean(width) < 1.0
    ratio = sum(one.promised.point for one in launches) / sum(one.came for one in launches)
    assert 0.8 < ratio < 1.15
    assert sum(one.predicted for one in launches) > 1.1 * sum(one.came for one in launches), "the winner's curse"


def test_no_correction_raises_a_promise_and_offers_add_up(launches):
    assert launches
    for one in launches:
        assert one.promised.point <= one.predicted + 1e-6
        assert one.promised.point == pytest.approx(sum(row.point for row in one.by_offer))
