"""Customers and segments, and the scorecard: the stored pages of their verbs in the desk's frame."""

from __future__ import annotations

from fastapi import APIRouter, Response

from netlift.web.store import NotStoredError
from netlift.web.visit import Analyst, Reader, Visit

router = APIRouter(include_in_schema=False)
KINDS = {"segments": "segments", "scorecard": "scorecard"}
TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}


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
    if kind not in KINDS or suffix not in TYPES:
        raise NotStoredError(f"no file {name}.{suffix} here")
    content = visit.store.run(kind, key).path(f"{name}.{suffix}").read_bytes()
    visit.record("export", kind=kind, run_key=key, file=f"{name}.{suffix}")
    headers = {"content-disposition": f'attachment; filename="{key}_{name}.{suffix}"'}
    return visit.keep(Response(content, media_type=TYPES[suffix], headers=headers))


def _show(visit: Visit, kind: str, key: str) -> Response:
    run = visit.store.run(kind, key) if key else visit.store.newest(kind, language=visit.words.language)
    name = f"{KINDS[kind]}.html"
    return visit.render(
        "stored_page.html",
        kind=kind,
        run=run,
        page=run.page(name) if run else None,
        files=[file for file in run.files() if file.rpartition(".")[2] in TYPES] if run else [],
        others=[one for one in visit.store.runs(kind) if run and one.key != run.key][:20],
    )
