"""Ranking and calibration metrics of predicted uplift, with exact ties and closed-form intervals.

Every function takes `effects`: one doubly robust effect score per row, Γ_ia - Γ_i0 of `off_policy.dr_scores`, whose
mean among any customers estimates the mean effect among them. Outcomes may be visits, spend or profit; propensities are
in the scores; with several arms, `contrast` takes any arm against any other, or a policy's arm against control. Figures
are in the unit of the effect and nothing is normalised: divided by a total effect near zero, a Qini explodes. Numbers
of other libraries are in `uplift_conventions`.

With u_i the share of weight ranked above i, ties at their middle:

    qini         mean of Γ_i · (1/2 - u_i)           0 for a constant and, on average, for a random score
    auuc         mean of Γ_i · (1 - u_i)             the Qini and half of the mean effect: what an average budget gains
    uplift at k  mean of Γ_i among the top share k   tied rows enter by equal parts
    slope        of Γ_i on the predicted uplift      1 where differences between customers are of the right size
    intercept    of the same line                    0 where the level is right as well

Influences are those of `rank_weighting`, summed within a customer; the difference of two models has the difference of
their influences, which is why it is known better than either.

References:
    Radcliffe (2007), Using Control Groups to Target on Predicted Lift: Building and Assessing Uplift Models.
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the best linear predictor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Clusters, Figure, interval_half, make_estimate
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.rank_weighting import AUUC, QINI, RankedEffects, Ranks, relative_weights
from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """Rows with a known effect score.

    Attributes:
        effects: Doubly robust effect scores, shape (n,), in currency.
        customer: Code of the customer, shape (n,).
        unit: Unit of an effect, such as "RUB/customer".
        level: Confidence of the intervals.
        weight: Weight of each row, above 0, shape (n,); None for equal ones.

    Raises:
        DataError: No rows, an effect that is not finite, or a weight that is none.
    """

    effects: np.ndarray
    customer: np.ndarray
    unit: str
    level: float
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        n, lost = len(self.effects), int(np.sum(~np.isfinite(self.effects)))
        if n == 0 or lost:
            raise DataError(f"effects: {lost} of {n} rows are not finite; keep the rows whose campaign had the offer")
        relative_weights(self.weight, n)

    def __len__(self) -> int:
        return len(self.effects)

    @cached_property
    def clusters(self) -> Clusters:
        """Whose row each row is."""
        return Clusters.of(self.customer)

    @cached_property
    def relative_weight(self) -> np.ndarray:
        """Weights of mean 1, shape (n,)."""
        return relative_weights(self.weight, len(self))

    def rank(self, predicted: np.ndarray) -> RankedEffects:
        """The effects in the order of a predicted uplift, shape (n,), highest first.

        Raises:
            DataError: A prediction that is not finite, or not one for each row.
        """
        predicted = np.asarray(predicted, dtype=np.float64)
        if predicted.shape != self.effects.shape or not np.isfinite(predicted).all():
            lost = int(np.sum(~np.isfinite(predicted)))
            raise DataError(
                f"predicted uplift: shape {predicted.shape} with {lost} values that are not finite, "
                f"need {self.effects.shape} finite ones"
            )
        ranks = Ranks.of(predicted, self.relative_weight)
        return RankedEffects(effects=self.effects, predicted=predicted, ranks=ranks)

    def estimate(self, figure: Figure, method: str, *, unit: str | None = None) -> Estimate:
        """A figure with its interval, clustered by customer."""
        return figure.estimate(
            self.clusters,
            level=self.level,
            unit=self.unit if unit is None else unit,
            method=f"{method}, clustered by customer",
        )


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


@dataclass(frozen=True, kw_only=True)
class CalibrationTable:
    """The line of the effect on the predicted uplift.

    Attributes:
        slope: 1 is calibrated, below 1 the differences between customers are overstated, 0 says that they are noise.
        intercept: Effect where none is predicted; 0 is calibrated.
    """

    slope: Estimate
    intercept: Estimate


def contrast(
    logged: LoggedOutcomes, arm: int | np.ndarray, against: int | np.ndarray = 0
) -> tuple[ScoredModel, np.ndarray]:
    """Effects of one arm against another, on the rows whose campaign could draw both.

    Args:
        logged: Rows with doubly robust scores of every arm.
        arm: The same for all, or an arm per row, shape (n,), such as a policy's choice.
        against: The arm it is held against; 0 is control.

    Returns:
        The rows with their effects, and which rows of `logged` they are, bool, shape (n,).

    Examples:
        >>> logged = LoggedOutcomes(y=np.zeros(2), arm=np.array([0, 1]), propensity=np.full(2, 0.5),
        ...                         scores=np.array([[1.0, 4.0], [2.0, np.nan]]), customer=np.arange(2),
        ...                         unit="EUR/customer", level=0.95)
        >>> scored, usable = contrast(logged, 1)
        >>> scored.effects.tolist(), usable.tolist()
        ([3.0], [True, False])
    """
    at = np.arange(len(logged))
    effects = logged.scores[at, arm] - logged.scores[at, against]
    usable = np.isfinite(effects)
    scored = ScoredModel(
        effects=effects[usable],
        customer=logged.customer[usable],
        unit=logged.unit,
        level=logged.level,
        weight=None if logged.weight is None else logged.weight[usable],
    )
    return scored, usable


def qini(scored: ScoredModel, predicted: np.ndarray) -> Estimate:
    """Rank-weighted mean effect of a predicted uplift.

    Args:
        scored: Rows with their effects.
        predicted: Predicted uplift, shape (n,); only its order matters.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> qini(rows, np.array([9.0, 5.0, 1.0, 0.0])).point
        0.4375
        >>> qini(rows, np.zeros(4)).point
        0.0
    """
    return scored.estimate(scored.rank(predicted).weighted(QINI), QINI.method)


def qini_difference(scored: ScoredModel, predicted: np.ndarray, against: np.ndarray) -> Estimate:
    """Qini of one predicted uplift above another's, paired on the same rows."""
    figure = scored.rank(predicted).weighted(QINI) - scored.rank(against).weighted(QINI)
    return scored.estimate(figure, "difference of Qini, paired")


