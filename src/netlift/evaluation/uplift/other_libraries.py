"""Other libraries' uplift metrics by their own formulas, for comparison with published numbers.

All of them compare raw means of treated and control among those ranked highest, for one offer and one propensity. With
n(k), n1(k), n0(k) rows, treated and control among the top k, and Y1(k), Y0(k) what they brought together:

    uplift curve   U(k) = (Y1/n1 - Y0/n0) · n
    Qini curve     Q(k) = Y1 - Y0 · n1/n0

    causalml auuc_score    mean of U(k) over k = 0 … N               normalised: over |U(N)|
    causalml qini_score    mean of Q(k) - Q(N)·k/N over k = 0 … N    normalised: over |Q(N)|
    scikit-uplift          area between the curve and its diagonal over that between the perfect curve and its
      qini_auc_score, uplift_auc_score      diagonal; corners at distinct scores; binary outcomes only
    scikit-uplift uplift_at_k               Y1/n1 - Y0/n0 among the top share of all rows, or of each arm

A normalised causalml score divides by the total effect, and passes every bound where that is near zero; scikit-uplift's
perfect curve knows each customer's outcome. causalml sorts tied rows as they come; here ties enter by equal parts, so
that its numbers are met where no scores tie, and do not move with the order of rows where they do.

References:
    causalml 0.18, metrics/visualize.py: get_cumgain, get_qini, auuc_score, qini_score.
    scikit-uplift 0.5.1, metrics/metrics.py: uplift_curve, qini_curve, perfect_uplift_curve, perfect_qini_curve.
    Devriendt, Guns, Verbeke (2020), Learning to Rank for Uplift Modeling, arXiv:2002.05897: the zoo of curves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.rank_weighting import QINI, Ranks
from netlift.evaluation.uplift.metrics import ScoredModel
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class ArmSums:
    """Rows and outcomes of each arm among the top of a ranking, from nobody to all.

    Attributes:
        rows: Rows down to each distinct score, shape (scores + 1,), from 0.
        treated: Treated among them.
        y_treated: Sum of their outcomes.
        y_control: Sum of the outcomes of the others.
    """

    rows: np.ndarray
    treated: np.ndarray
    y_treated: np.ndarray
    y_control: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, treated: np.ndarray, score: np.ndarray) -> ArmSums:
        """Sums along a score.

        Args:
            y: Outcome, shape (n,).
            treated: 1 for the offer, 0 for control, shape (n,).
            score: Predicted uplift, shape (n,).

        Raises:
            DataError: Columns of other length, or an arm without rows.
        """
        y, treated, score = (np.asarray(values, dtype=np.float64) for values in (y, treated, score))
        if not y.shape == treated.shape == score.shape:
            raise DataError(f"outcome {y.shape}, arm {treated.shape} and score {score.shape} must be of one length")
        if not np.isin(treated, (0.0, 1.0)).all() or len(np.unique(treated)) < 2:
            raise DataError("treated: needs rows of 1 and of 0, and no others; take one offer and control")
        code = Ranks.of(score, np.ones(len(score))).code

        def along(values: np.ndarray) -> np.ndarray:
            return np.concatenate([[0.0], np.cumsum(np.bincount(code, weights=values))])

        return cls(
            rows=along(np.ones(len(y))),
            treated=along(treated),
            y_treated=along(y * treated),
            y_control=along(y * (1 - treated)),
        )

    @property
    def control(self) -> np.ndarray:
        """Rows of control, shape (scores + 1,)."""
        return self.rows - self.treated

    def at(self, rows: np.ndarray) -> ArmSums:
        """The sums at other numbers of rows, tied ones by equal parts."""
        named = {name: getattr(self, name) for name in ("treated", "y_treated", "y_control")}
        return ArmSums(rows=rows, **{name: np.interp(rows, self.rows, values) for name, values in named.items()})

    def uplift(self, *, empty: float) -> np.ndarray:
        """U, with `empty` for the mean of an arm that has no rows."""
        means = _ratio(self.y_treated, self.treated, empty) - _ratio(self.y_control, self.control, empty)
        return means * self.rows

    def qini(self, *, empty: float) -> np.ndarray:
        """Q, with `empty` for the ratio of arms where control has no rows."""
        return self.y_treated - self.y_control * _ratio(self.treated, self.control, empty)


def causalml_auuc(y: np.ndarray, treated: np.ndarray, score: np.ndarray, *, normalize: bool) -> float:
    """The number that causalml's `auuc_score` gives.

    Args:
        y: Outcome, shape (n,), binary or not.
        treated: 1 for the offer, 0 for control, shape (n,).
        score: Predicted uplift, shape (n,).
        normalize: Divide by the total uplift, as causalml does by default.

    Examples:
        >>> causalml_auuc([1.0, 0.0, 0.0, 1.0], [1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0], normalize=False)
        0.8
    """
    by_row = _rows_from(y, treated, score)
    with np.errstate(invalid="ignore"):
        lift = _filled(by_row.uplift(empty=np.nan) / by_row.rows)
    return _mean_height(lift * by_row.rows, normalize=normalize)


def causalml_qini(y: np.ndarray, treated: np.ndarray, score: np.ndarray, *, normalize: bool) -> float:
    """The number that causalml's `qini_score` gives; arguments as for `causalml_auuc`."""
    curve = _filled(_rows_from(y, treated, score).qini(empty=np.nan))
    return _mean_height(curve, normalize=normalize) - _mean_height(
        np.linspace(0.0, curve[-1], len(curve)), normalize=normalize
    )


