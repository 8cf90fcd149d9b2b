"""Customers and segments, and the scorecard: the stored pages of their verbs in the desk's frame."""

from __future__ import annotations

from fastapi import APIRouter, Response

from netlift.web.exports import give_file, list_exports
from netlift.web.store import NotStoredError
from netlift.web.visit import Analyst, Reader, Visit

router = APIRouter(include_in_schema=False)
KINDS = {"segments": "segments", "scorecard": "scorecard"}


@router.get("/segments")
def show_segments(visit: Reader, key: str = "") -> Response:
    """Value segments: money, risk, strategy."""
    return _show(visit, "segments", key)


@router.get("/scorecard")
def show_scorecard(visit: Reader, key: str = "") -> Response:
    """Months and segments, from contacts to money."""
    return _show(visit, "scorecard", key)


@router.get("/{kind}/{key}/files/{name}.{suffix}")
def fetch_file(visit: Analyst, kind: str, key: str, name: str, suffix: str) -> Response:
    """A file of a stored run as the verb wrote it."""
    if kind not in KINDS:
        raise NotStoredError(f"no file {name}.{suffix} here")
    return give_file(visit, kind, key, f"{name}.{suffix}")


def _show(visit: Visit, kind: str, key: str) -> Response:
    run = visit.store.run(kind, key) if key else visit.store.newest(kind, language=visit.words.language)
    name = f"{KINDS[kind]}.html"
    return visit.render(
        "stored_page.html",
        kind=kind,
        run=run,
        page=run.page(name) if run else None,
        files=list_exports(run) if run else (),
        others=[one for one in visit.store.runs(kind) if run and one.key != run.key][:20],
    )
