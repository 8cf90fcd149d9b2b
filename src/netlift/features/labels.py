"""Labels: purchases, revenue and margin in a span of time after a cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from netlift.features.customers import locate_customers
from netlift.features.kernel import RETURN
from netlift.features.queries import Queries
from netlift.features.sources import count_receipts, receipt_rows
from netlift.features.streams import AT, CODES, FIRST, SECOND, CustomerIndex, read_rows
from netlift.features.vocabulary import Vocabulary

if TYPE_CHECKING:
    from netlift.data.read import Tables

ROWS_PER_PARTITION = 4_000_000


MICROSECONDS_PER_YEAR = 365.25 * 86_400e6


@dataclass(frozen=True, kw_only=True)
class Discount:
    """Money t years after a moment counts (1 + rate)^-t.

    Attributes:
        since: The moment of each query, datetime64[us], shape (n,).
        rate_year: The rate of a year.
    """

    since: np.ndarray
    rate_year: float


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Outcomes of queries, in their order.

    Attributes:
        margin: Sum of margin, returns on their own date included, discounted where asked, in currency, float64, shape
            (n,).
        revenue: Sum of revenue, likewise.
        purchases: Receipts that are no returns, int64, shape (n,).
    """

    margin: np.ndarray
    revenue: np.ndarray
    purchases: np.ndarray

    def __len__(self) -> int:
        return len(self.margin)


def build_labels(
    tables: Tables, queries: Queries, *, gap_days: int, horizon_days: int, discount_rate_year: float = 0.0
) -> Labels:
    """Outcomes of [cutoff + gap, cutoff + gap + horizon), margin discounted to the cutoff.

    Args:
        tables: The tables of a business.
        queries: Customers and cutoffs.
        gap_days: Days skipped.
        horizon_days: Days summed.
        discount_rate_year: Margin t days after the cutoff counts (1 + rate)^(-t / 365.25).

    Raises:
        DataError: A customer asked about is not in `customers`.
    """
    start = queries.cutoff + np.timedelta64(gap_days, "D")
    discount = Discount(since=queries.cutoff, rate_year=discount_rate_year) if discount_rate_year else None
    end = start + np.timedelta64(horizon_days, "D")
    return sum_outcomes(tables, queries, start=start, end=end, discount=discount)


def sum_outcomes(
    tables: Tables,
    queries: Queries,
    *,
    start: np.ndarray,
    end: np.ndarray,
    discount: Discount | None = None,
    rows_per_partition: int = ROWS_PER_PARTITION,
) -> Labels:
    """Outcomes of a span per query, such as [assigned_at, assigned_at + outcome_days) of a contact.

    Args:
        tables: The tables of a business.
        queries: Customers; their cutoffs are not looked at.
        start: First instant of each span, datetime64[us], shape (n,).
        end: First instant after it.
        discount: How later margin counts for less; None for not at all.
        rows_per_partition: Receipts held in memory at once.

    Raises:
        DataError: A customer asked about is not in `customers`.
    """
    sums = np.zeros((2, len(queries)))
    purchases = np.zeros(len(queries), dtype=np.int64)
    if len(queries):
        words = Vocabulary(attributes={}, sources=())
        customers, asked = locate_customers(tables, words, queries)
        index = CustomerIndex.build(
            customers.hashes, rows=count_receipts(tables), rows_per_partition=rows_per_partition
        )
        receipts = receipt_rows(tables, words, since=start.min().item(), until=end.max().item())
        read = read_rows(tables.engine, receipts, index, table="transactions", held_rows=rows_per_partition)
        order = np.argsort(asked, kind="stable")
        since = start if discount is None else discount.since
        spans = np.stack([start, end, since]).astype("datetime64[us]").view(np.int64)
        decay = 0.0 if discount is None else np.log1p(discount.rate_year) / MICROSECONDS_PER_YEAR
        for partition in range(index.partitions):
            first, last = index.span(partition)
            low, high = np.searchsorted(asked[order], (first, last))
            part = read.take(partition)
            _sum_spans(
                (part.words, part.words.view(np.float64), part.offsets),
                order[low:high],
                asked - first,
                spans,
                decay,
                sums,
                purchases,
            )
    return Labels(margin=sums[1], revenue=sums[0], purchases=purchases)


@njit(cache=True, nogil=True)
def _sum_spans(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    queries: np.ndarray,
    customers: np.ndarray,
    spans: np.ndarray,
    decay: float,
    sums: np.ndarray,
    purchases: np.ndarray,
) -> None:
    words, values, offsets = rows
    for query in queries:
        customer = customers[query]
        for i in range(offsets[customer], offsets[customer + 1]):
            if words[i, AT] >= spans[1, query]:
                break
            if words[i, AT] >= spans[0, query]:
                sums[0, query] += values[i, FIRST]
                sums[1, query] += values[i, SECOND] * np.exp(-decay * (words[i, AT] - spans[2, query]))
                purchases[query] += (words[i, CODES] & RETURN) == 0
