"""Rows that repeat: a file that was loaded twice is told from honest twins, in whole and in part."""

from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.data.checks.repeats import find_repeats
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform

pytestmark = pytest.mark.slow

START = pd.Timestamp("2026-01-01")


def receipts(rows=20_000, *, by_day=True, prices=40, seed=1):
    """A busy shop: popular prices, and, dated by the day alone, customers who buy the same twice on a day."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, prices + 1)
    price = rng.choice(np.arange(1, prices + 1) * 10.0, rows, p=weights / weights.sum())
    seconds = np.zeros(rows) if by_day else rng.integers(0, 86_400, rows)
    at = START + pd.to_timedelta(rng.integers(0, 60, rows), unit="D") + pd.to_timedelta(seconds, unit="s")
    who = rng.integers(0, 800, rows)
    return pd.DataFrame(
        {"customer_id": [f"c{i}" for i in who], "occurred_at": at, "revenue": price, "margin": price / 2}
    )


def find(frame, name="transactions", *, pick=None):
    people = pd.DataFrame({"customer_id": frame.customer_id.unique(), "joined_at": START})
    tables = {"customers": people, "transactions": receipts(5), name: frame}
    sources = {table: ibis.memtable(rows) for table, rows in tables.items()}
    opened = conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
    return find_repeats(opened, name, rows=None if pick is None else pick(opened[name]))


@pytest.mark.parametrize("by_day", [True, False])
@pytest.mark.parametrize("prices", [5, 40, 1000])
def test_honest_twins_are_counted_and_not_suspected(by_day, prices) -> None:
    for seed in range(3):
        frame = receipts(by_day=by_day, prices=prices, seed=seed)
        found = find(frame)
        assert found.surplus == int(frame.duplicated().sum())
        assert not found.suspicious
        if by_day and prices > 5:
            assert found.expected == pytest.approx(found.surplus, rel=0.3)


@pytest.mark.parametrize("by_day", [True, False])
@pytest.mark.parametrize("prices", [5, 40, 1000])
def test_a_file_loaded_twice_is_found_whole_or_one_day_of_it(by_day, prices) -> None:
    frame = receipts(by_day=by_day, prices=prices)
    day = frame[frame.occurred_at.dt.normalize() == START + pd.Timedelta(days=30)].drop_duplicates()
    whole = find(pd.concat([frame.drop_duplicates()] * 2, ignore_index=True))
    assert whole.is_doubled and whole.suspicious and whole.surplus * 2 == whole.rows
    rest = frame[frame.occurred_at.dt.normalize() != START + pd.Timedelta(days=30)]
    one = find(pd.concat([rest, day, day], ignore_index=True))
    assert one.doubled_days == 1 and one.suspicious and not one.is_doubled


def test_a_slice_of_seconds_loaded_twice_is_found_though_no_day_is_whole() -> None:
    frame = receipts(by_day=False)
    found = find(pd.concat([frame, frame.sample(60, random_state=1)], ignore_index=True))
    assert found.suspicious and found.doubled_days == 0 and found.surplus == 60
    assert not find(pd.concat([frame, frame.head(3)], ignore_index=True)).suspicious


def test_events_of_one_kind_may_repeat_and_a_second_copy_of_them_may_not() -> None:
    rng = np.random.default_rng(4)
    events = receipts()[["customer_id", "occurred_at"]].assign(kind="open", value=np.nan)
    assert find(events, "events").surplus > 1000 and not find(events, "events").suspicious
    assert find(pd.concat([events, events], ignore_index=True), "events").suspicious
    answers = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(500)],
            "answered_at": START + pd.to_timedelta(rng.integers(0, 9, 500), unit="D"),
            "kind": "nps",
            "score": rng.integers(0, 11, 500).astype(float),
        }
    )
    assert not find(answers, "surveys").suspicious
    assert find(pd.concat([answers, answers], ignore_index=True), "surveys").suspicious


def test_rows_with_an_id_are_left_to_the_key_and_some_rows_can_be_asked_about() -> None:
    frame = receipts(by_day=False)
    assert find(frame.assign(transaction_id=[str(i) for i in range(len(frame))])) is None
    late = frame[frame.occurred_at >= START + pd.Timedelta(days=50)]
    doubled = pd.concat([frame, late], ignore_index=True)
    early = find(doubled, pick=lambda rows: rows.filter(rows.occurred_at < START + pd.Timedelta(days=50)))
    assert early.surplus == 0 and find(doubled).surplus == len(late)
