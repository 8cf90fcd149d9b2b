"""UpliftModel: whom a contact changes, from a frame, by the learners that `netlift train` uses."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_outcome_model, fit_uplift, know_purchases
from netlift.estimators.uplift.pairwise.outcome_model import ContactPurchases
from netlift.evaluation.policy.off_policy import (
    LoggedOutcomes,
    best_constant,
    choose_arms,
    constant_policies,
    dr_scores,
    policy_difference,
)
from netlift.evaluation.uplift.metrics import calibration_slope, contrast, qini
from netlift.frames.arms import ReceivedArms, read_arms
from netlift.frames.columns import FrameError, encode_again, encode_columns, learn_columns, read_frame, read_numbers
from netlift.frames.judging import read_customer
from netlift.frames.search import SEARCH
from netlift.results import Estimate, Table, Told

DEFAULT_LEARNER, SIGNED_LEARNER = "averaged_effects", "dr_learner"


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm, judged on rows that the fit which scored them did not see.

    Attributes:
        arm: Its name.
        rows: Rows that received it.
        effect: Mean effect over control.
        qini: How well the predicted effects order customers; above 0 they tell customers apart.
        slope: Of the effect on the predicted: 1 is calibrated; None where all have one prediction.
    """

    arm: str
    rows: int
    effect: Estimate
    qini: Estimate
    slope: Estimate | None


@dataclass(frozen=True, kw_only=True)
class UpliftSummary(Told):
    """What an `UpliftModel` found, out of fold.

    Attributes:
        arms: Each arm.
        gain: Outcome per customer of giving everybody the best arm for them, above the best single arm for all.
        single: That policy, such as "everybody mail" or "nobody".
        found: Whether the order of customers is better than chance for an arm, at the level of the intervals.
        learner: Which learner it was.
        notes: What the learner had to say.
    """

    arms: Table[ArmSummary]
    gain: Estimate
    single: str
    found: bool
    learner: str
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """The findings for people."""
        lines = []
        for arm in self.arms:
            slope = "the same for everybody" if arm.slope is None else f"Qini {arm.qini}, slope {arm.slope}"
            lines.append(f"{arm.arm}: effect {arm.effect} ({arm.rows:,} rows); {slope}")
        lines.append(f"the best arm for each against {self.single}: {self.gain} more")
        told = "customers differ in their effects, and the model tells them apart"
        nothing = "found nothing: no order of customers is surely better than chance; use the best single arm"
        return "\n".join([*lines, told if self.found else nothing])

    def __str__(self) -> str:
        return self.to_text()


