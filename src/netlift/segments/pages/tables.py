"""Tables of segments: strategy, RFM, value at risk, migration, acquisition, churn, survival, surveys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netlift.config.segments import RISKS, SEGMENTS, TIERS
from netlift.report.document import Cell, Grid, Tone, text_cell
from netlift.results import Estimate
from netlift.segments.economics import SegmentEconomics
from netlift.segments.figures import TOTAL
from netlift.segments.migration import ENTERED, LEFT, Flow, migration_matrix
from netlift.segments.pages.text import SegmentWords, ends_of
from netlift.segments.rfm import SCORES
from netlift.segments.value_segments import ValueRisk

SHOWN_FLOWS, SHOWN_DAYS = 8, 5
GOOD_RATIO = 3.0


class SegmentGrids:
    """The tables of one report.

    Args:
        say: How the report is said.
    """

    def __init__(self, say: SegmentWords) -> None:
        self._say, self._report, self._words = say, say.report, say.words

    def strategies(self) -> Grid:
        """Money, risk and what to do, a row per segment and one of all."""
        say, horizon = self._say, self._say.horizon
        margin = "revenue" if self._report.revenue_based else "margin"
        heads = ("segment", "strategy", "customers", "share", margin, "ltv", "at_risk", "p_churn")
        rows = tuple(
            (
                self._name(row),
                text_cell(self._words.name("strategy", row.strategy) if row.strategy else ""),
                Cell(kind="count", value=row.customers),
                say.cell("share", row.share, digits=1),
                say.money_cell(row.margin_365d),
                say.money_cell(row.ltv_total),
                say.money_cell(row.value_at_risk),
                say.cell("share", row.p_churn),
            )
            for row in self._rows
        )
        columns = tuple(say.head(name, **({"horizon": horizon} if name == "ltv" else {})) for name in heads)
        return Grid(name=say.say("strategies"), title=say.say("strategies"), columns=columns, rows=rows)

    def recency_frequency(self) -> Grid:
        """Recency down, frequency across: customers, and their margin."""
        cells = {(cell.r, cell.f): cell for cell in self._report.recency_frequency}
        scores = range(1, SCORES + 1)
        rows = []
        for r in reversed(scores):
            row = [text_cell(f"R{r}")]
            for f in scores:
                cell = cells[r, f]
                row.append(Cell(kind="count", value=cell.customers, note=self._say.thousands(cell.margin_365d)))
            rows.append(tuple(row))
        columns = (text_cell(""), *(text_cell(f"F{f}") for f in scores))
        return Grid(name="RFM", title="", columns=columns, rows=tuple(rows))

    def sheets(self) -> Iterator[Grid]:
        """Tables for the workbook alone: ranges as numbers, and every pair of scores in a row of its own."""
        yield self._ranges()
        say = self._say
        heads = ("r", "f", "customers", "margin", "ltv")
        columns = tuple(say.head(name, **({"horizon": say.horizon} if name == "ltv" else {})) for name in heads)
        rows = tuple(
            (
                Cell(kind="count", value=cell.r),
                Cell(kind="count", value=cell.f),
                Cell(kind="count", value=cell.customers),
                say.money_cell(cell.margin_365d),
                say.money_cell(cell.ltv),
            )
            for cell in self._report.recency_frequency
        )
        yield Grid(name="RFM, R × F", title="", columns=columns, rows=rows)

    def _ranges(self) -> Grid:
        """LTV and what of it is at risk, each with the ends of its range."""
        say = self._say
        rows = tuple(
            (self._name(row), *self._range(row.ltv_total), *self._range(row.value_at_risk)) for row in self._rows
        )
        ends = (text_cell(self._words.say("column.lower")), text_cell(self._words.say("column.upper")))
        heads = (say.head("segment"), say.head("ltv", horizon=say.horizon), *ends, say.head("at_risk"), *ends)
        return Grid(name=say.say("ranges"), title="", columns=heads, rows=rows)

    def _range(self, estimate: Estimate | None) -> tuple[Cell, ...]:
        numbers = (None,) * 3 if estimate is None else (estimate.point, *(ends_of(estimate) or (None, None)))
        return tuple(self._say.absent("money") if n is None else Cell(kind="money", value=n) for n in numbers)

    def value_by_risk(self) -> Grid | None:
        """Tiers of value down, risk across; None where nobody has either."""
        cells = {(cell.value_tier, cell.risk): cell for cell in self._report.value_by_risk}
        if not any(cell.customers and key != (TIERS[0], RISKS[0]) for key, cell in cells.items()):
            return None
        risks = [risk for risk in (*RISKS[1:], RISKS[0]) if any(key[1] == risk for key in cells)]
        rows = []
        for tier in reversed(TIERS):
            own = [cells.get((tier, risk)) for risk in risks]
            if any(own):
                head = text_cell(self._say.say("tier", tier=self._words.name("tier", tier)))
                rows.append((head, *map(self._risk_cell, own)))
        heads = (text_cell(self._say.say("risk_of", risk=self._words.name("risk", risk))) for risk in risks)
        return Grid(name=self._say.say("grid"), title="", columns=(text_cell(""), *heads), rows=tuple(rows))

    def largest_flows(self) -> list[Flow]:
        """The moves that changed most money, the largest first."""
        moved = [flow for flow in self._report.flows if flow.before != flow.after]
        return sorted(moved, key=lambda flow: -abs(flow.change))[:SHOWN_FLOWS]

    def flows(self) -> Grid:
        """The same as a table."""
        say, value = self._say, self._say.flow_value
        rows = tuple(
            (
                text_cell(say.segment(flow.before)),
                text_cell(say.segment(flow.after)),
                Cell(kind="count", value=flow.customers),
                say.money_cell(flow.value_before),
                say.money_cell(flow.value_after),
                say.money_cell(flow.change, signed=True, tone="good" if flow.change > 0 else "bad"),
            )
            for flow in self.largest_flows()
        )
        heads = (
            *map(say.head, ("from", "to", "customers")),
            say.head("before", value=value),
            say.head("after", value=value),
            say.head("change"),
        )
        return Grid(name=say.say("flows"), title=say.say("flows"), columns=heads, rows=rows)

    def matrix(self) -> Grid:
        """Customers by segment then and now."""
        say, flows = self._say, self._report.flows
        names = [name for name in SEGMENTS if any(name in (flow.before, flow.after) for flow in flows)]
        matrix = migration_matrix(flows, names)
        rows = [
            (text_cell(say.segment(name)), *(Cell(kind="count", value=int(n)) for n in (*counts, counts.sum())))
            for name, counts in zip((*names, ENTERED), matrix, strict=True)
        ]
        whole = (*matrix.sum(axis=0), matrix.sum())
        rows.append((text_cell(say.say("column.all")), *(Cell(kind="count", value=int(n)) for n in whole)))
        columns = (text_cell(""), *(text_cell(say.segment(name)) for name in (*names, LEFT)), say.head("all"))
        before = self._words.day(self._report.previous or self._report.as_of)
        title = say.say("matrix", before=before, after=self._words.day(self._report.as_of))
        return Grid(name=say.say("matrix_sheet"), title=title, columns=columns, rows=tuple(rows))

    def acquisition(self) -> Grid:
        """Value of a customer beside what he cost."""
        say, horizon = self._say, self._say.horizon
        heads = (
            *("segment", "ltv_mean", "cac", "ltv_to_cac", "payback", "receipt", "purchases", "rate"),
            *("textbook", "textbook_to_cac"),
        )
        rows = tuple(
            (
                self._name(row),
                say.cell("money", row.ltv_mean),
                say.cell("money", row.cac),
                say.cell("ratio", row.ltv_to_cac, digits=1, tone=_tone(row)),
                say.payback_cell(row.payback),
                say.cell("money", row.average_receipt),
                say.cell("ratio", row.purchases_a_year, digits=1),
                say.cell("share", row.margin_rate),
                say.cell("money", row.textbook_ltv),
                say.cell("ratio", row.textbook_to_cac, digits=1),
            )
            for row in self._rows
        )
        columns = tuple(say.head(name, **({"horizon": horizon} if name == "ltv_mean" else {})) for name in heads)
        return Grid(name=say.say("acquisition"), title="", columns=columns, rows=rows)

    def churn(self) -> Grid:
        """Churn predicted and observed, and how long customers will stay."""
        say = self._say
        rows = tuple(
            (
                self._name(row),
                say.cell("share", row.p_churn),
                say.cell("share", row.lost),
                say.cell("count", row.expected_lifetime_days),
            )
            for row in self._rows
        )
        columns = tuple(map(say.head, ("segment", "p_churn", "lost", "days_left")))
        return Grid(name=say.say("churn"), title="", columns=columns, rows=rows)

    def survival(self) -> Grid:
        """Share who stayed by day."""
        say, remaining = self._say, self._report.remaining
        days = list(remaining.rows[0].curve)
        shown = [days[i] for i in np.unique(np.linspace(0, len(days) - 1, SHOWN_DAYS).round().astype(int))]
        rows = tuple(
            (
                text_cell(say.segment(row.segment)),
                Cell(kind="count", value=row.customers),
                *(Cell(kind="share", value=row.curve[day]) for day in shown),
                say.cell("count", row.within),
                say.cell("count", row.beyond_days),
            )
            for row in remaining
        )
        columns = (
            *map(say.head, ("segment", "customers")),
            *(text_cell(self._words.count("noun.days", float(day))) for day in shown),
            *map(say.head, ("within", "beyond")),
        )
        return Grid(name=say.say("survival"), title="", columns=columns, rows=rows)

    def surveys(self) -> Grid:
        """What customers answered."""
        say = self._say
        rows = tuple(
            (self._name(row), say.cell("score", row.nps, digits=1), say.cell("score", row.csi, digits=2))
            for row in self._rows
        )
        return Grid(name="NPS, CSI", title="", columns=tuple(map(say.head, ("segment", "nps", "csi"))), rows=rows)

    @property
    def _rows(self) -> list[SegmentEconomics]:
        return [*self._report.segments, self._report.total]

    def _name(self, row: SegmentEconomics) -> Cell:
        is_total = row is self._report.total
        return text_cell(self._words.name("segment", TOTAL if is_total else row.segment))

    def _risk_cell(self, cell: ValueRisk | None) -> Cell:
        if cell is None or not cell.customers:
            return self._say.absent("count")
        return Cell(kind="count", value=cell.customers, note=self._say.thousands(cell.value_at_risk))


def _tone(row: SegmentEconomics) -> Tone:
    """Good where even the lower end is no less than three, bad where even the upper end is less than one."""
    ratio = row.ltv_to_cac
    if ratio is None:
        return ""
    return "good" if ratio.ci_lower >= GOOD_RATIO else "bad" if ratio.ci_upper < 1 else ""


__all__ = ["SegmentGrids"]
