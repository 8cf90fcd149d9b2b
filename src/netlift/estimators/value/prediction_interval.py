"""Prediction interval of one customer's money, and a standard deviation for totals.

Money is mostly zero, sometimes negative and long-tailed, so no formula gives its interval. It is read off instead:
among training rows with about the same prediction, all predicted by fits that did not see the customer, from one
quantile to the other of what really came, as much left out above as below. That covers by construction wherever the
days to come are like the days learnt from, whatever the model got wrong. Where more than the lower share bring nothing,
the lower end is zero and nobody falls below it. (The shortest stretch that holds the level would begin at zero for
nearly everybody, and leave all that it leaves out above: 5 % where 2.5 are meant.)

References:
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), Distribution-Free Predictive Inference for Regression, JASA 113.
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, section 4.5 (cells of their own).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.estimators.expression import Expression, interpolate

LEVEL = 0.95
GROUPS = 40
ROWS_PER_GROUP = 300
FAR = 1e3


@dataclass(frozen=True, kw_only=True)
class PredictionSpread:
    """Interval and standard deviation by prediction, straight between knots.

    Attributes:
        x: Predictions, rising.
        lower: Lower end of the interval at each.
        upper: Upper end.
        sd: Root mean square of observed less predicted.
        level: Share of customers inside, half of the others above and at most half below.
    """

    x: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    sd: tuple[float, ...]
    level: float

    def outputs(self, name: str, unit: str, value: Expression) -> list[tuple[str, str, Expression]]:
        """The stored outputs `<name>_lower`, `<name>_upper` and `<name>_sd` of a predicted value."""
        knots = (("lower", self.lower), ("upper", self.upper), ("sd", self.sd))
        return [(f"{name}_{what}", unit, interpolate(self.x, y, value)) for what, y in knots]


def learn_spread(y: np.ndarray, predicted: np.ndarray, *, level: float = LEVEL) -> PredictionSpread:
    """Learn the spread from predictions that did not see their customers.

    Rows are grouped by prediction, the highest group split again and again so that the few who are worth most have
    intervals of their own. Beyond the highest group interval and deviation grow in proportion.

    Args:
        y: Observed money, shape (n,).
        predicted: Out-of-fold predictions, shape (n,).
        level: Share of rows that the interval holds.

    Raises:
        DataError: Fewer rows than an interval of that level needs.
    """
    from sklearn.isotonic import IsotonicRegression

    needed = int(np.ceil(2 / (1 - level) - 1 - 1e-9))
    if len(y) < needed:
        raise DataError(f"{len(y)} rows cannot teach an interval that holds {level:.0%}: {needed} are needed")
    groups = _groups(predicted)
    centre = np.array([predicted[g].mean() for g in groups])
    ends = np.array([_quantiles(np.sort(y[g]), (1 - level) / 2) for g in groups])
    sd = np.array([np.sqrt(np.mean((y[g] - predicted[g]) ** 2)) for g in groups])
    x, at = np.unique(centre, return_index=True)
    size = np.array([len(g) for g in groups], dtype=np.float64)[at]
    upper = IsotonicRegression().fit_transform(x, ends[at, 1], sample_weight=size)
    lower, sd = np.minimum(ends[at, 0], upper), sd[at]
    if x[-1] > 0:
        far = FAR * float(max(x[-1], predicted.max()))
        grow = far / x[-1]
        x = np.append(x, far)
        lower, upper, sd = (np.append(knots, knots[-1] * grow) for knots in (lower, upper, sd))
    return PredictionSpread(
        x=tuple(x.tolist()),
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        sd=tuple(sd.tolist()),
        level=level,
    )


def _groups(predicted: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(predicted, kind="stable")
    groups = np.array_split(order, max(1, min(GROUPS, len(order) // ROWS_PER_GROUP)))
    while len(groups[-1]) >= 2 * ROWS_PER_GROUP:
        middle = len(groups[-1]) // 2
        groups[-1:] = [groups[-1][:middle], groups[-1][middle:]]
    return groups


def _quantiles(ordered: np.ndarray, tail: float) -> tuple[float, float]:
    """The ends that leave a tail outside on either side of a sample, one more counted for the customer to come."""
    outside = max(int(tail * (len(ordered) + 1) + 1e-9), 1)
    return float(ordered[outside - 1]), float(ordered[-outside])
