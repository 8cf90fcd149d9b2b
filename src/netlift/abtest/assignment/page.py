"""The page of an assignment: counts per arm, their agreement with the plan, and the next step."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.abtest.assignment.result import AssignReport
from netlift.report.document import Cell, Document, Grid, Section, text_cell
from netlift.report.language import Words

ALARM = 0.001


def assignment_document(drawn: AssignReport, words: Words, *, path: str, written: bool) -> Document:
    """A list in a language.

    Args:
        drawn: The list.
        words: The language.
        path: The folder that holds it.
        written: Whether it was written now.
    """
    say = words.say
    customers = words.count("noun.customers", drawn.steps["taken"])
    start, end = words.day(drawn.started_at.date()), words.day(drawn.ends_at.date())
    steps = tuple(
        (text_cell(say(f"design.step.{name}")), Cell(kind="count", value=count)) for name, count in drawn.steps.items()
    )
    who = Grid(name="who", title="", columns=_heads(words, "step", "customers"), rows=steps)
    last = say(f"assignment.{'written' if written else 'stood'}", path=path)
    notes = tuple(_notes(drawn, words))
    follow = say("assignment.next", end=end, campaign=drawn.campaign_id)
    return Document(
        title=say("assignment.title", campaign=drawn.campaign_id),
        subtitle=say("assignment.subtitle", customers=customers, start=start, end=end),
        words=words,
        currency=drawn.currency,
        dated=drawn.started_at.date(),
        sections=(
            Section(name="arms", title=say("assignment.arms"), grids=(_arms(drawn, words),), items=notes),
            Section(name="who", title=say("design.who"), grids=(who,)),
            Section(name="next", title=say("design.plan"), items=(last, follow)),
        ),
    )


def _arms(drawn: AssignReport, words: Words) -> Grid:
    rows = tuple(
        (
            text_cell(words.name("offer", arm.arm)),
            Cell(kind="count", value=arm.customers),
            Cell(kind="share", value=arm.share, digits=2),
            Cell(kind="share", value=arm.planned, digits=2),
            Cell(kind="money", value=arm.contact_cost),
        )
        for arm in drawn.arms
    )
    heads = _heads(words, "arm", "customers", "assigned_share", "planned", "budget")
    return Grid(name="arms", title="", columns=heads, rows=rows)


def _notes(drawn: AssignReport, words: Words) -> Iterator[str]:
    say = words.say
    if drawn.strata:
        strata, merged = words.count("noun_design.strata", drawn.strata), words.number(drawn.merged)
        yield say("assignment.drawn_strata", strata=strata, merged=merged)
    else:
        yield say("assignment.drawn")
    if drawn.clusters:
        yield say("assignment.drawn_clusters", clusters=words.number(drawn.clusters))
    p = drawn.srm_p_value
    if p is not None and p >= ALARM:
        yield say("assignment.srm")
    elif p is not None:
        yield say("assignment.srm_bad", times=words.number(1 / max(p, 1e-9)))
    if drawn.held_out:
        yield say("assignment.held_out", customers=words.count("noun.customers", drawn.held_out))


def _heads(words: Words, *names: str) -> tuple[Cell, ...]:
    return tuple(text_cell(words.say(f"design.column.{name}")) for name in names)


__all__ = ["assignment_document"]
