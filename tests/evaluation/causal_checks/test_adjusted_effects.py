"""Doubly robust effects: right when either the chances or the expected outcomes are."""

import numpy as np
import pytest

from netlift.evaluation.causal_checks.adjusted_effects import AdjustedEffects


def choose(seed, *, wrong_chances=False, wrong_outcomes=False, n=20_000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-x))
    arm = (rng.random(n) < p).astype(np.int64)
    y = 2 * x + arm * (1 + x) + rng.normal(size=n)
    p, mu = (np.full(n, 0.5) if wrong_chances else p), np.column_stack([2 * x, 3 * x + 1])
    return AdjustedEffects(
        y=y,
        arm=arm,
        chances=np.column_stack([1 - p, p]),
        expected=np.zeros((n, 2)) if wrong_outcomes else mu,
        customer=np.arange(n),
    )


@pytest.mark.parametrize("wrong", [{}, {"wrong_chances": True}, {"wrong_outcomes": True}])
def test_the_effect_is_found_when_one_of_both_is_right(wrong):
    effect = choose(1, **wrong).estimate(1, unit="EUR/customer", level=0.99)
    assert effect.ci_lower <= 1.0 <= effect.ci_upper
    assert effect.ci_upper - effect.ci_lower < 0.5


def test_it_is_wrong_when_both_are():
    effect = choose(1, wrong_chances=True, wrong_outcomes=True).estimate(1, unit="EUR/customer", level=0.99)
    assert effect.ci_lower > 1.5


def test_intervals_cover_as_often_as_they_claim():
    found = [choose(seed, n=1000).estimate(1, unit="EUR/customer", level=0.9) for seed in range(200)]
    assert 0.85 < np.mean([one.ci_lower <= 1 <= one.ci_upper for one in found]) < 0.95


def test_an_e_value_compares_weighted_shares_of_buyers():
    effects = AdjustedEffects(
        y=np.zeros(4), arm=np.array([0, 0, 1, 1]), chances=np.full((4, 2), 0.5), expected=np.zeros((4, 2)),
        customer=np.arange(4),
    )  # fmt: skip
    assert effects.e_value(np.array([True, False, True, True]), 1) == pytest.approx(2 + np.sqrt(2))
    assert effects.e_value(np.array([False, False, True, True]), 1) is None
