"""LtvModel and ChurnModel: what a customer will bring and who leaves, by the learners that `netlift train` uses."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.btyd import AGE, LAST_AGE, MARGIN, PURCHASE_DAYS, evaluate_expressions, fit_processes
from netlift.estimators.value.churn import OUTPUT, fit_tuned_churn, tune_churn
from netlift.estimators.value.ltv import Horizon, fit_tuned_ltv, tune_ltv
from netlift.features.matrix import Feature
from netlift.frames.columns import (
    FrameError,
    encode_again,
    encode_columns,
    learn_columns,
    read_frame,
    read_numbers,
    read_vector,
)
from netlift.frames.judging import read_customer
from netlift.frames.receipts import rfm
from netlift.frames.search import SEARCH

PROCESS, SUPERVISED = "bg_nbd", "two_part"
ONE_CUTOFF = np.datetime64("1970-01-01", "us")  # rows of a frame are all as of one moment


class LtvModel(RegressorMixin, BaseEstimator):
    """Margin that each customer will bring in the next days.

    Without a label it is BG/NBD and Gamma-Gamma on purchase histories; with one (what customers like these brought
    later) any learner of `netlift train ltv`, calibrated out of fold.

    Args:
        horizon_days: How many days are predicted.
        learner: As in the definition of `netlift train ltv`; None takes bg_nbd without a label and two_part with one.
        discount_rate_year: Margin of a year from now counts 1 / (1 + this).
        random_state: Seed of folds, search and trees.
        n_jobs: Threads.

    References:
        Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24. Fader, Hardie (2013),
        The Gamma-Gamma Model of Monetary Value.

    Examples:
        >>> rng = np.random.default_rng(3)
        >>> who = rng.choice(300, 2000, p=rng.dirichlet(np.full(300, 0.5)))
        >>> days = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 365, 2000), "D")
        >>> receipts = pd.DataFrame({"customer_id": who, "margin": rng.gamma(4, 5, 2000), "occurred_at": days})
        >>> table = rfm(receipts, as_of=date(2026, 1, 1))
        >>> model = LtvModel(horizon_days=91).fit(table)
        >>> model.predict(table).shape == model.p_alive(table).shape == (len(table),)
        True
    """

    def __init__(
        self, *, horizon_days: int = 182, learner: str | None = None, discount_rate_year: float = 0.0,
        random_state: int = 0, n_jobs: int = 1,
    ) -> None:  # fmt: skip
        self.horizon_days = horizon_days
        self.learner = learner
        self.discount_rate_year = discount_rate_year
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None, *, as_of: date | None = None, customer: Any = None) -> LtvModel:
        """Learn from histories, or from customers and what they brought.

        Args:
            X: The table of `rfm` and any columns beside it; of receipts too, where `as_of` is given.
            y: What each customer brought in the `horizon_days` after the moment of X; None learns from histories alone.
            as_of: First day not seen, where X holds receipts as `rfm` takes them.
            customer: Whose row each row is, where a customer has several.

        Raises:
            FrameError: Columns that the learner needs are not there; lengths that differ; values that are missing.
            DataError: Histories or labels from which nothing can be learned.
        """
        frame = _histories(X, as_of)
        self.learner_ = self.learner or (PROCESS if y is None else SUPERVISED)
        if y is None and self.learner_ != PROCESS:
            raise FrameError(
                f"learner {self.learner_} learns from what came later: give y, the margin of the {self.horizon_days} "
                f"days after X; {PROCESS} alone needs none"
            )
        if self.learner_ in (PROCESS, "stack"):
            _require_histories(frame)
        label = np.zeros(len(frame)) if y is None else read_numbers(y, rows=len(frame), name="y")
        rows = _learn(self, frame, label, customer)
        horizon = Horizon(days=self.horizon_days, discount_rate_year=self.discount_rate_year)
        machine = Machine(seed=self.random_state, threads=self.n_jobs)
        tunings: dict[str, Any] = {}
        if y is not None:
            tunings = dict(
                tune_ltv(self.learner_, rows, horizon=horizon, search=SEARCH, machine=machine, progress=_quiet)
            )
        self.candidate_ = fit_tuned_ltv(
            self.learner_,
            rows,
            tunings,
            newest=rows,
            horizon=horizon,
            folds=Folds(number=SEARCH.folds),
            machine=machine,
        )
        self.model_ = StoredModel(self.candidate_.files, threads=self.n_jobs)
        self._rows = rows if self.learner_ == PROCESS else None
        return self

    def predict(self, X: Any, *, as_of: date | None = None) -> np.ndarray:
        """Expected margin of the next `horizon_days`, shape (n,).

        Args:
            X: As `fit` takes it.
            as_of: As `fit` takes it.
        """
        check_is_fitted(self, "model_")
        encoded = encode_again(_histories(X, as_of), self.features_)
        name = Horizon(days=self.horizon_days).output
        return self.model_.predict_matrix(encoded, only=[name])[name]

    def p_alive(self, X: Any, *, as_of: date | None = None) -> np.ndarray:
        """Probability by MBG/NBD that the customer still buys, shape (n,).

        Raises:
            FrameError: A model of another learner than bg_nbd.
        """
        check_is_fitted(self, "model_")
        if self._rows is None:
            raise FrameError(f"p_alive is of {PROCESS}, this model is {self.learner_}: fit one without y")
        asked = _rows(encode_again(_histories(X, as_of), self.features_), self.features_, None, None)
        return evaluate_expressions(asked, {"p_alive": fit_processes(self._rows).p_alive})["p_alive"]


class ChurnModel(ClassifierMixin, BaseEstimator):
    """Calibrated probability of being lost, of customers whose loss is flagged.

    Args:
        learner: As in the definition of `netlift train churn`: lightgbm, logistic, or a standard baseline.
        random_state: Seed of folds, search and trees.
        n_jobs: Threads.

    Examples:
        >>> rng = np.random.default_rng(2)
        >>> X = pd.DataFrame({"months": rng.integers(1, 60, 800), "plan": rng.choice(["basic", "full"], 800)})
        >>> left = rng.random(800) < 0.1 + 0.4 * (X.plan == "basic")
        >>> model = ChurnModel(learner="logistic").fit(X, left)
        >>> model.classes_.tolist(), model.predict_proba(X).shape
        ([False, True], (800, 2))
    """

    def __init__(self, *, learner: str = "lightgbm", random_state: int = 0, n_jobs: int = 1) -> None:
        self.learner = learner
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def fit(self, X: Any, y: Any, *, customer: Any = None) -> ChurnModel:
        """Learn who was lost.

        Args:
            X: Customers as they were before: numbers, flags, text, categories; missing values may stay.
            y: Two values, the greater for who was lost: 0 and 1, False and True.
            customer: Whose row each row is, where a customer has several.

        Raises:
            FrameError: Lengths that differ, labels that are missing or not two.
            DataError: Fewer customers than folds.
        """
        frame = read_frame(X)
        given = _read_label(y, len(frame))
        self.classes_ = np.unique(given)
        if len(self.classes_) != 2:
            kind = "multiclass" if len(self.classes_) > 2 else "one class"
            raise FrameError(
                f"Only binary classification is supported. The type of the target is {kind}: y has "
                f"{len(self.classes_)} class(es) in {len(frame):,} rows"
            )
        rows = _learn(self, frame, (given == self.classes_[1]).astype(np.float64), customer)
        machine = Machine(seed=self.random_state, threads=self.n_jobs)
        tuning = tune_churn(self.learner, rows, search=SEARCH, machine=machine, progress=_quiet)
        self.candidate_ = fit_tuned_churn(
            self.learner, rows, tuning, newest=rows, folds=Folds(number=SEARCH.folds), machine=machine
        )
        self.model_ = StoredModel(self.candidate_.files, threads=self.n_jobs)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of staying and of being lost, shape (n, 2)."""
        check_is_fitted(self, "model_")
        p = self.model_.predict_matrix(encode_again(X, self.features_), only=[OUTPUT])[OUTPUT]
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Any) -> np.ndarray:
        """The more probable of the two, shape (n,)."""
        lost = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[lost.astype(np.int64)])


