"""The page of a decision run: expected profit and its check, offers, limits, and reasons for none.

A page shows all of it, and a terminal one screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from netlift.decisions.allocation.result import Price
from netlift.decisions.changes.page import changes_section
from netlift.decisions.run.page_journeys import journeys_section
from netlift.decisions.run.page_launch_check import before_launch_section, say_check, warn_before_launch
from netlift.decisions.run.page_new_offers import new_offers_section
from netlift.decisions.run.page_parts import parts_section
from netlift.decisions.run.summary import DecisionSummary, MonthLine, OfferLine, RunNote
from netlift.features.matrix import Feature
from netlift.report.document import Banner, Card, Cell, Document, Grid, Section, Tone, text_cell
from netlift.report.language import Words
from netlift.text import clean
from netlift.training.uplift.sentences import say_feature

GIVEN = ("policy", "explore", "journey")
FAMILIES = {"offers": "offer", "offer": "offer", "strategies": "strategy", "chosen": "rule", "rule": "rule"}
COUNTS = ("customers", "rows", "count", "days")


def decision_document(
    summary: DecisionSummary, words: Words, *, path: str, written: bool, in_full: bool = False
) -> Document:
    """A run in a language.

    Args:
        summary: What was decided.
        words: The language, with what the business calls its offers.
        path: The folder that holds it.
        written: Whether it was written now.
        in_full: With what is for a page and not for a screen: parts of the customers, and what the profit is made of.
    """
    say = words.say
    told = (
        warn_before_launch(summary, words),
        say("decide.observational", campaigns=summary.observational) if summary.observational else "",
        *(_month(line, summary, words) for line in summary.month if line.was_used_up),
    )
    notices = tuple(filter(None, told))
    where = say(f"decide.{'written' if written else 'stood'}", path=path)
    return Document(
        title=say("decide.title", key=summary.run_key),
        subtitle=say(
            "decide.subtitle",
            day=words.day(summary.as_of),
            contacted=words.count("noun.customers", summary.contacted),
            customers=words.number(summary.customers),
        ),
        notice=" ".join(notices),
        words=words,
        currency=summary.currency,
        dated=summary.as_of,
        sections=(
            *(
                (Section(name="careful", title=say("decide.careful"), items=notices),)
                if notices and not in_full
                else ()
            ),
            Section(
                name="money",
                title=say("decide.money"),
                banner=_banner(summary, words),
                cards=tuple(_cards(summary, words)),
                items=(
                    *(_limit(price, summary, words) for price in _worth_telling(summary.prices)),
                    *(_month(line, summary, words) for line in summary.month if not line.was_used_up),
                ),
                grids=(_offers(summary, words),),
            ),
            *_stops(summary, words),
            *([changes_section(summary.changes, summary.currency, words, in_full=in_full)] if summary.changes else []),
            *new_offers_section(summary, words, in_full=in_full),
            *(parts_section(summary, words) if in_full else ()),
            *journeys_section(summary, words, in_full=in_full),
            before_launch_section(summary, words),
            *(_limits(summary, words) if in_full else ()),
            Section(name="why", title=say("decide.why"), grids=(_reasons(summary, words),)),
            Section(
                name="notes",
                title=say("decide.notes"),
                items=(*_basis(summary, words), *(_note(note, words) for note in summary.notes)),
            ),
            Section(name="next", title=say("decide.where"), items=tuple(_what_next(summary, where, words))),
        ),
    )


def _stops(summary: DecisionSummary, words: Words) -> Iterator[Section]:
    """What operators have stopped, and how many customers that touches; nothing where nothing is."""
    told = []
    for line in summary.stops:
        stop = line.stop
        name = words.name(stop.family, stop.name)
        until = "for_now" if stop.until is None else "up_to"
        day = {} if stop.until is None else {"day": words.day(stop.until)}
        told.append(
            words.say(
                "decide.stops.line",
                what=f"{name[:1].upper()}{name[1:]}",
                until=words.say(f"decide.stops.{until}", **day),
                reason=clean(stop.reason),
                by=clean(stop.by),
                customers=words.count("noun.customers", line.customers),
            )
        )
    if told:
        yield Section(name="stops", title=words.say("decide.stops.title"), items=tuple(told))


def _what_next(summary: DecisionSummary, where: str, words: Words) -> Iterator[str]:
    """Where the run lies, that its lists wait where they do, and what to do when they have gone out."""
    yield where
    if summary.approval == "required":
        yield words.say("decide.handover.waits", key=summary.run_key)
    yield words.say("decide.next", key=summary.run_key)


def _banner(summary: DecisionSummary, words: Words) -> Banner:
    """The answer: what is expected, and whether past campaigns bear it out."""
    profit = summary.forecast.profit
    if not math.isfinite(profit.ci_lower):
        money = words.short_money(profit.point, summary.currency)
        return Banner(title=words.say("decide.profit_promised", money=money), tone="warn")
    tone: Tone = "good" if profit.ci_lower > 0 else "bad" if profit.ci_upper < 0 else "warn"
    money = words.about(profit.point, profit.ci_lower, profit.ci_upper, summary.currency, level=profit.level)
    check = say_check(summary, words)
    return Banner(title=words.say("decide.profit", money=money), tone=tone, lines=(check,) if check else ())


def _cards(summary: DecisionSummary, words: Words) -> Iterator[Card]:
    say, currency = words.say, summary.currency
    share = words.share(summary.contacted / summary.customers if summary.customers else 0.0, digits=0)
    of_all = say("decide.of_customers", share=share, customers=words.number(summary.customers))
    yield Card(
        title=say("decide.contacted"), cell=Cell(kind="count", value=summary.contacted), lines=((of_all, "muted"),)
    )
    if summary.budget is None:
        of = say("decide.no_budget")
    else:
        spent = words.share(summary.spend / summary.budget if summary.budget else 0.0, digits=0)
        of = say("decide.of_budget", share=spent, budget=words.short_money(summary.budget, currency))
    yield Card(title=say("decide.spend"), cell=_short(summary.spend, currency, words), lines=((of, "muted"),))
    if summary.explored:
        costs = say("decide.learning_costs", money=words.short_money(summary.forecast.exploration, currency))
        yield Card(
            title=say("decide.learning"), cell=Cell(kind="count", value=summary.explored), lines=((costs, "muted"),)
        )


def _basis(summary: DecisionSummary, words: Words) -> Iterator[str]:
    """How the expected profit came about."""
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


def _limits(summary: DecisionSummary, words: Words) -> tuple[Section, ...]:
    """How near the choice is to the best possible, what another budget would earn, and what the profit is made of."""
    bound = any(price.binding for price in summary.prices)
    gap = words.say("decide.limits_words", gap=words.share(summary.gap, digits=4))
    grids = (*_curve(summary, words), *_economics(summary, words))
    told = gap if bound else words.say("decide.no_limits")
    return (Section(name="limits", title=words.say("decide.limits"), paragraphs=(told,), grids=grids),)


def _curve(summary: DecisionSummary, words: Words) -> Iterator[Grid]:
    """What other budgets would earn, by the model's word."""
    currency = summary.currency
    if summary.curve:
        heads = _heads(words, "budget", "promise", "next_unit", "customers", unit=words.money(1.0, currency))
        rows = tuple(
            (
                _short(point.budget, currency, words),
                _short(point.profit, currency, words),
                Cell(kind="money", value=point.price, digits=2),
                Cell(kind="count", value=point.customers),
            )
            for point in summary.curve
        )
        yield Grid(name="curve", title=words.say("decide.curve"), columns=heads, rows=rows)


