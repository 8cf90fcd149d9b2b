"""The desk for programs: what its pages show, as JSON under /api/v1, with the same roles."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from netlift.web import designs
from netlift.web.decisions_taken import DecisionTaken, read_decisions_taken, take_decision
from netlift.web.exports import give_file
from netlift.web.jobs import OrderedJob
from netlift.web.orders import Asked, DesignAsked, ReadoutAsked
from netlift.web.readouts import JSON_FILE, KIND, StoredReadout, list_stored, read_stored
from netlift.web.store import Run
from netlift.web.visit import Analyst, Reader

MOST = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST)]


class RefusalTold(BaseModel):
    """Why a request was refused."""

    detail: str


REFUSED: dict[int | str, dict[str, Any]] = {
    code: {"model": RefusalTold, "description": text}
    for code, text in {
        400: "what was asked cannot be done as asked",
        401: "nobody is known to ask: sign in with a token",
        403: "the role may not",
        404: "nothing of that name is stored",
        409: "what is stored is not what was written",
        429: "too many wrong tokens from this address",
        503: "another process holds it: ask again",
    }.items()
}
router = APIRouter(prefix="/api/v1", tags=["desk"], responses=REFUSED)


class StoredTold(BaseModel):
    """A stored run: its key, language, time, digest of its inputs, and files."""

    key: str
    language: str
    written_at: str
    inputs: str
    files: tuple[str, ...]

    @classmethod
    def of(cls, run: Run, **more: Any) -> Self:
        """What is told of a run."""
        inputs = str(run.manifest.get("digests", {}).get("inputs", ""))
        at = run.written_at.isoformat()
        return cls(key=run.key, language=run.language, written_at=at, inputs=inputs, files=run.files(), **more)


class ReadoutTold(StoredTold):
    """A stored readout: what is read first."""

    campaign_id: str
    title: str
    verdict: str
    sentences: tuple[str, ...]
    profit: dict[str, Any] | None
    currency: str
    advice: dict[str, str]

    @classmethod
    def read(cls, one: StoredReadout) -> Self:
        """What is told of a readout."""
        told = {name: getattr(one, name) for name in ("campaign_id", "title", "verdict", "sentences", "currency")}
        profit = asdict(one.profit) if one.profit else None
        return cls.of(one.run, profit=profit, advice=dict(one.advice), **told)


class JobTold(BaseModel):
    """A job: what was ordered, how far it is, and the kind and key of its result."""

    id: str
    verb: str
    subject: str
    who: str
    state: str
    attempts: int
    ordered_at: str
    started_at: str
    ended_at: str
    error: str
    kind: str
    key: str

    @classmethod
    def of(cls, job: OrderedJob) -> Self:
        """What is told of a job."""
        return cls(**{name: getattr(job, name) for name in cls.model_fields})


class DecisionAsked(Asked):
    """A decision upon a readout: of every arm scale_up, keep_testing or stop."""

    arms: dict[str, str]
    review: str = ""
    note: Annotated[str, Field(max_length=500)] = ""


class DecisionTold(BaseModel):
    """A decision that was taken."""

    at: str
    who: str
    key: str
    arms: dict[str, str]
    advice: dict[str, str]
    follows_advice: bool
    review: str
    note: str

    @classmethod
    def of(cls, taken: DecisionTaken) -> Self:
        """What is told of a decision."""
        return cls(follows_advice=taken.follows_advice, **asdict(taken))


@router.get("/openapi.json", include_in_schema=False)
def show_schema(visit: Reader) -> Response:
    """This API as OpenAPI, for those with access."""
    return JSONResponse(visit.request.app.openapi())


@router.get("/readouts")
def list_readouts(visit: Reader, search: str = "", limit: Limit = MOST) -> list[ReadoutTold]:
    """Stored readouts, newest first."""
    return [ReadoutTold.read(one) for one in list_stored(visit.store, search=search)[:limit]]


@router.post("/readouts", status_code=202)
def request_readout(visit: Analyst, asked: ReadoutAsked) -> JobTold:
    """Order a readout; where the same waits or runs, that job is told."""
    return JobTold.of(visit.order(asked.command(visit.desk)))


@router.get("/readouts/{key}")
def show_readout(visit: Reader, key: str) -> dict[str, Any]:
    """The whole readout, as the verb wrote it."""
    return dict(visit.store.run(KIND, key).json(JSON_FILE))


@router.get("/readouts/{key}/files/{name}")
def take_readout_file(visit: Reader, key: str, name: str) -> Response:
    """A file of a readout; the journal keeps who took it."""
    return give_file(visit, KIND, key, name)


@router.get("/readouts/{key}/decisions")
def list_decisions(visit: Reader, key: str) -> list[DecisionTold]:
    """What was decided upon the readout's campaign, newest first."""
    campaign = read_stored(visit.store.run(KIND, key)).campaign_id
    return [DecisionTold.of(one) for one in read_decisions_taken(visit.desk.settings.state, campaign)]


@router.post("/readouts/{key}/decisions", status_code=201)
def decide(visit: Analyst, key: str, asked: DecisionAsked) -> DecisionTold:
    """Record a decision upon a readout."""
    readout = read_stored(visit.store.run(KIND, key))
    taken = DecisionTaken(
        at=visit.now.isoformat(), who=visit.person.name, key=key, advice=readout.advice, **asked.model_dump()
    )
    take_decision(visit.desk.settings.state, readout.campaign_id, taken)
    return DecisionTold.of(taken)


@router.get("/designs")
def list_designs(visit: Reader, limit: Limit = MOST) -> list[StoredTold]:
    """Stored designs, newest first."""
    return [StoredTold.of(run) for run in visit.store.runs(designs.KIND)[:limit]]


@router.post("/designs", status_code=202)
def request_design(visit: Analyst, asked: DesignAsked) -> JobTold:
    """Order the design of a test."""
    return JobTold.of(visit.order(asked.command(visit.desk)))


@router.get("/designs/{key}")
def show_design(visit: Reader, key: str) -> dict[str, Any]:
    """The whole design, as the verb wrote it."""
    return dict(visit.store.run(designs.KIND, key).json(designs.JSON_FILE))


@router.get("/designs/{key}/files/{name}")
def take_design_file(visit: Reader, key: str, name: str) -> Response:
    """A file of a design; the journal keeps who took it."""
    return give_file(visit, designs.KIND, key, name)


@router.get("/jobs")
def list_jobs(visit: Analyst, limit: Limit = MOST) -> list[JobTold]:
    """Jobs, newest first."""
    return [JobTold.of(job) for job in visit.desk.jobs.all()[:limit]]


@router.get("/jobs/{job_id}")
def show_job(visit: Analyst, job_id: str) -> JobTold:
    """One job."""
    return JobTold.of(visit.desk.jobs.find(job_id))
