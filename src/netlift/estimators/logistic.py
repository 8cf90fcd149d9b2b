"""Logistic regression on clipped, logged and scaled columns, stored as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.estimators.cross_fit import OUTSIDE
from netlift.estimators.expression import Expression
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import transform_column

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

CLIP = (0.005, 0.995)
LOG_ABOVE_SKEW = 1.5


@dataclass(frozen=True, kw_only=True)
class Column:
    """One input of the score.

    Attributes:
        name: The feature.
        position: Its column.
        transform: What happens to it before scaling (see `stored.py`).
        fill: What a missing value counts as.
        mean: Of the transformed values.
        scale: Their standard deviation.
    """

    name: str
    position: int
    transform: dict[str, Any]
    fill: float
    mean: float
    scale: float

    def values(self, X: np.ndarray) -> np.ndarray:
        """Transformed and scaled, shape (n,)."""
        x = X[:, self.position].astype(np.float64)
        return np.asarray((transform_column(x, self.transform, self.fill) - self.mean) / self.scale)


def prepare_columns(rows: LabelledRows) -> tuple[Column, ...]:
    """The inputs of a linear score: one per number, one more where it is sometimes missing, one per category."""
    columns: list[Column] = []
    for i, feature in enumerate(rows.features):
        x = rows.X[:, i].astype(np.float64)
        if feature.kind == "category":
            transforms: list[dict[str, Any]] = [{"equals": code} for code in range(len(feature.categories))]
            fill = 0.0
        else:
            known = x[~np.isnan(x)]
            if not len(known):
                continue
            fill = float(np.median(known))
            transforms = [_shape(known)] + ([{"missing": True}] if len(known) < len(x) else [])
        for transform in transforms:
            values = transform_column(x, transform, fill)
            mean, scale = float(values.mean()), float(values.std())
            if scale > 1e-9 * max(1.0, abs(mean)):
                column = Column(name=feature.name, position=i, transform=transform, fill=fill, mean=mean, scale=scale)
                columns.append(column)
    return tuple(columns)


def fit_logistic(rows: LabelledRows, columns: tuple[Column, ...]) -> Expression:
    """Fit the chance of y = 1, ridge penalty 1, by Newton steps.

    Args:
        rows: Rows with y of 0 and 1, both present.
        columns: Inputs, from `prepare_columns`.
    """
    return _store(columns, _fit(_scale(rows, columns), rows.y))


def cross_fit_logistic(
    rows: LabelledRows, columns: tuple[Column, ...], fold: np.ndarray
) -> tuple[Expression, np.ndarray]:
    """As `fit_logistic`, and the chance of each row by a fit without its fold.

    The fits without a fold start from the fit on all rows, from which a Newton step or two lead to them.

    Args:
        rows: Rows with y of 0 and 1, both present.
        columns: Inputs, from `prepare_columns`.
        fold: Fold of each row, shape (n,), from `Folds`.

    Returns:
        The fit, stored, and the chances, shape (n,), NaN for rows of no fold.
    """
    Z = _scale(rows, columns)
    whole = _fit(Z, rows.y)
    p = np.full(len(rows), np.nan)
    for k in range(int(fold.max()) + 1):
        others = (fold != k) & (fold != OUTSIDE)
        p[fold == k] = _fit(Z[others], rows.y[others], whole).predict_proba(Z[fold == k])[:, 1]
    return _store(columns, whole), p


def _scale(rows: LabelledRows, columns: tuple[Column, ...]) -> np.ndarray:
    Z = np.empty((len(rows), len(columns)), order="F")
    for j, column in enumerate(columns):
        Z[:, j] = column.values(rows.X)
    return Z


def _fit(Z: np.ndarray, y: np.ndarray, start: LogisticRegression | None = None) -> LogisticRegression:
    """A fit on one thread: on a busy machine those of the linear algebra wait for each other, and burn time."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    fit = LogisticRegression(solver="newton-cholesky", tol=1e-6, warm_start=start is not None)
    if start is not None:
        fit.coef_, fit.intercept_ = start.coef_.copy(), start.intercept_.copy()
    with threadpool_limits(limits=1):
        return fit.fit(Z, y)


def least_squares(columns: Sequence[Column], coef: np.ndarray, *, intercept: float) -> Expression:
    """A linear score of columns, stored.

    Args:
        columns: Inputs, from `prepare_columns`.
        coef: A weight per column.
        intercept: Of the score.
    """
    return {
        "op": "least_squares",
        "names": [column.name for column in columns],
        "transform": [column.transform for column in columns],
        "fill": [column.fill for column in columns],
        "mean": [column.mean for column in columns],
        "scale": [column.scale for column in columns],
        "coef": coef.tolist(),
        "intercept": intercept,
    }


def _store(columns: tuple[Column, ...], fit: LogisticRegression) -> Expression:
    return {**least_squares(columns, fit.coef_[0], intercept=float(fit.intercept_[0])), "op": "logistic"}


def _shape(known: np.ndarray) -> dict[str, Any]:
    """Clip to inner quantiles; log where a long tail is left."""
    low, high = np.quantile(known, CLIP)
    inside = np.clip(known, low, high)
    spread = inside.std()
    skew = float(np.mean((inside - inside.mean()) ** 3) / spread**3) if spread > 0 else 0.0
    return {"low": float(low), "high": float(high), "log": abs(skew) > LOG_ABOVE_SKEW}
