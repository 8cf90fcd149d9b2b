"""What a protocol found: tables, targets met or missed, and the readout that says so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netlift.data.write import write_bytes
from netlift.evaluation.value.metrics import compare_values, evaluate_values
from netlift.results import Estimate, to_plain
from netlift.training.task import TrainedModel
from netlift.training.value import BASELINES

LEVEL = 0.95
MONEY_COLUMNS = {
    "spearman": "spearman",
    "normalized_gini": "gini",
    "mae_over_mean": "mae/mean",
    "tenths_mape": "tenths_mape",
    "tenths_off": "tenths_off",
    "capture_top_10": "top_10",
    "total_bias": "bias",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure held against a bound; missed is written as missed.

    Attributes:
        name: What the figure is of.
        value: The figure; None where it could not be had.
        bound: What was asked for.
        sense: Which side of the bound is good.
        why: Reason of a figure that is missing or of one that the data do not allow.
    """

    name: str
    value: float | None
    bound: float
    sense: str
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is on the good side."""
        if self.value is None or not np.isfinite(self.value):
            return False
        return self.value >= self.bound if self.sense == ">=" else self.value <= self.bound

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        value = None if self.value is None else round(self.value, 5)
        told = {"name": self.name, "value": value, "bound": self.bound, "sense": self.sense, "met": bool(self.met)}
        return told | ({"why": self.why} if self.why else {})

    def to_text(self) -> str:
        """One line for people."""
        found = "not measured" if self.value is None else f"{self.value:.4g}"
        line = f"{'met' if self.met else 'MISSED'}: {self.name}: {found}, {self.sense} {self.bound:g} was asked for"
        return f"{line} ({self.why})" if self.why else line


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table of figures.

    Attributes:
        title: Its heading.
        predicted: The definition of what is predicted, printed beside every table.
        rows: Who, and his figures by name; estimates, numbers or text.
        notes: What a reader must know.
    """

    title: str
    predicted: str
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()

    def to_markdown(self) -> str:
        """Heading, definition, table, notes."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [f"## {self.title}", "", f"**Predicted.** {self.predicted}", ""]
        lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(_cell(row.get(name)) for name in columns) + " |" for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Everything that one protocol found.

    Attributes:
        slug: Folder of the readout, without the date.
        sections: Its tables.
        targets: Its targets.
    """

    slug: str
    sections: Sequence[Section]
    targets: Sequence[Target] = field(default_factory=tuple)

    def rows(self) -> list[dict[str, Any]]:
        """One row of the benchmark's JSON per row of a table."""
        return [
            {"case": f"{self.slug}: {section.title}", "who": str(next(iter(row.values()))), "figures": _figures(row)}
            | {name: row[name] for name in ("cpu_s", "wall_s", "peak_mb") if name in row}
            for section in self.sections
            for row in section.rows
        ]


def against_baselines(trained: TrainedModel) -> dict[str, Estimate]:
    """What the champion's figure is above that of each baseline, on the same customers."""
    return {row.against: row.difference for row in trained.tables["paired"].rows if row.against in BASELINES}


def best_or_tied(case: str, trained: TrainedModel) -> Target:
    """The champion against the baseline that it is furthest behind, or nearest to."""
    paired = against_baselines(trained)
    worst = min(paired, key=lambda name: paired[name].ci_upper)
    name = f"{case}: {trained.candidate.name} less {worst}, upper end (0 or more: best or tied)"
    return Target(name=name, value=paired[worst].ci_upper, bound=0.0, sense=">=")


def money_row(who: str, y: np.ndarray, predicted: np.ndarray, customer: np.ndarray) -> dict[str, Any]:
    """Every figure of one prediction of money."""
    metrics = {row.metric: row.value for row in evaluate_values(y, predicted, customer=customer, level=LEVEL).rows}
    return {"who": who} | {short: metrics[name] for name, short in MONEY_COLUMNS.items()}


def against(
    y: np.ndarray, ours: np.ndarray, peers: Mapping[str, np.ndarray], customer: np.ndarray
) -> list[dict[str, Any]]:
    """Our prediction less each peer's, on the same customers, paired."""
    rows = []
    for who, theirs in peers.items():
        found = {row.metric: row.value for row in compare_values(y, ours, theirs, customer=customer, level=LEVEL).rows}
        gini, bias = found["normalized_gini"], found["absolute_total_bias"]
        verdict = "better" if gini.ci_lower > 0 else ("worse" if gini.ci_upper < 0 else "tied")
        rows.append({"against": who, "gini": gini, "in gini": verdict, "absolute bias": bias})
    return rows


def write_readout(finding: Finding, *, root: Path, command: str) -> Path:
    """Write readout.md and readout.json beside the plan of an experiment; returns the folder."""
    from netlift.config.settings import read_yaml

    folder = root / "experiments" / f"2026-11-value-{finding.slug}"
    plan = read_yaml(folder / "plan.yaml")
    head = [
        f"# {plan['title']}: what came out",
        "",
        f"**Question.** {plan['question']}",
        "",
        f"Seen with `{command}`; intervals at 95 %, by customer.",
        "",
        "## Targets",
        "",
        *([f"- {target.to_text()}" for target in finding.targets] or ["None was set."]),
    ]
    text = "\n\n".join(["\n".join(head), *(section.to_markdown() for section in finding.sections)])
    document = {
        "schema_version": 1,
        "question": plan["question"],
        "targets": [target.plain() for target in finding.targets],
        "sections": [to_plain(section) for section in finding.sections],
    }
    write_bytes(folder / "readout.md", (text + "\n").encode())
    write_bytes(folder / "readout.json", (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
    return folder


def write_results(findings: Iterable[Finding], path: Path) -> None:
    """Write the benchmark's JSON: all rows, all targets."""
    listed = list(findings)
    result = {
        "rows": [to_plain(row) for finding in listed for row in finding.rows()],
        "targets": [target.plain() | {"case": finding.slug} for finding in listed for target in finding.targets],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("who", "cpu_s", "wall_s", "peak_mb")}


def _cell(value: Any) -> str:
    if isinstance(value, Estimate):
        return f"{value.point:.3f} [{value.ci_lower:.3f}, {value.ci_upper:.3f}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
