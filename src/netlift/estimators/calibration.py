"""Calibration maps: score to probability, predicted to observed money.

Curves are learnt from out-of-fold predictions on all training cutoffs together, never from the newest cutoff alone:
that one is of another season than the days to come, and a level learnt there is wrong by the season. On a simulated
retailer with a season a curve of the newest cutoff alone raised calibration error from .01 to .05, and moved totals by
6 %; without a season it was no better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.estimators.expression import Expression, interpolate

ISOTONIC_POSITIVES = 10_000
ISOTONIC_GROUPS = 100
LEVEL_GROUPS = 20
ROWS_PER_LEVEL_GROUP = 200
FAR = 1e3
KNOTS = np.linspace(-14.0, 14.0, 281)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A piecewise linear map of predictions.

    Attributes:
        x: Predictions, rising.
        y: What they become, never falling.
        method: How it was learnt, in words.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    method: str

    def apply(self, predicted: np.ndarray) -> np.ndarray:
        """The calibrated predictions, shape (n,)."""
        return np.interp(predicted, self.x, self.y)

    def on(self, expression: Expression) -> Expression:
        """The same, stored."""
        return interpolate(self.x, self.y, expression)


def calibrate_probabilities(y: np.ndarray, p: np.ndarray) -> Curve:
    """Learn the observed share behind a predicted probability.

    With 10,000 positives or more, isotonic regression over 100 groups of equal size, its steps joined at their centres
    so that no two customers become equal; with fewer, a logistic curve of the logit (Platt).

    Args:
        y: 1 or 0, shape (n,).
        p: Out-of-fold probabilities, shape (n,).

    Raises:
        DataError: All labels are equal.

    References:
        Platt (1999), Probabilistic Outputs for Support Vector Machines.
        Oron, Flournoy (2017), Centered Isotonic Regression, Statistics in Biopharmaceutical Research 9(3).
    """
    positives = int(np.count_nonzero(y))
    if positives in (0, len(y)):
        raise DataError(f"calibration needs both outcomes: {positives:,} of {len(y):,} rows are positive")
    return _isotonic(y, p) if positives >= ISOTONIC_POSITIVES else _platt(y, p)


def level_probabilities(p: np.ndarray, share: float) -> np.ndarray:
    """Probabilities moved together on the logit until their mean is a share.

    Args:
        p: Probabilities, shape (n,).
        share: Their mean to be, inside (0, 1).

    Examples:
        >>> level_probabilities(np.array([0.5, 0.5]), 0.2).round(3).tolist()
        [0.2, 0.2]
    """
    from scipy.optimize import brentq

    inside = np.clip(p, 1e-15, 1 - 1e-15)
    logit = np.log(inside / (1 - inside))
    move = brentq(lambda by: float(np.mean(_sigmoid(logit + by))) - share, -80.0, 80.0)
    return _sigmoid(logit + move)


def calibrate_level(y: np.ndarray, predicted: np.ndarray, customer: np.ndarray) -> Curve:
    """Learn the observed money behind predicted money: a factor for all, and one per twentieth of predicted value.

    Each factor is shrunk to 1 by how well the data know it, so that noise moves nothing: with ratio r and its standard
    error s (customers clustered), the common factor is 1 + (r - 1)·max(0, 1 - s²/(r - 1)²), and those of the parts are
    1 + (r - 1)·t²/(t² + s²), t² being their variance beyond noise. Predictions keep their order; the total becomes the
    predicted total times the common factor.

    Args:
        y: Observed money, not negative, shape (n,).
        predicted: Out-of-fold predictions, above zero, shape (n,).
        customer: Code of the customer, shape (n,).

    Raises:
        DataError: A prediction that is not above zero.

    References:
        James, Stein (1961), Estimation with Quadratic Loss; DerSimonian, Laird (1986) for t².
    """
    low = int(np.count_nonzero(~(predicted > 0)))
    if low:
        raise DataError(f"level calibration needs predictions above zero: {low:,} of {len(y):,} are not")
    common, error = _ratio(y, predicted, customer)
    shrunk = 1 + (common - 1) * max(0.0, 1 - error**2 / (common - 1) ** 2) if common != 1 else 1.0
    groups = np.array_split(
        np.argsort(predicted, kind="stable"), max(1, min(LEVEL_GROUPS, len(y) // ROWS_PER_LEVEL_GROUP))
    )
    ratio, se = np.array([_ratio(y[g], common * predicted[g], customer[g]) for g in groups]).T
    spread = _variance_beyond_noise(ratio - 1, se)
    weight = spread / (spread + se**2) if spread > 0 else np.zeros(len(groups))
    factor = 1 + (ratio - 1) * weight
    centre = np.array([predicted[g].mean() for g in groups])
    x, which = np.unique(centre, return_index=True)
    curve = np.maximum.accumulate(x * factor[which])
    far = FAR * float(predicted.max())
    x, curve = np.concatenate([[0.0], x, [far]]), np.concatenate([[0.0], curve, [far * curve[-1] / x[-1]]])
    curve *= shrunk * predicted.sum() / np.interp(predicted, x, curve).sum()
    return Curve(
        x=tuple(x.tolist()),
        y=tuple(curve.tolist()),
        method=f"level x {shrunk:.3f} (observed / predicted out of fold {common:.3f} ± {error:.3f}), "
        f"parts of value x {factor.min():.3f} to {factor.max():.3f}",
    )


def _variance_beyond_noise(deviation: np.ndarray, se: np.ndarray) -> float:
    """Variance of true deviations from zero, of which each is seen with its standard error (DerSimonian, Laird)."""
    seen = se > 0
    precision = 1 / se[seen] ** 2
    if not len(precision):
        return 0.0
    excess = float(np.sum(precision * deviation[seen] ** 2)) - len(precision)
    return max(0.0, excess / float(precision.sum()))


def join_steps(y: np.ndarray, x: np.ndarray, *, groups: int, method: str) -> Curve:
    """Isotonic regression of y on x over groups of equal size, its steps joined at their centres, in proportion beyond.

    Args:
        y: What is wanted, not negative, shape (n,).
        x: What it is wanted of, above zero, shape (n,).
        groups: Groups of equal size.
        method: In words.

    References:
        Oron, Flournoy (2017), Centered Isotonic Regression, Statistics in Biopharmaceutical Research 9(3).
    """
    from sklearn.isotonic import IsotonicRegression

    parts = np.array_split(np.argsort(x, kind="stable"), max(1, min(groups, len(x))))
    size = np.array([len(g) for g in parts], dtype=np.float64)
    centre, mean = (np.array([values[g].mean() for g in parts]) for values in (x, y))
    steps = IsotonicRegression().fit_transform(centre, mean, sample_weight=size)
    _, block = np.unique(steps, return_inverse=True)
    total = np.bincount(block, weights=size)
    at = np.bincount(block, weights=size * centre) / total
    level = np.bincount(block, weights=size * mean) / total
    far = FAR * float(x.max())
    knots = np.concatenate([[0.0], at, [far]])
    values = np.concatenate([[0.0], np.maximum.accumulate(level), [far * level[-1] / at[-1]]])
    return Curve(x=tuple(knots.tolist()), y=tuple(values.tolist()), method=method)


def _isotonic(y: np.ndarray, p: np.ndarray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    groups = np.array_split(np.argsort(p, kind="stable"), ISOTONIC_GROUPS)
    size = np.array([len(g) for g in groups], dtype=np.float64)
    centre = np.array([p[g].mean() for g in groups])
    hits = np.array([y[g].sum() for g in groups])
    steps = IsotonicRegression().fit_transform(centre, hits / size, sample_weight=size)
    _, block = np.unique(steps, return_inverse=True)
    total = np.bincount(block, weights=size)
    x = np.bincount(block, weights=size * centre) / total
    share = np.maximum.accumulate((np.bincount(block, weights=hits) + 0.5) / (total + 1))
    return Curve(
        x=(0.0, *x.tolist(), 1.0), y=(0.0, *share.tolist(), 1.0), method=f"isotonic, {len(x)} steps, out of fold"
    )


def _platt(y: np.ndarray, p: np.ndarray) -> Curve:
    from sklearn.linear_model import LogisticRegression

    inside = np.clip(p, 1e-15, 1 - 1e-15)
    logit = np.log(inside / (1 - inside))
    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(logit[:, None], y)
    slope, intercept = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    if slope <= 0:
        share = float(np.mean(y))
        return Curve(x=(0.0, 1.0), y=(share, share), method="the score ranked nobody out of fold: everybody's share")
    x = _sigmoid(KNOTS)
    return Curve(
        x=(0.0, *x.tolist(), 1.0),
        y=(0.0, *_sigmoid(intercept + slope * KNOTS).tolist(), 1.0),
        method=f"Platt, slope {slope:.3f}, intercept {intercept:.3f}, out of fold",
    )


def _ratio(y: np.ndarray, predicted: np.ndarray, customer: np.ndarray) -> tuple[float, float]:
    """Sum of y over sum of predicted, with its standard error, customers clustered."""
    total = predicted.sum()
    ratio = float(y.sum() / total)
    _, code = np.unique(customer, return_inverse=True)
    residual = np.bincount(code, weights=y - ratio * predicted)
    return ratio, float(np.sqrt(np.sum(residual**2)) / total)


def _sigmoid(score: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)))
