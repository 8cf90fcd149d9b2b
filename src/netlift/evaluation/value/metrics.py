"""Metrics of predicted money: ranking, total and level by decile, with intervals.

Normalized Gini is the concentration of money along the prediction over that along the money itself: 1 for a perfect
order, 0 for a random one. With negative margins the perfect curve climbs above 1 before it falls back, so what the top
tenth and fifth hold stands beside it, next to what a perfect order would hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.churn.calibration_error import folded_interval
from netlift.evaluation.churn.gains import Ranking, band_total, concentration, rank_correlation, tenth_means
from netlift.evaluation.influence import Clusters, Figure, Metric, mean_of, tabulate_metrics
from netlift.results import Estimate, Table

LEAST_OF_MEAN = 0.01


@dataclass(frozen=True, kw_only=True)
class ValueTenth:
    """One tenth of the customers, by predicted money; tied rows at a border belong to both sides by parts.

    Attributes:
        tenth: 1 for the highest predicted.
        predicted: Mean predicted money.
        observed: Mean observed money.
        share: Share of all observed money.
    """

    tenth: int
    predicted: float
    observed: Estimate
    share: Estimate


def evaluate_values(y: np.ndarray, predicted: np.ndarray, *, customer: np.ndarray, level: float) -> Table[Metric]:
    """Figures of predicted money on held-out rows.

    Order: `normalized_gini`, `capture_top_10` and `capture_top_20` (share of the money, each beside `..._perfect`),
    `spearman`. Level: `total_bias` (predicted over observed total, less 1), `tenths_off` (sum over tenths of the
    distance of predicted and observed totals, over the observed total), `tenths_mape` (mean relative distance; NaN
    where a tenth brought nothing). `mae_over_mean` is for comparison with others' figures: where most bring nothing, a
    prediction of zero does well by it.

    Args:
        y: Observed money, shape (n,).
        predicted: Predicted money, shape (n,).
        customer: Code of the customer, shape (n,): intervals are clustered by it.
        level: Confidence of the intervals.

    Raises:
        DataError: Values that are not finite, or a total that is not above zero.
    """
    y, predicted = _checked(y, predicted)
    clusters = Clusters.of(customer)
    order = Ranking.of(predicted)

    def estimate(figure: Figure, unit: str, method: str) -> Estimate:
        return figure.estimate(clusters, level=level, unit=unit, method=f"{method}, clustered by customer")

    figures = {"normalized_gini": estimate(_gini(y, order), "", "concentration over that of a perfect order")}
    perfect = Ranking.of(y)
    for percent in (10, 20):
        for suffix, ranking in (("", order), ("_perfect", perfect)):
            capture = band_total(y, ranking, 0.0, percent / 100) / mean_of(y)
            figures[f"capture_top_{percent}{suffix}"] = estimate(capture, "share", f"money of the top {percent} %")
    bias = (mean_of(predicted) / mean_of(y)).shift(-1.0)
    off, mape = _level_by_tenth(y, predicted, order, clusters, level=level)
    figures |= {
        "spearman": estimate(rank_correlation(order, perfect), "", "rank correlation, ties at their middle"),
        "total_bias": estimate(bias, "share", "predicted total over observed, less 1"),
        "tenths_off": off,
        "tenths_mape": mape,
        "mae_over_mean": estimate(mean_of(np.abs(y - predicted)) / mean_of(y), "", "ratio of means"),
    }
    return tabulate_metrics("value on held-out customers", figures)


def compare_values(
    y: np.ndarray, predicted: np.ndarray, against: np.ndarray, *, customer: np.ndarray, level: float
) -> Table[Metric]:
    """Differences of two predictions of money on the same rows, this less the other, paired.

    Args:
        y: Observed money, shape (n,).
        predicted: This prediction, shape (n,).
        against: The other, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the intervals.

    Raises:
        DataError: As `evaluate_values`.
    """
    y, predicted = _checked(y, predicted)
    y, against = _checked(y, against)
    clusters, mean = Clusters.of(customer), mean_of(y)
    ours, theirs = Ranking.of(predicted), Ranking.of(against)
    differences = {
        "normalized_gini": _gini(y, ours) - _gini(y, theirs),
        "capture_top_10": (band_total(y, ours, 0.0, 0.1) - band_total(y, theirs, 0.0, 0.1)) / mean,
        "capture_top_20": (band_total(y, ours, 0.0, 0.2) - band_total(y, theirs, 0.0, 0.2)) / mean,
        "spearman": rank_correlation(ours, Ranking.of(y)) - rank_correlation(theirs, Ranking.of(y)),
        "absolute_total_bias": abs((mean_of(predicted) / mean).shift(-1.0))
        - abs((mean_of(against) / mean).shift(-1.0)),
        "mae_over_mean": mean_of(np.abs(y - predicted) - np.abs(y - against)) / mean,
    }
    method = "paired difference, clustered by customer"
    return tabulate_metrics(
        "paired differences of values",
        {name: figure.estimate(clusters, level=level, unit="", method=method) for name, figure in differences.items()},
    )


def money_deviance(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean Tweedie deviance of power 1.5: lower is better, and lowest in expectation for the true mean.

    It judges order and level at once, as a choice among candidates must. A customer who cost money counts as zero, and
    a prediction below a hundredth of the mean as that hundredth: at zero a single purchase would be infinitely wrong.

    Args:
        y: Observed money, shape (n,).
        predicted: Predicted money, shape (n,).

    Raises:
        DataError: As `evaluate_values`.

    References:
        Gneiting (2011), Making and Evaluating Point Forecasts, JASA 106; Jorgensen (1997), The Theory of Dispersion
        Models, section 4.2.

    Examples:
        >>> money_deviance(np.array([0.0, 4.0]), np.array([1.0, 4.0]))
        2.0
    """
    y, predicted = _checked(y, predicted)
    came, said = np.maximum(y, 0.0), np.maximum(predicted, LEAST_OF_MEAN * float(y.mean()))
    return float(np.mean(4 * (np.sqrt(came) - np.sqrt(said)) ** 2 / np.sqrt(said)))