def _worth_telling(prices: Sequence[Price]) -> list[Price]:
    """Limits that bind, and the budget always."""
    return [price for price in prices if price.binding or price.name == "budget"]


def _limit(price: Price, summary: DecisionSummary, words: Words) -> str:
    """What one more unit of a limit earns, in words."""
    say, currency = words.say, summary.currency
    kind, _, name = price.name.partition(" ")
    money = words.money(price.price, currency, digits=0 if price.price >= 20 else 2)
    if kind == "budget":
        if not price.binding:
            return say("decide.limit.budget_free")
        bound, unit = words.short_money(price.bound, currency), words.money(1.0, currency)
        return say("decide.limit.budget", bound=bound, unit=unit, money=money)
    told = words.name(kind, name)
    values = {
        "what": f"{told[:1].upper()}{told[1:]}",
        "used": words.number(price.used),
        "bound": words.number(price.bound),
        "money": money,
    }
    if price.side == "least":
        return say("decide.limit.least", **values)
    channel = name if kind == "channel" else next((o.channel for o in summary.offers if o.offer_id == name), "")
    known = words.has(f"decide.one_more.{channel}")
    return say("decide.limit.most", **values, one_more=say(f"decide.one_more.{channel if known else 'contact'}"))


def _month(line: MonthLine, summary: DecisionSummary, words: Words) -> str:
    """What is used of what a calendar month allows, in words."""
    kind, _, name = line.name.partition(" ")
    how = "used_up" if line.was_used_up else "used"

    def of(value: float) -> str:
        return words.short_money(value, summary.currency) if kind == "budget" else words.number(value)

    told = words.say("decide.month.budget") if kind == "budget" else words.name(kind, name)
    return words.say(
        f"decide.month.{how}",
        what=f"{told[:1].upper()}{told[1:]}",
        bound=of(line.most),
        before=of(line.before),
        now=of(line.now),
        left=of(line.left),
        month=words.month(summary.as_of.replace(day=1)),
    )


