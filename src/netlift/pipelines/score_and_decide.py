"""Score and decide as one job, by the same champions and data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from netlift.config.business import BusinessSettings
from netlift.data.checks.findings import Finding
from netlift.decisions.run.decide import DecideRequest
from netlift.pipelines.decide import DecideRun, decide_business
from netlift.pipelines.score import ScoreSummary, score_business
from netlift.progress import Progress


@dataclass(frozen=True, kw_only=True)
class NightRun:
    """What a night wrote.

    Attributes:
        scores: The scores of all customers.
        decisions: What was decided by the same models.
    """

    scores: ScoreSummary
    decisions: DecideRun

    @property
    def left_out(self) -> tuple[Finding, ...]:
        """What of the tables neither read: the decisions read all that the scores do."""
        return self.decisions.left_out

    @property
    def language(self) -> str:
        """Of the texts."""
        return self.decisions.language

    @property
    def counts(self) -> dict[str, int]:
        """Those of the decisions."""
        return self.decisions.counts

    def to_text(self) -> str:
        """Both on one screen, the decisions last."""
        return f"{self.scores.to_text()}\n\n{self.decisions.to_text()}"


def score_and_decide(
    settings: BusinessSettings, request: DecideRequest, *, progress: Progress, now: datetime, lock_timeout: float
) -> NightRun:
    """Write the scores of a day, then its decisions, under one key.

    Scores that are refused leave no decisions, and decisions that are refused leave the scores. Either may stand
    already from the same inputs: a night that was killed goes on where it was.

    Args:
        settings: The business, with its decision block.
        request: What is asked; its key names both.
        progress: Who watches.
        now: Time of the call.
        lock_timeout: Seconds to wait for another job.

    Raises:
        GateRefusedError: A champion was promoted or a table written after the scores, so that decisions would speak of
            other models or data; or what either job refuses.
    """
    scores = score_business(
        settings, as_of=request.as_of, run_key=request.key, progress=progress, now=now, lock_timeout=lock_timeout
    )
    decisions = decide_business(
        settings, request, progress=progress, now=now, lock_timeout=lock_timeout, scored=scores.digests
    )
    return NightRun(scores=scores, decisions=decisions)


__all__ = ["NightRun", "score_and_decide"]
