"""Survey scores: net promoter score and mean satisfaction, with intervals."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from netlift.results import Estimate

PROMOTER, DETRACTOR = 9, 6


def net_promoter_score(scores: np.ndarray, *, level: float) -> Estimate | None:
    """Share of promoters (9 and 10) less share of detractors (0 to 6), times 100; None without an answer.

    The interval is normal with var = (p₊ + p₋ - (p₊ - p₋)²) / n; it has no ends where all answered alike.

    Args:
        scores: Answers from 0 to 10, NaN for who gave none, shape (n,).
        level: Confidence.

    References:
        Rocks (2016), Interval Estimation for the "Net Promoter Score", The American Statistician 70.

    Examples:
        >>> print(net_promoter_score(np.array([10, 9, 8, 3, np.nan]), level=0.95))
        25 [-56.3, 106] points
    """
    given = scores[~np.isnan(scores)]
    if not len(given):
        return None
    promoters, detractors = float(np.mean(given >= PROMOTER)), float(np.mean(given <= DETRACTOR))
    score = promoters - detractors
    variance = (promoters + detractors - score**2) / len(given)
    return _estimate(
        100 * score, 100 * np.sqrt(variance), level, unit="points", method=f"{len(given):,} newest answers"
    )


def mean_satisfaction(scores: np.ndarray, *, level: float) -> Estimate | None:
    """Mean of the newest satisfaction answers with a normal interval; None without an answer.

    Args:
        scores: Answers, NaN for who gave none, shape (n,).
        level: Confidence.

    Examples:
        >>> print(mean_satisfaction(np.array([4.0, 5.0, 3.0, np.nan]), level=0.95))
        4 [2.87, 5.13] points
    """
    given = scores[~np.isnan(scores)]
    if not len(given):
        return None
    error = float(np.std(given, ddof=1) / np.sqrt(len(given))) if len(given) > 1 else 0.0
    return _estimate(float(np.mean(given)), error, level, unit="points", method=f"{len(given):,} newest answers")


def _estimate(point: float, error: float, level: float, *, unit: str, method: str) -> Estimate:
    half = float(ndtri(0.5 + level / 2)) * float(error) if error > 0 else float("nan")
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=level, unit=unit, method=method)
