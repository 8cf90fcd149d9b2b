"""Campaigns and tests: a searchable list with verdicts, a calendar, overlaps, open hypotheses and what was learned."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from netlift.config.plan import Plan, load_plan
from netlift.config.settings import read_yaml
from netlift.errors import NetliftError
from netlift.report.document import Cell, Document, Grid, Section, text_cell
from netlift.report.exports import to_xlsx
from netlift.results import Estimate
from netlift.text import safe_cell
from netlift.web.store import NotStoredError, Run
from netlift.web.stored_results import read_estimate, read_result
from netlift.web.visit import Analyst, Reader, Visit

router = APIRouter(prefix="/tests", include_in_schema=False)
VERDICTS = ("made", "lost", "open", "unread")
SORTS = ("started", "profit", "chance", "customers", "campaign")
CSV_COLUMNS = (
    *("campaign_id", "name", "verdict", "profit", "profit_lower", "profit_upper"),
    *("probability_of_profit", "customers", "started"),
)
READOUT_FILE = "readout.json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, kw_only=True)
class ListedTest:
    """A campaign of the list.

    Attributes:
        campaign: Its id.
        name: What the business calls it.
        started: First assignment; None where it cannot be read.
        verdict: made, lost, open, or unread with a reason.
        told: The verdict in words: of its newest readout where it has one, else of the portfolio.
        profit: Without luck; None where it cannot be read.
        chance: Probability of profit, likewise.
        customers: Treated and control.
        readout: Key of its newest readout; empty without one.
    """

    campaign: str
    name: str
    started: date | None
    verdict: str
    told: str
    profit: Estimate | None
    chance: float | None
    customers: int
    readout: str


@router.get("")
def list_tests(visit: Reader, q: str = "", verdict: str = "", sort: str = "started", order: str = "desc") -> Response:
    """The list, filtered and sorted, and what goes with it."""
    run = visit.store.newest("portfolio")
    readouts = _newest_readouts(visit)
    every = _tests(visit, run, readouts)
    return visit.render(
        "tests.html",
        run=run,
        tests=_chosen(every, q, verdict, sort, order),
        asked={"q": q, "verdict": verdict, "sort": sort if sort in SORTS else "started", "order": order},
        verdicts=VERDICTS,
        calendar=_calendar(every),
        overlaps=list(_overlaps(readouts)),
        plans=_open_plans(visit, {test.campaign for test in every if test.verdict != "unread"}),
        learned=[(key, run_of, list(_learned(visit, run_of))) for key, run_of in readouts.items()],
    )


@router.get("/list.{kind}")
def export_list(
    visit: Analyst, kind: str, q: str = "", verdict: str = "", sort: str = "started", order: str = "desc"
) -> Response:
    """The list as it is shown, as XLSX or CSV."""
    tests = find_tests(visit, q, verdict, sort, order)
    if kind == "xlsx":
        content, media = to_xlsx(_workbook(visit, tests)), XLSX
    elif kind == "csv":
        content, media = _csv(visit, tests), "text/csv; charset=utf-8"
    else:
        raise NotStoredError(f"no list as {kind}; there are xlsx and csv")
    visit.record("export", list=f"tests.{kind}")
    headers = {"content-disposition": f'attachment; filename="tests.{kind}"'}
    return visit.keep(Response(content, media_type=media, headers=headers))


def find_tests(visit: Visit, q: str, verdict: str, sort: str, order: str) -> list[ListedTest]:
    """The list as it is shown: of a search and a verdict, in an order."""
    return _chosen(_tests(visit, visit.store.newest("portfolio"), _newest_readouts(visit)), q, verdict, sort, order)


def _newest_readouts(visit: Visit) -> dict[str, Run]:
    """Campaign to its newest readout, of the reader's language where there is one."""
    found: dict[str, Run] = {}
    runs = visit.store.runs("readouts")
    for run in sorted(runs, key=lambda run: run.language != visit.words.language):
        if READOUT_FILE in run.files():
            found.setdefault(str(_told(run)["campaign_id"]), run)
    return found


def _told(run: Run) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = read_result(run, READOUT_FILE)
    found: Mapping[str, Any] = plain.get("readout", plain)
    return found


def _tests(visit: Visit, run: Run | None, readouts: Mapping[str, Run]) -> list[ListedTest]:
    """All campaigns of the portfolio, those that cannot be read last."""
    if run is None:
        return []
    portfolio = read_result(run, "portfolio.json")
    found = []
    for line in portfolio["campaigns"]:
        profit = read_estimate(line["shrunken"])
        verdict = "made" if profit.ci_lower > 0 else "lost" if profit.ci_upper < 0 else "open"
        own = readouts.get(line["campaign_id"])
        found.append(
            ListedTest(
                campaign=line["campaign_id"],
                name=line["name"],
                started=date.fromisoformat(line["started"]),
                verdict=verdict,
                told=_say_verdict(visit, own, verdict),
                profit=profit,
                chance=line["chance_of_profit"],
                customers=line["treated"] + line["control"],
                readout=own.key if own else "",
            )
        )
    for line in portfolio["left_out"]:
        own = readouts.get(line["campaign_id"])
        found.append(
            ListedTest(
                campaign=line["campaign_id"],
                name=line["name"],
                started=None,
                verdict="unread",
                told=visit.words.say(f"portfolio.reason.{line['reason']}"),
                profit=None,
                chance=None,
                customers=0,
                readout=own.key if own else "",
            )
        )
    return found


