"""Journeys on the page of a run: entries, steps, exits and waiting customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlift.decisions.journeys.reach import JourneyLine
from netlift.report.document import Cell, Grid, Section, text_cell
from netlift.report.language import Words

if TYPE_CHECKING:
    from netlift.decisions.run.summary import DecisionSummary


def journeys_section(summary: DecisionSummary, words: Words, *, in_full: bool) -> tuple[Section, ...]:
    """A line a journey, what it could not do tonight in words, and in full the way of its customers step by step.

    Args:
        summary: What was decided.
        words: The language, with what the business calls its journeys.
        in_full: Whether it is for a page, and not for a screen.
    """
    lines = [line for line in summary.journeys if line.began is not None or line.refused_now]
    if not lines:
        return ()
    return (
        Section(
            name="journeys",
            title=words.say("decide.journeys.title"),
            paragraphs=(words.say("decide.journeys.words"),) if in_full else (),
            items=tuple(item for line in lines for item in _tonight(line, words)),
            grids=(_overview(lines, summary, words), *(_reach(line, words) for line in lines if in_full)),
        ),
    )


def reach_section(line: JourneyLine, words: Words) -> Section:
    """How far the customers of a readout came, step by step, for the page of that readout.

    Args:
        line: Of those whose window is over.
        words: The language, with what the business calls its journeys.
    """
    told = {"count": words.number(line.entered), "control": words.number(line.control)}
    return Section(
        name="journey",
        title=words.say("decide.journeys.reach"),
        paragraphs=(words.say("decide.journeys.reach_words", **told),),
        grids=(_reach(line, words),),
    )


def _tonight(line: JourneyLine, words: Words) -> Iterator[str]:
    """What a journey refused, put off or ended, in words."""
    name = words.name("journey", line.name)
    for kind, counts in (("refused", line.refused_now), ("put_off", line.put_off_now)):
        if counts:
            yield words.say(f"decide.journeys.{kind}", journey=name, reasons=_counted(counts, words))
    ended = {reason: line.exits[reason] for reason in ("offer_expired", "code_expired") if reason in line.exits}
    if ended:
        yield words.say("decide.journeys.expired", journey=name, reasons=_counted(ended, words))
    if line.closed:
        yield words.say("decide.journeys.readable", journey=name, count=words.number(line.closed), name=line.name)


def _counted(counts: Mapping[str, int], words: Words) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{_reason(reason, words)} ({words.number(count)})" for reason, count in ordered)


def _reason(reason: str, words: Words) -> str:
    own = f"decide.journeys.reason.{reason}"
    return words.say(own if words.has(own) else f"decide.reason.{reason}")


def _overview(lines: list[JourneyLine], summary: DecisionSummary, words: Words) -> Grid:
    rows = tuple(
        (
            text_cell(words.name("journey", line.name)),
            *(_count(n) for n in (line.entered_now, line.sent_now, line.entered, line.control)),
            *(_count(n) for n in (line.waiting, line.finished, sum(line.exits.values()))),
            Cell(kind="money", value=line.spent, text=words.short_money(line.spent, summary.currency)),
        )
        for line in lines
    )
    names = ("journey", "entered_now", "sent_now", "entered", "control", "waiting", "finished", "left", "spent")
    heads = tuple(text_cell(words.say(f"decide.journeys.column.{name}")) for name in names)
    return Grid(name="journeys", title="", columns=heads, rows=rows)


def _reach(line: JourneyLine, words: Words) -> Grid:
    """The way of all customers since the journey began: one row a stage; the last rows add up to the first."""
    say = words.say
    stages = [(say("decide.journeys.stage.entered"), line.entered)]
    for number, (sent, skipped) in enumerate(zip(line.sent, line.skipped, strict=True), start=1):
        stages.append((say("decide.journeys.stage.step", step=words.number(number)), sent))
        if skipped:
            stages.append((say("decide.journeys.stage.skipped", step=words.number(number)), skipped))
    stages += [(say("decide.journeys.stage.exit", reason=_reason(name, words)), n) for name, n in line.exits.items()]
    for name in ("finished", "waiting", "unfinished"):
        stages.append((say(f"decide.journeys.stage.{name}"), getattr(line, name)))
    rows = tuple(
        (text_cell(told), _count(n), Cell(kind="share", value=n / line.entered if line.entered else None, digits=0))
        for told, n in stages
    )
    heads = tuple(text_cell(say(f"decide.journeys.column.{name}")) for name in ("stage", "customers", "share"))
    return Grid(name=f"journey_{line.name}", title=words.name("journey", line.name), columns=heads, rows=rows)


def _count(value: int) -> Cell:
    return Cell(kind="count", value=value)


__all__ = ["journeys_section", "reach_section"]
