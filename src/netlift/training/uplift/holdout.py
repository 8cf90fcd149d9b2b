"""Evidence of the uplift gate: rows unseen by model selection, evaluated out of fold.

A held-out part alone is too small a witness: where the true gain is a tenth of a currency unit per customer and a
receipt hundreds, its interval covers zero for most models worth having. So the learner is fitted anew without each
fold of customers, calibration and fallback included, and its policy for the fold is judged there, on all campaigns.
Another division into folds makes another policy, which moves the gain by as much as its standard error. Two divisions
averaged are nearer to the model of all rows, which ships, and still say nothing of a customer that they have seen.
Where the rows on which candidates were compared made another learner than the first of the list win, they are learned
from and not judged on: the choice has seen their luck. Where the first stands, it was chosen before any of them was
seen.

References:
    Zhou, Athey, Wager (2023), Offline Multi-Action Policy Learning, Operations Research 71(1): cross-fitted doubly
    robust scores of policies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.counted_gains import Counted
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms, policy_difference
from netlift.results import Estimate
from netlift.training.uplift.context import UpliftLearning, predict_uplift

FOLDS, FOLDS_SEED = 3, 2  # each fit on two thirds of all rows: about as many as the judged model learns from
REPEATS, APART = 2, 100  # divisions into folds at most, and how far their seeds are apart
CELLS = 4_000_000  # rows times features beyond which one division is enough: there fits differ less and cost more


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Rows with doubly robust scores, and the arm that the policy takes on each.

    Attributes:
        logged: The rows.
        policy: Arm per row, shape (n,).
        uplift: Predicted uplift of each offer, by which the policy chose, shape (n, m).
        rows: Position of each row among those that were given, shape (n,).
    """

    logged: LoggedOutcomes
    policy: np.ndarray
    uplift: np.ndarray
    rows: np.ndarray

    def gain_over(self, constant: np.ndarray, *, confidence: float) -> Estimate:
        """Paired profit of the policy above a constant's; the truth lies above the lower end with that confidence."""
        return policy_difference(replace(self.logged, level=2 * confidence - 1), self.policy, constant)

    def count(self, counted: Counted) -> Judged:
        """The same rows with the policy of what counts of the predictions."""
        uplift = counted.count(self.uplift)
        return replace(self, uplift=uplift, policy=choose_arms(uplift, self.logged.available))


def keep_back(rows: ContactRows, *, share: float, seed: int) -> tuple[np.ndarray, str]:
    """Which rows are kept back, bool (n,), and in words which they are.

    The newest campaigns are kept back, as many as hold at least `share` of the rows, but never those that alone teach
    an offer; where that leaves nothing to learn from, or there is one campaign, customers are drawn by chance.
    """
    sizes = np.bincount(rows.campaign)
    codes = np.flatnonzero(sizes)
    newest_first = codes[::-1]
    enough = int(np.searchsorted(np.cumsum(sizes[newest_first]), share * len(rows))) + 1
    for count in range(enough, 0, -1):
        late = np.isin(rows.campaign, newest_first[:count])
        taught = np.unique(rows.arm[~late])
        if len(codes) > count and np.isin(np.unique(rows.arm), taught).all():
            plural = "campaign" if count == 1 else f"{count} campaigns"
            return late, f"the newest {plural}, {late.sum():,} contacts"
    customers = np.unique(rows.customer)
    drawn = np.random.default_rng(seed).permutation(customers)[: round(share * len(customers))]
    late = np.isin(rows.customer, drawn)
    return late, f"{late.sum():,} contacts of customers drawn by chance"


def keep_back_randomized(
    rows: ContactRows, randomized: np.ndarray, *, share: float, seed: int
) -> tuple[np.ndarray, str]:
    """As `keep_back`, among the rows of randomized campaigns alone; among all where there are none of these.

    What chance did not draw may teach, by consent, but it judges nobody as long as there is anything better.

    Args:
        rows: Contact rows.
        randomized: Which of them chance drew, bool, shape (n,).
        share: Of the rows that may be kept back.
        seed: Where customers are drawn by chance.
    """
    if not randomized.any():
        return keep_back(rows, share=share, seed=seed)
    kept, how = keep_back(rows.take(randomized), share=share, seed=seed)
    back = np.zeros(len(rows), dtype=bool)
    back[np.flatnonzero(randomized)[kept]] = True
    return back, how


def judge_held_out(learning: UpliftLearning, learned: ContactRows, judged: ContactRows, model: StoredModel) -> Judged:
    """The policy of a fitted model on rows that it never saw."""
    uplift = predict_uplift(model, judged)
    return Judged(
        logged=learning.log_outcomes(learned, judged),
        policy=choose_arms(uplift, judged.available),
        uplift=uplift,
        rows=np.arange(len(judged)),
    )


def fold_customers(learning: UpliftLearning, rows: ContactRows, *, repeat: int = 0) -> np.ndarray:
    """The fold of each row without which it is judged, shape (n,)."""
    return assign_folds(rows.customer, folds=FOLDS, seed=learning.seed + FOLDS_SEED + APART * repeat)


def judge_out_of_fold(learning: UpliftLearning, name: str, rows: ContactRows, *, judged: np.ndarray) -> Judged:
    """The learner fitted anew without each fold of customers, its policy judged on that fold's rows.

    Where rows are few, customers are divided twice, and what is predicted for a row without its customer is averaged.
    Its doubly robust scores are of the first division: a better outcome model hardly steadies them.

    Args:
        learning: How it is learned.
        name: The learner.
        rows: All rows.
        judged: Which of them are judged, bool (n,); the others are learned from in every fit.

    Raises:
        DataError: A fold without which an offer has no rows to be learned from.
    """
    at, customer = np.flatnonzero(judged), rows.customer[judged]
    uplift, scores = np.zeros((len(at), len(rows.offers))), np.zeros((len(at), len(rows.offers) + 1))
    repeats = REPEATS if rows.X.size <= CELLS else 1
    for repeat in range(repeats):
        fold = fold_customers(learning, rows, repeat=repeat)
        for k in range(FOLDS):
            learning.say(f"{name}: gate, fit {repeat * FOLDS + k + 1} of {repeats * FOLDS}")
            own, learned = fold[at] == k, rows.take(fold != k)
            model = StoredModel(learning.fit(name, learned).files)
            uplift[own] += predict_uplift(model, rows.take(at[own])) / repeats
            if repeat == 0:
                scores[own] = learning.log_outcomes(learned, rows.take(at[own])).scores
    logged = LoggedOutcomes(
        y=rows.y[at], arm=rows.arm[at], propensity=rows.propensity[at], scores=scores, customer=customer,
        campaign=rows.campaign[at], unit=learning.unit, level=learning.definition.gates.level,
    )  # fmt: skip
    return Judged(logged=logged, policy=choose_arms(uplift, logged.available), uplift=uplift, rows=at)
