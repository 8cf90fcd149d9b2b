"""Backtest of the forecast beside two naive ones.

Same months last year: the margin of the months a year before. Last quarter by season: the margin of the quarter just
past times what the months ahead were to that quarter a year before; as it is where there is no year before.

Methods are compared by the logarithm of actual over forecast, so that 0.05 is 5 %, paired by day. Intervals come from
errors in units of what chance and a common level do to a sum f of margins whose dispersion is φ,

    e = (actual - f) / √(φ f + (0.05 f)²)

so that the errors of a small group tell of its next ones as those of a large group do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from netlift.forecast.model import QUARTER, YEAR, brought_by_groups, lag_of, look_ahead
from netlift.forecast.purchases import HORIZON, PurchaseHistory

MOST_DAYS = 6
FEWEST_DAYS = 3
LEAST_SHARE = 0.01
MIN_DAYS = 2
VARIANCE_A_QUARTER = 0.5  # by how much the variance of errors grows with each quarter, of that of the first
LEVEL_SD = 0.05  # of the level that all customers of a group share, beside what they do by chance
MODEL, LAST_YEAR, LAST_QUARTER = METHODS = ("forecast", "same_months_last_year", "last_quarter_by_season")
"""Names of the methods, the order of `Backtest.errors`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Backtest:
    """Forecasts of days past beside what came.

    Attributes:
        ago: Months from the day of each to the end of what is known, the newest first, shape (d,).
        has_season: Which had a year before to compare with, bool, shape (d,).
        forecast: By day, group and month ahead, those who joined later last, in currency, shape (d, g + 1, 12).
        actual: What came, NaN where not known yet, of the same shape.
        naive: The two naive forecasts of all customers together, NaN where there is none, shape (2, d, 12).
    """

    ago: np.ndarray
    has_season: np.ndarray
    forecast: np.ndarray
    actual: np.ndarray
    naive: np.ndarray

    def totals(self, first: int, end: int) -> np.ndarray:
        """Sums over some months ahead of what came and of each method, shape (4, d)."""
        rows = [self.actual.sum(axis=1), self.forecast.sum(axis=1), *self.naive]
        return np.array([row[:, first:end].sum(axis=1) for row in rows])

    def errors(self, first: int, end: int) -> np.ndarray:
        """Error of each method over some months ahead, in `METHODS`, NaN where not known, shape (3, d)."""
        actual, *forecasts = self.totals(first, end)
        return np.array([log_error(forecast, actual) for forecast in forecasts])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method beside another over the days on which both can be judged.

    Attributes:
        days: How many they are.
        error: Mean absolute error of the forecast, as a share.
        naive_error: The same of the naive one.
        difference: Mean of the paired differences, below 0 where the forecast was nearer.
        ci_lower: Lower end of its interval; NaN for a single day.
        ci_upper: Upper end.
    """

    days: int
    error: float
    naive_error: float
    difference: float
    ci_lower: float
    ci_upper: float


def days_to_test(purchases: PurchaseHistory) -> list[int]:
    """Months a quarter apart at whose beginning a forecast could be made, newest first."""
    months = range(purchases.months - QUARTER, 0, -QUARTER)
    return [month for month in months if lag_of(purchases, month)][:MOST_DAYS]


def run_backtest(purchases: PurchaseHistory, group_of: Mapping[int, np.ndarray], *, groups: int) -> Backtest:
    """Forecast again from each of `days_to_test`.

    Args:
        purchases: Of all customers.
        group_of: Group of each customer at the beginning of every month that is asked for, (n,) each.
        groups: How many there are.
    """
    months = days_to_test(purchases)
    looks = [look_ahead(purchases, month, group_of, groups=groups) for month in months]
    actual = [brought_by_groups(purchases, month, group_of[month], groups=groups) for month in months]
    shape = (len(months), groups + 1, HORIZON)
    naive = [naive_forecasts(purchases.totals, month, purchases.whole_from) for month in months]
    return Backtest(
        ago=purchases.months - np.array(months, dtype=np.int64),
        has_season=np.array([look.has_season for look in looks], dtype=bool),
        forecast=np.array([look.margin for look in looks]).reshape(shape),
        actual=np.array(actual).reshape(shape),
        naive=np.array(naive).reshape(len(months), 2, HORIZON).swapaxes(0, 1),
    )


def naive_forecasts(totals: np.ndarray, month: int, whole_from: int = 0) -> np.ndarray:
    """Same months last year, and last quarter by season, of the months from one on, in currency, shape (2, 12).

    Examples:
        >>> totals = np.concatenate([np.full(12, 10.0), np.full(12, 20.0)])
        >>> naive_forecasts(totals, 24)[:, 0].tolist(), naive_forecasts(totals, 6)[:, 0].tolist()
        ([20.0, 40.0], [nan, 10.0])
    """
    quarter = float(totals[month - QUARTER : month].sum())
    if month - YEAR < whole_from:
        return np.array([np.full(HORIZON, np.nan), np.full(HORIZON, quarter / QUARTER)])
    last_year = totals[month - YEAR : month]
    if month - YEAR - QUARTER < whole_from:
        return np.array([last_year, np.full(HORIZON, quarter / QUARTER)])
    before = float(totals[month - YEAR - QUARTER : month - YEAR].sum())
    return np.array([last_year, last_year * (quarter / before) if before > 0 else np.full(HORIZON, quarter / QUARTER)])


def log_error(forecast: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Logarithm of actual over forecast, the actual no less than 1 % of it; NaN where nothing was forecast."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log(np.maximum(actual, LEAST_SHARE * forecast) / forecast)
    return np.where(forecast > 0, error, np.nan)


def compare(errors: np.ndarray, naive: np.ndarray, *, level: float) -> Comparison | None:
    """Absolute errors beside those of a naive forecast, paired by day; None where no day has both.

    Args:
        errors: Of the forecast, NaN where not known, shape (d,).
        naive: Of the naive one, shape (d,).
        level: Of the interval.

    Examples:
        >>> found = compare(np.array([0.1, -0.1]), np.array([0.2, 0.4]), level=0.9)
        >>> found.days, round(found.error, 2), round(found.naive_error, 2), round(found.difference, 2)
        (2, 0.1, 0.3, -0.2)
    """
    both = np.isfinite(errors) & np.isfinite(naive)
    if not both.any():
        return None
    own, other = np.abs(errors[both]), np.abs(naive[both])
    apart = own - other
    n, mean = len(apart), float(apart.mean())
    half = float(student.ppf(0.5 + level / 2, n - 1) * apart.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return Comparison(
        days=n,
        error=float(own.mean()),
        naive_error=float(other.mean()),
        difference=mean,
        ci_lower=mean - half,
        ci_upper=mean + half,
    )


def trusted_days(backtest: Backtest, *, has_season: bool) -> np.ndarray:
    """Days whose errors say something of today's forecast: with a season like it, all where these are too few, (d,)."""
    alike = backtest.has_season == has_season
    return alike if alike.sum() >= FEWEST_DAYS else np.ones(len(alike), dtype=bool)


