"""Fold boosting: boosters of all folds grown together with one number of trees and one setting.

    loss_t = sum over folds of the held-out loss after t trees

Trees stop when that sum has not fallen for some rounds, the more the slower they learn (`PATIENCE`). A fold alone
stops where its own noise does: on weak effects after 5 trees in one and 33 in another. The same sum chooses between
settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from netlift.estimators.boosting.bins import BinnedRows
from netlift.estimators.boosting.kernel import BINARY, GAMMA, SQUARED, GrowthPlan, Sample, Trees, grow_trees, score_rows
from netlift.estimators.boosting.lightgbm_text import write_text
from netlift.estimators.cross_fit import assign_folds

if TYPE_CHECKING:
    import lightgbm as lgb

FEWEST_ROWS = 200  # below it a part is one number

LOSSES = {"binary": BINARY, "gamma": GAMMA, "l2": SQUARED}
MOST = 18.0  # rounds times learning rate at which trees end
PATIENCE = 1.2  # the same without a lower loss
APART = 1_000  # between seeds: more is drawn by a seed, and by the few next to it
ROWS_PER_LEAF = 20  # a leaf may ask for at most 1 / so many of the rows


@dataclass(frozen=True, kw_only=True)
class TreeParams:
    """How trees are grown.

    Attributes:
        learning_rate: Of boosting.
        num_leaves: Of a tree, at most.
        min_data_in_leaf: Rows, told from the share of hessian.
        lambda_l2: Ridge of a leaf's value.
        feature_fraction: Share of columns that a round may use; of all where cuts are random.
        extra_trees: One random cut a column, not all of them.
    """

    learning_rate: float
    num_leaves: int
    min_data_in_leaf: int
    lambda_l2: float
    feature_fraction: float = 1.0
    extra_trees: bool = False


@dataclass(frozen=True, kw_only=True)
class BoostingTask:
    """What trees are to learn from which rows; all arrays of all rows, shape (n,).

    Attributes:
        objective: The loss, which is also what stops the trees.
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
class CrossFitBoosters:
    """Trees of all folds.

    Attributes:
        setting: The one with the least loss.
        rounds: Trees of each fold; 0 where none lowered the loss, or there were too few rows.
        out_of_fold: Raw score over the offset, of all rows by trees that did not see their customer, shape (n,).
    """

    setting: TreeParams
    rounds: int
    out_of_fold: np.ndarray


def grow_folds(
    rows: BinnedRows, task: BoostingTask, fold: np.ndarray, settings: Sequence[TreeParams], *, seed: int
) -> CrossFitBoosters:
    """Grow one booster a fold on the rows of the others.

    Args:
        rows: All rows.
        task: What to learn.
        fold: Fold of each row, 0 to k - 1, shape (n,), customers kept together.
        settings: To choose from; of equals the first.
        seed: Of columns and cuts.
    """
    nothing = CrossFitBoosters(setting=settings[0], rounds=0, out_of_fold=np.zeros(len(fold)))
    codes = range(int(fold.max()) + 1)
    held = np.bincount(fold[task.use], minlength=len(codes))
    if held.min() == 0 or held.sum() - held.max() < FEWEST_ROWS or np.ptp(task.label[task.use]) == 0:
        return nothing
    use = np.flatnonzero(task.use)
    use = use[np.argsort(fold[use], kind="stable")]
    sample = _sample(rows, task, use, np.concatenate([[0], np.cumsum(held)]))
    tries = [_grow(sample, task, setting, int(held.sum() - held.max()), seed) for setting in settings]
    best = min(range(len(tries)), key=lambda i: tries[i].loss.min())
    rounds = int(np.argmin(tries[best].loss))
    if rounds == 0:
        return nothing
    raw, uncounted = np.empty(len(fold)), np.zeros((0, 0), dtype=np.int64)
    for k in codes:
        own = np.flatnonzero(fold == k)
        raw[own] = score_rows(rows.take(own).codes, tries[best], k, rounds, uncounted)
    return CrossFitBoosters(setting=settings[best], rounds=rounds, out_of_fold=raw)


@dataclass(frozen=True, kw_only=True)
class SeedDraw:
    """What chance decides in growing trees: the seed of columns and cuts, and the fold of each row, shape (n,)."""

    seed: int
    fold: np.ndarray


def draw_folds(customer: np.ndarray, *, folds: int, seed: int, draws: int = 1) -> tuple[SeedDraw, ...]:
    """So many draws, of seeds far apart.

    Raises:
        DataError: Fewer customers than folds.
    """
    seeds = [seed + APART * k for k in range(draws)]
    return tuple(SeedDraw(seed=one, fold=assign_folds(customer, folds=folds, seed=one)) for one in seeds)


