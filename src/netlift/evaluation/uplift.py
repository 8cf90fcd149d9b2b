"""How well predicted uplift ranks and measures customers, for any outcome, with exact ties and closed-form intervals.

Every function takes `effects`: one doubly robust effect score per row, Γ_ia - Γ_i0 of `off_policy.dr_scores`, whose
mean among any customers estimates the mean effect among them. Ranking figures are in the unit of the effect and nothing
is normalised: divided by a total effect near zero, a Qini explodes.

With u_i the share of rows ranked above i, ties at their middle:

    qini         mean of Γ_i · (1/2 - u_i)           0 for a constant and, on average, for a random score
    uplift at k  mean of Γ_i among the top share k   tied rows enter by equal parts
    slope        of Γ_i on the predicted uplift      1 where differences between customers are of the right size

The influence of row i on the Qini is Γ_i (1/2 - u_i) - (1/n) (sum of Γ_j ranked below i + half of those tied with i):
the second part is what moving i does to the ranks of the others. Influences are summed within a customer; the
difference of two models has the difference of their influences, which is why it is known better than either.

References:
    Radcliffe (2007), Using Control Groups to Target on Predicted Lift: Building and Assessing Uplift Models.
    Yadlowsky, Fleming, Shah, Brunskill, Wager (2025), Evaluating Treatment Prioritization Rules via Rank-Weighted
    Average Treatment Effects, JASA: the Qini as such a rank-weighted average.
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the slope of the best linear predictor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from netlift.errors import DataError
from netlift.evaluation.off_policy import clustered_error
from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows with a known effect score.

    Attributes:
        effects: Doubly robust effect scores, shape (n,), in currency.
        customer: Code of the customer, shape (n,).
        unit: Unit of an effect, such as "RUB/customer".
        level: Confidence of the intervals.

    Raises:
        DataError: No rows, or an effect that is not finite.
    """

    effects: np.ndarray
    customer: np.ndarray
    unit: str
    level: float

    def __post_init__(self) -> None:
        n, lost = len(self.effects), int(np.sum(~np.isfinite(self.effects)))
        if n == 0 or lost:
            raise DataError(f"effects: {lost} of {n} rows are not finite; keep the rows whose campaign had the offer")

    def __len__(self) -> int:
        return len(self.effects)


@dataclass(frozen=True, kw_only=True)
class DecileRow:
    """One tenth of the customers, by predicted uplift.

    Attributes:
        decile: 1 for the highest predicted.
        rows: How many; ties stay together, so that tenths may differ in size.
        predicted: Mean predicted uplift.
        observed: Mean effect among them.
    """

    decile: int
    rows: int
    predicted: float
    observed: Estimate


def qini(scored: Scored, predicted: np.ndarray) -> Estimate:
    """Rank-weighted mean effect of a predicted uplift.

    Args:
        scored: Rows with their effects.
        predicted: Predicted uplift, shape (n,); only its order matters.

    Examples:
        >>> rows = Scored(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> qini(rows, np.array([9.0, 5.0, 1.0, 0.0])).point
        0.4375
        >>> qini(rows, np.zeros(4)).point
        0.0
    """
    point, influence = _qini_influence(scored.effects, _checked(scored, predicted))
    return _estimate(scored, point, influence, "Qini: mean of effect x (1/2 - rank share)")


def qini_difference(scored: Scored, predicted: np.ndarray, against: np.ndarray) -> Estimate:
    """Qini of one predicted uplift above another's, paired on the same rows."""
    ours, influence = _qini_influence(scored.effects, _checked(scored, predicted))
    theirs, other = _qini_influence(scored.effects, _checked(scored, against))
    return _estimate(scored, ours - theirs, influence - other, "difference of Qini, paired")


