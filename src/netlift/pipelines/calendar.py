"""Which cutoffs a history allows: to fit on, to calibrate on, and one to be judged on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Windows
from netlift.errors import DataError, HistoryTooShortError
from netlift.estimators.rows import Split

if TYPE_CHECKING:
    from netlift.data.read import Tables

YEAR, QUARTER = timedelta(weeks=52), timedelta(weeks=13)


@dataclass(frozen=True, kw_only=True)
class History:
    """The days that the data cover.

    Attributes:
        first: Day of the first receipt.
        end: First day not seen: the day after the last receipt, or after `data.complete_until`.
        said: Who says so, as a sentence names it.
        is_snapshot: Whether one extract is all there is.
    """

    first: date
    end: date
    said: str = "the newest receipt is of"
    is_snapshot: bool = False

    @property
    def days(self) -> int:
        """How many days are covered."""
        return (self.end - self.first).days

    def __str__(self) -> str:
        return (
            f"one extract of {self.first}" if self.is_snapshot else f"receipts of {self.first} to {self.end} (not seen)"
        )


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

    def split(self, cutoff: np.ndarray) -> Split:
        """What the rows of each cutoff, datetime64[us], shape (n,), are for."""
        at = {name: np.array(days, dtype="datetime64[us]") for name, days in vars(self).items()}
        return Split(search=np.isin(cutoff, at["fit"]), compare=cutoff == at["calibration"], test=cutoff == at["test"])


def read_history(tables: Tables) -> History:
    """The days that the data cover.

    Raises:
        DataError: There is no receipt, or none before the end that the config names.
    """
    if tables.snapshot_of is not None:
        day = tables.snapshot_of
        return History(first=day, end=day + timedelta(days=1), said="the extract is of", is_snapshot=True)
    times = tables["transactions"].occurred_at
    row = times.as_table().aggregate(first=times.min(), last=times.max()).to_pyarrow().to_pylist()[0]
    first: datetime | None = row["first"]
    if first is None:
        raise DataError("transactions: no rows, so there is nothing to learn from; point the config at the receipts")
    last: datetime = row["last"]
    if tables.complete_end is None:
        return History(first=first.date(), end=last.date() + timedelta(days=1))
    if tables.complete_end <= first:
        raise DataError(
            f"data.complete_until: the data are complete up to {tables.complete_end - timedelta(days=1):%Y-%m-%d}, and "
            f"the first receipt is of {first:%Y-%m-%d}; correct one of them"
        )
    return History(
        first=first.date(), end=tables.complete_end.date(), said="by data.complete_until they are complete up to"
    )


def seen_until(tables: Tables, as_of: datetime | None) -> datetime:
    """First moment not seen: the moment asked for, but never behind the day up to which the data are complete.

    A window that reaches beyond it is open, however late it is: what is not in the table was not seen.
    """
    end = datetime.combine(read_history(tables).end, time())
    return end if as_of is None else min(as_of, end)


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
