"""Bins: the order of values kept, missing apart, a category's own column, the cuts of a sample good for all rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.estimators.boosting.bins import MISSING, MOST_BINS, OTHERWISE, SAME, sort_into_bins
from netlift.features.matrix import Feature


def number(name):
    return Feature(name=name, unit="ratio", source="made up", formula="any")


def category(name, values):
    return Feature(name=name, unit="category", source="made up", formula="any", kind="category", categories=values)


def matrix(*columns):
    return np.asfortranarray(np.column_stack(columns).astype(np.float32))


@settings(max_examples=60)
@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=2, max_size=400))
def test_codes_count_the_cuts_below_a_value_and_missing_values_stand_apart(values):
    X = matrix(values)
    found = sort_into_bins(X, [number("x")], seed=0)
    assert found.columns or np.unique(X[~np.isnan(X[:, 0]), 0]).size <= 1, "only a constant tells nothing apart"
    for column, codes in zip(found.columns, found.codes, strict=True):
        missing = np.isnan(X[:, 0])
        assert (codes[missing] == MISSING).all()
        assert (codes[~missing] == 1 + np.searchsorted(column.cuts, X[~missing, 0], side="left")).all()
        assert (np.diff(column.cuts) > 0).all() and codes.max(initial=0) <= column.most <= MOST_BINS


def test_many_values_fall_into_bins_of_like_size_and_few_keep_one_each():
    rng = np.random.default_rng(1)
    found = sort_into_bins(
        matrix(rng.lognormal(size=40_000), rng.integers(0, 9, 40_000)), [number("a"), number("b")], seed=3
    )
    sizes = np.bincount(found.codes[0])[1:] / 40_000
    assert len(sizes) == MOST_BINS and sizes.max() < 2.0 / MOST_BINS
    assert found.columns[1].cuts.tolist() == [i + 0.5 for i in range(8)]


def test_a_category_has_a_column_for_every_value_that_is_not_rare():
    values = np.array([0.0] * 600 + [2.0] * 399 + [5.0] + [np.nan] * 10)
    found = sort_into_bins(matrix(values), [category("region", ("a", "b", "c", "d", "e", "f"))], seed=0)
    assert [column.category for column in found.columns] == [0, 2]
    assert (found.codes[1] == np.where(values == 2, SAME, OTHERWISE)).all()


def test_a_column_of_one_value_is_left_out_unless_it_is_missing_at_times():
    same, holes = np.ones(50), np.where(np.arange(50) % 2, 1.0, np.nan)
    found = sort_into_bins(matrix(same, holes, np.full(50, np.nan)), [number("a"), number("b"), number("c")], seed=0)
    assert [column.feature for column in found.columns] == [1]
    assert sorted(set(found.codes[0].tolist())) == [MISSING, 1]


def test_rows_taken_keep_their_codes_and_their_order():
    rng = np.random.default_rng(2)
    found = sort_into_bins(matrix(rng.normal(size=300), rng.normal(size=300)), [number("a"), number("b")], seed=0)
    chosen = rng.permutation(300)[:40]
    assert (found.take(chosen).codes == found.codes[:, chosen]).all()
    assert found.most() == pytest.approx([column.most for column in found.columns])
