"""What is wrong here, and mending it: store, champions, leftovers of killed jobs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from netlift.config.business import BusinessSettings
from netlift.data.write import STAGING_PREFIX, sweep_staging
from netlift.errors import BusyError, NetliftError
from netlift.registry.locks import exclusive
from netlift.registry.models import CHAMPION, load, resolve, sweep_models
from netlift.registry.store import Store, open_store
from netlift.registry.tracking import mark_orphans
from netlift.results import Table


@dataclass(frozen=True, kw_only=True)
class Finding:
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
class Examination:
    """All findings.

    Attributes:
        findings: In the order in which they were looked at.
    """

    findings: Table[Finding]

    @property
    def well(self) -> bool:
        """Whether everything is as it should be."""
        return all(finding.well for finding in self.findings)

    def to_text(self) -> str:
        """A line per finding."""
        return "\n".join(f"{'ok ' if f.well else 'BAD'} {f.what}: {f.words}" for f in self.findings)


def examine_business(settings: BusinessSettings, *, fix: bool) -> Examination:
    """Look at the store, the champions and the leftovers of killed jobs; mend the leftovers when asked.

    Raises:
        BusyError: `fix` while a training, a simulation or a scoring runs.
    """
    store = open_store(settings.state, run_group=settings.name)
    findings = [Finding(what="store", well=True, words=store.uri)]
    findings += [_champion(store, task) for task in settings.models]
    leftovers = len(list(settings.state.rglob(f"{STAGING_PREFIX}*")))
    if not fix:
        words = f"{leftovers} half-written files or folders; --fix sweeps them"
        findings.append(Finding(what="leftovers", well=leftovers == 0, words=words))
        return Examination(findings=Table(name="findings", rows=tuple(findings)))
    try:
        with ExitStack() as held:
            locks = settings.state / "locks"
            for lock in [locks / "train.lock", *sorted(locks.glob("score-*.lock"))]:
                held.enter_context(exclusive(lock, timeout_seconds=0, holder="doctor"))
            ended, removed = mark_orphans(store), sweep_models(store)
            swept = sweep_staging(settings.state)
    except BusyError as error:
        raise BusyError(f"{error}; nothing was mended") from error
    words = f"{len(ended)} orphaned runs ended, {removed} unfinished models and {swept} half-written files removed"
    findings.append(Finding(what="leftovers", well=True, words=words))
    return Examination(findings=Table(name="findings", rows=tuple(findings)))


def _champion(store: Store, task: str) -> Finding:
    try:
        version = resolve(store, task, CHAMPION)
        if version is None:
            return Finding(what=f"champion of {task}", well=False, words="none; run `netlift train`")
        load(store, task, version.version)
    except NetliftError as error:
        return Finding(what=f"champion of {task}", well=False, words=str(error))
    return Finding(what=f"champion of {task}", well=True, words=f"version {version.version}, every file verified")
