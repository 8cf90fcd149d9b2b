"""Zero-inflated log-normal (ZILN) model: probability, mean and spread of log money from one LightGBM fit.

With raw scores z: q = σ(z₀) is the chance of more than zero, μ = z₁ the mean and s = softplus(z₂) the standard
deviation of the logarithm, e = (ln y - μ)/s. The loss of a row is -ln(1 - q) at y = 0, else
-ln q + ln y + ln s + ½ ln 2π + e²/2. A row's own s fits noise as trees are added, and totals sink with it; so the
stored mean takes one s for all, from the residuals of rows that the fit did not see.

References:
    Wang, Liu, Miao (2019), A Deep Probabilistic Model for Customer Lifetime Value Prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import BoostingRows, Objective, OwnLoss, start_scores
from netlift.estimators.boosting.tuning import Tuning
from netlift.estimators.cross_fit import fit_and_score_out_of_fold, rows_learnt_from
from netlift.estimators.expression import Expression
from netlift.estimators.expression import ziln as ziln_expression
from netlift.estimators.stored import LEAST_SIGMA, ziln_mean, ziln_sigma

if TYPE_CHECKING:
    import lightgbm as lgb

LEAST_HESSIAN = 1e-6


@dataclass(frozen=True, kw_only=True)
class Ziln:
    """A fitted zero-inflated log-normal before its level is calibrated.

    Attributes:
        expression: Expected money, stored, with one spread for all.
        booster: The fit behind it.
        sigma: That spread.
        out_of_fold: Expected money of each row by fits that did not see its customer; NaN outside the folds, (n,).
        notes: What a reader must know.
    """

    expression: Expression
    booster: lgb.Booster
    sigma: float
    out_of_fold: np.ndarray
    notes: tuple[str, ...]

    @property
    def booster_text(self) -> str:
        """The fit as LightGBM text."""
        return str(self.booster.model_to_string())


def ziln_loss(raw: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-likelihood of labels (n,), not negative, by raw scores (n, 3)."""
    bought = y > 0
    z, s = raw[:, 0], ziln_sigma(raw[bought, 2])
    log_y = np.log(y[bought], dtype=np.float64)
    severity = log_y + np.log(s) + 0.5 * np.log(2 * np.pi) + ((log_y - raw[bought, 1]) / s) ** 2 / 2
    return float((np.sum(np.logaddexp(0.0, z)) - np.sum(z[bought]) + np.sum(severity)) / len(y))


def ziln_slopes(raw: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and hessian of each row's loss by its raw scores, each of shape (n, 3).

    The hessian of the spread's score is the expected one (Fisher's): the observed one is often negative.
    """
    bought = y > 0
    q, s = expit(raw[:, 0]), ziln_sigma(raw[:, 2])
    e = np.where(bought, (np.log(np.where(bought, y, 1.0)) - raw[:, 1]) / s, 0.0)
    steep = np.where(s > LEAST_SIGMA, expit(raw[:, 2]), 0.0) / s
    gradient = np.column_stack([q - bought, -e / s, bought * (1.0 - e**2) * steep])
    hessian = np.column_stack([q * (1.0 - q), bought / s**2, bought * 2.0 * steep**2])
    return gradient, np.maximum(hessian, LEAST_HESSIAN)


def ziln_start(y: np.ndarray) -> np.ndarray:
    """Raw scores of labels (n,) that know no features, shape (3,).

    Raises:
        DataError: Everybody or nobody has more than zero, or all amounts are equal.
    """
    bought = y > 0
    share, logs = float(np.mean(bought)), np.log(y[bought], dtype=np.float64)
    if share in (0.0, 1.0) or logs.std() == 0:
        raise DataError(
            f"ziln: {np.count_nonzero(bought):,} of {len(y):,} rows brought money, in {len(np.unique(logs)):,} amounts;"
            " both kinds of rows and several amounts are needed: change horizon_days or active_within_days, or drop it"
        )
    return np.array([np.log(share / (1 - share)), logs.mean(), np.log(np.expm1(max(logs.std(), 2 * LEAST_SIGMA)))])


ZILN = Objective(
    loss="ziln",
    metric="ziln_loss",
    link="ziln",
    own=OwnLoss(scores=3, derivatives=ziln_slopes, start=ziln_start),
    judge=ziln_loss,
)


def fit_ziln(
    boosting: BoostingRows,
    y: np.ndarray,
    tuning: Tuning,
    *,
    fold: np.ndarray,
    file: str,
    extra: Sequence[Expression] = (),
) -> Ziln:
    """Fit with the settings that `tune(boosting, y, learn, customer, ZILN, search)` found.

    Args:
        boosting: Rows to learn from, the extra columns behind the features.
        y: Money that came in, not negative, shape (n,).
        tuning: The settings.
        fold: Fold of each row for cross-fitting, shape (n,), from `Folds`.
        file: Name under which the booster is stored.
        extra: Expressions of the extra columns, if there are any.

    Raises:
        DataError: Labels that have no zero-inflated log-normal.
    """
    everyone = np.ones(len(y), dtype=bool)
    final, scores = fit_and_score_out_of_fold(
        boosting,
        y,
        everyone,
        fold,
        ZILN,
        whole=tuning.growth_for(len(y)),
        by_fold=tuning.growth_for(rows_learnt_from(everyone, fold)),
    )
    sigma = shared_sigma(scores, y)
    start = np.broadcast_to(start_scores(ZILN, y), 3)
    own = float(ziln_sigma(scores[fold >= 0, 2]).mean())
    return Ziln(
        expression=ziln_expression(file, init=start.tolist(), sigma=sigma, extra=extra),
        booster=final,
        sigma=sigma,
        out_of_fold=ziln_mean(scores, sigma),
        notes=(f"one spread of the logarithm for all, {sigma:.3f}; the trees' own averaged {own:.3f}",),
    )


def shared_sigma(scores: np.ndarray, y: np.ndarray) -> float:
    """One spread for all: root mean square of ln y - μ over rows with money that their fit did not see.

    Args:
        scores: Raw scores out of fold, shape (n, 3); NaN for rows that take no part.
        y: Money, shape (n,).
    """
    known = (y > 0) & ~np.isnan(scores[:, 1])
    return float(np.sqrt(np.mean((np.log(y[known]) - scores[known, 1]) ** 2)))
