"""Tables of the closed-loop page: policies, months, segments, forecast against truth."""

from __future__ import annotations

import math
from dataclasses import replace

from netlift.closed_loop.result import LOOP, QUIET, DemoReport, Standing, WorldRow
from netlift.report.document import Cell, CellKind, Grid, Tone, text_cell
from netlift.report.language import Words
from netlift.results import Estimate

FIGURES = ("ltv", "churn", "nps", "frequency", "roi")
MOST_ROI = 20.0


def scorecard_grid(report: DemoReport, words: Words) -> Grid:
    """A row per rule: money, contacts, customers."""
    currency = report.shop.currency
    names = ("rule", "gain", "contacts", "spend", "roi", "churn", "frequency", "nps", "kept_ltv", "left")
    rows = [
        (
            text_cell(words.say(f"demo.world.{row.world}")),
            money_cell(row.gain, currency, words, judged=row.world != QUIET),
            Cell(kind="ratio", value=row.contacts_per_customer, digits=1),
            _money(row.spend, currency, words),
            _roi(row.roi, words),
            _points(row.churn_change, words),
            _estimate("ratio", row.frequency_change, digits=2),
            _estimate("score", row.standing.nps),
            _estimate("money", row.kept_ltv),
            money_cell(row.left_behind, currency, words, judged=row.world != QUIET),
        )
        for row in report.worlds
    ]
    return Grid(name="rules", title="", columns=_columns(names, words), rows=tuple(rows))


def segments_grid(report: DemoReport, words: Words) -> Grid:
    """A row per rule and value segment."""
    names = ("segment", "rule", "customers", "gain_each", "contacts", "churn", "frequency", "left_each")
    ordered = sorted(report.segments, key=lambda row: [*report_segments(report)].index(row.segment))
    rows = [
        (
            text_cell(words.say(f"demo.segment.{row.segment}")),
            text_cell(words.say(f"demo.world.{row.world}")),
            Cell(kind="count", value=row.customers),
            _estimate("money", row.gain, judged=True),
            Cell(kind="ratio", value=row.contacts_per_customer, digits=1),
            _points(row.churn_change, words),
            _estimate("ratio", row.frequency_change, digits=2),
            _estimate("money", row.left_behind, judged=True),
        )
        for row in ordered
        if row.world != QUIET
    ]
    return Grid(name="segments", title="", columns=_columns(names, words), rows=tuple(rows))


def report_segments(report: DemoReport) -> tuple[str, ...]:
    """Segments that have customers, in order."""
    return tuple(dict.fromkeys(row.segment for row in report.segments))


def months_grid(report: DemoReport, words: Words) -> Grid:
    """A row per rule and month."""
    currency = report.shop.currency
    names = ("month", "rule", "gain", "so_far", "contacts", "lost", "nps")
    ordered = sorted(report.months, key=lambda row: row.month)
    rows = [
        (
            Cell(kind="month", value=row.month),
            text_cell(words.say(f"demo.world.{row.world}")),
            money_cell(row.gain, currency, words, judged=row.world != QUIET),
            money_cell(row.gain_so_far, currency, words, judged=row.world != QUIET),
            Cell(kind="ratio", value=row.contacts_per_customer, digits=2),
            _estimate("share", row.lost, digits=1),
            _estimate("score", row.nps),
        )
        for row in ordered
    ]
    return Grid(name="months", title="", columns=_columns(names, words), rows=tuple(rows))


def beliefs_grid(report: DemoReport, words: Words) -> Grid:
    """A row per round: what the loop believed, and what the world knows."""
    currency = report.shop.currency
    names = (
        "month", "rows", "gate", "rest", "contacted", "explored", "promised", "true_promise", "replayed",
        "true_replayed", "measured", "true_measured",
    )  # fmt: skip
    rows = [
        (
            Cell(kind="month", value=row.month),
            Cell(kind="count", value=row.rows),
            text_cell(words.say(f"demo.gate.{row.gate}")),
            Cell(kind="count", value=row.rest_days),
            Cell(kind="count", value=row.contacted),
            Cell(kind="count", value=row.explored),
            _money(row.promised, currency, words),
            _money(row.true_promise, currency, words),
            money_cell(row.replayed, currency, words),
            _money(row.true_replayed, currency, words),
            money_cell(row.measured, currency, words),
            _money(row.true_measured.point, currency, words),
        )
        for row in report.rounds
    ]
    return Grid(name="beliefs", title="", columns=_columns(names, words), rows=tuple(rows))


