"""Models and nights: champions and their cards, the audit of what was done, and how each night left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from netlift.registry.audit import AUDIT_FILE, MOVED, read_entries
from netlift.web.visit import Reader, Visit

router = APIRouter(prefix="/models", include_in_schema=False)
SHOWN = (MOVED, "stopped", "resumed", "approved", "rejected", "erased")
MOST, CARDS = 100, "artifacts/*/*/artifacts/card.md"


@router.get("")
def show_models(visit: Reader) -> Response:
    """Which models decide, what was done, and what ran."""
    found = read_models(visit)
    return visit.render("models.html", **found, cards=list(_cards(visit.desk.settings.state, [*found["champions"]])))


def read_models(visit: Visit) -> dict[str, Any]:
    """Champion of each task, what was done and what ran, the newest first."""
    entries = read_entries(visit.desk.settings.state / AUDIT_FILE)
    return {
        "champions": {entry["task"]: entry for entry in entries if entry["event"] == MOVED},
        "acts": [entry for entry in reversed(entries) if entry["event"] in SHOWN][:MOST],
        "nights": sorted(_nights(visit), key=lambda night: night["at"], reverse=True)[:MOST],
    }


def _nights(visit: Visit) -> Iterator[dict[str, Any]]:
    """What the night's verbs wrote: a run that failed left nothing but its exit code."""
    for kind in ("scores", "decisions"):
        for run in visit.store.runs(kind):
            told = run.manifest
            yield {
                "kind": kind,
                "key": run.key,
                "at": run.written_at,
                "seconds": told.get("seconds"),
                "customers": told["customers"] if kind == "scores" else told["summary"]["customers"],
                "drifted": told.get("drifted_features"),
            }


def _cards(state: Path, tasks: list[str]) -> Iterator[tuple[str, str]]:
    """Heading and text of the newest card of each task."""
    found: dict[str, tuple[float, str]] = {}
    for path in state.glob(CARDS):
        text = path.read_text(encoding="utf-8")
        task = text.partition(":")[0].removeprefix("# netlift-")
        if task in tasks and path.stat().st_mtime > found.get(task, (0.0, ""))[0]:
            found[task] = (path.stat().st_mtime, text)
    for task in tasks:
        if task in found:
            yield task, found[task][1]
