from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from segment_tables import make_tables

from netlift.config.segments import LostSettings
from netlift.segments.inactivity import landmark_of, times_to_loss

SILENCE = LostSettings(kind="silence", silence_days=30, follow_days=100)
AS_OF = date(2026, 1, 1)


def recount(days, landmark):
    """First day of the first silence of 30 days, in days after the landmark; None when it was not by the end."""
    seen = sorted({day for day in days if landmark - timedelta(days=30) <= day < AS_OF})
    for day, following in zip(seen, [*seen[1:], AS_OF], strict=True):
        if (following - day).days >= 30:
            return max((day - landmark).days, 0)
    return None


def test_silences_are_those_of_a_recount_by_hand():
    rng = np.random.default_rng(1)
    landmark = landmark_of(SILENCE, as_of=AS_OF)
    assert (AS_OF - landmark).days == 130
    bought = {f"{k:02d}": [] for k in range(60)}
    for days in bought.values():
        day = landmark - timedelta(days=int(rng.integers(1, 30)))
        while day < AS_OF + timedelta(days=20):
            days.append(day)
            day += timedelta(days=int(rng.integers(1, 24) if rng.random() < 0.8 else rng.integers(25, 60)))
    receipts = pd.DataFrame(
        [(who, pd.Timestamp(day), 1.0, 1.0) for who, days in bought.items() for day in days],
        columns=["customer_id", "occurred_at", "revenue", "margin"],
    )
    customers = pd.DataFrame({"customer_id": list(bought), "joined_at": pd.Timestamp("2020-01-01")})
    tables = make_tables({"customers": customers, "transactions": receipts})
    days, lost = times_to_loss(tables, SILENCE, np.array(list(bought), dtype=object), as_of=AS_OF)
    expected = [recount(own, landmark) for own in bought.values()]
    assert lost.tolist() == [day is not None and day < 100 for day in expected]
    assert days.tolist() == [100.0 if day is None or day >= 100 else float(day) for day in expected]
    assert 10 < lost.sum() < 60


def test_a_return_ends_no_silence():
    customers = pd.DataFrame({"customer_id": ["a"], "joined_at": pd.Timestamp("2020-01-01")})
    receipts = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a"],
            "occurred_at": pd.to_datetime(["2025-08-20", "2025-09-10", "2025-10-01"]),
            "revenue": [5.0, -5.0, 9.0],
            "margin": [1.0, -1.0, 2.0],
        }
    )
    tables = make_tables({"customers": customers, "transactions": receipts})
    days, lost = times_to_loss(tables, SILENCE, np.array(["a"], dtype=object), as_of=AS_OF)
    assert (days.tolist(), lost.tolist()) == ([0.0], [True])  # silent from 20 August, before the landmark of 24 August


def test_a_contract_ends_when_it_is_cancelled_and_not_after_the_day_asked_for():
    contract = LostSettings(kind="cancellation", follow_days=100)
    cancelled = pd.to_datetime(["2025-10-01", None, "2026-02-01", "2025-12-31"])
    ids = np.array(list("abcd"), dtype=object)
    customers = pd.DataFrame({"customer_id": ids, "joined_at": pd.Timestamp("2020-01-01"), "cancelled_at": cancelled})
    receipts = pd.DataFrame(
        {"customer_id": ["a"], "occurred_at": pd.to_datetime(["2025-08-20"]), "revenue": [5.0], "margin": [1.0]}
    )
    tables = make_tables({"customers": customers, "transactions": receipts})
    days, lost = times_to_loss(tables, contract, ids, as_of=AS_OF)
    assert days.tolist() == pytest.approx([8.0, 100.0, 100.0, 99.0])
    assert lost.tolist() == [True, False, False, True]
