import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.estimators.rows import LabelledRows
from netlift.estimators.value.bg_nbd import fit_purchases
from netlift.estimators.value.btyd_columns import HISTORY, group_histories
from netlift.features.matrix import Feature

draws = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80)


def rows_of(*columns):
    n = len(columns[0])
    return LabelledRows(
        X=np.asfortranarray(np.column_stack(columns), dtype=np.float32),
        features=tuple(Feature(name=name, unit="days", source="transactions", formula="made") for name in HISTORY),
        y=np.zeros(n),
        customer=np.arange(n),
        cutoff=np.full(n, np.datetime64("2025-01-01", "us")),
    )


@settings(max_examples=80)
@given(draws)
def test_grouping_loses_no_customer_and_merges_only_equal_histories(drawn):
    x, t_x, rest = np.array(drawn, dtype=float).T
    t_x = np.where(x == 0, 0, t_x)
    T = t_x + rest
    grouped = group_histories(x, t_x, T)
    counted = dict(zip(zip(grouped.x, grouped.t_x, grouped.T, strict=True), grouped.weight, strict=True))
    want = {}
    for key in zip(x, t_x, T, strict=True):
        want[key] = want.get(key, 0) + 1
    assert counted == want
    assert grouped.customers == len(x)


def test_grouping_changes_no_fit():
    rng = np.random.default_rng(1)
    x = rng.poisson(rng.gamma(0.8, 2, 600)).astype(float)
    T = rng.integers(20, 60, 600).astype(float)
    t_x = np.where(x > 0, np.floor(T * rng.uniform(0.2, 1, 600)), 0)
    grouped = group_histories(x, t_x, T)
    single = type(grouped)(x=x, t_x=t_x, T=T, weight=np.ones(600))
    assert len(grouped) < len(single)
    one, other = fit_purchases(grouped), fit_purchases(single)
    assert (one.r, one.alpha, one.a, one.b) == pytest.approx((other.r, other.alpha, other.a, other.b), rel=1e-5)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "t_x", "T", "words"),
    [
        ([1, -1, 0], [2, 0, 0], [3, 4, 4], "1 have fewer than no repeat purchases"),
        ([1, 1, 0], [5, 2, 0], [3, 1, 4], "2 have a newest purchase after the cutoff"),
        ([1, 1, 0], [1, np.nan, 0], [3, 4, np.inf], "2 are not finite"),
        ([1, 0, 0], [1, 2, 0], [3, 4, 4], "1 have one purchase day and yet a later newest one"),
        ([1, 0, 0], [-1, 0, 0], [3, 4, 4], "1 have a newest purchase before the first"),
        ([], [], [], "no customer bought"),
    ],
)
def test_impossible_histories_are_refused_and_counted(x, t_x, T, words):
    with pytest.raises(DataError, match=words):
        group_histories(np.array(x), np.array(t_x), np.array(T))


def test_columns_are_added_behind_the_others():
    rows = rows_of([1.0, 2.0], [0.0, 7.0], [9.0, 9.0])
    more = Feature(name="p_alive", unit="probability", source="probability models", formula="p_alive")
    wide = rows.add_columns(np.array([[0.25], [0.75]]), (more,))
    assert wide.column("p_alive").tolist() == [0.25, 0.75]
    assert wide.X.dtype == np.float32
    assert np.array_equal(wide.X[:, :3], rows.X)
    assert wide.features[:3] == rows.features
