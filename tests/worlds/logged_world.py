"""Randomized contacts with planted effects and predictions that are the effects plus noise of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms, dr_scores
from netlift.evaluation.policy.profit_forecast import Worth
from netlift.results import Estimate

OFFERS = 4
SHARES = np.array([0.4, 0.15, 0.15, 0.15, 0.15])


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Profit of every customer under every arm, the true effects and their predictions."""

    profits: np.ndarray
    effects: np.ndarray
    predicted: np.ndarray

    @property
    def choice(self) -> np.ndarray:
        return choose_arms(self.predicted, np.ones((len(self.profits), OFFERS + 1), dtype=bool))

    @property
    def chosen(self) -> np.ndarray:
        """Prediction of the chosen arm, 0 for none."""
        padded = np.column_stack([np.zeros(len(self.predicted)), self.predicted])
        return padded[np.arange(len(padded)), self.choice]

    def realised(self, choice: np.ndarray) -> float:
        rows = np.arange(len(self.profits))
        return float(np.sum(self.profits[rows, choice] - self.profits[:, 0]))


def plant(n: int, rng: np.random.Generator, *, noise: float = 2.0) -> Planted:
    """Skewed profits; effects of mean 0.5 that differ, and predictions half of which is noise."""
    effects = rng.normal(0.5, 1.0, (n, OFFERS))
    usual = rng.gamma(0.5, 12.0, n)
    own = rng.gamma(0.5, 6.0, (n, OFFERS + 1)) - 3.0
    profits = usual[:, None] + own + np.column_stack([np.zeros(n), effects])
    return Planted(profits=profits, effects=effects, predicted=effects + rng.normal(0, noise, (n, OFFERS)))


def log(world: Planted, rng: np.random.Generator, *, customer: np.ndarray | None = None) -> LoggedOutcomes:
    """Draw an arm for each and keep what it brought."""
    n = len(world.profits)
    arm = rng.choice(OFFERS + 1, size=n, p=SHARES)
    y = world.profits[np.arange(n), arm]
    available = np.ones((n, OFFERS + 1), dtype=bool)
    mu = np.full((n, OFFERS + 1), 6.0)
    return LoggedOutcomes(
        y=y,
        arm=arm,
        propensity=SHARES[arm],
        scores=dr_scores(y=y, arm=arm, propensity=SHARES[arm], mu=mu, available=available),
        customer=np.arange(n) if customer is None else customer,
        unit="RUB/customer",
        level=0.95,
    )


def forecast(worth: Worth, predicted: np.ndarray) -> Estimate:
    """The profit of a launch whose contacts were all chosen by the policy."""
    lines = Lines.of([worth.line], level=worth.logged.level, chosen=[False])
    return lines.total(predicted, np.zeros(len(predicted), dtype=np.int64), unit="RUB", method="")
