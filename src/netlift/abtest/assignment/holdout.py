"""The universal holdout: customers whom no campaign contacts, to measure CRM as a whole.

Whether a customer is held out depends on the customer, the holdout's salt and the period of rotation alone, so every
campaign leaves out the same people, and a larger share leaves out the same people and more. Rotation sets them free
before being left out has made them different customers; a wash-out after it is not read, because those newly held out
still carry earlier contacts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from netlift.abtest.assignment.draw import hash_units, to_uniform
from netlift.errors import DataError

MONTHS_A_YEAR = 12


@dataclass(frozen=True, kw_only=True)
class Period:
    """Between two rotations.

    Attributes:
        start: Its first day.
        read_from: First day that the reading counts.
        end: First day of the next period.
    """

    start: date
    read_from: date
    end: date


def period_of(day: date, *, rotate_months: int, washout_days: int) -> Period:
    """The period of rotation that a day is in; periods are counted from January of year 1.

    Args:
        day: The day.
        rotate_months: Calendar months of a period.
        washout_days: Days after its start that are not read.

    Examples:
        >>> period_of(date(2026, 10, 5), rotate_months=6, washout_days=28)
        Period(start=datetime.date(2026, 7, 1), read_from=datetime.date(2026, 7, 29), end=datetime.date(2027, 1, 1))
    """
    months = (day.year - 1) * MONTHS_A_YEAR + day.month - 1
    first = months - months % rotate_months
    start, end = _month(first), _month(first + rotate_months)
    return Period(start=start, read_from=min(start + timedelta(days=washout_days), end), end=end)


def is_held_out(
    ids: Sequence[str], *, share: float, salt: str, period: Period, cluster: Sequence[object] | None = None
) -> np.ndarray:
    """Who is held out in a period, bool, shape (n,).

    Args:
        ids: Customers, shape (n,).
        share: Of all customers.
        salt: The same in every campaign of the business.
        period: The period of rotation.
        cluster: Cluster of each customer, such as a household, held out together, shape (n,); None for single ones.

    Examples:
        >>> half_year = period_of(date(2026, 10, 5), rotate_months=6, washout_days=28)
        >>> int(is_held_out([str(i) for i in range(1000)], share=0.05, salt="demo", period=half_year).sum())
        53
    """
    units = ids if cluster is None else [_unit(i, c) for i, c in zip(ids, cluster, strict=True)]
    salted = f"{salt}\x1f{period.start.isoformat()}"
    return np.asarray(to_uniform(hash_units(units, salt=salted, purpose="holdout")) < share)


def _unit(customer: str, cluster: object) -> str:
    """What is drawn: the cluster, the same whether its number came as 7 or, beside missing ones, as 7.0."""
    if cluster is None or cluster != cluster:  # noqa: PLR0124 - NaN
        return customer
    if isinstance(cluster, float) and cluster.is_integer():
        cluster = int(cluster)
    return f"\x1f{cluster}"


def holdout_half_width(variance: float, *, customers: int, share: float, z: float) -> float:
    """Half-width of what all of CRM brought, currency, when a share of the customers is held out.

    n_T (mean_T - mean_H) has the standard error sd √(n_T + n_T²/n_H) = sd √(N (1 - share) / share).

    Args:
        variance: Of margin per customer over the months that are read.
        customers: All of them, N.
        share: Held out.
        z: Standard errors on each side.
    """
    return z * math.sqrt(variance * customers * (1 - share) / share)


def holdout_share(variance: float, *, customers: int, half_width: float, z: float) -> float:
    """Share to hold out for a half-width of what all of CRM brought: `holdout_half_width` solved for the share.

    Raises:
        DataError: A half-width that is not above zero.

    Examples:
        >>> share = holdout_share(400.0, customers=100_000, half_width=50_000.0, z=1.96)
        >>> round(holdout_half_width(400.0, customers=100_000, share=share, z=1.96))
        50000
    """
    if not half_width > 0:
        raise DataError(f"a half-width of {half_width:g} was asked for; it must be above zero")
    return 1 / (1 + half_width**2 / (z**2 * variance * customers)) if variance > 0 else 0.0


def _month(months: int) -> date:
    return date(months // MONTHS_A_YEAR + 1, months % MONTHS_A_YEAR + 1, 1)


__all__ = ["Period", "holdout_half_width", "holdout_share", "is_held_out", "period_of"]
