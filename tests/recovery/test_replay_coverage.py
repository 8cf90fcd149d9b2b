"""Replays of a run of decisions cover the truth where spend is skewed and 4 % of decisions are left to chance."""

from __future__ import annotations

import numpy as np
import pytest

from netlift.evaluation.policy.comparison import prove
from netlift.evaluation.policy.off_policy import NOBODY, LoggedOutcomes, dr_scores
from netlift.evaluation.policy.profit_forecast import find_worth, worth_by_tenth
from netlift.evaluation.policy.replay_variance import ReplayNoise

pytestmark = pytest.mark.slow

CUSTOMERS, EPSILON, OPTIONS, LAUNCHES = 3_000, 0.04, 4, 400


def replay(seed: int):
    """A launch with an option to six in ten: its rows, their noise, policy, predictions and true effects."""
    rng = np.random.default_rng(seed)
    n = CUSTOMERS
    habit = rng.gamma(0.7, 1.4, n)
    buys = rng.random(n) < 1 - np.exp(-0.35 * habit)
    usual = np.where(buys, rng.lognormal(6, 1, n) * (0.5 + 0.5 * habit), 0.0)
    predicted = rng.normal(30, 20, n)
    effect = predicted + rng.normal(0, 10, n)
    policy = (rng.random(n) < 0.6).astype(np.int64)
    chances = np.full((n, OPTIONS + 1), EPSILON / (OPTIONS + 1))
    chances[np.arange(n), policy] += 1 - EPSILON
    arm = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    y, guess = usual + np.where(arm > 0, effect, 0.0), np.full(n, usual.mean())
    everywhere = np.ones(chances.shape, dtype=bool)
    p = chances[np.arange(n), arm]
    mu = np.repeat(guess[:, None], OPTIONS + 1, axis=1)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=p, customer=np.arange(n), unit="RUB/customer", level=0.95,
        scores=dr_scores(y=y, arm=arm, propensity=p, mu=mu, available=everywhere),
    )  # fmt: skip
    return logged, ReplayNoise(profit=y, guess=guess, chances=chances), policy, predicted, effect


def holds(found, truth: float) -> bool:
    return bool(found.ci_lower <= truth <= found.ci_upper)


@pytest.fixture(scope="module")
def launches():
    return [replay(seed) for seed in range(LAUNCHES)]


def test_the_policy_above_nobody_is_covered_with_the_noise_of_the_draw_and_not_by_the_rows_own_spread(launches):
    covered = np.zeros(3)
    for logged, noise, policy, _, effect in launches:
        nobody = {NOBODY: np.zeros(len(policy), dtype=np.int64)}
        truth = float(np.mean(effect * (policy > 0)))
        for k, known in enumerate((noise, None)):
            rows = {row.policy: row for row in prove(logged, policy, nobody, noise=known)}
            covered[k] += holds(rows[NOBODY].ours_above, truth)
        covered[2] += holds(prove(logged, policy, nobody, noise=noise).rows[1].value, USUAL)
    share = covered / LAUNCHES
    assert share[0] >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / LAUNCHES)
    assert share[1] < 0.9, "what the correction is for"
    assert share[2] >= 0.93, "the value of nobody, known from a few dozen"


def test_tenths_and_the_slope_are_covered(launches):
    slopes, tenths, told = 0, 0, 0
    for logged, noise, policy, predicted, effect in launches[:200]:
        worth = find_worth(logged, policy, predicted, noise=noise)
        slopes += holds(worth.slope, 1.0)
        given = np.flatnonzero(policy)
        order = given[np.argsort(-predicted[given], kind="stable")]
        rows = worth_by_tenth(worth).rows
        starts = np.cumsum([0, *(row.contacts for row in rows)])
        for row, first, last in zip(rows, starts[:-1], starts[1:], strict=True):
            tenths += holds(row.realised, float(effect[order[first:last]].mean()))
            told += 1
    assert slopes >= 200 * (0.95 - 2 * np.sqrt(0.05 * 0.95 / 200))
    assert tenths / told >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / told)


def test_without_a_difference_there_is_no_noise():
    _, noise, *_ = replay(0)
    nothing = noise.of_difference(np.zeros(noise.chances.shape))
    assert not nothing.second.any() and not nothing.third.any()


def test_a_policy_that_all_drew_strays_as_its_customers_do():
    logged, noise, *_ = replay(1)
    sure = ReplayNoise(profit=noise.profit, guess=noise.guess, chances=np.eye(OPTIONS + 1)[logged.arm])
    own = sure.of_value(np.eye(OPTIONS + 1)[logged.arm], float(noise.profit.mean()))
    assert own.second == pytest.approx((noise.profit - noise.profit.mean()) ** 2)
    assert own.third == pytest.approx((noise.profit - noise.profit.mean()) ** 3)


def _usual_mean() -> float:
    rng = np.random.default_rng(0)
    habit = rng.gamma(0.7, 1.4, 4_000_000)
    return float(np.mean((1 - np.exp(-0.35 * habit)) * np.exp(6.5) * (0.5 + 0.5 * habit)))


USUAL = _usual_mean()
