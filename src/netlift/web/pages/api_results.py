"""The desk for programs: money, tests, offers, segments, scorecard and models, as JSON under /api/v1."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from netlift.web.exports import give_file
from netlift.web.pages.api import MOST, REFUSED, Limit, StoredTold
from netlift.web.pages.models import read_models
from netlift.web.pages.offers import read_answer
from netlift.web.pages.start import list_waiting, read_periods
from netlift.web.pages.tests import SORTS, VERDICTS, ListedTest, find_tests
from netlift.web.stored_results import StoredDecisions, read_decided, read_decisions, read_result
from netlift.web.visit import Analyst, Reader

router = APIRouter(prefix="/api/v1", tags=["desk"], responses=REFUSED)
JSON_FILES = {"segments": "segments.json", "scorecard": "scorecard.json"}
Kind = Literal["segments", "scorecard"]


class EstimateTold(BaseModel):
    """A figure with its interval; a number that does not exist is null."""

    point: float | None
    ci_lower: float | None
    ci_upper: float | None
    level: float
    unit: str
    method: str


class TotalTold(BaseModel):
    """An offer, a channel or a segment over the campaigns of a period: profit without luck, and what to do with it."""

    dimension: str
    name: str
    shrunken: EstimateTold
    advice: str
    contacts: int


class PeriodTold(BaseModel):
    """Where the money of a period is: profit without luck, by offer, channel and segment."""

    name: Literal["month", "year", "all"]
    since: date
    until: date
    campaigns: int
    unread: int
    earned: EstimateTold
    lost: EstimateTold
    net: EstimateTold
    offers: tuple[TotalTold, ...]
    channels: tuple[TotalTold, ...]
    by_segment: tuple[TotalTold, ...]


class WaitingTold(BaseModel):
    """What waits for somebody, in the asker's language, and the page where it is done."""

    text: str
    page: str


class StartTold(BaseModel):
    """The start page: money of the periods of the newest portfolio, and what waits for a decision."""

    currency: str
    portfolio: str
    periods: tuple[PeriodTold, ...]
    waiting: tuple[WaitingTold, ...]


class TestTold(BaseModel):
    """A campaign of the list of tests; profit is without luck, null where it cannot be read."""

    campaign: str
    name: str
    started: date | None
    verdict: str
    told: str
    profit: EstimateTold | None
    chance: float | None
    customers: int
    readout: str

    @classmethod
    def of(cls, test: ListedTest) -> TestTold:
        """What is told of a campaign."""
        return cls.model_validate(asdict(test))


class OffersTold(StoredTold):
    """A run of decisions: its day, its trigger, whether its lists were handed over, and who answered."""

    as_of: str
    trigger: str
    handover: str
    customers: int
    contacted: int
    answer: dict[str, Any]

    @classmethod
    def read(cls, one: StoredDecisions) -> OffersTold:
        """What is told of a run of decisions; names of files of customers are left out."""
        told = cls.of(
            one.run,
            as_of=str(one.summary.as_of),
            trigger=one.trigger,
            handover=one.handover,
            customers=one.summary.customers,
            contacted=one.summary.contacted,
            answer=dict(read_answer(one)),
        )
        return told.model_copy(update={"files": tuple(name for name in told.files if name.endswith(".html"))})


class ModelsTold(BaseModel):
    """Champion of each task, acts of the audit and nights that ran, the newest first."""

    champions: dict[str, dict[str, Any]]
    acts: tuple[dict[str, Any], ...]
    nights: tuple[dict[str, Any], ...]


@router.get("/start")
def show_start(visit: Reader) -> StartTold:
    """Where the money is, and what waits for a decision."""
    run = visit.store.newest("portfolio")
    periods = read_periods(run)
    waiting = list_waiting(visit, read_decisions(visit), periods.get("all"))
    return StartTold(
        currency=visit.desk.settings.currency,
        portfolio=run.key if run else "",
        periods=tuple(PeriodTold.model_validate(one) for one in periods.values()),
        waiting=tuple(WaitingTold(text=text, page=page) for text, page, _ in waiting),
    )


@router.get("/tests")
def list_tests(
    visit: Reader,
    q: str = "",
    verdict: Annotated[str, Query(pattern=f"^({'|'.join(VERDICTS)})?$")] = "",
    sort: Annotated[str, Query(pattern=f"^({'|'.join(SORTS)})$")] = "started",
    order: Literal["asc", "desc"] = "desc",
    limit: Limit = MOST,
) -> list[TestTold]:
    """Campaigns of the newest portfolio, of a search and a verdict, in an order."""
    return [TestTold.of(one) for one in find_tests(visit, q, verdict, sort, order)[:limit]]


@router.get("/offers")
def list_offers(visit: Reader, limit: Limit = MOST) -> list[OffersTold]:
    """Runs of decisions, the newest day first."""
    return [OffersTold.read(one) for one in read_decisions(visit)[:limit]]


@router.get("/offers/{key}")
def show_offers(visit: Reader, key: str) -> dict[str, Any]:
    """A run of decisions in sum, as the verb wrote it, and how far its lists have come."""
    one = read_decided(visit.store.run("decisions", key))
    return {**OffersTold.read(one).model_dump(), "summary": dict(one.run.manifest["summary"])}


@router.get("/models")
def show_models(visit: Reader) -> ModelsTold:
    """Which models decide, what was done, and what ran."""
    found = read_models(visit)
    nights = tuple({**night, "at": night["at"].isoformat()} for night in found["nights"])
    return ModelsTold(champions=found["champions"], acts=tuple(found["acts"]), nights=nights)


@router.get("/{kind}")
def list_results(visit: Reader, kind: Kind, limit: Limit = MOST) -> list[StoredTold]:
    """Stored segments or scorecards, newest first."""
    return [StoredTold.of(run) for run in visit.store.runs(kind)[:limit]]


@router.get("/{kind}/{key}")
def show_result(visit: Reader, kind: Kind, key: str) -> dict[str, Any]:
    """The whole result, as the verb wrote it."""
    return dict(read_result(visit.store.run(kind, key), JSON_FILES[kind]))


@router.get("/{kind}/{key}/files/{name}")
def take_result_file(visit: Analyst, kind: Kind, key: str, name: str) -> Response:
    """A file of a result; the journal keeps who took it."""
    return give_file(visit, kind, key, name)
