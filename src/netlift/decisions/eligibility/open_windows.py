"""Open outcome windows: earlier contacts whose effect counts, and what another contact adds.

A contact is open for the outcome window of W days from the moment it was made, as effects are of such windows. Within
it another contact counts for what it adds to what is open, and for nothing where no data show that it adds anything.
Contacts that are planned count as well: a contact today would be open when they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlift.decisions.eligibility.contact_policy import DAY_US, ContactLog


@dataclass(frozen=True, kw_only=True)
class Rest:
    """When an option may follow another contact.

    Attributes:
        days: Days after the nearest contact from which it is proven to add profit; those of the window where nothing is
            proven.
        share: What it adds within the window, as a share of its effect with a rested customer, from 0 to 1.
    """

    days: int
    share: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenWindows:
    """What earlier contacts leave open, by customer and option.

    Attributes:
        is_open: Whether an earlier contact, or one that is planned, is within the window, bool, shape (n,).
        closed: Options that nothing proves to add anything to it, bool, shape (n, m).
        share: What a contact adds, as a share of its effect with a rested customer: 1 where nothing is open, shape
            (n, m).
    """

    is_open: np.ndarray
    closed: np.ndarray
    share: np.ndarray


def days_to_nearest(log: ContactLog, *, customers: int, moment: np.datetime64) -> np.ndarray:
    """Days between a moment and the nearest contact of each customer, made or planned, infinite without one, (n,).

    Examples:
        >>> at = np.array(["2026-10-01T12", "2026-10-06"], dtype="datetime64[us]")
        >>> log = ContactLog(customer=np.array([0, 1]), channel=np.array([0, 0]), at=at)
        >>> days_to_nearest(log, customers=3, moment=np.datetime64("2026-10-03", "us"))
        array([1.5, 3. ,  inf])
    """
    nearest = np.full(customers, np.inf)
    apart = np.abs((log.at - moment).astype("timedelta64[us]").astype(np.float64)) / DAY_US
    np.minimum.at(nearest, log.customer, apart)
    return nearest


def find_open_windows(days: np.ndarray, rests: Sequence[Rest], *, window_days: float) -> OpenWindows:
    """What earlier contacts leave open.

    Args:
        days: To the nearest contact of each customer, as `days_to_nearest` gives them, shape (n,).
        rests: Of the options, m of them.
        window_days: Length of the outcome window.

    Examples:
        >>> found = find_open_windows(np.array([1.0, 20.0, 28.0]), [Rest(days=28), Rest(days=14, share=0.6)],
        ...                           window_days=28)
        >>> found.closed.tolist(), found.share[:, 1].tolist()
        ([[True, True], [True, False], [False, False]], [0.6, 0.6, 1.0])
    """
    is_open = days < window_days
    rest_days = np.array([rest.days for rest in rests], dtype=np.float64)
    share = np.array([rest.share for rest in rests], dtype=np.float64)
    return OpenWindows(
        is_open=is_open,
        closed=days[:, None] < rest_days,
        share=np.where(is_open[:, None], share, 1.0),
    )


__all__ = ["OpenWindows", "Rest", "days_to_nearest", "find_open_windows"]
