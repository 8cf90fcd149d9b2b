"""Purchase histories as of a day, by customer or customer and category: gaps and next purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from netlift.next_purchase.purchases import Purchases

NEVER = np.iinfo(np.int32).max
"""Day of a purchase that did not come."""
LONGEST = 3660
"""Days; longer gaps count as such in medians."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Traces:
    """One row for each customer (and category) with a purchase before the cutoff.

    A gap is the number of days between two days with a purchase that follow one another.

    Attributes:
        cutoff: First day not seen, days since 1970-01-01.
        customer: Position of the customer, rising, int32, shape (k,).
        code: Category; 0 for all where categories are not told apart, int16, shape (k,).
        gaps: Number of gaps before the cutoff, int32, shape (k,).
        log_sum: Sum of the logs of the gaps, shape (k,).
        log_squares: Sum of their squares, shape (k,).
        first: Day of the first purchase, int32, shape (k,).
        last: Day of the last purchase before the cutoff, int32, shape (k,).
        following: Day of the first purchase on the cutoff or after it, `NEVER` without one, int32, shape (k,).
    """

    cutoff: int
    customer: np.ndarray
    code: np.ndarray
    gaps: np.ndarray
    log_sum: np.ndarray
    log_squares: np.ndarray
    first: np.ndarray
    last: np.ndarray
    following: np.ndarray

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: np.ndarray) -> Traces:
        """The given rows alone, by position or mask."""
        return Traces(cutoff=self.cutoff, **{name: getattr(self, name)[rows] for name in _COLUMNS})


_COLUMNS = ("customer", "code", "gaps", "log_sum", "log_squares", "first", "last", "following")


def trace(purchases: Purchases, cutoff: int, *, by_category: bool) -> Traces:
    """Histories before a day, and the first purchase from it on.

    Args:
        purchases: All purchases.
        cutoff: First day not seen, days since 1970-01-01.
        by_category: A row for each customer and category; else for each customer, purchases without category too.

    Examples:
        >>> from netlift.next_purchase.purchases import make_purchases
        >>> bought = make_purchases(
        ...     np.array([0, 0, 0, 0]), np.array([10, 17, 17, 31]), np.array([0, 0, 1, 0]),
        ...     ids=np.array(["c1"], dtype=object), categories=("tea", "milk"))
        >>> seen = trace(bought, 20, by_category=False)
        >>> seen.gaps.tolist(), np.exp(seen.log_sum).round().tolist(), seen.last.tolist(), seen.following.tolist()
        ([1], [7.0], [17], [31])
    """
    width = max(len(purchases.categories), 1) if by_category else 1
    code = purchases.code if by_category else np.zeros(len(purchases.code), dtype=np.int16)
    rows = _count_rows(purchases.offsets, purchases.day, code, cutoff, width)
    out = (
        np.empty(rows, dtype=np.int32),
        np.empty(rows, dtype=np.int16),
        np.zeros(rows, dtype=np.int32),
        np.zeros(rows),
        np.zeros(rows),
        np.empty(rows, dtype=np.int32),
        np.empty(rows, dtype=np.int32),
        np.full(rows, NEVER, dtype=np.int32),
    )
    _trace(purchases.offsets, purchases.day, code, cutoff, width, out)
    columns: dict[str, Any] = dict(zip(_COLUMNS, out, strict=True))
    return Traces(cutoff=cutoff, **columns)


def median_gaps(purchases: Purchases, cutoff: int, *, by_category: bool) -> np.ndarray:
    """Median gap of all customers before a day, by category or of all purchases; NaN without a gap, shape (g,)."""
    width = max(len(purchases.categories), 1) if by_category else 1
    code = purchases.code if by_category else np.zeros(len(purchases.code), dtype=np.int16)
    counted = _count_gaps(
        purchases.offsets, purchases.day, code, cutoff, np.zeros((width, LONGEST + 1), dtype=np.int64)
    )
    below = np.cumsum(counted, axis=1)
    half = (below[:, -1:] + 1) // 2
    return np.where(half[:, 0] > 0, (below < half).sum(axis=1).astype(np.float64), np.nan)


@njit(cache=True, nogil=True)
def _count_gaps(offsets: np.ndarray, day: np.ndarray, code: np.ndarray, cutoff: int, counted: np.ndarray) -> np.ndarray:
    seen, last = np.full(len(counted), -1, dtype=np.int64), np.zeros(len(counted), dtype=np.int64)
    for customer in range(len(offsets) - 1):
        for i in range(offsets[customer], offsets[customer + 1]):
            c = code[i]
            if c < 0 or day[i] >= cutoff:
                continue
            if seen[c] == customer and day[i] > last[c]:
                counted[c, min(day[i] - last[c], counted.shape[1] - 1)] += 1
            seen[c], last[c] = customer, day[i]
    return counted


@njit(cache=True, nogil=True)
def _count_rows(offsets: np.ndarray, day: np.ndarray, code: np.ndarray, cutoff: int, width: int) -> int:
    seen = np.full(width, -1, dtype=np.int64)
    rows = 0
    for customer in range(len(offsets) - 1):
        for i in range(offsets[customer], offsets[customer + 1]):
            if day[i] >= cutoff:
                break
            if code[i] >= 0 and seen[code[i]] != customer:
                seen[code[i]] = customer
                rows += 1
    return rows


@njit(cache=True, nogil=True)
def _trace(
    offsets: np.ndarray, day: np.ndarray, code: np.ndarray, cutoff: int, width: int, out: tuple[np.ndarray, ...]
) -> None:
    own_customer, own_code, gaps, log_sum, log_squares, first, last, following = out
    seen, place = np.full(width, -1, dtype=np.int64), np.zeros(width, dtype=np.int64)
    rows = 0
    for customer in range(len(offsets) - 1):
        for i in range(offsets[customer], offsets[customer + 1]):
            c = code[i]
            if c < 0:
                continue
            if day[i] >= cutoff:
                if seen[c] == customer and following[place[c]] == NEVER:
                    following[place[c]] = day[i]
                continue
            if seen[c] != customer:
                seen[c], place[c] = customer, rows
                own_customer[rows], own_code[rows], first[rows], last[rows] = customer, c, day[i], day[i]
                rows += 1
            elif day[i] > last[place[c]]:
                k = place[c]
                gap = np.log(float(day[i] - last[k]))
                gaps[k] += 1
                log_sum[k] += gap
                log_squares[k] += gap * gap
                last[k] = day[i]


__all__ = ["NEVER", "Traces", "median_gaps", "trace"]
