"""Boosting of effects alone: relative change of purchase probability and of spend.

With p and m the chance and the amount expected of a customer whatever the arm, out of fold, and w = +1/2 for the offer
and -1/2 for control, each pair of arms gives two tasks:

    chance   buys / p - 1 ≈ w · r(x)       weight p / (1 - p), the inverse of its variance
    amount   margin / m - 1 ≈ w · r(x)     among buyers, equal weights

times the inverse of the known chance of the drawn arm, which makes the two arms equally large and w independent of x.
Least squares of (label / w) on x with weights w² is the R-loss of the relative effect r: no tree is spent on who buys
anyway, and money, whose variance is mostly that of amounts, is put together last:

    effect on expected margin = p · m · (r_chance + r_amount)

exactly, when r are symmetric about the middle of the two arms. Each r is then shrunk to its mean by how well
out-of-fold predictions explain the label (positive-part shrinkage of the slope, at most `MAX_SLOPE`).

References:
    Nie, Wager (2021), Quasi-Oracle Estimation of Heterogeneous Treatment Effects, Biometrika: the R-loss.
    Tian, Alizadeh, Gentles, Tibshirani (2014), A Simple Method for Estimating Interactions between a Treatment and a
    Large Number of Covariates, JASA: effects from covariates times w.
    James, Stein (1961), Estimation with Quadratic Loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netlift.estimators.boosting.folds import FEWEST_ROWS
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.uplift.purchase_model import RAREST, BoostingContacts, ExpectedPurchases, Part, grow_until_worse
from netlift.estimators.uplift.randomization import pair_of

MOST_ROUNDS = 150
MAX_SLOPE = 2.0
SURE = 0.97  # a chance above it is weighted as if it were this
RARE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Task:
    """One relative effect to learn.

    Attributes:
        arm: The offer's arm.
        part: chance or amount.
        use: Rows that teach it, bool, shape (n,).
        label: Relative outcome over w, shape (n,); 0 where not used.
        weight: Of the squared error, mean 1 where used, shape (n,).
    """

    arm: int
    part: Part
    use: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    @property
    def file(self) -> str:
        """File of its booster."""
        return f"{self.part}_effect_{self.arm}.txt"

    def mean(self) -> float:
        """The average relative effect."""
        return float(np.average(self.label[self.use], weights=self.weight[self.use]))


@dataclass(frozen=True, kw_only=True)
class RelativeEffect:
    """One relative effect, learned and shrunk: mean + slope · (booster - centre).

    Attributes:
        task: What was learned.
        out_of_fold: By models that did not see the row, shape (n,).
        rounds: Trees, mean over folds.
        mean: The average relative effect.
        centre: Mean of the out-of-fold predictions.
        slope: What is kept of the differences between customers.
        note: The slope's story, in words.
    """

    task: Task
    out_of_fold: np.ndarray
    rounds: int
    mean: float
    centre: float
    slope: float
    note: str


def effect_tasks(boosting: BoostingContacts, expected: ExpectedPurchases) -> tuple[Task, ...]:
    """The tasks of all offers, in order of arms, chance before amount; none of a part that too few rows teach.

    Args:
        boosting: All rows.
        expected: Out-of-fold purchases at the row's own campaign.
    """
    rows, tasks = boosting.rows, []
    p = np.clip(expected.chance, RARE, SURE)
    for arm in range(1, len(rows.offers) + 1):
        pair, side = pair_of(rows, arm), np.where(rows.arm == arm, 0.5, -0.5)
        if boosting.chance_differs:
            surprise = boosting.buys / np.maximum(expected.chance, RARE) - 1.0
            tasks.append(_task(arm, "chance", pair, surprise / side, p / (1.0 - p) / rows.propensity))
        buyers = pair & boosting.buys
        if min(np.sum(side[buyers] > 0), np.sum(side[buyers] < 0)) >= RAREST:
            relative = np.divide(boosting.amount, expected.amount, out=np.ones(len(rows)), where=buyers) - 1.0
            tasks.append(_task(arm, "amount", buyers, relative / side, 1.0 / rows.propensity))
    return tuple(tasks)


def _task(arm: int, part: Part, use: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Task:
    scale = weight[use].mean() if use.any() else 1.0
    return Task(arm=arm, part=part, use=use, label=np.where(use, label, 0.0), weight=np.where(use, weight / scale, 0.0))


def predict_fold(
    boosting: BoostingContacts, task: Task, fold: np.ndarray, k: int, params: Mapping[str, float]
) -> tuple[np.ndarray, int]:
    """Relative effect of the rows of a fold by trees of the others, and how many trees; 0 trees give the mean."""
    grown, held = task.use & (fold != k), task.use & (fold == k)
    inside = fold == k
    if grown.sum() < FEWEST_ROWS or not held.any():
        mean = np.average(task.label[grown], weights=task.weight[grown]) if grown.any() else 0.0
        return np.full(int(inside.sum()), float(mean)), 0
    arrays = {"label": task.label, "weight": task.weight}
    fitted = grow_until_worse(
        _settings(boosting, params, int(grown.sum())),
        *boosting.select_pair(grown, held, **arrays),
        MOST_ROUNDS,
    )
    values = fitted.predict(boosting.rows.X[inside], num_threads=1)
    return np.asarray(values, dtype=np.float64), fitted.current_iteration()


def cross_fit_effects(
    boosting: BoostingContacts, tasks: Sequence[Task], fold: np.ndarray, params: Mapping[str, float]
) -> tuple[RelativeEffect, ...]:
    """Learn every task out of fold and shrink it.

    Args:
        boosting: All rows.
        tasks: What to learn.
        fold: Fold of each row, shape (n,), customers kept together.
        params: LightGBM parameters of the effect trees.
    """
    codes = np.unique(fold)
    jobs = [partial(predict_fold, boosting, task, fold, int(k), params) for task in tasks for k in codes]
    answers = iter(run_side_by_side(jobs, threads=boosting.machine.threads))
    effects = []
    for task in tasks:
        predicted, rounds = np.empty(len(fold)), []
        for k in codes:
            predicted[fold == k], trees = next(answers)
            rounds.append(trees)
        effects.append(_shrunk(task, predicted, rounds, boosting))
    return tuple(effects)


def fit_effects(
    boosting: BoostingContacts, effects: Sequence[RelativeEffect], params: Mapping[str, float]
) -> dict[str, Any]:
    """Boosters on all rows, by file; effects of which nothing is kept have none."""
    kept = [effect for effect in effects if effect.slope > 0]
    jobs = [partial(_fit_effect, boosting, effect, params) for effect in kept]
    fitted = run_side_by_side(jobs, threads=boosting.machine.threads)
    return {effect.task.file: booster for effect, booster in zip(kept, fitted, strict=True)}


def _fit_effect(boosting: BoostingContacts, effect: RelativeEffect, params: Mapping[str, float]) -> Any:
    import lightgbm as lgb

    task = effect.task
    data = boosting.select(task.use, label=task.label, weight=task.weight)
    return lgb.train(_settings(boosting, params, int(task.use.sum())), data, effect.rounds)


def shrink(slope: float, error: float) -> float:
    """Positive-part shrinkage of a slope, at most `MAX_SLOPE`.

    Examples:
        >>> shrink(0.5, 0.25), shrink(0.5, 0.6), shrink(-1.0, 0.1), shrink(3.0, 0.1)
        (0.375, 0.0, 0.0, 2.0)
    """
    if not slope > 0:
        return 0.0
    return float(min(MAX_SLOPE, slope * max(0.0, 1.0 - (error / slope) ** 2)))


def clustered_slope(x: np.ndarray, y: np.ndarray, weight: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Weighted least-squares slope of y on x and its standard error, robust and clustered; (0, 0) for one number x.

    Examples:
        >>> clustered_slope(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), np.ones(3), np.arange(3))
        (2.0, 0.0)
    """
    centred = x - np.average(x, weights=weight)
    spread = float(np.sum(weight * centred**2))
    if spread <= 1e-18 * max(1.0, float(np.sum(weight * x**2))):
        return 0.0, 0.0
    level = np.average(y, weights=weight)
    slope = float(np.sum(weight * centred * (y - level))) / spread
    residual = weight * centred * (y - level - slope * centred)
    _, code = np.unique(cluster, return_inverse=True)
    sums = np.bincount(code, weights=residual)
    return slope, float(np.sqrt(np.sum(sums**2) * len(sums) / max(1, len(sums) - 1)) / spread)


def _settings(boosting: BoostingContacts, params: Mapping[str, float], rows: int) -> dict[str, Any]:
    whole = {name: int(value) if float(value).is_integer() else value for name, value in params.items()}
    settings: dict[str, Any] = whole | boosting.settings | {"objective": "l2"}
    settings["min_data_in_leaf"] = max(5, min(int(params.get("min_data_in_leaf", 20)), rows // 20))
    return settings


def _shrunk(task: Task, predicted: np.ndarray, rounds: Sequence[int], boosting: BoostingContacts) -> RelativeEffect:
    use, rows = task.use, boosting.rows
    slope, error = clustered_slope(predicted[use], task.label[use], task.weight[use], rows.customer[use])
    trees = round(float(np.mean(rounds)))
    kept = shrink(slope, error) if trees else 0.0
    return RelativeEffect(
        task=task,
        out_of_fold=predicted,
        rounds=trees,
        mean=task.mean() if use.any() else 0.0,
        centre=float(np.average(predicted[use], weights=task.weight[use])) if use.any() else 0.0,
        slope=kept,
        note=f"{rows.offers[task.arm - 1]}, {task.part}: slope {slope:.2f} (se {error:.2f}), kept {kept:.2f}",
    )
