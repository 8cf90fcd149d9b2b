"""Kill switch of offers and channels: entries of the store's audit that every run obeys from the moment they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netlift.data.run import combine_digests
from netlift.errors import ModelIntegrityError
from netlift.registry.audit import AUDIT_FILE, read_entries

if TYPE_CHECKING:
    from netlift.decisions.eligibility.options import Option

STOPPED, RESUMED = "stopped", "resumed"
Family = Literal["offer", "channel"]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """An offer or a channel that nothing goes out by.

    Attributes:
        family: What is stopped.
        name: Which one.
        until: Last day on which it is stopped, by the business's time zone; None until it is resumed.
        reason: Why, in the operator's words.
        by: Who stopped it.
        at: When.
    """

    family: Family
    name: str
    until: date | None
    reason: str
    by: str
    at: datetime

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Stop:
        """Read an entry of the audit, or what `results.to_plain` made of a stop."""
        until = plain["until"]
        return cls(
            family=plain["family"],
            name=plain["name"],
            until=None if until is None else date.fromisoformat(until),
            reason=plain["reason"],
            by=plain["by"],
            at=datetime.fromisoformat(plain["at"]),
        )

    def covers(self, offer_id: str, channel: str) -> bool:
        """Whether an offer over its channel is stopped by it."""
        return self.name == (offer_id if self.family == "offer" else channel)


def read_stops(state: Path, *, today: date) -> tuple[Stop, ...]:
    """What is stopped now, the newest last.

    Args:
        state: The state folder, whose audit holds the stops.
        today: The day, by the business's time zone.

    Raises:
        ModelIntegrityError: The audit was changed or cannot be understood, so that nobody knows what is stopped.
    """
    found: dict[tuple[str, str], Stop] = {}
    for entry in read_entries(state / AUDIT_FILE):
        if entry.get("event") not in (STOPPED, RESUMED):
            continue
        try:
            stop = Stop.from_plain(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelIntegrityError(
                f"{state / AUDIT_FILE}: an entry of {entry['event']!r} cannot be read ({type(error).__name__}), so "
                "nobody knows what is stopped, and nothing goes out; bring the journal back from a backup"
            ) from error
        found.pop((stop.family, stop.name), None)
        if entry["event"] == STOPPED:
            found[stop.family, stop.name] = stop
    return tuple(stop for stop in found.values() if stop.until is None or today <= stop.until)


def find_stopped(stops: Sequence[Stop], options: Sequence[Option]) -> tuple[int, ...]:
    """Positions of the options that are stopped, or whose channel is."""
    return tuple(j for j, o in enumerate(options) if any(stop.covers(o.offer_id, o.channel) for stop in stops))


def digest_stops(stops: Sequence[Stop]) -> dict[str, str]:
    """What a run of decisions was made from: nothing where nothing is stopped."""
    return {"stops": combine_digests({f"{s.family} {s.name}": "stopped" for s in stops})} if stops else {}


__all__ = ["RESUMED", "STOPPED", "Stop", "digest_stops", "find_stopped", "read_stops"]
