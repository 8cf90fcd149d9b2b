"""The erase command: removal of a customer from all written files, audited without the id.

Removed are his rows in scores, segments, decisions, lists and draws. What stays is said with its reason: the source
tables are the owner's, models and evidence hold no ids, and other files are searched for the id letter by letter.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.erasure import ID, count_rows, erase_rows, finish_erasure, holds_ids, is_cut_off
from netlift.data.read import open_tables
from netlift.data.write import STAGING_PREFIX, write_bytes
from netlift.errors import DataError, ModelIntegrityError, UsageError
from netlift.registry.audit import append_entry
from netlift.registry.locks import all_jobs, exclusive
from netlift.results import Table, Told

KEY_FILE = "erase.key"
LONGEST, SHORTEST_SEARCHED = 200, 5
SEARCHED = (".json", ".jsonl", ".md", ".html", ".csv", ".yaml", ".txt", ".db", ".db-wal", ".backup")
CHUNK = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Erased:
    """One place.

    Attributes:
        place: A file, below the state folder, or a table of the source.
        rows: Rows of the customers there.
        removed: Whether they are gone.
        words: What was done, or why not.
    """

    place: str
    rows: int
    removed: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class Erasure(Told):
    """What an erasure did.

    Attributes:
        customers: How many customers were asked for.
        places: Every place where they stood, and those that hold no ids.
        searched: Files that were searched letter by letter.
    """

    customers: int
    places: Table[Erased]
    searched: int

    @property
    def rows(self) -> int:
        """Rows removed."""
        return sum(each.rows for each in self.places if each.removed)

    @property
    def counts(self) -> dict[str, int]:
        """Rows removed."""
        return {"out": self.rows}

    def to_text(self) -> str:
        """A line per place."""
        lines = [f"{each.place}: {each.rows:,} rows, {each.words}" for each in self.places]
        head = (
            f"{self.customers:,} customers erased: {self.rows:,} rows removed, {self.searched:,} other files searched"
        )
        return "\n".join([head, *(f"  {line}" for line in lines)])


def erase_customers(
    settings: BusinessSettings,
    customers: Sequence[str],
    *,
    reason: str,
    fresh_key: bytes,
    now: datetime,
    lock_timeout: float,
    dry_run: bool = False,
) -> Erasure:
    """Take customers out of all files of a business's state folder, while no job runs; again gives the same end.

    Args:
        settings: The business.
        customers: Their ids, as the tables have them.
        reason: Why, for the audit: the number of the request, nothing of the person.
        fresh_key: Secret random bytes; the first erasure keeps them beside the audit, whose digests they key.
        now: Time of the call.
        lock_timeout: Seconds to wait for each running job.
        dry_run: Only say where they stand.

    Raises:
        UsageError: No id, an empty one, or a reason that names one.
        BusyError: A job of this business runs; nothing was erased.
        ModelIntegrityError: Files are not what was written there; all others were erased, and the audit says so.
        ResourceError: The disk is full or the place cannot be written.
    """
    wanted = _require_ids(customers, reason)
    state = settings.state
    with all_jobs(state / "locks", holder="erase", timeout_seconds=lock_timeout):
        found = {path: rows for path in _id_files(state) if (rows := count_rows(path, wanted))}
        folders = sorted({path.parent for path in found} | {path.parent for path in _manifests(state)})
        note = {"at": now.isoformat(), "customers": len(wanted), "reason": reason}
        entry = note | {"task": "erase", "digests": [] if dry_run else _digests(state, wanted, fresh_key)}
        entry |= {"files": {str(path.relative_to(state)): rows for path, rows in found.items()}}
        broken: list[str] = []
        if not dry_run:
            _audit(state, entry | {"event": "erase_intended"})
            for folder in folders:
                names = [path.name for path in found if path.parent == folder]
                try:
                    erase_rows(folder, names, wanted, note=note)
                except ModelIntegrityError as error:
                    broken.append(str(error))
            _audit(state, entry | {"event": "erased", "refused": len(broken)})
        places = [_told(state, path, rows, dry_run=dry_run, broken=broken) for path, rows in sorted(found.items())]
        texts = [path for path in _files(state) if path.suffix in SEARCHED and path.name != KEY_FILE]
        places += [*_in_sources(settings, wanted), *_without_ids(state), *_in_texts(state, texts, wanted)]
    if broken:
        raise ModelIntegrityError("\n".join(broken))
    return Erasure(customers=len(wanted), places=Table(name="places", rows=tuple(places)), searched=len(texts))


def mend_erasures(state: Path) -> int:
    """Close the manifests of erasures that were cut off, by what stands there; returns how many there were."""
    return sum(finish_erasure(path.parent) for path in _manifests(state))


def cut_off_erasures(state: Path) -> tuple[Path, ...]:
    """Folders in which an erasure began and did not end."""
    return tuple(path.parent for path in _manifests(state) if is_cut_off(path.parent))


def _require_ids(customers: Sequence[str], reason: str) -> frozenset[str]:
    wanted = frozenset(customers)
    if not wanted or not all(each.strip() and len(each) <= LONGEST for each in wanted):
        raise UsageError(f"name the customers to erase by their ids, each of 1 to {LONGEST} letters")
    if any(each in reason for each in wanted):
        raise UsageError("--reason holds the id of a customer, and stays in the audit; write the request's number")
    return wanted


def _files(state: Path) -> list[Path]:
    return [path for path in sorted(state.rglob("*")) if path.is_file() and STAGING_PREFIX not in str(path)]


def _id_files(state: Path) -> list[Path]:
    return [path for path in _files(state) if holds_ids(path)]


def _manifests(state: Path) -> list[Path]:
    return [path for path in _files(state) if path.name == "manifest.json" and is_cut_off(path.parent)]


def _digests(state: Path, customers: Collection[str], fresh_key: bytes) -> list[str]:
    """Keyed digests by which the owner can tell later whether a customer was erased; nobody else can try ids."""
    path = state / KEY_FILE
    if not path.exists():
        write_bytes(path, fresh_key, mode=0o600)
    key = path.read_bytes()
    return sorted(hashlib.blake2b(each.encode(), key=key[:64], digest_size=16).hexdigest() for each in customers)


def _audit(state: Path, entry: dict[str, object]) -> None:
    with exclusive(state / "locks" / "registry.lock", timeout_seconds=30, holder="erase"):
        append_entry(state / "audit.jsonl", entry)


def _told(state: Path, path: Path, rows: int, *, dry_run: bool, broken: Sequence[str]) -> Erased:
    place = str(path.relative_to(state))
    refused = any(str(path.parent) in text for text in broken)
    words = "would be removed" if dry_run else "not removed: changed since it was written" if refused else "removed"
    return Erased(place=place, rows=rows, removed=not (dry_run or refused), words=words)


def _in_sources(settings: BusinessSettings, customers: Collection[str]) -> list[Erased]:
    """Rows of the owner's own tables, which netlift never changes."""
    words = "left: this table is yours; take them out of it, or the next run reads them again"
    try:
        with open_tables(settings, verb="erase") as tables:
            counts = {
                name: int(rows.filter(rows[ID].isin(sorted(customers))).count().to_pyarrow().as_py())
                for name, rows in tables.expressions.items()
                if ID in rows.columns
            }
    except DataError:
        return [Erased(place="sources", rows=0, removed=False, words="not looked at: the tables cannot be read")]
    return [Erased(place=f"table {name}", rows=n, removed=False, words=words) for name, n in counts.items() if n]


