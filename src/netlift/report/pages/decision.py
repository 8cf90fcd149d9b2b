"""A run of decisions on one screen: money expected, what is short, who gets what, and why others get nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netlift.decision.prices import Price
from netlift.decision.summary import DecisionSummary, Note, OfferLine
from netlift.report.document import Card, Cell, Document, Grid, Section, Tone, text_cell
from netlift.report.pages.decision_proof import before_launch_section, warn_before_launch
from netlift.report.words import Words

GIVEN = ("policy", "explore")
NUMBERED = ("customers", "rows", "count")


def decision_document(
    summary: DecisionSummary, words: Words, *, path: str, written: bool, in_full: bool = False
) -> Document:
    """A run in a language.

    Args:
        summary: What was decided.
        words: The language.
        path: The folder that holds it.
        written: Whether it was written now.
        in_full: With what is for a page and not for a screen: what the profit rests on.
    """
    say = words.say
    contacted = words.count("noun.customers", summary.contacted)
    told = (
        warn_before_launch(summary, words),
        say("decide.observational", campaigns=summary.observational) if summary.observational else "",
    )
    notices = tuple(filter(None, told))
    notes = tuple(_notes(summary, words))
    economics = tuple(_economics(summary, words)) if in_full else ()
    where = say(f"decide.{'written' if written else 'stood'}", path=path)
    return Document(
        title=say("decide.title", key=summary.run_key),
        subtitle=say(
            "decide.subtitle",
            day=words.day(summary.as_of),
            contacted=contacted,
            customers=words.number(summary.customers),
        ),
        notice=" ".join(notices),
        words=words,
        currency=summary.currency,
        dated=summary.as_of,
        sections=(
            Section(
                name="money",
                title=say("decide.money"),
                paragraphs=notices,
                cards=tuple(_cards(summary, words)),
                items=(
                    *(_limit(price, summary, words) for price in _worth_telling(summary.prices)),
                    *_basis(summary, words),
                ),
                grids=(_curve(summary, words),) if summary.curve else (),
            ),
            before_launch_section(summary, words),
            Section(name="offers", title=say("decide.offers"), grids=(_offers(summary, words), *economics)),
            Section(name="why", title=say("decide.why"), grids=(_reasons(summary, words),)),
            *((Section(name="notes", title=say("decide.notes"), items=notes),) if notes else ()),
            Section(name="next", title=say("decide.where"), items=(where, say("decide.next", key=summary.run_key))),
        ),
    )


def _cards(summary: DecisionSummary, words: Words) -> Iterator[Card]:
    say, profit = words.say, summary.forecast.profit
    known = math.isfinite(profit.ci_lower)
    tone: Tone = "good" if known and profit.ci_lower > 0 else ""
    yield Card(
        title=say("decide.profit"),
        cell=Cell(
            kind="money",
            value=profit.point,
            lower=profit.ci_lower if known else None,
            upper=profit.ci_upper if known else None,
            tone=tone,
        ),
        lines=((say("decide.promised", money=words.money(summary.forecast.promised, summary.currency)), "muted"),),
    )
    share = summary.budget and summary.spend / summary.budget
    of = (
        say("decide.of_budget", budget=words.money(summary.budget, summary.currency), share=words.share(share or 0.0))
        if summary.budget is not None
        else say("decide.no_budget")
    )
    yield Card(title=say("decide.spend"), cell=Cell(kind="money", value=summary.spend), lines=((of, ""),))


def _basis(summary: DecisionSummary, words: Words) -> Iterator[str]:
    forecast, say = summary.forecast, words.say
    if forecast.basis != "promise":
        yield say(
            f"decide.basis_{forecast.basis}",
            rows=words.number(forecast.rows),
            level=words.share(forecast.profit.level, digits=0),
        )
    else:
        yield say("decide.basis_promise")
    if forecast.unknown:
        yield say("decide.unknown", customers=words.count("noun.customers", forecast.unknown))
    if summary.explored:
        yield say(
            "decide.explored",
            customers=words.count("noun.customers", summary.explored),
            money=words.money(forecast.exploration, summary.currency),
        )
    yield say("decide.gap", gap=words.share(summary.gap, digits=4))


def _curve(summary: DecisionSummary, words: Words) -> Grid:
    """What other budgets would earn, by the model's word."""
    heads = ("budget", "promise", "next_unit", "customers")
    rows = tuple(
        (
            Cell(kind="money", value=point.budget),
            Cell(kind="money", value=point.profit),
            Cell(kind="money", value=point.price, digits=2),
            Cell(kind="count", value=point.customers),
        )
        for point in summary.curve
    )
    columns = tuple(text_cell(words.say(f"decide.column.{name}")) for name in heads)
    return Grid(name="curve", title=words.say("decide.curve"), columns=columns, rows=rows)


