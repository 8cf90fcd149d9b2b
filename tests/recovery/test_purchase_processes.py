"""Populations simulated purchase by purchase: the fits find the parameters, and foretell what came after."""

import numpy as np
import pytest
from purchase_world import draw_purchases, draw_spend

from netlift.estimators.value.bg_nbd import expected_purchases, fit_purchases, p_alive, p_alive_after
from netlift.estimators.value.btyd_columns import group_histories
from netlift.estimators.value.gamma_gamma import expected_spend, fit_spend

TRUTH = {"r": 0.9, "alpha": 6.0, "a": 0.9, "b": 2.2}
WEEKS_AFTER = 26


@pytest.fixture(scope="module", params=["bg_nbd", "mbg_nbd"])
def world(request):
    drawn = draw_purchases(customers=60_000, family=request.param, **TRUTH, weeks=80, weeks_after=WEEKS_AFTER, seed=11)
    return drawn, fit_purchases(group_histories(drawn.x, drawn.t_x, drawn.T), request.param)


def test_parameters_are_recovered(world):
    _, found = world
    for name, truth in TRUTH.items():
        assert getattr(found, name) == pytest.approx(truth, rel=0.12), name
    assert found.a / (found.a + found.b) == pytest.approx(0.9 / 3.1, rel=0.04)
    assert found.r / found.alpha == pytest.approx(0.9 / 6.0, rel=0.03)


def test_purchases_to_come_are_foretold_in_total_and_by_history(world):
    drawn, found = world
    expected = expected_purchases(found, drawn.x, drawn.t_x, drawn.T, days=7 * WEEKS_AFTER)
    assert expected.sum() == pytest.approx(drawn.later.sum(), rel=0.02)
    order = np.argsort(expected)
    for part in np.array_split(order, 8)[2:]:
        assert expected[part].sum() == pytest.approx(drawn.later[part].sum(), rel=0.08)


def test_those_alive_now_and_later_are_as_many_as_foretold(world):
    drawn, found = world
    now = p_alive(found, drawn.x, drawn.t_x, drawn.T)
    later = p_alive_after(found, drawn.x, drawn.t_x, drawn.T, days=7 * WEEKS_AFTER)
    assert now.mean() == pytest.approx(drawn.alive.mean(), abs=0.01)
    assert later.mean() == pytest.approx(drawn.alive_later.mean(), abs=0.01)
    for part in np.array_split(np.argsort(now), 8):
        assert now[part].mean() == pytest.approx(drawn.alive[part].mean(), abs=0.03)
        assert later[part].mean() == pytest.approx(drawn.alive_later[part].mean(), abs=0.03)


def test_spend_is_recovered_and_foretold():
    rng = np.random.default_rng(5)
    count = 1.0 + rng.poisson(rng.gamma(0.8, 3, 40_000))
    rate = np.random.default_rng(6).gamma(4.0, 1 / 15.0, len(count))
    mean = draw_spend(count=count, p=6, q=4, gamma=15, seed=6)
    found = fit_spend(mean, count)
    assert (found.p, found.q, found.gamma) == pytest.approx((6, 4, 15), rel=0.1)
    assert abs(found.correlation) < 0.03
    truth = 6 / rate
    foretold = expected_spend(found, mean, count)
    for part in np.array_split(np.argsort(foretold), 10):
        assert foretold[part].mean() == pytest.approx(truth[part].mean(), rel=0.03)
