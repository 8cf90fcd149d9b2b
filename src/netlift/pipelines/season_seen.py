"""Whether training saw the season that is predicted, and how wrong totals may be where it did not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from netlift.config.definitions import Windows
from netlift.estimators.rows import LabelledRows

NEAR_DAYS = 45
YEAR_DAYS = 365.25


def season_distance(trained: Sequence[date], asked: date, windows: Windows) -> float:
    """Days of the year between the middle of a label and the nearest middle of those learnt from.

    Examples:
        >>> windows = Windows(
        ...     observation_days=365, gap_days=0, horizon_days=90, cutoff_every_days=30, cutoffs=3, late_arrival_days=0
        ... )
        >>> round(season_distance([date(2024, 1, 1)], date(2025, 3, 2), windows))
        61
    """
    middle = timedelta(days=windows.gap_days + windows.horizon_days / 2)
    apart = [abs((asked + middle).toordinal() - (cutoff + middle).toordinal()) % YEAR_DAYS for cutoff in trained]
    return min(min(days, YEAR_DAYS - days) for days in apart)


def warn_of_season(trained: Sequence[date], asked: date, windows: Windows, rows: LabelledRows) -> tuple[str, ...]:
    """A warning where no label learnt from lies in the season of the one asked for.

    Args:
        trained: Cutoffs learnt from.
        asked: The cutoff asked for.
        windows: Of the definition.
        rows: The rows learnt from, whose mean label by cutoff shows how far seasons lie apart.
    """
    if windows.horizon_days >= YEAR_DAYS - NEAR_DAYS:
        return ()
    distance = season_distance(trained, asked, windows)
    if distance <= NEAR_DAYS:
        return ()
    means = np.array([rows.y[rows.cutoff == cutoff].mean() for cutoff in np.unique(rows.cutoff)])
    if len(means) > 1 and means.mean() > 0:
        swing = float((means.max() - means.min()) / means.mean())
        bias = f"the cutoffs seen differ by {swing:.0%} among themselves: expect totals that are wrong by as much"
    else:
        bias = "a single cutoff cannot show by how much seasons differ: expect totals to be wrong by an unknown factor"
    return (
        f"season not covered: the label of {asked} lies {distance:.0f} days of the year from any learnt from; {bias}",
    )