def source_grid(report: DemoReport, words: Words) -> Grid:
    """The figures of the source's example: claimed, at the start, and after a year without and with the loop."""
    names = ("figure", "source", "at_start", "quiet_end", "loop_end", "causal")
    quiet, loop = report.world(QUIET), report.world(LOOP)
    rows = [
        (
            text_cell(words.say(f"demo.figure.{name}")),
            text_cell(words.say(f"demo.claim.{name}")),
            _standing(name, report.start, None, words),
            _standing(name, quiet.standing, None, words),
            _standing(name, loop.standing, loop, words),
            _causal(name, loop, words),
        )
        for name in FIGURES
    ]
    return Grid(name="source", title="", columns=_columns(names, words), rows=tuple(rows))


def _standing(name: str, standing: Standing, row: WorldRow | None, words: Words) -> Cell:
    if name == "roi":
        return _roi(row.roi if row else None, words)
    kinds: dict[str, CellKind] = {"ltv": "money", "churn": "share", "nps": "score", "frequency": "ratio"}
    return _estimate(kinds[name], getattr(standing, name), digits=1 if name in ("churn", "frequency") else 0)


def _causal(name: str, loop: WorldRow, words: Words) -> Cell:
    """What the loop changed, where it is the same people that are compared."""
    if name == "churn":
        return _points(loop.churn_change, words)
    if name == "frequency":
        return _estimate("ratio", loop.frequency_change, digits=2)
    if name == "ltv":
        return _estimate("share", loop.left_share, digits=1, judged=True)
    return text_cell("")


def _estimate(kind: CellKind, estimate: Estimate | None, *, digits: int = 0, judged: bool = False) -> Cell:
    if estimate is None:
        return Cell(kind=kind, value=None)
    tone: Tone = ""
    if judged:
        tone = "good" if estimate.ci_lower > 0 else "bad" if estimate.ci_upper < 0 else ""
    lower, upper = estimate.ci_lower, estimate.ci_upper
    known = math.isfinite(lower) and upper > lower  # an interval of no width is a number, not an estimate
    return Cell(
        kind=kind, value=estimate.point, lower=lower if known else None, upper=upper if known else None,
        digits=digits, tone=tone,
    )  # fmt: skip


def money_cell(estimate: Estimate | None, currency: str, words: Words, *, judged: bool = False) -> Cell:
    """Money in thousands or millions with its interval; blank for None."""
    if estimate is None:
        return Cell(kind="money", value=None)
    plain = replace(_estimate("money", estimate, judged=judged), text=words.short_money(estimate.point, currency))
    if plain.lower is None or plain.upper is None:
        return plain
    lower, upper = (words.short_money(end, currency) for end in (plain.lower, plain.upper))
    return replace(plain, lower=None, upper=None, note=words.say("cell.interval", lower=lower, upper=upper))


def _money(value: float | None, currency: str, words: Words) -> Cell:
    text = "" if value is None else words.short_money(value, currency)
    return Cell(kind="money", value=value, text=text)


def _roi(roi: Estimate | None, words: Words) -> Cell:
    """Return on cost; without a number where there is next to none."""
    if roi is not None and abs(roi.point) > MOST_ROI:
        return Cell(kind="share", value=None, text=words.say("demo.no_roi"), tone="muted")
    return _estimate("share", roi, judged=True)


def _points(estimate: Estimate | None, words: Words) -> Cell:
    """A difference of shares, in points of per cent."""
    if estimate is None:
        return Cell(kind="share", value=None)
    point, lower, upper = (
        words.number(100 * end, digits=1, signed=True) for end in (estimate.point, estimate.ci_lower, estimate.ci_upper)
    )
    interval = "" if estimate.ci_lower == estimate.ci_upper else words.say("cell.interval", lower=lower, upper=upper)
    return Cell(kind="share", value=estimate.point, text=words.say("demo.points", value=point), note=interval)


def _columns(names: tuple[str, ...], words: Words) -> tuple[Cell, ...]:
    return tuple(text_cell(words.say(f"demo.column.{name}")) for name in names)


__all__ = ["beliefs_grid", "money_cell", "months_grid", "scorecard_grid", "segments_grid", "source_grid"]
