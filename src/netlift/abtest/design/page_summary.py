"""Summary of the design page: cards of power, cost and possible loss, and charts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from netlift.abtest.design.page_text import DesignWords, share_digits
from netlift.abtest.design.result import DesignReport
from netlift.report.curve_charts import curves_chart
from netlift.report.document import Card, Cell, Picture, Tone, scale_money, text_cell
from netlift.segments.pages.charts import Bar, bars_chart

DAYS_A_WEEK = 7


def design_cards(design: DesignReport, page: DesignWords) -> Iterator[Card]:
    """Customers and control, weeks, probability, what it may lose, and the price of control."""
    say, words, request, chosen = page.words.say, page.words, design.request, design.chosen

    def card(name: str, cell: Cell, *lines: str) -> Card:
        quiet: tuple[tuple[str, Tone], ...] = tuple((line, "muted") for line in lines)
        return Card(title=say(f"design.card.{name}"), cell=cell, lines=quiet)

    def short(value: float) -> Cell:
        return Cell(kind="money", value=value, text=words.short_money(value, design.currency))

    control = []
    if chosen is not None:
        share = page.share(chosen.control_share)
        control = [
            say("design.card.control_line", control=words.number(chosen.control), share=share),
            say("design.card.offer_line", offers=page.offers(request.offers)),
        ]
    yield card("customers", Cell(kind="count", value=design.customers), *control)
    weeks = design.weeks if request.has_aim else request.outcome_days / DAYS_A_WEEK
    end = words.day((request.start + timedelta(days=request.outcome_days)).date())
    lines = [say("design.card.result_line", end=end)] if design.meets or not request.has_aim else []
    yield card("result", text_cell(say("design.card.never") if weeks is None else page.weeks(weeks)), *lines)
    if chosen is None:
        return
    if chosen.chance is not None and request.expected is not None:
        line = say("design.card.chance_line", expected=page.money(request.expected))
        yield card("chance", page.probability_cell(chosen.chance), line)
    elif design.provable is not None:
        line = say("design.card.provable_line", chance=page.words.probability(design.provable.chance))
        yield card("provable", page.money_cell(design.provable.expected), line)
    if design.outlay is not None:
        yield card("outlay", short(design.outlay), say("design.card.outlay_line"))
    if chosen.holdout_cost is not None:
        yield card("cost", short(chosen.holdout_cost), say("design.card.cost_line"))


def power_picture(design: DesignReport, page: DesignWords) -> Picture:
    """The probability to prove a profit by the profit that is there; what is assumed is marked."""
    title = page.words.say("design.power_chart")
    axis = page.words.say("design.power_axis", unit=page.words.symbol(design.currency))
    marks = [] if design.request.expected is None else [design.request.expected]
    curve = [(row.expected, row.chance) for row in design.power]
    svg = curves_chart({title: curve}, axes=(axis, title), language=page.words.language, marks=marks)
    return _picture(svg, title, page)


def share_pictures(design: DesignReport, page: DesignWords) -> Iterator[Picture]:
    """By share of control: the probability and the price where a profit is assumed, else the precision."""
    say, language, shares = page.words.say, page.words.language, design.shares
    known = [(100 * row.control_share, row.chance) for row in shares if row.chance is not None]
    if known:
        title = say("design.share_chart")
        marks = [] if design.chosen is None else [100 * design.chosen.control_share]
        axes = (say("design.share_axis"), say("design.power_chart"))
        yield _picture(curves_chart({title: known}, axes=axes, language=language, marks=marks), title, page)
    values = [row.half_width if row.holdout_cost is None else row.holdout_cost for row in shares]
    title = say("design.cost_chart" if known else "design.width_chart")
    scale, unit = scale_money(values, design.currency, page.words)
    bars = [
        Bar(label=page.share(row.control_share, digits=share_digits(row.control_share)), value=value / scale)
        for row, value in zip(shares, values, strict=True)
    ]
    yield _picture(bars_chart(bars, names=(title, ""), unit=unit, language=language), title, page)


def _picture(svg: bytes, title: str, page: DesignWords) -> Picture:
    return Picture(svg=svg, title=title, alternative=page.words.say("design.alt", title=title))


__all__ = ["design_cards", "power_picture", "share_pictures"]
