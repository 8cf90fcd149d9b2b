"""Purchases of all customers in time order, as integers: customer, day, category."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError
from netlift.features.customers import encode
from netlift.features.sources import receipt_is_return

if TYPE_CHECKING:
    from netlift.data.read import Tables


@dataclass(frozen=True, kw_only=True, eq=False)
class Purchases:
    """Purchases by customer, within a customer in order of time; returns are none.

    Attributes:
        ids: Customers, dtype object of str, shape (n,).
        offsets: Customer i has the rows from `offsets[i]` to before `offsets[i + 1]`, shape (n + 1,).
        day: Day of each purchase, days since 1970-01-01, int32, shape (m,).
        code: Its category, a position in `categories`, -1 for none and for one that is too rare, int16, shape (m,).
        categories: Names of categories, the most frequent first.
    """

    ids: np.ndarray
    offsets: np.ndarray
    day: np.ndarray
    code: np.ndarray
    categories: tuple[str, ...]

    @property
    def uncoded_share(self) -> float:
        """Share of the purchases without a category, or of one that is too rare."""
        return float(np.mean(self.code < 0)) if len(self.code) else 0.0


def make_purchases(
    customer: np.ndarray, day: np.ndarray, code: np.ndarray, *, ids: np.ndarray, categories: tuple[str, ...]
) -> Purchases:
    """Purchases from rows that stand in order of customer and time.

    Args:
        customer: Position in `ids` of each row, rising, shape (m,).
        day: Days since 1970-01-01, rising within a customer, shape (m,).
        code: Category of each row, shape (m,).
        ids: Customers, shape (n,).
        categories: Names of categories.
    """
    offsets = np.searchsorted(customer, np.arange(len(ids) + 1))
    return Purchases(
        ids=ids,
        offsets=offsets.astype(np.int64),
        day=day.astype(np.int32),
        code=code.astype(np.int16),
        categories=categories,
    )


def read_purchases(tables: Tables, *, until: date, max_categories: int, counted_until: date | None = None) -> Purchases:
    """Purchases before a day of all customers of the table, as known by that day; 14 bytes a receipt are held.

    Receipts of one moment stand in the order of how frequent their categories are.

    Args:
        tables: The tables of a business, checked.
        until: First day not seen.
        max_categories: So many categories, the most frequent ones, are told apart.
        counted_until: First day whose purchases do not count for which categories these are; None for `until`.

    Raises:
        DataError: Nobody had bought anything before that day.
    """
    import ibis

    end = datetime.combine(until, time())
    receipts = tables["transactions"]
    receipts = receipts.filter((receipts.occurred_at < end) & ~receipt_is_return(receipts))
    if tables.has("transactions", "ingested_at"):
        receipts = receipts.filter(receipts.ingested_at.coalesce(receipts.occurred_at) < end)
    ids = np.array(
        tables.connection.to_pyarrow(tables["customers"].select("customer_id").distinct())["customer_id"].to_pylist(),
        dtype=object,
    )
    ids.sort()
    counted = receipts.occurred_at < datetime.combine(counted_until or until, time())
    categories = _frequent_categories(tables, receipts.filter(counted), max_categories)
    code = encode(receipts.category, categories, missing=len(categories)) if categories else ibis.literal(0)
    numbered = ibis.memtable({"customer_id": ids.tolist(), "number": np.arange(len(ids), dtype=np.int32)})
    rows = receipts.select("customer_id", "occurred_at", code=code.cast("int16"))
    rows = rows.inner_join(numbered, "customer_id").select("number", "occurred_at", "code")
    found = tables.connection.to_pyarrow(rows.order_by("number", "occurred_at", "code"))
    if not len(found):
        raise DataError(f"transactions: no purchase before {until}; check --as-of, and customers against transactions")
    coded = found["code"].to_numpy()
    return make_purchases(
        found["number"].to_numpy(),
        found["occurred_at"].to_numpy().astype("datetime64[D]").astype(np.int32),
        np.where(coded < len(categories), coded, -1),
        ids=ids,
        categories=categories,
    )


def _frequent_categories(tables: Tables, receipts: object, most: int) -> tuple[str, ...]:
    """Names of the categories with most purchases, by name where they have the same number."""
    import ibis

    if not tables.has("transactions", "category"):
        return ()
    named = receipts.filter(receipts.category.notnull())  # type: ignore[attr-defined]
    counted = named.group_by("category").aggregate(purchases=named.count())
    first = counted.order_by([ibis.desc("purchases"), "category"]).limit(most)
    return tuple(tables.connection.to_pyarrow(first)["category"].to_pylist())


__all__ = ["Purchases", "make_purchases", "read_purchases"]
