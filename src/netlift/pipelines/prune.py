"""The prune command: removal of old scores, decision logs, evidence and superseded models that nobody needs any more.

Kept whatever their age are the newest scores, every decision run's contacts, journeys, campaigns and manifest (who was
contacted, by what probability, and on which days the universal holdout was kept), its log until the outcome window has
been over for the days that are kept, draws of tests, reports, the audit, and models with an alias and their evidence.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.erasure import is_cut_off
from netlift.data.run import MANIFEST_FILE, PRUNED_FILE
from netlift.data.write import STAGING_PREFIX, write_bytes
from netlift.decisions.eligibility.contact_history import CAMPAIGNS_FILE, CONTACTS_FILE, DECISIONS
from netlift.decisions.eligibility.journey_events import JOURNEYS_FILE
from netlift.decisions.next_best_offer.model import TASK, UPLIFT
from netlift.errors import UsageError
from netlift.registry.audit import append_entry
from netlift.registry.locks import all_jobs, exclusive
from netlift.registry.models import (
    describe,
    discard_version,
    find_superseded,
    read_files,
    sweep_models,
    version_numbers,
)
from netlift.registry.promotion import audit_path
from netlift.registry.store import Store, is_begun, open_business
from netlift.results import Table, Told, format_number
from netlift.training.uplift.evidence_file import FOLDER as EVIDENCE
from netlift.training.uplift.evidence_file import name_proof_file

SCORES = Path("out") / "scores"
PRUNING = f"{STAGING_PREFIX}pruned-"  # swept like all that a killed job leaves
NEEDED = (MANIFEST_FILE, PRUNED_FILE, CONTACTS_FILE, CAMPAIGNS_FILE, JOURNEYS_FILE)


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """Something that is not needed any more.

    Attributes:
        kind: scores, decisions, models or evidence.
        place: Where, below the state folder; or a model and its version.
        bytes: What it takes on disk.
    """

    kind: str
    place: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Pruning(Told):
    """What was removed, or would be.

    Attributes:
        keep_days: Days that were kept.
        removed: False where it was only asked for.
        found: Everything that goes.
        kept: Kind to how many things of it stay.
    """

    keep_days: int
    removed: bool
    found: Table[Prunable]
    kept: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Things removed."""
        return {"out": len(self.found) if self.removed else 0}

    def to_text(self) -> str:
        """A line per kind, then each place."""
        size = sum(one.bytes for one in self.found)
        verb = "removed" if self.removed else "would be removed"
        lines = [f"{len(self.found):,} things {verb}, {format_number(size / 2**20)} MB ({size:,} bytes)"]
        for kind, kept in self.kept.items():
            own = [one.bytes for one in self.found if one.kind == kind]
            lines.append(f"  {kind}: {len(own):,} {verb} ({sum(own):,} bytes), {kept:,} kept")
        return "\n".join([*lines, *(f"    {one.place}: {one.bytes:,} bytes" for one in self.found)])