def _say_verdict(visit: Visit, run: Run | None, verdict: str) -> str:
    """The words that stand on the readout's own page, so that a campaign has one verdict; else the portfolio's."""
    headline = read_result(run, READOUT_FILE).get("headline") if run else None
    if headline and headline["language"] == visit.words.language:
        return str(headline["verdict"])
    return visit.words.say(f"pages.tests.{verdict}")


def _chosen(tests: Sequence[ListedTest], asked: str, verdict: str, sort: str, order: str) -> list[ListedTest]:
    text = asked.strip().casefold()
    found = [
        test
        for test in tests
        if text in f"{test.campaign} {test.name} {test.told}".casefold() and verdict in ("", test.verdict)
    ]
    keys = {
        "started": lambda test: test.started or date.min,
        "profit": lambda test: test.profit.point if test.profit else -math.inf,
        "chance": lambda test: test.chance if test.chance is not None else -1.0,
        "customers": lambda test: test.customers,
        "campaign": lambda test: test.campaign,
    }
    return sorted(found, key=keys.get(sort, keys["started"]), reverse=order != "asc")


def _calendar(tests: Sequence[ListedTest]) -> dict[int, list[list[ListedTest]]]:
    """Year to its months, each with the campaigns that began in it, the newest year first."""
    found: dict[int, list[list[ListedTest]]] = {}
    for test in sorted((test for test in tests if test.started), key=lambda test: test.started or date.min):
        if test.started:
            found.setdefault(test.started.year, [[] for _ in range(12)])[test.started.month - 1].append(test)
    return dict(sorted(found.items(), reverse=True))


def _overlaps(readouts: Mapping[str, Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Campaign and another one that reached its customers, by stored readouts."""
    for campaign, run in readouts.items():
        for other in _told(run).get("overlaps") or ():
            yield campaign, other


def _open_plans(visit: Visit, read: set[str]) -> list[Plan]:
    """Plans of campaigns whose result nobody has yet; files that are no such plan are passed by."""
    found = []
    for path in sorted(visit.desk.experiments.glob("*/plan.yaml")):
        try:
            if "campaign_id" in read_yaml(path) and (plan := load_plan(path)).campaign_id not in read:
                found.append(plan)
        except NetliftError:
            continue
    return found


def _learned(visit: Visit, run: Run) -> Iterator[str]:
    """What a readout advises for each arm."""
    for one in _told(run).get("advice") or ():
        advice = visit.words.say(f"portfolio.advice.{one['code']}")
        yield f"{visit.words.name('offer', one['arm'])}: {advice}"


def _workbook(visit: Visit, tests: Sequence[ListedTest]) -> Document:
    say = visit.words.say
    names = ("campaign", "verdict", "profit", "chance", "customers", "started")
    rows = tuple(
        (
            text_cell(f"{test.campaign} · {test.name}"),
            text_cell(test.told),
            Cell(
                kind="money",
                value=test.profit.point if test.profit else None,
                lower=test.profit.ci_lower if test.profit else None,
                upper=test.profit.ci_upper if test.profit else None,
            ),
            Cell(kind="share", value=test.chance),
            Cell(kind="count", value=test.customers),
            text_cell(visit.words.day(test.started) if test.started else ""),
        )
        for test in tests
    )
    heads = tuple(text_cell(say(f"pages.tests.{name}")) for name in names)
    grid = Grid(name="tests", title=say("pages.tests.title"), columns=heads, rows=rows)
    return Document(
        title=say("pages.tests.title"),
        subtitle="",
        words=visit.words,
        currency=visit.desk.settings.currency,
        dated=visit.now.date(),
        sections=(Section(name="tests", title=say("pages.tests.title"), grids=(grid,)),),
    )


def _csv(visit: Visit, tests: Sequence[ListedTest]) -> bytes:
    """With semicolons and a byte-order mark, as a Russian Excel opens it, and commas in numbers where Russian."""
    comma = visit.words.language == "ru"

    def number(value: float | None) -> str:
        text = "" if value is None or not math.isfinite(value) else f"{value:.4f}".rstrip("0").rstrip(".")
        return text.replace(".", ",") if comma else text

    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for test in tests:
        ends = (test.profit.point, test.profit.ci_lower, test.profit.ci_upper) if test.profit else (None, None, None)
        texts = [safe_cell(text) for text in (test.campaign, test.name, test.told)]
        writer.writerow([*texts, *map(number, ends), number(test.chance), test.customers, test.started or ""])
    return ("\ufeff" + buffer.getvalue()).encode()
