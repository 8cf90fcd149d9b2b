"""Readouts: the list of those stored, one in the desk's frame, its files, and what was decided upon it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fastapi import APIRouter, Response
from markupsafe import Markup, escape

from netlift.errors import UsageError
from netlift.text import clean_lines
from netlift.web.decisions_taken import DECISIONS, DecisionTaken, read_decisions_taken, take_decision
from netlift.web.exports import give_file, list_exports
from netlift.web.orders import ReadoutAsked, known_campaigns, known_plans, split_columns
from netlift.web.readouts import KIND, PAGE_FILE, find_earlier, list_stored, read_stored
from netlift.web.visit import Analyst, Form, Reader, Visit

router = APIRouter(prefix="/readouts", include_in_schema=False)
MOST_SHOWN = 200


@router.get("")
def list_readouts(visit: Reader, search: str = "") -> Response:
    """Stored readouts, newest first, with verdict and profit."""
    found = list_stored(visit.store, search=search)
    return visit.render(
        "readouts.html", readouts=found[:MOST_SHOWN], more=len(found[MOST_SHOWN:]), search=search, any=bool(found)
    )


@router.get("/new")
def ask_readout(visit: Analyst, campaign: str = "") -> Response:
    """The form that requests a readout."""
    return _show_form(visit, {"campaign": campaign, "language": visit.words.language})


@router.post("/new")
def request_readout(visit: Analyst, form: Form) -> Response:
    """Order a readout as a job; what is asked for already is not ordered twice."""
    given: dict[str, object] = {**form.plain("campaign", "plan", "language", "as_of", "pdf")}
    given |= {**form.numbers("tolerance"), "segments": form.texts("segments")}
    try:
        job = visit.order(ReadoutAsked.read(given).command(visit.desk))
    except UsageError as error:
        return _show_form(visit, given, error=str(error))
    return visit.go(f"/jobs/{job.id}")


@router.get("/{key}")
async def show_readout(visit: Reader, key: str) -> Response:
    """One readout as the verb wrote it, with its files, its history and what was decided.

    Not handed to a thread: what it reads is small and known, and the way there would take as long as all the rest.
    """
    run = visit.store.run(KIND, key)
    readout = read_stored(run)
    earlier = find_earlier(visit.store, readout)
    return visit.render(
        "readout.html",
        run=run,
        page=run.page(PAGE_FILE),
        readout=readout,
        message=_keep_lines(readout.message()),
        exports=list_exports(run),
        earlier=earlier,
        changed=readout.changed_since(earlier[0]) if earlier else (),
        taken=read_decisions_taken(visit.desk.settings.state, readout.campaign_id),
        decisions=DECISIONS,
    )


@router.get("/{key}/files/{name}")
def take_file(visit: Reader, key: str, name: str) -> Response:
    """A file of a readout; the journal keeps who took it."""
    return give_file(visit, KIND, key, name)


@router.post("/{key}/decisions")
def decide(visit: Analyst, key: str, form: Form) -> Response:
    """Record what was decided upon a readout."""
    readout = read_stored(visit.store.run(KIND, key))
    taken = DecisionTaken(
        at=visit.now.isoformat(),
        who=visit.person.name,
        key=key,
        arms={arm: form.text(f"arm:{arm}") for arm in readout.advice},
        advice=readout.advice,
        review=form.text("review"),
        note=form.text("note"),
    )
    take_decision(visit.desk.settings.state, readout.campaign_id, taken)
    return visit.go(f"/readouts/{key}#decided")


@lru_cache(maxsize=256)
def _keep_lines(text: str) -> Markup:
    """Text of several lines, inert, for a template, which makes one line of any other."""
    return escape(clean_lines(text))


def _show_form(visit: Visit, given: Mapping[str, object], *, error: str = "") -> Response:
    desk = visit.desk
    return visit.render(
        "readout_new.html",
        status=400 if error else 200,
        given=given,
        error=error,
        campaigns=known_campaigns(desk),
        plans=known_plans(desk),
        columns=split_columns(desk.settings),
        always=desk.settings.readout.segments if desk.settings.readout else (),
        tolerance=desk.settings.readout.tolerance if desk.settings.readout else None,
    )
