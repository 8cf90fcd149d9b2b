"""Parsing of timestamps in text: ISO 8601 with any zone, 12-hour clocks and custom formats.

Understood are `2026-03-01`, `2026-03-01 09:30`, `20260301T0930`, `2026/3/1 9:30:15.25`, each with AM or PM behind a
12-hour time, and with `Z`, `UTC`, `GMT`, an offset (`+03`, `+0300`, `+03:00`) or a name of the IANA list
(`Europe/Moscow`, `[Europe/Moscow]`, `Japan`), alone or behind an offset that agrees with it or a `Z`, which says of no
place (RFC 9557). Anything else behind a time makes the whole text unreadable: an abbreviation such as CST names several
zones, and EST or CET, which the list has as well, is written in summer for one hour or for another. A moment that a
zone's clocks skip or show twice is read with the offset before the change, as Python's `fold=0` does (PEP 495).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from netlift.data.zone import EARLIEST, LATEST, seconds_by_utc, seconds_by_wall, to_local

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAY = r"(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{8})"
CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?|\d{4}(?:\d{2}(?:[.,]\d{1,9})?)?|\d{2})"
HALF = r"([AaPp])\.?[Mm](?:\.|\b)"
OFFSET = r"([Zz]|UTC|GMT|[+\-−]\d{2}(?::?\d{2})?)"
NAME = r"\[?([A-Za-z][A-Za-z0-9\-]+(?:/[A-Za-z0-9_+\-]+){0,2})\]?"
WHOLE = rf"^\s*{DAY}(?:(?:[Tt]|\s+){CLOCK}(?:\s*{HALF})?(?:\s*{OFFSET})?(?:\s*{NAME})?)?\s*$"
TAIL = rf"^\s*{DAY}(?:[Tt]|\s+){CLOCK}\s*([A-Za-z]{{1,5}}(?:[ /][A-Za-z_]{{1,14}})?)\s*$"
GROUPS = {"day": 1, "clock": 2, "half": 3, "offset": 4, "name": 5}
BARE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$"
ZONED = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:\d{2})?)$"
PARTS = {"%d": r"(\d{1,2})", "%m": r"(\d{1,2})", "%Y": r"(\d{4})"}
FEWEST_HOURS, MOST_HOURS = 1, 12
MOST_OFFSET_HOURS = 15


def read_instants(
    text: ir.StringValue, zone: ZoneInfo, *, own_zone: ZoneInfo | None = None, date_format: str | None = None
) -> ir.TimestampValue:
    """Text as local wall-clock time of `zone`; null where it is empty or not understood to the last character.

    Columns whose moments are all plain ISO 8601 are read by the engine's own cast; the general way is for the others.

    Args:
        text: A column of text.
        zone: The business's zone, of what comes out.
        own_zone: Of moments without a zone; None for the business's. A day without a time is a day in any zone.
        date_format: How days are written in place of the above: %d, %m and %Y once each, such as `%d.%m.%Y`; what
            stands behind the day is read as ever.
    """
    if date_format is not None:
        text = _in_own_format(text, date_format)
    written = text.nullif("")
    rows = written.name("text").as_table()
    seen = rows.aggregate(
        written=rows.text.count(),
        bare=rows.text.re_search(BARE).sum(),
        zoned=rows.text.re_search(ZONED).sum(),
        first=rows.text.re_extract(WHOLE, 1).substr(0, 4).nullif("").min(),
        last=rows.text.re_extract(WHOLE, 1).substr(0, 4).nullif("").max(),
    )
    found = seen.to_pyarrow().to_pylist()[0]
    if found["written"] == found["bare"] and own_zone is None:
        return written.try_cast("timestamp(6)")
    if found["written"] == found["zoned"]:
        return to_local(written.try_cast("timestamp('UTC', 6)"), zone)
    names = rows.select(name=rows.text.re_extract(WHOLE, GROUPS["name"]).nullif("")).distinct()
    named = sorted(set(filter(_is_name, names.to_pyarrow()["name"].to_pylist())) & available_timezones())
    years = [max(min(int(found[end] or EARLIEST.year), LATEST.year), EARLIEST.year) for end in ("first", "last")]
    span = (datetime(years[0], 1, 1) - timedelta(days=2), datetime(years[1], 12, 31) + timedelta(days=2))
    return _general(written, zone, own_zone, {name: ZoneInfo(name) for name in named}, span)


def _general(
    text: Any, zone: ZoneInfo, own_zone: ZoneInfo | None, named: Mapping[str, ZoneInfo], span: tuple[datetime, datetime]
) -> Any:
    """Any form that is understood; parts are bound to names, as an engine would else compute each many times."""
    import ibis

    part = {name: text.re_extract(WHOLE, group).nullif("") for name, group in GROUPS.items()}
    plain = _wall_clock(part["day"], part["clock"], part["half"])

    def in_zone(at: Any) -> Any:
        offset = _bound(part["offset"], lambda written: _offset_seconds(written))
        seconds = ibis.null("int64")
        for name, own in named.items():
            seconds = ibis.ifelse(part["name"] == name, seconds_by_wall(at, own, span), seconds)
        # An offset and a name must agree; of a name alone the list must know it.
        agreed = ibis.cases(
            (part["name"].isnull(), offset),
            (part["offset"].isnull(), seconds),
            ((offset == seconds) | (seconds.notnull() & part["offset"].isin(["Z", "z"])), offset),
            else_=None,
        )
        return _bound(at - agreed.as_interval("s"), lambda utc: utc + seconds_by_utc(utc, zone, span).as_interval("s"))

    def bare(at: Any) -> Any:
        if own_zone is None:
            return at
        utc = at - seconds_by_wall(at, own_zone, span).as_interval("s")
        moved = _bound(utc, lambda utc: utc + seconds_by_utc(utc, zone, span).as_interval("s"))
        return ibis.ifelse(part["clock"].isnull(), at, moved)

    has_no_zone = part["offset"].isnull() & part["name"].isnull()
    return _bound(plain, lambda at: ibis.ifelse(has_no_zone, bare(at), in_zone(at)))


def _is_name(name: str | None) -> bool:
    """Whether a word can be a zone's name: but for these two, three letters are an abbreviation."""
    return bool(name) and (len(str(name)) > len("UTC") or name in ("UTC", "GMT"))


