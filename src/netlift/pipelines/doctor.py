"""The doctor command: health of store, audit, champions, locks and files, with repairs.

Every job writes beside its target and moves what is whole into place; what a killed one left bears the name of such
staging. It is removed while no job runs that began before, under the locks of all that ever ran here; what a job writes
that begins meanwhile was not there when the leftovers were listed, and stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.engines.files import stem_of
from netlift.data.reach import reach_tables
from netlift.data.write import STAGING_PREFIX
from netlift.decisions.next_best_offer.model import TASK, UPLIFT
from netlift.decisions.next_best_offer.upkeep import find_stale, offer_of_history
from netlift.errors import BusyError, NetliftError
from netlift.pipelines.erase import cut_off_erasures, mend_erasures
from netlift.pipelines.readout import find_behind
from netlift.registry.audit import append_entry, read_entries
from netlift.registry.locks import all_jobs, exclusive, find_abandoned, find_holders
from netlift.registry.models import CHAMPION, aliases, load, resolve, sweep_models
from netlift.registry.promotion import audit_path, find_unfinished, find_untold, finish_promotion
from netlift.registry.relocation import CURE, find_former_home, relocate
from netlift.registry.store import Store, open_business
from netlift.registry.tracking import find_orphans, mark_orphans
from netlift.results import Table, Told

YOUNG_SECONDS = 3600.0
OFFER = "next best offer"


@dataclass(frozen=True, kw_only=True)
class StoreFinding:
    """One thing looked at.

    Attributes:
        what: What was looked at.
        well: Whether it is as it should be.
        words: What was found.
    """

    what: str
    well: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class Examination(Told):
    """All findings.

    Attributes:
        findings: In the order in which they were looked at.
    """

    findings: Table[StoreFinding]

    @property
    def well(self) -> bool:
        """Whether everything is as it should be."""
        return all(finding.well for finding in self.findings)

    def to_text(self) -> str:
        """A line per finding."""
        return "\n".join(f"{'ok ' if f.well else 'BAD'} {f.what}: {f.words}" for f in self.findings)


def examine_business(
    settings: BusinessSettings, *, fix: bool, now: datetime, experiments: Path | None = None
) -> Examination:
    """Look at store, audit, champions, next best offer, locks, readouts and leftovers; mend them when asked.

    Args:
        settings: The business.
        fix: End orphaned runs, remove leftovers, and make the next best offer anew where it lags behind.
        now: Time of the call.
        experiments: Folder of plans and readouts, where jobs write too.

    Raises:
        BusyError: `fix` while a job of this business runs; nothing was mended.
    """
    store = open_business(settings)
    leftovers = _find_leftovers(settings, experiments, now=now)
    findings = [_place(store), _audit(store, [*settings.models, TASK]), *_tables(settings)]
    findings += [_champion(store, task) for task in settings.models]
    findings += _offer(settings, store)
    if fix:
        with _no_job_running(settings):
            if not findings[0].well:
                findings[0] = _bring_home(store, now)
            if findings[-1].what == OFFER and not findings[-1].well:
                findings[-1] = _mend_offer(settings, store, now)
            if findings[1].well:
                for task in (*settings.models, TASK):
                    finish_promotion(store, task, at=now)
            ended, removed = mark_orphans(store), sweep_models(store)
            closed, swept = mend_erasures(settings.state), sum(_remove(path) for path in leftovers)
        words = f"{len(ended)} orphaned runs ended, {removed} unfinished models and {swept} half-written files removed"
        words += f", {closed} erasures that were cut off told as such; run them again" if closed else ""
        findings.append(StoreFinding(what="leftovers", well=True, words=words))
    else:
        findings.append(_tell(leftovers, running=find_holders(settings.state / "locks")))
    findings += [_promotions(settings, store)] if findings[1].well else []
    findings += [_runs(store), _locks(store, now), _erasures(settings), _published(settings, experiments)]
    return Examination(findings=Table(name="findings", rows=tuple(findings)))


@contextmanager
def _no_job_running(settings: BusinessSettings) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(all_jobs(settings.state / "locks", holder="doctor"))
        except BusyError as error:
            raise BusyError(f"{error}; nothing was mended") from error
        yield


def _place(store: Store) -> StoreFinding:
    """Where the store is, and whether its records say so."""
    if (former := find_former_home(store)) is None:
        return StoreFinding(what="store", well=True, words=store.uri)
    words = f"{store.uri}: read well here, but its records name {former}: {CURE}; MLflow itself and train need that"
    return StoreFinding(what="store", well=False, words=words)


def _bring_home(store: Store, now: datetime) -> StoreFinding:
    entry = {"event": "relocated", "task": "store", "from": find_former_home(store), "at": now.isoformat()}
    changed = relocate(store)
    with exclusive(store.lock, timeout_seconds=30, holder="doctor"):
        append_entry(audit_path(store), entry | {"to": store.artifacts.parent.as_uri(), "records": changed})
    return StoreFinding(what="store", well=True, words=f"{store.uri}; {changed:,} places in its records brought home")


def _tables(settings: BusinessSettings) -> Iterator[StoreFinding]:
    """Those of a database, a store or a cluster, where there are such."""
    if found := reach_tables(settings):
        bad = "; ".join(dict.fromkeys(why for why in found.values() if why))
        yield StoreFinding(what="tables", well=not bad, words=bad or f"all {len(found)} that lie elsewhere are reached")


def _audit(store: Store, tasks: Sequence[str]) -> StoreFinding:
    """The chain of its lines, and its end against the store: lines cut off at the end leave the others whole."""
    try:
        entries = read_entries(audit_path(store))
    except NetliftError as error:
        return StoreFinding(what="audit", well=False, words=str(error))
    odd = find_untold(store, tasks)
    if odd:
        words = f"does not tell of the champion of {', '.join(odd)}: lines are missing at its end; bring it back from a"
        return StoreFinding(what="audit", well=False, words=f"{words} backup")
    return StoreFinding(what="audit", well=True, words=f"{len(entries):,} entries, each follows the one before it")


def _promotions(settings: BusinessSettings, store: Store) -> StoreFinding:
    open_ones = [task for task in (*settings.models, TASK) if find_unfinished(store, task) is not None]
    words = f"of {', '.join(open_ones)} cut off before the audit had it; --fix writes what became of it"
    return StoreFinding(what="promotions", well=not open_ones, words=words if open_ones else "none cut off")


def _runs(store: Store) -> StoreFinding:
    dead = find_orphans(store)
    words = f"{len(dead):,} say RUNNING though their job died{'; --fix ends them' if dead else ''}"
    return StoreFinding(what="runs", well=not dead, words=words)


def _locks(store: Store, now: datetime) -> StoreFinding:
    dead = find_abandoned(store.state / "locks", now=now)
    words = f"held for over a day by {', '.join(dead)}; look there, and --fix frees them when nobody works any more"
    if on_server := store.find_abandoned_lock(now=now):
        return StoreFinding(what="locks", well=False, words=f"the server's, for over a day by {on_server}")
    return StoreFinding(
        what="locks", well=not dead, words=words if dead else "none held from another machine for a day"
    )


def _erasures(settings: BusinessSettings) -> StoreFinding:
    open_ones = cut_off_erasures(settings.state)
    words = f"cut off in {', '.join(map(str, open_ones))}; run `netlift erase` again, or --fix keeps what stands"
    return StoreFinding(what="erasures", well=not open_ones, words=words if open_ones else "none cut off")


def _published(settings: BusinessSettings, experiments: Path | None) -> StoreFinding:
    """Readouts that stand where the scorecard looks, held against the runs that they are of."""
    behind = find_behind(settings.state, experiments)
    words = f"{', '.join(behind)}: not the newest that was read; run `netlift readout` for it again"
    return StoreFinding(
        what="published", well=not behind, words=words if behind else "every readout is the one last read"
    )


def _find_leftovers(settings: BusinessSettings, experiments: Path | None, *, now: datetime) -> tuple[Path, ...]:
    """What has the name of staging; nothing that is inside of such.

    Beside tables jobs write that take no lock; what is younger than an hour there may be theirs.
    """
    folders = [settings.state, *([experiments] if experiments else [])]
    found = {path for folder in folders for path in folder.rglob(f"{STAGING_PREFIX}*")}
    stems = {stem_of(source.path) for source in settings.data.sources.values() if source.path} | {
        settings.data.path or settings.state
    }
    beside = {path for stem in stems for folder in (stem, stem.parent) for path in folder.glob(f"{STAGING_PREFIX}*")}
    found |= {path for path in beside if now.timestamp() - path.stat().st_mtime > YOUNG_SECONDS}
    return tuple(
        path for path in sorted(found) if not any(part.startswith(STAGING_PREFIX) for part in path.parent.parts)
    )


def _tell(leftovers: Sequence[Path], *, running: Sequence[str]) -> StoreFinding:
    words = f"{len(leftovers)} half-written files or folders; --fix sweeps them"
    if leftovers and running:
        words = f"{len(leftovers)} half-written files or folders, of what runs or ran: {', '.join(running)}"
    return StoreFinding(what="leftovers", well=not leftovers or bool(running), words=words)


def _remove(path: Path) -> bool:
    """Whether it was still there to be removed."""
    there = path.exists()
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return there


def _offer(settings: BusinessSettings, store: Store) -> list[StoreFinding]:
    """The next best offer; nothing to say of it without decisions, or without an uplift for it to stand on."""
    if settings.decision is None or UPLIFT not in settings.models or CHAMPION not in aliases(store, UPLIFT):
        return []
    found = _champion(store, TASK, missing="none, though uplift has one; --fix makes it")
    stale = find_stale(settings, store) if found.well else ""
    well = found.well and not stale
    return [StoreFinding(what=OFFER, well=well, words=f"{stale} (--fix does)" if stale else found.words)]


def _mend_offer(settings: BusinessSettings, store: Store, now: datetime) -> StoreFinding:
    words = offer_of_history(settings, store, actor="netlift doctor", now=now)
    (found,) = _offer(settings, store)
    return StoreFinding(what=OFFER, well=found.well, words=words.splitlines()[0])


def _champion(store: Store, task: str, *, missing: str = "none; run `netlift train`") -> StoreFinding:
    try:
        version = resolve(store, task, CHAMPION)
        if version is None:
            return StoreFinding(what=f"champion of {task}", well=False, words=missing)
        load(store, task, version.version)
    except NetliftError as error:
        return StoreFinding(what=f"champion of {task}", well=False, words=str(error))
    return StoreFinding(what=f"champion of {task}", well=True, words=f"version {version.version}, every file verified")
