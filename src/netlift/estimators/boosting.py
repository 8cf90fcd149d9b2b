"""LightGBM the way netlift fits it: bins made once, threads and seed given, the same input giving the same text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.rows import LabelledRows
from netlift.features.matrix import Feature

if TYPE_CHECKING:
    import lightgbm as lgb

Params = Mapping[str, float]
BINS = 127


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a fit minimises.

    Attributes:
        loss: LightGBM's `objective`.
        metric: LightGBM's `metric`, by which early stopping and the search judge; lower is better.
        link: Turns the raw score into the expected label.
    """

    loss: str
    metric: str
    link: Literal["identity", "sigmoid", "exp"]


BINARY = Objective(loss="binary", metric="binary_logloss", link="sigmoid")
GAMMA = Objective(loss="gamma", metric="gamma", link="exp")
SQUARED = Objective(loss="regression", metric="l2", link="identity")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a fit needs to give the same bytes again.

    Attributes:
        seed: Of everything that LightGBM draws.
        threads: LightGBM threads.
    """

    seed: int
    threads: int

    def settings(self) -> dict[str, Any]:
        """LightGBM parameters that hold for every fit."""
        return {
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
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
class BinnedRows:
    """Rows whose values were sorted into bins once, for every fit on any of them with any label.

    Attributes:
        X: Features, float32, shape (n, k); a category is its code.
        features: The k features.
        machine: Seed and threads of every fit.
        bins: The bins.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    machine: Machine
    bins: lgb.Dataset

    def select(self, rows: np.ndarray, y: np.ndarray) -> lgb.Dataset:
        """Some of the rows with a label.

        Args:
            rows: Positions, shape (m,).
            y: Label of all rows, shape (n,).
        """
        order = np.sort(rows)
        return self.bins.subset(order.tolist()).construct().set_label(y[order])


def bin_rows(rows: LabelledRows, machine: Machine) -> BinnedRows:
    """Sort the values of rows into bins."""
    import lightgbm as lgb

    categories = [i for i, feature in enumerate(rows.features) if feature.kind == "category"]
    bins = lgb.Dataset(rows.X, rows.y, categorical_feature=categories, params=machine.settings()).construct()
    return BinnedRows(X=rows.X, features=rows.features, machine=machine, bins=bins)


def fit_rounds(
    dataset: lgb.Dataset, objective: Objective, params: Params, machine: Machine, *, rounds: int
) -> lgb.Booster:
    """Fit a known number of trees."""
    import lightgbm as lgb

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

    booster = lgb.train(
        _merge(objective, params, machine),
        train,
        num_boost_round=search.max_rounds,
        valid_sets=[held_out],
        valid_names=["held_out"],
        callbacks=[lgb.early_stopping(search.patience, verbose=False)],
    )
    loss = float(booster.best_score["held_out"][objective.metric])
    return Stopped(rounds=max(1, booster.best_iteration), loss=loss)


def gain_shares(booster: lgb.Booster, features: tuple[Feature, ...]) -> dict[str, float]:
    """Each feature's share of the loss that all splits removed; all zero for a fit without splits."""
    gain = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    total = gain.sum()
    shares = gain / total if total > 0 else np.zeros(len(gain))
    return {feature.name: float(share) for feature, share in zip(features, shares, strict=True)}


def to_expected(raw: np.ndarray, objective: Objective) -> np.ndarray:
    """The expected label of a raw score."""
    if objective.link == "sigmoid":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * raw)))
    return np.exp(raw) if objective.link == "exp" else raw


def _merge(objective: Objective, params: Params, machine: Machine) -> dict[str, Any]:
    whole = {name: int(value) if float(value).is_integer() else value for name, value in params.items()}
    return {"objective": objective.loss, "metric": objective.metric} | whole | machine.settings()
