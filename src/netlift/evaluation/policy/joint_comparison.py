"""Comparison of several policies with no contact, with simultaneous bounds.

With t_k the gain of policy k over its standard error, customers clustered, and Z normal with the gains' correlations,

    gain_k > c_k · se_k is proof      P(Z_1 > c_1 or ... or Z_K > c_K) = 1 - confidence

so that it happens once in ten, at a confidence of .9, that any policy which truly gains nothing is called proven. The
first policy is the one that was meant to ship; it gets most of the error, the others share the rest with one c.

References:
    Hothorn, Bretz, Westfall (2008), Simultaneous inference in general parametric models, Biometrical Journal 50(3).
    CSPI-MT (2024), arXiv 2408.12004: cut-offs of a policy tested jointly, and the best of the safe ones taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.results import Estimate

FIRST = 0.9  # share of the error that the first policy may use
DRAWS, SEED = 20_000, 11


def prove_jointly(logged: LoggedOutcomes, policies: Sequence[np.ndarray], *, confidence: float) -> tuple[Estimate, ...]:
    """Gain of each policy over contacting nobody; the true gains lie above all lower ends with that confidence.

    Args:
        logged: Rows to value them on.
        policies: Arms per row, shape (n,) each; the first is the one that was meant to ship.
        confidence: That no lower end is above the truth.

    Returns:
        Estimates of the level 2 · confidence - 1, as a one-sided bound of that confidence is written.
    """
    at = np.arange(len(logged))
    gains = []
    for policy in policies:
        wished = np.maximum(policy, 0)
        taken = np.where(logged.available[at, wished], wished, 0)
        gains.append(logged.relative_weight * (logged.scores[at, taken] - logged.scores[:, 0]))
    points = np.array([gain.mean() for gain in gains])
    covariance = logged.clusters.covariance([gain - point for gain, point in zip(gains, points, strict=True)])
    errors = np.sqrt(np.diag(covariance))
    bounds = np.full(len(gains), np.nan)
    told = errors > 0
    if told.any():
        correlation = covariance[np.ix_(told, told)] / np.outer(errors[told], errors[told])
        bounds[told] = critical_values(correlation, first=bool(told[0]), confidence=confidence)
    level = 2 * confidence - 1
    return tuple(
        Estimate(
            point=float(point),
            ci_lower=float(point - half),
            ci_upper=float(point + half),
            level=level,
            unit=logged.unit,
            method=f"DR, paired, {len(gains)} policies jointly",
        )
        for point, half in zip(points, np.where(told, bounds * errors, 0.0), strict=True)
    )


def critical_values(correlation: np.ndarray, *, first: bool, confidence: float) -> np.ndarray:
    """How many standard errors each gain must exceed, shape (k,).

    Args:
        correlation: Of the gains, shape (k, k).
        first: Whether the first of them is the one that was meant to ship.
        confidence: Of all together.

    Examples:
        >>> critical_values(np.eye(1), first=True, confidence=0.9).round(3).tolist()
        [1.282]
        >>> critical_values(np.ones((2, 2)), first=False, confidence=0.9).round(1).tolist()
        [1.3, 1.3]
    """
    error, count = 1.0 - confidence, len(correlation)
    if count == 1:
        return np.array([float(ndtri(confidence))])
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = np.random.default_rng(SEED).normal(size=(DRAWS, count)) @ root.T
    if not first:
        return np.full(count, float(np.quantile(drawn.max(axis=1), confidence)))
    whole = float(ndtri(1.0 - FIRST * error))
    below = drawn[drawn[:, 0] <= whole, 1:].max(axis=1)
    left = error - (1.0 - len(below) / DRAWS)
    others = float(np.quantile(below, 1.0 - max(left, 0.0) * DRAWS / len(below)))
    return np.array([whole, *np.full(count - 1, max(others, whole))])


__all__ = ["critical_values", "prove_jointly"]