def _bound(value: Any, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of a value that is computed once, however often it is named."""
    import ibis

    return ibis.array([value]).map(use)[0]


def strange_endings(source: ir.Table, text: ir.StringValue, unread: ir.BooleanValue) -> list[str]:
    """Up to three words that stand behind the time where a text was not understood, such as MSK; never whole values.

    Args:
        source: The table of the column.
        text: The column.
        unread: Whether its text was not understood.
    """
    words = source.filter(unread).select(word=text.re_extract(TAIL, 3).nullif(""))
    words = words.filter(words.word.notnull()).group_by("word").aggregate(n=lambda rows: rows.count())
    found = words.order_by([words.n.desc(), words.word]).limit(3).to_pyarrow()
    return [str(word) for word in found["word"].to_pylist()]


def _in_own_format(text: Any, date_format: str) -> Any:
    """The text with its day, written in the format, as ISO 8601 has it; null where it begins with no such day."""
    import ibis

    order = re.findall("%([dmY])", date_format)
    pattern = "".join(PARTS.get(part, re.escape(part)) for part in re.split("(%[dmY])", date_format))
    iso = "-".join(f"\\{order.index(part) + 1}" for part in "Ymd")
    start = rf"^\s*{pattern}"
    return ibis.ifelse(text.re_search(start), text.re_replace(start, iso), None)


def _wall_clock(day: Any, clock: Any, half: Any) -> Any:
    """Day and time without a zone; null where there is no such day or hour."""
    import ibis

    def spelled(clock: Any) -> Any:
        return ibis.cases(
            (clock.isnull(), "00:00"),
            (clock.re_search(r"^\d{2}$"), clock + ":00"),
            (clock.re_search(r"^\d{4}$"), clock.re_replace(r"^(\d{2})(\d{2})$", r"\1:\2")),
            (clock.re_search(r"^\d{6}"), clock.re_replace(r"^(\d{2})(\d{2})(\d{2})", r"\1:\2:\3")),
            else_=clock,
        )

    def by_half(at: Any) -> Any:
        noon, fits = at.hour() == MOST_HOURS, at.hour().between(FEWEST_HOURS, MOST_HOURS)
        hours = ibis.ifelse(half.lower() == "p", ibis.ifelse(noon, 0, MOST_HOURS), ibis.ifelse(noon, -MOST_HOURS, 0))
        return ibis.cases((half.isnull(), at), (fits, at + hours.cast("int64").as_interval("h")), else_=None)

    days = day.replace("/", "-").re_replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    at = days + " " + _bound(clock.replace(",", "."), spelled)
    return _bound(at.try_cast("timestamp(6)"), by_half)


def _offset_seconds(offset: Any) -> Any:
    """What an offset adds to UTC; null where it is no offset."""
    import ibis

    digits = offset.re_replace(r"[^0-9]", "").rpad(4, "0")
    hours, minutes = digits.substr(0, 2).try_cast("int64"), digits.substr(2, 2).try_cast("int64")
    sign = ibis.ifelse(offset.re_search(r"^[\-−]"), -1, 1)
    fits = (minutes < 60) & (hours <= MOST_OFFSET_HOURS)
    at_utc = offset.lower().isin(["z", "utc", "gmt"])
    return ibis.ifelse(at_utc, 0, ibis.ifelse(fits, sign * (hours * 3600 + minutes * 60), None)).cast("int64")


__all__ = ["read_instants", "strange_endings"]
