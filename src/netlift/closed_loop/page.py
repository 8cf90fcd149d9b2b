"""The page of the closed loop: money, policies, forecast against truth, missed profit."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.closed_loop.page_tables import (
    beliefs_grid,
    money_cell,
    months_grid,
    scorecard_grid,
    segments_grid,
    source_grid,
)
from netlift.closed_loop.result import (
    CONSTANT,
    LIKELY,
    LOOP,
    MASS,
    ORACLE,
    QUIET,
    SILENT,
    STANDS,
    DemoReport,
)
from netlift.evaluation.policy.added_effects import AddedEffect
from netlift.report.charts import BLUE
from netlift.report.document import Banner, Card, Cell, CellKind, Document, Picture, Section, Tone, scale_money
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.scorecards.charts import lines_chart

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
                banner=_verdict(report, words),
                cards=tuple(_cards(report, words)),
                pictures=(_bars(report, words), _lines(report, words)),
            ),
            Section(
                name="rules",
                title=say("demo.scorecard"),
                paragraphs=tuple(_basis(report, words)),
                grids=(scorecard_grid(report, words),),
            ),
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
                items=tuple(_compared(report, words)),
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
        offer=words.name("offer", shop.constant),
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
    loop, quiet = report.world(LOOP), report.world(QUIET)
    spend = Cell(kind="money", value=loop.spend, text=words.short_money(loop.spend, currency))
    yield Card(title=say("demo.spend"), cell=spend, lines=())
    if loop.roi is not None:
        lines: tuple[tuple[str, Tone], ...] = ()
        if loop.roi_after is not None:
            lines = ((say("demo.roi_after", share=words.share(loop.roi_after.point, digits=0)), "muted"),)
        yield Card(title=say("demo.roi"), cell=_toned("share", loop.roi), lines=lines)
    churn = loop.standing.churn
    without = say("demo.against_nobody", value=words.share(quiet.standing.churn.point))
    cell = Cell(kind="share", value=churn.point, lower=churn.ci_lower, upper=churn.ci_upper, digits=1)
    yield Card(title=say("demo.churn"), cell=cell, lines=((without, ""),))
    left = money_cell(loop.left_behind, currency, words, judged=True)
    yield Card(title=say("demo.left"), cell=left, lines=((say("demo.left_line"), "muted"),))


def _toned(kind: CellKind, estimate: Estimate) -> Cell:
    tone: Tone = "good" if estimate.ci_lower > 0 else "bad" if estimate.ci_upper < 0 else ""
    return Cell(kind=kind, value=estimate.point, lower=estimate.ci_lower, upper=estimate.ci_upper, tone=tone)


def _verdict(report: DemoReport, words: Words) -> Banner:
    """What the loop earned above no contact, and the other rules beside it."""
    say, currency = words.say, report.shop.currency
    gain, left = report.world(LOOP).gain, report.world(LOOP).left_behind
    name, tone = _found(gain)
    money = words.about(gain.point, gain.ci_lower, gain.ci_upper, currency, level=gain.level)
    rules = ", ".join(
        f"{say(f'demo.world.{rule}').lower()} {words.short_money(report.world(rule).gain.point, currency)}"
        for rule in (MASS, LIKELY)
    )
    lines = []
    usual, best = report.world(QUIET).profit, report.world(ORACLE).gain.point
    if usual > 0:
        lines.append(say("demo.verdict.of_profit", share=words.share(gain.point / usual, signed=True)))
    if left.ci_upper < 0:
        lines.append(say("demo.verdict.left", money=words.about(left.point, left.ci_lower, left.ci_upper, currency)))
    lines.append(say("demo.verdict.rivals", rules=rules))
    if best > 0:
        lines.append(say("demo.verdict.of_oracle", share=words.share(gain.point / best, digits=0)))
    return Banner(title=say(f"demo.verdict.{name}", money=money), tone=tone, lines=tuple(lines))


def _found(gain: Estimate) -> tuple[str, Tone]:
    if gain.ci_lower > 0:
        return "gain", "good"
    return ("loss", "bad") if gain.ci_upper < 0 else ("open", "warn")


def _bars(report: DemoReport, words: Words) -> Picture:
    """The profit of each rule with its interval."""
    rows = sorted((row for row in report.worlds if row.world != QUIET), key=lambda row: -row.gain.point)
    ends = [end for row in rows for end in (row.gain.ci_lower, row.gain.ci_upper)]
    scale, unit = scale_money(ends, report.shop.currency, words)
    series = words.say("demo.bars")
    whiskers = [
        Whisker(
            label=words.say(f"demo.world.{row.world}"),
            series=series,
            point=row.gain.point / scale,
            lower=row.gain.ci_lower / scale,
            upper=row.gain.ci_upper / scale,
        )
        for row in rows
    ]
    svg = forest_chart(whiskers, colors={series: BLUE}, unit=unit, language=words.language)
    return Picture(svg=svg, title=series, alternative=words.say("demo.bars_words"))


def _lines(report: DemoReport, words: Words) -> Picture:
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
            truth=words.short_money(report.true_measured.point, currency),
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
    told = [_added(one, words, currency) for one in report.added if one.added and one.rested]
    if report.shop.rest_days is None and told:
        yield words.say("demo.added", offers="; ".join(told))


def _added(one: AddedEffect, words: Words, currency: str) -> str:
    """What another contact adds within the window, beside what a rested one brings."""
    added, rested = one.added, one.rested
    if added is None or rested is None:
        return ""
    return words.say(
        "demo.added_offer",
        offer=words.name("offer", one.offer_id),
        added=_with_interval(added, words, currency, level=added.level),
        rested=words.short_money(rested.point, currency),
        days=words.count("noun.days", one.rest_days),
    )


def _compared(report: DemoReport, words: Words) -> Iterator[str]:
    """The figures that the source's example is known for, beside what the loop changed here."""
    loop, quiet = report.world(LOOP), report.world(QUIET)
    share, churn = loop.left_share, loop.churn_change
    point, lower, upper = (words.share(end, signed=True) for end in (share.point, share.ci_lower, share.ci_upper))
    yield words.say("demo.compared.ltv", share=point, lower=lower, upper=upper)
    ends = [words.number(100 * end, digits=1, signed=True) for end in (churn.point, churn.ci_lower, churn.ci_upper)]
    points = words.say("demo.points", value=ends[0])
    yield words.say("demo.compared.churn", points=points, lower=ends[1], upper=ends[2])
    if loop.standing.nps is not None and quiet.standing.nps is not None:
        answers = {"loop": loop.standing.nps.point, "quiet": quiet.standing.nps.point}
        yield words.say("demo.compared.nps", **{name: words.number(nps) for name, nps in answers.items()})


def _with_interval(estimate: Estimate, words: Words, currency: str, *, level: float | None = None) -> str:
    return words.about(estimate.point, estimate.ci_lower, estimate.ci_upper, currency, level=level)


def _notes(report: DemoReport, words: Words) -> Iterator[str]:
    say, currency, loop = words.say, report.shop.currency, report.world(LOOP)
    for name in (QUIET, MASS, LIKELY):
        if report.world(name).gain.point >= loop.gain.point:
            gain = words.short_money(report.world(name).gain.point - loop.gain.point, currency)
            yield say("demo.note.beaten", rule=say(f"demo.world.{name}"), gain=gain)
    short = report.world(ORACLE).gain.point - loop.gain.point
    if short > 0:
        yield say("demo.note.short", money=words.short_money(short, currency))
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
