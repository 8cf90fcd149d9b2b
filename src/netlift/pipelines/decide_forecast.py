"""What predictions have been worth on contacts that the model never saw, and so what today's may be worth.

A model's highest predictions are high by merit and by luck, so their mean overstates what they earn (the winner's
curse). The run of the champion's training keeps, for tenths of held-out randomized contacts by the predicted effect of
the offer that the model likes best, the mean prediction and the doubly robust mean effect. The line through them

    effect = a + b · predicted,    by least squares over the tenths, each weighted by its contacts

gives the held-out mean exactly where everybody is taken, and corrects the more the higher a prediction is, where b is
below 1. Its error is that of the tenths' means, and all customers share it: a total of n contacts with predictions that
add up to S has the variance n² var(a) + 2 n S cov(a, b) + S² var(b).

The line says nothing of the value beyond the outcome window or of costs that have changed since: these are taken over
from the config as they stand.

References:
    Smith, Winkler (2006), The Optimizer's Curse, Management Science 52(3).
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the best linear predictor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.pipelines.champions import Champion
from netlift.registry.models import describe
from netlift.registry.store import open_store
from netlift.results import Estimate

DECILES = "uplift_by_decile.json"
FEWEST_TENTHS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The line of the held-out effect on the prediction.

    Attributes:
        intercept: Effect where none is predicted, currency.
        slope: 1 where differences between customers are of the right size.
        covariance: Of intercept and slope, shape (2, 2); NaN where nothing is known.
        rows: Held-out contacts; 0 where there are none and the line is the identity.
        level: Confidence of intervals.
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    rows: int
    level: float

    def correct(self, predicted: np.ndarray) -> np.ndarray:
        """What predictions are expected to be worth, same shape."""
        return self.intercept + self.slope * predicted

    def half_width(self, predicted: np.ndarray) -> np.ndarray:
        """Half of the interval of the expected worth of each prediction, same shape; NaN where nothing is known."""
        (a, ab), (_, b) = self.covariance
        return self._z * np.sqrt(np.maximum(a + 2 * ab * predicted + b * predicted**2, 0.0))

    def total(self, predicted: np.ndarray, beside: float, *, unit: str) -> Estimate:
        """What contacts are expected to earn in all.

        Args:
            predicted: Their predictions, shape (k,).
            beside: Currency that is added as it stands, such as costs that have changed since.
            unit: Of the total.
        """
        sums = np.array([len(predicted), predicted.sum(dtype=np.float64)])
        point = float(sums @ [self.intercept, self.slope]) + beside
        half = self._z * float(np.sqrt(max(sums @ self.covariance @ sums, 0.0))) if self.rows else float("nan")
        method = f"line through tenths of {self.rows:,} held-out contacts" if self.rows else "the model's own word"
        return Estimate(
            point=point, ci_lower=point - half, ci_upper=point + half, level=self.level, unit=unit, method=method
        )

    @property
    def _z(self) -> float:
        from scipy.special import ndtri

        return float(ndtri(0.5 + self.level / 2))


NOTHING = Evidence(intercept=0.0, slope=1.0, covariance=np.full((2, 2), np.nan), rows=0, level=0.95)


def read_evidence(settings: BusinessSettings, champion: Champion) -> Evidence:
    """What the champion's training run found on held-out contacts; `NOTHING` where it kept no tenths."""
    store = open_store(settings.state, run_group=settings.name)
    run_id = describe(store, champion.task, champion.version).run_id
    path = store.artifacts / run_id / "artifacts" / "tables" / DECILES
    try:
        rows = json.loads(path.read_text())["rows"]
    except (OSError, ValueError, KeyError):
        return NOTHING
    return fit_line(rows)


def fit_line(tenths: Sequence[Mapping[str, Any]]) -> Evidence:
    """The line through tenths: rows, predicted, observed with its interval.

    Examples:
        >>> tenths = [{"rows": 100, "predicted": x, "observed": {"point": 0.5 * x, "ci_lower": 0.5 * x - 2,
        ...            "ci_upper": 0.5 * x + 2, "level": 0.95}} for x in (10.0, 20.0, 60.0)]
        >>> line = fit_line(tenths)
        >>> round(abs(line.intercept), 6), round(line.slope, 6), line.rows
        (0.0, 0.5, 300)
    """
    from scipy.special import ndtri

    if len(tenths) < FEWEST_TENTHS:
        return NOTHING
    weight = np.array([row["rows"] for row in tenths], dtype=np.float64)
    x = np.array([row["predicted"] for row in tenths], dtype=np.float64)
    observed = [row["observed"] for row in tenths]
    y = np.array([one["point"] for one in observed], dtype=np.float64)
    level = float(observed[0]["level"])
    width = np.array([one["ci_upper"] - one["ci_lower"] for one in observed], dtype=np.float64)
    error = width / (2 * ndtri(0.5 + level / 2))
    if not np.isfinite(np.concatenate([x, y, error])).all():
        return NOTHING
    rows = int(weight.sum())
    weight = weight / weight.sum()
    if np.ptp(x) <= 1e-9 * max(1.0, float(np.abs(x).max())):  # one prediction for all: only its level can be held
        variance = np.array([[float(weight**2 @ error**2), 0.0], [0.0, 0.0]])
        return Evidence(intercept=float(weight @ (y - x)), slope=1.0, covariance=variance, rows=rows, level=level)
    A = np.column_stack([np.ones(len(x)), x])
    solve = np.linalg.inv(A.T @ (weight[:, None] * A)) @ (A.T * weight)
    intercept, slope = solve @ y
    return Evidence(
        intercept=float(intercept),
        slope=float(slope),
        covariance=(solve * error**2) @ solve.T,
        rows=rows,
        level=level,
    )


__all__ = ["NOTHING", "Evidence", "fit_line", "read_evidence"]