class UpliftModel(BaseEstimator):
    """Expected effect of each arm on each customer, calibrated, from a randomized campaign.

    Args:
        learner: As in the definition of `netlift train uplift`; None takes averaged_effects, or dr_learner where an
            outcome is below zero.
        control: The arm to compare with; None for the one called control, 0 or False.
        cv: Folds of customers by which `summary` and `effect()` judge what was learned; the model itself sees all rows.
        level: Confidence of the intervals.
        unit: Of an effect, such as "EUR/customer".
        random_state: Seed of folds and trees.
        n_jobs: How many fits may run side by side; the result does not depend on it.

    In a pipeline the arms are what it takes for y: `pipe.fit(X, treatment, uplift__y=y, uplift__propensity=p)`.

    Examples:
        >>> rng = np.random.default_rng(1)
        >>> X = pd.DataFrame({"age": rng.uniform(20, 60, 4000), "region": rng.choice(["north", "south"], 4000)})
        >>> treatment = rng.choice(["control", "mail"], 4000)
        >>> y = rng.binomial(1, 0.2 + 0.3 * (treatment == "mail") * (X.region == "north"))
        >>> model = UpliftModel().fit(X, treatment, y, propensity=0.5)
        >>> model.effect(X.head(2)).columns.tolist(), model.summary().found
        (['mail'], True)
        >>> north = model.best(pd.DataFrame({"age": [30.0, 30.0], "region": ["north", "south"]}), costs={"mail": 0.1})
        >>> north.tolist()
        ['mail', 'control']
    """

    def __init__(
        self, *, learner: str | None = None, control: Any = None, cv: int = 2, level: float = 0.95, unit: str = "",
        random_state: int = 0, n_jobs: int = 1,
    ) -> None:  # fmt: skip
        self.learner = learner
        self.control = control
        self.cv = cv
        self.level = level
        self.unit = unit
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, treatment: Any, y: Any, *, propensity: Any = None, customer: Any = None) -> UpliftModel:
        """Learn the effects.

        Args:
            X: Customers as they were before the contact: numbers, flags, text, categories; missing values may stay.
            treatment: Arm of each row, of two or more arms.
            y: Outcome of each row: spend, profit, or 0 and 1.
            propensity: Known probability of each arm: a number (of the one arm beside control), a mapping from arm to
                number or column, a table with a column an arm, one value a row (of the arm that row received), or
                "shares" where chance drew the arms with the same probabilities for everybody.
            customer: Whose row each row is, where a customer has several.

        Warns:
            UserWarning: Every customer was found to have the same effect.

        Raises:
            FrameError: Lengths that differ, values that are missing, one arm alone, a control that is no arm,
                propensities that cannot be, columns that stand twice or are neither numbers nor text.
            NotRandomizedError: No propensity.
            DataError: Rows too few to learn from.
        """
        frame = read_frame(X)
        outcome = read_numbers(y, rows=len(frame), name="y")
        arms = read_arms(treatment, propensity, control=self.control, rows=len(frame))
        self.arms_ = arms
        self.features_ = learn_columns(frame)
        self.feature_names_in_ = np.array([feature.name for feature in self.features_], dtype=object)
        self.n_features_in_ = len(self.features_)
        self.learner_ = self.learner or (SIGNED_LEARNER if outcome.min() < 0 else DEFAULT_LEARNER)
        rows = self._rows(encode_columns(frame, self.features_), outcome, arms, customer)
        self.candidate_ = self._fit(self._know(rows))
        self.model_ = StoredModel(self.candidate_.files, threads=self.n_jobs)
        self._index, self._seen = frame.index, _digest(rows.X)
        self._judge(rows)
        self._warn_if_alike(rows.X)
        return self

    def effect(self, X: Any = None) -> pd.DataFrame:
        """Expected effect of each arm over control in the unit of y, a row a customer and a column an arm.

        Args:
            X: Customers with the columns of training; None for the training rows, each by a fit that did not see it,
                which is what to judge the model by.

        Warns:
            UserWarning: The very rows of training, on which any figure flatters.
        """
        check_is_fitted(self, "model_")
        if X is None:
            return self._framed(self._out_of_fold, self._index)
        encoded, index = encode_again(X, self.features_), read_frame(X).index
        if _digest(encoded) == self._seen:
            warnings.warn(
                "these are the rows of the fit: figures on them flatter the model; judge by effect() without rows, "
                "which is out of fold, or by rows that were held out",
                stacklevel=2,
            )
        return self._framed(self._predict(self.model_, encoded), index)

    def predict(self, X: Any) -> np.ndarray:
        """`effect` as an array, shape (n, arms), for pipelines."""
        return self.effect(X).to_numpy()

    def best(self, X: Any = None, *, costs: Any = None, value: float = 1.0) -> pd.Series:
        """The arm that earns most on each customer, control where none earns anything.

        Args:
            X: As `effect` takes it.
            costs: What an arm costs, in the unit of `value` times y: a mapping from arm to number or column.
            value: What one unit of y is worth: the margin rate of spend, the money of a conversion.

        Raises:
            FrameError: Costs of an arm that is not there.
        """
        earned = self.effect(X) * value
        for arm, cost in dict(costs or {}).items():
            if str(arm) not in earned.columns:
                raise FrameError(f"costs: no arm is called {arm!r}; there are {', '.join(earned.columns)}")
            whole = np.full(len(earned), cost) if np.ndim(cost) == 0 else cost
            earned[str(arm)] -= read_numbers(whole, rows=len(earned), name=f"costs of {arm}")
        chosen = choose_arms(earned.to_numpy(), np.ones((len(earned), earned.shape[1] + 1)))
        names = np.array([self.arms_.control, *self.arms_.names], dtype=object)
        return pd.Series(names[chosen], index=earned.index, name="best")

    def summary(self) -> UpliftSummary:
        """What was found, judged out of fold: effects, order, calibration, and what choosing by customer gains."""
        check_is_fitted(self, "model_")
        return self.summary_

    def _rows(self, X: np.ndarray, y: np.ndarray, arms: ReceivedArms, customer: Any) -> ContactRows:
        return ContactRows(
            X=X, features=self.features_, y=y, margin=y, offers=tuple(map(str, arms.names)), arm=arms.code,
            propensity=arms.propensity, available=arms.available, customer=read_customer(customer, len(y)),
            campaign=np.zeros(len(y), dtype=np.int64),
        )  # fmt: skip

    def _know(self, rows: ContactRows) -> ContactPurchases:
        return know_purchases(rows, search=SEARCH, folds=SEARCH.folds, seed=self.random_state, threads=self.n_jobs)

    def _fit(self, known: ContactPurchases) -> Candidate:
        return fit_uplift(
            self.learner_, known.rows, search=SEARCH, folds=SEARCH.folds, seed=self.random_state, threads=self.n_jobs,
            progress=lambda _share, _words: None, known=known,
        )  # fmt: skip

    def _predict(self, model: StoredModel, X: np.ndarray) -> np.ndarray:
        scores = model.predict_matrix(X)
        return np.column_stack([scores[f"uplift_{arm}"] for arm in self.arms_.names])

    def _framed(self, effects: np.ndarray, index: pd.Index) -> pd.DataFrame:
        return pd.DataFrame(effects, index=index, columns=[str(arm) for arm in self.arms_.names])

    def _judge(self, rows: ContactRows) -> None:
        """Effects and doubly robust scores out of fold, and the summary made of them."""
        effects, scores = np.empty((len(rows), len(rows.offers))), np.empty(rows.available.shape)
        fold = assign_folds(rows.customer, folds=self.cv, seed=self.random_state)
        for k in range(self.cv):
            inside, known = fold == k, self._know(rows.take(fold != k))
            effects[inside] = self._predict(StoredModel(self._fit(known).files), rows.X[inside])
            expected = fit_outcome_model(known)
            judged = rows.take(inside)
            scores[inside] = dr_scores(
                y=judged.y, arm=judged.arm, propensity=judged.propensity, available=judged.available,
                mu=expected.predict(judged.X, threads=self.n_jobs),
            )  # fmt: skip
        logged = LoggedOutcomes(
            y=rows.y, arm=rows.arm, propensity=rows.propensity, scores=scores, customer=rows.customer, unit=self.unit,
            level=self.level,
        )  # fmt: skip
        self._out_of_fold = effects
        self.summary_ = self._summarize(logged, effects, rows)

    def _summarize(self, logged: LoggedOutcomes, effects: np.ndarray, rows: ContactRows) -> UpliftSummary:
        nobody, found = np.zeros(len(rows), dtype=np.int64), []
        for j, arm in enumerate(rows.offers):
            scored, _ = contrast(logged, j + 1)
            found.append(
                ArmSummary(
                    arm=arm,
                    rows=int(np.sum(rows.arm == j + 1)),
                    effect=policy_difference(logged, nobody + j + 1, nobody),
                    qini=qini(scored, effects[:, j]),
                    slope=calibration_slope(scored, effects[:, j]),
                )
            )
        constants = constant_policies(rows.offers, rows.available, order=[])
        single = best_constant(logged, constants)
        return UpliftSummary(
            arms=Table(name="arms", rows=tuple(found)),
            gain=policy_difference(logged, choose_arms(effects, rows.available), constants[single]),
            single=single,
            found=any(one.qini.ci_lower > 0 for one in found),
            learner=self.learner_,
            notes=self.candidate_.notes,
        )

    def _warn_if_alike(self, X: np.ndarray) -> None:
        if not np.ptp(self._predict(self.model_, X), axis=0).any():
            warnings.warn(
                f"no heterogeneity found: {', '.join(map(str, self.arms_.names))} has the same predicted effect on "
                "everybody; choose by the mean effects of summary()",
                stacklevel=3,
            )


def _digest(X: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(X).tobytes()).hexdigest()


__all__ = ["ArmSummary", "UpliftModel", "UpliftSummary"]
