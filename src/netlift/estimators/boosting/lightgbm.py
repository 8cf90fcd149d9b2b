"""LightGBM fits with given threads and seed, reproducible to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import ziln_mean
from netlift.features.matrix import Feature

if TYPE_CHECKING:
    import lightgbm as lgb


def make_dataset(
    X: np.ndarray,
    features: Sequence[Feature],
    label: np.ndarray,
    *,
    params: Mapping[str, Any],
    weight: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    watches: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """Rows with a label, sorted into bins.

    Args:
        X: Values of these rows, float32, shape (m, k); a category is its code.
        features: The k features.
        label: Shape (m,).
        params: LightGBM parameters that bear on bins.
        weight: Shape (m,); None where all count alike.
        offset: Raw score that trees are added to, shape (m,); None for none.
        watches: The set grown on, when these rows are only watched.
    """
    import lightgbm as lgb

    categories = [i for i, feature in enumerate(features) if feature.kind == "category"]
    return lgb.Dataset(
        np.asfortranarray(X),
        label,
        weight=weight,
        init_score=offset,
        categorical_feature=categories,
        params=dict(params),
        reference=watches,
    ).construct()


Params = Mapping[str, float]
BINS = 127
JUDGING_POWER = 1.5


@dataclass(frozen=True, kw_only=True)
class OwnLoss:
    """A loss that LightGBM has not.

    Attributes:
        scores: Raw scores of a row, k.
        derivatives: Gradient and hessian, each of shape (n, k), by raw scores (n, k) and labels (n,).
        start: Raw scores of labels that know no features, shape (k,). Boosting starts there, and they are not in the
            model's text: whoever stores it keeps them, whoever asks it adds them.
    """

    scores: int
    derivatives: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    start: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a fit minimises.

    Attributes:
        loss: LightGBM's `objective`.
        metric: LightGBM's `metric`, by which early stopping and the search judge; lower is better.
        link: Turns the raw score into the expected label; `ziln` takes three scores.
        own: The loss itself where LightGBM has not got it; `loss` is its name then.
        judge: Mean held-out loss, in place of LightGBM's metric, by what LightGBM hands over and the labels: raw scores
            for a loss of our own, expected labels for its own; `metric` is its name then.
    """

    loss: str
    metric: str
    link: Literal["identity", "sigmoid", "exp", "ziln"]
    own: OwnLoss | None = None
    judge: Callable[[np.ndarray, np.ndarray], float] | None = None


def tweedie_deviance(expected: np.ndarray, y: np.ndarray) -> float:
    """Mean loss at one power for all fits, up to a constant: losses at powers of their own cannot be compared.

    References:
        Jørgensen (1997), The Theory of Dispersion Models; Gneiting (2011), Making and Evaluating Point
        Forecasts (any power is consistent for the mean).
    """
    below, above = 1.0 - JUDGING_POWER, 2.0 - JUDGING_POWER
    return float(np.mean(expected**above / above - y * expected**below / below))


