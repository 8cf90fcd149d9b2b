"""Own learners: an estimator of a user's package as a candidate, calibrated and stored as ours are.

Such a class has

    fit(X, y, *, seed)                         churn and ltv; for uplift also arm, propensity, each of shape (n,)
    predict(X)                                 shape (n,); for uplift (n, offers), over control
    dump() -> str                              what it learned, as text: no pickle is ever stored
    load(text)                                 a class method: the fitted learner again

X is a frame of the features, categories as pandas categoricals, missing values as NaN. What it predicts is calibrated
out of fold. The stored model names the class, which must be importable wherever it scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from netlift.config.definitions import Search
from netlift.config.own_parts import load_own
from netlift.errors import ConfigError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import Expression, linear, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import as_frame
from netlift.estimators.uplift.arm_outcomes import learn_outcomes
from netlift.estimators.uplift.calibration import calibrate, keep_ranking
from netlift.features.matrix import Feature

OWN_FILE = "own_learner.txt"
METHODS = ("fit", "predict", "dump", "load")


class OwnLearner(Protocol):
    """What an own learner has."""

    def fit(self, X: pd.DataFrame, y: np.ndarray, *, seed: int, **known: np.ndarray) -> Any:
        """Learn from rows."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Predict rows."""

    def dump(self) -> str:
        """What was learned, as text."""

    @classmethod
    def load(cls, text: str) -> Self:
        """The learner of a text."""


def own_expression(path: str, column: int | None = None) -> Expression:
    """What an own learner predicts; of several columns, that one."""
    return {"op": "own", "path": path, "text": OWN_FILE, "column": column}


def fit_own(
    path: str, X: np.ndarray, features: Sequence[Feature], y: np.ndarray, *, seed: int, **known: np.ndarray
) -> OwnLearner:
    """Fit an own learner.

    Args:
        path: Its dotted path.
        X: Features, shape (n, k).
        features: The k features.
        y: Label, shape (n,).
        seed: Passed on.
        known: What an uplift learner also sees: arm and propensity, shape (n,) each.

    Raises:
        ConfigError: It cannot be imported, or lacks a method.
    """
    kind = load_own(path, "learner")
    missing = [name for name in METHODS if not callable(getattr(kind, name, None))]
    if missing:
        raise ConfigError(f"the own learner {path} has no {', '.join(missing)}; see docs/how-to/own-parts.md")
    learner: OwnLearner = kind()
    learner.fit(_frame(X, features), y, seed=seed, **known)
    return learner


def predict_own(
    path: str, X: np.ndarray, features: Sequence[Feature], y: np.ndarray, fold: np.ndarray, *, seed: int,
    **known: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Predictions out of fold, shape (n,) or (n, offers); NaN where `fold` is negative.

    Args:
        path: Its dotted path.
        X: Features, shape (n, k).
        features: The k features.
        y: Label, shape (n,).
        fold: Fold of each row, shape (n,).
        seed: Passed on.
        known: As `fit_own` takes it.

    Raises:
        ConfigError: As `fit_own`, or predictions of another shape.
    """
    found: np.ndarray | None = None
    for k in range(int(fold.max()) + 1):
        learn, asked = fold != k, fold == k
        seen = {name: values[learn] for name, values in known.items()}
        learner = fit_own(path, X[learn], features, y[learn], seed=seed, **seen)
        predicted = np.asarray(learner.predict(_frame(X[asked], features)), dtype=np.float64)
        if len(predicted) != asked.sum() or not np.isfinite(predicted).all():
            raise ConfigError(
                f"the own learner {path} predicts shape {predicted.shape} with {int((~np.isfinite(predicted)).sum())} "
                f"values that are not finite for {int(asked.sum()):,} rows; give one finite number for each"
            )
        found = np.full((len(X), *predicted.shape[1:]), np.nan) if found is None else found
        found[asked] = predicted
    return np.zeros(0) if found is None else found


def fit_own_uplift(
    name: str, path: str, rows: ContactRows, *, search: Search, folds: int, machine: Machine
) -> Candidate:
    """An own uplift learner, calibrated out of fold by the doubly robust scores that calibrate ours.

    Args:
        name: As the definition calls it.
        path: Its dotted path.
        rows: Contact rows, checked.
        search: `fixed` LightGBM parameters are taken by the model of outcomes.
        folds: Folds of customers.
        machine: Seed and threads.

    Raises:
        ConfigError: As `predict_own`, or not one column an offer.
    """
    known = learn_outcomes(rows, search=search, folds=folds, machine=machine).known
    drawn = {"arm": rows.arm, "propensity": rows.propensity}
    raw = predict_own(path, rows.X, rows.features, rows.y, known.fold, seed=machine.seed, **drawn)
    if raw.shape != (len(rows), len(rows.offers)):
        raise ConfigError(f"the own learner {path} predicts {raw.shape[1:]} columns for {len(rows.offers)} offers")
    found = calibrate(raw, known.scores, customer=rows.customer, offers=rows.offers)
    found = keep_ranking(raw, known.scores, found, customer=rows.customer, available=rows.available)
    fitted = fit_own(path, rows.X, rows.features, rows.y, seed=machine.seed, **drawn)
    parts = [own_expression(path, column) for column in range(len(rows.offers))]
    outputs = [
        (f"uplift_{offer}", "currency", linear(found.intercept[j], found.weights[j].tolist(), parts))
        for j, offer in enumerate(rows.offers)
    ]
    files = write_files(task="uplift", features=rows.features, outputs=outputs, boosters={OWN_FILE: fitted.dump()})
    return Candidate(name=name, files=files, notes=found.notes)


def _frame(X: np.ndarray, features: Sequence[Feature]) -> pd.DataFrame:
    return as_frame(X, [{"name": f.name, "kind": f.kind, "categories": list(f.categories)} for f in features])
