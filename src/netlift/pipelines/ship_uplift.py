"""From contact rows to the uplift model that would ship, and everything it is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.pipelines.choose_uplift import Advance, CandidateRow, choose_learner
from netlift.pipelines.uplift_evidence import Judged, join, judge_held_out, judge_out_of_fold, keep_back_randomized
from netlift.pipelines.uplift_learning import UpliftLearning
from netlift.results import Table

VALIDATION_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class ShippedUplift:
    """A chosen and fitted candidate with what speaks for it.

    Attributes:
        candidate: Fitted on all training rows, with the rewards that contacts will pay.
        candidates: How it was chosen.
        training: Rows that it learned from.
        held_out: Rows that nothing learned from.
        how: What the held-out rows are, in words.
        on_held_out: Its policy on them.
        evidence: Held-out rows, and training rows out of fold that did not decide the choice: what the gate asks.
    """

    candidate: Candidate
    candidates: Table[CandidateRow]
    training: ContactRows
    held_out: ContactRows
    how: str
    on_held_out: Judged
    evidence: Judged


def ship_uplift(
    learning: UpliftLearning, rows: ContactRows, *, advance: Advance, randomized: np.ndarray | None = None
) -> ShippedUplift:
    """Keep the newest rows back, choose a learner on a late part of the others, fit it, and gather the evidence.

    Args:
        learning: How it is learned.
        rows: Contact rows.
        advance: Told after each candidate.
        randomized: Which rows chance drew, bool, shape (n,): only these judge; None for all.
    """
    drawn = np.ones(len(rows), dtype=bool) if randomized is None else randomized
    kept, how = keep_back_randomized(rows, drawn, share=learning.definition.held_out_share, seed=learning.seed)
    training, held_out, drawn = rows.take(~kept), rows.take(kept), drawn[~kept]
    late, _ = keep_back_randomized(training, drawn, share=VALIDATION_SHARE, seed=learning.seed + 1)
    chosen, candidates = choose_learner(learning, training.take(~late), training.take(late), advance=advance)
    learning.say(f"{chosen}: fitted on all training campaigns")
    candidate = learning.add_rewards(learning.fit(chosen, training), training)
    unswayed = ~late | (chosen == learning.definition.candidates[0])
    unswayed &= drawn | ~drawn.any()
    on_held_out = judge_held_out(learning, training, held_out, StoredModel(candidate.files))
    return ShippedUplift(
        candidate=candidate,
        candidates=candidates,
        training=training,
        held_out=held_out,
        how=how,
        on_held_out=on_held_out,
        evidence=join([on_held_out, judge_out_of_fold(learning, chosen, training, judged=unswayed)]),
    )
