"""Baselines of churn and LTV leaderboards: the best single column, and default LightGBM.

LightGBM keeps its default parameters and sees recency, frequency and money alone; of customers without receipts, all
their attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import Machine, Objective, boosting_rows, gain_shares, make_dataset
from netlift.estimators.cross_fit import Folds, predict_out_of_fold
from netlift.estimators.expression import Expression, booster
from netlift.estimators.rows import LabelledRows
from netlift.features.snapshot import order_categories

if TYPE_CHECKING:
    import lightgbm as lgb

BEST_COLUMN, DEFAULT_LIGHTGBM = "best_column", "default_lightgbm"
STANDARD_BASELINES = (BEST_COLUMN, DEFAULT_LIGHTGBM)
WINDOWS = ("7d", "30d", "90d", "180d", "365d", "all")
COMPLETE = (
    "days_since_last_purchase",
    *(f"purchases_{window}" for window in WINDOWS),
    *(f"margin_{window}" for window in WINDOWS),
)  # columns that no customer who bought lacks
RFM_COLUMNS = (
    *COMPLETE,
    "days_since_first_purchase",
    "age_at_last_purchase_days",
    "gap_mean_days",
    "mean_purchase_all",
    "last_purchase_revenue",
)
BOOSTER_FILE = "default.txt"
DEFAULT_ROUNDS, DEFAULT_BINS = 100, 255


@dataclass(frozen=True, kw_only=True)
class DefaultBooster:
    """LightGBM with default parameters on recency, frequency and money.

    Attributes:
        expression: The expected label, stored, before it is calibrated.
        text: LightGBM's text, to be stored as `BOOSTER_FILE`.
        out_of_fold: Expected label of each row by a fit that did not see its customer; NaN for rows of no fold, (n,).
        importance: Share of gain by feature.
    """

    expression: Expression
    text: str
    out_of_fold: np.ndarray
    importance: dict[str, float]


def fit_default_lightgbm(
    rows: LabelledRows, y: np.ndarray, objective: Objective, *, folds: Folds, machine: Machine
) -> DefaultBooster:
    """Fit it on all rows, and out of fold for its calibration.

    Args:
        rows: Rows to learn from.
        y: Label, shape (n,).
        objective: What is minimised: one of LightGBM's own losses.
        folds: Of customers, for cross-fitting.
        machine: Seed and threads.

    Raises:
        DataError: None of the columns is among the features, there are fewer customers than folds, or all labels are
            equal.
    """
    seen = {feature.name for feature in rows.features}
    if has_receipts(rows):
        seen &= {*RFM_COLUMNS}
    if not seen:
        raise DataError(f"none of {', '.join(RFM_COLUMNS)} is there: take them out of `exclude`")
    X = np.zeros_like(rows.X)  # a constant column has no split: trees keep the numbering of all features
    for i, feature in enumerate(rows.features):
        if feature.name in seen:
            X[:, i] = rows.X[:, i]
    plain = replace(rows, X=X)
    fold, everyone = folds.draw(rows.customer, seed=machine.seed), np.ones(len(rows), dtype=bool)
    boosting = boosting_rows(plain, machine)
    if np.ptp(y) == 0:
        raise DataError(f"all labels of {len(y):,} rows are equal: bring more customers, or change the horizon")
    out_of_fold = predict_out_of_fold(boosting, y, everyone, fold, objective, {}, rounds=DEFAULT_ROUNDS)
    final = _fit(plain, y, objective, machine)
    return DefaultBooster(
        expression=booster(BOOSTER_FILE, link=objective.link),
        text=final.model_to_string(),
        out_of_fold=out_of_fold,
        importance=gain_shares(final, rows.features),
    )


def find_best_column(rows: LabelledRows, y: np.ndarray) -> tuple[str, float]:
    """The column that orders the label best by itself, and 1 or -1 for the way round.

    Both ROC-AUC and the Gini of money grow with the sum of a label times its row's rank by the column: the column for
    which that lies furthest from chance is taken.

    Args:
        rows: Rows to learn from.
        y: Label, shape (n,).

    Raises:
        DataError: None of the columns is among the features, or none differs among customers.
    """
    from scipy.stats import rankdata

    usual = {*COMPLETE} if has_receipts(rows) else {feature.name for feature in rows.features}
    names = [feature.name for feature in rows.features if feature.name in usual]
    if not names:
        raise DataError(f"none of {', '.join(COMPLETE)} is there: take them out of `exclude`")
    centred = y - y.mean()
    ordered = rows.select(names)
    ordered = replace(ordered, X=order_categories(ordered.X, ordered.features, y))
    order = {name: float(centred @ rankdata(np.nan_to_num(ordered.column(name), nan=-np.inf))) for name in names}
    best = max(names, key=lambda name: abs(order[name]))
    if order[best] == 0:
        raise DataError(f"none of {', '.join(names[:20])} tells the {len(y):,} customers apart: bring more history")
    return best, 1.0 if order[best] >= 0 else -1.0


def has_receipts(rows: LabelledRows) -> bool:
    """Whether any column is of receipts."""
    return any(feature.source == "transactions" for feature in rows.features)


def _fit(rows: LabelledRows, y: np.ndarray, objective: Objective, machine: Machine) -> lgb.Booster:
    import lightgbm as lgb

    params = machine.settings() | {"max_bin": DEFAULT_BINS}
    data = make_dataset(rows.X, rows.features, y, params=params)
    return lgb.train(params | {"objective": objective.loss}, data, DEFAULT_ROUNDS)
