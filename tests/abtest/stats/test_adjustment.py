"""Regression adjustment against least squares written out, on the whole vector."""

import numpy as np
import pytest

from netlift.abtest.stats.adjustment import adjusted
from netlift.abtest.stats.difference import money_lines
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, merge, of_rows

COVARIATES = ("spend_before", "visits_before")
NAMES = (*OUTCOMES, *COVARIATES)


def world(seed, n_treated=900, n_control=300, lift=1.2):
    """Rows of both arms: spending goes on, and the offer works in proportion to it."""
    rng = np.random.default_rng(seed)
    rows = []
    for n, factor, contact in ((n_treated, lift, 0.3), (n_control, 1.0, 0.0)):
        before = rng.gamma(1.0, 30.0, n)
        visits = rng.poisson(before / 10)
        spend = factor * before * rng.gamma(2.0, 0.5, n)
        reward = 0.1 * spend * (contact > 0) * (rng.random(n) < 0.5)
        rows.append(np.column_stack([spend, 0.4 * spend, reward, np.full(n, contact), before, visits]))
    return rows


def adjust(rows, covariates=COVARIATES, names=NAMES, **kw):
    treated, control = (of_rows(each, names) for each in rows)
    return adjusted(treated, control, outcomes=OUTCOMES, covariates=covariates, **kw)


def interacted(rows, outcome):
    """Lin's estimate and its HC2 error from the regression with interactions, by plain least squares."""
    y = np.concatenate([each[:, outcome] for each in rows])
    w = np.concatenate([np.ones(len(rows[0])), np.zeros(len(rows[1]))])
    x = np.vstack([each[:, 4:] for each in rows])
    x = x - x.mean(axis=0)
    design = np.column_stack([np.ones(len(y)), w, x, x * w[:, None]])
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, bread, design)
    scores = design * ((y - design @ beta) / np.sqrt(1 - leverage))[:, None]
    variance = bread @ scores.T @ scores @ bread
    slopes = beta[4:]
    return beta[1], variance[1, 1] + slopes @ np.cov(x, rowvar=False) @ slopes / len(y)


@pytest.mark.parametrize("outcome", [0, 1, 2])
def test_it_is_the_regression_with_interactions(outcome):
    rows = world(1, n_treated=18_000, n_control=9000)
    found = adjust(rows).contrast
    want, variance = interacted(rows, outcome)
    assert found.difference[outcome] == pytest.approx(want, rel=1e-9)
    assert found.covariance[outcome, outcome] == pytest.approx(variance, rel=0.03)


def test_adjusted_margin_less_adjusted_costs_is_adjusted_profit():
    rows = world(2)
    found = adjust(rows)
    lines = {line.name: line.total.point for line in money_lines(
        found.contrast, raw=found.raw, level=0.95, currency="EUR", fixed=10)}  # fmt: skip
    assert lines["profit"] == pytest.approx(lines["margin"] - lines["reward"] - lines["contact_cost"] - 10)
    profits = [np.column_stack([each[:, 0], each[:, 1] - each[:, 2] - each[:, 3], each[:, 4:]]) for each in rows]
    alone = adjusted(
        *(of_rows(each, ("revenue", "margin", *COVARIATES)) for each in profits), outcomes=("revenue", "margin"),
        covariates=COVARIATES,
    )  # fmt: skip
    assert found.contrast.point(PROFIT) == pytest.approx(alone.contrast.point(PROFIT))
    assert found.contrast.se(PROFIT) == pytest.approx(alone.contrast.se(PROFIT))


def test_what_was_known_before_is_taken_out():
    found = adjust(world(3))
    assert found.used == COVARIATES
    assert found.variance_ratio < 0.6
    assert found.raw.method != found.contrast.method


def test_covariates_that_tell_nothing_cost_nothing():
    rng = np.random.default_rng(4)
    rows = world(4)
    for each in rows:
        each[:, 4:] = rng.normal(size=(len(each), 2))
    assert adjust(rows).variance_ratio == pytest.approx(1.0, abs=0.02)


def test_covariates_without_news_are_dropped_and_named():
    rows = [np.column_stack([each, 2 * each[:, 4] + 3 * each[:, 5], np.full(len(each), 7.0)]) for each in world(5)]
    found = adjust(rows, (*COVARIATES, "sum_of_both", "always_seven"), (*NAMES, "sum_of_both", "always_seven"))
    assert found.dropped == ("sum_of_both", "always_seven")
    np.testing.assert_allclose(found.contrast.difference, adjust(world(5)).contrast.difference)


def test_a_covariate_whose_news_rests_on_a_few_customers_is_dropped():
    rng, rows = np.random.default_rng(5), []
    for each in world(5):
        few = np.zeros(len(each))
        few[rng.choice(len(each), 3, replace=False)] = 1.0
        rows.append(np.column_stack([each, 0.4 * each[:, 4] + few]))
    assert adjust(rows, (*COVARIATES, "margin_before"), (*NAMES, "margin_before")).dropped == ("margin_before",)


def test_a_covariate_that_does_not_vary_in_one_arm_is_dropped():
    rows = world(6)
    rows[1][:, 5] = 0
    assert adjust(rows).dropped == ("visits_before",)


def test_twenty_customers_pay_for_one_covariate():
    found = adjust(world(7, n_control=39))
    assert (found.used, found.dropped) == (("spend_before",), ("visits_before",))
    none = adjust(world(7, n_control=19))
    assert none.used == ()
    assert none.contrast is none.raw


def test_scale_of_a_covariate_does_not_matter():
    rows = world(8)
    large = [each * [1, 1, 1, 1, 1e9, 1e-9] for each in rows]
    np.testing.assert_allclose(adjust(large).contrast.difference, adjust(rows).contrast.difference, rtol=1e-8)


def test_several_arms_are_brought_to_the_mean_of_all_assigned():
    rows = world(9)
    third = of_rows(world(10)[0], NAMES)
    treated, control = (of_rows(each, NAMES) for each in rows)
    everyone = merge(treated, control, third)
    found = adjust(rows, everyone=everyone).contrast
    moved = adjust(rows).contrast
    assert found.difference[0] != pytest.approx(moved.difference[0])
    assert found.difference[0] == pytest.approx(moved.difference[0], abs=moved.se({"revenue": 1.0}))


def test_households_widen_the_adjusted_interval_as_they_widen_the_raw_one():
    rows = [np.repeat(each, 2, axis=0) for each in world(11)]
    cells = [of_rows(each, NAMES, cluster=np.arange(len(each)) // 2) for each in rows]
    twice = adjusted(*cells, outcomes=OUTCOMES, covariates=COVARIATES).contrast
    once = adjust(world(11)).contrast
    assert twice.se(PROFIT) == pytest.approx(once.se(PROFIT), rel=0.01)
