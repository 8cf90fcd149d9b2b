"""Stored readouts as the desk lists and shows them: what is said first, and what changed since the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from netlift.results import Estimate
from netlift.web.store import Run, RunStore

KIND, JSON_FILE, PAGE_FILE = "readouts", "readout.json", "readout.html"
MADE_FROM = ("data", "config", "names", "readout_settings", "plan", "plans", "decision", "segments", "lists")
"""Digests of a manifest that say what a readout was made from, as `desk.made_from` names them."""


@dataclass(frozen=True, kw_only=True)
class StoredReadout:
    """What is read first of a stored readout.

    Attributes:
        run: Its folder.
        campaign_id: Of the campaign, or the key of the run of decisions that it is of.
        title: Of its page.
        verdict: The verdict in a sentence; empty where the readout has none.
        sentences: What stands below it.
        profit: Incremental profit; None where it is of decisions.
        currency: Of the profit.
        advice: What to do with each arm, as a code; empty where nothing is advised.
    """

    run: Run
    campaign_id: str
    title: str
    verdict: str = ""
    sentences: tuple[str, ...] = ()
    profit: Estimate | None = None
    currency: str = ""
    advice: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its run key."""
        return self.run.key

    @property
    def inputs(self) -> str:
        """Digest of all it was made from."""
        return str(self.run.manifest.get("digests", {}).get("inputs", ""))

    def message(self) -> str:
        """The readout for a messenger: title, verdict and sentences, as the verb wrote them."""
        return "\n".join([self.title, "", self.verdict, *self.sentences])

    def changed_since(self, other: StoredReadout) -> tuple[str, ...]:
        """Names of what both were made from and what differs between them."""
        own, its = (one.run.manifest.get("digests", {}) for one in (self, other))
        return tuple(name for name in MADE_FROM if own.get(name, "") != its.get(name, ""))


@lru_cache(maxsize=1_000)
def read_stored(run: Run) -> StoredReadout:
    """What is read first of a run; its file is read once a version.

    Raises:
        GateRefusedError: It is not what the verb wrote.
    """
    told: Mapping[str, Any] = run.json(JSON_FILE)
    head, readout = told.get("headline"), told.get("readout", {})
    if head is None:  # of decisions
        page = run.page(PAGE_FILE)
        return StoredReadout(run=run, campaign_id=run.key, title=Markup(page.title).unescape(), advice={})
    return StoredReadout(
        run=run,
        campaign_id=told["campaign_id"],
        title=head["title"],
        verdict=head["verdict"],
        sentences=tuple(head["sentences"]),
        profit=Estimate(**told["incremental_profit"]),
        currency=readout["currency"],
        advice={one["arm"]: one["code"] for one in readout.get("advice", ())},
    )


def list_stored(store: RunStore, *, search: str = "") -> list[StoredReadout]:
    """All stored readouts, newest first; of a search those whose title, verdict or campaign hold its words."""
    sought = search.casefold().split()
    found = [read_stored(run) for run in store.runs(KIND)]
    return [one for one in found if all(word in _searched(one) for word in sought)]


def newest_by_campaign(store: RunStore, *, language: str) -> dict[str, StoredReadout]:
    """Campaign to its newest readout, in a language where there is one, the newest first; none of decisions."""
    found: dict[str, StoredReadout] = {}
    readouts = [one for one in map(read_stored, store.runs(KIND)) if one.verdict]
    for one in sorted(readouts, key=lambda one: one.run.language != language):
        found.setdefault(one.campaign_id, one)
    return dict(sorted(found.items(), key=lambda item: item[1].run.written_at, reverse=True))


def find_earlier(store: RunStore, readout: StoredReadout) -> list[StoredReadout]:
    """Readouts of the same campaign and language that were written before, newest first."""
    return [
        one
        for one in map(read_stored, store.runs(KIND))
        if one.campaign_id == readout.campaign_id
        and one.run.language == readout.run.language
        and one.run.written_at < readout.run.written_at
    ]


def _searched(readout: StoredReadout) -> str:
    return f"{readout.campaign_id} {readout.title} {readout.verdict} {readout.key}".casefold()


__all__ = [
    "JSON_FILE",
    "KIND",
    "PAGE_FILE",
    "StoredReadout",
    "find_earlier",
    "list_stored",
    "newest_by_campaign",
    "read_stored",
]
