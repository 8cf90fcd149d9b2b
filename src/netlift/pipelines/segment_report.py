"""What `netlift segments` found, as one object that prints, exports, and is read back from its own JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, TypeVar

import numpy as np

from netlift.config.segments import RISKS, SEGMENTS, TIERS
from netlift.results import SCHEMA_VERSION, Estimate, Table, Told, format_number, to_plain
from netlift.segments.economics import SegmentRow
from netlift.segments.grid import ValueRisk
from netlift.segments.migration import ENTERED, LEFT, Flow, migration_matrix
from netlift.segments.payback import Payback

SHOWN_FLOWS = 8


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """How long the customers of a segment stayed from the landmark on.

    Attributes:
        segment: Their segment at the landmark.
        customers: Those who were still there then.
        lost: Those lost in the following.
        within: Mean days not lost within the following.
        beyond_days: Expected days after it by the last hazard, an extrapolation; None where too few were lost to say.
        curve: Day to share not lost, at twelve steps of the following and its end.
    """

    segment: str
    customers: int
    lost: int
    within: Estimate
    beyond_days: float | None
    curve: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class SegmentReport(Told):
    """Who the customers are, what they are worth, and what is at risk.

    Attributes:
        as_of: First day not seen.
        previous: The day with which migration compares; None without.
        currency: Of all money.
        horizon_days: Days that predicted value is of; None without a model.
        level: Confidence of the intervals.
        revenue_based: Whether margin is revenue, because the source has no margins.
        segments: A row per segment.
        total: The row of all customers.
        value_by_risk: Value tier crossed with churn risk.
        flow_value: The column whose money migration follows; empty without it.
        flows: Migration.
        followed_from: The landmark of the survival view; None without it.
        remaining: A row per segment of the survival view.
        labels_from: The day whose label of churn is whole and newest; None without one.
        versions: Task to the version that was asked.
        notes: What is missing or approximate, in words.
    """

    as_of: date
    previous: date | None
    currency: str
    horizon_days: int | None
    level: float
    revenue_based: bool
    segments: Table[SegmentRow]
    total: SegmentRow
    value_by_risk: Table[ValueRisk]
    flow_value: str
    flows: Table[Flow]
    followed_from: date | None
    remaining: Table[Remaining]
    labels_from: date | None
    versions: Mapping[str, int]
    notes: tuple[str, ...]

    def to_json(self) -> bytes:
        """The report as one JSON document; the same report gives the same bytes."""
        document = {"schema_version": SCHEMA_VERSION, **to_plain(self)}
        return json.dumps(document, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> SegmentReport:
        """Read what `to_json` wrote."""
        plain = json.loads(content)
        del plain["schema_version"]
        for name in ("as_of", "previous", "followed_from", "labels_from"):
            plain[name] = date.fromisoformat(plain[name]) if plain[name] else None
        kinds: dict[str, type] = {
            "segments": SegmentRow,
            "value_by_risk": ValueRisk,
            "flows": Flow,
            "remaining": Remaining,
        }
        for name, kind in kinds.items():
            rows: tuple[Any, ...] = tuple(_revive(kind, row) for row in plain[name]["rows"])
            plain[name] = Table(name=plain[name]["name"], rows=rows)
        return cls(**plain | {"total": _revive(SegmentRow, plain["total"]), "notes": tuple(plain["notes"])})

    def to_text(self) -> str:
        """The report for people, money first; Markdown."""
        parts = [self._headline(), self._money(), self._acquisition(), self._loyalty()]
        if any(cell.customers and (cell.value_tier, cell.risk) != (TIERS[0], RISKS[0]) for cell in self.value_by_risk):
            parts.append(self._grid())
        if len(self.flows):
            parts += [self._matrix(), self._flows()]
        if len(self.remaining):
            parts.append(self._remaining())
        if self.notes:
            parts.append("\n".join(["Notes", *(f"- {note}" for note in self.notes)]))
        return "\n\n".join(parts)

    @property
    def _rows(self) -> list[SegmentRow]:
        return [*self.segments, self.total]

    @property
    def _horizon(self) -> str:
        return f" {self.horizon_days} d" if self.horizon_days else ""

    def _headline(self) -> str:
        total = self.total
        lines = [
            f"{total.customers:,} customers as of {self.as_of} brought {format_number(total.margin_365d)} "
            f"{self.currency} of {'revenue (no margins)' if self.revenue_based else 'margin'} in 365 days"
        ]
        if total.ltv_total is not None:
            lines.append(f"  predicted for the next {self.horizon_days} days: {_said(total.ltv_total)}")
        if total.value_at_risk is not None:
            lines.append(f"  of which at risk to be lost: {_said(total.value_at_risk)}")
        if total.payback is not None:
            lines.append(f"  an acquired customer pays back: {total.payback}")
        return "\n".join(lines)

    def _money(self) -> str:
        heads = ["segment", "customers", "share", "margin 365 d", f"LTV total{self._horizon}", "at risk", "strategy"]
        rows = [
            [
                row.segment,
                f"{row.customers:,}",
                f"{row.share:.1%}",
                format_number(row.margin_365d),
                _short(row.ltv_total),
                _short(row.value_at_risk),
                row.strategy,
            ]
            for row in self._rows
        ]
        return _titled(f"Money by segment, {self.currency}", heads, rows)

    def _acquisition(self) -> str:
        heads = [
            "segment",
            f"LTV{self._horizon}",
            "receipt",
            "a year",
            "rate",
            "textbook LTV",
            "CAC",
            "LTV:CAC",
            "textbook:CAC",
            "payback",
        ]
        rows = [
            [
                row.segment,
                _short(row.ltv_mean),
                _number(row.average_receipt),
                _number(row.purchases_a_year),
                _percent(row.margin_rate),
                _number(row.textbook_ltv),
                _short(row.cac),
                _short(row.ltv_to_cac),
                _number(row.textbook_to_cac),
                str(row.payback) if row.payback else "-",
            ]
            for row in self._rows
        ]
        return _titled(f"Value and acquisition per customer, {self.currency}", heads, rows)

    def _loyalty(self) -> str:
        since = f" (of {self.labels_from})" if self.labels_from else ""
        heads = ["segment", "churn predicted", f"lost{since}", "days left (extrapolated)", "NPS", "CSI"]
        rows = [
            [
                row.segment,
                _percent(row.p_churn),
                _short_percent(row.lost),
                _number(row.expected_lifetime_days),
                _short(row.nps),
                _short(row.csi),
            ]
            for row in self._rows
        ]
        return _titled("Loyalty by segment", heads, rows)

    def _grid(self) -> str:
        cells = {(cell.value_tier, cell.risk): cell for cell in self.value_by_risk}
        risks = [risk for risk in (*RISKS[1:], RISKS[0]) if any(key[1] == risk for key in cells)]
        rows = []
        for tier in reversed(TIERS):
            own = [cells.get((tier, risk)) for risk in risks]
            if any(own):
                rows.append([tier, *(_cell(cell) for cell in own)])
        title = f"Predicted value by churn risk: customers, margin of 365 days, value at risk ({self.currency})"
        return _titled(title, ["value", *(f"{risk} risk" for risk in risks)], rows)

    def _matrix(self) -> str:
        names = [name for name in SEGMENTS if any(name in (flow.before, flow.after) for flow in self.flows)]
        matrix = migration_matrix(self.flows, names)
        rows = [
            [name, *(f"{n:,}" if n else "·" for n in counts), f"{counts.sum():,}"]
            for name, counts in zip((*names, ENTERED), matrix, strict=True)
        ]
        rows.append(["all", *(f"{n:,}" for n in matrix.sum(axis=0)), f"{matrix.sum():,}"])
        title = f"Customers by segment on {self.previous} (rows) and on {self.as_of} (columns)"
        return _titled(title, ["from / to", *(_abbreviated(name) for name in (*names, LEFT)), "all"], rows)

    def _flows(self) -> str:
        moved = [flow for flow in self.flows if flow.before != flow.after]
        largest = sorted(moved, key=lambda flow: -abs(flow.change))[:SHOWN_FLOWS]
        heads = ["from", "to", "customers", "value before", "value after", "change"]
        rows = [
            [
                flow.before,
                flow.after,
                f"{flow.customers:,}",
                *(format_number(money) for money in (flow.value_before, flow.value_after, flow.change)),
            ]
            for flow in largest
        ]
        return _titled(f"Flows that moved most money ({self.flow_value}, {self.currency})", heads, rows)

    def _remaining(self) -> str:
        days = list(self.remaining.rows[0].curve)
        shown = [days[i] for i in np.unique(np.linspace(0, len(days) - 1, 5).round().astype(int))]
        heads = ["segment", "customers", *(f"{day} d" for day in shown), "days within", "beyond (extrapolated)"]
        rows = [
            [
                row.segment,
                f"{row.customers:,}",
                *(f"{row.curve[day]:.0%}" for day in shown),
                _short(row.within),
                _number(row.beyond_days),
            ]
            for row in self.remaining
        ]
        return _titled(f"Not lost, of those there on {self.followed_from} (Kaplan-Meier)", heads, rows)


Kind = TypeVar("Kind")


def _revive(kind: type[Kind], plain: Mapping[str, Any]) -> Kind:
    """A row from its plain form: dictionaries with a point are estimates, null ends of theirs are NaN."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = plain[field.name]
        if isinstance(value, dict) and "point" in value:
            ends = {
                end: float("nan") if value[end] is None else value[end] for end in ("point", "ci_lower", "ci_upper")
            }
            value = Estimate(**value | ends)
        elif isinstance(value, dict) and "within_months" in value:
            value = Payback(**value)
        values[field.name] = value
    return kind(**values)


