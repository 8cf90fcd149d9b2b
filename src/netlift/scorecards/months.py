"""Months of a scorecard: complete ones, and those to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from netlift.data.history import History
from netlift.errors import HistoryTooShortError, UsageError
from netlift.report.language import Words
from netlift.segments.figures import Note
from netlift.segments.monthly import Month

MOST_MONTHS = 60


@dataclass(frozen=True, kw_only=True)
class Span:
    """The months of a scorecard.

    Attributes:
        shown: Those shown, oldest first.
        compared: Those that the newest is compared with and that are not shown.
        notes: Months that are left out, and why.
    """

    shown: tuple[Month, ...]
    compared: tuple[Month, ...]
    notes: tuple[Note, ...]


def plan_months(history: History, *, months: int, until: date | None, words: Words) -> Span:
    """The months shown: whole, after the first receipt, and at most so many.

    Raises:
        UsageError: `until` is not a whole month of the data, or `months` is no number of months.
        HistoryTooShortError: There is no whole month.
    """
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(f"--months {months}: a scorecard shows 1 to {MOST_MONTHS} months")
    begun = Month(first=history.first.replace(day=1))
    ending = Month(first=history.end.replace(day=1))
    first, last = begun.before(-1), ending.before(1)
    if last < first:
        raise HistoryTooShortError(
            f"transactions: receipts of {history.first} to {history.end} (not seen) hold no whole month after the one "
            "that they begin in; a scorecard needs one, and customers who had bought before it: bring more"
        )
    newest = last if until is None else Month(first=until.replace(day=1))
    if not first <= newest <= last:
        raise UsageError(f"--until {newest}: the data hold the whole months {first} to {last}; name one of them")
    shown = tuple(month for k in reversed(range(months)) if (month := newest.before(k)) >= first)
    notes = []
    if newest == last and history.end > ending.first:
        notes.append(
            Note(code="ends_early", values={"month": words.month(ending.first), "day": words.day(history.end)})
        )
    if len(shown) < months:
        begins = {"month": words.month(begun.first), "day": words.day(history.first)}
        notes.append(Note(code="begins_late", values=begins))
        notes.append(
            Note(code="fewer_months", values={"found": words.number(len(shown)), "asked": words.number(months)})
        )
    compared = {month for k in (1, 12) if (month := newest.before(k)) >= first} - set(shown)
    return Span(shown=shown, compared=tuple(sorted(compared)), notes=tuple(notes))
