from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.errors import DataError
from netlift.segments.rfm import RfmEdges, fit_rfm_edges, score_rfm

DAYS = st.one_of(st.just(np.nan), st.integers(0, 2000).map(float))
MONEY = st.floats(-1e6, 1e6, width=32)


def test_edges_cut_the_customers_into_fifths():
    days, frequency, margin = (np.random.default_rng(1).permutation(1000).astype(float) for _ in range(3))
    scores = score_rfm(fit_rfm_edges(days, frequency, margin), days, frequency, margin)
    for name in ("r", "f", "m"):
        assert np.bincount(scores[name]).tolist() == [0, 200, 200, 200, 200, 200]


def test_a_recent_purchase_scores_high_and_much_money_scores_high():
    value = np.arange(100.0)
    scores = score_rfm(fit_rfm_edges(value, value, value), value, value, value)
    assert (scores["r"][0], scores["f"][0], scores["m"][0]) == (5, 1, 1)
    assert (scores["r"][-1], scores["f"][-1], scores["m"][-1]) == (1, 5, 5)


@given(arrays(float, 30, elements=DAYS), arrays(float, 30, elements=MONEY), arrays(float, 30, elements=MONEY))
def test_scores_are_1_to_5_for_who_bought_and_0_for_who_did_not_whatever_comes(days, frequency, margin):
    edges = RfmEdges(r=(7, 30, 90, 365), f=(1, 2, 4, 8), m=(10, 100, 1000, 10_000))
    scores = score_rfm(edges, days, frequency, margin)
    bought = ~np.isnan(days)
    for name in ("r", "f", "m"):
        assert (scores[name][~bought] == 0).all()
        assert ((scores[name][bought] >= 1) & (scores[name][bought] <= 5)).all()


@given(arrays(float, 40, elements=st.integers(0, 6).map(float)))
def test_equal_values_have_equal_scores_and_larger_ones_no_smaller_scores(values):
    scores = score_rfm(fit_rfm_edges(values, values, values), values, values, values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(scores["f"][order]) >= 0).all()
    assert (np.diff(scores["r"][order]) <= 0).all()
    assert all(len(set(scores["m"][values == value])) == 1 for value in values)


def test_scores_that_ties_leave_empty_are_named():
    values = np.array([1.0] * 70 + [2.0] * 10 + list(range(3, 23)))
    edges = fit_rfm_edges(np.arange(100.0), values, np.arange(100.0))
    assert edges.empty_scores == ("f=2", "f=3")
    scores = score_rfm(edges, np.arange(100.0), values, np.arange(100.0))
    assert set(scores["f"]) == {1, 4, 5}


def test_nobody_bought_is_refused():
    with pytest.raises(DataError, match="none of 3 customers bought before the reference"):
        fit_rfm_edges(np.full(3, np.nan), np.zeros(3), np.zeros(3))