def _without_ids(state: Path) -> list[Erased]:
    told = {
        "artifacts": "models: trees and tables of numbers and of categories of 20 customers or more; no ids",
        "evidence": "held-out contacts by number, without ids; replaced by the next training",
    }
    return [
        Erased(place=name, rows=0, removed=False, words=why) for name, why in told.items() if (state / name).exists()
    ]


def _in_texts(state: Path, files: Sequence[Path], customers: Collection[str]) -> list[Erased]:
    """Other files in which an id stands as it is; shorter ids would be found everywhere."""
    needles = [each.encode() for each in customers if len(each) >= SHORTEST_SEARCHED]
    words = "left: netlift keeps no ids there, so it is your own or a number alike; look, and remove it by hand"
    return [
        Erased(place=os.path.relpath(path, state), rows=1, removed=False, words=words)
        for path in files
        if any(_holds(path, needle) for needle in needles)
    ]


def _holds(path: Path, needle: bytes) -> bool:
    """Whether a file holds some bytes, read in pieces that overlap."""
    with path.open("rb") as file:
        tail = b""
        while piece := file.read(CHUNK):
            if needle in tail + piece:
                return True
            tail = piece[-len(needle) :]
    return False


__all__ = ["Erased", "Erasure", "cut_off_erasures", "erase_customers", "mend_erasures"]
