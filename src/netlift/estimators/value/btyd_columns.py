"""Purchase histories in BTYD form: three numbers a customer, equal ones counted once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.estimators.process_formulas import group_equal

WEEK = 7.0
HISTORY = ("purchase_days_all", "age_at_last_purchase_days", "days_since_first_purchase")
SPENDING = ("purchase_days_all", "margin_all")


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Distinct histories of purchase days, each with the number of customers that have it.

    Attributes:
        x: Purchase days after the first, float64, shape (m,).
        t_x: Time from the first purchase day to the newest, 0 where x is 0, float64, shape (m,).
        T: Time from the first purchase day to the cutoff, float64, shape (m,).
        weight: Customers with this history, float64, shape (m,).
        unit_days: Days in the unit of t_x and T: 7 for weeks.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    weight: np.ndarray
    unit_days: float = WEEK

    def __len__(self) -> int:
        return len(self.x)

    @property
    def customers(self) -> int:
        """How many customers they are."""
        return round(float(self.weight.sum()))


def group_histories(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, *, unit_days: float = WEEK) -> Histories:
    """Count equal histories once.

    Args:
        x: Purchase days after the first, shape (n,).
        t_x: Time from the first purchase day to the newest, shape (n,), in units of `unit_days`.
        T: Time from the first purchase day to the cutoff, shape (n,), in units of `unit_days`.
        unit_days: Days in the unit of time.

    Raises:
        DataError: Histories that cannot be, counted by kind.

    Examples:
        >>> group_histories(np.array([0, 2, 0]), np.array([0, 9.5, 0]), np.array([30, 12, 30])).weight.tolist()
        [2.0, 1.0]
    """
    x, t_x, T = (np.asarray(values, dtype=np.float64) for values in (x, t_x, T))
    _refuse_impossible(x, t_x, T)
    first, group = group_equal(x, t_x, T)
    weight = np.bincount(group, minlength=len(first)).astype(np.float64)
    return Histories(x=x[first], t_x=t_x[first], T=T[first], weight=weight, unit_days=unit_days)


def _refuse_impossible(x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> None:
    finite = np.isfinite(x) & np.isfinite(t_x) & np.isfinite(T)
    wrong = {
        "are not finite": ~finite,
        "have fewer than no repeat purchases": finite & (x < 0),
        "have a newest purchase before the first": finite & (t_x < 0),
        "have a newest purchase after the cutoff": finite & (t_x > T),
        "have one purchase day and yet a later newest one": finite & (x == 0) & (t_x > 0),
    }
    found = [f"{np.count_nonzero(rows):,} {words}" for words, rows in wrong.items() if rows.any()]
    if found:
        raise DataError(
            f"of {len(x):,} purchase histories {', '.join(found)}: count purchase days after the first, and measure "
            "times from the first purchase day"
        )
    if len(x) == 0:
        raise DataError("no purchase histories: no customer bought in the observation, bring transactions")
