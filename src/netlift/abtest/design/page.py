"""The page of a design: its power, the cost of its control and its risks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from netlift.abtest.design.page_summary import design_cards, power_picture, share_pictures
from netlift.abtest.design.page_text import DesignWords, collisions_section, holdout_section, share_digits
from netlift.abtest.design.result import DesignReport
from netlift.abtest.design.sizing import Precision
from netlift.abtest.stats import skew
from netlift.report.document import Cell, Document, Grid, Section, Tone, text_cell
from netlift.report.language import Words
from netlift.text import clean

DAYS_A_WEEK = 7
WORTH_SAYING = 0.02
SHOWN_POWERS = 5


def design_document(design: DesignReport, words: Words, *, path: str) -> Document:
    """A design in a language.

    Args:
        design: What was found.
        words: The language.
        path: The plan's file.
    """
    page = _Page(design, words)
    request = design.request
    days = words.count("noun.days", request.outcome_days)
    return Document(
        title=words.say("design.title", campaign=clean(request.name or request.campaign_id)),
        subtitle=words.say("design.subtitle", start=words.day(request.start.date()), days=days),
        words=words,
        currency=design.currency,
        dated=request.start.date(),
        sections=tuple(page.sections(path)),
    )


class _Page:
    """The sentences and tables of one design."""

    def __init__(self, design: DesignReport, words: Words) -> None:
        self._design, self._words = design, words
        self._page = DesignWords(words=words, currency=design.currency)

    def sections(self, path: str) -> Iterator[Section]:
        """The sections in the order of reading."""
        say, design = self._words.say, self._design
        question = say("design.question", hypothesis=clean(design.request.hypothesis))
        yield Section(
            name="answer",
            title=say("design.answer"),
            paragraphs=(question,),
            cards=tuple(design_cards(design, self._page)),
            items=tuple(self._answer()),
        )
        yield Section(name="plan", title=say("design.plan"), items=tuple(self._plan(path)))
        if design.power:
            text = say("design.power_text", level=self._page.share(design.request.level or 0.0))
            yield Section(
                name="power",
                title=say("design.power"),
                paragraphs=(text,),
                pictures=(power_picture(design, self._page),),
                grids=(self._power(),),
            )
        customers = self._page.count(design.customers)
        yield Section(
            name="shares",
            title=say("design.shares", customers=customers),
            pictures=tuple(share_pictures(design, self._page)),
            grids=(self._shares(design.shares),),
        )
        yield Section(name="skew", title=say("design.skew"), items=(self._skew(),))
        yield Section(name="past", title=say("design.past"), items=tuple(self._past()))
        yield Section(name="who", title=say("design.who"), grids=(self._steps(),))
        yield Section(name="costs", title=say("design.costs"), grids=(self._costs(),), items=tuple(self._break_even()))
        if design.holdout is not None:
            yield holdout_section(design.holdout, self._page)
        yield collisions_section(design.collisions, self._page)

    def _answer(self) -> Iterator[str]:
        say, design, chosen = self._words.say, self._design, self._design.chosen
        if design.plan is None:
            yield say("design.refused")
        if chosen is not None:
            if design.provable is not None:
                yield say(
                    "design.provable",
                    chance=self._words.probability(design.provable.chance),
                    expected=self._page.money(design.provable.expected),
                    total=self._words.short_money(design.provable.total, design.currency),
                )
            yield say(
                "design.precision",
                width=self._page.money(chosen.half_width),
                total=self._words.short_money(chosen.half_width_total, design.currency),
                raw=self._page.money(chosen.half_width_raw),
            )
            if len(design.request.offers) > 1 or design.request.looks > 1:
                yield say("design.worst_arm")
        yield from self._enough()

    def _enough(self) -> Iterator[str]:
        say, design = self._words.say, self._design
        if not design.request.has_aim:
            return
        if design.needed is None:
            yield say("design.never")
        elif design.needed > design.customers:
            yield say(
                "design.short",
                needed=self._page.count(design.needed),
                share=self._page.share(design.needed_share),
                customers=self._page.count(design.customers),
            )
            if design.newcomers_a_week and design.weeks is not None:
                pace = self._words.number(design.newcomers_a_week)
                yield say("design.pace", pace=pace, weeks=self._page.weeks(design.weeks))
            elif design.request.customers is None:
                yield say("design.no_pace")
        elif design.needed < 0.9 * design.customers:
            yield say("design.saving", needed=self._page.count(design.needed))
        if design.needed_raw is not None and design.needed_raw != design.needed:
            yield say("design.needed_raw", needed=self._page.count(design.needed_raw))

    def _power(self) -> Grid:
        """A few profits that may be there, and how likely each is proved."""
        power = self._design.power
        shown = power[:: max(1, (len(power) - 1) // SHOWN_POWERS)]
        rows = tuple(
            (
                self._page.money_cell(row.expected),
                self._page.money_cell(row.total),
                self._page.probability_cell(row.chance),
            )
            for row in shown
        )
        heads = self._page.heads("if_profit", "campaign_profit", "chance")
        return Grid(name=self._words.say("design.power_chart"), title="", columns=heads, rows=rows)

    def _shares(self, shares: Sequence[Precision]) -> Grid:
        heads = ["share", "control", "width", "total", "chance", "cost", "lean"]
        assumed = self._design.request.expected is not None
        kept = [head for head in heads if assumed or head not in ("chance", "cost")]
        rows = []
        for row in shares:
            cells = {
                "share": Cell(kind="share", value=row.control_share, digits=share_digits(row.control_share)),
                "control": Cell(kind="count", value=row.control),
                "width": self._page.money_cell(row.half_width),
                "total": self._page.money_cell(row.half_width_total),
                "chance": self._page.probability_cell(row.chance),
                "cost": self._page.money_cell(row.holdout_cost),
                "lean": Cell(kind="text", value=self._words.say(f"design.lean.{row.lean}"), tone=self._tone(row)),
            }
            rows.append(tuple(cells[head] for head in kept))
        return Grid(name="shares", title="", columns=self._page.heads(*kept), rows=tuple(rows))

    def _tone(self, row: Precision) -> Tone:
        if row.lean == "too_small":
            return "bad"
        chosen = self._design.chosen
        return "good" if chosen is not None and row.control_share == chosen.control_share else ""

    def _skew(self) -> str:
        say, design, words = self._words.say, self._design, self._words
        shown = design.chosen
        if shown is None:
            if design.balance_share is None:
                return say("design.no_balance")
            return say("design.balance", share=self._page.share(design.balance_share))
        figures = {"gamma": words.number(shown.gamma, digits=2), "limit": words.number(skew.LARGE, digits=1)}
        if shown.lean != "too_small":
            return say("design.stands", **figures)
        customers = self._page.count(design.balance_customers)
        if design.balance_share is None:
            return say("design.leans", **figures, share=say("design.leans_customers", customers=customers))
        share = self._page.share(design.balance_share)
        return say("design.leans", **figures, share=say("design.leans_share", share=share, customers=customers))

    def _past(self) -> Iterator[str]:
        say, words, design, past = self._words.say, self._words, self._design, self._design.past
        yield say(
            "design.spent",
            start=words.day(past.window.start),
            end=words.day(past.window.last),
            customers=self._page.count(past.customers),
            buyers=words.number(past.buyers),
            mean=self._page.money(past.margin_mean),
            sd=self._page.money(past.spread.sd),
        )
        if design.season is None:
            yield say("design.no_season")
        else:
            ratio = words.share(design.season.spread.sd / past.spread.sd, digits=0)
            yield say("design.season", sd=self._page.money(design.season.spread.sd), ratio=ratio)
        share = self._page.share(past.explained)
        gain = 1 - math.sqrt(1 - past.explained)
        if gain < WORTH_SAYING:
            yield say("design.unexplained", share=share)
        else:
            yield say("design.explained", share=share, gain=words.share(gain, digits=0))
        if design.revenue_based:
            yield say("design.revenue_based")
        yield say("design.past_campaigns")

    def _steps(self) -> Grid:
        rows = tuple(
            (text_cell(self._words.say(f"design.step.{name}")), Cell(kind="count", value=count))
            for name, count in self._design.steps.items()
        )
        return Grid(name="who", title="", columns=self._page.heads("step", "customers"), rows=rows)

    def _costs(self) -> Grid:
        design, rows = self._design, []
        for arm in design.arms:
            reward, n = design.reward_of(arm), design.treated_of(arm)
            cells = (arm.contact_cost, reward, None if n is None else n * (arm.contact_cost + reward))
            rows.append((text_cell(self._words.name("offer", arm.offer_id)), *map(self._page.money_cell, cells)))
        heads = self._page.heads("offer", "contact", "reward", "budget")
        return Grid(name="costs", title="", columns=heads, rows=tuple(rows))

    def _break_even(self) -> Iterator[str]:
        design = self._design
        if design.chosen is None:
            return
        treated = design.chosen.customers - design.chosen.control
        costs = [arm.contact_cost + design.reward_of(arm) for arm in design.arms]
        margin = sum(costs) / len(costs) + design.request.fixed_cost / treated
        fixed = self._page.money(design.request.fixed_cost)
        yield self._words.say("design.break_even", margin=self._page.money(margin), fixed=fixed)

    def _plan(self, path: str) -> Iterator[str]:
        say, request, plan = self._words.say, self._design.request, self._design.plan
        yield say(
            "design.rules",
            tolerance=self._page.money(request.tolerance or 0.0),
            looks=self._words.number(request.looks),
            level=self._page.share(request.level or 0.0),
        )
        if plan is None:
            return
        yield say("design.frozen", path=path, digest=plan.frozen_digest[:12])
        name = request.campaign_id
        yield (
            say("design.next_journey", journey=name, path=path) if request.is_journey else say("design.next", path=path)
        )


__all__ = ["design_document"]
