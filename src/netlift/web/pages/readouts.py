"""Readouts: the list of those stored, and one in the desk's frame."""

from __future__ import annotations

from fastapi import APIRouter, Response

from netlift.web.visit import Reader

router = APIRouter(prefix="/readouts", include_in_schema=False)


@router.get("")
def list_readouts(visit: Reader) -> Response:
    """All stored readouts, newest first."""
    return visit.render("readouts.html", runs=visit.store.runs("readouts"))


@router.get("/{key}")
def show_readout(visit: Reader, key: str) -> Response:
    """One readout as the verb wrote it."""
    run = visit.store.run("readouts", key)
    return visit.render("readout.html", run=run, page=run.page("readout.html"))
