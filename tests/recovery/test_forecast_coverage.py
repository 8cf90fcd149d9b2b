"""Intervals of the margin forecast hold what came in shops of known truth, and the forecast beats naive ones there."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from forecast_world import make_world, one_group

from netlift.forecast.backtest import METHODS, MODEL, naive_forecasts
from netlift.forecast.compose import ForecastBasis, forecast_margin
from netlift.forecast.result import ALL, JOINERS, KNOWN

pytestmark = pytest.mark.slow

WORLDS = 8
BASIS = ForecastBasis(
    business="w", as_of=date(2026, 10, 1), currency="RUB", level=0.95, revenue_based=False, groups=(KNOWN,)
)


@pytest.fixture(scope="module")
def forecasts():
    """Forecast and truth of each shop."""
    found = []
    for seed in range(WORLDS):
        world = make_world(seed, months=33, start=150, joiners=9)
        found.append((forecast_margin(BASIS, world.purchases, one_group(world.purchases)), world))
    return found


@pytest.mark.parametrize("group", [ALL, KNOWN, JOINERS])
def test_intervals_of_quarter_and_year_hold_the_truth(forecasts, group):
    held, wide = [], []
    for found, world in forecasts:
        truth = {ALL: world.truth, JOINERS: world.of_joiners, KNOWN: world.truth - world.of_joiners}[group]
        for span, months in (("quarter", 3), ("year", 12)):
            one = found.line(span, group).total
            held.append(one.ci_lower <= truth[:months].sum() <= one.ci_upper)
            wide.append((one.ci_upper - one.ci_lower) / (2 * one.point))
    assert np.mean(held) >= 0.9
    assert np.median(wide) < (1.0 if group == JOINERS else 0.5)


def test_intervals_of_months_hold_the_truth(forecasts):
    held = [
        one.total.ci_lower <= came <= one.total.ci_upper
        for found, world in forecasts
        for one, came in zip(
            [line for line in found.lines if (line.span, line.group) == ("month", ALL)], world.truth, strict=True
        )
    ]
    assert np.mean(held) >= 0.92


def test_the_forecast_is_nearer_than_naive_ones(forecasts):
    errors = []
    for found, world in forecasts:
        naive = naive_forecasts(world.purchases.totals, world.purchases.months)
        year = [found.line("year").total.point, *(float(one.sum()) for one in naive)]
        errors.append(np.abs(np.log(world.truth.sum() / np.array(year))))
    own, *naive = np.mean(errors, axis=0)
    assert own <= min(naive)


def test_a_naive_forecast_that_was_nearer_is_the_one_that_is_used(forecasts):
    seen = set()
    for found, world in forecasts:
        naive = dict(zip(METHODS[1:], naive_forecasts(world.purchases.totals, world.purchases.months), strict=True))
        for span, months in (("quarter", 3), ("year", 12)):
            nearer = {
                one.naive_error: one.naive for one in found.beside if one.span == span and one.difference.point > 0
            }
            method = nearer[min(nearer)] if nearer else MODEL
            assert found.methods[span] == method
            seen.add(method)
            if method != MODEL:
                assert found.line(span).total.point == pytest.approx(naive[method][:months].sum())
    assert MODEL in seen and len(seen) > 1
