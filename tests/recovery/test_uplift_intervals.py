"""Intervals of uplift and policy figures hold the truth as often as they say, over fresh worlds."""

import numpy as np

from netlift.evaluation.policy.off_policy import (
    LoggedOutcomes,
    clustered_error,
    dr_scores,
    policy_difference,
    policy_value,
)
from netlift.evaluation.uplift.metrics import ScoredModel, calibration_slope, qini, qini_difference, uplift_at_k

WORLDS = 400
CUSTOMERS = 250
CONTACTS = 3
LOWEST, HIGHEST = 0.917, 0.983  # three standard errors of a share of .95 in 400 worlds, either way


def draw(rng: np.random.Generator, customers: int):
    """Customers in three campaigns with outcomes that go together, heavy tails, unequal propensities, tied scores."""
    customer = np.repeat(np.arange(customers), CONTACTS)
    n = len(customer)
    x = np.repeat(rng.normal(size=customers), CONTACTS)
    own = np.repeat(rng.normal(size=customers), CONTACTS)
    chance = np.where(x > 0, 0.3, 0.6)
    arm = (rng.random(n) < chance).astype(np.int64)
    truth = np.column_stack([x, x + 0.4 + 0.8 * np.tanh(x)])
    y = truth[np.arange(n), arm] + own + rng.exponential(1.5, n) - 1.5
    propensity = np.where(arm == 1, chance, 1 - chance)
    mu = np.column_stack([0.5 * x, 0.5 * x])
    scores = dr_scores(y=y, arm=arm, propensity=propensity, mu=mu, available=np.ones((n, 2), dtype=bool))
    return (
        customer,
        x,
        truth,
        LoggedOutcomes(
            y=y, arm=arm, propensity=propensity, scores=scores, customer=customer, unit="EUR/customer", level=0.95
        ),
    )


def figures(customer, x, logged: LoggedOutcomes, effects: np.ndarray):
    scored = ScoredModel(effects=effects, customer=customer, unit="EUR/customer", level=0.95)
    predicted, other = np.round(x, 1), np.round(np.abs(x), 1)
    target = (x > -0.5).astype(np.int64)
    return {
        "qini": qini(scored, predicted),
        "paired qini": qini_difference(scored, predicted, other),
        "top 30 %": uplift_at_k(scored, predicted, 0.3),
        "slope": calibration_slope(scored, np.tanh(x)),
        "value": policy_value(logged, target),
        "gain": policy_difference(logged, target, np.ones(len(x))),
    }


def test_intervals_hold_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(20261121)
    customer, x, truth, logged = draw(rng, 200_000)
    exact = LoggedOutcomes(
        y=logged.y, arm=logged.arm, propensity=logged.propensity, scores=truth, customer=customer, unit="", level=0.95
    )
    want = {name: figure.point for name, figure in figures(customer, x, exact, truth[:, 1] - truth[:, 0]).items()}
    held = dict.fromkeys(want, 0)
    for _ in range(WORLDS):
        customer, x, _, logged = draw(rng, CUSTOMERS)
        for name, figure in figures(customer, x, logged, logged.scores[:, 1] - logged.scores[:, 0]).items():
            held[name] += figure.ci_lower <= want[name] <= figure.ci_upper
    coverage = {name: count / WORLDS for name, count in held.items()}
    assert all(LOWEST <= share <= HIGHEST for share in coverage.values()), coverage


def test_intervals_that_forget_that_customers_repeat_are_too_short():
    rng = np.random.default_rng(5)
    customer, _, _, logged = draw(rng, 5000)
    centred = logged.scores[:, 1] - logged.scores[:, 1].mean()
    assert clustered_error(centred, customer) > 1.1 * clustered_error(centred, np.arange(len(customer)))
