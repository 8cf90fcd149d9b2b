"""The tables of the closed loop: rules, months, segments, belief beside truth, and the source's example."""

from __future__ import annotations

import math

from netlift.evaluation.closed_loop import LOOP, QUIET, DemoReport, Standing, WorldRow
from netlift.report.document import Cell, CellKind, Grid, Tone, text_cell
from netlift.report.words import Words
from netlift.results import Estimate

FIGURES = ("ltv", "churn", "nps", "frequency", "roi")


def scorecard_grid(report: DemoReport, words: Words) -> Grid:
    """A row per rule: money, contacts, customers."""
    names = ("rule", "gain", "contacts", "spend", "roi", "churn", "frequency", "nps", "kept_ltv", "left")
    rows = [
        (
            text_cell(words.say(f"demo.world.{row.world}")),
            _estimate("money", row.gain, judged=row.world != QUIET),
            Cell(kind="ratio", value=row.contacts_per_customer, digits=1),
            Cell(kind="money", value=row.spend),
            _estimate("share", row.roi, judged=True),
            _estimate("share", row.churn_change, digits=1),
            _estimate("ratio", row.frequency_change, digits=2),
            _estimate("score", row.standing.nps),
            _estimate("money", row.kept_ltv),
            _estimate("money", row.left_behind, judged=row.world != QUIET),
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
            _estimate("share", row.churn_change, digits=1),
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
    names = ("month", "rule", "gain", "so_far", "contacts", "lost", "nps")
    ordered = sorted(report.months, key=lambda row: row.month)
    rows = [
        (
            Cell(kind="month", value=row.month),
            text_cell(words.say(f"demo.world.{row.world}")),
            _estimate("money", row.gain, judged=row.world != QUIET),
            _estimate("money", row.gain_so_far, judged=row.world != QUIET),
            Cell(kind="ratio", value=row.contacts_per_customer, digits=2),
            _estimate("share", row.lost, digits=1),
            _estimate("score", row.nps),
        )
        for row in ordered
    ]
    return Grid(name="months", title="", columns=_columns(names, words), rows=tuple(rows))


def beliefs_grid(report: DemoReport, words: Words) -> Grid:
    """A row per round: what the loop believed, and what the world knows."""
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
            Cell(kind="money", value=row.promised),
            Cell(kind="money", value=row.true_promise),
            _estimate("money", row.replayed),
            Cell(kind="money", value=row.true_replayed),
            _estimate("money", row.measured),
            Cell(kind="money", value=row.true_measured.point),
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
            _standing(name, report.start, None),
            _standing(name, quiet.standing, None),
            _standing(name, loop.standing, loop),
            _causal(name, loop),
        )
        for name in FIGURES
    ]
    return Grid(name="source", title="", columns=_columns(names, words), rows=tuple(rows))


def _standing(name: str, standing: Standing, row: WorldRow | None) -> Cell:
    if name == "roi":
        return _estimate("share", row.roi if row else None)
    kinds: dict[str, CellKind] = {"ltv": "money", "churn": "share", "nps": "score", "frequency": "ratio"}
    return _estimate(kinds[name], getattr(standing, name), digits=1 if name in ("churn", "frequency") else 0)


def _causal(name: str, loop: WorldRow) -> Cell:
    """What the loop changed, where it is the same people that are compared."""
    if name == "churn":
        return _estimate("share", loop.churn_change, digits=1)
    if name == "frequency":
        return _estimate("ratio", loop.frequency_change, digits=2)
    if name == "ltv":
        return _estimate("share", loop.left_share, digits=1, judged=True)
    return _estimate("share", loop.roi, judged=True) if name == "roi" else text_cell("")


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


def _columns(names: tuple[str, ...], words: Words) -> tuple[Cell, ...]:
    return tuple(text_cell(words.say(f"demo.column.{name}")) for name in names)


__all__ = ["beliefs_grid", "months_grid", "scorecard_grid", "segments_grid", "source_grid"]
