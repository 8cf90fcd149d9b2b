"""Which estimate of skewness an interval uses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.abtest.stats import spend_shape
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.abtest.stats.spend_shape import shape_of

pytestmark = pytest.mark.slow


def cell(rng, n, *, buy=0.1, spread=1.0, rare=0.0, cluster=None):
    """Customers with log-normal baskets of 28, and rare ones of 275."""
    spend = np.where(rng.random(n) < buy, rng.lognormal(np.log(28) - spread**2 / 2, spread, n), 0.0)
    spend = np.where(rng.random(n) < rare, rng.lognormal(np.log(275) - 0.5, 1.0, n), spend)
    rows = np.column_stack([spend, 0.4 * spend, 0 * spend, 0 * spend])
    return of_rows(rows, OUTCOMES, cluster=cluster)


def test_the_third_moment_of_logarithms_is_that_of_rows():
    logs = np.random.default_rng(1).gamma(2.0, 1.0, 500)
    spend = np.exp(logs)
    seen = of_rows(np.column_stack([spend, spend, 0 * spend, 0 * spend]), OUTCOMES).spend.third
    assert seen == pytest.approx(np.mean((logs - logs.mean()) ** 3))


def test_rare_large_baskets_are_told_from_baskets_of_one_kind_sooner_by_the_tail_than_by_the_spread():
    rng = np.random.default_rng(2)
    same, rare = (
        np.array([spend_shape._unlike(cell(rng, 5_000, rare=share), cell(rng, 5_000)) for _ in range(draws)])
        for share, draws in ((0.0, 400), (0.005, 150))
    )
    assert np.all((same < 0.05).mean(axis=0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400))
    spread, tail = (rare < 0.05).mean(axis=0)
    assert tail > spread + 0.1
    assert (rare.min(axis=1) < spend_shape.DOUBTED).mean() > 0.9


def test_logarithms_with_their_third_cumulant_see_the_tail_of_rare_large_baskets():
    rng = np.random.default_rng(3)
    treated, control = cell(rng, 400_000, rare=0.005), cell(rng, 400_000)
    true = (treated.cube - control.cube) / 400_000**2
    true /= float(np.sum([0.16 * each.cov[0, 0] for each in (treated, control)]) / 400_000) ** 1.5
    plain, steep = (spend_shape._tail(treated, control, steep=steep) for steep in (0.0, 1.0))
    assert plain < 0.5 * true < steep


def test_where_buyers_are_too_few_a_smaller_share_of_them_makes_control_more_skewed():
    rng = np.random.default_rng(4)
    treated = cell(rng, 9_000, buy=0.02)
    control = replace(cell(rng, 1_000, buy=0.01), cube=0.0)  # its large baskets were not drawn
    assert control.spend.buyers < spend_shape.FEWEST_BUYERS
    baskets = spend_shape._baskets(treated, control)
    assert baskets < spend_shape._shared(treated, control) < 0
    assert shape_of(treated, control).lower <= max(baskets, -spend_shape.FITTED)


def test_one_shape_is_kept_beside_a_refuted_one_unless_it_is_that_of_a_much_smaller_control():
    rng = np.random.default_rng(5)
    for n_t, n_0 in ((1_000, 3_000), (2_000, 2_000), (3_000, 1_000), (4_000, 500)):
        treated, control = cell(rng, n_t, spread=0.7), cell(rng, n_0, spread=1.4)
        assert spend_shape._unlike(treated, control)[0] < spend_shape.REFUTED
        shared = spend_shape._shared(treated, control)
        found = shape_of(treated, control)
        if n_t <= spend_shape.MUCH * n_0:
            assert found.lower <= spend_shape.used(shared) <= found.upper
        else:
            assert shared < -spend_shape.NOTICEABLE
            assert found.upper < 0


@given(st.integers(0, 10_000), st.floats(0.02, 1.0), st.floats(0.1, 2.5), st.sampled_from([0.0, 0.01]))
def test_every_shape_is_finite_and_no_steeper_than_is_of_use(seed, buy, spread, rare):
    rng = np.random.default_rng(seed)
    found = shape_of(cell(rng, 300, buy=buy, spread=spread, rare=rare), cell(rng, 200, buy=0.2))
    assert -spend_shape.STEEPEST <= found.lower <= found.upper <= spend_shape.STEEPEST


def test_clusters_are_read_by_their_own_moments_and_by_those_of_one_shape():
    rng = np.random.default_rng(6)
    treated, control = (cell(rng, n, cluster=np.arange(n) // 2) for n in (3_000, 1_000))
    own = spend_shape._cumulant_of_mean(treated) - spend_shape._cumulant_of_mean(control)
    own /= sum(spend_shape._variance_of_mean(each) for each in (treated, control)) ** 1.5
    found = shape_of(treated, control)
    assert {found.lower, found.upper} == {own, spend_shape._shared(treated, control)}
