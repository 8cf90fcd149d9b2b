"""Rank-weighted mean effects: ties, weights and influences, each against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.rank_weighting import AUUC, QINI, RankedEffects, Ranks, relative_weights
from netlift.evaluation.uplift.toc import rate_weighting

WEIGHTINGS = (QINI, AUUC, rate_weighting("autoc", 0.0), rate_weighting("autoc", 0.2), rate_weighting("qini", 0.3))
ROWS = st.lists(st.tuples(st.floats(-100, 100), st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=30)


def ranked(effects, score, weight=None) -> RankedEffects:
    effects, score = np.asarray(effects, dtype=np.float64), np.asarray(score, dtype=np.float64)
    ranks = Ranks.of(score, relative_weights(weight, len(effects)))
    return RankedEffects(effects=effects, predicted=score, ranks=ranks)


@settings(max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_figure_and_carries_influences_along(drawn, random):
    columns = np.array(drawn, dtype=np.float64)
    moved = columns[np.array(random.sample(range(len(drawn)), len(drawn)))]
    order = np.lexsort(columns.T), np.lexsort(moved.T)
    for figure in [lambda r, w=w: r.weighted(w) for w in WEIGHTINGS] + [lambda r: r.top(0.3), lambda r: r.mean()]:
        before, after = figure(ranked(*columns.T)), figure(ranked(*moved.T))
        assert after.point == pytest.approx(before.point, abs=1e-8)
        assert np.allclose(after.influence[order[1]], before.influence[order[0]], atol=1e-8)


@settings(max_examples=60)
@given(ROWS, st.floats(-5, 5))
def test_a_constant_score_has_exactly_zero(drawn, constant):
    effects, _, weight = np.array(drawn, dtype=np.float64).T
    flat = ranked(effects, np.full(len(effects), constant), weight)
    assert [flat.weighted(w).point for w in WEIGHTINGS if w is not AUUC] == [0.0] * 4
    assert flat.weighted(AUUC).point == pytest.approx(flat.mean().point / 2, abs=1e-9)
    assert flat.top(0.3).point == pytest.approx(flat.mean().point, abs=1e-9)


@settings(max_examples=60)
@given(ROWS)
def test_a_row_of_weight_two_is_two_rows(drawn):
    effects, score, weight = np.array(drawn, dtype=np.float64).T
    times = weight.astype(np.int64)
    weighted, repeated = ranked(effects, score, weight), ranked(np.repeat(effects, times), np.repeat(score, times))
    scale = len(effects) / times.sum()
    row = np.repeat(np.arange(len(effects)), times)
    for weighting in WEIGHTINGS:
        one, many = weighted.weighted(weighting), repeated.weighted(weighting)
        assert one.point == pytest.approx(many.point, abs=1e-8)
        assert np.allclose(one.influence, np.bincount(row, weights=many.influence) * scale, atol=1e-7)
    assert weighted.top(0.4).point == pytest.approx(repeated.top(0.4).point, abs=1e-8)


NEAR = st.integers(0, 50).map(lambda i: 5 + i * 1e-9)
SCORES = st.one_of(st.floats(allow_nan=False), st.integers(-3, 3).map(float), NEAR)


@settings(max_examples=60)
@given(st.lists(SCORES, min_size=1, max_size=90))
def test_groups_are_the_distinct_scores_from_the_highest(drawn):
    score = np.array(drawn)
    ranks = Ranks.of(score, np.ones(len(score)))
    distinct, code = np.unique(-score, return_inverse=True)
    assert ranks.code.tolist() == code.tolist()
    assert ranks.held.tolist() == np.bincount(code, minlength=len(distinct)).tolist()


def test_ties_are_the_mean_over_all_ways_to_break_them():
    rng = np.random.default_rng(1)
    effects, score = rng.normal(size=60), rng.integers(0, 4, 60).astype(np.float64)
    for weighting in WEIGHTINGS:
        broken = [ranked(effects, score + 1e-3 * rng.random(60)).weighted(weighting).point for _ in range(4000)]
        error = np.std(broken) / np.sqrt(4000)
        assert abs(ranked(effects, score).weighted(weighting).point - np.mean(broken)) < 4 * error


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=lambda w: w.method)
@pytest.mark.parametrize("digits", [1, 9], ids=["tied", "distinct"])
def test_influence_is_what_a_little_more_weight_on_a_row_does(weighting, digits):
    """Exactly so: the derivative of the figure to the row's weight, times n, by central differences."""
    rng = np.random.default_rng(2)
    effects, score, weight = rng.normal(size=40), rng.normal(size=40).round(digits), rng.uniform(0.5, 2, 40)
    weight /= weight.mean()
    found = ranked(effects, score, weight).weighted(weighting).influence
    assert found.mean() == pytest.approx(0.0, abs=1e-12)
    for row in range(0, 40, 7):
        ends = [ranked(effects, score, weight + sign * 1e-5 * (np.arange(40) == row)).weighted(weighting).point
                for sign in (1, -1)]  # fmt: skip
        slope = (ends[0] - ends[1]) / 2e-5 * 40
        assert slope * weight[row] == pytest.approx(found[row], abs=1e-5)


def test_the_border_of_the_top_pushes_a_row_out_for_each_that_enters():
    """Of effects that fall in a line, the influence on the top half is that of a mean of the part above the border."""
    n = 20_001
    effects = np.linspace(1, 0, n)
    figure = ranked(effects, effects).top(0.5)
    assert figure.point == pytest.approx(0.75, abs=1e-3)
    expected = 2 * np.maximum(effects - 0.5, 0.0)
    assert np.allclose(figure.influence, expected - expected.mean(), atol=1e-3)


@pytest.mark.parametrize("weight", [[1.0, 0.0], [1.0, np.nan], [1.0, -1.0], [1.0, np.inf]])
def test_weights_that_are_none_are_refused_with_their_count(weight):
    with pytest.raises(DataError, match=r"weight: shape \(2,\) with 1 values that are not above 0 and finite"):
        relative_weights(np.array(weight), 2)


def test_weights_of_another_length_are_refused():
    with pytest.raises(DataError, match=r"need \(3,\)"):
        relative_weights(np.ones(2), 3)
