"""The start page: where the money is, what to do with it, tonight's list, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from netlift.report.document import Banner, Card, Cell, Grid, Section, Tone, text_cell
from netlift.text import clean
from netlift.web.decisions_taken import read_decisions_taken
from netlift.web.readouts import newest_by_campaign
from netlift.web.store import Run
from netlift.web.stored_results import StoredDecisions, frame, read_decisions, read_estimate, read_result
from netlift.web.visit import Reader, Visit

router = APIRouter()
MOST_READOUTS = 5
PERIODS = ("month", "year", "all")
COLUMNS = ("name", "advice", "profit", "contacts")
ADVICE: Mapping[str, Tone] = {"scale_up": "good", "stop": "bad", "keep_testing": ""}


@router.get("/", include_in_schema=False)
def show_start(visit: Reader, period: str = "") -> Response:
    """The money of a period: the month where it has any finished campaign, else the year, else all time."""
    run = visit.store.newest("portfolio")
    found = read_periods(run)
    first = next((name for name in PERIODS if name in found and found[name]["campaigns"]), "all")
    chosen = found.get(period) or found.get(first)
    decisions = read_decisions(visit)
    title = visit.words.say("pages.start.title")
    answer, rest = [*_money(visit, chosen)], [*_tonight(visit, decisions), *_where(visit, chosen)]
    return visit.render(
        "start.html",
        answer=frame(visit, answer, title=title) if answer else None,
        rest=frame(visit, rest, title=title) if rest else None,
        periods=[name for name in PERIODS if name in found],
        chosen=chosen["name"] if chosen else "",
        waiting=list(list_waiting(visit, decisions, found.get("all"))),
        portfolio=run,
    )


def read_periods(run: Run | None) -> dict[str, Mapping[str, Any]]:
    """The money of each period by its name, as a portfolio holds it."""
    return {one["name"]: one for one in read_result(run, "portfolio.json").get("periods", ())} if run else {}


def _money(visit: Visit, period: Mapping[str, Any] | None) -> Iterator[Section]:
    """The answer in a sentence and four figures."""
    words, currency = visit.words, visit.desk.settings.currency
    if period is None:
        return
    net = read_estimate(period["net"])
    when = _when(visit, period)
    tone: Tone = "good" if net.ci_lower > 0 else "bad" if net.ci_upper < 0 else "warn"
    side = "made" if net.point > 0 else "lost"
    sure = {"good": "sure", "bad": "sure", "warn": "unsure"}[tone] if period["campaigns"] else "none"
    money = words.short_money(abs(net.point), currency)
    ends = words.about(net.point, net.ci_lower, net.ci_upper, currency, level=net.level)
    lines = [words.say("pages.start.range", money=ends)] if period["campaigns"] else []
    lines += _advice(visit, period)
    if period["unread"]:
        lines.append(words.say("pages.start.unread", campaigns=words.count("noun.campaigns", period["unread"])))
    title = words.say("pages.start.none" if sure == "none" else f"pages.start.{side}_{sure}", when=when, money=money)
    title = f"{title[:1].upper()}{title[1:]}"
    yield Section(
        name="answer",
        title=words.say("pages.start.answer", when=when),
        banner=Banner(
            title=f"{title[:1].upper()}{title[1:]}", tone=tone if period["campaigns"] else "", lines=tuple(lines)
        ),
        cards=(
            _card(visit, "earned", period["earned"], "good"),
            _card(visit, "lost", period["lost"], "bad"),
            *_at_risk(visit),
        ),
    )


def _when(visit: Visit, period: Mapping[str, Any]) -> str:
    since = date.fromisoformat(period["since"])
    if period["name"] == "month":
        return visit.words.month(since)
    return visit.words.say(f"pages.start.when_{period['name']}", year=str(since.year), day=visit.words.day(since))


def _advice(visit: Visit, period: Mapping[str, Any]) -> Iterator[str]:
    """What to continue and what to stop, by name."""
    for code in ("scale_up", "stop"):
        named = [visit.words.name("offer", one["name"]) for one in period["offers"] if one["advice"] == code]
        if named:
            yield visit.words.say(f"pages.start.{code}", offers=", ".join(map(clean, named)))


def _card(visit: Visit, name: str, plain: Mapping[str, Any], tone: Tone) -> Card:
    words, currency, money = visit.words, visit.desk.settings.currency, read_estimate(plain)
    text, interval = words.about_parts(money.point, money.ci_lower, money.ci_upper, currency)
    has_any = money.ci_lower < money.ci_upper
    cell = Cell(kind="money", value=money.point, text=text, note=interval, tone=tone) if has_any else _nothing(visit)
    return Card(title=words.say(f"pages.start.{name}"), cell=cell, lines=())


def _nothing(visit: Visit) -> Cell:
    return Cell(kind="money", value=0.0, text=visit.words.say("pages.start.nothing"), tone="muted")


def _at_risk(visit: Visit) -> Iterator[Card]:
    """LTV at risk of churn of the whole base, as the newest segments have it."""
    run = visit.store.newest("segments")
    plain = read_result(run, "segments.json")["total"].get("value_at_risk") if run else None
    if plain:
        money, currency = read_estimate(plain), visit.desk.settings.currency
        text, interval = visit.words.about_parts(money.point, money.ci_lower, money.ci_upper, currency)
        cell = Cell(kind="money", value=money.point, text=text, note=interval, tone="warn")
        yield Card(title=visit.words.say("pages.start.at_risk"), cell=cell, lines=())


def _tonight(visit: Visit, decisions: Sequence[StoredDecisions]) -> Iterator[Section]:
    """The newest list that is not rejected."""
    words, currency = visit.words, visit.desk.settings.currency
    newest = next((one for one in decisions if not one.trigger and one.handover != "rejected"), None)
    if newest is None:
        return
    summary, profit = newest.summary, newest.summary.forecast.profit
    text, interval = words.about_parts(profit.point, profit.ci_lower, profit.ci_upper, currency)
    state: tuple[str, Tone] = (words.say(f"pages.handover.{newest.handover}"), _tone_of(newest.handover))
    yield Section(
        name="tonight",
        title=words.say("pages.start.tonight", day=words.day(summary.as_of)),
        cards=(
            Card(
                title=words.say("decide.contacted"),
                cell=Cell(kind="count", value=summary.contacted),
                lines=(state,),
            ),
            Card(
                title=words.say("pages.start.expected"),
                cell=Cell(kind="money", value=profit.point, text=text, note=interval),
                lines=(),
            ),
            Card(
                title=words.say("decide.spend"),
                cell=Cell(kind="money", value=summary.spend, text=words.short_money(summary.spend, currency)),
                lines=(),
            ),
        ),
    )


def _tone_of(handover: str) -> Tone:
    return {"awaiting": "warn", "approved": "good", "rejected": "bad"}.get(handover, "muted")  # type: ignore[return-value]


def _where(visit: Visit, period: Mapping[str, Any] | None) -> Iterator[Section]:
    """The same money by offer, channel and value segment."""
    if period is None:
        return
    words = visit.words
    grids = [
        _grid(visit, name, totals)
        for name, totals in (("offer", period["offers"]), ("channel", period["channels"]))
        if totals
    ]
    for dimension in dict.fromkeys(total["dimension"] for total in period["by_segment"]):
        grids.append(_grid(visit, dimension, [one for one in period["by_segment"] if one["dimension"] == dimension]))
    if grids:
        yield Section(
            name="where",
            title=words.say("pages.start.where", when=_when(visit, period)),
            paragraphs=(words.say("pages.start.luck"),),
            grids=tuple(grids),
        )


def _grid(visit: Visit, dimension: str, totals: Sequence[Mapping[str, Any]]) -> Grid:
    words, currency = visit.words, visit.desk.settings.currency
    rows = []
    for total in totals:
        money = read_estimate(total["shrunken"])
        text, interval = words.about_parts(money.point, money.ci_lower, money.ci_upper, currency)
        tone: Tone = "good" if money.ci_lower > 0 else "bad" if money.ci_upper < 0 else ""
        is_own = dimension in ("offer", "channel")
        called = words.name(dimension, total["name"]) if is_own else words.value(dimension, total["name"])
        advice = Cell(kind="text", value=words.say(f"portfolio.advice.{total['advice']}"), tone=ADVICE[total["advice"]])
        cells = {
            "name": text_cell(called if total["name"] else words.say("cell.unknown")),
            "advice": advice,
            "profit": Cell(kind="money", value=money.point, text=text, note=interval, tone=tone),
            "contacts": Cell(kind="count", value=total["contacts"]),
        }
        rows.append(tuple(cells[name] for name in COLUMNS))
    title = words.name("attribute", dimension)
    heads = tuple(text_cell(title if name == "name" else words.say(f"portfolio.column.{name}")) for name in COLUMNS)
    return Grid(name=f"by_{dimension}", title=title, columns=heads, rows=tuple(rows))


def list_waiting(
    visit: Visit, decisions: Sequence[StoredDecisions], whole: Mapping[str, Any] | None
) -> Iterator[tuple[str, str, Tone]]:
    """Sentences of what waits for somebody, each with the page where it is done."""
    words = visit.words
    for one in decisions:
        if one.handover == "awaiting":
            yield (
                words.say(
                    "pages.start.waits.list",
                    key=one.run.key,
                    customers=words.count("noun.customers", one.summary.contacted),
                ),
                f"/offers/{one.run.key}",
                "warn",
            )
    newest = next((one for one in decisions if not one.trigger), None)
    given = {line.offer_id for line in newest.summary.offers if line.customers} if newest else set()
    for total in whole["offers"] if whole else ():
        if total["advice"] == "stop" and total["name"] in given:
            money = words.short_money(abs(total["shrunken"]["point"]), visit.desk.settings.currency)
            yield (
                words.say("pages.start.waits.stop", offer=clean(words.name("offer", total["name"])), money=money),
                "/offers#switches",
                "bad",
            )
    yield from _undecided(visit)


def _undecided(visit: Visit) -> Iterator[tuple[str, str, Tone]]:
    """Readouts that advise, upon whose campaign nobody decided or is to look again, the newest first."""
    found: list[tuple[str, str]] = []
    for one in newest_by_campaign(visit.store, language=visit.words.language).values():
        if all(code == "withheld" for code in one.advice.values()):  # none to follow, as of one without any
            continue
        taken = read_decisions_taken(visit.desk.settings.state, one.campaign_id)
        name = "readout" if not taken else "review"
        if not taken or (taken[0].review and date.fromisoformat(taken[0].review) <= visit.now.date()):
            text = visit.words.say(f"pages.start.waits.{name}", campaign=one.title, verdict=one.verdict)
            found.append((text, f"/readouts/{one.key}#decided"))
    for text, where in found[:MOST_READOUTS]:
        yield text, where, "warn"
    if more := len(found[MOST_READOUTS:]):
        yield visit.words.say("pages.start.waits.more", readouts=str(more)), "/readouts", "warn"