def _worth_telling(prices: tuple[Price, ...]) -> list[Price]:
    """Limits that bind, and the budget always."""
    return [price for price in prices if price.binding or price.name == "budget"]


def _limit(price: Price, summary: DecisionSummary, words: Words) -> str:
    """What one more unit of a limit earns, in words."""
    say = words.say
    kind, _, name = price.name.partition(" ")
    money = words.money(price.price, summary.currency, digits=2)
    used, bound = words.number(price.used), words.number(price.bound)
    if kind == "budget":
        return say("decide.limit.budget" if price.binding else "decide.limit.budget_free", money=money)
    what = say(f"decide.limit.what_{kind}", name=name)
    key = "decide.limit.least" if price.side == "least" else "decide.limit.most"
    return say(key, what=what, used=used, bound=bound, money=money)


def _economics(summary: DecisionSummary, words: Words) -> Iterator[Grid]:
    """What the expected profit owes to each economic input, and what a tenth more of it would change."""
    say = words.say
    if summary.sensitivity:
        heads = ("input", "offer", "in_all", "tenth_more")
        yield Grid(
            name="economics",
            title=say("decide.economics"),
            columns=tuple(text_cell(say(f"decide.column.{name}")) for name in heads),
            rows=tuple(
                (
                    text_cell(say(f"decide.input.{line.input}")),
                    text_cell(line.offer_id),
                    Cell(kind="money", value=line.amount),
                    Cell(kind="money", value=line.change),
                )
                for line in summary.sensitivity
            ),
        )


def _offers(summary: DecisionSummary, words: Words) -> Grid:
    heads = ("offer", "channel", "customers", "explored", "open_to", "spend", "profit")
    return Grid(
        name="offers",
        title="",
        columns=tuple(text_cell(words.say(f"decide.column.{name}")) for name in heads),
        rows=tuple(_offer(line) for line in summary.offers),
    )


def _offer(line: OfferLine) -> tuple[Cell, ...]:
    return (
        text_cell(line.offer_id),
        text_cell(line.channel),
        Cell(kind="count", value=line.customers),
        Cell(kind="count", value=line.explored),
        Cell(kind="count", value=line.open_to),
        Cell(kind="money", value=line.spend),
        Cell(kind="money", value=line.profit),
    )


def _reasons(summary: DecisionSummary, words: Words) -> Grid:
    without = {reason: count for reason, count in summary.reasons.items() if reason not in GIVEN}
    ordered = sorted(without.items(), key=lambda pair: -pair[1])
    rows = tuple(
        (
            text_cell(words.say(f"decide.reason.{reason}")),
            Cell(kind="count", value=count),
            Cell(kind="share", value=count / summary.customers, digits=1),
        )
        for reason, count in ordered
    )
    heads = tuple(text_cell(words.say(f"decide.column.{name}")) for name in ("reason", "customers", "share"))
    return Grid(name="reasons", title="", columns=heads, rows=rows)


def _notes(summary: DecisionSummary, words: Words) -> Iterator[str]:
    for note in summary.notes:
        yield words.say(f"decide.note.{note.key}", **_written(note, words))


def _written(note: Note, words: Words) -> dict[str, str]:
    return {
        name: words.number(value, digits=0 if name in NUMBERED else 2) if isinstance(value, int | float) else value
        for name, value in note.values.items()
    }


__all__ = ["decision_document"]
