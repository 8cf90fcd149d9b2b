"""The page of a readout: verdict, money, uncertainty and validity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netlift.abtest.readout.result import CampaignReadout, PullForward
from netlift.abtest.readout_report.advice import advice_grid
from netlift.abtest.readout_report.appendix import appendix_section, segments_sheet
from netlift.abtest.readout_report.checks import checks_grid, metrics_grid, trust_section
from netlift.abtest.readout_report.figures import draw_arms, draw_days, draw_segments, draw_sure, draw_waterfall
from netlift.abtest.readout_report.headline import write_headline
from netlift.abtest.readout_report.sentences import WITHHELD, ReadoutWords, best_of, clean
from netlift.abtest.readout_report.tables import (
    arms_grid,
    assumptions_grid,
    flips,
    money_grid,
    rollout_grid,
    segment_grids,
    whose_money,
)
from netlift.abtest.readout_report.workbook import write_calculator
from netlift.report.document import Document, Section
from netlift.report.exports import to_xlsx
from netlift.report.language import Words
from netlift.results import SCHEMA_VERSION, to_plain

BEYOND_CHANCE = 0.05


def readout_document(readout: CampaignReadout, words: Words, *, more: tuple[Section, ...] = ()) -> Document:
    """The readout in a language.

    Args:
        readout: The readout.
        words: The language.
        more: Sections of whoever ran the campaign, before the checks.
    """
    say = ReadoutWords(words=words, currency=readout.currency)
    sections = tuple(_sections(readout, say, drawn=True, more=more))
    return _document(readout, say, sections, tuple(segments_sheet(readout, say)))


def readout_brief(readout: CampaignReadout, words: Words) -> Document:
    """The readout on one screen: verdict, money, arms and checks; for `plain_text.to_text`.

    Args:
        readout: The readout.
        words: The language.
    """
    say = ReadoutWords(words=words, currency=readout.currency)
    head = write_headline(readout, say)
    notice = (head.notice,) if head.notice else ()
    advice = (advice_grid(readout, say),) if readout.advice else ()
    verdict = Section(
        name="verdict",
        title=head.banner.title,
        paragraphs=(*notice, *head.banner.lines),
        cards=head.cards,
        grids=advice,
    )
    whose = tuple(whose_money(readout, say))
    arms = Section(name="arms", title=say.say("arms"), grids=(arms_grid(readout, say),), items=whose)
    money = Section(name="money", title=say.say("money"), grids=(money_grid(readout, say),), items=whose)
    trust = Section(name="trust", title=say.say("trust"), grids=(checks_grid(readout, say),))
    middle = arms if len(readout.arms) > 1 else money
    return _document(readout, say, (verdict, middle, trust), ())


def readout_json(readout: CampaignReadout, words: Words) -> dict[str, Any]:
    """The whole readout for `exports.to_json`; on top what the scorecard reads, and the headline in words.

    Args:
        readout: The readout.
        words: The language of the headline.
    """
    say = ReadoutWords(words=words, currency=readout.currency)
    head, roi = write_headline(readout, say), readout.roi
    ratio = None
    if roi.kind == "interval" and roi.point is not None:
        ends = {"ci_lower": roi.lower, "ci_upper": roi.upper, "level": roi.level}
        ratio = {"point": roi.point, **ends, "unit": "", "method": "Fieller"}
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign_id": readout.campaign_id,
        "month": f"{readout.month:%Y-%m}",
        "observational": readout.observational,
        "incremental_profit": to_plain(readout.profit),
        "incremental_cost": roi.cost.point,
        "roi": ratio,
        "headline": {
            "language": words.language,
            "title": head.title,
            "notice": head.notice,
            "verdict": head.banner.title,
            "sentences": list(head.banner.lines),
            "figures": [
                {"title": card.title, "value": head.shown(card.cell), "interval": head.small(card.cell)}
                for card in head.cards
            ],
        },
        "readout": to_plain(readout),
    }


def readout_workbook(readout: CampaignReadout, words: Words, *, more: tuple[Section, ...] = ()) -> bytes:
    """The readout as a workbook, its waterfall in live formulas behind the cover.

    Args:
        readout: The readout.
        words: The language.
        more: Sections of whoever ran the campaign, before the checks.
    """
    say = ReadoutWords(words=words, currency=readout.currency)
    sections = tuple(_sections(readout, say, drawn=False, more=more))
    document = _document(readout, say, sections, tuple(segments_sheet(readout, say)))
    return to_xlsx(document, calculate=lambda workbook: write_calculator(workbook, readout, say))


def _document(
    readout: CampaignReadout, say: ReadoutWords, sections: tuple[Section, ...], sheets: tuple[Any, ...]
) -> Document:
    head = write_headline(readout, say)
    return Document(
        title=head.title,
        subtitle=head.subtitle,
        words=say.words,
        currency=readout.currency,
        dated=readout.as_of.date(),
        sections=sections,
        sheets=sheets,
        notice=head.notice,
    )


def _sections(
    readout: CampaignReadout, say: ReadoutWords, *, drawn: bool, more: tuple[Section, ...]
) -> Iterator[Section]:
    """The sections in the order of reading; without what is drawn, for who cannot show it."""
    head, many = write_headline(readout, say), len(readout.arms) > 1
    tested = (say.say("hypothesis", text=clean(readout.hypothesis)),) if readout.hypothesis else ()
    advice = (advice_grid(readout, say),) if readout.advice else ()
    yield Section(name="verdict", title=say.say("verdict"), banner=head.banner, paragraphs=tested, grids=advice)
    yield Section(
        name="money",
        title=say.say("cash"),
        cards=head.cards,
        paragraphs=(say.say("money_text"),),
        items=tuple(whose_money(readout, say)),
        pictures=(draw_waterfall(readout, say),) if drawn else (),
        grids=(money_grid(readout, say),),
    )
    pictures = tuple(draw_sure(readout, say)) if drawn else ()
    if pictures:
        yield Section(name="sure", title=say.say("sure"), paragraphs=tuple(_sure(readout, say)), pictures=pictures)
    yield Section(
        name="arms",
        title=say.say("arms" if many else "arm_single"),
        paragraphs=(say.say("simultaneous"),) if many else (),
        pictures=(draw_arms(readout, say),) if many and drawn else (),
        grids=(arms_grid(readout, say),),
    )
    if readout.metrics:
        yield Section(
            name="metrics",
            title=say.say("metrics"),
            paragraphs=(say.say("metrics_text"),),
            grids=(metrics_grid(readout, say),),
        )
    if readout.days:
        yield _time(readout, say, drawn=drawn)
    if readout.segments:
        yield _responders(readout, say, drawn=drawn)
    yield from more
    yield trust_section(readout, say)
    if readout.rollout:
        yield _rollout(readout, say)
    yield Section(
        name="assumptions",
        title=say.say("assumptions"),
        items=(*flips(readout, say), *_notes(readout, say)),
        grids=(assumptions_grid(readout, say),),
    )
    yield appendix_section(readout, say)


def _sure(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    """What a wrong choice costs on average, and how the curve is to be read."""
    verdict = readout.verdict
    if verdict.code not in WITHHELD:
        ship, stop = (max(loss, 0.0) for loss in (verdict.expected_loss_if_shipped, verdict.expected_loss_if_stopped))
        yield say.say(
            "loss", ship=say.words.short_money(ship, say.currency), stop=say.words.short_money(stop, say.currency)
        )
    yield say.say("density_text", tolerance=say.money(verdict.tolerance))


def _time(readout: CampaignReadout, say: ReadoutWords, *, drawn: bool) -> Section:
    best, many = best_of(readout), len(readout.arms) > 1
    whole = (readout.after_window,) if readout.after_window is not None and many else ()
    shown = {best.arm, readout.best_in_total or best.arm}
    lines = [say.say("band", arm=say.arm(best.arm)) if many else say.say("band_single")]
    lines.append(say.say("band_ends"))
    if any(point.sequential_lower is not None for point in readout.days):
        lines.append(say.say("band_wide"))
    return Section(
        name="time",
        title=say.say("time"),
        paragraphs=(" ".join(lines),),
        items=tuple(_after(row, say) for row in (*whole, *(row for row in readout.pull_forward if row.arm in shown))),
        pictures=(draw_days(readout, say),) if drawn else (),
    )


def _after(row: PullForward, say: ReadoutWords) -> str:
    return say.say(
        "after",
        arm=say.arm(row.arm),
        days=say.words.count("noun.days", row.days),
        after=say.about(row.after),
        net=say.about(row.net),
    )


def _responders(readout: CampaignReadout, say: ReadoutWords, *, drawn: bool) -> Section:
    """Segments of the best arm, each split with a word on whether its segments differ at all."""
    best = best_of(readout)
    lines = []
    for found in readout.heterogeneity:
        if found.arm != best.arm:
            continue
        dimension = say.name("attribute", found.dimension)
        if found.p_value > BEYOND_CHANCE:
            line = say.say("alike", dimension=dimension)
        else:
            line = say.say("differ", dimension=dimension, sd=say.money(found.between_sd, digits=2))
        lines.append(line if found.planned else f"{line} {say.say('exploratory')}")
    return Section(
        name="responders",
        title=say.say("responders"),
        paragraphs=(say.say("responders_text"), say.say("segments_add_up", arm=say.arm(best.arm))),
        items=tuple(lines),
        pictures=tuple(draw_segments(readout, say)) if drawn else (),
        grids=tuple(segment_grids(readout, best.arm, say)),
    )


def _rollout(readout: CampaignReadout, say: ReadoutWords) -> Section:
    withheld = readout.verdict.code in WITHHELD
    first = (say.say("rollout_blocked"),) if withheld else ()
    average = (say.say("rollout_average"),) if any(arm.average_profit for arm in readout.arms) else ()
    outside = tuple(
        say.say("rollout_outside", arm=say.arm(row.arm), customers=say.words.count("noun.customers", row.outside))
        for row in readout.rollout
        if row.outside
    )
    return Section(
        name="rollout",
        title=say.say("rollout"),
        paragraphs=(*first, say.say("rollout_text"), *average),
        items=outside,
        grids=(rollout_grid(readout, say),),
    )


def _notes(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    for name, count in readout.notes.items():
        yield say.say("note_line", what=say.name("readout_note", name), n=say.words.number(count))


__all__ = ["readout_brief", "readout_document", "readout_json", "readout_workbook"]
