from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from logged_world import OFFERS, forecast, log, plant

from netlift.errors import DataError
from netlift.estimators.uplift.relative_effects import clustered_slope
from netlift.evaluation.policy import profit_forecast as drawn_worth
from netlift.evaluation.policy.forecast_lines import FittedLine, Lines
from netlift.evaluation.policy.profit_forecast import find_drawn_worth, find_worth

N = 3_000
TWO = np.array([0, 1])


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(12)
    world = plant(N, rng)
    logged = log(world, rng, customer=np.arange(N) // 2)
    chances = np.full((N, OFFERS), 1 / (OFFERS + 1)) * np.array([1.0, 1.0, 0.5, 0.0])
    return world, logged, find_worth(logged, world.choice, world.chosen), chances


def test_one_line_alone_has_the_error_of_its_worth_and_the_chance_of_its_contacts(fitted):
    world, logged, worth, _ = fitted
    given = world.chosen[world.choice > 0]
    lines = Lines.of([worth.line], level=logged.level, chosen=[False])
    k = len(given)
    assert lines.covariance[0, 0] ** 0.5 == pytest.approx(logged.clusters.error(worth.at(0.0).influence))
    error, noise = lines.errors(given, np.zeros(k, dtype=np.int64))
    assert error == pytest.approx(k * logged.clusters.error(worth.at(given.mean()).influence))
    assert noise == pytest.approx((k * worth.own_noise) ** 0.5)
    assert forecast(worth, given).point == pytest.approx(k * worth.at(given.mean()).point)
    assert forecast(worth, given[:0]).ci_upper == 0, "nobody contacted earns nothing for certain"


def test_the_line_of_a_lot_is_a_weighted_regression_over_pairs_clustered_by_customer(fitted):
    world, logged, _, chances = fitted
    drawn = find_drawn_worth(logged, chances, world.predicted)
    row, arm = np.nonzero(chances)
    effect = logged.scores[row, arm + 1] - logged.scores[row, 0]
    slope, error = clustered_slope(world.predicted[row, arm], effect, chances[row, arm], logged.customer[row])
    line = Lines.of([drawn.line], level=0.95, chosen=[False])
    assert drawn.line.slope == pytest.approx(slope)
    assert line.covariance[1, 1] ** 0.5 == pytest.approx(error, rel=0.01)
    assert drawn.contacts == len(row) == 3 * N


def test_groups_fitted_on_the_same_rows_share_their_error(fitted):
    world, logged, worth, chances = fitted
    drawn = find_drawn_worth(logged, chances, world.predicted)
    lines = Lines.of([worth.line, drawn.line], level=0.95, chosen=[False, False])
    alone = [Lines.of([one.line], level=0.95, chosen=[False]).covariance for one in (worth, drawn)]
    assert np.allclose(lines.covariance[:2, :2], alone[0]) and np.allclose(lines.covariance[2:, 2:], alone[1])
    assert lines.covariance[0, 2] > 0, "the same rows drew the same luck"
    same = Lines.of([worth.line, worth.line], level=0.95, chosen=[False, False])
    x = np.array([1.0, 2.5])
    both, one = same.total(x, TWO, unit="RUB", method=""), same.total(x, 0 * TWO, unit="RUB", method="")
    assert (both.point, both.ci_lower) == pytest.approx((one.point, one.ci_lower)), "two groups of one line are one"


def test_the_covariance_is_that_of_a_jackknife_of_customers():
    rng = np.random.default_rng(3)
    world = plant(200, rng)
    logged = log(world, rng)
    chances = np.full((200, OFFERS), 0.2)

    def lines(rows):
        part = {name: getattr(logged, name)[rows] for name in ("y", "arm", "propensity", "scores", "customer")}
        own = replace(logged, **part)
        worth = find_worth(own, world.choice[rows], world.chosen[rows])
        drawn = find_drawn_worth(own, chances[rows], world.predicted[rows])
        return Lines.of([worth.line, drawn.line], level=0.95, chosen=[False, False])

    everybody = np.arange(200)
    left = np.array([lines(everybody != i).coefficients.ravel() for i in everybody])
    jackknife = (left - left.mean(axis=0)).T @ (left - left.mean(axis=0)) * 199 / 200
    own = lines(everybody).covariance
    scale = np.sqrt(np.outer(np.diag(own), np.diag(own)))
    assert np.allclose(jackknife / scale, own / scale, atol=0.15)


def test_each_contact_adds_its_own_chance_and_shares_the_rest():
    nothing = FittedLine(intercept=1.0, slope=0.0, influence=np.zeros((4, 2)), customer=np.arange(4), own_noise=4.0)
    other = FittedLine(intercept=2.0, slope=0.5, influence=np.zeros((4, 2)), customer=np.arange(4), own_noise=9.0)
    lines = Lines.of([nothing, other], level=0.95, chosen=[False, False])
    group, x = np.array([0, 0, 1]), np.array([5.0, 6.0, 4.0])
    total = lines.total(x, group, unit="RUB", method="by hand", beside=10.0)
    assert total.point == 1 + 1 + 4 + 10 and lines.correct(x, group).tolist() == [1.0, 1.0, 4.0]
    assert (total.ci_upper - total.point) / 1.959964 == pytest.approx((4 + 4 + 9) ** 0.5)
    assert (lines.half_width(x, group) == 0).all(), "of what is expected of such customers nothing is in doubt"


def test_of_very_many_rows_every_kth_is_asked(fitted, monkeypatch):
    world, logged, _, chances = fitted
    monkeypatch.setattr(drawn_worth, "MOST_PAIRS", 4_000)
    drawn, every = find_drawn_worth(logged, chances, world.predicted), slice(None, None, 3)
    part = {name: getattr(logged, name)[every] for name in ("y", "arm", "propensity", "scores", "customer")}
    own = find_drawn_worth(replace(logged, **part), chances[every], world.predicted[every])
    assert drawn.contacts == N and (drawn.line.slope, drawn.own_noise) == pytest.approx((own.line.slope, own.own_noise))


def test_too_few_pairs_of_a_lot_are_refused(fitted):
    world, logged, _, chances = fitted
    few = np.where(np.arange(N)[:, None] < 5, chances, 0.0)
    with pytest.raises(DataError, match="15 pairs"):
        find_drawn_worth(logged, few, world.predicted)


@given(
    intercept=st.floats(-5, 5),
    slope=st.floats(-1, 3),
    predicted=arrays(np.float64, 12, elements=st.floats(0, 50)),
)
def test_what_was_chosen_for_its_prediction_is_never_promised_more(intercept, slope, predicted):
    line = FittedLine(
        intercept=intercept, slope=slope, influence=np.eye(12)[:, :2], customer=np.arange(12), own_noise=1.0
    )
    group = np.zeros(12, dtype=np.int64)
    chosen, by_lot = (Lines.of([line], level=0.95, chosen=[is_chosen]) for is_chosen in (True, False))
    total, free = (one.total(predicted, group, unit="RUB", method="") for one in (chosen, by_lot))
    assert total.point == pytest.approx(min(free.point, predicted.sum()))
    assert total.ci_upper == pytest.approx(free.ci_upper), "what the line would add is in the upper end"
    assert total.point - total.ci_lower == pytest.approx(free.point - free.ci_lower)
