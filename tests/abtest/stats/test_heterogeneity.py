"""Whether segments differ, and what is left of them after shrinking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_world import customers

from netlift.abtest.stats.heterogeneity import pool, segment_effects
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.errors import DataError

TERMS = {"planned": True, "level": 0.95, "currency": "EUR"}
estimates = st.lists(st.tuples(st.floats(-10, 10), st.floats(0.1, 5)), min_size=2, max_size=12)


@given(estimates)
def test_shrunken_effects_lie_between_the_raw_one_and_the_mean(pairs):
    y, s = (np.array(side) for side in zip(*pairs, strict=True))
    found = pool(y, s)
    low, high = np.minimum(y, found.mean), np.maximum(y, found.mean)
    assert np.all((found.shrunken >= low - 1e-9) & (found.shrunken <= high + 1e-9))


@given(estimates, st.floats(0.01, 100))
def test_another_currency_changes_no_test(pairs, rate):
    y, s = (np.array(side) for side in zip(*pairs, strict=True))
    one, other = pool(y, s), pool(rate * y, rate * s)
    assert other.q == pytest.approx(one.q, rel=1e-6, abs=1e-9)
    assert other.between_sd == pytest.approx(rate * one.between_sd, rel=1e-4, abs=1e-6 * rate)


def test_segments_that_agree_are_all_shown_at_the_mean():
    found = pool([1.0, 1.2, 0.9], [0.5, 0.5, 0.5])
    assert found.between_sd == 0
    assert found.shrunken.tolist() == pytest.approx([found.mean] * 3)
    assert np.all((found.se < found.shrunken_se) & (found.shrunken_se < 0.5))


def test_q_of_equal_effects_follows_its_chi_square():
    rng = np.random.default_rng(1)
    p = [pool(rng.normal(1.0, 0.5, 6), [0.5] * 6).p_value for _ in range(1500)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(("segments", "between"), [(30, 1.0), (5, 1.0), (5, 0.3), (3, 0.0)])
def test_shrunken_effects_cover_and_lie_nearer_to_the_truth_than_raw_ones(segments, between):
    rng = np.random.default_rng(2)
    covered, errors = [], []
    for _ in range(500):
        truth, s = rng.normal(2.0, between, segments), rng.uniform(0.5, 1.5, segments)
        y = rng.normal(truth, s)
        found = pool(y, s)
        covered.append(np.abs(found.shrunken - truth) < 1.96 * found.shrunken_se)
        errors.append([np.mean((found.shrunken - truth) ** 2), np.mean((y - truth) ** 2)])
    assert np.mean(covered) > 0.91
    shrunken, raw = np.mean(errors, axis=0)
    assert shrunken < 0.75 * raw


def test_the_variance_between_segments_is_recovered():
    rng = np.random.default_rng(2)
    squares = []
    for _ in range(400):
        s = rng.uniform(0.5, 1.5, 30)
        squares.append(pool(rng.normal(rng.normal(2.0, 1.0, 30), s), s).between_sd ** 2)
    assert np.mean(squares) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("errors", [[0.0, 1.0], [np.nan, 1.0], [-1.0, 1.0]])
def test_an_estimate_without_an_error_is_refused_by_count(errors):
    with pytest.raises(DataError, match="1 of 2 estimates"):
        pool([1.0, 2.0], errors)


def segments(seed, buys):
    rng = np.random.default_rng(seed)
    return {
        name: (of_rows(customers(rng, 2000, buy=buy), OUTCOMES), of_rows(customers(rng, 1000, contact=0.0), OUTCOMES))
        for name, buy in buys.items()
    }


def test_segments_that_differ_are_found_and_told_apart():
    found = segment_effects("region", "tea", segments(1, {"a": 0.1, "b": 0.5}), minimum_buyers=30, **TERMS)
    assert found.heterogeneity.p_value < 1e-6
    assert found.heterogeneity.freedom == 1
    low, high = found.rows
    assert low.shrunken.point < high.shrunken.point
    assert (low.treated, low.control, low.segment, low.planned) == (2000, 1000, "a", True)
    assert low.raw.unit == "EUR/customer"


def test_a_segment_with_few_buyers_is_left_out_by_name():
    cells = segments(2, {"a": 0.2, "b": 0.2}) | {"tiny": tuple(of_rows(np.zeros((5, 4)), OUTCOMES) for _ in range(2))}
    found = segment_effects("region", "tea", cells, minimum_buyers=30, **TERMS)
    assert found.left_out == ("tiny",)
    assert [row.segment for row in found.rows] == ["a", "b"]


def test_one_segment_left_has_nothing_to_differ_from():
    found = segment_effects("region", "tea", segments(3, {"a": 0.2}), minimum_buyers=30, **TERMS)
    assert found.heterogeneity is None
    assert found.rows[0].shrunken.point == pytest.approx(found.rows[0].raw.point)


def test_no_segment_left_is_an_empty_answer():
    found = segment_effects("region", "tea", segments(4, {"a": 0.2}), minimum_buyers=10**6, **TERMS)
    assert (found.rows, found.heterogeneity, found.left_out) == ((), None, ("a",))
