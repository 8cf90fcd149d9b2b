"""New offers on the page of a run: evidence, cost and when each is proven."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netlift.decisions.run.summary import DecisionSummary, NewOfferLine, NewOffersPart
from netlift.report.document import Cell, Grid, Picture, Section, Tone, text_cell
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.report.language import Words
from netlift.report.palette import LIGHT

COLORS = {"learning": "blue", "proven": "gain", "waiting": "gain", "retired": "loss", "unproven": "grey"}
TONES: dict[str, Tone] = {"proven": "good", "waiting": "good", "retired": "bad", "unproven": "muted"}
COLUMNS = ("offer", "state", "tried", "cost", "now", "now_cost", "per_contact", "earns", "until")


def new_offers_section(summary: DecisionSummary, words: Words, *, in_full: bool) -> tuple[Section, ...]:
    """The section; none where the config names no new offers.

    Args:
        summary: The run.
        words: The language.
        in_full: With its chart.
    """
    part = summary.new_offers
    if part is None:
        return ()
    rows = tuple(tuple(_cells(line, summary.currency, words)) for line in part.lines)
    heads = tuple(text_cell(words.say(f"decide.new.column.{name}")) for name in COLUMNS)
    told = words.say(
        "decide.new.how",
        confidence=words.share(part.confidence, digits=0),
        level=words.share(part.level, digits=0),
    )
    return (
        Section(
            name="new_offers",
            title=words.say("decide.new.title"),
            paragraphs=(told, *_money(part, summary, words)),
            items=tuple(_verdicts(part, summary.currency, words)),
            pictures=(_picture(part, summary.currency, words),) if in_full else (),
            grids=(Grid(name="new_offers", title="", columns=heads, rows=rows),),
        ),
    )


def _money(part: NewOffersPart, summary: DecisionSummary, words: Words) -> Iterator[str]:
    """What the run spends on learning, and what the month has had."""
    money = {name: words.short_money(getattr(part, name), summary.currency) for name in ("budget", "spend", "before")}
    yield words.say("decide.new.run", **money)
    if part.monthly_budget is not None:
        monthly = words.short_money(part.monthly_budget, summary.currency)
        month = words.month(summary.as_of.replace(day=1))
        yield words.say("decide.new.month", monthly=monthly, before=money["before"], month=month)


def _verdicts(part: NewOffersPart, currency: str, words: Words) -> Iterator[str]:
    """What is said of offers that are no longer learned about."""
    for line in part.lines:
        state = _state(line)
        if state != "learning":
            known = line.known
            yield words.say(
                f"decide.new.told.{state}",
                offer=words.name("offer", known.offer_id),
                money=_each(known.expected, currency, words),
                chance=words.probability(1 - known.chance if state == "retired" else known.chance),
                contacts=words.count("noun.contacts", known.contacts),
            )


def _cells(line: NewOfferLine, currency: str, words: Words) -> Iterator[Cell]:
    known, state = line.known, _state(line)
    yield text_cell(words.name("offer", known.offer_id))
    yield Cell(kind="text", value=words.say(f"decide.new.state.{state}"), tone=TONES.get(state, ""))
    waits = known.made - known.contacts
    note = words.say("decide.new.open", count=words.number(waits)) if waits else ""
    yield Cell(kind="count", value=known.contacts, note=note)
    yield Cell(kind="money", value=known.cost, text=words.short_money(known.cost, currency))
    yield Cell(kind="count", value=line.customers)
    yield Cell(kind="money", value=line.spend, text=words.short_money(line.spend, currency))
    lower, upper = (words.number(end, digits=_digits(end)) for end in (known.lower, known.upper))
    between = words.say("cell.interval", lower=lower, upper=upper)
    tone: Tone = "bad" if known.upper < 0 else "good" if known.lower > 0 else ""
    yield Cell(kind="money", value=known.expected, text=_each(known.expected, currency, words), note=between, tone=tone)
    yield Cell(kind="share", value=known.chance, text=words.probability(known.chance))
    yield text_cell(_until(line, words) if state == "learning" else "")


def _until(line: NewOfferLine, words: Words) -> str:
    """When it would be known, at the pace of this run and with the effect that is expected."""
    if line.known.needed is None:
        return words.say("decide.new.until.beyond")
    contacts = words.number(max(line.known.needed - (line.known.made - line.known.contacts), 0))
    if not line.customers:
        return words.say("decide.new.until.contacts", contacts=contacts)
    left = max(line.known.needed - (line.known.made - line.known.contacts), 0)
    runs = max(math.ceil(left / line.customers), 1)
    return words.say("decide.new.until.runs", contacts=contacts, runs=words.number(runs))


def _picture(part: NewOffersPart, currency: str, words: Words) -> Picture:
    """What is known of each by now."""
    whiskers, colors = [], {}
    for line in part.lines:
        state, known = _state(line), line.known
        series = words.say(f"decide.new.state.{state}")
        colors[series] = LIGHT[COLORS[state]]
        label = words.name("offer", known.offer_id)
        whiskers.append(Whisker(label=label, series=series, point=known.expected, lower=known.lower, upper=known.upper))
    best = max(part.lines, key=lambda line: line.known.chance)
    said = words.say(
        "decide.new.picture",
        offer=words.name("offer", best.known.offer_id),
        chance=words.probability(best.known.chance),
    )
    svg = forest_chart(whiskers, colors=colors, unit=words.symbol(currency), language=words.language)
    return Picture(svg=svg, title=said, alternative=said)


def _state(line: NewOfferLine) -> str:
    """Its state; a proven offer that no model knows yet waits for one."""
    return "waiting" if line.known.state == "proven" and line.known.share else line.known.state


def _each(value: float, currency: str, words: Words) -> str:
    return words.money(value, currency, digits=_digits(value))


def _digits(value: float) -> int:
    return 0 if abs(value) >= 20 else 1


__all__ = ["new_offers_section"]
