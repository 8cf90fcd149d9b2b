import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from netlift.evaluation.churn.gains import (
    Ranking,
    band_total,
    concentration,
    gains_curve,
    rank_correlation,
    tenth_means,
)
from netlift.evaluation.influence import Clusters

rows = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), min_size=5, max_size=60).filter(
    lambda pairs: sum(y for y, _ in pairs) > 0
)


@settings(max_examples=80)
@given(rows)
def test_concentration_is_twice_the_area_under_the_gains_curve_less_one(pairs):
    y, score = np.array(pairs, dtype=float).T
    ranking = Ranking.of(score)
    held = np.concatenate([[0.0], np.cumsum(np.bincount(ranking.code, weights=y)[::-1])]) / y.sum()
    share = np.concatenate([[0.0], np.cumsum(ranking.count[::-1])]) / len(y)
    assert concentration(y, ranking).point / y.mean() == pytest.approx(2 * np.trapezoid(held, share) - 1, abs=1e-9)


@settings(max_examples=50)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_figure(pairs, random):
    y, score = np.array(pairs, dtype=float).T
    order = np.array(random.sample(range(len(y)), len(y)))
    for figure in (concentration, lambda y, r: band_total(y, r, 0.0, 0.25), lambda y, r: tenth_means(y, r)[3]):
        before, after = figure(y, Ranking.of(score)), figure(y[order], Ranking.of(score[order]))
        assert after.point == pytest.approx(before.point, abs=1e-9)
        assert np.allclose(after.influence, before.influence[order], atol=1e-9)


def test_without_ties_concentration_is_the_mean_cumulative_share():
    """Table formula of methods/clv.md 5: 2·mean(cumulative share) - 1, equal up to 1/n."""
    rng = np.random.default_rng(1)
    y, score = rng.exponential(size=400), rng.normal(size=400)
    cumulative = np.cumsum(y[np.argsort(-score)]) / y.sum()
    gini = concentration(y, Ranking.of(score)).point / y.mean()
    assert gini == pytest.approx(2 * cumulative.mean() - 1 - 1 / 400, abs=1e-12)


@settings(max_examples=50)
@given(rows)
def test_bands_add_up_to_all(pairs):
    y, score = np.array(pairs, dtype=float).T
    ranking = Ranking.of(score)
    assert sum(figure.point for figure in tenth_means(y, ranking)) / 10 == pytest.approx(y.mean(), abs=1e-9)


def test_tied_rows_enter_a_band_by_equal_parts():
    assert band_total(np.array([8.0, 4.0, 0.0, 0.0]), Ranking.of(np.array([2, 1, 1, 0])), 0.0, 0.5).point * 4 == 10.0


def test_rank_correlation_is_that_of_scipy():
    rng = np.random.default_rng(2)
    a = rng.integers(0, 20, 300)
    b = a + rng.integers(0, 20, 300)
    assert rank_correlation(Ranking.of(a), Ranking.of(b)).point == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def jackknife(figure, y, score):
    n = len(y)
    left_out = np.array([figure(np.delete(y, i), np.delete(score, i)).point for i in range(n)])
    return np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))


@pytest.mark.parametrize(
    "figure",
    [
        lambda y, s: concentration(y, Ranking.of(s)),
        lambda y, s: concentration(y, Ranking.of(s)) / concentration(y, Ranking.of(y)),
        lambda y, s: rank_correlation(Ranking.of(s), Ranking.of(y)),
    ],
    ids=["concentration", "normalized Gini", "rank correlation"],
)
def test_the_error_is_that_of_leaving_customers_out(figure):
    rng = np.random.default_rng(3)
    score = rng.integers(0, 60, 250).astype(float)
    y = np.maximum(0, score / 30 + rng.normal(size=250)).round(1)
    assert Clusters.of(np.arange(250)).error(figure(y, score).influence) == pytest.approx(
        jackknife(figure, y, score), rel=0.02
    )


def test_the_gains_curve_of_a_perfect_order_lies_above_every_other():
    rng = np.random.default_rng(4)
    y = rng.exponential(size=200)
    _, perfect = gains_curve(y, y)
    _, other = gains_curve(y, rng.normal(size=200))
    assert np.all(perfect >= other - 1e-12)
    assert (perfect[0], perfect[-1]) == (0.0, pytest.approx(1.0))
