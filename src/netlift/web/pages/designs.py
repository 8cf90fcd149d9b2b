"""Designs of tests: the list of those stored, one in the desk's frame, and the form that asks for another."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Response

from netlift.errors import UsageError
from netlift.web.designs import KIND, PAGE_FILE, find_plan_of
from netlift.web.exports import give_file, list_exports
from netlift.web.orders import DesignAsked, split_columns
from netlift.web.store import NotStoredError
from netlift.web.visit import Analyst, Form, Reader, Visit

router = APIRouter(prefix="/designs", include_in_schema=False)
TEXTS = ("campaign_id", "hypothesis", "start", "name", "language")
NUMBERS = (
    "outcome_days", "expect", "chance", "half_width", "control_share", "customers", "reward", "reward_share",
    "fixed_cost", "tolerance",
)  # fmt: skip


@router.get("")
def list_designs(visit: Reader) -> Response:
    """Stored designs, newest first."""
    runs = visit.store.runs(KIND)[:200]
    return visit.render("designs.html", designs=[(run, run.page(PAGE_FILE)) for run in runs])


@router.get("/new")
def ask_design(visit: Analyst) -> Response:
    """The questions of the verb as a form."""
    return _show_form(visit, {"language": visit.words.language})


@router.post("/new")
def request_design(visit: Analyst, form: Form) -> Response:
    """Order a design as a job."""
    given: dict[str, object] = {**form.plain(*TEXTS), **form.numbers(*NUMBERS)}
    given |= {"offers": form.texts("offers"), "segments": form.texts("segments"), "eligible": form.lines("eligible")}
    try:
        job = visit.order(DesignAsked.read(given).command(visit.desk))
    except UsageError as error:
        return _show_form(visit, given, error=str(error))
    return visit.go(f"/jobs/{job.id}")


@router.get("/{key}")
def show_design(visit: Reader, key: str) -> Response:
    """One design as the verb wrote it."""
    run = visit.store.run(KIND, key)
    try:
        plan = find_plan_of(visit.desk, run).parent.name
    except NotStoredError:
        plan = ""
    return visit.render("design.html", run=run, page=run.page(PAGE_FILE), exports=list_exports(run), plan=plan)


@router.get("/{key}/files/{name}")
def take_file(visit: Reader, key: str, name: str) -> Response:
    """A file of a design; the journal keeps who took it."""
    return give_file(visit, KIND, key, name)


@router.get("/{key}/plan")
def take_plan(visit: Reader, key: str) -> Response:
    """The frozen plan of a design; the journal keeps who took it."""
    path = find_plan_of(visit.desk, visit.store.run(KIND, key))
    visit.record("export", kind=KIND, run_key=key, file=path.name)
    headers = {"content-disposition": f'attachment; filename="{path.name}"'}
    return visit.keep(Response(path.read_bytes(), media_type="application/yaml", headers=headers))


def _show_form(visit: Visit, given: Mapping[str, object], *, error: str = "") -> Response:
    settings = visit.desk.settings
    return visit.render(
        "design_new.html",
        status=400 if error else 200,
        given=given,
        error=error,
        offers=tuple(settings.decision.offers) if settings.decision else (),
        columns=split_columns(settings),
        tolerance=settings.readout.tolerance if settings.readout else None,
    )
