"""The forecast of a launch covers what it then earns: learned effects, limits, an allocation, a hundred times over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from netlift.decisions.allocation.allocate import allocate
from netlift.decisions.allocation.dual import choose_by_prices
from netlift.decisions.allocation.problem import Limit, Problem
from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.evaluation.policy.profit_forecast import find_worth

pytestmark = pytest.mark.slow

ARMS, FEATURES = 4, 12
COST = np.array([0.2, 0.5, 1.0])
LIMITS = (Limit(name="calls", options=(2,), most=300), Limit(name="letters", options=(0, 1), most=750))


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Customers, what each would bring under every arm, the arm drawn."""

    X: np.ndarray
    profits: np.ndarray
    arm: np.ndarray

    @property
    def y(self) -> np.ndarray:
        return self.profits[np.arange(len(self.arm)), self.arm]


def campaign(n: int, rng: np.random.Generator) -> Campaign:
    """Skewed profits; small effects that go by two of twelve features, as different offers have it."""
    X = np.column_stack([np.ones(n), rng.normal(size=(n, FEATURES))])
    effects = np.column_stack([0.4 + 0.6 * X[:, 1], 0.2 + 0.6 * X[:, 2], 0.5 - 0.4 * X[:, 1]]) - COST
    usual = np.exp(1.0 + 0.3 * X[:, 3]) * rng.gamma(0.7, 1.5, n)
    profits = usual[:, None] + np.column_stack([np.zeros(n), effects]) + rng.gamma(0.5, 2.0, (n, ARMS)) - 1.0
    return Campaign(X=X, profits=profits, arm=rng.integers(0, ARMS, n))


def learn(seen: Campaign) -> np.ndarray:
    """Least squares per arm on all features: noisy enough for the best of three to be luck. Shape (k, arms)."""
    return np.column_stack(
        [np.linalg.lstsq(seen.X[seen.arm == a], seen.y[seen.arm == a], rcond=None)[0] for a in range(ARMS)]
    )


def test_forecasts_of_allocated_launches_cover_their_realised_profit_and_predictions_promise_too_much():
    covered, missed, promised = 0, 0, []
    for seed in range(100):
        rng = np.random.default_rng([seed, 6])
        training, held_out, launch = campaign(1_500, rng), campaign(4_000, rng), campaign(2_500, rng)
        weights = learn(training)
        mu, expected = held_out.X @ weights, launch.X @ weights
        value = expected[:, 1:] - expected[:, :1]
        allocation = allocate(Problem(value=value, cost=COST, limits=LIMITS))
        given = allocation.choice
        taken = np.flatnonzero(given >= 0)
        assert np.sum(given == 2) <= 300 and len(taken) <= 1_050

        predicted = mu[:, 1:] - mu[:, :1]
        chosen = choose_by_prices(predicted, COST, None, allocation.charges).astype(np.int64)
        p = np.full(len(mu), 1 / ARMS)
        logged = LoggedOutcomes(
            y=held_out.y,
            arm=held_out.arm,
            propensity=p,
            scores=dr_scores(
                y=held_out.y, arm=held_out.arm, propensity=p, mu=mu, available=np.ones(mu.shape, dtype=bool)
            ),
            customer=np.arange(len(mu)),
            unit="RUB/customer",
            level=0.95,
        )
        rows = np.arange(len(mu))
        worth = find_worth(logged, chosen + 1, np.column_stack([predicted, np.zeros(len(mu))])[rows, chosen])
        promise = value[taken, given[taken]]
        lines = Lines.of([worth.line], level=0.95, chosen=[True])
        profit = lines.total(promise, np.zeros(len(taken), dtype=np.int64), unit="RUB", method="")
        realised = float(np.sum(launch.profits[taken, given[taken] + 1] - launch.profits[taken, 0]))
        covered += profit.ci_lower <= realised <= profit.ci_upper
        missed += not profit.ci_lower <= promise.sum() <= profit.ci_upper
        promised.append(promise.sum() / realised)
    assert 90 <= covered <= 100
    assert missed >= 75 and np.median(promised) > 2, "the winner's curse"
