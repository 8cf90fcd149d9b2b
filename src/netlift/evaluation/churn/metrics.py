"""Probability metrics: ranking, sharpness and calibration of P(lost), with intervals.

References:
    Davis, Goadrich (2006), The Relationship between Precision-Recall and ROC Curves, ICML.
    Van Calster, McLernon, van Smeden, Wynants, Steyerberg (2019), Calibration: the Achilles Heel of Predictive
    Analytics, BMC Medicine 17:230: slope, and intercept with the slope held at 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri, xlogy

from netlift.errors import DataError
from netlift.evaluation.churn.calibration_error import by_chance, folded_interval
from netlift.evaluation.churn.gains import Ranking, tenth_means
from netlift.evaluation.influence import (
    Clusters,
    Figure,
    Metric,
    interval_half,
    make_estimate,
    mean_of,
    tabulate_metrics,
)
from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class Placements:
    """Where each row stands among the other class.

    Attributes:
        y: Class of the row, 1 or 0, shape (n,).
        value: Share of the other class on its right side, shape (n,).
    """

    y: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, score: np.ndarray) -> Placements:
        """Place rows by a score.

        Raises:
            DataError: One class only.
        """
        positives = float(np.sum(y))
        negatives = len(y) - positives
        if positives == 0 or negatives == 0:
            raise DataError(f"ROC-AUC needs both classes: {positives:,.0f} of {len(y):,} rows are positive")
        _, code = np.unique(score, return_inverse=True)
        hits = np.bincount(code, weights=y)
        misses = np.bincount(code, weights=1 - y)
        misses_below = (np.cumsum(misses) - misses / 2) / negatives
        hits_above = (positives - np.cumsum(hits) + hits / 2) / positives
        return cls(y=y, value=np.where(y == 1, misses_below[code], hits_above[code]))

    def __sub__(self, other: Placements) -> Placements:
        return Placements(y=self.y, value=self.value - other.value)

    @property
    def area(self) -> float:
        """The AUC, or the difference of two."""
        return float(np.mean(self.value[self.y == 1]))

    def error(self, clusters: Clusters) -> float:
        """Standard error of the area."""
        area, y = self.area, self.y
        hits, misses = float(np.sum(y)), float(np.sum(1 - y))
        hit = clusters.sum(y * (self.value - area))
        miss = clusters.sum((1 - y) * (self.value - area))
        with_hits, with_misses = (int(np.count_nonzero(clusters.sum(part))) for part in (y, 1 - y))
        if min(with_hits, with_misses) < 2:
            return float("nan")
        variance = (
            with_hits / (with_hits - 1) * np.sum(hit**2) / hits**2
            + with_misses / (with_misses - 1) * np.sum(miss**2) / misses**2
            + 2 * clusters.count / (clusters.count - 1) * np.sum(hit * miss) / (hits * misses)
        )
        return float(np.sqrt(max(variance, 0.0)))


def roc_auc(y: np.ndarray, score: np.ndarray, *, customer: np.ndarray, level: float) -> Estimate:
    """Chance that a positive row scores above a negative one.

    Args:
        y: 1 or 0, shape (n,).
        score: Any score, shape (n,); only its order matters.
        customer: Code of the customer, shape (n,).
        level: Confidence of the interval.

    Raises:
        DataError: One class only.

    Examples:
        >>> y, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
        >>> roc_auc(y, score, customer=np.arange(4), level=0.95).point
        0.75
    """
    placements = Placements.of(y, score)
    half = interval_half(placements.error(Clusters.of(customer)), level)
    method = "Mann-Whitney, interval by DeLong on the logit scale, clustered by customer"
    return make_estimate(placements.area, half, level=level, unit="", method=method, between_0_and_1=True)


def roc_auc_difference(
    y: np.ndarray, score: np.ndarray, against: np.ndarray, *, customer: np.ndarray, level: float
) -> Estimate:
    """AUC of one score less that of another on the same rows.

    Args:
        y: 1 or 0, shape (n,).
        score: This score, shape (n,).
        against: The other, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the interval.

    Raises:
        DataError: One class only.
    """
    placements = Placements.of(y, score) - Placements.of(y, against)
    half = interval_half(placements.error(Clusters.of(customer)), level)
    method = "difference of Mann-Whitney, paired, DeLong, clustered by customer"
    return make_estimate(placements.area, half, level=level, unit="", method=method)


INSIDE = 1e-15


@dataclass(frozen=True, kw_only=True)
class ProbabilityTenth:
    """One tenth of the customers, by predicted probability; tied rows at a border belong to both sides by parts.

    Attributes:
        tenth: 1 for the highest predicted.
        predicted: Mean predicted probability.
        observed: Share that came true.
        lift: That share over the share among all.
    """

    tenth: int
    predicted: float
    observed: Estimate
    lift: Estimate


def evaluate_probabilities(y: np.ndarray, p: np.ndarray, *, customer: np.ndarray, level: float) -> Table[Metric]:
    """Figures of a predicted probability on held-out rows.

    `roc_auc`, `pr_auc` (average precision), `lift_top_tenth` judge the order; `brier`, `log_loss` everything;
    `calibration_error` (mean distance of predicted and observed over tenths), `calibration_error_by_chance` (what an
    honest probability would show on so many rows), `calibration_slope` (1 is right), `calibration_intercept` (0 is
    right) and `bias` (mean predicted less share observed) the honesty.

    Args:
        y: 1 or 0, shape (n,).
        p: Predicted probability, shape (n,), in [0, 1].
        customer: Code of the customer, shape (n,): intervals are clustered by it.
        level: Confidence of the intervals.

    Raises:
        DataError: A label other than 0 and 1, one class only, or a prediction that is no probability.
    """
    y, p = _checked(y, p)
    clusters, ranking = Clusters.of(customer), Ranking.of(p)

    def estimate(figure: Figure, unit: str, method: str, *, between_0_and_1: bool = False) -> Estimate:
        method = f"{method}, clustered by customer"
        return figure.estimate(clusters, level=level, unit=unit, method=method, between_0_and_1=between_0_and_1)

    slope, intercept = calibration_line(y, p)
    lift = tenth_means(y, ranking)[0] / mean_of(y)
    error, chance = calibration_error(y, p, ranking, clusters, level=level)
    figures = {
        "roc_auc": roc_auc(y, p, customer=customer, level=level),
        "pr_auc": estimate(average_precision(y, ranking), "", "average precision", between_0_and_1=True),
        "lift_top_tenth": estimate(lift, "times", "share lost in the top tenth over the share lost"),
        "brier": estimate(mean_of((y - p) ** 2), "", "mean squared error"),
        "log_loss": estimate(mean_of(_log_loss(y, p)), "nats", "mean"),
        "calibration_error": error,
        "calibration_error_by_chance": chance,
        "calibration_slope": estimate(slope, "", "logistic regression on the logit, sandwich"),
        "calibration_intercept": estimate(intercept, "", "logistic regression with the logit as offset, sandwich"),
        "bias": estimate(mean_of(p - y), "share", "mean predicted less share observed"),
    }
    return tabulate_metrics("probability on held-out customers", figures)


def compare_probabilities(
    y: np.ndarray, p: np.ndarray, against: np.ndarray, *, customer: np.ndarray, level: float
) -> Table[Metric]:
    """Differences of two probabilities on the same rows, this less the other, paired.

    Args:
        y: 1 or 0, shape (n,).
        p: This probability, shape (n,).
        against: The other, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the intervals.

    Raises:
        DataError: As `evaluate_probabilities`.
    """
    y, p = _checked(y, p)
    y, against = _checked(y, against)
    clusters = Clusters.of(customer)
    differences = {
        "pr_auc": average_precision(y, Ranking.of(p)) - average_precision(y, Ranking.of(against)),
        "brier": mean_of((y - p) ** 2 - (y - against) ** 2),
        "log_loss": mean_of(_log_loss(y, p)) - mean_of(_log_loss(y, against)),
    }
    method = "paired difference, clustered by customer"
    estimates = {
        name: figure.estimate(clusters, level=level, unit="", method=method) for name, figure in differences.items()
    }
    auc = roc_auc_difference(y, p, against, customer=customer, level=level)
    return tabulate_metrics("paired differences of probabilities", {"roc_auc": auc} | estimates)


def tabulate_tenths(y: np.ndarray, p: np.ndarray, *, customer: np.ndarray, level: float) -> Table[ProbabilityTenth]:
    """Predicted and observed by tenth of the predicted probability, highest first: calibration and lift in one.

    Args:
        y: 1 or 0, shape (n,).
        p: Predicted probability, shape (n,).
        customer: Code of the customer, shape (n,).
        level: Confidence of the intervals.

    Raises:
        DataError: As `evaluate_probabilities`.

    References:
        Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, JASA 22: the interval of a
        share.
    """
    y, p = _checked(y, p)
    clusters, ranking = Clusters.of(customer), Ranking.of(p)
    rows = []
    for k, (observed, predicted) in enumerate(zip(tenth_means(y, ranking), tenth_means(p, ranking), strict=True)):
        lift = (observed / mean_of(y)).estimate(clusters, level=level, unit="times", method="ratio, clustered")
        share = _wilson(observed, clusters, level=level)
        rows.append(ProbabilityTenth(tenth=k + 1, predicted=predicted.point, observed=share, lift=lift))
    return Table(name="tenths of predicted probability", rows=tuple(rows))


def average_precision(y: np.ndarray, ranking: Ranking) -> Figure:
    """Mean precision at the positives, going down the ranking: the area under the precision-recall steps.

    Args:
        y: 1 or 0, shape (n,).
        ranking: The order.
    """
    n = len(y)
    hits = np.bincount(ranking.code, weights=y, minlength=len(ranking.count))
    found, listed = np.cumsum(hits[::-1])[::-1] / n, np.cumsum(ranking.count[::-1])[::-1] / n
    precision = found / listed
    gain = np.cumsum(hits / n / listed)[ranking.code]
    cost = np.cumsum(hits / n * found / listed**2)[ranking.code]
    influence = y * (precision[ranking.code] + gain) - cost
    total = Figure(point=float(np.mean(y * precision[ranking.code])), influence=influence - influence.mean())
    return total / mean_of(y)


def calibration_line(y: np.ndarray, p: np.ndarray) -> tuple[Figure, Figure]:
    """Slope of the outcome on the predicted logit, and the intercept that is left when the slope is held at 1.

    Args:
        y: 1 or 0, shape (n,).
        p: Predicted probability, shape (n,); 0 and 1 count as 1e-15 from the end.
    """
    predicted = logit(np.clip(p, INSIDE, 1 - INSIDE))
    joint = np.column_stack([np.ones(len(y)), predicted])
    slope = _fit_logit(y, joint, offset=np.zeros(len(y)))[1]
    intercept = _fit_logit(y, np.ones((len(y), 1)), offset=predicted)[0]
    return slope, intercept


def calibration_error(
    y: np.ndarray, p: np.ndarray, ranking: Ranking, clusters: Clusters, *, level: float
) -> tuple[Estimate, Estimate]:
    """Mean distance of predicted probability and observed share over tenths, and what chance alone would show.

    Args:
        y: 1 or 0, shape (n,).
        p: Predicted probability, shape (n,).
        ranking: Of p.
        clusters: Customers of the rows.
        level: Confidence of the interval.
    """
    distance = tenth_means(p - y, ranking)
    deviation = np.array([figure.point for figure in distance])
    covariance = clusters.covariance([figure.influence for figure in distance])
    share = np.full(len(distance), 1 / len(distance))
    lower, upper = folded_interval(deviation, covariance, share, level=level)
    found = Estimate(
        point=float(np.sum(share * np.abs(deviation))),
        ci_lower=lower,
        ci_upper=upper,
        level=level,
        unit="share",
        method="expected calibration error over tenths; interval by inversion of folded normals",
    )
    chance = by_chance(covariance, share)
    method = "what an honest probability would show on so many rows"
    return found, Estimate(point=chance, ci_lower=chance, ci_upper=chance, level=level, unit="share", method=method)


def _fit_logit(y: np.ndarray, Z: np.ndarray, *, offset: np.ndarray) -> tuple[Figure, ...]:
    """Coefficients of a logistic regression by Newton steps, with their influence; NaN where there is no maximum."""
    unknown = tuple(Figure(point=float("nan"), influence=np.full(len(y), np.nan)) for _ in range(Z.shape[1]))
    if np.linalg.matrix_rank(Z) < Z.shape[1]:
        return unknown
    coef = np.zeros(Z.shape[1])
    for _ in range(50):
        mean = expit(Z @ coef + offset)
        hessian = (Z * (mean * (1 - mean))[:, None]).T @ Z / len(y)
        try:
            step = np.linalg.solve(hessian, Z.T @ (y - mean) / len(y))
        except np.linalg.LinAlgError:
            return unknown
        coef = coef + np.clip(step, -2.0, 2.0)
        if np.max(np.abs(step)) < 1e-10:
            break
    scores = Z * (y - expit(Z @ coef + offset))[:, None]
    influence = np.linalg.solve(hessian, scores.T)
    return tuple(Figure(point=float(c), influence=i) for c, i in zip(coef, influence, strict=True))


def _wilson(share: Figure, clusters: Clusters, *, level: float) -> Estimate:
    """The share with Wilson's interval, of as many independent trials as its standard error speaks for."""
    p, error = min(max(share.point, 0.0), 1.0), clusters.error(share.influence)
    spread = p * (1 - p)
    trials = spread / error**2 if spread > 0 and error > 0 else clusters.count / 10
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (spread / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return Estimate(
        point=p,
        ci_lower=float(centre - half),
        ci_upper=float(centre + half),
        level=level,
        unit="share",
        method="Wilson, clustered by customer",
    )


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean log loss in nats: a proper score, lower is better.

    Raises:
        DataError: As `evaluate_probabilities`.
    """
    y, p = _checked(y, p)
    return float(_log_loss(y, p).mean())


def _log_loss(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(xlogy(y, p) + xlogy(1 - y, 1 - p))


def _checked(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    strange = int(np.count_nonzero((y != 0) & (y != 1)))
    outside = int(np.count_nonzero(~((p >= 0) & (p <= 1))))
    if y.shape != p.shape or strange or outside:
        raise DataError(
            f"judging a probability: labels of shape {y.shape}, {strange:,} of them neither 0 nor 1; predictions of "
            f"shape {p.shape}, {outside:,} of them outside [0, 1]. Equal shapes and neither are needed"
        )
    return y, p
