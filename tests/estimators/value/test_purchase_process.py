import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purchase_world import draw_purchases
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import betaln, gammaln, hyp2f1
from scipy.stats import beta as beta_law

from netlift.errors import DataError
from netlift.estimators import process_formulas
from netlift.estimators.process_formulas import PurchaseMixture, beta_nodes
from netlift.estimators.value.bg_nbd import _Likelihood, expected_purchases, fit_purchases, p_alive, p_alive_after
from netlift.estimators.value.btyd_columns import Histories, group_histories

FAMILIES = ("bg_nbd", "mbg_nbd")
families = st.sampled_from(FAMILIES)
shapes = st.floats(0.02, 20)


def mixture(family="bg_nbd", r=0.6, alpha=5.0, a=0.8, b=2.4, unit_days=7.0):
    return PurchaseMixture(family=family, r=r, alpha=alpha, a=a, b=b, unit_days=unit_days)


def one(*values):
    return tuple(np.array([float(value)]) for value in values)


def closed_form(m, x, t_x, T, t):
    """Expected purchases as the papers print them, by 2F1."""
    first = 1 if m.family == "mbg_nbd" else 0
    odds = m.a / (m.b + x - 1 + first) * ((m.alpha + T) / (m.alpha + t_x)) ** (m.r + x) if x + first > 0 else 0
    z = t / (m.alpha + T + t)
    shrink = ((m.alpha + T) / (m.alpha + T + t)) ** (m.r + x)
    series = hyp2f1(m.r + x, m.b + x + first, m.a + m.b + x - 1 + first, z)
    return (m.a + m.b + x - 1 + first) / (m.a - 1) * (1 - shrink * series) / (1 + odds)


def by_integration(m, x, T, t):
    """Expected purchases of a living customer by integrating over the chance of leaving, adaptively."""
    s, b = m.r + x, float(m.beta(np.array(float(x))))
    law = beta_law(m.a, b)

    def inner(u):  # substitution by the quantile: no singularity at 0
        p = max(law.ppf(u), 1e-300)
        return -np.expm1(-s * np.log1p(p * t / (m.alpha + T))) / p

    return quad(inner, 0, 1, limit=500, epsabs=0, epsrel=1e-9)[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("x", "t_x", "T", "weeks"), [(0, 0, 30, 26), (1, 12, 30, 4), (7, 25, 38.9, 39), (40, 100, 104, 52)]
)
def test_expected_purchases_are_those_of_the_published_closed_form(family, x, t_x, T, weeks):
    found = expected_purchases(mixture(family), *one(x, t_x, T), days=7 * weeks)
    assert found == pytest.approx([closed_form(mixture(family), x, t_x, T, weeks)], rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("a", [0.05, 0.5, 0.999999, 1.0, 1.000001, 3.0])
@pytest.mark.parametrize("x", [0, 3, 3000])
def test_expected_purchases_are_the_integral_over_the_chance_of_leaving(family, a, x):
    """Also at a = 1, where the closed form divides by zero, and at x = 3,000, where it overflows."""
    m, t_x, T = mixture(family, a=a), min(x, 99), 100.0
    alive = p_alive(m, *one(x, t_x, T))
    found = expected_purchases(m, *one(x, t_x, T), days=26 * 7)
    assert found == pytest.approx(alive * by_integration(m, x, T, 26), rel=1e-7)


def test_the_limit_at_one_is_smooth():
    at = [expected_purchases(mixture(a=a), *one(5, 20, 39), days=182)[0] for a in (1 - 1e-9, 1.0, 1 + 1e-9)]
    assert at == pytest.approx([at[1]] * 3, rel=1e-8)


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.3), (0.8, 2.4), (2.0, 3000.0), (500.0, 700.0)])
def test_quadrature_knows_the_moments_of_its_law(a, b):
    p, weight = beta_nodes(a, b, 32)
    for power in (0, 1, 2, 5):
        assert weight @ p**power == pytest.approx(np.exp(betaln(a + power, b) - betaln(a, b)), rel=1e-9)


@settings(max_examples=60)
@given(families, shapes, st.floats(0.1, 50), shapes, shapes, st.integers(0, 3000), st.floats(0, 1), st.floats(0.1, 150))
def test_chances_are_chances_and_fall_with_silence(family, r, alpha, a, b, x, last, T):
    m = mixture(family, r=r, alpha=alpha, a=a, b=b)
    t_x = last * T if x else 0.0
    now = p_alive(m, *one(x, t_x, T))[0]
    silent = p_alive(m, *one(x, t_x, T + 10))[0]
    after = p_alive_after(m, *one(x, t_x, T), days=70)[0]
    assert 0 <= silent <= now <= 1
    assert 0 <= after <= now * (1 + 1e-12)


