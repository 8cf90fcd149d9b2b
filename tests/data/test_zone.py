"""Zoned instants as local wall-clock time, against Python's own zone rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.data.zone import offset_changes, to_local

ZONES = ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]


@pytest.fixture(scope="module")
def connection():
    connection = ibis.duckdb.connect(threads=1)
    yield connection
    connection.disconnect()


def local(connection, instants, zone):
    column = pa.array(instants, pa.timestamp("us", "UTC"))
    connection.con.register("moments", pa.table({"at": column}))
    moments = connection.table("moments")
    return moments.select(at=to_local(moments.at, ZoneInfo(zone))).to_pyarrow()["at"].to_pylist()


def by_python(instants, zone):
    return [at and at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for at in instants]


@pytest.mark.parametrize("zone", ZONES)
def test_five_years_are_where_python_puts_it(connection, zone):
    start = datetime(2010, 6, 1, tzinfo=UTC)  # Moscow stopped changing clocks in 2011 and moved again in 2014
    moments = [start + timedelta(minutes=30 * number) for number in range(0, 2 * 24 * 365 * 5, 7)]
    assert local(connection, moments, zone) == by_python(moments, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_the_microseconds_around_a_change_of_clocks_fall_on_the_right_side(connection, zone):
    changes = offset_changes(ZoneInfo(zone), datetime(2009, 1, 1), datetime(2026, 1, 1))[1:]
    around = [at.replace(tzinfo=UTC) + timedelta(microseconds=step) for at, _ in changes for step in (-1, 0, 1)]
    around.append(datetime(2026, 1, 1, tzinfo=UTC))
    assert local(connection, around, zone) == by_python(around, zone)


@given(at=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)), zone=st.sampled_from(ZONES))
def test_the_distance_from_utc_is_pythons_at_any_second(at, zone):
    at = at.replace(microsecond=0)
    changes = offset_changes(ZoneInfo(zone), at - timedelta(days=200), at)
    seconds = [distance for since, distance in changes if since <= at][-1]
    assert timedelta(seconds=seconds) == at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()


def test_missing_instants_stay_missing(connection):
    assert local(connection, [None, None], "Europe/Moscow") == [None, None]
    assert local(connection, [None, datetime(2026, 1, 1, tzinfo=UTC)], "Europe/Moscow")[0] is None


def test_midnight_in_moscow_begins_a_new_day_while_utc_has_the_old_one(connection):
    (at,) = local(connection, [datetime(2026, 3, 31, 21, 0, tzinfo=UTC)], "Europe/Moscow")
    assert at == datetime(2026, 4, 1)