@dataclass(frozen=True, kw_only=True)
class AveragedTrees:
    """The mean of boosters that differ by their draw.

    Attributes:
        task: What they were grown on.
        draws: What chance decided.
        grown: Trees of each draw, shape (draws,); all have the setting of the first.
    """

    task: BoostingTask
    draws: tuple[SeedDraw, ...]
    grown: tuple[CrossFitBoosters, ...]

    @property
    def rounds(self) -> int:
        """Trees, all draws together; 0 where there are none."""
        return sum(one.rounds for one in self.grown)

    @cached_property
    def out_of_fold(self) -> np.ndarray:
        """Mean raw score over the offset, of all rows by trees that did not see their customer, shape (n,)."""
        return np.asarray(np.mean([one.out_of_fold for one in self.grown], axis=0))

    def fit(self, rows: BinnedRows) -> lgb.Booster:
        """The mean as one booster, grown on all rows that the task uses, with the settings and the rounds found."""
        import lightgbm as lgb

        use = np.flatnonzero(self.task.use)
        sample = _sample(rows, self.task, use, np.array([len(use), len(use)]))
        parts, counts = [], []
        for seed, one in ((draw.seed, one) for draw, one in zip(self.draws, self.grown, strict=True) if one.rounds):
            trees = _grow(sample, self.task, one.setting, len(use), seed, rounds=one.rounds)
            counts.append(np.zeros((one.rounds, one.setting.num_leaves), dtype=np.int64))
            score_rows(sample.codes, trees, 0, one.rounds, counts[-1])
            parts.append(trees._replace(value=trees.value / len(self.draws)))
        whole = Trees(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        held = np.concatenate(counts)
        text = write_text(whole, rows.columns, held, model=0, rounds=self.rounds, features=rows.features)
        return lgb.Booster(model_str=text)


def grow_averaged(
    rows: BinnedRows, task: BoostingTask, draws: tuple[SeedDraw, ...], settings: Sequence[TreeParams]
) -> AveragedTrees:
    """Grow boosters of all draws; the first chooses the setting, as `grow_folds`."""
    grown: list[CrossFitBoosters] = []
    for draw in draws:
        options = settings if not grown else (grown[0].setting,)
        grown.append(grow_folds(rows, task, draw.fold, options, seed=draw.seed))
    return AveragedTrees(task=task, draws=draws, grown=tuple(grown))


def _sample(rows: BinnedRows, task: BoostingTask, use: np.ndarray, starts: np.ndarray) -> Sample:
    part = rows.take(use)
    label, offset, weight = (values[use].astype(np.float32) for values in (task.label, task.offset, task.weight))
    gaps = np.array([bool((line == 0).any()) for line in part.codes])
    return Sample(part.codes, rows.most(), gaps, label, offset, weight, starts.astype(np.int64))


def _grow(sample: Sample, task: BoostingTask, setting: TreeParams, fewest: int, seed: int, *, rounds: int = 0) -> Trees:
    """Trees until the loss no longer falls, or so many rounds."""
    most, leaves, models = rounds or round(MOST / setting.learning_rate), setting.num_leaves, len(sample.starts) - 1
    plan = GrowthPlan(
        loss=LOSSES[task.objective],
        random=setting.extra_trees,
        rate=setting.learning_rate,
        leaves=leaves,
        least=float(max(5, min(setting.min_data_in_leaf, fewest // ROWS_PER_LEAF))),
        ridge=setting.lambda_l2,
        rounds=most,
        patience=0 if rounds else round(PATIENCE / setting.learning_rate),
    )
    by_split, by_leaf = (most, models, leaves - 1), (most, models, leaves)
    trees = Trees(
        at=np.full(by_split, -1),
        column=np.zeros(by_split, dtype=np.int64),
        code=np.zeros(by_split, dtype=np.int64),
        right=np.zeros(by_split, dtype=np.int64),
        gain=np.zeros(by_split),
        value=np.zeros(by_leaf),
        hessian_sum=np.zeros(by_leaf),
        loss=np.full(most + 1, np.inf),
    )
    grow_trees(sample, plan, _draw(setting, most, len(sample.most), seed), trees)
    return trees


def _draw(setting: TreeParams, rounds: int, columns: int, seed: int) -> np.ndarray:
    """Cuts, or which columns a round may use; the first rounds are the same however many follow."""
    rng = np.random.default_rng([seed, setting.num_leaves])
    draws = rng.random((rounds, columns), dtype=np.float32)
    if setting.extra_trees:
        return draws
    order = np.argsort(draws, axis=1)
    return (order < max(1, round(setting.feature_fraction * columns))).astype(np.float32)
