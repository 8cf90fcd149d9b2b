"""The model card: purpose, training data, performance and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netlift.results import Estimate, Table, format_number
from netlift.training.gate import GateResult


@dataclass(frozen=True, kw_only=True)
class CardContent:
    """What a card states; nothing in it is about one person.

    Attributes:
        task: churn, ltv, uplift, or an own task.
        description: One sentence, from the model's definition.
        estimator: Which candidate it is.
        currency: Of all money.
        population: Who is asked about, in a sentence.
        date_range: First and last day of the data, as text.
        windows: The calendar, by name as in the definition: observation_days, gap_days, horizon_days, ...
        row_counts: Rows by use: training, calibration, test, dropped.
        digests: Of the data, the config and the definition.
        catalogue_version: Version of the feature catalogue.
        leaderboard: Every candidate on the held-out customers.
        metrics: Of this model on the held-out customers, with intervals.
        gate: What the gate said.
        limits: What a reader must not conclude; at least the odd things that were met.
        commit: The git commit of the code; empty where nobody knows it.
        explanation: What the model does, in sentences.
        figures: File name below `figures/`, beside the card, to what the picture shows.
    """

    task: str
    description: str
    estimator: str
    currency: str
    population: str
    date_range: tuple[str, str]
    windows: Mapping[str, int]
    row_counts: Mapping[str, int]
    digests: Mapping[str, str]
    catalogue_version: str
    leaderboard: Table[Any]
    metrics: Mapping[str, Estimate]
    gate: GateResult
    limits: tuple[str, ...] = ()
    commit: str = ""
    explanation: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)


def render_card(content: CardContent) -> str:
    """The card as Markdown; the same content gives the same text."""
    sections = [
        f"# netlift-{content.task}: {content.estimator}\n\n{content.description}",
        f"## Data\n\n{_data(content)}",
        f"## How good it is\n\n{_metrics(content)}",
        f"## All candidates\n\n{content.leaderboard.to_markdown()}",
        f"## The gate\n\n{content.gate.to_markdown()}",
        *_explanation(content),
        f"## Limits\n\n{_list(content.limits) or 'None were noted.'}",
        f"## Where it comes from\n\n{_origin(content)}",
    ]
    return "\n\n".join(sections) + "\n"


def _explanation(content: CardContent) -> list[str]:
    """What the model does and pictures of it; nothing where neither was made."""
    parts = [_list(content.explanation)] if content.explanation else []
    parts += [f"![{shows}](figures/{name})" for name, shows in content.figures.items()]
    return ["## What it does\n\n" + "\n\n".join(parts)] if parts else []


def _data(content: CardContent) -> str:
    first, last = content.date_range
    lines = [f"From {first} to {last}.", content.population, f"Money is in {content.currency}."]
    windows = [_window(name, count) for name, count in content.windows.items()]
    rows = [f"rows, {name.replace('_', ' ')}: {count:,}" for name, count in content.row_counts.items()]
    return "\n".join([" ".join(lines), "", _list((*windows, *rows))])


def _window(name: str, count: int) -> str:
    words = name.removesuffix("_days").replace("_", " ")
    return f"{words}: {count:,} days" if name.endswith("_days") else f"{words}: {count:,}"


def _metrics(content: CardContent) -> str:
    if not content.metrics:
        return "Nothing could be measured."
    lines = ["| measure | value | interval | unit | how |", "|---|---|---|---|---|"]
    for name, estimate in content.metrics.items():
        interval = f"{format_number(estimate.ci_lower)} to {format_number(estimate.ci_upper)}"
        cells = [name, format_number(estimate.point), f"{interval} ({100 * estimate.level:g} %)"]
        lines.append("| " + " | ".join([*cells, estimate.unit, estimate.method]) + " |")
    return "\n".join(lines)


def _origin(content: CardContent) -> str:
    origin = [f"feature catalogue: {content.catalogue_version}"]
    origin += [f"{name} digest: `{digest}`" for name, digest in content.digests.items()]
    return _list((*origin, f"code: `{content.commit or 'not under version control'}`"))


def _list(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {line}" for line in lines)
