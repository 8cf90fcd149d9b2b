"""What holds of any purchases: histories recomputed row by row, days in their order, probabilities that add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purchase_rhythms import DAYS, make_rhythms

from netlift.next_purchase.evaluation import QUANTILES
from netlift.next_purchase.model import learn_next_purchases
from netlift.next_purchase.next_category import read_habits, spread_due
from netlift.next_purchase.purchases import make_purchases
from netlift.next_purchase.rhythm import Hazard
from netlift.next_purchase.traces import NEVER, median_gaps, trace

HORIZON = 84
NAMES = ("tea", "milk", "soap", "lamp")
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(-1, 2)), min_size=1, max_size=40)


def purchases_of(rows):
    columns = (np.array(column) for column in zip(*sorted(rows), strict=True))
    return make_purchases(*columns, ids=np.array(["a", "b", "c", "d"], dtype=object), categories=NAMES)


@settings(max_examples=60)
@given(ROWS, st.integers(1, 60), st.booleans())
def test_a_history_is_what_its_rows_say(rows, cutoff, by_category):
    seen = trace(purchases_of(rows), cutoff, by_category=by_category)
    kept = {}
    for customer, day, code in rows:
        if code >= 0 or not by_category:
            kept.setdefault((customer, code if by_category else 0), set()).add(day)
    before = {key: sorted(day for day in days if day < cutoff) for key, days in kept.items()}
    wanted = {key: days for key, days in before.items() if days}
    assert sorted(zip(seen.customer.tolist(), seen.code.tolist(), strict=True)) == sorted(wanted)
    assert (np.diff(seen.customer) >= 0).all()
    pooled = {}
    for i, key in enumerate(zip(seen.customer.tolist(), seen.code.tolist(), strict=True)):
        gaps = np.diff(wanted[key])
        pooled.setdefault(key[1], []).extend(gaps)
        assert (seen.gaps[i], seen.first[i], seen.last[i]) == (len(gaps), wanted[key][0], wanted[key][-1])
        assert seen.log_sum[i] == pytest.approx(np.log(gaps).sum())
        assert seen.log_squares[i] == pytest.approx((np.log(gaps) ** 2).sum())
        assert seen.following[i] == min((day for day in kept[key] if day >= cutoff), default=NEVER)
    medians = median_gaps(purchases_of(rows), cutoff, by_category=by_category)
    for code, gaps in pooled.items():
        if gaps:
            assert medians[code] == sorted(gaps)[(len(gaps) - 1) // 2]
        else:
            assert np.isnan(medians[code])


@pytest.fixture(scope="module")
def learned():
    purchases, _ = make_rhythms(700, seed=8)
    return learn_next_purchases(purchases, end=DAYS, horizon=HORIZON, seed=1)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 400))
def test_days_keep_their_order_and_probabilities_add_up(learned, rows, later):
    purchases = purchases_of(rows)
    cutoff = int(purchases.day.max()) + later
    seen = trace(purchases, cutoff, by_category=False)
    told = learned.rhythm.predict(seen, levels=QUANTILES)
    assert ((told.probability >= 0) & (told.probability <= 1)).all()
    assert (np.diff(told.day, axis=0) >= 0).all()
    assert (told.day >= cutoff).all() and (told.day < cutoff + HORIZON).all()
    assert (told.due > seen.last).all()
    typical, own = learned.rhythm.typical_gap(seen), np.exp(seen.log_sum / np.maximum(seen.gaps, 1))
    typed = np.exp(learned.rhythm.center[0])
    low, high = np.minimum(own, typed), np.maximum(own, typed)
    assert ((low - 1e-9 <= typical) & (typical <= high + 1e-9))[seen.gaps > 0].all(), "between own and everybody's"
    pairs = trace(purchases, cutoff, by_category=True)
    if len(pairs):
        customers = np.unique(pairs.customer)
        due = spread_due(pairs, learned.pair_rhythm.predict(pairs, levels=()), customers, len(NAMES))
        habits = read_habits(purchases, customers, cutoff, cutoff)
        np.testing.assert_allclose(learned.category.predict(habits, due).sum(axis=1), 1.0)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.1, 3), min_size=2, max_size=6),
    st.lists(st.floats(0.01, 5), min_size=6, max_size=6),
    st.floats(-1, 30),
)
def test_a_quantile_of_a_hazard_is_where_so_much_has_accumulated(widths, rates, z):
    at = np.concatenate([[0.0], np.cumsum(widths)])
    hazard = Hazard(at=at, total=np.concatenate([[0.0], np.cumsum(np.array(widths) * rates[: len(widths)])]))
    total = hazard.cumulative(np.array([z]))
    assert hazard.where(total)[0] == pytest.approx(max(z, 0.0), abs=1e-6)
