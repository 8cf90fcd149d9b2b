"""Tables of the scorecard: segments, changes, months, channels, data quality, definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from netlift.data.checks.quality import MonthQuality
from netlift.report.document import Cell, Grid, Plot, text_cell
from netlift.results import Table
from netlift.segments.figures import TOTAL, Change, Scorecard
from netlift.segments.metrics import METRIC, METRICS, SegmentMetric
from netlift.segments.pages.figure_text import FigureWords, digits_of, tone_of

PLOTTED = ("margin", "revenue")
CHANGE_COLUMNS = ("figure", "now", "month_before", "against_month", "year_before", "against_year")
LONG_COLUMNS = ("month", "segment", "figure", "value", "lower", "upper", "n", "unit", "absent")
QUALITY_COLUMNS = ("table", "month", "rows", "empty_days", "late_rows", "longest_delay")
BROKEN = ("missing", "orphans", "duplicates", "other")


def segments_grid(card: Scorecard, say: FigureWords) -> Grid:
    """The newest month: figures down, segments across."""
    figures = card.index()
    return Grid(
        name=say.words.say("scorecard.now", month=say.words.month(card.newest)),
        title="",
        columns=(say.head("figure"), *(text_cell(say.words.name("segment", name)) for name in card.segments)),
        rows=tuple(
            (
                text_cell(say.name(metric)),
                *(say.cell(figures[card.newest, segment, metric.name]) for segment in card.segments),
            )
            for metric in METRICS
        ),
    )


def changes_grid(card: Scorecard, say: FigureWords) -> Grid:
    """All customers together: the newest month against the month before and the year before."""
    figures = card.index()
    changes = {(change.metric, change.against): change for change in card.changes if change.segment == TOTAL}
    rows = []
    for metric in METRICS:
        pair = (changes.get((metric.name, "month")), changes.get((metric.name, "year")))
        if any(pair):
            now = say.cell(figures[card.newest, TOTAL, metric.name])
            compared = (cell for change in pair for cell in _change_cells(metric, change, say))
            rows.append((text_cell(say.name(metric)), now, *compared))
    return Grid(
        name=say.words.say("scorecard.changes", month=say.words.month(card.newest)),
        title="",
        columns=tuple(map(say.head, CHANGE_COLUMNS)),
        rows=tuple(rows),
    )


def months_grid(card: Scorecard, segment: str, say: FigureWords) -> Grid:
    """One segment's figures by month; those that never apply to it are left out."""
    figures = card.index()
    kept = [
        metric
        for metric in METRICS
        if any(figures[month, segment, metric.name].absent != "not_for_these" for month in card.months)
    ]
    name = say.words.name("segment", segment)
    positions = tuple(i for i, metric in enumerate(kept) if metric.name in PLOTTED)
    return Grid(
        name=name,
        title=name,
        columns=(say.head("figure"), *_months(card)),
        rows=tuple(
            (text_cell(say.name(metric)), *(say.cell(figures[month, segment, metric.name]) for month in card.months))
            for metric in kept
        ),
        plot=Plot(rows=positions, title=name) if segment == TOTAL else None,
    )


def channels_grid(card: Scorecard, say: FigureWords) -> Grid:
    """Acquisition cost: channels down, months across."""
    costs = {(row.channel, row.month): row for row in card.channels}
    channels = sorted({row.channel for row in card.channels}, key=lambda name: (name is None, name or ""))
    rows = []
    for channel in channels:
        cells = [text_cell(say.words.value("acquisition_channel", channel or ""))]
        for month in card.months:
            row = costs.get((channel, month))
            if row is None or row.cac is None:
                cells.append(say.absent("money", "nobody_joined" if row is None else "no_acquisition_cost"))
                continue
            cells.append(
                Cell(
                    kind="money",
                    value=row.cac,
                    lower=row.ci_lower,
                    upper=row.ci_upper,
                    digits=digits_of(METRIC["cac"], row.cac),
                    note=say.words.count("noun.customers", row.known),
                )
            )
        rows.append(tuple(cells))
    title = say.words.say("scorecard.channels")
    return Grid(name=title, title="", columns=(say.head("channel"), *_months(card)), rows=tuple(rows))


def quality_grid(quality: Table[MonthQuality], months: Sequence[date], say: FigureWords) -> Grid:
    """What the check counts in the tables of some months."""
    rows = []
    for row in quality:
        if row.month not in months:
            continue
        unknown = say.absent("count", "no_delays")
        delay = row.longest_delay_days
        cells = (
            Cell(kind="month", value=row.month),
            _count(row.rows),
            say.absent("count", "not_for_these") if row.empty_days is None else _count(row.empty_days, bad=True),
            unknown if row.late_rows is None else _count(row.late_rows),
            unknown if delay is None else Cell(kind="ratio", value=delay, digits=1),
            *(_count(getattr(row, name), bad=True) for name in BROKEN),
        )
        rows.append((text_cell(say.words.name("table", row.table)), *cells))
    return Grid(
        name=say.words.say("scorecard.quality"),
        title="",
        columns=tuple(map(say.head, (*QUALITY_COLUMNS, *BROKEN))),
        rows=tuple(rows),
    )


def definitions_grid(say: FigureWords, places: Mapping[str, str]) -> Grid:
    """What the figures mean.

    Args:
        say: The language.
        places: What stands in the places of the texts.
    """
    return Grid(
        name=say.words.say("scorecard.definitions"),
        title="",
        columns=(say.head("figure"), say.head("definition")),
        rows=tuple(
            (text_cell(say.name(metric)), text_cell(say.words.say(f"definition.{metric.name}", **places)))
            for metric in METRICS
        ),
    )


def long_grid(card: Scorecard, say: FigureWords) -> Grid:
    """Every figure of every segment and month in a row of its own, for a workbook's pivot tables."""
    rows = []
    for figure in card.figures:
        metric = METRIC[figure.metric]
        digits = digits_of(metric, figure.value or 0.0)
        numbers = (figure.value, figure.ci_lower, figure.ci_upper)
        rows.append(
            (
                Cell(kind="month", value=figure.month),
                text_cell(say.words.name("segment", figure.segment)),
                text_cell(say.name(metric)),
                *(Cell(kind=metric.kind, value=number, digits=digits) for number in numbers),
                _count(figure.n),
                text_cell(figure.unit),
                text_cell(say.words.say(f"absent.{figure.absent}") if figure.absent else ""),
            )
        )
    title = say.words.say("scorecard.figures")
    return Grid(name=title, title=title, columns=tuple(map(say.head, LONG_COLUMNS)), rows=tuple(rows))


def _change_cells(metric: SegmentMetric, change: Change | None, say: FigureWords) -> tuple[Cell, Cell]:
    if change is None:
        nothing = say.absent("text", "not_compared")
        return nothing, nothing
    earlier = Cell(kind=metric.kind, value=change.earlier, digits=digits_of(metric, change.earlier))
    return earlier, Cell(kind="text", value=say.size(change) + say.doubt(change), tone=tone_of(change))


def _months(card: Scorecard) -> tuple[Cell, ...]:
    return tuple(Cell(kind="month", value=month) for month in card.months)


def _count(value: int, *, bad: bool = False) -> Cell:
    return Cell(kind="count", value=float(value), tone="bad" if bad and value else "")
