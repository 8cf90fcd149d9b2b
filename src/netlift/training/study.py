"""A training as the readout of an offline study, with baselines."""

from __future__ import annotations

import json

from netlift.results import SCHEMA_VERSION, to_plain
from netlift.training.report import TaskOutcome, TrainReport


def render_study(report: TrainReport, *, question: str, command: str) -> str:
    """The readout as Markdown.

    Args:
        report: The training.
        question: What the study asks, from its plan.
        command: What anybody runs to see the same.
    """
    head = [
        f"# {report.business}: what came out",
        "",
        f"**Question.** {question}",
        "",
        f"Receipts of {report.history.first} to {report.history.end} (not seen). Seen with `{command}`; figures are of "
        "customers or campaigns that no choice of the training saw, intervals at 95 % unless said otherwise.",
    ]
    return "\n".join([*head, *(line for outcome in report.outcomes for line in _task(outcome))]) + "\n"


def study_json(report: TrainReport, *, question: str) -> str:
    """The readout as one JSON document."""
    document = {"schema_version": SCHEMA_VERSION, "question": question, **to_plain(report)}
    for name in ("seconds", "tracking_uri"):
        document.pop(name)
    for outcome in document["outcomes"]:
        outcome.pop("seconds")
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _task(outcome: TaskOutcome) -> list[str]:
    chosen = f" by {outcome.estimator}" if outcome.estimator else ""
    lines = ["", f"## {outcome.task}: {outcome.standing}{chosen}", ""]
    if outcome.headline:
        lines += [f"{outcome.headline[0].upper()}{outcome.headline[1:]}.", ""]
    lines += [f"- {reason}" for reason in outcome.reasons]
    for table in outcome.tables:
        lines += ["", f"**{table.name}**", "", table.to_markdown()]
    if outcome.notes:
        lines += ["", "Notes:", "", *(f"- {note}" for note in outcome.notes)]
    return lines