def uplift_at_k(scored: Scored, predicted: np.ndarray, share: float) -> Estimate:
    """Mean effect among the top share of rows; rows tied at the border enter by equal parts.

    Args:
        scored: Rows with their effects.
        predicted: Predicted uplift, shape (n,).
        share: Of the rows, in (0, 1]. The interval takes the ranking as given.

    Examples:
        >>> rows = Scored(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> uplift_at_k(rows, np.array([9.0, 5.0, 5.0, 0.0]), 0.5).point
        2.5
    """
    if not 0 < share <= 1:
        raise DataError(f"share {share} must be in (0, 1]")
    above, tied = _rank_shares(_checked(scored, predicted))
    part = np.clip((share - above) / tied, 0.0, 1.0) / share
    point = float(np.mean(part * scored.effects))
    return _estimate(scored, point, part * (scored.effects - point), f"mean effect among the top {share:.0%}")


def uplift_by_decile(scored: Scored, predicted: np.ndarray, *, bins: int = 10) -> Table[DecileRow]:
    """Predicted against observed uplift, by tenths of the predicted."""
    above, tied = _rank_shares(_checked(scored, predicted))
    bin_of = np.minimum(((above + tied / 2) * bins).astype(np.int64), bins - 1)
    rows = []
    for j in np.unique(bin_of):
        inside = bin_of == j
        share = inside.mean()
        observed = float(scored.effects[inside].mean())
        estimate = _estimate(scored, observed, inside * (scored.effects - observed) / share, "DR")
        predicted_mean = float(np.mean(predicted[inside]))
        rows.append(DecileRow(decile=int(j) + 1, rows=int(inside.sum()), predicted=predicted_mean, observed=estimate))
    return Table(name="uplift by decile", rows=tuple(rows))


def calibration_slope(scored: Scored, predicted: np.ndarray) -> Estimate | None:
    """Slope of the effect on the predicted uplift: 1 is calibrated, 0 says that the differences are noise.

    Returns:
        The slope with its interval, robust to unequal variance and clustered; None for one predicted number for all.

    Examples:
        >>> rows = Scored(effects=np.array([4.0, 2.0, 0.0]), customer=np.arange(3), unit="EUR", level=0.95)
        >>> calibration_slope(rows, np.array([2.0, 1.0, 0.0])).point
        2.0
    """
    centred = _checked(scored, predicted) - np.mean(predicted)
    spread = float(np.mean(centred**2))
    if np.ptp(predicted) == 0 or spread == 0:
        return None
    point = float(np.mean(centred * scored.effects)) / spread
    residual = scored.effects - scored.effects.mean() - point * centred
    return _estimate(scored, point, centred * residual / spread, "slope of the effect on the predicted", unit="")


def _qini_influence(effects: np.ndarray, predicted: np.ndarray) -> tuple[float, np.ndarray]:
    """The Qini and the centred influence of each row, shape (n,)."""
    n = len(effects)
    values, code = np.unique(predicted, return_inverse=True)
    count = np.bincount(code, minlength=len(values))
    above = (n - np.cumsum(count) + count / 2) / n
    total = np.bincount(code, weights=effects, minlength=len(values))
    weighted = effects * (0.5 - above[code])
    below = ((np.cumsum(total) - total / 2) / n)[code]
    influence = weighted - below
    return float(weighted.mean()), influence - influence.mean()


def _rank_shares(predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of rows strictly above each row, and share tied with it (itself among them), shape (n,) each."""
    n = len(predicted)
    values, code = np.unique(predicted, return_inverse=True)
    count = np.bincount(code, minlength=len(values))
    return ((n - np.cumsum(count)) / n)[code], (count / n)[code]


def _checked(scored: Scored, predicted: np.ndarray) -> np.ndarray:
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.shape != scored.effects.shape or not np.isfinite(predicted).all():
        lost = int(np.sum(~np.isfinite(predicted)))
        raise DataError(
            f"predicted uplift: shape {predicted.shape} with {lost} values that are not finite, "
            f"need {scored.effects.shape} finite ones"
        )
    return predicted


def _estimate(scored: Scored, point: float, influence: np.ndarray, method: str, *, unit: str | None = None) -> Estimate:
    half = float(ndtri(0.5 + scored.level / 2)) * clustered_error(influence, scored.customer)
    return Estimate(
        point=point,
        ci_lower=point - half,
        ci_upper=point + half,
        level=scored.level,
        unit=scored.unit if unit is None else unit,
        method=f"{method}, clustered by customer",
    )