def chance_of(forecast: np.ndarray, dispersion: float) -> np.ndarray:
    """What chance and a common level do to a sum of margins, in currency, of the shape of the forecast.

    Examples:
        >>> chance_of(np.array([0.0, 100.0, 10_000.0]), 100.0).round(1).tolist()
        [0.0, 100.1, 1118.0]
    """
    return np.sqrt(dispersion * np.maximum(forecast, 0.0) + (LEVEL_SD * forecast) ** 2)


def spreads_of(errors: np.ndarray, *, level: float) -> np.ndarray:
    """How far the truth may lie from the forecast of one to four quarters, in the unit of the errors, shape (4,).

    All errors tell of one scale: their variance grows by `VARIANCE_A_QUARTER` with each quarter, and Student's t has a
    degree for each day, since the quarters that came after a day go together. Infinity for fewer than two days.

    Args:
        errors: By quarters ahead and day, NaN where not known, shape (4, d).
        level: Of the interval.

    Examples:
        >>> errors = np.full((4, 3), np.nan)
        >>> errors[0] = [0.02, -0.02, 0.02]
        >>> spreads_of(errors, level=0.95).round(3).tolist()
        [0.064, 0.078, 0.09, 0.101]
    """
    known = np.isfinite(errors)
    days = int(known.any(axis=0).sum())
    if days < MIN_DAYS:
        return np.full(len(errors), np.inf)
    variance = 1 + VARIANCE_A_QUARTER * np.arange(len(errors))
    squares = (errors**2 / variance[:, None])[known]
    return np.asarray(student.ppf(0.5 + level / 2, days) * np.sqrt(squares.mean() * variance))


__all__ = [
    "LAST_QUARTER",
    "LAST_YEAR",
    "METHODS",
    "MODEL",
    "Backtest",
    "Comparison",
    "chance_of",
    "compare",
    "days_to_test",
    "log_error",
    "naive_forecasts",
    "run_backtest",
    "spreads_of",
    "trusted_days",
]
