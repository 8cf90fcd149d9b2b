"""Held-out contacts of all campaigns with everything a launch check needs.

Of each row is kept what fits say that never saw its customer, as the gate is asked by: the newest campaigns alone are a
third of what is known, and of one season. The rows know no ids, only which of them are of one customer. Beside
outcomes, chances and doubly robust scores they hold what is predicted for each, so that a night's run needs neither the
training rows nor another fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from netlift.estimators.cross_fit import CROSS_FIT_ROWS
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import average_effects
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.features.matrix import Feature
from netlift.training.uplift.context import UpliftLearning, predict_rewards, predict_uplift, predict_worn
from netlift.training.uplift.fit_final import ShippedUplift
from netlift.training.uplift.holdout import FOLDS, fold_customers

MOST_ROWS = 400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ProofRows:
    """Contacts with what fits say that never saw their customers, as a proof asks for them.

    Attributes:
        logged: Outcomes and doubly robust scores; customers are codes 0, 1, 2, ….
        offers: Names of the m offers; arm j is offers[j - 1].
        uplift: Prediction for each offer, shape (n, m).
        reward: The reward that a contact of each offer is predicted to pay, shape (n, m); 0 where none is paid.
        worn: What a contact of each offer wears out beyond its outcome window, by the model that ships, shape (n, m).
        likely: How likely each customer is to buy once contacted, by the response model: a rank score, shape (n,).
        best: The arm that did best in training among those on offer, whether it gained or not; 0 for none, shape (n,).
        X: Features that conditions may ask about, float32, a category as its code, shape (n, k).
        features: What they are.
        how: Which rows they are, in words.
    """

    logged: LoggedOutcomes
    offers: tuple[str, ...]
    uplift: np.ndarray
    reward: np.ndarray
    worn: np.ndarray
    likely: np.ndarray
    best: np.ndarray
    X: np.ndarray
    features: tuple[Feature, ...]
    how: str

    def __len__(self) -> int:
        return len(self.logged)


def gather_proof_rows(shipped: ShippedUplift, learning: UpliftLearning, *, most_rows: int = MOST_ROWS) -> ProofRows:
    """What is to be kept of a training.

    Args:
        shipped: The model, with its evidence.
        learning: How uplift is learned: rewards and the response model are fitted by it.
        most_rows: Rows at most; of more, a sample is drawn by the training's seed.
    """
    evidence = shipped.evidence
    campaigns, count = len(np.unique(shipped.rows.campaign[evidence.rows])), len(evidence.rows)
    how = f"{campaigns} {'campaign' if campaigns == 1 else 'campaigns'}, {count:,} contacts, each out of fold"
    kept = np.arange(count)
    if count > most_rows:
        kept = np.sort(np.random.default_rng(learning.seed).choice(count, most_rows, replace=False))
        how = f"{how}, of which {most_rows:,} were drawn by chance"
    logged, rows = evidence.logged.take(kept), shipped.rows.take(evidence.rows[kept])
    reward, likely = np.zeros((len(kept), len(rows.offers))), np.zeros(len(kept))
    best = np.zeros(len(kept), dtype=np.int64)
    for learned, own, known in _parts(shipped, learning, evidence.rows[kept]):
        judged, response = rows.take(own), learning.fit_response(learned)
        rewarded = known or learning.add_rewards(response, learned)
        reward[own] = predict_rewards(StoredModel(rewarded.files, threads=learning.threads), judged)
        likely[own] = _likely_to_buy(StoredModel(response.files, threads=learning.threads), learned, judged)
        best[own] = _best_offer(learned, judged.available)
    return ProofRows(
        logged=replace(logged, customer=logged.clusters.code),
        offers=rows.offers,
        uplift=evidence.uplift[kept],
        reward=reward,
        worn=predict_worn(StoredModel(shipped.candidate.files, threads=learning.threads), rows),
        likely=likely,
        best=best,
        X=rows.X,
        features=rows.features,
        how=how,
    )


def _parts(
    shipped: ShippedUplift, learning: UpliftLearning, rows: np.ndarray
) -> Iterator[tuple[ContactRows, np.ndarray, Candidate | None]]:
    """What rewards and rivals are learned from, which of some rows, by their positions, are asked then, and rewards.

    The last is a candidate that has the rewards of just these rows; None where they are still to be learned.

    That is each fold without its customers. Of many rows one fit is enough: no single one moves its trees.
    """
    if len(shipped.rows) > CROSS_FIT_ROWS:
        yield shipped.training, np.arange(len(rows)), shipped.judged if shipped.judged.storable else None
        return
    fold = fold_customers(learning, shipped.rows)
    for k in range(FOLDS):
        yield shipped.rows.take(fold != k), np.flatnonzero(fold[rows] == k), None


def _best_offer(learned: ContactRows, available: np.ndarray) -> np.ndarray:
    """The arm that did best where it was learned among those on offer, gain or not, shape (n,); 0 for none."""
    effects = np.where(available[:, 1:], average_effects(learned), -np.inf)
    return np.where(available[:, 1:].any(axis=1), effects.argmax(axis=1) + 1, 0)


def _likely_to_buy(response: StoredModel, learned: ContactRows, judged: ContactRows) -> np.ndarray:
    """A response model's order of customers, the likeliest buyers highest, shape (n,): over the mean customer's."""
    effects = average_effects(learned)
    arm = int(np.argmax(np.abs(effects)))
    return predict_uplift(response, judged)[:, arm] / (effects[arm] or 1.0)


__all__ = ["MOST_ROWS", "ProofRows", "gather_proof_rows"]
