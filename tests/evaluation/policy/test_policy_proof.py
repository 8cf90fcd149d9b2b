from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from logged_world import OFFERS, log, plant

from netlift.errors import DataError
from netlift.evaluation.policy.comparison import AT_RANDOM, prove
from netlift.evaluation.policy.off_policy import policy_difference, policy_value


@pytest.fixture(scope="module")
def seen():
    rng = np.random.default_rng(5)
    world = plant(40_000, rng, noise=0.5)
    return world, log(world, rng)


def rivals(n):
    return {"nobody": np.zeros(n, dtype=int), "everybody offer 2": np.full(n, 2)}


def test_values_and_paired_differences_are_those_of_off_policy(seen):
    world, logged = seen
    table = {row.policy: row for row in prove(logged, world.choice, rivals(len(logged)))}
    assert table["policy"].value == policy_value(logged, world.choice)
    for name, arms in rivals(len(logged)).items():
        ours, theirs = table[name].ours_above, policy_difference(logged, world.choice, arms)
        assert (ours.point, ours.ci_lower) == pytest.approx((theirs.point, theirs.ci_lower))
    assert table["policy"].ours_above is None


def test_true_values_lie_in_the_intervals(seen):
    world, logged = seen
    n = len(logged)
    truth = world.realised(world.choice) / n
    table = {row.policy: row for row in prove(logged, world.choice, rivals(n))}
    gain = table["nobody"].ours_above
    assert gain.ci_lower < truth < gain.ci_upper and gain.ci_lower > 0
    shares = np.bincount(world.choice, minlength=OFFERS + 1)[1:] / n
    drawn = truth - float(shares @ (world.profits[:, 1:] - world.profits[:, :1]).mean(axis=0))
    against = table[AT_RANDOM].ours_above
    assert against.ci_lower < drawn < against.ci_upper and against.ci_lower > 0, "targeting beats the same mix by lot"
    assert table[AT_RANDOM].contacted == pytest.approx(table["policy"].contacted)


def test_the_value_at_random_is_the_mean_over_many_draws():
    rng = np.random.default_rng(1)
    world = plant(600, rng)
    logged = log(world, rng)
    scores = logged.scores.copy()
    scores[:200, 3] = np.nan
    logged = replace(logged, scores=scores, arm=np.where((np.arange(600) < 200) & (logged.arm == 3), 0, logged.arm))
    wished = world.choice
    exact = {row.policy: row for row in prove(logged, wished, {})}[AT_RANDOM].value.point
    taken = np.where(np.isnan(scores[np.arange(600), wished]), 0, wished)
    draws = []
    for _ in range(2000):
        order = np.concatenate([rng.permutation(200), 200 + rng.permutation(400)])
        draws.append(scores[np.arange(600), taken[order]].mean())
    assert exact == pytest.approx(np.mean(draws), abs=4 * np.std(draws) / np.sqrt(len(draws)))


def test_the_interval_at_random_covers_the_truth():
    big = plant(200_000, np.random.default_rng(0))
    truth = 6.0 + 0.5 * float(np.mean(big.choice > 0))  # every offer earns 0.5 on average
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        world = plant(800, rng)
        row = {one.policy: one for one in prove(log(world, rng), world.choice, {})}[AT_RANDOM]
        covered += row.value.ci_lower <= truth <= row.value.ci_upper
    assert covered >= 90


def test_the_error_at_random_is_that_of_a_jackknife_shares_of_the_mix_included():
    rng = np.random.default_rng(2)
    world = plant(160, rng)
    logged = log(world, rng)
    scores = logged.scores / 20 + np.array([0, 10.0, 20.0, 30.0, 40.0])  # what is given matters more than to whom
    scores[:60, 3] = np.nan
    arm = np.where((np.arange(160) < 60) & (logged.arm == 3), 0, logged.arm)

    def value(rows):
        part = {"y": logged.y, "arm": arm, "propensity": logged.propensity, "customer": logged.customer}
        kept = replace(logged, scores=scores[rows], **{name: values[rows] for name, values in part.items()})
        return {row.policy: row for row in prove(kept, world.choice[rows], {})}[AT_RANDOM].value

    everybody = np.arange(160)
    whole = value(everybody)
    without = np.array([value(everybody != i).point for i in everybody])
    error = np.sqrt(159 / 160 * np.sum((without - without.mean()) ** 2))
    assert (whole.ci_upper - whole.ci_lower) / 2 / 1.959964 == pytest.approx(error, rel=0.03)


def test_what_was_not_on_offer_is_counted_and_left_uncontacted(seen):
    _, logged = seen
    scores = logged.scores.copy()
    closed = np.arange(len(logged)) % 4 == 0
    scores[closed, 2] = np.nan
    half = replace(logged, scores=scores, arm=np.where(closed & (logged.arm == 2), 0, logged.arm))
    row = next(iter(prove(half, np.full(len(logged), 2), {})))
    assert row.without_support == pytest.approx(0.25) and row.contacted == pytest.approx(0.75)


def test_policies_that_cannot_be_valued_are_refused(seen):
    world, logged = seen
    with pytest.raises(DataError, match="shape"):
        prove(logged, world.choice[:-1], {})
    few = replace(logged, arm=np.ones(len(logged), dtype=int))
    with pytest.raises(DataError, match="everybody 2"):
        prove(few, np.ones(len(logged), dtype=int), {"everybody 2": np.full(len(logged), 2)})
