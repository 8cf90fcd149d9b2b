from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from segment_tables import make_tables

from netlift.segments.payback import Cohorts, find_payback, read_cohorts


def cohorts(margin, cost, months):
    n = len(cost)
    return Cohorts(customer_id=np.arange(n).astype(str), cost=cost, months=months, margin=margin, before_history=0)


def world(rng, *, n, cost=100.0, monthly=11.0, most=24):
    months = rng.integers(1, 36, n)
    lived = months[:, None] > np.arange(most)
    return cohorts(rng.gamma(0.5, 2 * monthly, (n, most)) * lived, rng.gamma(4, cost / 4, n), months)


def test_the_month_is_the_first_in_which_cumulated_margin_reaches_the_cost():
    found = find_payback(world(np.random.default_rng(1), n=40_000), level=0.95)
    assert (found.months, found.ci_lower, found.ci_upper) == (10, 10, 10)  # 9 x 11 < 100 <= 10 x 11
    assert found.within_months == 24


def test_cohorts_that_have_lived_less_do_not_pull_the_sum_down():
    margin = np.array([[10.0, 10, 10, 10], [10, 0, 0, 0], [10, 10, 0, 0]])
    found = find_payback(cohorts(margin, np.full(3, 20.0), np.array([4, 1, 2])), level=0.95)
    assert (found.months, found.within_months) == (2, 2)  # from the third month on one customer alone is left


def test_the_interval_covers_the_true_month_as_often_as_it_says():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(300):
        found = find_payback(world(rng, n=150), level=0.95)
        hits += (found.ci_lower or 99) <= 10 <= (found.ci_upper or 99)
    assert hits / 300 > 0.94


def test_what_is_not_paid_back_says_so_and_never_a_month():
    n = np.random.default_rng(3).normal(1.0, 0.5, (50, 12))
    found = find_payback(cohorts(n, np.full(50, 1000.0), np.full(50, 12)), level=0.95)
    assert (found.months, found.ci_upper) == (None, None)
    assert str(found) == "not within 12 months"


def test_nobody_a_month_old_has_no_payback():
    assert find_payback(cohorts(np.zeros((3, 6)), np.ones(3), np.zeros(3, dtype=int)), level=0.95) is None
    assert find_payback(cohorts(np.zeros((0, 6)), np.ones(0), np.zeros(0, dtype=int)), level=0.95) is None


def test_cohorts_are_read_from_the_tables_month_by_month_as_a_recount_says():
    rng = np.random.default_rng(4)
    joined = pd.to_datetime("2025-01-01") + pd.to_timedelta(rng.integers(-60, 300, 40), unit="D")
    ids = np.array([f"{k:02d}" for k in range(40)], dtype=object)
    owner = rng.integers(0, 40, 600)
    at = joined[owner] + pd.to_timedelta(rng.integers(0, 400 * 24, 600), unit="h")
    margin = rng.normal(10, 5, 600)
    customers = pd.DataFrame(
        {"customer_id": ids, "joined_at": joined, "acquisition_cost": np.where(ids > "05", 5.0, np.nan)}
    )
    receipts = pd.DataFrame({"customer_id": ids[owner], "occurred_at": at, "revenue": 1.0, "margin": margin})
    tables = make_tables({"customers": customers, "transactions": receipts})
    as_of = date(2025, 12, 1)
    found = read_cohorts(tables, first=date(2025, 1, 1), as_of=as_of, months=6)
    kept = (ids > "05") & (joined >= "2025-01-01") & (joined < "2025-12-01")
    assert found.customer_id.tolist() == ids[kept].tolist()
    assert found.before_history == int(((ids > "05") & (joined < "2025-01-01")).sum())
    expected = np.zeros((40, 6))
    for who, when, money in zip(owner, at, margin, strict=True):
        month = int((when - joined[who]) / pd.Timedelta(days=365.25 / 12))
        if when < pd.Timestamp(as_of) and month < 6:
            expected[who, month] += money
    assert found.margin == pytest.approx(expected[kept])
    assert found.months.tolist() == [
        int((pd.Timestamp(as_of) - day) / pd.Timedelta(days=365.25 / 12)) for day in joined[kept]
    ]
