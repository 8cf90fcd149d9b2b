"""The closed loop as a document: money first, the rules side by side, belief beside truth, and what was missed."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.evaluation.closed_loop import (
    CONSTANT,
    LIKELY,
    LOOP,
    MASS,
    ORACLE,
    QUIET,
    SILENT,
    STANDS,
    DemoReport,
    RestBand,
)
from netlift.report.document import Card, Cell, Document, Picture, Section, Tone, scale_money
from netlift.report.pages.demo_grids import (
    beliefs_grid,
    months_grid,
    scorecard_grid,
    segments_grid,
    source_grid,
)
from netlift.report.scorecard_charts import lines_chart
from netlift.report.words import Words
from netlift.results import Estimate

OUTCOME_DAYS = 28


def demo_document(report: DemoReport, words: Words, *, path: str) -> Document:
    """A demo in a language.

    Args:
        report: What the loop reached.
        words: The language.
        path: The folder that holds it.
    """
    shop, say = report.shop, words.say
    return Document(
        title=say(
            "demo.title", shop=words.name("demo.shop", shop.preset), months=words.count("noun.months", shop.rounds)
        ),
        subtitle=say(
            "demo.subtitle",
            customers=words.count("noun.customers", shop.customers),
            day=words.day(shop.start),
            seed=str(shop.seed),
        ),
        words=words,
        currency=shop.currency,
        dated=shop.start,
        sections=(
            Section(
                name="money",
                title=say("demo.money"),
                paragraphs=tuple(_basis(report, words)),
                cards=tuple(_cards(report, words)),
                items=(say("demo.rank", order=_order(report, words)),),
                pictures=(_picture(report, words),),
            ),
            Section(name="rules", title=say("demo.scorecard"), grids=(scorecard_grid(report, words),)),
            Section(
                name="beliefs",
                title=say("demo.beliefs"),
                paragraphs=(say("demo.beliefs_words", days=words.count("noun.days", OUTCOME_DAYS)),),
                items=tuple(_beliefs(report, words)),
                grids=(beliefs_grid(report, words),),
            ),
            Section(
                name="source",
                title=say("demo.source"),
                paragraphs=(say("demo.source_words"),),
                grids=(source_grid(report, words),),
            ),
            Section(name="segments", title=say("demo.by_segment"), grids=(segments_grid(report, words),)),
            Section(name="months", title=say("demo.by_month"), grids=(months_grid(report, words),)),
            Section(name="honest", title=say("demo.honest"), items=tuple(_notes(report, words))),
            Section(name="files", title=say("decide.where"), items=(say("demo.files", path=path),)),
        ),
    )


def covers(interval: Estimate, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return interval.ci_lower <= truth <= interval.ci_upper


def _basis(report: DemoReport, words: Words) -> Iterator[str]:
    shop = report.shop
    yield words.say("demo.intervals", level=words.share(shop.level, digits=0))
    yield words.say(
        "demo.rules",
        offer=shop.constant,
        likely=words.share(shop.likely_share, digits=0),
        holdout=words.share(shop.holdout, digits=0),
        epsilon=words.share(shop.epsilon, digits=0),
    )
    if shop.rest_days is None:
        yield words.say("demo.rest_learned")
    else:
        yield words.say("demo.rest_fixed", rest=words.count("noun.days", shop.rest_days))


def _cards(report: DemoReport, words: Words) -> Iterator[Card]:
    say, currency = words.say, report.shop.currency
    loop, oracle, quiet = report.world(LOOP), report.world(ORACLE), report.world(QUIET)
    lines: list[tuple[str, Tone]] = []
    if oracle.gain.point > 0:
        lines.append((say("demo.of_oracle", share=words.share(loop.gain.point / oracle.gain.point, digits=0)), ""))
    if quiet.profit > 0:
        lines.append((say("demo.of_profit", share=words.share(loop.gain.point / quiet.profit, signed=True)), ""))
    lines.append((say("demo.over_mass", money=words.money(report.world(MASS).gain.point, currency)), "muted"))
    lines.append((say("demo.over_likely", money=words.money(report.world(LIKELY).gain.point, currency)), "muted"))
    yield Card(title=say("demo.gain"), cell=_toned("money", loop.gain), lines=tuple(lines))
    if loop.roi is not None:
        lines = [(say("demo.spend", money=words.money(loop.spend, currency)), "")]
        if loop.roi_after is not None:
            lines.append((say("demo.roi_after", share=words.share(loop.roi_after.point, digits=0)), ""))
        yield Card(title=say("demo.roi"), cell=_toned("share", loop.roi), lines=tuple(lines))
    churn = loop.standing.churn
    without = say("demo.against_nobody", value=words.share(quiet.standing.churn.point))
    cell = Cell(kind="share", value=churn.point, lower=churn.ci_lower, upper=churn.ci_upper, digits=1)
    yield Card(title=say("demo.churn"), cell=cell, lines=((without, ""),))
    yield Card(
        title=say("demo.left"), cell=_toned("money", loop.left_behind), lines=((say("demo.left_line"), "muted"),)
    )


def _toned(kind: str, estimate: Estimate) -> Cell:
    tone: Tone = "good" if estimate.ci_lower > 0 else "bad" if estimate.ci_upper < 0 else ""
    return Cell(
        kind="money" if kind == "money" else "share",
        value=estimate.point,
        lower=estimate.ci_lower,
        upper=estimate.ci_upper,
        tone=tone,
    )


def _order(report: DemoReport, words: Words) -> str:
    rows = sorted(report.worlds, key=lambda row: -row.gain.point)
    shown = [
        f"{words.say(f'demo.world.{row.world}')} {words.money(row.gain.point, report.shop.currency)}" for row in rows
    ]
    return ", ".join(shown)


def _picture(report: DemoReport, words: Words) -> Picture:
    rows = [row for row in report.months if row.world != QUIET]
    scale, unit = scale_money([row.gain_so_far.point for row in rows], report.shop.currency, words)
    months = sorted({row.month for row in rows})
    series = {
        words.say(f"demo.world.{name}"): [
            (row.gain_so_far.point / scale, row.gain_so_far.ci_lower / scale, row.gain_so_far.ci_upper / scale)
            for row in rows
            if row.world == name
        ]
        for name in (LOOP, MASS, LIKELY, ORACLE)
    }
    svg = lines_chart([words.month(month, short=True) for month in months], series, unit=unit, language=words.language)
    return Picture(svg=svg, title=words.say("demo.chart"), alternative=words.say("demo.chart_words"))


def _beliefs(report: DemoReport, words: Words) -> Iterator[str]:
    currency = report.shop.currency
    if report.measured is not None:
        hit = "covered" if covers(report.measured, report.true_measured.point) else "not_covered"
        yield words.say(
            "demo.measured_all",
            measured=_with_interval(report.measured, words, currency),
            truth=words.money(report.true_measured.point, currency),
            verdict=words.say(f"demo.{hit}"),
        )
    read = [row for row in report.rounds if row.measured is not None]
    replayed = [(row.replayed, row.true_replayed) for row in report.rounds if row.replayed and row.true_replayed]
    yield words.say(
        "demo.months_covered",
        hits=str(sum(covers(row.measured, row.true_measured.point) for row in read if row.measured)),
        all=str(len(read)),
    )
    if replayed:
        yield words.say(
            "demo.replay_covered",
            hits=str(sum(covers(interval, truth) for interval, truth in replayed)),
            all=str(len(replayed)),
        )
    above = sum(row.promised > row.true_promise for row in report.rounds)
    yield words.say("demo.promises_above", above=str(above), all=str(len(report.rounds)))
    alarms = sum(row.sound is False for row in report.rounds)
    if alarms:
        yield words.say("demo.unsound", months=words.count("noun.months", alarms))
    if report.shop.rest_days is None and report.rests:
        yield words.say("demo.rests", bands="; ".join(_band(band, words, currency) for band in report.rests))


def _band(band: RestBand, words: Words, currency: str) -> str:
    days = words.count("noun.days", band.rest_days)
    rested = words.money(band.rested.point, currency)
    return words.say("demo.rest_band", days=days, gain=_with_interval(band.gain, words, currency), rested=rested)


def _with_interval(estimate: Estimate, words: Words, currency: str) -> str:
    cell = Cell(kind="money", value=estimate.point, lower=estimate.ci_lower, upper=estimate.ci_upper)
    return f"{cell.shown(words, currency)} ({cell.small_print(words, currency)})"


def _notes(report: DemoReport, words: Words) -> Iterator[str]:
    say, currency, loop = words.say, report.shop.currency, report.world(LOOP)
    for name in (QUIET, MASS, LIKELY):
        if report.world(name).gain.point >= loop.gain.point:
            gain = words.money(report.world(name).gain.point - loop.gain.point, currency)
            yield say("demo.note.beaten", rule=say(f"demo.world.{name}"), gain=gain)
    short = report.world(ORACLE).gain.point - loop.gain.point
    if short > 0:
        yield say("demo.note.short", money=words.money(short, currency))
    if loop.left_behind.ci_upper < 0:
        yield say("demo.note.left_worse", days=words.count("noun.days", OUTCOME_DAYS))
    elif loop.left_behind.ci_lower < 0:
        yield say("demo.note.left_unsure")
    if loop.churn_change.ci_upper >= 0:
        yield say("demo.note.churn_same")
    yield say("demo.note.nps_same")
    for verdict in (STANDS, CONSTANT, SILENT):
        refused = sum(row.gate == verdict for row in report.rounds)
        if refused:
            months = words.count("noun.months", refused)
            yield say(f"demo.note.{verdict}", months=months, all=str(len(report.rounds)))
    yield from (say(f"demo.note.{name}") for name in ("fatigue", "ltv", "roi", "greedy"))


__all__ = ["covers", "demo_document"]
