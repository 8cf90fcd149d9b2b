"""Cumulative profit by day since assignment: each day's interval, and a band that holds on all days at once.

Of assigned customers none leaves, so a day adds receipts, not customers: what grows is the variance of the cumulative
difference, and the band runs on that clock (see `sequential.always_valid_half_width`).
"""

from __future__ import annotations

from collections.abc import Sequence

from netlift.abtest import skew
from netlift.abtest.contrast import Contrast, scaled
from netlift.abtest.moments import PROFIT
from netlift.abtest.readout import DayPoint
from netlift.abtest.sequential import always_valid_half_width


def day_points(
    arm: str,
    contrasts: Sequence[Contrast],
    *,
    days: Sequence[int],
    level: float,
    currency: str,
    fixed: float = 0.0,
    z: float | None = None,
) -> tuple[DayPoint, ...]:
    """Cumulative profit of all treated by day.

    Args:
        arm: Offer id.
        contrasts: Arm against control in what each brought up to the end of each day.
        days: Days since assignment, in order; the band is made to be narrow at the last.
        level: Confidence of each interval, and of the band as a whole.
        currency: Unit of the totals.
        fixed: Fixed cost of the arm, spent on the first day.
        z: Normal score of each interval in the place of the level's: that of the arm's profit, so that the last day's
            interval is the headline's.

    Returns:
        A point a day; without a band while profit has never varied.
    """
    end = max((each.se(PROFIT) for each in contrasts), default=0.0) ** 2
    points = []
    for day, seen in zip(days, contrasts, strict=True):
        n, point, se = seen.n_treated, seen.point(PROFIT) - fixed / seen.n_treated, seen.se(PROFIT)
        each = skew.estimate(
            point, se, shape=seen.shape, level=level, z=z, unit=f"{currency}/customer", method=seen.method
        )
        band = n * always_valid_half_width(se**2, end, level=level) if end > 0 else None
        points.append(
            DayPoint(
                arm=arm,
                day=int(day),
                profit=scaled(each, n, unit=currency),
                sequential_lower=None if band is None else n * point - band,
                sequential_upper=None if band is None else n * point + band,
            )
        )
    return tuple(points)
