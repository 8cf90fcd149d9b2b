"""Cross-fitting: customer folds and out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import BoostingRows, Objective, Params, fit_rounds, start_scores, to_expected
from netlift.estimators.parallel import run_side_by_side

if TYPE_CHECKING:
    import lightgbm as lgb

OUTSIDE, LEARN_ONLY = -1, -2
CROSS_FIT_ROWS, ONCE_FROM_ROWS = 30_000, 15_000


def assign_folds(customer: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """A fold for each row, all rows of a customer in one, shape (n,).

    Raises:
        DataError: Fewer customers than folds.

    Examples:
        >>> assign_folds(np.array([7, 7, 8, 9]), folds=3, seed=1)
        array([0, 0, 1, 2])
    """
    who, code = np.unique(customer, return_inverse=True)
    if len(who) < folds:
        raise DataError(f"{len(who)} customers cannot be split into {folds} folds; bring more, or lower search.folds")
    fold = np.arange(len(who)) % folds
    return np.asarray(np.random.default_rng(seed).permutation(fold)[code])


def sample_customers(customer: np.ndarray, *, most: int, seed: int) -> np.ndarray:
    """Positions of at most `most` rows in their order, whole customers drawn at random; all where they fit.

    Examples:
        >>> len(sample_customers(np.repeat(np.arange(100), 6), most=60, seed=1))
        60
    """
    if len(customer) <= most:
        return np.arange(len(customer))
    _, code, counts = np.unique(customer, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(counts))
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[order[np.cumsum(counts[order]) <= most]] = True
    return np.flatnonzero(chosen[code])


@dataclass(frozen=True, kw_only=True)
class Folds:
    """How rows are predicted by fits that did not see their customers.

    Attributes:
        number: Folds of customers.
        once: Predict one fold only, by a fit on the others, where that leaves enough rows to calibrate on: one fit in
            place of `number`.
    """

    number: int
    once: bool = False

    def draw(self, customer: np.ndarray, *, seed: int) -> np.ndarray:
        """A fold for each row, shape (n,), or `LEARN_ONLY`; customers beyond `CROSS_FIT_ROWS` rows are `OUTSIDE`.

        Raises:
            DataError: Fewer customers than folds.

        Examples:
            >>> Folds(number=3).draw(np.array([7, 7, 8, 9]), seed=1).tolist()
            [0, 0, 1, 2]
        """
        rows = sample_customers(customer, most=CROSS_FIT_ROWS, seed=seed)
        fold = np.full(len(customer), OUTSIDE)
        fold[rows] = assign_folds(customer[rows], folds=self.number, seed=seed)
        return np.where(fold > 0, LEARN_ONLY, fold) if self.once and len(rows) >= ONCE_FROM_ROWS else fold


def rows_learnt_from(learn: np.ndarray, fold: np.ndarray) -> int:
    """How many rows a fit for one fold learns from.

    Args:
        learn: Rows that may be learnt from, bool, shape (n,).
        fold: Fold of each row, from `Folds`.
    """
    used = learn & (fold != OUTSIDE)
    return round(float(np.mean([np.count_nonzero(used & (fold != k)) for k in range(int(fold.max()) + 1)])))


def predict_out_of_fold(
    boosting: BoostingRows,
    y: np.ndarray,
    learn: np.ndarray,
    fold: np.ndarray,
    objective: Objective,
    params: Params,
    *,
    rounds: int,
) -> np.ndarray:
    """The expected label of each row, from a fit on the other folds.

    Args:
        boosting: All rows.
        y: Label, shape (n,).
        learn: Rows that may be learnt from, bool, shape (n,); the others are predicted only.
        fold: Fold of each row, shape (n,); `OUTSIDE` takes no part, `LEARN_ONLY` is not predicted.
        objective: What is minimised.
        params: LightGBM parameters.
        rounds: Trees.

    Returns:
        Shape (n,); NaN for rows of no fold.
    """
    return expect_inside(score_out_of_fold(boosting, y, learn, fold, objective, params, rounds=rounds), objective)


def expect_inside(raw: np.ndarray, objective: Objective) -> np.ndarray:
    """The expected label of each raw score, shape (n,); NaN for rows of no fold, whose scores are NaN."""
    inside = ~np.isnan(raw if raw.ndim == 1 else raw[:, 0])
    expected = np.full(len(raw), np.nan)
    expected[inside] = to_expected(raw[inside], objective)
    return expected


def score_out_of_fold(
    boosting: BoostingRows,
    y: np.ndarray,
    learn: np.ndarray,
    fold: np.ndarray,
    objective: Objective,
    params: Params,
    *,
    rounds: int,
) -> np.ndarray:
    """The raw scores behind `predict_out_of_fold`, shape (n,), or (n, k) for a loss with k of them; NaN elsewhere."""
    jobs = _score_folds(boosting, y, learn, fold, objective, (params, rounds))
    return _gather(run_side_by_side(jobs, threads=boosting.machine.threads), fold)


def fit_and_score_out_of_fold(
    boosting: BoostingRows,
    y: np.ndarray,
    learn: np.ndarray,
    fold: np.ndarray,
    objective: Objective,
    *,
    whole: tuple[Params, int],
    by_fold: tuple[Params, int],
) -> tuple[lgb.Booster, np.ndarray]:
    """The fit on all rows that may be learnt from, and `score_out_of_fold`; all fits side by side.

    Args:
        boosting: All rows.
        y: Label, shape (n,).
        learn: Rows that may be learnt from, bool, shape (n,).
        fold: Fold of each row, shape (n,), as in `predict_out_of_fold`.
        objective: What is minimised.
        whole: LightGBM parameters and trees of the fit on all rows.
        by_fold: Those of a fit without a fold.
    """
    grown: list[lgb.Booster] = []

    def fit() -> np.ndarray:
        dataset = boosting.select(np.flatnonzero(learn), y)
        grown.append(fit_rounds(dataset, objective, whole[0], boosting.machine, rounds=whole[1]))
        return np.empty(0)

    jobs = [fit, *_score_folds(boosting, y, learn, fold, objective, by_fold)]
    _, *found = run_side_by_side(jobs, threads=boosting.machine.threads)
    return grown[0], _gather(found, fold)


def _score_folds(
    boosting: BoostingRows,
    y: np.ndarray,
    learn: np.ndarray,
    fold: np.ndarray,
    objective: Objective,
    growth: tuple[Params, int],
) -> list[Callable[[], np.ndarray]]:
    """One job a fold: raw scores of its rows, shape (m, scores), by a fit on the others."""
    scores = 1 if objective.own is None else objective.own.scores

    def score(k: int) -> np.ndarray:
        rows = np.flatnonzero(learn & (fold != k) & (fold != OUTSIDE))
        booster = fit_rounds(boosting.select(rows, y), objective, growth[0], boosting.machine, rounds=growth[1])
        own = booster.predict(boosting.X[fold == k], raw_score=True, num_threads=1)
        return np.asarray(own, dtype=np.float64).reshape(-1, scores) + start_scores(objective, y[rows])

    return [partial(score, k) for k in range(int(fold.max()) + 1)]


def _gather(found: Sequence[np.ndarray], fold: np.ndarray) -> np.ndarray:
    """The scores of all folds in the order of the rows, NaN for rows of none."""
    raw = np.full((len(fold), found[0].shape[1]), np.nan)
    for k, own in enumerate(found):
        raw[fold == k] = own
    return raw[:, 0] if raw.shape[1] == 1 else raw
