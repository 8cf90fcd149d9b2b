"""LightGBM fold boosting with shared bins per task, for many parameter settings.

    loss_t = sum over folds of the held-out loss after t trees

Trees stop when that sum has not fallen for `PATIENCE` rounds, so that one number of trees serves all folds: a fold
alone stops where its own noise does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from netlift.estimators.boosting.folds import FEWEST_ROWS
from netlift.estimators.uplift.purchase_model import BoostingContacts

MOST_ROUNDS = 90
PATIENCE = 6
ROWS_PER_LEAF = 20  # a leaf may ask for at most 1 / so many of the rows
BIN_ROWS = 5_000  # rows that the edges of bins are taken from

LightgbmParams = Mapping[str, float | bool]


@dataclass(frozen=True, kw_only=True)
class LightgbmTask:
    """What trees are to learn from which rows; all arrays of all rows, shape (n,).

    Attributes:
        objective: LightGBM's loss, which also stops the trees.
        use: Rows that teach it, bool.
        label: Of the loss.
        offset: Raw score that the trees are added to.
        weight: Of the loss.
    """

    objective: Literal["l2", "tweedie"]
    use: np.ndarray
    label: np.ndarray
    offset: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Grown:
    """Trees of all folds.

    Attributes:
        setting: How they were grown.
        rounds: Trees of each fold; 0 where none lowered the loss, or there were too few rows.
        out_of_fold: Raw score over the offset, of all rows by trees that did not see their customer, shape (n,).
    """

    setting: LightgbmParams
    rounds: int
    out_of_fold: np.ndarray


class BinnedTask:
    """A task's rows, sorted into bins once for each fold that is left out.

    Args:
        boosting: All rows.
        task: What to learn.
        fold: Fold of each row, 0 to k - 1, shape (n,), customers kept together.
    """

    def __init__(self, boosting: BoostingContacts, task: LightgbmTask, fold: np.ndarray) -> None:
        self.boosting, self.task, self.fold = boosting, task, fold
        self.pairs = [(task.use & (fold != k), task.use & (fold == k)) for k in range(int(fold.max()) + 1)]
        self.sets: list[tuple[Any, Any]] | None = None

    @property
    def teaches(self) -> bool:
        """Whether there are rows enough in each fold, and labels that differ."""
        label = self.task.label
        return all(grown.sum() >= FEWEST_ROWS and held.any() and np.ptp(label[grown]) > 0 for grown, held in self.pairs)

    def boosters(self, setting: LightgbmParams) -> list[Any]:
        """One booster without trees a fold, each watching the rows that were left out."""
        import lightgbm as lgb

        if self.sets is None:
            task = self.task
            arrays = {"label": task.label, "offset": task.offset, "weight": task.weight}
            self.sets = [self.boosting.select_pair(grown, held, **arrays) for grown, held in self.pairs]
        return [
            lgb.Booster(_params(self.boosting, self.task, setting, grown.num_data()), grown).add_valid(held, "held")
            for grown, held in self.sets
        ]

    def grow(self, settings: Sequence[LightgbmParams]) -> Grown:
        """Trees of the setting with the least summed loss; of equals the first."""
        nothing = Grown(setting=settings[0], rounds=0, out_of_fold=np.zeros(len(self.fold)))
        if not self.teaches:
            return nothing
        tries = [self._grow(setting) for setting in settings]
        best = min(range(len(tries)), key=lambda i: tries[i][0])
        _, rounds, boosters = tries[best]
        if rounds == 0:
            return nothing
        raw = np.empty(len(self.fold))
        for k, booster in enumerate(boosters):
            X = self.boosting.rows.X[self.fold == k]
            raw[self.fold == k] = booster.predict(X, raw_score=True, num_iteration=rounds, num_threads=1)
        return Grown(setting=settings[best], rounds=rounds, out_of_fold=raw)

    def _grow(self, setting: LightgbmParams) -> tuple[float, int, list[Any]]:
        """Least summed loss, the rounds that reached it, and the boosters."""
        boosters = self.boosters(setting)
        sizes = [float(self.task.weight[held].sum()) for _, held in self.pairs]

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


def grow_on_all(boosting: BoostingContacts, task: LightgbmTask, setting: LightgbmParams, rounds: int) -> Any:
    """The booster of all rows that the task uses, with so many trees."""
    import lightgbm as lgb

    data = boosting.select(task.use, label=task.label, offset=task.offset, weight=task.weight)
    return lgb.train(_params(boosting, task, setting, int(task.use.sum())), data, rounds)


def _params(boosting: BoostingContacts, task: LightgbmTask, setting: LightgbmParams, rows: int) -> dict[str, Any]:
    params: dict[str, Any] = dict(setting) | boosting.settings | {"objective": task.objective}
    least = max(5, min(int(setting["min_data_in_leaf"]), rows // ROWS_PER_LEAF))
    return params | {"metric": task.objective, "boost_from_average": False, "min_data_in_leaf": least}
