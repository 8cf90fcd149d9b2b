"""The final uplift fit: the model to publish and its evaluation.

The newest campaigns are kept apart while a learner is chosen and judged; once it is, the same learner learns from all
rows, the newest included, for what customers do now is in no others. What is then shipped nobody has judged, so the
refit is held against what was: fits without a fold of customers agree with the judged policy on so many rows, and the
refit must agree nearly as often and mail no offer to many more. A refit that does not stays at home, and the judged
model ships. How much of it may go live is for the evidence to say (`permit_uplift`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.counted_gains import count_gains
from netlift.results import Table
from netlift.training.uplift.context import UpliftLearning, policy_of
from netlift.training.uplift.holdout import Judged, judge_held_out, judge_out_of_fold, keep_back_randomized
from netlift.training.uplift.permission import Permission, permit
from netlift.training.uplift.select import Advance, CandidateRow, choose_learner

VALIDATION_SHARE = 0.25
LESS_AGREEMENT = 0.1  # share of rows on which a refit may differ more often than fits without a fold do
MORE_MAILED = 0.2  # share of rows that an offer may gain


@dataclass(frozen=True, kw_only=True)
class ShippedUplift:
    """A chosen and fitted candidate with what speaks for it.

    Attributes:
        learner: Which was chosen.
        candidate: What ships: fitted on all rows, with the rewards that contacts will pay, or the judged one; as much
            of it as is permitted, and with what contacts wear out.
        judged: The same learner fitted on the training rows alone: what figures on held-out rows are of.
        permission: How much of it ships.
        candidates: How it was chosen.
        rows: All rows.
        training: Rows that the judged model learned from.
        held_out: Rows that it did not.
        how: What the held-out rows are, in words.
        on_held_out: What is permitted of its policy on them.
        evidence: The same on all rows that did not decide the choice, out of fold.
        notes: Which of the two ships, how much of it, and why.
    """

    learner: str
    candidate: Candidate
    judged: Candidate
    permission: Permission
    candidates: Table[CandidateRow]
    rows: ContactRows
    training: ContactRows
    held_out: ContactRows
    how: str
    on_held_out: Judged
    evidence: Judged
    notes: tuple[str, ...]


def ship_uplift(
    learning: UpliftLearning, rows: ContactRows, *, advance: Advance, randomized: np.ndarray | None = None
) -> ShippedUplift:
    """Keep the newest rows back, choose a learner on a late part of the others, judge it, and fit it on all.

    Args:
        learning: How it is learned.
        rows: Contact rows.
        advance: Told after each candidate.
        randomized: Which rows chance drew, bool, shape (n,): only these judge; None for all.
    """
    drawn = np.ones(len(rows), dtype=bool) if randomized is None else randomized
    kept, how = keep_back_randomized(rows, drawn, share=learning.definition.held_out_share, seed=learning.seed)
    training, held_out = rows.take(~kept), rows.take(kept)
    late, _ = keep_back_randomized(training, drawn[~kept], share=VALIDATION_SHARE, seed=learning.seed + 1)
    chosen, candidates = choose_learner(learning, training.take(~late), training.take(late), advance=advance)
    learning.say(f"{chosen}: fitted on the training campaigns")
    judged = learning.add_rewards(learning.fit(chosen, training), training)
    on_held_out = judge_held_out(learning, training, held_out, StoredModel(judged.files))
    unswayed = drawn | ~drawn.any()
    if chosen != learning.definition.candidates[0]:
        unswayed[np.flatnonzero(~kept)[late]] = False
    evidence = judge_out_of_fold(learning, chosen, rows, judged=unswayed)
    learning.say(f"{chosen}: fitted on all campaigns")
    refit = learning.add_rewards(learning.fit(chosen, rows), rows)
    policies = [policy_of(StoredModel(one.files), rows) for one in (refit, judged)]
    ships, why = guard_refit(policies[0], policies[1], evidence)
    permission = permit(evidence, on_held_out, rows, learning.definition.gates)

    def permitted(one: Candidate) -> Candidate:
        return count_gains(one, permission.counted, offers=rows.offers)

    return ShippedUplift(
        learner=chosen,
        candidate=learning.add_wear(permitted(refit if ships else judged), rows.take(drawn)),
        judged=permitted(judged),
        permission=permission,
        candidates=candidates,
        rows=rows,
        training=training,
        held_out=held_out,
        how=how,
        on_held_out=on_held_out.count(permission.counted),
        evidence=evidence.count(permission.counted),
        notes=(permission.words, why),
    )


def guard_refit(refit: np.ndarray, judged: np.ndarray, evidence: Judged) -> tuple[bool, str]:
    """Whether a refit on all rows is near enough to what was judged to ship, and why, in words.

    Args:
        refit: Its arm for each of all rows, shape (n,).
        judged: That of the judged model, shape (n,).
        evidence: The policy out of fold, on some of these rows.
    """
    agreement = float(np.mean(refit == judged))
    usual = float(np.mean(evidence.policy == judged[evidence.rows]))
    arms = int(max(refit.max(), evidence.policy.max())) + 1
    shares = [np.bincount(one, minlength=arms) / len(one) for one in (refit, evidence.policy)]
    more = float(np.max((shares[0] - shares[1])[1:], initial=0.0))
    told = f"agrees with the judged model on {agreement:.0%} of rows (fits without a fold: {usual:.0%})"
    if agreement < usual - LESS_AGREEMENT:
        return False, f"the model judged ships: a refit on all campaigns {told}, too rarely"
    if more > MORE_MAILED:
        return False, f"the model judged ships: a refit on all campaigns would contact {more:.0%} of rows more"
    return True, f"after it was judged, fitted once more on all campaigns, the newest included; it {told}"
