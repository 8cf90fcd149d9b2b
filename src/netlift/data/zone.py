"""Conversion of zoned timestamps to the business's local time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any
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
    utc = instants.cast("timestamp(6)")
    span = _span(utc)
    return utc if span is None else utc + seconds_by_utc(utc, zone, span).as_interval("s")


def to_utc(plain: ir.TimestampColumn, zone: ZoneInfo) -> ir.TimestampColumn:
    """Wall-clock times of a zone as UTC, without a zone of their own.

    Moments before 1900 or after 2199 stay as they are. What the zone's clocks skip or show twice is read with the
    offset before the change, as Python's `fold=0` does (PEP 495).
    """
    span = _span(plain)
    return plain if span is None else plain - seconds_by_wall(plain, zone, span).as_interval("s")


def seconds_by_utc(utc: Any, zone: ZoneInfo, span: tuple[datetime, datetime]) -> Any:
    """How far a zone is from UTC at instants of UTC within a span."""
    changes = offset_changes(zone, *span)
    return _steps(utc, changes[0][1], changes[1:])


def seconds_by_wall(plain: Any, zone: ZoneInfo, span: tuple[datetime, datetime]) -> Any:
    """How far a zone is from UTC at wall-clock times of its own within a span."""
    changes = offset_changes(zone, *span)
    walls = [(at + timedelta(seconds=max(before, after)), after) for (_, before), (at, after) in pairwise(changes)]
    return _steps(plain, changes[0][1], walls)


def _span(at: Any) -> tuple[datetime, datetime] | None:
    """The first and last moment that a table may hold, and a day around them; None where there is none."""
    moments = at.name("at").as_table()
    real = moments.filter(moments["at"].between(EARLIEST, LATEST))
    ends = real.aggregate(low=real["at"].min(), high=real["at"].max()).to_pyarrow().to_pylist()[0]
    day = timedelta(days=1)
    return None if ends["low"] is None else (ends["low"].replace(microsecond=0) - day, ends["high"] + day)


def _steps(at: Any, first: int, changes: Sequence[tuple[datetime, int]]) -> Any:
    """The value that holds at a moment, of values that each hold from a moment on."""
    import ibis

    return reduce(
        lambda rest, change: ibis.ifelse(at >= ibis.literal(change[0], type="timestamp(6)"), change[1], rest),
        changes,
        ibis.literal(first, type="int64"),
    )


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
