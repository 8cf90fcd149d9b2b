"""Ranking and size of predicted uplift: exact ties, no order, recomputed from the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.uplift.metrics import (
    ScoredModel,
    auuc,
    calibration,
    calibration_slope,
    contrast,
    qini,
    qini_difference,
    uplift_at_k,
    uplift_by_decile,
)

SMALL = st.lists(
    st.tuples(st.floats(-100, 100), st.integers(-3, 3), st.integers(0, 5)), min_size=2, max_size=40
)  # effect, score with many ties, customer


def rows_of(effects, customer=None) -> ScoredModel:
    effects = np.asarray(effects, dtype=np.float64)
    who = np.arange(len(effects)) if customer is None else np.asarray(customer)
    return ScoredModel(effects=effects, customer=who, unit="EUR/customer", level=0.95)


def sample(n: int, *, seed: int):
    rng = np.random.default_rng(seed)
    tau = rng.normal(size=n)
    return rows_of(tau + rng.normal(size=n) * 3), tau


@settings(max_examples=60)
@given(SMALL, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(drawn, random):
    def figures(rows):
        effects, score, customer = (np.array(column) for column in zip(*rows, strict=True))
        scored, score = rows_of(effects, customer), score.astype(np.float64)
        found = [qini(scored, score), uplift_at_k(scored, score, 0.3), qini_difference(scored, score, score**2)]
        table = [(row.decile, row.rows, row.predicted, row.observed.point) for row in uplift_by_decile(scored, score)]
        return [(f.point, f.ci_lower, f.ci_upper) for f in found], table

    shuffled = list(drawn)
    random.shuffle(shuffled)
    once, again = figures(drawn), figures(shuffled)
    assert np.allclose(once[0], again[0], atol=1e-8, equal_nan=True)
    assert np.allclose(once[1], again[1], atol=1e-8)


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(-5, 5))
def test_a_constant_score_has_a_qini_of_exactly_zero(effects, constant):
    assert qini(rows_of(effects), np.full(len(effects), constant)).point == 0.0


@settings(max_examples=60)
@given(SMALL)
def test_qini_is_the_mean_over_all_ways_to_break_the_ties(drawn):
    effects, score, _ = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    above = (score[None, :] > score[:, None]).mean(axis=1)
    tied = (score[None, :] == score[:, None]).mean(axis=1)
    assert qini(rows_of(effects), score).point == pytest.approx(np.mean(effects * (0.5 - above - tied / 2)), abs=1e-9)


def test_reversing_a_score_reverses_its_qini_and_a_monotone_map_changes_nothing():
    scored, tau = sample(500, seed=1)
    assert qini(scored, -tau).point == pytest.approx(-qini(scored, tau).point)
    assert qini(scored, np.exp(tau)).point == pytest.approx(qini(scored, tau).point)


def test_influence_is_what_a_row_does_to_the_qini():
    """The jackknife over customers gives the same standard error as the influence function."""
    scored, tau = sample(300, seed=2)
    score, customer = tau.round(1), np.arange(300) // 3
    scored = rows_of(scored.effects, customer)
    estimate = qini(scored, score)
    left_out = []
    for who in range(100):
        kept = customer != who
        left_out.append(qini(rows_of(scored.effects[kept], customer[kept]), score[kept]).point)
    jackknife = np.sqrt(99 / 100 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert (estimate.ci_upper - estimate.point) / 1.959964 == pytest.approx(jackknife, rel=0.03)


def test_the_difference_of_two_scores_is_paired():
    scored, tau = sample(4000, seed=3)
    close = tau + 0.1 * np.random.default_rng(4).normal(size=4000)
    difference = qini_difference(scored, tau, close)
    assert difference.point == pytest.approx(qini(scored, tau).point - qini(scored, close).point)
    alone = qini(scored, tau)
    assert difference.ci_upper - difference.ci_lower < 0.3 * (alone.ci_upper - alone.ci_lower)
    same = qini_difference(scored, tau, tau)
    assert (same.ci_lower, same.ci_upper) == (0.0, 0.0)


def test_uplift_at_k_takes_tied_rows_by_equal_parts():
    scored = rows_of([10.0, 4.0, 2.0, 0.0])
    assert uplift_at_k(scored, np.array([3.0, 1.0, 1.0, 0.0]), 0.5).point == pytest.approx((10 + 3) / 2)
    assert uplift_at_k(scored, np.zeros(4), 0.25).point == pytest.approx(scored.effects.mean())
    assert uplift_at_k(scored, np.zeros(4), 1.0).point == pytest.approx(scored.effects.mean())


def test_deciles_add_up_to_the_whole_and_keep_ties_together():
    scored, tau = sample(1003, seed=5)
    table = uplift_by_decile(scored, tau)
    assert [row.decile for row in table] == list(range(1, 11))
    assert sum(row.rows for row in table) == 1003
    assert sum(row.rows * row.observed.point for row in table) / 1003 == pytest.approx(scored.effects.mean())
    predicted = [row.predicted for row in table]
    assert predicted == sorted(predicted, reverse=True)
    tied = uplift_by_decile(scored, np.zeros(1003))
    assert [(row.rows, row.observed.point) for row in tied] == [(1003, pytest.approx(scored.effects.mean()))]


def test_observed_deciles_hold_the_true_effect_within_their_intervals():
    scored, tau = sample(20_000, seed=6)
    inside = [row.observed.ci_lower <= row.predicted <= row.observed.ci_upper for row in uplift_by_decile(scored, tau)]
    assert sum(inside) >= 8


def test_the_slope_is_one_for_the_truth_half_for_twice_the_truth_and_none_for_a_constant():
    scored, tau = sample(20_000, seed=7)
    assert calibration_slope(scored, tau).point == pytest.approx(1.0, abs=0.07)
    assert calibration_slope(scored, 2 * tau).point == pytest.approx(0.5, abs=0.04)
    assert calibration_slope(scored, np.full(20_000, 0.3)) is None


def test_the_line_is_that_of_weighted_least_squares_with_clustered_errors():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(8)
    tau = rng.normal(1.0, 1.0, 900)
    customer, weight = rng.integers(0, 300, 900), rng.uniform(0.5, 2, 900)
    effects = 0.3 + 0.8 * tau + rng.normal(size=900) * (1 + np.abs(tau)) + rng.normal(size=300)[customer]
    line = calibration(ScoredModel(effects=effects, customer=customer, unit="EUR", level=0.95, weight=weight), tau)
    fitted = sm.WLS(effects, sm.add_constant(tau), weights=weight).fit()
    clusters = len(np.unique(customer))
    errors = fitted.get_robustcov_results("cluster", groups=customer, use_correction=False).bse
    for estimate, point, error in zip((line.intercept, line.slope), fitted.params, errors, strict=True):
        assert estimate.point == pytest.approx(point)
        half = 1.959964 * error * np.sqrt(clusters / (clusters - 1))
        assert estimate.ci_upper - estimate.point == pytest.approx(half, rel=1e-6)


def test_a_calibrated_level_has_an_intercept_of_zero_and_a_shifted_one_its_shift():
    scored, tau = sample(20_000, seed=9)
    sound, shifted = calibration(scored, tau), calibration(scored, tau - 0.5)
    assert sound.intercept.ci_lower < 0 < sound.intercept.ci_upper
    assert shifted.intercept.point == pytest.approx(sound.intercept.point + 0.5 * sound.slope.point)
    assert calibration(scored, np.full(20_000, 0.3)) is None


def test_auuc_is_the_qini_and_half_of_the_mean_effect():
    scored, tau = sample(1000, seed=10)
    assert auuc(scored, tau).point == pytest.approx(qini(scored, tau).point + scored.effects.mean() / 2)
    assert auuc(scored, np.zeros(1000)).point == pytest.approx(scored.effects.mean() / 2)


def test_deciles_weigh_their_rows_and_know_that_customers_repeat():
    rng = np.random.default_rng(11)
    customer, weight = rng.integers(0, 200, 600), rng.uniform(0.5, 2, 600)
    effects = rng.normal(size=600) + rng.normal(size=200)[customer]
    score = rng.normal(size=600).round(1)
    scored = ScoredModel(effects=effects, customer=customer, unit="EUR", level=0.95, weight=weight)
    table = uplift_by_decile(scored, score)
    above = np.array([weight[score > s].sum() + weight[score == s].sum() / 2 for s in score]) / weight.sum()
    tenth = (above * 10).astype(int)
    assert len(table) == 10
    for row in table:
        inside = tenth == row.decile - 1
        mean = np.average(effects[inside], weights=weight[inside])
        residual = np.bincount(customer, weights=inside * weight * (effects - mean), minlength=200)
        error = np.sqrt(np.sum(residual**2) * 200 / 199) / weight[inside].sum()
        assert (row.rows, row.observed.point) == (inside.sum(), pytest.approx(mean))
        assert row.predicted == pytest.approx(np.average(score[inside], weights=weight[inside]))
        assert row.observed.ci_upper - row.observed.point == pytest.approx(1.959964 * error, rel=1e-3)


def test_any_arm_may_be_held_against_any_other_where_both_were_on_offer():
    scores = np.array([[0.0, 1.0, 5.0], [1.0, np.nan, 4.0], [2.0, 6.0, np.nan]])
    logged = LoggedOutcomes(
        y=np.zeros(3), arm=np.zeros(3, dtype=np.int64), propensity=np.ones(3), scores=scores, customer=np.arange(3),
        unit="EUR/customer", level=0.9, weight=np.array([1.0, 2.0, 3.0]),
    )  # fmt: skip
    second, usable = contrast(logged, 2, against=1)
    assert (second.effects.tolist(), usable.tolist(), second.weight.tolist()) == ([4.0], [True, False, False], [1.0])
    chosen, usable = contrast(logged, np.array([2, 2, 1]))
    assert (chosen.effects.tolist(), usable.all(), chosen.level) == ([5.0, 3.0, 4.0], True, 0.9)


def test_effects_and_predictions_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 of 2 rows are not finite; keep the rows whose campaign had the offer"):
        rows_of([1.0, np.nan])
    with pytest.raises(DataError, match="with 1 values that are not finite"):
        qini(rows_of([1.0, 2.0]), np.array([0.0, np.inf]))
    with pytest.raises(DataError, match=r"share 0 must be in \(0, 1\]"):
        uplift_at_k(rows_of([1.0, 2.0]), np.zeros(2), 0)
