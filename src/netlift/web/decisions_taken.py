"""What people decided upon a readout: an append-only record of each campaign, every line chained to the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from netlift.errors import UsageError
from netlift.registry.audit import append_entry, read_entries
from netlift.registry.locks import exclusive
from netlift.text import clean

DECISIONS = ("scale_up", "keep_testing", "stop")
LONGEST_NOTE, WAIT_SECONDS = 500, 10


@dataclass(frozen=True, kw_only=True)
class DecisionTaken:
    """A decision upon a readout.

    Attributes:
        at: When, ISO 8601.
        who: Who decided.
        key: Run key of the readout.
        arms: What was decided of each arm.
        advice: What the readout advised of each.
        review: Day on which to look again, ISO 8601; empty for none.
        note: Why, in the person's words.
    """

    at: str
    who: str
    key: str
    arms: Mapping[str, str]
    advice: Mapping[str, str]
    review: str = ""
    note: str = ""

    @property
    def follows_advice(self) -> bool:
        """Whether every arm was decided as advised."""
        return all(self.advice.get(arm) == decided for arm, decided in self.arms.items())


def take_decision(
    state: Path,
    campaign: str,
    *,
    who: str,
    key: str,
    arms: Mapping[str, str],
    advice: Mapping[str, str],
    review: str,
    note: str,
    now: datetime,
) -> DecisionTaken:
    """Add a decision to a campaign's record.

    Args:
        state: Folder of the business's state.
        campaign: Its id.
        who: Who decides.
        key: Run key of the readout that was read.
        arms: What is decided of each arm.
        advice: What that readout advises of each.
        review: Day on which to look again, ISO 8601; empty for none.
        note: Why.
        now: Time of the decision, in the business's zone.

    Raises:
        UsageError: An arm that the readout does not advise on, or one left out; no such decision; a day that is none
            or is over; a note that is too long.
        ModelIntegrityError: The record was changed.
        BusyError: Another process wrote it for ten seconds.
    """
    if set(arms) != set(advice) or not arms:
        raise UsageError(f"decide of each arm of {campaign} once: {', '.join(advice) or 'its readout advises on none'}")
    if strange := sorted(set(arms.values()) - set(DECISIONS)):
        raise UsageError(f"decision {strange[0]!r}: one of {', '.join(DECISIONS)}")
    if review and _day(review) <= now.date():
        raise UsageError(f"review {review}: give a day after today, {now.date()}")
    if len(note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(note):,} letters; at most {LONGEST_NOTE}")
    taken = DecisionTaken(
        at=now.isoformat(),
        who=who,
        key=key,
        arms=dict(arms),
        advice=dict(advice),
        review=review,
        note=clean(note).strip(),
    )
    with exclusive(state / "locks" / "decided.lock", timeout_seconds=WAIT_SECONDS, holder="desk decision"):
        append_entry(_path(state, campaign), asdict(taken))
    return taken


def read_decisions_taken(state: Path, campaign: str) -> list[DecisionTaken]:
    """The decisions upon a campaign, newest first.

    Raises:
        ModelIntegrityError: The record was changed.
    """
    return [_read(entry) for entry in reversed(read_entries(_path(state, campaign)))]


def _read(entry: Mapping[str, Any]) -> DecisionTaken:
    return DecisionTaken(**{name: entry[name] for name in DecisionTaken.__dataclass_fields__})


def _path(state: Path, campaign: str) -> Path:
    return state / "desk" / "decided" / f"{sha256(campaign.encode()).hexdigest()[:24]}.jsonl"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"review {text!r}: a day such as 2026-12-31") from error


__all__ = ["DECISIONS", "DecisionTaken", "read_decisions_taken", "take_decision"]
