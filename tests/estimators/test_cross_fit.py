import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from value_world import draw_world

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import BINARY, Machine, boosting_rows
from netlift.estimators.cross_fit import OUTSIDE, assign_folds, predict_out_of_fold, sample_customers

customers = st.lists(st.integers(0, 40), min_size=30, max_size=200).map(np.array)


@settings(max_examples=50)
@given(customers, st.integers(2, 4), st.integers(0, 1000))
def test_a_customer_is_never_split_between_folds(customer, folds, seed):
    assume(len(np.unique(customer)) >= folds)
    fold = assign_folds(customer, folds=folds, seed=seed)
    assert set(fold) == set(range(folds))
    assert all(len(set(fold[customer == who])) == 1 for who in np.unique(customer))


@settings(max_examples=50)
@given(customers, st.integers(10, 60), st.integers(0, 1000))
def test_a_sample_holds_whole_customers_and_no_more_rows_than_asked(customer, most, seed):
    kept = sample_customers(customer, most=most, seed=seed)
    assert len(kept) <= max(most, 0) or len(customer) <= most
    assert all(np.isin(np.flatnonzero(customer == who), kept).all() for who in np.unique(customer[kept]))
    assert np.all(np.diff(kept) > 0)


def test_fewer_customers_than_folds_is_refused():
    with pytest.raises(DataError, match="2 customers cannot be split into 3 folds"):
        assign_folds(np.array([1, 1, 2]), folds=3, seed=1)


def test_out_of_fold_predictions_do_not_know_their_own_label():
    """With labels that are pure chance, in-sample predictions correlate with them; out-of-fold ones do not."""
    world = draw_world(customers=3_000, cutoffs=["2025-01-01"], seed=1)
    y = np.random.default_rng(2).integers(0, 2, 3_000).astype(float)
    boosting = boosting_rows(world.rows.relabel(y), Machine(seed=1, threads=1))
    fold = assign_folds(world.rows.customer, folds=3, seed=1)
    everyone = np.ones(3_000, dtype=bool)
    p = predict_out_of_fold(boosting, y, everyone, fold, BINARY, {"min_data_in_leaf": 5}, rounds=50)
    one = predict_out_of_fold(boosting, y, everyone, np.where(fold == 0, 0, OUTSIDE + 2), BINARY, {}, rounds=5)
    assert abs(np.corrcoef(p, y)[0, 1]) < 0.06
    assert np.isfinite(one).all()
