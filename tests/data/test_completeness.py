"""Up to which day the data are complete: named, told by a column, or by the newest row, and held against the rows."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest

from netlift.cli.terminal import load_business
from netlift.config.business import load
from netlift.data.completeness import check_completeness, find_complete_end
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.history import read_history, seen_until
from netlift.data.read import conform
from netlift.errors import ConfigError, DataError
from netlift.pipelines.score import require_fresh

LAST_RECEIPT, LAST_EVENT, LOADED = datetime(2026, 3, 7, 19), datetime(2026, 3, 10, 8), datetime(2026, 3, 12, 4)
DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


def small_shop(*, until=None, receipts=(datetime(2026, 1, 1), datetime(2026, 3, 1), LAST_RECEIPT)):
    rows = pd.DataFrame({"customer_id": "a", "occurred_at": list(receipts), "revenue": 10.0, "margin": 3.0})
    rows["ingested_at"] = LOADED
    sources = {
        "customers": pd.DataFrame({"customer_id": ["a"], "joined_at": [datetime(2025, 1, 1)]}),
        "transactions": rows,
        "events": pd.DataFrame({"customer_id": ["a"], "occurred_at": [LAST_EVENT], "kind": ["open"]}),
    }
    memory = {name: ibis.memtable(frame) for name, frame in sources.items()}
    tables = conform(DuckDBEngine(), memory, attributes=(), zone=ZoneInfo("UTC"))
    return replace(tables, complete_end=find_complete_end(tables, until))


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (None, date(2026, 3, 8)),  # the day of the newest receipt counts
        (date(2026, 3, 9), date(2026, 3, 10)),
        ("newest_row", date(2026, 3, 11)),
        ("events.occurred_at", date(2026, 3, 11)),
        ("transactions.ingested_at", date(2026, 3, 12)),  # loaded in the night of the 12th: the 11th is whole
    ],
)
def test_windows_are_closed_up_to_the_complete_day_and_no_farther(until, end) -> None:
    tables = small_shop(until=until)
    assert read_history(tables).end == end
    midnight = datetime.combine(end, datetime.min.time())
    assert seen_until(tables, None) == seen_until(tables, midnight + timedelta(days=30)) == midnight
    assert seen_until(tables, midnight - timedelta(days=1)) == midnight - timedelta(days=1)
    require_fresh(tables, end + timedelta(days=2), 3)
    with pytest.raises(DataError, match=str(end - timedelta(days=1))):
        require_fresh(tables, end + timedelta(days=3), 3)


def test_a_complete_day_before_rows_is_told_and_one_before_all_receipts_refused() -> None:
    early = small_shop(until=date(2026, 3, 1))
    found = {(each.table, each.code): each for each in check_completeness(early)}
    assert {code for _, code in found} == {"after-complete-until"}
    assert (found["transactions", "after-complete-until"].count, found["events", "after-complete-until"].count) == (
        1,
        1,
    )
    assert all(each.severity == "warning" for each in found.values())
    today = check_completeness(small_shop(until=date(2026, 3, 9)))  # the day that is not over yet
    assert [(each.table, each.severity) for each in today] == [("events", "info")]
    with pytest.raises(DataError, match="the first receipt is of 2026-01-01"):
        read_history(small_shop(until=date(2025, 12, 31)))


def test_a_complete_day_long_after_every_row_and_a_receipt_far_ahead_are_told() -> None:
    assert [each.code for each in check_completeness(small_shop(until=date(2026, 4, 11)))] == [
        "silent-to-complete-until"
    ]
    assert check_completeness(small_shop(until=date(2026, 4, 9))) == []
    ahead = (datetime(2026, 1, 1), LAST_RECEIPT, datetime(2036, 3, 8))
    (alone,) = check_completeness(small_shop(receipts=ahead))
    assert (alone.code, alone.count) == ("newest-alone", 1)
    assert {each.code for each in check_completeness(small_shop(receipts=ahead, until=date(2026, 3, 10)))} == {
        "after-complete-until"
    }


def test_a_shop_that_sold_nothing_lately_is_told_what_to_say() -> None:
    (found,) = check_completeness(small_shop())
    assert (found.code, found.severity) == ("receipts-end-early", "info")
    assert "2026-03-07" in found.message and "2026-03-10" in found.message and "newest_row" in found.message


@pytest.mark.parametrize("until", ["events.ocurred_at", "events.kind", "surveys.answered_at", "transactions.margin"])
def test_a_watermark_that_is_no_moment_is_refused_by_name(until) -> None:
    with pytest.raises(ConfigError, match=until):
        small_shop(until=until)


def test_the_config_takes_a_day_a_column_or_the_newest_row_and_no_day_to_come(tmp_path) -> None:
    def written(until):
        path = tmp_path / "shop.yaml"
        text = DEMO.read_text().replace("  attributes:", f"  complete_until: {until}\n  attributes:")
        path.write_text(text.replace("../", f"{DEMO.parents[1]}/"))
        return path

    assert load(written("2026-09-30")).data.complete_until == date(2026, 9, 30)
    assert load(written("events.occurred_at")).data.complete_until == "events.occurred_at"
    for wrong in ("30.09.2026", "evnts.occurred_at", "newest"):
        with pytest.raises(ConfigError, match="complete_until"):
            load(written(wrong))
    assert load_business(written("2020-02-29")).data.complete_until == date(2020, 2, 29)
    with pytest.raises(ConfigError, match="a day is complete when it is over"):
        load_business(written("2999-01-01"))