@settings(max_examples=60)
@given(families, shapes, st.floats(0.1, 50), shapes, shapes, st.integers(0, 3000), st.floats(0, 1), st.floats(1, 150))
def test_expectations_rise_with_days_and_stay_below_those_of_a_customer_who_never_leaves(
    family, r, alpha, a, b, x, last, T
):
    m = mixture(family, r=r, alpha=alpha, a=a, b=b)
    history = one(x, last * T if x else 0.0, T)
    days = np.array([0.0, 1, 30, 180, 365])
    found = np.array([expected_purchases(m, *history, days=d)[0] for d in days])
    forever = p_alive(m, *history)[0] * (r + x) * days / 7 / (alpha + T)
    assert np.all(np.isfinite(found))
    assert np.all(np.diff(found) >= 0)
    assert np.all(found <= forever * (1 + 1e-9))


def test_no_days_ahead_change_nothing():
    history = one(3, 20, 30)
    assert p_alive_after(mixture(), *history, days=0) == p_alive(mixture(), *history)
    assert expected_purchases(mixture(), *history, days=0) == [0.0]


def test_days_and_weeks_tell_the_same():
    weeks, days = mixture(), mixture(alpha=35.0, unit_days=1.0)
    assert expected_purchases(weeks, *one(2, 10, 30), days=91) == pytest.approx(
        expected_purchases(days, *one(2, 70, 210), days=91), rel=1e-12
    )


def test_an_average_that_does_not_settle_is_an_error_not_an_answer(monkeypatch):
    monkeypatch.setattr(process_formulas, "MOST_NODES", 64)
    with pytest.raises(FloatingPointError, match="1 kinds of history did not settle"):
        expected_purchases(mixture(r=3000.0, a=0.5, b=0.5), *one(0, 0, 1), days=3650)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_likelihood_is_the_published_one_and_its_slope_its_own(family):
    rng = np.random.default_rng(3)
    x = np.array([0, 0, 1, 2, 9, 30.0])
    T = rng.uniform(20, 60, 6)
    t_x = np.where(x > 0, T * rng.uniform(0.3, 1, 6), 0)
    own = _Likelihood(group_histories(x, t_x, T), family)
    theta = np.log([0.7, 0.4, 0.9, 1.7])
    r, alpha, a, b = np.exp(theta)
    first = 1 if family == "mbg_nbd" else 0
    t, end = t_x / own.unit, T / own.unit
    start = np.exp(gammaln(r + x) - gammaln(r)) * alpha**r / beta_function(a, b)
    stayed = beta_function(a, b + x + first) * (alpha + end) ** -(r + x)
    left = np.where(
        x + first > 0,
        beta_function(a + 1, np.where(x + first > 0, b + x - 1 + first, 1.0)) * (alpha + t) ** -(r + x),
        0,
    )
    loss, slope = own.loss_and_slope(theta)
    assert loss == pytest.approx(-np.mean(np.log(start * (stayed + left))), rel=1e-12)
    step = 1e-6 * np.eye(4)
    numeric = [(own.loss_and_slope(theta + e)[0] - own.loss_and_slope(theta - e)[0]) / 2e-6 for e in step]
    assert slope == pytest.approx(numeric, abs=1e-8)


@pytest.mark.parametrize("unit_days", [1.0, 7.0])
def test_the_unit_of_time_changes_the_scale_alone(unit_days):
    world = draw_purchases(
        customers=3_000, family="bg_nbd", r=0.8, alpha=6, a=0.8, b=2.5, weeks=60, weeks_after=0, seed=4
    )
    weeks = fit_purchases(group_histories(world.x, world.t_x, world.T))
    scale = 7 / unit_days
    other = fit_purchases(
        group_histories(world.x, world.t_x * scale, world.T * scale, unit_days=unit_days), family="bg_nbd"
    )
    assert (other.r, other.alpha / scale, other.a, other.b) == pytest.approx(
        (weeks.r, weeks.alpha, weeks.a, weeks.b), rel=1e-4
    )


def test_nobody_coming_back_is_refused():
    with pytest.raises(DataError, match="none of 40 customers bought on a second day"):
        fit_purchases(group_histories(np.zeros(40), np.zeros(40), np.full(40, 30.0)))


def test_a_fit_that_does_not_settle_is_refused_with_where_it_stood(monkeypatch):
    monkeypatch.setattr("netlift.estimators.value.maximum_likelihood.MAX_STEPS", 1)
    world = draw_purchases(
        customers=500, family="bg_nbd", r=0.8, alpha=6, a=0.8, b=2.5, weeks=60, weeks_after=0, seed=4
    )
    with pytest.raises(DataError, match=r"did not settle \(at r .* bring a longer observation"):
        fit_purchases(group_histories(world.x, world.t_x, world.T))


def test_customers_who_never_leave_end_at_a_bound_that_is_named():
    rng = np.random.default_rng(5)
    T = np.full(4_000, 50.0)
    x = rng.poisson(rng.gamma(2.0, 0.1, 4_000) * T).astype(float)
    t_x = np.where(x > 0, T * rng.beta(np.maximum(x, 1), 1), 0)
    found = fit_purchases(group_histories(x, t_x, T))
    history = Histories(x=x, t_x=t_x, T=T, weight=np.ones(4_000))
    assert found.a / (found.a + found.b) < 0.005
    assert expected_purchases(found, history.x, history.t_x, history.T, days=70).sum() == pytest.approx(
        x.sum() / 5, rel=0.03
    )
