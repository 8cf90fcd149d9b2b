"""Result of a training, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netlift.data.checks.findings import Finding
from netlift.data.history import History
from netlift.errors import (
    DataError,
    GateRefusedError,
)
from netlift.results import Estimate, Table, Told

LEADS = ("champion", "already champion", "champion kept")
Standing = Literal["champion", "already champion", "champion kept", "refused", "failed"]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What became of one task.

    Attributes:
        task: churn, ltv, uplift, or an own task.
        standing: Whether the new model leads now, leads already, leaves the champion in place, or was refused.
        version: Its version in the registry; None where nothing was trained.
        estimator: The chosen candidate.
        headline: What was found, in money.
        reasons: Why, in words.
        metrics: Held-out figures.
        tables: The leaderboards.
        notes: What a reader must know.
        seconds: Wall time.
        exit_code: What this task alone would leave with.
    """

    task: str
    standing: Standing
    version: int | None
    estimator: str
    headline: str
    reasons: tuple[str, ...]
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    tables: tuple[Table[Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float
    exit_code: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainReport(Told):
    """What a training did.

    Attributes:
        business: The config's name.
        tracking_uri: Where the runs and models are, for mlflow's own tools.
        history: First day and first unseen day of the receipts.
        warnings: Warnings of the check, counted.
        outcomes: One per task.
        seconds: Wall time of it all.
        next_best_offer: What was registered beside a leading uplift model, or why not; empty without decisions.
        left_out: What of the tables was not read, as the check found it.
    """

    business: str
    tracking_uri: str
    history: History
    warnings: int
    outcomes: tuple[TaskOutcome, ...]
    seconds: float
    next_best_offer: str = ""
    left_out: tuple[Finding, ...] = ()

    def to_text(self) -> str:
        """The report for people: money first, reasons, and what to run next."""
        lines = []
        for outcome in self.outcomes:
            version = f" v{outcome.version} ({outcome.estimator})" if outcome.version else ""
            lines.append(f"{outcome.task}: {outcome.standing}{version}")
            if outcome.headline:
                lines.append(f"  {outcome.headline}")
            lines += [f"  - {line}" for reason in outcome.reasons for line in reason.splitlines()]
        lines += [
            "",
            f"{self.seconds:.0f} s, {self.history}, {self.warnings} warnings of `netlift check`",
        ]
        if self.next_best_offer:
            lines.append(self.next_best_offer)
        if any(outcome.standing in LEADS for outcome in self.outcomes):
            lines += [
                "next:",
                f"  make score AS_OF={self.history.end}      one file of scores for every customer",
                f"  {self._look}      runs, cards, plots",
            ]
        return "\n".join(lines)

    @property
    def _look(self) -> str:
        is_server = self.tracking_uri.startswith("http")
        return self.tracking_uri if is_server else f"mlflow ui --backend-store-uri {self.tracking_uri}"

    def raise_for_refusals(self) -> None:
        """Leave with the exit code of the first task that has no acceptable model.

        Raises:
            NetliftError: A gate refused a model, or a task could not be trained.
        """
        bad = [outcome for outcome in self.outcomes if outcome.exit_code]
        if bad:
            error = GateRefusedError if bad[0].exit_code == GateRefusedError.exit_code else DataError
            raise error("; ".join(f"{outcome.task}: {outcome.standing}, see above" for outcome in bad))
