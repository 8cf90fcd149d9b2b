"""Boosters of all folds grown in step, so that one number of trees and one setting serve them all.

    loss_t = sum over folds of the held-out loss after t trees

Trees stop when that sum has not fallen for `PATIENCE` rounds. A fold alone stops where its own noise does: on weak
effects after 5 trees in one and 33 in another. The same sum chooses between settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from netlift.estimators.purchases import FEWEST_ROWS, BoostingContacts

MOST_ROUNDS = 90
PATIENCE = 6
ROWS_PER_LEAF = 20  # a leaf may ask for at most 1 / so many of the rows

Setting = Mapping[str, float | bool]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What trees are to learn from which rows; all arrays of all rows, shape (n,).

    Attributes:
        objective: LightGBM's loss, which is also what stops the trees.
        use: Rows that teach it, bool.
        label: Of the loss.
        offset: Raw score that the trees are added to.
        weight: Of the loss.
    """

    objective: Literal["binary", "gamma", "l2"]
    use: np.ndarray
    label: np.ndarray
    offset: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CrossGrown:
    """Trees of all folds.

    Attributes:
        setting: The one with the least loss.
        rounds: Trees of each fold; 0 where none lowered the loss, or there were too few rows.
        out_of_fold: Raw score over the offset, of all rows by trees that did not see their customer, shape (n,).
    """

    setting: Setting
    rounds: int
    out_of_fold: np.ndarray


def grow_in_step(
    boosting: BoostingContacts, lesson: Lesson, fold: np.ndarray, settings: Sequence[Setting]
) -> CrossGrown:
    """Grow one booster a fold on the rows of the others.

    Args:
        boosting: All rows.
        lesson: What to learn.
        fold: Fold of each row, 0 to k - 1, shape (n,), customers kept together.
        settings: LightGBM parameters to choose from; of equals the first.
    """
    nothing = CrossGrown(setting=settings[0], rounds=0, out_of_fold=np.zeros(len(fold)))
    codes = range(int(fold.max()) + 1)
    pairs = [(lesson.use & (fold != k), lesson.use & (fold == k)) for k in codes]
    if any(grown.sum() < FEWEST_ROWS or not held.any() or np.ptp(lesson.label[grown]) == 0 for grown, held in pairs):
        return nothing
    arrays = {"label": lesson.label, "offset": lesson.offset, "weight": lesson.weight}
    sets = [boosting.select_pair(grown, held, **arrays) for grown, held in pairs]
    sizes = [float(lesson.weight[held].sum()) for _, held in pairs]
    tries = [_grow(boosting, lesson, setting, sets, sizes) for setting in settings]
    best = min(range(len(tries)), key=lambda i: tries[i][0])
    _, rounds, boosters = tries[best]
    if rounds == 0:
        return nothing
    raw = np.empty(len(fold))
    for k, booster in zip(codes, boosters, strict=True):
        X = boosting.rows.X[fold == k]
        raw[fold == k] = booster.predict(X, raw_score=True, num_iteration=rounds, num_threads=1)
    return CrossGrown(setting=settings[best], rounds=rounds, out_of_fold=raw)


def grow_on_all(boosting: BoostingContacts, lesson: Lesson, grown: CrossGrown) -> Any:
    """The booster of all rows that teach the lesson, with the setting and the rounds found."""
    import lightgbm as lgb

    data = boosting.select(lesson.use, label=lesson.label, offset=lesson.offset, weight=lesson.weight)
    return lgb.train(_params(boosting, lesson, grown.setting, int(lesson.use.sum())), data, grown.rounds)


def _grow(
    boosting: BoostingContacts,
    lesson: Lesson,
    setting: Setting,
    sets: Sequence[tuple[Any, Any]],
    sizes: Sequence[float],
) -> tuple[float, int, list[Any]]:
    """Least summed loss, the rounds that reached it, and the boosters."""
    import lightgbm as lgb

    boosters = []
    for grown, held in sets:
        booster = lgb.Booster(_params(boosting, lesson, setting, grown.num_data()), grown)
        boosters.append(booster.add_valid(held, "held"))

    def loss() -> float:
        return float(sum(size * one.eval_valid()[0][2] for size, one in zip(sizes, boosters, strict=True)))

    least, at = loss(), 0
    for round_ in range(1, MOST_ROUNDS + 1):
        for booster in boosters:
            booster.update()
        now = loss()
        if now < least:
            least, at = now, round_
        elif round_ - at >= PATIENCE:
            break
    return least, at, boosters


def _params(boosting: BoostingContacts, lesson: Lesson, setting: Setting, rows: int) -> dict[str, Any]:
    params: dict[str, Any] = dict(setting) | boosting.settings | {"objective": lesson.objective}
    metric = "binary_logloss" if lesson.objective == "binary" else lesson.objective
    least = max(5, min(int(setting["min_data_in_leaf"]), rows // ROWS_PER_LEAF))
    return params | {"metric": metric, "boost_from_average": False, "min_data_in_leaf": least}
