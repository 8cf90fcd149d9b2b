"""The page of the scorecard: money, segments, months, channels, data quality and definitions."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.data.checks.quality import MonthQuality
from netlift.report.document import Card, Document, Picture, Section, scale_money
from netlift.report.language import Words
from netlift.results import Table
from netlift.scorecards.charts import lines_chart, stacked_chart
from netlift.scorecards.page_tables import (
    changes_grid,
    channels_grid,
    definitions_grid,
    long_grid,
    months_grid,
    quality_grid,
    segments_grid,
)
from netlift.segments.figures import TOTAL, Change, Scorecard, SegmentFigure
from netlift.segments.metrics import METRIC, MONEY_FIRST, SegmentMetric
from netlift.segments.pages.figure_text import MOST_TIMES, FigureWords, say_horizon, say_note, tone_of

Point = tuple[float | None, float | None, float | None]
FLOWS = ("new_customers", "returned_customers", "lost_customers")
CHURNS = {"churn_predicted": "predicted", "churn_observed": "observed"}


def draw_pictures(card: Scorecard, say: FigureWords, *, level: str) -> Iterator[Picture]:
    """The charts that the scorecard has figures for.

    Args:
        card: The scorecard.
        say: How figures are said.
        level: Confidence of the intervals, in words.
    """
    words, figures = say.words, card.index()
    months = [words.month(month, short=True) for month in card.months]

    def line(metric: str, segment: str = TOTAL, scale: float = 1.0) -> list[Point]:
        return [_point(figures[month, segment, metric], scale) for month in card.months]

    def picture(name: str, svg: bytes, *, intervals: bool) -> Picture:
        title = words.say(f"chart.{name}")
        shown = f"{title} ({words.say('chart.with_interval', level=level)})" if intervals else title
        return Picture(
            svg=svg,
            title=shown,
            alternative=words.say("chart.alt", title=title, first=months[0], last=months[-1]),
        )

    scale, unit = scale_money([value for value, _, _ in line("margin")], card.basis.currency, words)
    parts = {words.name("segment", s): [v for v, _, _ in line("margin", s, scale)] for s in card.segments if s != TOTAL}
    yield picture("money", stacked_chart(months, parts, unit=unit, language=words.language), intervals=False)
    base = {name: line(name) for name in ("ltv_total", "value_at_risk")}
    if _any(*base.values()):
        scale, unit = scale_money([value for value, _, _ in base["ltv_total"]], card.basis.currency, words)
        series = {say.name(METRIC[name]): line(name, scale=scale) for name in base if _any(base[name])}
        yield picture("base", lines_chart(months, series, unit=unit, language=words.language), intervals=True)
    churn = {words.say(f"chart.{label}"): line(name) for name, label in CHURNS.items() if _any(line(name))}
    if churn:
        unit = words.say("chart.share")
        svg = lines_chart(months, churn, unit=unit, language=words.language, as_share=True, from_zero=False)
        yield picture("churn", svg, intervals=True)
    flow = {say.name(METRIC[name]): line(name) for name in FLOWS if _any(line(name))}
    unit = words.say("chart.people")
    yield picture("flow", lines_chart(months, flow, unit=unit, language=words.language), intervals=False)
    if _any(line("nps")):
        series = {words.say("metric.nps"): line("nps")}
        unit = words.say("chart.points")
        svg = lines_chart(months, series, unit=unit, language=words.language, from_zero=False)
        yield picture("loyalty", svg, intervals=True)


def _point(figure: SegmentFigure, scale: float) -> Point:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value / scale

    return scaled(figure.value), scaled(figure.ci_lower), scaled(figure.ci_upper)


def _any(*series: list[Point]) -> bool:
    return any(value is not None for line in series for value, _, _ in line)


def scorecard_document(card: Scorecard, quality: Table[MonthQuality], words: Words) -> Document:
    """The scorecard in a language.

    Args:
        card: The scorecard.
        quality: Quality of the tables in its months.
        words: The language.
    """
    say = FigureWords(words=words, currency=card.basis.currency, horizon_days=card.basis.ltv_horizon_days)
    months = words.count("noun.months", len(card.months))
    return Document(
        title=words.say("scorecard.title", business=card.basis.business),
        subtitle=words.say("scorecard.subtitle", until=words.month(card.newest), months=months),
        words=words,
        currency=card.basis.currency,
        dated=card.newest,
        sections=tuple(_sections(card, quality, say)),
        sheets=(
            *(months_grid(card, segment, say) for segment in card.segments if segment != TOTAL),
            long_grid(card, say),
            quality_grid(quality, card.months, say),
        ),
    )


def _sections(card: Scorecard, quality: Table[MonthQuality], say: FigureWords) -> Iterator[Section]:
    """The sections in the order of reading."""
    words, newest = say.words, say.words.month(card.newest)
    level = words.share(card.figures.rows[0].level, digits=0)
    yield Section(
        name="money",
        title=words.say("scorecard.where_money"),
        paragraphs=(words.say("scorecard.intervals", level=level),),
        cards=tuple(_card(card, METRIC[name], say) for name in MONEY_FIRST),
    )
    sentences = tuple(_sentence(change, card, say) for change in card.highlights)
    yield Section(
        name="changed",
        title=words.say("scorecard.by_segment"),
        items=sentences,
        paragraphs=() if sentences else (words.say("scorecard.nothing_to_compare"),),
    )
    pictures = tuple(draw_pictures(card, say, level=level))
    yield Section(name="charts", title=words.say("scorecard.charts"), pictures=pictures)
    yield Section(name="now", title=words.say("scorecard.now", month=newest), grids=(segments_grid(card, say),))
    if len(card.changes):
        title = words.say("scorecard.changes", month=newest)
        yield Section(name="changes", title=title, grids=(changes_grid(card, say),))
    yield Section(
        name="months",
        title=words.say("scorecard.all_months"),
        paragraphs=(words.say("scorecard.months_of_segments"),),
        grids=(months_grid(card, TOTAL, say),),
    )
    if len(card.channels):
        yield Section(name="channels", title=words.say("scorecard.channels"), grids=(channels_grid(card, say),))
    title = f"{words.say('scorecard.quality')}, {newest}"
    yield Section(name="quality", title=title, grids=(quality_grid(quality, (card.newest,), say),))
    definitions = definitions_grid(say, _places(card, words))
    yield Section(name="definitions", title=words.say("scorecard.definitions"), grids=(definitions,))
    notes = tuple(say_note(note, words) for note in card.notes)
    yield Section(name="notes", title=words.say("scorecard.notes"), items=notes)


def _card(card: Scorecard, metric: SegmentMetric, say: FigureWords) -> Card:
    figure = _newest_known(card, metric)
    changes = [change for change in card.changes if (change.segment, change.metric) == (TOTAL, metric.name)]
    lines = tuple(
        (say.words.say(f"change.against_{change.against}", size=_size(change, say)), tone_of(change))
        for change in changes
    )
    of_month = "" if figure.month == card.newest else f", {say.words.month(figure.month)}"
    return Card(title=say.name(metric) + of_month, cell=say.short_cell(figure), lines=lines)


def _size(change: Change, say: FigureWords) -> str:
    """How much money a change is, and how much of what was."""
    money = say.words.short_money(change.difference, say.currency, signed=True)
    told = [say.size(change)] if change.relative is not None and abs(change.relative) < MOST_TIMES else []
    if not change.is_clear:
        told.append(say.words.say("change.unclear"))
    return f"{money} ({', '.join(told)})" if told else money


def _newest_known(card: Scorecard, metric: SegmentMetric) -> SegmentFigure:
    """The figure of all customers in the newest month; of what readouts tell weeks later the newest that they told."""
    figures = card.index()
    now = figures[card.newest, TOTAL, metric.name]
    if now.absent != "no_readout":
        return now
    told = [figure for month in card.months if (figure := figures[month, TOTAL, metric.name]).value is not None]
    return told[-1] if told else now


def _sentence(change: Change, card: Scorecard, say: FigureWords) -> str:
    """How much money changed in a segment, in one plain sentence, with its customers and the year before."""
    words, changes = say.words, {(c.segment, c.metric, c.against): c for c in card.changes}
    values = {
        "segment": words.name("segment", change.segment),
        "metric": words.say(f"highlight.{change.metric}"),
        "value": words.short_money(change.value, say.currency),
    }
    if change.difference == 0:
        return words.say("highlight.same", **values)
    sentences = [words.say(f"highlight.{'clear' if change.is_clear else 'unclear'}", **values, size=say.money(change))]
    people = changes.get((change.segment, "customers", "month"))
    if people is not None:
        count = words.number(people.difference, signed=True)
        sentences.append(words.say("highlight.customers", customers=words.number(people.value), size=count))
    year = changes.get((change.segment, change.metric, "year"))
    if year is not None:
        sentences.append(words.say("highlight.year", size=_size(year, say)))
    return " ".join(sentences)


def _places(card: Scorecard, words: Words) -> dict[str, str]:
    """What stands in the places of the definitions."""
    basis, rule = card.basis, card.basis.rule
    churn = words.say("churn.undefined")
    if rule is not None:
        kind = "cancellation" if rule.by_cancellation else "silence"
        spans = {"horizon": words.count("noun.days", rule.horizon_days), "gap": words.count("noun.days", rule.gap_days)}
        churn = words.say(f"churn.{kind}", **spans)
    lost = words.say("churn.lost_cancellation")
    if basis.lost.silence_days is not None:
        lost = words.say("churn.lost_silence", silence=words.count("noun.days", basis.lost.silence_days))
    return {"horizon": say_horizon(basis.ltv_horizon_days, words), "churn": churn, "lost": lost}


__all__ = ["scorecard_document"]