def auuc(scored: ScoredModel, predicted: np.ndarray) -> Estimate:
    """Gain per customer when the top share is contacted, averaged over all shares from none to all.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> auuc(rows, np.array([9.0, 5.0, 1.0, 0.0])).point
        1.1875
    """
    return scored.estimate(scored.rank(predicted).weighted(AUUC), AUUC.method)


def uplift_at_k(scored: ScoredModel, predicted: np.ndarray, share: float) -> Estimate:
    """Mean effect among the top share of rows; rows tied at the border enter by equal parts.

    Args:
        scored: Rows with their effects.
        predicted: Predicted uplift, shape (n,).
        share: Of the rows, in (0, 1]. The interval knows that the border of the top is an estimate too.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0, 0.0]), customer=np.arange(4), unit="EUR", level=0.95)
        >>> uplift_at_k(rows, np.array([9.0, 5.0, 5.0, 0.0]), 0.5).point
        2.5
    """
    return scored.estimate(scored.rank(predicted).top(share), f"mean effect among the top {share:.0%}")


def uplift_by_decile(scored: ScoredModel, predicted: np.ndarray, *, bins: int = 10) -> Table[DecileRow]:
    """Predicted against observed uplift, by tenths of the predicted; intervals take the tenths as given."""
    return tabulate_deciles(scored, scored.rank(predicted), bins=bins)


def tabulate_deciles(scored: ScoredModel, ranked: RankedEffects, *, bins: int = 10) -> Table[DecileRow]:
    """`uplift_by_decile` of rows that are ranked already."""
    ranks = ranked.ranks
    bin_of = np.minimum((ranks.middle * bins).astype(np.int16), bins - 1)[ranks.code]
    ends = np.cumsum(np.bincount(bin_of, minlength=bins))
    rows = []
    for j, inside in enumerate(np.split(np.argsort(bin_of, kind="stable"), ends[:-1])):
        if not len(inside):
            continue
        weight, effects = ranks.weight[inside], ranked.effects[inside]
        held = float(weight.sum())
        observed = float(weight @ effects) / held
        rows.append(
            DecileRow(
                decile=j + 1,
                rows=len(inside),
                predicted=float(weight @ ranked.predicted[inside]) / held,
                observed=make_estimate(
                    observed,
                    interval_half(_part_error(scored, inside, weight * (effects - observed)) / held, scored.level),
                    level=scored.level,
                    unit=scored.unit,
                    method="DR, clustered by customer",
                ),
            )
        )
    return Table(name="uplift by decile", rows=tuple(rows))


def calibration(scored: ScoredModel, predicted: np.ndarray) -> CalibrationTable | None:
    """Slope and intercept of the effect on the predicted uplift, robust to unequal variance and clustered.

    Returns:
        The line, or None for one predicted number for all.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 3.0, 1.0]), customer=np.arange(3), unit="EUR", level=0.95)
        >>> line = calibration(rows, np.array([2.0, 1.0, 0.0]))
        >>> round(line.slope.point, 4), round(line.intercept.point, 4)
        (1.5, 1.1667)
    """
    line = calibration_figures(scored.rank(predicted))
    if line is None:
        return None
    return CalibrationTable(
        slope=scored.estimate(line[0], "slope of the effect on the predicted", unit=""),
        intercept=scored.estimate(line[1], "effect where none is predicted"),
    )


def calibration_slope(scored: ScoredModel, predicted: np.ndarray) -> Estimate | None:
    """Slope of the effect on the predicted uplift: 1 is calibrated, 0 says that the differences are noise.

    Returns:
        The slope with its interval, robust to unequal variance and clustered; None for one predicted number for all.

    Examples:
        >>> rows = ScoredModel(effects=np.array([4.0, 2.0, 0.0]), customer=np.arange(3), unit="EUR", level=0.95)
        >>> calibration_slope(rows, np.array([2.0, 1.0, 0.0])).point
        2.0
    """
    line = calibration(scored, predicted)
    return None if line is None else line.slope


def calibration_figures(ranked: RankedEffects) -> tuple[Figure, Figure] | None:
    """Slope and intercept with their influences; None for one predicted number for all."""
    weight, predicted, effects = ranked.ranks.weight, ranked.predicted, ranked.effects
    level = float(np.average(predicted, weights=weight))
    centred = predicted - level
    pull = weight * centred
    spread = float(np.mean(pull * centred))
    if len(ranked.ranks.border) == 2 or spread == 0:
        return None
    slope = float(np.mean(pull * effects)) / spread
    mean = float(np.average(effects, weights=weight))
    residual = effects - mean - slope * centred
    tilt = pull * residual / spread
    intercept = Figure(point=mean - slope * level, influence=weight * residual - level * tilt)
    return Figure(point=slope, influence=tilt), intercept


def _part_error(scored: ScoredModel, inside: np.ndarray, deviation: np.ndarray) -> float:
    """Standard error of the sum of a part of the rows from their weighted deviations, shape (len(inside),)."""
    customers = scored.clusters.count
    if customers < 2:
        return float("nan")
    sums = deviation
    if not scored.clusters.is_one_row_each:
        sums = np.bincount(scored.clusters.code[inside], weights=deviation)
    return float(np.sqrt(sums @ sums * customers / (customers - 1)))
