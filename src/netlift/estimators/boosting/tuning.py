"""Hyperparameter search for LightGBM: TPE over customer folds with early stopping and pruning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Range, Search
from netlift.estimators.boosting.lightgbm import BoostingRows, Objective, fit_until_worse
from netlift.estimators.cross_fit import assign_folds, sample_customers

if TYPE_CHECKING:
    import lightgbm as lgb
    import optuna

Progress = Callable[[int, int, float], None]
SEARCH_ROWS = 12_000
ROUNDS_EXPONENT = 0.25
FEWEST_TREES = 200
DEFAULT_RATE = 0.1  # LightGBM's own
PART_WORDS = {"chance": "purchase", "amount": "amount"}  # of a purchase's two models, in names of parameters


@dataclass(frozen=True, kw_only=True)
class TriedSetting:
    """A trial of the search.

    Attributes:
        params: The settings that it tried.
        loss: Held-out loss, mean over the folds that it was asked on.
        trees: At the lowest held-out loss, mean over folds; 0 where it was cut short.
        pruned: Whether it was cut short because its first folds were worse than the median.
    """

    params: dict[str, float]
    loss: float
    trees: float
    pruned: bool


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What the search chose.

    Attributes:
        params: LightGBM parameters, searched and fixed.
        rounds: Trees at the lowest held-out loss, mean over folds.
        rows: Rows that each of those fits saw.
        loss: Held-out loss, mean over folds.
        trials: Settings tried.
        pruned: Of them, cut short because their first folds were worse than the median.
        tried: Each of them, in order.
        notes: What a reader must know.
    """

    params: dict[str, float]
    rounds: int
    rows: int
    loss: float
    trials: int
    pruned: int
    tried: tuple[TriedSetting, ...] = ()
    notes: tuple[str, ...] = ()

    def growth_for(self, rows: int, *, least: int = FEWEST_TREES) -> tuple[dict[str, float], int]:
        """LightGBM parameters and number of trees of a fit on so many rows.

        Trees grow with the fourth root of the rows, as measured from 3,000 to 56,000. Where early stopping would end
        before `least` trees there are that many, each with so much less weight that all together keep theirs.

        References:
            Friedman (2001), Greedy Function Approximation, Annals of Statistics 29(5), section 5: smaller steps with
            more of them predict as well or better.

        Examples:
            >>> found = Tuning(params={"learning_rate": 0.2}, rounds=25, rows=10_000, loss=0.5, trials=1, pruned=0)
            >>> found.growth_for(10_000)
            ({'learning_rate': 0.025}, 200)
            >>> Tuning(params={}, rounds=300, rows=10_000, loss=0.5, trials=1, pruned=0).growth_for(160_000)
            ({}, 600)
        """
        rounds = max(1, round(self.rounds * (rows / self.rows) ** ROUNDS_EXPONENT))
        if rounds >= least:
            return self.params, rounds
        rate = self.params.get("learning_rate", DEFAULT_RATE)
        return self.params | {"learning_rate": rate * rounds / least}, least

    def record(self, prefix: str = "") -> dict[str, float | int | str]:
        """Settings and outcome, for the run's parameters."""
        outcome = {
            "trees": self.rounds,
            "search_trials": self.trials,
            "search_pruned": self.pruned,
            "search_loss": self.loss,
        }
        return {f"{prefix}{name}": value for name, value in (self.params | outcome).items()}


def tune(
    boosting: BoostingRows,
    y: np.ndarray,
    learn: np.ndarray,
    customer: np.ndarray,
    objective: Objective,
    search: Search,
    *,
    progress: Progress,
) -> Tuning:
    """Search LightGBM's settings on folds of whole customers.

    The first trial is the middle of every range. Above `SEARCH_ROWS` rows a sample of customers stands for all, and a
    note says so.

    Args:
        boosting: All rows; folds are subsets of them, shared by all trials.
        y: Label, shape (n,).
        learn: Rows that may be learnt from, bool, shape (n,).
        customer: Code of the customer, shape (n,).
        objective: What is minimised.
        search: Trials, folds, early stopping, ranges.
        progress: Called after each trial with trials done, trials in all and the lowest loss so far.

    Raises:
        DataError: Fewer customers than folds.

    References:
        Bergstra, Bardenet, Bengio, Kegl (2011), Algorithms for Hyper-Parameter Optimization, section 4 (TPE).
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed, allowed = boosting.machine.seed, np.flatnonzero(learn)
    rows = allowed[sample_customers(customer[allowed], most=SEARCH_ROWS, seed=seed)]
    fold = assign_folds(customer[rows], folds=search.folds, seed=seed)
    parts = []
    for k in range(search.folds):
        grown = boosting.select(rows[fold != k], y)
        parts.append((grown, boosting.select(rows[fold == k], y, watches=grown)))

    startup = max(3, search.trials // 3)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.enqueue_trial({name: _middle(space) for name, space in search.space.items()})
    study.optimize(
        lambda trial: _judge(trial, parts, objective, search, boosting),
        n_trials=search.trials,
        callbacks=[lambda study, _: progress(len(study.trials), search.trials, study.best_value)],
    )
    tried = tuple(_tried(trial, search.fixed) for trial in study.get_trials(deepcopy=False))
    sampled = f"settings were searched on {len(rows):,} of {len(allowed):,} rows, whole customers drawn at random"
    return Tuning(
        params=study.best_params | search.fixed,
        rounds=max(1, round(study.best_trial.user_attrs["rounds"])),
        rows=round(len(rows) * (1 - 1 / search.folds)),
        loss=study.best_value,
        trials=search.trials,
        pruned=sum(one.pruned for one in tried),
        tried=tried,
        notes=(sampled,) if len(rows) < len(allowed) else (),
    )


def _tried(trial: optuna.trial.FrozenTrial, fixed: dict[str, float]) -> TriedSetting:
    import optuna

    return TriedSetting(
        params=trial.params | fixed,
        loss=float("nan") if trial.value is None else trial.value,
        trees=trial.user_attrs.get("rounds", 0.0),
        pruned=trial.state == optuna.trial.TrialState.PRUNED,
    )


def _judge(
    trial: optuna.Trial,
    parts: list[tuple[lgb.Dataset, lgb.Dataset]],
    objective: Objective,
    search: Search,
    boosting: BoostingRows,
) -> float:
    """Mean held-out loss over the folds; cut short where the folds so far are worse than the median trial's."""
    import optuna

    params = {name: _suggest(trial, name, space) for name, space in search.space.items()} | search.fixed
    losses: list[float] = []
    rounds: list[int] = []
    for k, (train, held_out) in enumerate(parts):
        fit = fit_until_worse(train, held_out, objective, params, boosting.machine, search)
        losses.append(fit.loss)
        rounds.append(fit.rounds)
        trial.report(float(np.mean(losses)), k)
        if k + 1 < len(parts) and trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("rounds", float(np.mean(rounds)))
    return float(np.mean(losses))


def _suggest(trial: optuna.Trial, name: str, space: Range) -> float:
    if space.whole:
        return trial.suggest_int(name, round(space.low), round(space.high), log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def _middle(space: Range) -> float:
    middle = float(np.sqrt(space.low * space.high)) if space.log else (space.low + space.high) / 2
    return round(middle) if space.whole else middle
