"""Champion alias moved by compare-and-set under a lock, with an audit line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from netlift.errors import UsageError
from netlift.registry.audit import AUDIT_FILE, MOVED, append_entry, read_entries
from netlift.registry.models import CHALLENGER, CHAMPION, PREVIOUS, aliases, describe, load, model_name
from netlift.registry.store import Store
from netlift.registry.tracking import TAG
from netlift.results import Told

INTENDED, ABANDONED = "intended", "abandoned"


@dataclass(frozen=True, kw_only=True)
class Promotion(Told):
    """A champion named.

    Attributes:
        task: churn, ltv or uplift.
        version: The champion now.
        replaces: The champion before, or None where there was none.
        digest: The sha256 over every file of the version.
        reasons: Why, in words.
        actor: Who did it.
        at: When.
    """

    task: str
    version: int
    replaces: int | None
    digest: str
    reasons: tuple[str, ...]
    actor: str
    at: datetime

    def to_text(self) -> str:
        """What moved, in a line."""
        before = f"replaces version {self.replaces}" if self.replaces is not None else "the first champion"
        return f"{model_name(self.task)} version {self.version} is champion, {before}: {' '.join(self.reasons)}"


def promote(
    store: Store,
    task: str,
    version: int,
    *,
    expect_current: int | None,
    reasons: tuple[str, ...],
    actor: str,
    at: datetime,
    lock_timeout_seconds: float = 60.0,
) -> Promotion:
    """Make a version champion, if the champion is still the one the caller decided against.

    The version is loaded before the alias moves, so that the alias never names one that cannot be used. The journal
    gets the intention first and the deed last; a process killed between them leaves the alias old or new, and the next
    promotion closes the entry by what it finds. Asked again for the move that was made last, it returns that move.

    Args:
        store: The store.
        task: churn, ltv or uplift.
        version: The version.
        expect_current: The champion that the decision was made against; None for none.
        reasons: Why, in words; kept on the version and in the journal.
        actor: Who decides.
        at: When.
        lock_timeout_seconds: How long to wait for another process that registers or promotes.

    Raises:
        UsageError: Somebody else moved the champion meanwhile, the version is champion already, or there is none such.
        ModelIntegrityError: The version's files are not those that were registered, or the journal was changed.
        BusyError: Another process kept the registry's lock for all that time.
    """
    with store.changing(timeout_seconds=lock_timeout_seconds, holder=f"promote {task}"):
        current = aliases(store, task).get(CHAMPION)
        _close_open_entry(store, task, current=current, at=at)
        if (made := _last_move(store, task)) is not None and current == version:
            if (made.version, made.replaces) == (version, expect_current):
                return made
        _refuse_stale(task, version, current=current, expected=expect_current)
        loaded = load(store, task, version)
        promotion = Promotion(
            task=task,
            version=version,
            replaces=current,
            digest=loaded.version.digest,
            reasons=reasons,
            actor=actor,
            at=at,
        )
        entry = asdict(promotion) | {"at": at.isoformat()}
        append_entry(audit_path(store), {"event": INTENDED, **entry})
        _move(store, promotion)
        append_entry(audit_path(store), {"event": MOVED, **entry})
    return promotion


def finish_promotion(store: Store, task: str, *, at: datetime, lock_timeout_seconds: float = 60.0) -> bool:
    """Write what became of a promotion that was killed half-way; False where none was.

    Args:
        store: The store.
        task: The task.
        at: When.
        lock_timeout_seconds: How long to wait for another process that registers or promotes.

    Raises:
        ModelIntegrityError: The journal was changed.
        BusyError: Another process kept the registry's lock for all that time.
    """
    if find_unfinished(store, task) is None:
        return False
    with store.changing(timeout_seconds=lock_timeout_seconds, holder=f"promote {task}"):
        _close_open_entry(store, task, current=aliases(store, task).get(CHAMPION), at=at)
    return True


def find_untold(store: Store, tasks: Sequence[str]) -> list[str]:
    """Champions of the store that the journal does not tell of: lines were cut off at its end, which break no chain.

    Raises:
        ModelIntegrityError: The journal was changed.
    """
    told: dict[str, set[int]] = {}
    for entry in read_entries(audit_path(store)):
        if entry["event"] == MOVED:
            told[entry["task"]] = {entry["version"]}
        elif entry["event"] == INTENDED:  # killed half-way: the champion is old or new
            told.setdefault(entry["task"], set()).add(entry["version"])
    lead = {task: aliases(store, task).get(CHAMPION) for task in tasks}
    if store.server is not None:  # another machine keeps a journal of its own, and its moves leave their mark
        lead = {task: version for task, version in lead.items() if version and not _is_marked(store, task, version)}
    return [
        f"{task} (version {lead[task]})" for task in tasks if lead.get(task) and lead[task] not in told.get(task, set())
    ]


def _is_marked(store: Store, task: str, version: int) -> bool:
    return f"{TAG}promoted_at" in describe(store, task, version).tags


def find_unfinished(store: Store, task: str) -> int | None:
    """The version whose promotion the journal began and did not end; None where there is none.

    Raises:
        ModelIntegrityError: The journal was changed.
    """
    entry = _open_entry(store, task)
    return None if entry is None else int(entry["version"])


def _open_entry(store: Store, task: str) -> dict[str, Any] | None:
    entries = [entry for entry in read_entries(audit_path(store)) if entry["task"] == task]
    return entries[-1] if entries and entries[-1]["event"] == INTENDED else None


def audit_path(store: Store) -> Path:
    """Where the journal is."""
    return store.state / AUDIT_FILE


def read_history(store: Store, task: str) -> list[dict[str, Any]]:
    """Every champion of a task that the journal knows, oldest first.

    Raises:
        ModelIntegrityError: The journal was changed.
    """
    return [entry for entry in read_entries(audit_path(store)) if entry["task"] == task and entry["event"] == MOVED]


def _last_move(store: Store, task: str) -> Promotion | None:
    """The newest move of a task that the journal knows."""
    if not (history := read_history(store, task)):
        return None
    made = {field.name: history[-1][field.name] for field in fields(Promotion)}
    return Promotion(**made | {"reasons": tuple(made["reasons"]), "at": datetime.fromisoformat(made["at"])})


def _move(store: Store, promotion: Promotion) -> None:
    """Notes first, then the way back, then the alias itself: one row, old or new."""
    name, version = model_name(promotion.task), str(promotion.version)
    notes = {
        "promoted_at": promotion.at.isoformat(),
        "promoted_by": promotion.actor,
        "promotion_reason": " ".join(promotion.reasons),
        "replaces": str(promotion.replaces or ""),
    }
    for key, value in notes.items():
        store.client.set_model_version_tag(name, version, f"{TAG}{key}", value)
    if promotion.replaces is not None:
        store.client.set_registered_model_alias(name, PREVIOUS, str(promotion.replaces))
    store.client.set_registered_model_alias(name, CHAMPION, version)
    _drop_challenger(store, promotion.task, version=promotion.version)


def _drop_challenger(store: Store, task: str, *, version: int) -> None:
    if aliases(store, task).get(CHALLENGER) == version:
        store.client.delete_registered_model_alias(model_name(task), CHALLENGER)


def _close_open_entry(store: Store, task: str, *, current: int | None, at: datetime) -> None:
    """Write what became of a promotion that was killed half-way."""
    if (entry := _open_entry(store, task)) is None:
        return
    event = MOVED if entry["version"] == current else ABANDONED
    if current is not None and event == MOVED:
        _drop_challenger(store, task, version=current)
    kept = {key: value for key, value in entry.items() if key != "previous"}
    append_entry(audit_path(store), {**kept, "event": event, "closed_at": at.isoformat()})


def _refuse_stale(task: str, version: int, *, current: int | None, expected: int | None) -> None:
    name = model_name(task)
    if version == current:
        raise UsageError(f"{name} version {version} is the champion already: nothing to do")
    if current != expected:
        raise UsageError(
            f"the champion of {name} is {_name(current)}, the decision was made against {_name(expected)}: "
            f"compare version {version} with {_name(current)}, then promote with --expect-current {current or 0}"
        )


def _name(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