def sklift_uplift_auc(y: np.ndarray, treated: np.ndarray, score: np.ndarray) -> float:
    """The number that scikit-uplift's `uplift_auc_score` gives.

    Args:
        y: Binary outcome, shape (n,).
        treated: 1 for the offer, 0 for control, shape (n,).
        score: Predicted uplift, shape (n,).
    """
    y, treated = _binary(y), np.asarray(treated, dtype=np.float64)
    harmed, unmoved = np.sum((y == 1) & (treated == 0)), np.sum((y == 0) & (treated == 1))
    best = 2 * (y == treated) + (y if harmed > unmoved else treated)
    curves = (ArmSums.of(y, treated, order) for order in (score, best))
    ours, perfect = (_above_diagonal(curve.rows, curve.uplift(empty=0.0)) for curve in curves)
    return ours / perfect


def sklift_qini_auc(y: np.ndarray, treated: np.ndarray, score: np.ndarray, *, negative_effect: bool = True) -> float:
    """The number that scikit-uplift's `qini_auc_score` gives.

    Args:
        y: Binary outcome, shape (n,).
        treated: 1 for the offer, 0 for control, shape (n,).
        score: Predicted uplift, shape (n,).
        negative_effect: The perfect curve knows whom the offer harms, scikit-uplift's default; else it rises to the
            total effect and stays.
    """
    y, treated = _binary(y), np.asarray(treated, dtype=np.float64)
    sums = ArmSums.of(y, treated, score)
    curve = sums.qini(empty=0.0)
    if negative_effect:
        best = ArmSums.of(y, treated, y * treated - y * (1 - treated))
        perfect = _above_diagonal(best.rows, best.qini(empty=0.0))
    else:
        total = float(curve[-1])
        perfect = _above_diagonal(np.array([0.0, total, len(y)]), np.array([0.0, total, total]))
    return _above_diagonal(sums.rows, curve) / perfect


def sklift_uplift_at_k(
    y: np.ndarray, treated: np.ndarray, score: np.ndarray, *, strategy: Literal["overall", "by_group"], share: float
) -> float:
    """The number that scikit-uplift's `uplift_at_k` gives; rows tied at the border enter by equal parts.

    Args:
        y: Outcome, shape (n,).
        treated: 1 for the offer, 0 for control, shape (n,).
        score: Predicted uplift, shape (n,).
        strategy: The top of all rows, or of each arm apart.
        share: In (0, 1); the number of rows is rounded down.

    Raises:
        DataError: A share outside (0, 1), or an arm without rows in the top.
    """
    if not 0 < share < 1:
        raise DataError(f"share {share} must be in (0, 1)")
    y, treated, score = (np.asarray(values, dtype=np.float64) for values in (y, treated, score))
    if strategy == "overall":
        top = ArmSums.of(y, treated, score).at(np.array([float(int(len(y) * share))]))
        if not (top.treated[0] > 0 and top.control[0] > 0):
            raise DataError(f"an arm has no rows among the top {share:.0%} of {len(y)}; ask for a larger share")
        return float(top.y_treated[0] / top.treated[0] - top.y_control[0] / top.control[0])
    return _top_mean(y[treated == 1], score[treated == 1], share) - _top_mean(
        y[treated == 0], score[treated == 0], share
    )


def qini_over_ate(scored: ScoredModel, predicted: np.ndarray) -> Estimate:
    """The Qini over the absolute mean effect: of no unit, and without bound where the mean effect is near zero.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0, 2.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> qini_over_ate(rows, np.array([9.0, 5.0, 1.0, 0.0])).point
        0.125
    """
    ranked = scored.rank(predicted)
    return scored.estimate(ranked.weighted(QINI) / abs(ranked.mean()), "Qini over |mean effect|", unit="")


def _rows_from(y: np.ndarray, treated: np.ndarray, score: np.ndarray) -> ArmSums:
    sums = ArmSums.of(y, treated, score)
    return sums.at(np.arange(sums.rows[-1] + 1))


def _filled(curve: np.ndarray) -> np.ndarray:
    """A curve from 0, with straight lines where an arm had no rows yet, as causalml interpolates."""
    curve = np.concatenate([[0.0], curve[1:]])
    known = np.isfinite(curve)
    at = np.arange(len(curve))
    return np.interp(at, at[known], curve[known])


def _mean_height(curve: np.ndarray, *, normalize: bool) -> float:
    return float(curve.mean() / (abs(curve[-1]) if normalize else 1.0))


def _above_diagonal(rows: np.ndarray, curve: np.ndarray) -> float:
    return float(np.trapezoid(curve, rows) - rows[-1] * curve[-1] / 2)


def _top_mean(y: np.ndarray, score: np.ndarray, share: float) -> float:
    ranks, rows = Ranks.of(score, np.ones(len(y))), int(len(y) * share)
    if rows == 0:
        raise DataError(f"the top {share:.0%} of {len(y)} rows of an arm is none; ask for a larger share")
    whole, part = ranks.top(rows / len(y))
    return float((y[ranks.code < whole].sum() + part * y[ranks.code == whole].sum()) / rows)


def _ratio(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), empty), where=below > 0)


def _binary(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y, dtype=np.float64)
    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError("scikit-uplift's areas are of binary outcomes; use uplift.qini for money")
    return y
