"""Moments as text: every form is read whole or not at all, against Python's own zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.data.instants import read_instants, strange_endings
from netlift.data.zone import to_utc

pytestmark = pytest.mark.slow

MOSCOW = ZoneInfo("Europe/Moscow")
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Argentina/Ushuaia"]


def read(*texts, zone=MOSCOW, **how):
    table = ibis.memtable(pa.table({"n": range(len(texts)), "x": pa.array(texts, pa.string())}))
    found = table.select("n", at=read_instants(table.x, zone, **how)).order_by("n")
    return found.to_pyarrow()["at"].to_pylist()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1)),
        ("  2026/3/1 7:05 ", datetime(2026, 3, 1, 7, 5)),
        ("20260301T093015.25", datetime(2026, 3, 1, 9, 30, 15, 250_000)),
        ("2026-03-01T09:30:15,5", datetime(2026, 3, 1, 9, 30, 15, 500_000)),
        ("2026-03-01 12:30 AM", datetime(2026, 3, 1, 0, 30)),
        ("2026-03-01 12:30 p.m.", datetime(2026, 3, 1, 12, 30)),
        ("2026-03-01 11:30PM", datetime(2026, 3, 1, 23, 30)),
        ("2026-03-01 11:30 PM UTC", datetime(2026, 3, 2, 2, 30)),
        ("2026-03-01T09:30Z", datetime(2026, 3, 1, 12, 30)),
        ("2026-03-01 09:30 GMT", datetime(2026, 3, 1, 12, 30)),
        ("20260301T0930+0530", datetime(2026, 3, 1, 7, 0)),
        ("2026-03-01 09:30:00 +03", datetime(2026, 3, 1, 9, 30)),
        ("2026-03-01 09:30−03:00", datetime(2026, 3, 1, 15, 30)),
        ("2026-07-01 09:30 Europe/Berlin", datetime(2026, 7, 1, 10, 30)),
        ("2026-01-01T09:30+01:00[Europe/Berlin]", datetime(2026, 1, 1, 11, 30)),
        ("2026-01-01T09:30Z[Europe/Berlin]", datetime(2026, 1, 1, 12, 30)),
        ("2026-01-01T09:30Z[UTC]", datetime(2026, 1, 1, 12, 30)),
        ("2026-01-01 09:30 Japan", datetime(2026, 1, 1, 3, 30)),
    ],
)
def test_a_moment_is_read_whole(text, moment):
    assert read(text) == [moment]


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "2026-02-30",
        "2026-03-01 25:00",
        "2026-03-01 13:00 PM",
        "2026-03-01 0:30 AM",
        "2026-03-01 09:30 MSK",
        "2026-07-01 09:30 CET",
        "2026-03-01 09:30Z[Europe/Nowhere]",
        "2026-03-01 09:30 CET",
        "2026-03-01 09:30 Mars/Base",
        "2026-03-01T09:30+04:00[Europe/Moscow]",
        "2026-03-01 09:30 +25",
        "2026-03-01 09:30 +03:75",
        "2026-03-01 09:30 GMT+3",
        "2026-03-01 09:30 or so",
        "01.03.2026",
        "soon",
    ],
)
def test_what_is_not_understood_to_its_last_character_is_not_read(text):
    assert read(text) == [None]


WALLS = st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 1)), min_size=1, max_size=10)


@settings(max_examples=10)
@given(WALLS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_named_zones_are_those_of_the_standard_library(walls, own, zone):
    walls = [wall.replace(microsecond=0, tzinfo=ZoneInfo(own)) for wall in walls]
    expected = [wall.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for wall in walls]
    assert read(*(f"{wall:%Y-%m-%d %H:%M:%S} {own}" for wall in walls), zone=ZoneInfo(zone)) == expected
    plain = [f"{wall:%Y-%m-%d %H:%M:%S}" for wall in walls]
    assert read(*plain, zone=ZoneInfo(zone), own_zone=ZoneInfo(own)) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_walls_around_every_change_of_clocks_of_a_year_are_those_of_the_standard_library(zone):
    walls = [datetime(2026, 1, 1) + timedelta(minutes=15 * n) for n in range(4 * 24 * 365)]
    table = ibis.memtable(pa.table({"at": pa.array(walls, pa.timestamp("us"))}))
    found = table.select(to=to_utc(table.at, ZoneInfo(zone))).to_pyarrow()["to"].to_pylist()
    assert found == [at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None) for at in walls]


def test_days_in_a_format_of_their_own():
    how = {"date_format": "%d.%m.%Y"}
    texts = ("31.12.2025 23:59", "1.2.2026 10:00 PM", "01.02.2026T10:00Z", "2026-02-01", "31.02.2026", "01.02.26")
    assert read(*texts, **how) == [
        datetime(2025, 12, 31, 23, 59),
        datetime(2026, 2, 1, 22),
        datetime(2026, 2, 1, 13),
        None,
        None,
        None,
    ]
    assert read("03/31/2026", date_format="%m/%d/%Y") == [datetime(2026, 3, 31)]


def test_words_behind_a_time_are_named_and_nothing_else_is():
    table = ibis.memtable(
        {"x": ["2026-01-01 10:00 MSK", "2026-01-01 10:00 MSK", "2026-01-01 9:00 CST", "Anna Ivanova"]}
    )
    assert strange_endings(table, table.x, read_instants(table.x, MOSCOW).isnull()) == ["MSK", "CST"]
