"""Moments add up, whatever way the rows came in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.abtest.stats.moments import OUTCOMES, PROFIT, ClusterSums, Moments, merge, of_rows, of_sums, weights_of
from netlift.errors import DataError

amounts = st.floats(-1e4, 1e4, allow_nan=False, width=32)


def tables(rows):
    return arrays(np.float64, st.tuples(rows, st.just(4)), elements=amounts)


def spend(seed, n=1000):
    return np.random.default_rng(seed).gamma(0.2, 50, (n, 4))


def same(a: Moments, b: Moments, scale=1.0):
    assert (a.n, a.buyers, a.clusters) == (b.n, b.buyers, b.clusters)
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(a.cov, b.cov, rtol=1e-8, atol=1e-9 * scale**2)
    assert a.cube == pytest.approx(b.cube, rel=1e-7, abs=1e-9 * scale**3)


def raw_sums(values, shift):
    moved = values - shift
    profit = moved @ weights_of(PROFIT, OUTCOMES)
    return moved.sum(axis=0), moved.T @ moved, float(np.sum(profit**3))


@settings(max_examples=60)
@given(tables(st.integers(1, 30)), tables(st.integers(1, 30)), tables(st.integers(1, 30)))
def test_cells_add_up_to_the_cell_of_all_rows_in_any_order(a, b, c):
    parts = [of_rows(rows, OUTCOMES) for rows in (a, b, c)]
    whole = of_rows(np.vstack([a, b, c]), OUTCOMES)
    same(merge(*parts), whole, 1e4)
    same(parts[2] + (parts[0] + parts[1]), whole, 1e4)


@settings(max_examples=60)
@given(tables(st.integers(1, 40)), arrays(np.float64, 4, elements=amounts))
def test_sums_about_any_shift_give_the_moments_of_the_rows(values, shift):
    sums, products, cubes = raw_sums(values, shift)
    whole = of_rows(values, OUTCOMES)
    same(of_sums(OUTCOMES, len(values), sums, products, cubes, buyers=whole.buyers, shift=shift), whole, 3e4)


def test_third_moment_is_that_of_profit():
    values = spend(1)
    profit = values[:, 1] - values[:, 2] - values[:, 3]
    assert of_rows(values, OUTCOMES).cube == pytest.approx(np.mean((profit - profit.mean()) ** 3))


def test_a_shift_near_the_mean_keeps_the_digits_of_a_large_number():
    values = spend(2) + 1e9
    sums, products, cubes = raw_sums(values, np.full(4, 1e9))
    cell = of_sums(OUTCOMES, 1000, sums, products, cubes, buyers=0, shift=np.full(4, 1e9))
    np.testing.assert_allclose(cell.cov, np.cov(values - 1e9, rowvar=False, ddof=0), rtol=1e-9)


@pytest.mark.parametrize("price", [0.05, 0.1, 1e6 + 0.1, 0.0])
def test_a_flat_price_varies_by_nothing_at_all(price):
    values = np.column_stack([spend(3)[:, :3], np.full(1000, price)])
    sums, products, cubes = raw_sums(values, np.zeros(4))
    for cell in (of_rows(values, OUTCOMES), of_sums(OUTCOMES, 1000, sums, products, cubes, buyers=0)):
        assert cell.cov[3].tolist() == [0.0] * 4
        assert cell.cov[0, 0] > 0


def test_mean_varies_as_the_textbook_says():
    values = spend(4)
    np.testing.assert_allclose(of_rows(values, OUTCOMES).mean_cov, np.cov(values, rowvar=False) / 1000, rtol=1e-10)


def clustered(values, cluster):
    """Covariance of the mean from cluster sums, written out."""
    residual = values - values.mean(axis=0)
    sums = np.array([residual[cluster == code].sum(axis=0) for code in np.unique(cluster)])
    share = np.unique(cluster, return_counts=True)[1] / len(values)
    pulled = 2 * np.sum(share**3) / np.sum(share**2) - np.sum(share**2)
    return sums.T @ sums / len(values) ** 2 / (1 - pulled)


def test_clusters_are_told_from_their_sums_by_rows_by_a_database_and_by_merging():
    values, cluster = spend(5), np.sort(np.random.default_rng(5).integers(0, 300, 1000))
    want = clustered(values, cluster)
    cell = of_rows(values, OUTCOMES, cluster=cluster)
    np.testing.assert_allclose(cell.mean_cov, want, rtol=1e-9)
    np.testing.assert_allclose(cell.cluster_cov, 1000 * want, rtol=1e-9)

    codes = np.unique(cluster)
    each = np.array([[np.sum(cluster == code), *(values[cluster == code] - 7.0).sum(axis=0)] for code in codes])
    sums, products, cubes = raw_sums(values, np.full(4, 7.0))
    sizes = np.array([0.0, 0.0, 0.0, np.sum(each[:, 0] ** 3)])
    given_sums = ClusterSums(count=len(codes), products=each.T @ each, cubes=sizes)
    database = of_sums(
        OUTCOMES, 1000, sums, products, cubes, buyers=0, shift=np.full(4, 7.0), cluster=given_sums
    )  # fmt: skip
    np.testing.assert_allclose(database.mean_cov, want, rtol=1e-9)

    cut = int(np.searchsorted(cluster, 100))
    parts = [of_rows(values[part], OUTCOMES, cluster=cluster[part]) for part in (slice(cut), slice(cut, None))]
    np.testing.assert_allclose(merge(*parts).mean_cov, want, rtol=1e-9)


def test_clusters_of_one_are_customers():
    values = spend(6)
    alone = of_rows(values, OUTCOMES, cluster=np.arange(1000))
    np.testing.assert_allclose(alone.mean_cov, of_rows(values, OUTCOMES).mean_cov, rtol=1e-10)


def test_the_variance_of_a_mean_of_few_unequal_clusters_is_neither_too_small_nor_too_large():
    rng, cluster = np.random.default_rng(8), np.repeat(np.arange(12), [200, 100, *[30] * 10])
    means, seen = [], []
    for _ in range(3000):
        values = 10.0 * rng.normal(size=12)[cluster] + rng.normal(size=len(cluster))
        cell = of_rows(values[:, None], ("margin",), cluster=cluster)
        means.append(cell.mean[0])
        seen.append(cell.mean_cov[0, 0])
    assert np.mean(seen) == pytest.approx(np.var(means), rel=0.1)


def test_taking_figures_takes_their_clusters_along():
    values, cluster = spend(7), np.random.default_rng(7).integers(0, 300, 1000)
    taken = of_rows(values, OUTCOMES, cluster=cluster).take(["reward", "margin"])
    np.testing.assert_allclose(taken.mean_cov, clustered(values[:, [2, 1]], cluster), rtol=1e-9)


def test_a_buyer_has_revenue_unless_told_otherwise():
    values = np.array([[10.0, 4.0, 0.0, 0.1], [0.0, 0.0, 0.0, 0.1], [-5.0, -2.0, 0.0, 0.1]])
    assert of_rows(values, OUTCOMES).buyers == 1
    assert of_rows(values, OUTCOMES, bought=np.array([True, False, True])).buyers == 2


def test_missing_spend_is_refused_by_name_and_count():
    values = spend(8)
    values[:3, 1] = np.nan
    with pytest.raises(DataError, match=r"margin 3.*counts as zero"):
        of_rows(values, OUTCOMES)


@pytest.mark.parametrize("broken", [np.inf, np.nan])
def test_a_sum_that_is_not_finite_is_refused(broken):
    with pytest.raises(DataError, match="missing or infinite"):
        of_sums(("margin",), 5, np.array([broken]), np.array([[1.0]]), 0.0, buyers=0)


def test_a_cell_without_customers_is_refused():
    with pytest.raises(DataError, match="without customers"):
        of_rows(np.zeros((0, 4)), OUTCOMES)
    with pytest.raises(DataError, match="without customers"):
        of_sums(("margin",), 0, np.zeros(1), np.zeros((1, 1)), 0.0, buyers=0)


def test_one_customer_has_no_variance_to_tell():
    with pytest.raises(DataError, match="1 customer was found"):
        _ = of_rows(np.ones((1, 4)), OUTCOMES).mean_cov


def test_one_cluster_has_no_variance_to_tell():
    with pytest.raises(DataError, match="1 cluster was found"):
        _ = of_rows(spend(9), OUTCOMES, cluster=np.zeros(1000)).mean_cov


def test_cells_of_different_figures_are_not_merged():
    with pytest.raises(DataError, match="cannot be merged"):
        merge(of_rows(spend(1), OUTCOMES), of_rows(spend(1)[:, :1], ("margin",)))


def test_an_unknown_figure_is_refused_by_name():
    with pytest.raises(DataError, match="no figures named clicks; there are revenue"):
        of_rows(spend(1), OUTCOMES).take(["clicks"])
