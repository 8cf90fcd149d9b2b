"""What a training leaves behind to prove a launch by: its held-out contacts with all that a proof asks of each.

The rows know no ids, only which of them are of one customer. Beside outcomes, chances and doubly robust scores they
hold what is predicted for each, so that a night's run needs neither the training rows nor another fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift import average_effects, fit_uplift
from netlift.evaluation.off_policy import LoggedOutcomes
from netlift.features.matrix import Feature
from netlift.pipelines.ship_uplift import ShippedUplift
from netlift.pipelines.uplift_learning import UpliftLearning, predict_rewards, predict_uplift

MOST_ROWS = 400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ProofRows:
    """Held-out contacts, as a proof asks for them.

    Attributes:
        logged: Outcomes and doubly robust scores; customers are codes 0, 1, 2, ….
        offers: Names of the m offers; arm j is offers[j - 1].
        uplift: Prediction for each offer by the model that never saw these rows, shape (n, m).
        reward: The reward that a contact of each offer is predicted to pay, shape (n, m); 0 where none is paid.
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
        shipped: The model, with rows that the judged one did not learn from.
        learning: How uplift is learned: the response model is fitted by it, on the training rows.
        most_rows: Rows at most; of more, a sample is drawn by the training's seed.
    """
    rows, logged, how = shipped.held_out, shipped.on_held_out.logged, shipped.how
    if len(rows) > most_rows:
        drawn = np.random.default_rng(learning.seed).choice(len(rows), most_rows, replace=False)
        drawn.sort()
        how = f"{how}, of which {most_rows:,} were drawn by chance"
        rows, logged = rows.take(drawn), _take(logged, drawn)
    model = StoredModel(shipped.judged.files, threads=learning.threads)
    return ProofRows(
        logged=replace(logged, customer=logged.clusters.code),
        offers=rows.offers,
        uplift=predict_uplift(model, rows),
        reward=predict_rewards(model, rows),
        likely=_likely_to_buy(shipped.training, rows, learning),
        best=_best_offer(shipped.training, rows.available),
        X=rows.X,
        features=rows.features,
        how=how,
    )


def _take(logged: LoggedOutcomes, rows: np.ndarray) -> LoggedOutcomes:
    arrays = {name: getattr(logged, name)[rows] for name in ("y", "arm", "propensity", "scores", "customer")}
    return replace(logged, **arrays, weight=None if logged.weight is None else logged.weight[rows])


def _best_offer(training: ContactRows, available: np.ndarray) -> np.ndarray:
    """The arm that did best in training among those on offer, whether it gained or not, shape (n,); 0 for none."""
    effects = np.where(available[:, 1:], average_effects(training), -np.inf)
    return np.where(available[:, 1:].any(axis=1), effects.argmax(axis=1) + 1, 0)


def _likely_to_buy(training: ContactRows, rows: ContactRows, learning: UpliftLearning) -> np.ndarray:
    """A response model's order of customers, the likeliest buyers highest, shape (n,)."""
    definition = learning.definition
    response = fit_uplift(
        "response",
        training,
        search=definition.search,
        folds=definition.folds,
        seed=learning.seed,
        threads=learning.threads,
        progress=lambda _share, _words: None,
    )
    effects = average_effects(training)
    arm = int(np.argmax(np.abs(effects)))
    return predict_uplift(StoredModel(response.files), rows)[:, arm] * np.sign(effects[arm])


__all__ = ["MOST_ROWS", "ProofRows", "gather_proof_rows"]