def interval_coverage(
    y: np.ndarray, lower: np.ndarray, upper: np.ndarray, *, customer: np.ndarray, level: float
) -> Estimate:
    """Share of customers whose money lay inside their prediction intervals.

    Args:
        y: Observed money, shape (n,).
        lower: Lower ends, shape (n,).
        upper: Upper ends, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the share's own interval.
    """
    inside = ((y >= lower) & (y <= upper)).astype(np.float64)
    return mean_of(inside).estimate(
        Clusters.of(customer), level=level, unit="share", method="mean, clustered by customer", between_0_and_1=True
    )


def normalized_gini(y: np.ndarray, predicted: np.ndarray) -> float:
    """Concentration of money along the prediction over that along the money itself.

    Args:
        y: Observed money, shape (n,).
        predicted: Predicted money, shape (n,).

    Examples:
        >>> normalized_gini(np.array([0.0, 0.0, 10.0, 30.0]), np.array([1.0, 2.0, 4.0, 3.0]))
        0.6
    """
    return _gini(np.asarray(y, dtype=np.float64), Ranking.of(predicted)).point


def tabulate_value_tenths(
    y: np.ndarray, predicted: np.ndarray, *, customer: np.ndarray, level: float, unit: str
) -> Table[ValueTenth]:
    """Predicted and observed money by tenth of the predicted, highest first.

    Args:
        y: Observed money, shape (n,).
        predicted: Predicted money, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the intervals.
        unit: Unit of the money, such as "RUB/customer".

    Raises:
        DataError: As `evaluate_values`.
    """
    y, predicted = _checked(y, predicted)
    clusters, order = Clusters.of(customer), Ranking.of(predicted)
    method = "mean, clustered by customer"
    rows = []
    for k, (mean, promised) in enumerate(zip(tenth_means(y, order), tenth_means(predicted, order), strict=True)):
        share = band_total(y, order, k / 10, (k + 1) / 10) / mean_of(y)
        rows.append(
            ValueTenth(
                tenth=k + 1,
                predicted=promised.point,
                observed=mean.estimate(clusters, level=level, unit=unit, method=method),
                share=share.estimate(clusters, level=level, unit="share", method=method),
            )
        )
    return Table(name="tenths of predicted value", rows=tuple(rows))


def _gini(y: np.ndarray, order: Ranking) -> Figure:
    return concentration(y, order) / concentration(y, Ranking.of(y))


def _level_by_tenth(
    y: np.ndarray, predicted: np.ndarray, order: Ranking, clusters: Clusters, *, level: float
) -> tuple[Estimate, Estimate]:
    """Distance of predicted and observed totals over the tenths, and mean relative distance."""
    observed, promised, mean = tenth_means(y, order), tenth_means(predicted, order), mean_of(y)
    gaps = [gap / mean for gap in tenth_means(predicted - y, order)]
    ratios = [(p / o).shift(-1.0) for p, o in zip(promised, observed, strict=True)]
    each = 0.1 if min(figure.point for figure in observed) > 0 else np.nan
    off = _mean_distance(gaps, np.full(10, 0.1), clusters, level=level, method="over the mean of all")
    return off, _mean_distance(ratios, np.full(10, each), clusters, level=level, method="over the mean of the tenth")


def _mean_distance(
    figures: list[Figure], weight: np.ndarray, clusters: Clusters, *, level: float, method: str
) -> Estimate:
    deviation = np.array([figure.point for figure in figures])
    covariance = clusters.covariance([figure.influence for figure in figures])
    lower, upper = folded_interval(deviation, covariance, weight, level=level)
    return Estimate(
        point=float(np.sum(weight * np.abs(deviation))),
        ci_lower=lower,
        ci_upper=upper,
        level=level,
        unit="share",
        method=f"mean distance of tenths {method}; interval by inversion of folded normals",
    )


def _checked(y: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, predicted = np.asarray(y, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    lost = int(np.count_nonzero(~np.isfinite(y))), int(np.count_nonzero(~np.isfinite(predicted)))
    if y.shape != predicted.shape or any(lost):
        raise DataError(
            f"judging a value: observed of shape {y.shape} with {lost[0]:,} not finite, predicted of shape "
            f"{predicted.shape} with {lost[1]:,}; equal shapes and finite numbers are needed"
        )
    if not y.sum() > 0:
        raise DataError(f"judging a value: the {len(y):,} rows brought no margin in all, so shares of it mean nothing")
    return y, predicted
