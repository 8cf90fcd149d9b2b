"""Instants with a zone as local wall-clock time of the business's one zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import ibis.expr.types as ir

EARLIEST, LATEST = datetime(1900, 1, 1), datetime(2199, 12, 31)


def offset_changes(zone: ZoneInfo, first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    """When the zone's distance from UTC changes between two UTC instants, and to how many seconds.

    The first entry is the distance at `first`.

    Examples:
        >>> changes = offset_changes(ZoneInfo("Europe/Berlin"), datetime(2026, 1, 1), datetime(2026, 12, 31))
        >>> [(f"{at:%m-%d %H}", seconds) for at, seconds in changes]
        [('01-01 00', 3600), ('03-29 01', 7200), ('10-25 01', 3600)]
    """
    changes = [(first, _offset(zone, first))]
    before = first
    while before < last:
        after = min(before + timedelta(days=1), last)
        if _offset(zone, after) != changes[-1][1]:
            low, high = before, after
            while high - low > timedelta(milliseconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == changes[-1][1] else (low, middle)
            at = (high + timedelta(milliseconds=500)).replace(microsecond=0)
            changes.append((at, _offset(zone, after)))
        before = after
    return changes


def to_local(instants: ir.TimestampColumn, zone: ZoneInfo) -> ir.TimestampColumn:
    """Zoned instants as wall-clock time of `zone`; the engine needs no zone tables of its own.

    Instants before 1900 or after 2199 keep UTC: no table may hold them, see `read.conform`.
    """
    import ibis

    utc = instants.cast("timestamp(6)")
    moments = utc.name("at").as_table()
    real = moments.filter(moments["at"].between(EARLIEST, LATEST))
    ends = real.aggregate(low=real["at"].min(), high=real["at"].max()).to_pyarrow().to_pylist()[0]
    if ends["low"] is None:
        return utc
    changes = offset_changes(zone, ends["low"].replace(microsecond=0), ends["high"] + timedelta(seconds=1))
    seconds = reduce(
        lambda rest, change: ibis.ifelse(utc >= ibis.literal(change[0], type="timestamp(6)"), change[1], rest),
        changes[1:],
        ibis.literal(changes[0][1], type="int64"),
    )
    return utc + seconds.as_interval("s")


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