def _said(estimate: Estimate) -> str:
    return str(estimate) if np.isfinite(estimate.ci_lower) else f"{format_number(estimate.point)} {estimate.unit}"


def _short(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if not np.isfinite(estimate.ci_lower):
        return format_number(estimate.point)
    ends = f"{format_number(estimate.ci_lower)}, {format_number(estimate.ci_upper)}"
    return f"{format_number(estimate.point)} [{ends}]"


def _short_percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.point:.1%} [{estimate.ci_lower:.1%}, {estimate.ci_upper:.1%}]"


def _number(value: float | None) -> str:
    return "-" if value is None else format_number(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _cell(cell: ValueRisk | None) -> str:
    if cell is None or not cell.customers:
        return "-"
    return f"{cell.customers:,}; {format_number(cell.margin_365d)}; {format_number(cell.value_at_risk)}"


def _abbreviated(name: str) -> str:
    return name.replace("potential_loyalists", "potential").replace("needing_attention", "attention")


def _titled(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are also straight on a terminal: words to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    left = [all(not cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (c.ljust(w) if on_left else c.rjust(w) for c, w, on_left in zip(cells, widths, left, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = (
        "|" + "|".join("-" * (w + 1) + ("-" if on_left else ":") for w, on_left in zip(widths, left, strict=True)) + "|"
    )
    return "\n".join([title, "", line(heads), rule, *(line(row) for row in rows)])
