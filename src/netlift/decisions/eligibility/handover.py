"""Handover of a run's lists: at once, or when an operator has approved them; told by what lies in the run's folder.

Where the config asks for approval the lists lie in `awaiting`, which only their owner may enter. Approval puts what may
still go out beside it, in `approved`, in one step; a rejection, or a run of a later day, leaves a note, and from then
on the run counts as never sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from netlift.data.run import MANIFEST_FILE, combine_digests
from netlift.data.write import file_digest, write_bytes
from netlift.errors import DataError
from netlift.registry.audit import AUDIT_FILE, append_entry, read_entries
from netlift.registry.locks import exclusive

AWAITING, APPROVED, REJECTED_FILE = "awaiting", "approved", "rejected.json"
APPROVE, REJECT = "approved", "rejected"
Handover = Literal["none", "awaiting", "approved", "rejected"]


def is_rejected(folder: Path) -> bool:
    """Whether a run was rejected or has lapsed, so that nothing of it was ever sent."""
    return (folder / REJECTED_FILE).exists()


def read_handover(folder: Path) -> Handover:
    """How far the lists of a run have come; "none" where they were handed over as they were written."""
    if is_rejected(folder):
        return "rejected"
    if (folder / APPROVED).exists():
        return "approved"
    return "awaiting" if (folder / AWAITING).exists() else "none"


def lists_folder(folder: Path) -> Path:
    """Where the lists of a run lie."""
    state = read_handover(folder)
    return folder if state == "none" else folder / (APPROVED if state == "approved" else AWAITING)


def digest_seen(folder: Path) -> str:
    """The sha256 of what an operator approves: the run with its sums, and its lists.

    Raises:
        DataError: The run is not whole.
    """
    try:
        return combine_digests(
            {"run": file_digest(folder / MANIFEST_FILE), "lists": file_digest(folder / AWAITING / MANIFEST_FILE)}
        )
    except OSError as error:
        raise DataError(f"{folder} is not whole ({type(error).__name__}); decide again under another key") from error


def reject(folder: Path, *, state: Path, by: str, reason: str, at: datetime) -> None:
    """Let nothing of a run go out; call it under the lock of decisions. Again after a kill, to the end.

    Args:
        folder: The run's.
        state: The state folder, whose audit keeps who did it.
        by: Who.
        reason: Why.
        at: When.
    """
    entry = {"at": at.isoformat(), "event": REJECT, "run_key": folder.name, "by": by, "reason": reason}
    write_audit(state, entry)
    write_bytes(folder / REJECTED_FILE, json.dumps(entry, ensure_ascii=False).encode())


def let_lapse(
    waiting: Mapping[Path, tuple[date, str]], *, state: Path, before: date, by_run: str, at: datetime
) -> None:
    """Reject what still waits of earlier days: the run that is being made counts it as never sent.

    Args:
        waiting: Runs that stand, their days and keys.
        state: The state folder.
        before: Day of the run that is being made.
        by_run: Its key.
        at: Time of the call.
    """
    for folder, (day, _) in waiting.items():
        if day < before and read_handover(folder) == "awaiting":
            reason = f"lapsed: nobody had approved it when {by_run} was decided"
            reject(folder, state=state, by="netlift decide", reason=reason, at=at)


def write_audit(state: Path, entry: Mapping[str, Any]) -> None:
    """Put an operator's act into the audit, once: an act that was cut off is told by its first line.

    Args:
        state: The state folder.
        entry: The act, with `event`.
    """
    told = {"task": "decisions", **entry}
    with exclusive(state / "locks" / "registry.lock", timeout_seconds=30, holder=f"{entry['event']}"):
        acts = [one for one in read_entries(state / AUDIT_FILE) if one.get("run_key") == entry.get("run_key", "")]
        if not acts or acts[-1]["event"] != entry["event"] or acts[-1].get("seen") != entry.get("seen"):
            append_entry(state / AUDIT_FILE, told)


__all__ = [
    "APPROVE",
    "APPROVED",
    "AWAITING",
    "REJECTED_FILE",
    "Handover",
    "digest_seen",
    "is_rejected",
    "let_lapse",
    "lists_folder",
    "read_handover",
    "reject",
    "write_audit",
]
