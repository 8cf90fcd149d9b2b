"""Cutoffs that a history allows: for fitting, calibration and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from netlift.config.definitions import Windows
from netlift.data.history import History
from netlift.errors import HistoryTooShortError
from netlift.estimators.rows import LabelledRows, RowSplit

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


YEAR, QUARTER = timedelta(weeks=52), timedelta(weeks=13)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The cutoffs of one training, all at midnight, each the first moment not seen by its features.

    The labels of `fit` were whole at `calibration`, and those of `calibration` were whole at `test`, so that each step
    knows only what was known then. `refit` is every cutoff whose label was whole at `test`. A history of two labels
    but not three leaves `fit` empty: candidates can then be fitted and judged, but not chosen before the judgement.

    Attributes:
        fit: Cutoffs to tune on, and to fit the candidates on that are compared at `calibration`; may be empty.
        calibration: The cutoff at which candidates are compared.
        refit: Cutoffs of the final fit, calibration included.
        test: The cutoff to be judged on.
    """

    fit: tuple[date, ...]
    calibration: date
    refit: tuple[date, ...]
    test: date

    def split(self, cutoff: np.ndarray) -> RowSplit:
        """What the rows of each cutoff, datetime64[us], shape (n,), are for."""
        at = {name: np.array(days, dtype="datetime64[us]") for name, days in vars(self).items()}
        return RowSplit(
            search=np.isin(cutoff, at["fit"]), compare=cutoff == at["calibration"], test=cutoff == at["test"]
        )


def plan_calendar(history: History, windows: Windows) -> Calendar:
    """The newest cutoffs that a history allows, and older ones back to the season of the test a year before.

    Every cutoff has a whole observation window behind it and a whole label before the trusted end of the data. Where
    the newest ones span less than a year and the history holds more, further ones follow a quarter of a year apart:
    the level of a season can be learnt only from a label in it.

    Raises:
        HistoryTooShortError: Not one cutoff to fit on remains; says how many days are missing.

    Examples:
        >>> windows = Windows(
        ...     observation_days=365, gap_days=7, horizon_days=90, cutoff_every_days=30, cutoffs=3, late_arrival_days=0
        ... )
        >>> calendar = plan_calendar(History(first=date(2023, 1, 1), end=date(2025, 1, 1)), windows)
        >>> calendar.test, calendar.calibration, calendar.fit[-1]
        (datetime.date(2024, 9, 26), datetime.date(2024, 6, 21), datetime.date(2024, 3, 16))
    """
    label = timedelta(days=windows.gap_days + windows.horizon_days)
    test = history.end - timedelta(days=windows.late_arrival_days) - label
    calibration = test - label
    earliest = history.first + timedelta(days=windows.behind_days)
    if calibration < earliest:
        missing = (earliest - calibration).days
        raise HistoryTooShortError(
            f"transactions: {history.days:,} days of history, {missing:,} too few. Needed: {windows.behind_days} "
            f"of observation, twice {label.days} of gap and horizon (to fit, to judge; a third lets candidates be "
            f"chosen before they are judged) and {windows.late_arrival_days} for late rows. Shorten observation_days "
            "or horizon_days, or bring more"
        )
    step = timedelta(days=windows.cutoff_every_days)
    grid = [cutoff for k in range(windows.cutoffs) if (cutoff := calibration - k * step) >= earliest]
    newest_fit = calibration - label
    fit = [cutoff for cutoff in grid if cutoff <= newest_fit] or [newest_fit] * (newest_fit >= earliest)
    refit = sorted({*fit, *grid})
    while refit[0] > test - YEAR and (older := max(refit[0] - QUARTER, test - YEAR)) >= earliest:
        refit.insert(0, older)
        fit += [older] * (older <= newest_fit)
    return Calendar(fit=tuple(sorted(fit)), calibration=calibration, refit=tuple(refit), test=test)
