"""Balance of arms: no alarm where lots were drawn, whatever the features; an alarm where a feature came later."""

import numpy as np
import pytest

from netlift.evaluation.causal_checks.balance import Arms, compare_arms
from netlift.features.matrix import Feature

TIERS = np.array([[0.05, 0.6, 0.35], [0.1, 0.45, 0.45], [0.3, 0.1, 0.6]])


def feature(name, values=()):
    kind = "category" if values else "number"
    return Feature(name=name, unit="ratio", source="made up", formula="any", kind=kind, categories=values)


FEATURES = (
    feature("heavy"), feature("rare"), feature("count"), feature("often_missing"), feature("mostly_zero"),
    feature("region", ("a", "b", "c", "d", "other")),
)  # fmt: skip


def draw(rng, *, n=1600, campaigns=2):
    """Arms drawn by tiers of value, a small control among the low ones; features depend on the value."""
    value = rng.normal(size=n)
    chances = TIERS[(value > 0).astype(int) + (value > 1)]
    arm = np.minimum((rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1), 2)
    missing = rng.random(n) < 0.2 + 0.2 * (value > 0)
    X = np.column_stack(
        [
            rng.lognormal(0, 3, n) * np.exp(value),
            rng.random(n) < 0.01 + 0.03 * (value > 0),
            rng.poisson(np.exp(value - 1)),
            np.where(missing, np.nan, rng.normal(size=n) + value),
            rng.pareto(0.8, n) * (rng.random(n) < 0.1),
            rng.choice(5, n, p=[0.6, 0.3, 0.08, 0.01, 0.01]),
        ]
    ).astype(np.float32)
    names = tuple(f"c{i}" for i in range(campaigns))
    arms = Arms(
        arm=arm,
        weight=1 / chances[np.arange(n), arm],
        campaign=np.arange(n) % campaigns,
        offers=("mail", "call"),
        campaigns=names,
    )
    return X, arms


def test_two_hundred_of_two_hundred_honest_draws_raise_no_alarm():
    rng = np.random.default_rng(4)
    least = [min(row.p_value for row in compare_arms(X, FEATURES, arms)) for X, arms in (draw(rng) for _ in range(200))]
    assert min(least) > 0.001
    assert np.mean(np.array(least) < 0.05) <= 0.05


def test_a_feature_measured_after_the_contact_is_found_and_named():
    rng = np.random.default_rng(5)
    X, arms = draw(rng, n=6000)
    visits = rng.poisson(np.where(arms.arm > 0, 2.0, 1.0)) * rng.lognormal(0, 1, 6000)
    found = compare_arms(np.column_stack([X, visits]).astype(np.float32), (*FEATURES, feature("visits")), arms)
    telling = {row.feature for row in found if row.p_value < 0.001}
    assert telling == {"visits"}
    assert found.rows[0].smd > 0.1


def test_a_feature_that_is_missing_where_nobody_was_contacted_is_found():
    rng = np.random.default_rng(6)
    X, arms = draw(rng, n=3000)
    opened = np.where((arms.arm > 0) & (rng.random(3000) < 0.3), rng.normal(size=3000), np.nan)
    found = compare_arms(np.column_stack([X, opened]).astype(np.float32), (*FEATURES, feature("opened")), arms)
    assert {row.feature for row in found if row.p_value < 0.001} == {"opened"}


def test_what_is_too_small_for_any_campaign_shows_over_all_of_them():
    rng = np.random.default_rng(7)
    X, arms = draw(rng, n=30_000, campaigns=15)
    late = rng.normal(size=30_000) + 0.15 * (arms.arm > 0)
    found = compare_arms(np.column_stack([X, late]).astype(np.float32), (*FEATURES, feature("late")), arms)
    assert {(row.feature, row.campaign) for row in found if row.p_value < 0.001} == {("late", "all")}


def test_wrong_chances_are_told_from_right_ones():
    X, arms = draw(np.random.default_rng(8), n=6000)
    wrong = Arms(**{**vars(arms), "weight": np.ones(6000)})
    assert min(row.p_value for row in compare_arms(X, FEATURES, wrong)) < 1e-6
    assert min(row.p_value for row in compare_arms(X, FEATURES, arms)) > 0.01


def test_equal_chances_give_the_difference_of_mean_ranks_over_their_spread():
    x = np.arange(100.0)
    arm = (np.arange(100) % 4 == 3).astype(np.int64)
    arm[:60] = np.arange(60) % 2
    arms = Arms(arm=arm, weight=np.ones(100), campaign=np.zeros(100, int), offers=("mail",), campaigns=("c",))
    (row,) = compare_arms(x[:, None], (feature("x"),), arms)
    assert row.smd == pytest.approx((x[arm == 1].mean() - x[arm == 0].mean()) / x.std())
    assert row.rows == 100


def test_an_arm_of_a_few_rows_is_not_compared():
    arm = np.zeros(100, dtype=np.int64)
    arm[:10] = 1
    arms = Arms(arm=arm, weight=np.ones(100), campaign=np.zeros(100, int), offers=("mail",), campaigns=("c",))
    assert len(compare_arms(np.arange(100.0)[:, None], (feature("x"),), arms)) == 0
