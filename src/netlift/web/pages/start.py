"""The start page: where the money is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from netlift.web.visit import Reader

router = APIRouter()


@router.get("/", include_in_schema=False)
def show_start(visit: Reader) -> Response:
    """What is stored, and what fills the rest."""
    return visit.render("start.html", runs={kind: visit.store.newest(kind) for kind in ("readouts", "portfolio")})
