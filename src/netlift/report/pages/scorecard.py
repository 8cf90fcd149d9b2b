"""The scorecard as a document: money first, then segments, months, channels, data quality and what the words mean."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.data.quality import MonthQuality
from netlift.report.document import Card, Document, Section
from netlift.report.pages.figure_words import FigureWords, tone_of
from netlift.report.pages.scorecard_grids import (
    changes_grid,
    channels_grid,
    definitions_grid,
    long_grid,
    months_grid,
    quality_grid,
    segments_grid,
)
from netlift.report.pages.scorecard_pictures import draw_pictures
from netlift.report.words import Words
from netlift.results import Table
from netlift.segments.figures import TOTAL, Change, Note, Scorecard
from netlift.segments.metrics import METRIC, MONEY_FIRST, Metric

HALF_YEAR_DAYS, YEAR_DAYS = range(180, 185), range(363, 367)


def scorecard_document(card: Scorecard, quality: Table[MonthQuality], words: Words) -> Document:
    """The scorecard in a language.

    Args:
        card: The scorecard.
        quality: Quality of the tables in its months.
        words: The language.
    """
    say = FigureWords(words=words, currency=card.basis.currency)
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


def say_note(note: Note, words: Words) -> str:
    """A note in a language."""
    return words.say(f"note.{note.code}", **note.values)


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
    pictures = tuple(draw_pictures(card, words, level=level))
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


def _card(card: Scorecard, metric: Metric, say: FigureWords) -> Card:
    figure = card.index()[card.newest, TOTAL, metric.name]
    changes = [change for change in card.changes if (change.segment, change.metric) == (TOTAL, metric.name)]
    lines = [
        (
            say.words.say(f"change.against_{change.against}", size=say.size(change)) + say.doubt(change),
            tone_of(change),
        )
        for change in changes
    ]
    return Card(title=say.name(metric), cell=say.cell(figure), lines=tuple(lines))


def _sentence(change: Change, card: Scorecard, say: FigureWords) -> str:
    """What changed most in a segment, in one plain sentence, and the year before where there is one."""
    words, metric = say.words, METRIC[change.metric]
    values = {
        "segment": words.name("segment", change.segment),
        "metric": words.say(f"highlight.{change.metric}"),
        "value": say.number(metric, change.value),
    }
    if change.difference == 0:
        sentence = words.say("highlight.same", **values)
    elif not change.is_clear:
        sentence = words.say("highlight.unclear", **values, size=say.size(change))
    else:
        share = "" if change.relative is None else f" ({words.share(abs(change.relative))})"
        size = say.number(metric, abs(change.difference)) + share
        sentence = words.say(f"highlight.{'up' if change.difference > 0 else 'down'}", **values, size=size)
    years = [
        other
        for other in card.changes
        if (other.segment, other.metric, other.against) == (change.segment, change.metric, "year")
    ]
    return " ".join([sentence, *(words.say("highlight.year", size=say.size(year) + say.doubt(year)) for year in years)])


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
    return {"horizon": _horizon(basis.ltv_horizon_days, words), "churn": churn, "lost": lost}


def _horizon(days: int | None, words: Words) -> str:
    """A horizon as people say it.

    Examples:
        >>> _horizon(182, Words(language="ru")), _horizon(364, Words(language="en")), _horizon(91, Words(language="en"))
        ('полгода', 'a year', '91 days')
    """
    if days is None:
        return words.say("churn.undefined")
    if days in HALF_YEAR_DAYS:
        return words.say("horizon.half_year")
    return words.say("horizon.year") if days in YEAR_DAYS else words.count("noun.days", days)


__all__ = ["say_note", "scorecard_document"]
