"""Estimated out-of-fold propensities of observational campaigns.

Trees see rules and steps (one per arm against the others), a logistic regression sees slopes; both are asked about
customers whose arms they have not seen. A multinomial logistic regression of the arm on their log odds then joins them
and makes the chances of the right size (stacking, and Platt's calibration in one), itself fitted on the other folds.
Where a campaign's propensities are known they are used, and nothing here is.

References:
    Chernozhukov and others (2018), Double/Debiased Machine Learning, Econometrics Journal 21: cross-fitting.
    Wolpert (1992), Stacked Generalization. Platt (1999), Probabilistic Outputs for Support Vector Machines.
    Lee, Lessler, Stuart (2010), Improving Propensity Score Weighting Using Machine Learning, Statistics in Medicine 29.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import BINARY, SQUARED, BoostingRows, Machine
from netlift.estimators.cross_fit import assign_folds, predict_out_of_fold, score_out_of_fold
from netlift.estimators.logistic import prepare_columns
from netlift.estimators.rows import LabelledRows
from netlift.features.matrix import Feature

FOLDS = 5
ROUNDS = 80
PARAMS = {"learning_rate": 0.06, "num_leaves": 8, "min_data_in_leaf": 40, "lambda_l2": 10.0}
FEWEST_PER_ARM = 100


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Customers of one campaign, whom somebody chose for its arms.

    Attributes:
        X: Features, float32, shape (n, k).
        features: The k features.
        arm: Arm of each, 0 … a - 1, each with rows, int64, shape (n,).
        customer: Code of the customer, shape (n,).
        machine: Seed and threads.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    arm: np.ndarray
    customer: np.ndarray
    machine: Machine

    @property
    def folds(self) -> np.ndarray:
        """Fold of each row, whole customers, shape (n,)."""
        return assign_folds(self.customer, folds=FOLDS, seed=self.machine.seed)


def estimate_propensities(chosen: Chosen) -> np.ndarray:
    """Chance of every arm for every customer, from customers of the other folds, shape (n, a); rows add up to 1.

    Raises:
        DataError: An arm with fewer than 100 customers.
    """
    counts = np.bincount(chosen.arm)
    if len(counts) < 2 or counts.min() < FEWEST_PER_ARM:
        found = ", ".join(f"{count:,}" for count in counts)
        raise DataError(
            f"propensities: {found} customers by arm, {FEWEST_PER_ARM} of each of at least two arms are needed to "
            "estimate how they were chosen"
        )
    fold = chosen.folds
    scores = np.column_stack([_tree_scores(chosen, fold), _slope_scores(chosen, fold)])
    chances = np.empty((len(fold), len(counts)))
    for k in range(FOLDS):
        chances[fold == k] = _multinomial(scores[fold != k], chosen.arm[fold != k], scores[fold == k])
    return chances


def expect_outcomes(chosen: Chosen, y: np.ndarray) -> np.ndarray:
    """Expected outcome under every arm, learned from that arm's customers of the other folds, shape (n, a)."""
    rows = BoostingRows(X=chosen.X, features=chosen.features, machine=chosen.machine)
    params = {**PARAMS, "num_leaves": 4}
    expected = [
        predict_out_of_fold(rows, y, chosen.arm == j, chosen.folds, SQUARED, params, rounds=ROUNDS)
        for j in range(int(chosen.arm.max()) + 1)
    ]
    return np.column_stack(expected)


def _tree_scores(chosen: Chosen, fold: np.ndarray) -> np.ndarray:
    """Log odds of each arm against all others, of arm 1 alone where there are two, shape (n, a or 1)."""
    rows = BoostingRows(X=chosen.X, features=chosen.features, machine=chosen.machine)
    everybody = np.ones(len(fold), dtype=bool)
    return np.column_stack(
        [
            score_out_of_fold(rows, (chosen.arm == j).astype(float), everybody, fold, BINARY, PARAMS, rounds=ROUNDS)
            for j in _told_apart(chosen.arm)
        ]
    )


def _slope_scores(chosen: Chosen, fold: np.ndarray) -> np.ndarray:
    """The same from a logistic regression on clipped, logged and scaled columns."""
    instant = np.zeros(len(fold), dtype="datetime64[us]")
    y = chosen.arm.astype(np.float64)
    rows = LabelledRows(X=chosen.X, features=chosen.features, y=y, customer=chosen.customer, cutoff=instant)
    Z = np.column_stack([column.values(chosen.X) for column in prepare_columns(rows)] or [np.zeros(len(fold))])
    scores = np.empty((len(fold), len(_told_apart(chosen.arm))))
    for k in range(FOLDS):
        chances = _multinomial(Z[fold != k], chosen.arm[fold != k], Z[fold == k])
        scores[fold == k] = _log_odds(chances)[:, _told_apart(chosen.arm)]
    return scores


def _told_apart(arm: np.ndarray) -> list[int]:
    """The arms whose log odds say all: every arm, or arm 1 of two."""
    arms = int(arm.max()) + 1
    return [1] if arms == 2 else list(range(arms))


def _log_odds(chances: np.ndarray) -> np.ndarray:
    tiny = np.finfo(float).eps
    inside = np.clip(chances, tiny, 1 - tiny)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _multinomial(X: np.ndarray, arm: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Chances by a ridge logistic regression on one thread, shape (len(asked), a)."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        fit = LogisticRegression(solver="newton-cholesky", tol=1e-6).fit(X, arm)
        return np.asarray(fit.predict_proba(asked))


__all__ = ["Chosen", "estimate_propensities", "expect_outcomes"]
