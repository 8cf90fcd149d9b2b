"""Tuning of effect trees on the R-loss, over scores computed once.

Base models, relative outcomes and weights are the same for all settings: a trial refits the effect trees alone. Its
loss is that of customers of other folds, each task's as a share of what its average effect alone loses:

    loss_i = sum over tasks of weight_i · (label_i - r(x_i))² / mean loss of the average

Such losses differ by little more than noise, and the least of several is often luck: another setting replaces the
default only if it is better by more than one standard error of the paired difference, customers clustered.

References:
    Nie, Wager (2021), Quasi-Oracle Estimation of Heterogeneous Treatment Effects, Biometrika, section 4: the loss.
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3: one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Range, Search
from netlift.estimators.cross_fit import sample_customers
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.uplift.purchase_model import BoostingContacts
from netlift.estimators.uplift.relative_effects import Task, predict_fold

if TYPE_CHECKING:
    import optuna

Progress = Callable[[float, str], None]  # share of the candidate's work done, and what a person may read about it
SEARCH_ROWS = 40_000
DEFAULT: dict[str, float] = {
    "learning_rate": 0.08, "num_leaves": 4, "min_data_in_leaf": 300, "feature_fraction": 0.8, "lambda_l2": 20.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What the search chose.

    Attributes:
        params: LightGBM parameters of the effect trees.
        loss: Loss of that setting, as a share of the average effect's.
        note: How it was chosen, in words.
    """

    params: dict[str, float]
    loss: float
    note: str


def tune_effects(
    boosting: BoostingContacts, tasks: Sequence[Task], fold: np.ndarray, *, search: Search, progress: Progress
) -> Tuned:
    """Search settings of the effect trees by Optuna; bad trials are cut short.

    Args:
        boosting: Training rows; above `SEARCH_ROWS` a sample of customers stands for all.
        tasks: What is learned.
        fold: Fold of each row, shape (n,), customers kept together.
        search: Trials and space; the default setting, moved into the space, is the first trial.
        progress: Told after each trial.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    customer, seed = boosting.rows.customer, boosting.machine.seed
    sample = np.zeros(len(fold), dtype=bool)
    sample[sample_customers(customer, most=SEARCH_ROWS, seed=seed)] = True
    searched = np.where(sample, fold, -1)
    asked = [_only(task, sample) for task in tasks]
    losses: dict[int, np.ndarray] = {}

    def judge(trial: optuna.Trial) -> float:
        params = start | {name: _suggest(trial, name, span) for name, span in search.space.items()}
        rows = np.zeros(len(fold))
        for k in range(int(fold.max()) + 1):
            inside = searched == k
            rows[inside] = _fold_loss(boosting, asked, searched, k, params)[inside]
            trial.report(float(rows[(searched >= 0) & (searched <= k)].mean()), k)
            if k < fold.max() and trial.should_prune():
                raise optuna.TrialPruned
        losses[trial.number] = rows[sample]
        return float(rows[sample].mean())

    def told(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        words = (
            f"trial {trial.number + 1} of {search.trials}, least loss {study.best_value:.4f} of that of the averages"
        )
        progress((trial.number + 1) / (search.trials + 1), words)

    start = default_params(search)
    startup = max(3, search.trials // 3)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.enqueue_trial({name: start[name] for name in search.space})
    study.optimize(judge, n_trials=search.trials, callbacks=[told])
    chosen, note = _one_standard_error(losses, study.best_trial.number, customer[sample])
    return Tuned(params=start | study.trials[chosen].params, loss=float(losses[chosen].mean()), note=note)


def default_params(search: Search) -> dict[str, float]:
    """The first setting tried: strong regularisation, moved into the search space."""
    inside = {name: min(max(DEFAULT.get(name, span.low), span.low), span.high) for name, span in search.space.items()}
    return DEFAULT | inside


def _fold_loss(
    boosting: BoostingContacts, tasks: Sequence[Task], fold: np.ndarray, k: int, params: dict[str, float]
) -> np.ndarray:
    """Loss of each row of a fold, shape (n,); 0 elsewhere."""
    held, loss, n = fold == k, np.zeros(len(fold)), np.sum(fold >= 0)
    jobs = [partial(predict_fold, boosting, task, fold, k, params) for task in tasks]
    answers = run_side_by_side(jobs, threads=boosting.machine.threads)
    for task, (predicted, _) in zip(tasks, answers, strict=True):
        base = float(np.mean((task.weight * (task.label - task.mean()) ** 2)[task.use])) if task.use.any() else 0.0
        if base > 0:
            error = task.weight[held] * (task.label[held] - predicted) ** 2
            loss[held] += error / base * n / task.use.sum() / len(tasks)
    return loss


def _only(task: Task, rows: np.ndarray) -> Task:
    return Task(arm=task.arm, part=task.part, use=task.use & rows, label=task.label, weight=task.weight * rows)


def _suggest(trial: optuna.Trial, name: str, span: Range) -> float:
    if span.whole:
        return trial.suggest_int(name, round(span.low), round(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _one_standard_error(losses: dict[int, np.ndarray], best: int, customer: np.ndarray) -> tuple[int, str]:
    if best == 0:
        return 0, f"of {len(losses)} settings tried to the end the default had the least R-loss"
    _, code = np.unique(customer, return_inverse=True)
    gain = losses[0] - losses[best]
    error = float(np.sqrt(np.sum(np.bincount(code, weights=gain - gain.mean()) ** 2)) / len(gain))
    kept = gain.mean() <= error
    words = "the default stays" if kept else f"setting {best + 1} replaces the default"
    found = f"of {len(losses)} settings tried to the end the best gains {gain.mean():.2g} (se {error:.2g}) of R-loss"
    return (0 if kept else best), f"{found} on the default: {words}"