BINARY = Objective(loss="binary", metric="binary_logloss", link="sigmoid")
GAMMA = Objective(loss="gamma", metric="gamma", link="exp")
SQUARED = Objective(loss="regression", metric="l2", link="identity")
TWEEDIE = Objective(loss="tweedie", metric="tweedie_deviance", link="exp", judge=tweedie_deviance)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What fits need to give the same bytes again.

    Attributes:
        seed: Of everything that LightGBM draws.
        threads: How many fits may run side by side, each on one thread.
    """

    seed: int
    threads: int

    def settings(self) -> dict[str, Any]:
        """LightGBM parameters that hold for every fit."""
        return {
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "feature_pre_filter": False,
            "max_bin": BINS,
            "verbosity": -1,
        }


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A fit that early stopping ended.

    Attributes:
        rounds: Trees at the lowest held-out loss.
        loss: That loss.
    """

    rounds: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class BoostingRows:
    """Rows for trees to be grown on, any of them with any label.

    Attributes:
        X: Features, float32, shape (n, k); a category is its code.
        features: The k features.
        machine: Seed and threads of every fit.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    machine: Machine

    def select(self, rows: np.ndarray, y: np.ndarray, *, watches: lgb.Dataset | None = None) -> lgb.Dataset:
        """Some of the rows with a label.

        Args:
            rows: Positions, shape (m,).
            y: Label of all rows, shape (n,).
            watches: The set grown on, when these rows are only watched.
        """
        order = np.sort(rows)
        return make_dataset(self.X[order], self.features, y[order], params=self.machine.settings(), watches=watches)

    def all(self, y: np.ndarray) -> lgb.Dataset:
        """All rows with a label, shape (n,)."""
        return self.select(np.arange(len(y)), y)


def boosting_rows(rows: LabelledRows, machine: Machine) -> BoostingRows:
    """Rows for trees to be grown on."""
    return BoostingRows(X=rows.X, features=rows.features, machine=machine)


def fit_rounds(
    dataset: lgb.Dataset, objective: Objective, params: Params, machine: Machine, *, rounds: int
) -> lgb.Booster:
    """Fit a known number of trees."""
    import lightgbm as lgb

    _start_at(objective, dataset)
    return lgb.train(_merge(objective, params, machine), dataset, num_boost_round=rounds)


def fit_until_worse(
    train: lgb.Dataset,
    held_out: lgb.Dataset,
    objective: Objective,
    params: Params,
    machine: Machine,
    search: Search,
) -> Stopped:
    """Fit until the held-out loss has not improved for the search's patience."""
    import lightgbm as lgb

    _start_at(objective, train, held_out)
    judge = objective.judge
    booster = lgb.train(
        _merge(objective, params, machine),
        train,
        num_boost_round=search.max_rounds,
        valid_sets=[held_out],
        valid_names=["held_out"],
        feval=None if judge is None else lambda raw, of: (objective.metric, judge(raw, of.get_label()), False),
        callbacks=[lgb.early_stopping(search.patience, verbose=False)],
    )
    loss = float(booster.best_score["held_out"][objective.metric])
    return Stopped(rounds=max(1, booster.best_iteration), loss=loss)


def start_scores(objective: Objective, y: np.ndarray) -> np.ndarray | float:
    """What a booster's raw scores lack, shape (k,), by the labels it was fitted on, (m,); 0 for LightGBM's losses."""
    return 0.0 if objective.own is None else objective.own.start(y)


def gain_shares(booster: lgb.Booster, features: tuple[Feature, ...]) -> dict[str, float]:
    """Each feature's share of the loss that all splits removed; all zero for a fit without splits."""
    gain = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    total = gain.sum()
    shares = gain / total if total > 0 else np.zeros(len(gain))
    return {feature.name: float(share) for feature, share in zip(features, shares, strict=True)}


def to_expected(raw: np.ndarray, objective: Objective) -> np.ndarray:
    """The expected label of a raw score, shape (n,), from raw scores of shape (n,) or (n, k)."""
    if objective.link == "sigmoid":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * raw)))
    if objective.link == "ziln":
        return ziln_mean(raw)
    return np.exp(raw) if objective.link == "exp" else raw


def _start_at(objective: Objective, train: lgb.Dataset, *held_out: lgb.Dataset) -> None:
    """Give the rows the raw scores that boosting starts from: those of the training labels."""
    if objective.own is not None:
        start = objective.own.start(np.asarray(train.get_label(), dtype=np.float64))
        for dataset in (train, *held_out):
            dataset.set_init_score(np.repeat(start, dataset.num_data()))


def _merge(objective: Objective, params: Params, machine: Machine) -> dict[str, Any]:
    whole = {name: int(value) if float(value).is_integer() else value for name, value in params.items()}
    merged: dict[str, Any] = {
        "objective": objective.loss,
        "metric": objective.metric if objective.judge is None else "none",
    }
    if objective.own is not None:
        derivatives = objective.own.derivatives
        merged["objective"] = lambda raw, of: derivatives(raw, of.get_label())
        merged |= {"num_class": objective.own.scores, "boost_from_average": False}
    return merged | whole | machine.settings()