def prune_business(
    settings: BusinessSettings, *, keep_days: int, now: datetime, lock_timeout: float, dry_run: bool = False
) -> Pruning:
    """Remove what is older than some days and needed by nobody, while no job runs; again goes on where it was killed.

    Args:
        settings: The business.
        keep_days: Days of scores and of models without an alias that stay, and days after the end of its outcome window
            for which the log of a decision run does.
        now: Time of the call.
        lock_timeout: Seconds to wait for each running job.
        dry_run: Only say what would go.

    Raises:
        UsageError: No whole day is kept.
        BusyError: A job of this business runs; nothing was removed.
        ResourceError: A place cannot be written.
    """
    if keep_days < 1:
        raise UsageError(f"--keep {keep_days}: at least one day is kept")
    state, before = settings.state, now.date() - timedelta(days=keep_days)
    store = open_business(settings) if is_begun(settings) else None
    with all_jobs(state / "locks", holder="prune", timeout_seconds=lock_timeout):
        found: list[Prunable] = []
        kept: Counter[str] = Counter({"scores": 0, "decisions": 0, "models": 0, "evidence": 0})
        for leftover in (state / SCORES).glob(f"{PRUNING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        _prune_scores(state, before, found, kept, dry_run=dry_run)
        _prune_decisions(state, before, found, kept, now=now, dry_run=dry_run)
        if store is not None:
            _prune_models(settings, store, before, found, kept, dry_run=dry_run)
            if found and not dry_run:
                _tell_audit(store, found, keep_days=keep_days, now=now)
    return Pruning(
        keep_days=keep_days, removed=not dry_run, found=Table(name="prunable", rows=tuple(found)), kept=dict(kept)
    )


def _prune_scores(state: Path, before: date, found: list[Prunable], kept: Counter[str], *, dry_run: bool) -> None:
    """Whole runs; the newest stays whatever its age, and so does one that nobody can date or that is being erased."""
    runs = {path.parent: _day(path.parent) for path in (state / SCORES).glob(f"[!.]*/{MANIFEST_FILE}")}
    newest = max((day for day in runs.values() if day is not None), default=None)
    for folder, day in sorted(runs.items()):
        if day is None or day >= before or day == newest or is_cut_off(folder):
            kept["scores"] += 1
            continue
        found.append(Prunable(kind="scores", place=str(folder.relative_to(state)), bytes=_size(folder)))
        if not dry_run:
            aside = folder.with_name(f"{PRUNING}{folder.name}")
            folder.rename(aside)  # at once, so that nobody reads a part of it
            shutil.rmtree(aside)


def _prune_decisions(
    state: Path, before: date, found: list[Prunable], kept: Counter[str], *, now: datetime, dry_run: bool
) -> None:
    """Log, lists and pages of runs whose windows are over; whom they contacted, and by what probability, stays."""
    for manifest in sorted((state / DECISIONS).glob(f"[!.]*/{MANIFEST_FILE}")):
        folder = manifest.parent
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in NEEDED]
        over = _window_over(folder)
        if over is None or over >= before or is_cut_off(folder):
            kept["decisions"] += 1
            continue
        if not files:  # pruned before
            continue
        found.append(
            Prunable(
                kind="decisions",
                place=str(folder.relative_to(state)),
                bytes=sum(path.stat().st_size for path in files),
            )
        )
        if not dry_run:
            note = {"at": now.isoformat(), "files": [path.name for path in files]}
            write_bytes(folder / PRUNED_FILE, json.dumps(note).encode())  # first, so that a part is told as such
            for path in files:
                path.unlink()


def _prune_models(
    settings: BusinessSettings, store: Store, before: date, found: list[Prunable], kept: Counter[str], *, dry_run: bool
) -> None:
    """Versions without an alias, then evidence that no version has any more."""
    tasks = dict.fromkeys([*settings.models, TASK])
    leaving: dict[str, set[int]] = {}
    for task in tasks:
        leaving[task] = set(find_superseded(store, task, before=before))
        kept["models"] += len(version_numbers(store, task)) - len(leaving[task])
        for version in sorted(leaving[task]):
            described = describe(store, task, version)
            found.append(Prunable(kind="models", place=described.uri, bytes=_size(described.folder)))
            if not dry_run:
                discard_version(store, task, version)
    if not dry_run:
        sweep_models(store)
    standing = [v for v in version_numbers(store, UPLIFT) if v not in leaving.get(UPLIFT, ())]
    names = {name_proof_file(read_files(store, describe(store, UPLIFT, version))) for version in standing}
    for path in sorted((settings.state / EVIDENCE).glob("uplift-*.parquet")):
        is_young = date.fromtimestamp(path.stat().st_mtime) >= before
        if is_young or path.stem.rpartition("-")[0] in names:
            kept["evidence"] += 1
            continue
        found.append(Prunable(kind="evidence", place=str(path.relative_to(settings.state)), bytes=path.stat().st_size))
        if not dry_run:
            path.unlink()


def _tell_audit(store: Store, found: list[Prunable], *, keep_days: int, now: datetime) -> None:
    by_kind = Counter(one.kind for one in found)
    entry = {"event": "pruned", "task": "prune", "at": now.isoformat(), "keep_days": keep_days, **by_kind}
    with exclusive(store.lock, timeout_seconds=30, holder="prune"):
        append_entry(audit_path(store), {**entry, "bytes": sum(one.bytes for one in found)})


def _day(folder: Path) -> date | None:
    try:
        return date.fromisoformat(json.loads((folder / MANIFEST_FILE).read_text())["as_of"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _window_over(folder: Path) -> date | None:
    """The day on which the last outcome window of a decision run ends; None where nobody can tell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    day = _day(folder)
    try:
        days = max(pq.read_table(folder / CAMPAIGNS_FILE, columns=["outcome_days"])["outcome_days"].to_pylist())
    except (OSError, ValueError, pa.ArrowException):
        return None
    return None if day is None else day + timedelta(days=int(days))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


__all__ = ["Prunable", "Pruning", "prune_business"]
