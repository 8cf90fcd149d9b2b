"""Appendix of a readout: figures needed to recompute it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netlift.abtest.readout.result import CampaignReadout
from netlift.abtest.readout_report.sentences import ReadoutWords, clean
from netlift.abtest.readout_report.tables import SEGMENT_COLUMNS, segment_cells
from netlift.report.document import Cell, Grid, Section, text_cell

FINE = 4
CELL_FIGURES = ("revenue", "margin", "reward", "contact_cost")


def appendix_section(readout: CampaignReadout, say: ReadoutWords) -> Section:
    """Counts, moments, contrasts, tests, versions and digests."""
    nothing = say.say("nothing")
    return Section(
        name="appendix",
        title=say.say("appendix"),
        paragraphs=(
            say.say(
                "appendix_text",
                level=say.level(readout),
                covariates=", ".join(map(clean, readout.covariates)) or nothing,
                plan=clean(readout.plan_digest or "") or nothing,
                config=clean(readout.config_digest),
                versions=", ".join(f"{clean(name)} {clean(number)}" for name, number in readout.versions.items()),
            ),
        ),
        grids=tuple(_grids(readout, say)),
    )


def segments_sheet(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Grid]:
    """Every segment of every arm in a row, for a workbook's pivot tables."""
    if readout.segments:
        title = say.say("segments")
        yield Grid(
            name=title,
            title=title,
            columns=say.heads("arm", "dimension", *SEGMENT_COLUMNS),
            rows=tuple(
                (
                    text_cell(say.arm(row.arm)),
                    text_cell(say.name("attribute", row.dimension)),
                    *segment_cells(row, say),
                )
                for row in readout.segments
            ),
        )


def _grids(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Grid]:
    yield _cells(readout, say)
    yield _contrasts(readout, say)
    yield _returns(readout, say)
    if readout.heterogeneity:
        yield _heterogeneity(readout, say)
    if readout.looks:
        yield _looks(readout, say)


def _cells(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    heads = []
    for name in CELL_FIGURES:
        what = say.words.say(f"readout_money.{name}")
        heads += [say.head("mean", what=what), say.head("sd", what=what)]
    return Grid(
        name=say.say("cells"),
        title=say.say("cells"),
        columns=(*say.heads("arm", "n", "buyers"), *heads),
        rows=tuple(
            (
                text_cell(say.arm(cell.arm)),
                Cell(kind="count", value=float(cell.n)),
                Cell(kind="count", value=float(cell.buyers)),
                *(_fine(values.get(name)) for name in CELL_FIGURES for values in (cell.means, cell.sds)),
            )
            for cell in readout.cells
        ),
    )


def _contrasts(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    rows = []
    for arm in readout.arms:
        for line in (line for line in arm.money if line.name != "fixed_cost"):  # known, no contrast
            each = line.per_customer
            rows.append(
                (
                    text_cell(say.arm(arm.arm)),
                    text_cell(say.words.say(f"readout_money.{line.name}")),
                    *map(_fine, (each.point, each.ci_lower, each.ci_upper)),
                    say.money_cell(line.total, digits=2),
                    say.money_cell(line.raw_total, digits=2),
                    text_cell(clean(each.method)),
                )
            )
    return Grid(
        name=say.say("contrasts"),
        title=say.say("contrasts"),
        columns=say.heads("arm", "line", "per_customer", "lower", "upper", "total", "unadjusted", "method"),
        rows=tuple(rows),
    )


def _returns(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    rows = []
    for arm in readout.arms:
        iroas = arm.iroas
        ratio = _fine(None if iroas is None else iroas.point)
        roi = arm.roi
        ends = (roi.point, roi.lower, roi.upper, roi.g)
        rows.append((text_cell(say.arm(arm.arm)), text_cell(roi.kind), *map(_fine, (*ends, arm.gamma)), ratio))
    return Grid(
        name=say.say("returns"),
        title=say.say("returns"),
        columns=say.heads("arm", "kind", "roi", "lower", "upper", "g", "gamma", "iroas"),
        rows=tuple(rows),
    )


def _heterogeneity(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    return Grid(
        name=say.say("heterogeneity"),
        title=say.say("heterogeneity"),
        columns=say.heads("arm", "dimension", "q", "freedom", "p_value", "between_sd", "planned"),
        rows=tuple(
            (
                text_cell(say.arm(row.arm)),
                text_cell(say.name("attribute", row.dimension)),
                _fine(row.q),
                Cell(kind="count", value=float(row.freedom)),
                _fine(row.p_value),
                _fine(row.between_sd),
                text_cell(say.yes(so=row.planned)),
            )
            for row in readout.heterogeneity
        ),
    )


def _looks(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    return Grid(
        name=say.say("looks"),
        title=say.say("looks"),
        columns=say.heads("look", "information", "bound", "z", "stopped"),
        rows=tuple(
            (
                text_cell(f"{look.number} / {look.looks}"),
                Cell(kind="share", value=look.information, digits=0),
                _fine(look.bound),
                _fine(look.z),
                text_cell(say.yes(so=look.stopped)),
            )
            for look in readout.looks
        ),
    )


def _fine(value: float | None) -> Cell:
    if value is not None and not math.isfinite(value):
        return Cell(kind="ratio", value=None, text="∞")
    return Cell(kind="ratio", value=value, digits=FINE)
