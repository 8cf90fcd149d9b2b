"""Expected monthly margin of known customers: BG/NBD purchases times their mean margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.estimators.process_formulas import PurchaseMixture, expected_purchases, group_equal
from netlift.estimators.value.bg_nbd import fit_purchases
from netlift.estimators.value.btyd_columns import WEEK, group_histories
from netlift.forecast.purchases import PurchaseHistory

MOST_FITTED = 50_000


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownCustomers:
    """Histories of customers as of the beginning of a month.

    Attributes:
        bought: Who had bought, bool, shape (n,).
        x: Purchase days after the first, of the b who had bought, shape (b,).
        t_x: Whole weeks from the first to the newest, shape (b,).
        T: Whole weeks from the first to the month, shape (b,).
        value: Margin of a purchase day: the customer's own mean, with one day of the mean of all added, shape (b,).
    """

    bought: np.ndarray
    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    value: np.ndarray


def known_at(purchases: PurchaseHistory, month: int) -> KnownCustomers:
    """Histories as of the beginning of a month; later purchases are not looked at."""
    n, rows = len(purchases.ids), purchases.month < month
    customer = purchases.customer[rows]
    days = np.bincount(customer, weights=purchases.days[rows], minlength=n)
    margin = np.bincount(customer, weights=purchases.margin[rows], minlength=n)
    last = np.full(n, purchases.starts[0])
    has = purchases.days[rows] > 0
    np.maximum.at(last, customer[has], purchases.last_day[rows][has])
    bought = days > 0
    first, last, days = purchases.first_day[bought], last[bought], days[bought]
    mean = float(margin[bought].sum() / days.sum()) if bought.any() else 0.0
    return KnownCustomers(
        bought=bought,
        x=days - 1.0,
        t_x=np.round((last - first) / WEEK),
        T=np.round((purchases.starts[month] - first) / WEEK),
        value=np.maximum((margin[bought] + mean) / (days + 1.0), 0.0),
    )


def fit_rhythm(known: KnownCustomers) -> PurchaseMixture | None:
    """How customers buy and leave; None where too few bought twice, and everybody goes on at their own mean rate.

    Of more than 50,000 customers every so many are looked at.
    """
    step = 1 + len(known.x) // MOST_FITTED
    try:
        return fit_purchases(group_histories(known.x[::step], known.t_x[::step], known.T[::step]), "bg_nbd")
    except DataError:
        return None


def worth_of_groups(
    known: KnownCustomers, rhythm: PurchaseMixture | None, group: np.ndarray, days: np.ndarray, *, groups: int
) -> np.ndarray:
    """Expected margin of those who had bought, by group and month, in currency, shape (groups, h).

    Args:
        known: Their histories.
        rhythm: How customers buy and leave.
        group: Group of each customer, -1 for none, shape (n,).
        days: Days from the forecast to the end of each month, ascending, shape (h,).
        groups: How many there are.
    """
    own = group[known.bought]
    there = own >= 0
    own, x, t_x, T = own[there], known.x[there], known.t_x[there], known.T[there]
    value = known.value[there]
    first, cell = group_equal(x, t_x, T)
    x, t_x, T = x[first], t_x[first], T[first]
    if rhythm is None:
        count = np.outer(days / WEEK, (x + 1) / (T + 1))
    else:
        h = len(days)
        each = np.repeat(days.astype(np.float64), len(x))  # one call for all months shares the nodes of equal x
        count = expected_purchases(rhythm, np.tile(x, h), np.tile(t_x, h), np.tile(T, h), each)  # type: ignore[arg-type]
        count = count.reshape(h, len(x))
    brought = [np.bincount(own, weights=of[cell] * value, minlength=groups) for of in count]
    return np.diff(np.array(brought).T, prepend=0.0, axis=1)


__all__ = ["KnownCustomers", "fit_rhythm", "known_at", "worth_of_groups"]
