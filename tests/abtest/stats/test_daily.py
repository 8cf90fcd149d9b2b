"""Cumulative profit by day: each day recomputed, and a band over all days."""

import numpy as np
import pytest

from netlift.abtest.stats.difference import contrast, money
from netlift.abtest.stats.moments import PROFIT, of_rows
from netlift.abtest.stats.sequential import day_points

TERMS = {"level": 0.95, "currency": "EUR"}


def by_day(seed, n=800, days=14, effect=0.0, persistent=0.0):
    """Contrasts of cumulative profit; `persistent` customers differ from each other every day alike."""
    rng = np.random.default_rng(seed)
    arms = []
    for lift in (effect, 0.0):
        daily = rng.normal(lift, 1.0, (n, days)) + persistent * rng.normal(size=(n, 1))
        arms.append(np.cumsum(daily, axis=1))
    return [contrast(*(of_rows(arm[:, [day]], ("margin",)) for arm in arms)) for day in range(days)]


def test_each_day_is_the_money_up_to_it():
    found = by_day(1, effect=0.1)
    points = day_points("tea", found, days=range(14), fixed=20.0, **TERMS)
    assert [point.day for point in points] == list(range(14))
    for point, seen in zip(points, found, strict=True):
        assert point.profit.point == pytest.approx(money(seen, PROFIT, **TERMS, fixed=20.0)[0].point)
        assert point.profit.unit == "EUR"
        assert point.sequential_lower < point.profit.ci_lower < point.profit.ci_upper < point.sequential_upper


@pytest.mark.parametrize("persistent", [0.0, 0.5])
def test_somebody_watching_every_day_is_rarely_alarmed_without_cause(persistent):
    alarms, naive = 0, 0
    for seed in range(150):
        points = day_points("tea", by_day(seed, n=60, persistent=persistent), days=range(14), **TERMS)
        alarms += any(not p.sequential_lower <= 0 <= p.sequential_upper for p in points)
        naive += any(not p.profit.ci_lower <= 0 <= p.profit.ci_upper for p in points)
    assert alarms / 150 <= 0.05
    assert naive / 150 > 0.07


def test_days_before_the_first_receipt_have_a_band_of_the_later_ones():
    nothing = of_rows(np.zeros((800, 1)), ("margin",))
    found = [contrast(nothing, nothing), by_day(2)[0]]
    first, _ = day_points("tea", found, days=(0, 1), **TERMS)
    assert first.profit.ci_lower == first.profit.ci_upper == 0
    assert first.sequential_lower < 0 < first.sequential_upper


def test_without_any_receipts_there_is_no_band():
    nothing = of_rows(np.zeros((5, 1)), ("margin",))
    (point,) = day_points("tea", [contrast(nothing, nothing)], days=[0], **TERMS)
    assert (point.sequential_lower, point.sequential_upper) == (None, None)
    assert day_points("tea", [], days=[], **TERMS) == ()
