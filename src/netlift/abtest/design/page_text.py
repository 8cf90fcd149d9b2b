"""Formatting of a design's numbers, and sentences about its holdout and overlapping campaigns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from netlift.abtest.assignment.overlaps import Collision
from netlift.abtest.design.result import HoldoutSize
from netlift.report.document import Cell, Grid, Section, text_cell
from netlift.report.language import Words
from netlift.text import clean

MUCH = 100.0


@dataclass(frozen=True, kw_only=True)
class DesignWords:
    """How a design is said.

    Attributes:
        words: The language.
        currency: Of all money.
    """

    words: Words
    currency: str

    def heads(self, *names: str) -> tuple[Cell, ...]:
        """Heads of columns."""
        return tuple(text_cell(self.words.say(f"design.column.{name}")) for name in names)

    def count(self, customers: int) -> str:
        """So many customers."""
        return self.words.count("noun.customers", customers)

    def weeks(self, weeks: float) -> str:
        """So many whole weeks."""
        return self.words.count("noun_design.weeks", math.ceil(weeks))

    def share(self, share: float, *, digits: int | None = None) -> str:
        """Per cent, with a digit behind the point where it says something."""
        return self.words.share(share, digits=share_digits(share) if digits is None else digits)

    def probability_cell(self, chance: float | None) -> Cell:
        """A probability in whole per cent."""
        return Cell(kind="share", value=chance, text="" if chance is None else self.words.probability(chance))

    def offers(self, offers: Sequence[str]) -> str:
        """What the offers are called; several share what control leaves."""
        named = ", ".join(clean(self.words.name("offer", offer)) for offer in offers)
        return self.words.say("design.offers_evenly", offers=named) if len(offers) > 1 else named

    def money(self, value: float) -> str:
        """Money, with small change where it says something."""
        return self.words.money(value, self.currency, digits=_money_digits(value))

    def money_cell(self, value: float | None) -> Cell:
        """The same as a cell."""
        return Cell(kind="money", value=value, digits=0 if value is None else _money_digits(value))


def holdout_section(size: HoldoutSize, page: DesignWords) -> Section:
    """How large a universal holdout has to be, and what the plan has."""
    say, words = page.words.say, page.words
    months = words.count("noun.months", size.months)
    customers, margin = page.count(size.customers), words.short_money(size.margin, page.currency)
    lines = [say("design.holdout_read", months=months, customers=customers, margin=margin)]
    rows = tuple(
        (
            Cell(kind="share", value=row.share, digits=1),
            Cell(kind="count", value=row.customers),
            page.money_cell(row.half_width),
            Cell(kind="share", value=row.of_margin, digits=1),
            text_cell(say(f"design.lean.{row.lean}")),
        )
        for row in size.rows
    )
    after = []
    if size.share_needed is not None and size.asked_half_width is not None:
        width, share = page.money(size.asked_half_width), words.share(size.share_needed, digits=1)
        after.append(say("design.holdout_needed", width=width, share=share))
    if size.planned is None or size.period is None:
        after.append(say("design.holdout_none"))
    else:
        after.append(
            say(
                "design.holdout_planned",
                share=page.share(size.planned.share),
                months=words.count("noun.months", size.planned.rotate_months),
                end=words.day(size.period.end),
                days=words.count("noun.days", size.planned.washout_days),
            )
        )
    grid = Grid(
        name="holdout",
        title="",
        columns=page.heads("share", "customers", "total", "of_margin", "lean"),
        rows=rows,
    )
    return Section(
        name="holdout", title=say("design.holdout"), paragraphs=tuple(lines), grids=(grid,), items=tuple(after)
    )


def collisions_section(found: Sequence[Collision], page: DesignWords) -> Section:
    """Other campaigns that share customers in the same days."""
    say = page.words.say
    title = say("design.collisions")
    if not found:
        return Section(name="collisions", title=title, items=(say("design.no_collisions"),))
    rows = tuple(
        (
            text_cell(say("design.assigned_only", campaign=c.campaign_id) if c.assigned_only else c.campaign_id),
            text_cell(page.words.day(c.started.date())),
            Cell(kind="count", value=c.customers),
            Cell(kind="count", value=c.contacted),
        )
        for c in found
    )
    heads = page.heads("campaign", "started", "shared", "contacted")
    grid = Grid(name="collisions", title="", columns=heads, rows=rows)
    return Section(name="collisions", title=title, items=(say("design.collide"),), grids=(grid,))


def share_digits(share: float) -> int:
    """Digits of per cent behind the point: one where it says something."""
    return 0 if abs(100 * share - round(100 * share)) < 1e-9 else 1


def _money_digits(value: float) -> int:
    return 2 if 0 < abs(value) < MUCH and value != round(value) else 0


__all__ = ["DesignWords", "collisions_section", "holdout_section", "share_digits"]
