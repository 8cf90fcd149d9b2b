"""Stored results that several pages show: the newest portfolio, decisions and segments, read once a version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from netlift.decisions.eligibility.handover import Handover, read_handover
from netlift.decisions.run.summary import DecisionSummary
from netlift.report.document import Document, Section
from netlift.report.exports import to_html
from netlift.results import Estimate
from netlift.web.store import Run, StoredPage, read_page
from netlift.web.visit import Visit


@dataclass(frozen=True, kw_only=True)
class StoredDecisions:
    """A run of decisions and how far its lists have come.

    Attributes:
        run: The run.
        summary: What was decided.
        handover: Whether its lists wait, are approved, rejected, or were handed over as they were written.
    """

    run: Run
    summary: DecisionSummary
    handover: Handover

    @property
    def trigger(self) -> str:
        """Of which trigger it is the list; empty for all customers."""
        return str(self.run.manifest.get("trigger", ""))


def read_decided(run: Run) -> StoredDecisions:
    """A run of decisions."""
    summary = DecisionSummary.from_plain(run.manifest["summary"])
    return StoredDecisions(run=run, summary=summary, handover=read_handover(run.folder))


def read_decisions(visit: Visit) -> list[StoredDecisions]:
    """All runs of decisions, the newest day first, and of a day the run written last."""
    found = [read_decided(run) for run in visit.store.runs("decisions")]
    return sorted(found, key=lambda one: (one.summary.as_of, one.run.written_at), reverse=True)


def read_result(run: Run, name: str) -> Mapping[str, Any]:
    """A JSON file of a run, held against its manifest and parsed once a version."""
    return _parse(run.path(name), run.mark)


@lru_cache(maxsize=32)
def _parse(path: Path, mark: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(path.read_bytes())
    return found


def read_estimate(plain: Mapping[str, Any]) -> Estimate:
    """An estimate as a result's JSON holds it."""
    numbers = {name: float("nan") if plain[name] is None else plain[name] for name in ("point", "ci_lower", "ci_upper")}
    return Estimate(**{**plain, **numbers})


def frame(visit: Visit, sections: Sequence[Section], *, title: str, subtitle: str = "", day: Any = None) -> StoredPage:
    """Sections as the verbs' pages show them, for the desk's frame.

    Args:
        visit: The reader's request.
        sections: What stands on the page.
        title: Its heading.
        subtitle: The line below it.
        day: What it is of; today where left out.
    """
    document = Document(
        title=title,
        subtitle=subtitle,
        words=visit.words,
        currency=visit.desk.settings.currency,
        dated=day or visit.now.date(),
        sections=tuple(sections),
    )
    return read_page(to_html(document))


__all__ = ["StoredDecisions", "frame", "read_decided", "read_decisions", "read_estimate", "read_result"]
