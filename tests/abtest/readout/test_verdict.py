"""Each step of the ladder, the losses of being wrong, and how many more customers it takes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from netlift.abtest.readout.verdict import VerdictProbabilities, decide, expected_losses, more_customers
from netlift.abtest.stats import skew
from netlift.errors import DataError


def judge(point, se, *, tolerance=50.0, gamma=0.0, **kw):
    profit = skew.estimate(point, se, shape=skew.even(gamma), level=0.95, unit="EUR", method="means")
    return decide(profit, se, tolerance=tolerance, assigned=1000, shape=skew.even(gamma), **kw)


@pytest.mark.parametrize(
    ("point", "se", "tolerance", "code"),
    [
        (200, 100, 50, "made_money"),
        (-200, 100, 50, "lost_money"),
        (150, 100, 50, "probably_made_money"),
        (150, 100, 1, "cannot_tell_yet"),
        (100, 100, 50, "cannot_tell_yet"),
        (5, 10, 50, "no_material_effect"),
        (-150, 100, 50, "cannot_tell_yet"),
        (15, 10, 50, "probably_made_money"),
        (0, 0, 50, "cannot_tell_yet"),
        (-700, 0, 50, "cannot_tell_yet"),
    ],
)
def test_each_step_of_the_ladder(point, se, tolerance, code):
    assert judge(point, se, tolerance=tolerance).code == code


@pytest.mark.parametrize("why", ["blocked", "observational"])
def test_a_withheld_verdict_keeps_its_numbers(why):
    found = judge(200, 100, withheld=why)
    assert (found.code, found.more_customers) == (why, None)
    assert found.chance_of_profit == pytest.approx(0.97725, abs=1e-5)


@given(st.floats(-500, 500), st.floats(1, 300), st.floats(-0.8, 0.8))
def test_the_verdict_never_contradicts_the_chance(point, se, gamma):
    found = judge(point, se, gamma=gamma, tolerance=0.0)
    least, most = {"made_money": (0.975, 1), "lost_money": (0, 0.025)}.get(found.code, (0, 1))
    assert least - 1e-6 < found.chance_of_profit < most + 1e-6


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_losses_are_those_of_draws_from_the_normal(mean, sd):
    ship, stop = expected_losses(mean, sd)
    draws = mean + sd * np.random.default_rng(1).normal(size=200_000)
    assert ship == pytest.approx(np.mean(np.maximum(-draws, 0)), abs=0.01 * sd)
    assert stop == pytest.approx(np.mean(np.maximum(draws, 0)), abs=0.01 * sd)


def test_losses_under_skewness_are_those_of_the_same_confidence_distribution():
    gamma, mean, sd = -0.4, 1.0, 1.5
    u = (np.arange(200_000) + 0.5) / 200_000
    draws = mean - sd * skew.quantile(norm.ppf(u), gamma)
    ship, stop = expected_losses(mean, sd, shape=skew.even(gamma))
    assert ship == pytest.approx(np.mean(np.maximum(-draws, 0)), rel=1e-3)
    assert stop == pytest.approx(np.mean(np.maximum(draws, 0)), rel=1e-3)
    assert ship > expected_losses(mean, sd)[0]


def test_losses_without_noise_are_the_profit_itself():
    assert expected_losses(-3.0, 0.0) == (3.0, 0.0)
    assert expected_losses(3.0, 0.0) == (0.0, 3.0)


def test_so_many_more_customers_do_settle_it():
    point, se, assigned, fixed = 100.0, 90.0, 1000, 300.0
    more = more_customers(point, se, assigned=assigned, z=1.96, fixed=fixed)
    k = (assigned + more) / assigned
    settled = k * (point + fixed) - fixed
    assert settled == pytest.approx(1.96 * se * math.sqrt(k), rel=2e-3)


def test_a_fixed_cost_not_yet_earned_back_may_be_with_more_customers():
    more = more_customers(-100.0, 60.0, assigned=1000, z=1.96, fixed=300.0)
    k = (1000 + more) / 1000
    assert k * 200 - 300 == pytest.approx(1.96 * 60 * math.sqrt(k), rel=1e-3)


def test_a_loss_is_settled_by_more_customers_too():
    assert more_customers(-100.0, 100.0, assigned=1000, z=2.0) == 3000


@pytest.mark.parametrize(("point", "se"), [(0.0, 100.0), (1.0, 100.0), (100.0, 0.0)])
def test_what_no_number_of_customers_settles_has_none(point, se):
    assert more_customers(point, se, assigned=1000, z=1.96) is None


def test_more_customers_are_named_only_where_something_is_open():
    assert judge(200, 100).more_customers is None
    assert judge(100, 100).more_customers == pytest.approx(1000 * (1.96**2 - 1), abs=2)
    assert judge(150, 100).more_customers == pytest.approx(1000 * ((1.96 / 1.5) ** 2 - 1), abs=2)


def test_each_loss_is_counted_by_the_end_that_makes_it_larger():
    lower, upper = skew.Shape(lower=-0.5), skew.Shape(upper=0.5)
    plain = expected_losses(1.0, 1.5)
    assert expected_losses(1.0, 1.5, shape=lower)[0] > plain[0]
    assert expected_losses(1.0, 1.5, shape=upper)[1] > plain[1]


def test_other_campaigns_and_other_arms_may_take_a_probable_profit_away_and_never_the_interval():
    plain = judge(150, 100)
    assert plain.code == "probably_made_money"
    for chances in (
        VerdictProbabilities(joint=0.85),
        VerdictProbabilities(among=0.46),
        VerdictProbabilities(joint=0.95, among=0.6),
    ):
        found = judge(150, 100, chances=chances)
        assert (found.code, found.chance_of_profit) == ("cannot_tell_yet", plain.chance_of_profit)
    assert judge(150, 100, chances=VerdictProbabilities(joint=0.91, among=0.93)).code == "probably_made_money"
    assert judge(250, 100, chances=VerdictProbabilities(among=0.5)).code == "made_money"


@pytest.mark.parametrize(("point", "se", "tolerance"), [(math.nan, 1, 1), (1, math.inf, 1), (1, -1, 1), (1, 1, -1)])
def test_figures_that_are_none_are_refused(point, se, tolerance):
    profit = skew.estimate(point, 1.0, level=0.95, unit="EUR", method="means")
    with pytest.raises(DataError, match="finite"):
        decide(profit, se, tolerance=tolerance, assigned=10)
