"""Questions whose answer is known beforehand."""

import numpy as np
import pytest

from netlift.errors import DataError
from netlift.evaluation.causal_checks.placebos import (
    expect_agreement,
    expect_same_gain,
    expect_zero,
    permute_arms,
    shared_level,
)
from netlift.results import Estimate


def estimate(point, half):
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=0.99, unit="EUR", method="")


def test_a_figure_that_must_be_zero_passes_by_its_interval():
    assert expect_zero("placebo", estimate(0.5, 1), why="nothing was done").passed
    assert not expect_zero("placebo", estimate(-2, 1), why="nothing was done").passed


@pytest.mark.parametrize(("change", "passed"), [(-1.0, True), (-4.0, True), (-6.0, False)])
def test_fewer_customers_may_cost_less_than_half_of_the_gain(change, passed):
    assert expect_same_gain("half", estimate(change, 0.5), gain=estimate(10, 1)).passed is passed


def test_policies_must_agree_more_than_chance():
    assert expect_agreement("half", estimate(0.8, 0.05), by_chance=0.5).passed
    assert not expect_agreement("half", estimate(0.5, 0.05), by_chance=0.48).passed


def test_levels_share_the_risk():
    assert 1 - shared_level(0.95, 5) == pytest.approx(0.01)


def test_placebo_arms_keep_their_numbers_and_know_their_chances():
    rng = np.random.default_rng(1)
    campaign = np.repeat([3, 8], [1000, 500])
    strength = rng.normal(size=1500)
    arm = (strength + rng.normal(size=1500) > 0.5 * (campaign == 8)).astype(np.int64) * (1 + (campaign == 8))
    dealt, chance = permute_arms(arm, campaign, seed=7)
    for code in (3, 8):
        inside = campaign == code
        assert np.array_equal(np.sort(dealt[inside]), np.sort(arm[inside]))
        assert np.mean(chance[inside & (dealt == 0)]) == pytest.approx(np.mean(arm[inside] == 0))
        assert (
            abs(np.corrcoef(dealt[inside], strength[inside])[0, 1])
            < 0.1
            < np.corrcoef(arm[inside], strength[inside])[0, 1]
        )
    again, _ = permute_arms(arm, campaign, seed=7)
    assert np.array_equal(dealt, again)
    assert np.sum(1 / chance) == pytest.approx(2 * 1500)


def test_arms_without_campaigns_are_refused():
    with pytest.raises(DataError, match="3 arms and 2 campaigns"):
        permute_arms(np.zeros(3, dtype=int), np.zeros(2, dtype=int), seed=1)