def _read_label(y: Any, rows: int) -> np.ndarray:
    """A class a row, shape (n,)."""
    if y is None:
        raise FrameError("requires y to be passed, but the target y is None")
    given = read_vector(y, rows=rows, name="y")
    if given.dtype.kind == "f":
        read_numbers(given, rows=rows, name="y")
        if len(np.unique(given)) > 2:
            raise FrameError(f"Unknown label type: y has {len(np.unique(given))} numbers, two classes are needed")
    return given


def _learn(model: Any, frame: pd.DataFrame, y: np.ndarray, customer: Any) -> LabelledRows:
    model.features_ = learn_columns(frame)
    model.feature_names_in_ = np.array([feature.name for feature in model.features_], dtype=object)
    model.n_features_in_ = len(model.features_)
    return _rows(encode_columns(frame, model.features_), model.features_, y, customer)


def _rows(X: np.ndarray, features: tuple[Feature, ...], y: np.ndarray | None, customer: Any) -> LabelledRows:
    n = len(X)
    return LabelledRows(
        X=X, features=features, y=np.zeros(n) if y is None else y, customer=read_customer(customer, n),
        cutoff=np.full(n, ONE_CUTOFF),
    )  # fmt: skip


def _histories(X: Any, as_of: date | None) -> pd.DataFrame:
    return read_frame(X) if as_of is None else rfm(X, as_of=as_of)


def _require_histories(frame: pd.DataFrame) -> None:
    missing = [name for name in (PURCHASE_DAYS, LAST_AGE, AGE, MARGIN) if name not in frame.columns]
    if missing:
        raise FrameError(
            f"X has no column {', '.join(missing)}; rfm(transactions, as_of=...) makes them. From frequency, recency, "
            f"T and monetary value, in days: {PURCHASE_DAYS} is frequency + 1, {LAST_AGE} is recency, {AGE} is T, and "
            f"{MARGIN} is monetary value times purchase days"
        )


def _quiet(_done: int, _total: int, _best: float) -> None:
    """Nobody watches the search."""


__all__ = ["ChurnModel", "LtvModel"]
