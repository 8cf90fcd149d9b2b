from datetime import date
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import ibis
import pandas as pd

from netlift.config.business import CheckSettings
from netlift.data.checks.quality import measure_quality
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform

SETTINGS = SimpleNamespace(check=CheckSettings())
MONTHS = [(date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 2, 1), date(2026, 3, 1))]


def measure(**frames):
    sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
    tables = conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
    return {(row.table, row.month.month): row for row in measure_quality(tables, SETTINGS, months=MONTHS)}


def customers(*ids):
    return pd.DataFrame({"customer_id": ids, "joined_at": pd.Timestamp("2025-06-01")})


def receipts(rows, **columns):
    ids, moments = zip(*rows, strict=True)
    at = pd.to_datetime(list(moments), format="ISO8601")
    return pd.DataFrame({"customer_id": ids, "occurred_at": at, "revenue": 1.0, "margin": 1.0}).assign(**columns)


def test_rows_orphans_and_repeats_are_counted_in_their_own_month():
    own = receipts(
        [
            ("a", "2026-01-01"),
            ("a", "2026-01-31 23:59:59"),
            ("x", "2026-02-01"),
            ("a", "2026-02-02"),
            ("a", "2026-03-01"),
        ],
        transaction_id=["1", "1", "2", "3", "4"],
    )
    found = measure(customers=customers("a"), transactions=own)
    january, february = found["transactions", 1], found["transactions", 2]
    assert (january.rows, january.duplicates, january.orphans, january.empty_days) == (2, 1, 0, 29)
    assert (february.rows, february.duplicates, february.orphans, february.empty_days) == (2, 0, 1, 26)


def test_late_rows_are_those_known_over_a_day_after():
    moments = [("a", "2026-01-01"), ("a", "2026-01-02"), ("a", "2026-01-03")]
    known = pd.to_datetime(["2026-01-02", "2026-01-05 12:00", None], format="ISO8601")
    found = measure(customers=customers("a"), transactions=receipts(moments, ingested_at=known))
    assert (found["transactions", 1].late_rows, found["transactions", 1].longest_delay_days) == (1, 3.5)


def test_where_nobody_says_when_rows_arrived_lateness_is_absent():
    found = measure(customers=customers("a"), transactions=receipts([("a", "2026-01-01")]))
    assert found["transactions", 1].late_rows is None and found["transactions", 1].longest_delay_days is None


def test_missing_and_impossible_values_are_counted():
    own = receipts([("a", "2026-01-01"), ("a", "2026-01-02")])
    own.loc[0, "revenue"] = None
    own.loc[1, "margin"] = float("inf")
    found = measure(customers=customers("a"), transactions=own)
    assert (found["transactions", 1].missing, found["transactions", 1].other) == (1, 1)


def test_a_month_without_rows_is_a_row_of_zeros_and_campaigns_have_no_empty_days():
    campaigns = pd.DataFrame({"campaign_id": ["c"], "started_at": [pd.Timestamp("2026-01-05")], "outcome_days": [28]})
    found = measure(customers=customers("a"), transactions=receipts([("a", "2026-01-01")]), campaigns=campaigns)
    assert found["transactions", 2].rows == 0 and found["transactions", 2].empty_days == 28
    assert found["campaigns", 1].rows == 1 and found["campaigns", 1].empty_days is None
