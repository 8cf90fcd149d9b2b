"""The part of a decision page that says what changed since the run before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlift.decisions.changes.result import Changes
from netlift.report.document import Cell, Grid, Section, Tone, text_cell
from netlift.report.language import Words

COLUMNS = ("offer", "customers", "customers_before", "came", "left", "profit", "profit_before", "change")
REASONS_SHOWN = 3


def changes_section(changes: Changes, currency: str, words: Words, *, in_full: bool) -> Section:
    """Who came, who went and what it does to the money, in sentences; with the table by offer where there is room.

    Args:
        changes: The run against the one before.
        currency: Of all money.
        words: The language, with what the business calls its offers.
        in_full: With the table.
    """
    return Section(
        name="changes",
        title=words.say("decide.changes.title", day=words.day(changes.as_of)),
        items=tuple(_sentences(changes, currency, words)),
        grids=(_grid(changes, currency, words),) if in_full and changes.offers else (),
    )


def _sentences(changes: Changes, currency: str, words: Words) -> Iterator[str]:
    say, change = words.say, changes.profit - changes.profit_before
    side = "more" if change > 0 else "less" if change < 0 else "same"
    yield say(
        f"decide.changes.profit_{side}",
        now=words.short_money(changes.profit, currency),
        before=words.short_money(changes.profit_before, currency),
        change=words.short_money(abs(change), currency),
    )
    counts = {name: words.number(getattr(changes, name)) for name in ("newly", "dropped", "switched", "kept")}
    yield say("decide.changes.customers", **counts)
    if changes.why_dropped:
        reasons = [
            f"{say(f'decide.reason.{reason}')} ({words.number(count)})"
            for reason, count in [*changes.why_dropped.items()][:REASONS_SHOWN]
        ]
        yield say("decide.changes.why_dropped", reasons=", ".join(reasons))
    yield say(
        "decide.changes.limits",
        before=_limits(changes.limits_before, words),
        now=_limits(changes.limits, words),
    )


def _limits(names: Sequence[str], words: Words) -> str:
    """Limits by what people call them."""
    told = []
    for each in names:
        kind, _, name = each.partition(" ")
        told.append(words.name(kind, name) if name else words.say("decide.changes.budget"))
    return ", ".join(told) or words.say("decide.changes.no_limits")


def _grid(changes: Changes, currency: str, words: Words) -> Grid:
    rows = []
    for one in changes.offers:
        change = one.profit - one.profit_before
        tone: Tone = "good" if change > 0 else "bad" if change < 0 else ""
        counts = (one.customers, one.customers_before, one.came, one.left)
        rows.append(
            (
                text_cell(words.name("offer", one.offer_id)),
                *(Cell(kind="count", value=count) for count in counts),
                *(
                    Cell(kind="money", value=money, text=words.short_money(money, currency))
                    for money in (one.profit, one.profit_before)
                ),
                Cell(kind="money", value=change, text=words.short_money(change, currency, signed=True), tone=tone),
            )
        )
    heads = tuple(text_cell(words.say(f"decide.changes.column.{name}")) for name in COLUMNS)
    return Grid(name="changes", title=words.say("decide.changes.by_offer"), columns=heads, rows=tuple(rows))


__all__ = ["changes_section"]
