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
        at: When, ISO 8601, in the business's zone.
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


def take_decision(state: Path, campaign: str, taken: DecisionTaken) -> None:
    """Add a decision to a campaign's record.

    Args:
        state: Folder of the business's state.
        campaign: Its id.
        taken: The decision.

    Raises:
        UsageError: An arm that the readout does not advise on, or one left out; no such decision; a day that is none
            or is over; a note that is too long.
        ModelIntegrityError: The record was changed.
        BusyError: Another process wrote it for ten seconds.
    """
    if set(taken.arms) != set(taken.advice) or not taken.arms:
        named = ", ".join(taken.advice) or "its readout advises on none"
        raise UsageError(f"decide of each arm of {campaign} once: {named}")
    if strange := sorted(set(taken.arms.values()) - set(DECISIONS)):
        raise UsageError(f"decision {strange[0]!r}: one of {', '.join(DECISIONS)}")
    today = datetime.fromisoformat(taken.at).date()
    if taken.review and _day(taken.review) <= today:
        raise UsageError(f"review {taken.review}: give a day after today, {today}")
    if len(taken.note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(taken.note):,} letters; at most {LONGEST_NOTE}")
    entry = {**asdict(taken), "note": clean(taken.note).strip()}
    with exclusive(state / "locks" / "decided.lock", timeout_seconds=WAIT_SECONDS, holder="desk decision"):
        append_entry(_path(state, campaign), entry)


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
