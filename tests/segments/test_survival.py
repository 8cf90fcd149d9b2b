from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.segments.survival import expected_lifetime, kaplan_meier, lifetime_by_risk

# Freireich et al. (1963), remission times in weeks of the 21 patients given 6-MP; the curve is in Kalbfleisch and
# Prentice (2002), The Statistical Analysis of Failure Time Data, and in most textbooks since.
REMISSION = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [True] * 9 + [False] * 12


def followed(rng, mean, n, follow=300.0):
    """Exponential lifetimes, censored at the end of the following."""
    life = rng.exponential(mean, n)
    return np.minimum(life, follow), life < follow


def test_the_curve_is_that_of_the_textbook():
    curve = kaplan_meier(np.array(REMISSION, dtype=float), np.array(RELAPSED), level=0.95)
    assert curve.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.survival == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    # log(-log) ends at 10 weeks by hand: log S = -.28378, Greenwood's variance of log S .016371, S^exp(±.88372)
    assert (curve.ci_lower[2], curve.ci_upper[2]) == pytest.approx((0.5032, 0.8894), abs=5e-4)


def test_an_exponential_lifetime_is_recovered_within_and_beyond_the_following():
    days, lost = followed(np.random.default_rng(1), 200.0, 40_000)
    curve = kaplan_meier(days, lost, level=0.95)
    assert curve.at(np.array([0.0, 100.0, 200.0])) == pytest.approx(np.exp([0, -0.5, -1]), abs=0.01)
    assert np.isnan(curve.at(np.array([301.0]))).all()
    lifetime = expected_lifetime(curve)
    assert lifetime.within.point == pytest.approx(200 * (1 - np.exp(-1.5)), rel=0.01)
    assert lifetime.beyond_days == pytest.approx(200 * np.exp(-1.5), rel=0.04)
    assert lifetime.total_days == pytest.approx(200, rel=0.02)


def test_a_geometric_lifetime_with_random_censoring_is_recovered():
    rng = np.random.default_rng(2)
    life, censored = rng.geometric(0.05, 30_000).astype(float), rng.integers(1, 80, 30_000).astype(float)
    curve = kaplan_meier(np.minimum(life, censored), life <= censored, level=0.95)
    assert curve.at(np.arange(1.0, 40.0)) == pytest.approx(0.95 ** np.arange(1, 40), abs=0.012)


def test_intervals_of_the_curve_and_of_the_mean_cover_as_often_as_they_say():
    rng, hits = np.random.default_rng(5), np.zeros(2)
    mean, moment = 150 * (1 - np.exp(-2.0)), np.array([120.0])
    for _ in range(400):
        days, lost = followed(rng, 150.0, 120)
        curve = kaplan_meier(days, lost, level=0.95)
        step = np.searchsorted(curve.days, moment[0], side="right") - 1
        within = expected_lifetime(curve).within
        hits += [
            curve.ci_lower[step] <= np.exp(-moment[0] / 150) <= curve.ci_upper[step],
            within.ci_lower <= mean <= within.ci_upper,
        ]
    assert (hits / 400 > 0.92).all()
    assert (hits / 400 < 0.98).all()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=60))
def test_a_curve_falls_from_1_inside_its_interval_and_without_censoring_is_the_plain_share(rows):
    days, lost = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    curve = kaplan_meier(days, lost, level=0.9)
    assert (np.diff(np.concatenate([[1.0], curve.survival])) <= 0).all()
    inside = ~np.isnan(curve.ci_lower)
    assert (curve.ci_lower[inside] <= curve.survival[inside]).all()
    assert (curve.survival[inside] <= curve.ci_upper[inside]).all()
    plain = kaplan_meier(days, np.ones(len(days), dtype=bool), level=0.9)
    assert plain.survival == pytest.approx([np.mean(days > day) for day in plain.days])


def test_a_tail_in_which_nobody_was_lost_is_not_made_up():
    curve = kaplan_meier(np.append(np.full(50, 10.0), np.full(50, 100.0)), np.arange(100) < 50, level=0.95)
    lifetime = expected_lifetime(curve)
    assert lifetime.within.point == pytest.approx(0.5 * 10 + 0.5 * 100)
    assert np.isnan(lifetime.beyond_days)


def test_lifetimes_follow_the_risk_that_made_them():
    rng = np.random.default_rng(4)
    p_churn = rng.uniform(0.05, 0.6, 20_000)
    mean = 60 / p_churn
    life = rng.exponential(mean)
    expected = lifetime_by_risk(p_churn, np.minimum(life, 365.0), life < 365, level=0.95)
    asked = np.array([0.1, 0.2, 0.4, np.nan])
    found = expected.of(asked)
    assert found[:3] == pytest.approx(60 / asked[:3], rel=0.15)
    assert np.isnan(found[3])
    assert expected.of(np.array([0.0]))[0] == expected.of(np.array([0.05]))[0]


def test_times_that_cannot_be_are_refused():
    with pytest.raises(DataError, match="2 negative, not finite or beyond"):
        kaplan_meier(np.array([1.0, -1.0, np.nan]), np.ones(3, dtype=bool), level=0.95)
    with pytest.raises(DataError, match="0 times"):
        kaplan_meier(np.empty(0), np.empty(0, dtype=bool), level=0.95)