def _economics(summary: DecisionSummary, words: Words) -> Iterator[Grid]:
    """What the expected profit owes to each economic input, and what a tenth more of it would change."""
    if summary.sensitivity:
        rows = tuple(
            (
                text_cell(words.say(f"decide.input.{line.input}")),
                text_cell(words.name("offer", line.offer_id)),
                _short(line.amount, summary.currency, words),
                _short(line.change, summary.currency, words),
            )
            for line in summary.sensitivity
        )
        heads = _heads(words, "input", "offer", "in_all", "tenth_more")
        yield Grid(name="economics", title=words.say("decide.economics"), columns=heads, rows=rows)


def _offers(summary: DecisionSummary, words: Words) -> Grid:
    """What each offer brings, most money first, and all of them."""
    lines = sorted(summary.offers, key=lambda line: -line.profit)
    tried = {line.known.offer_id for line in summary.new_offers.lines} if summary.new_offers else set()
    rows = [_offer(line, summary.currency, words, is_new=line.offer_id in tried) for line in lines]
    whole = summary.forecast.profit
    total = (
        text_cell(words.say("decide.in_all")),
        Cell(kind="count", value=sum(line.customers for line in lines)),
        _expected(whole.point, whole.ci_lower, whole.ci_upper, summary.currency, words),
        _short(sum(line.spend for line in lines), summary.currency, words),
        text_cell(""),
        Cell(kind="count", value=sum(line.explored for line in lines)),
        Cell(kind="count", value=None),
    )
    heads = _heads(words, "offer", "customers", "profit", "spend", "channel", "explored", "open_to")
    return Grid(name="offers", title=words.say("decide.offers"), columns=heads, rows=(*rows, total))


def _offer(line: OfferLine, currency: str, words: Words, *, is_new: bool) -> tuple[Cell, ...]:
    unknown = is_new and not line.profit  # what nobody knows is in no sum
    return (
        text_cell(words.name("offer", line.offer_id)),
        Cell(kind="count", value=line.customers),
        text_cell(words.say("decide.not_known"))
        if unknown
        else _expected(line.profit, line.profit_lower, line.profit_upper, currency, words),
        _short(line.spend, currency, words),
        text_cell(words.name("channel", line.channel)),
        Cell(kind="count", value=line.explored),
        Cell(kind="count", value=line.open_to),
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
    return Grid(name="reasons", title="", columns=_heads(words, "reason", "customers", "share"), rows=rows)


def _note(note: RunNote, words: Words) -> str:
    values = {name: _written(name, value, words) for name, value in note.values.items()}
    return words.say(f"decide.note.{note.key}", **values)


def _written(name: str, value: str | float | tuple[str, ...], words: Words) -> str:
    """A number of a note as its kind is written, and ids by what they are called."""
    if isinstance(value, int | float):
        if name == "least":
            return words.probability(value)
        if name == "times":
            return words.share(value, digits=0)
        if name.endswith("_share"):
            return words.share(value, digits=1)
        return words.number(value, digits=0 if name in COUNTS else 2)
    ids = (value,) if isinstance(value, str) else value
    if name == "features":
        return ", ".join(say_feature(Feature(name=one, unit="", source="", formula=""), words) for one in ids)
    return ", ".join(words.name(FAMILIES[name], one) if name in FAMILIES else one for one in ids)


def _short(value: float, currency: str, words: Words, *, tone: Tone = "") -> Cell:
    """Money in thousands or millions."""
    return Cell(kind="money", value=value, text=words.short_money(value, currency), tone=tone)


def _expected(value: float, lower: float, upper: float, currency: str, words: Words) -> Cell:
    """Expected profit in thousands or millions with its interval, where one is known and is not the number itself."""
    if not lower < upper:
        return _short(value, currency, words, tone=_tone(value))
    money, interval = words.about_parts(value, lower, upper, currency)
    return Cell(kind="money", value=value, text=money, note=interval, tone=_tone(value))


def _tone(value: float) -> Tone:
    return "bad" if value < 0 else ""


def _heads(words: Words, *names: str, unit: str = "") -> tuple[Cell, ...]:
    return tuple(text_cell(words.say(f"decide.column.{name}", unit=unit)) for name in names)


__all__ = ["decision_document"]
