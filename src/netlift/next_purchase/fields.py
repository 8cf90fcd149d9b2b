"""Predicted fields by the names that lists, conditions and triggers use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.next_purchase import NextPurchaseSettings
from netlift.errors import DataError
from netlift.next_purchase.evaluation import Evaluation
from netlift.next_purchase.item_scores import ITEM_FIELDS
from netlift.next_purchase.model import NextPurchases, foretell, learn_next_purchases
from netlift.next_purchase.purchases import Purchases, read_purchases

if TYPE_CHECKING:
    from netlift.data.read import Tables

DATE_FIELDS = ("p_next_purchase", "next_purchase_on", "next_purchase_from", "next_purchase_to", "days_to_next_purchase")
CATEGORY_FIELDS = (
    "next_category", "p_next_category", "replenish_category", "replenish_on", "days_to_replenishment",
)  # fmt: skip
FIELDS = (*DATE_FIELDS, *CATEGORY_FIELDS, *ITEM_FIELDS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Foretold:
    """Next purchases of all customers as of a day, and how good such were out of time.

    Attributes:
        as_of: First day not seen.
        purchases: What they were foretold from.
        next: What is foretold.
        evaluation: How good the same was, learned a horizon earlier.
    """

    as_of: date
    purchases: Purchases
    next: NextPurchases
    evaluation: Evaluation

    def columns(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Every field by name in the order of the given customers: numbers with NaN, words with None, days with NaT.

        Args:
            ids: Customers, shape (n,).
        """
        own, today = self.next, np.datetime64(self.as_of, "D")
        category, on = self._first_replenishments()
        words = np.array([*self.purchases.categories, None], dtype=object)
        found = {
            "p_next_purchase": own.probability,
            "next_purchase_on": own.day,
            "next_purchase_from": own.early,
            "next_purchase_to": own.late,
            "days_to_next_purchase": _days_between(today, own.day),
            "next_category": words[own.category],
            "p_next_category": own.category_probability,
            "replenish_category": words[category],
            "replenish_on": on,
            "days_to_replenishment": _days_between(today, on),
        }
        at, known = self._places(ids)
        return {name: np.where(known, values[at], _missing(values)) for name, values in found.items()}

    def newest_due(self, ids: np.ndarray, *, until: date) -> np.ndarray:
        """Newest day up to `until`, included, on which a category falls due, datetime64[D], NaT without one, (n,)."""
        pairs = self.next.replenishments
        due = np.full(len(self.purchases.ids), np.datetime64("NaT"), dtype="datetime64[D]")
        come = pairs.due <= np.datetime64(until, "D")
        np.fmax.at(due, pairs.customer[come], pairs.due[come])
        at, known = self._places(ids)
        return np.where(known, due[at], np.datetime64("NaT"))

    def _first_replenishments(self) -> tuple[np.ndarray, np.ndarray]:
        """The category that is expected first of all that a customer buys again and again, -1 without one; its day."""
        pairs, n = self.next.replenishments, len(self.purchases.ids)
        category, on = np.full(n, -1), np.full(n, np.datetime64("NaT"), dtype="datetime64[D]")
        order = np.lexsort((pairs.code, -pairs.probability, pairs.day, pairs.customer))
        customer, first = np.unique(pairs.customer[order], return_index=True)
        category[customer], on[customer] = pairs.code[order][first], pairs.day[order][first]
        return category, on

    def _places(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import pandas as pd

        at = pd.Index(self.purchases.ids).get_indexer(pd.Index(ids))
        return at, at >= 0


def foretell_purchases(tables: Tables, settings: NextPurchaseSettings, *, as_of: date, seed: int) -> Foretold:
    """Learn from the receipts of whole months and foretell from all that are seen.

    What is learned of the population changes with the month alone, so that the day on which a category falls due
    stays the same from night to night until the customer buys it.

    Args:
        tables: The tables of a business, checked.
        settings: How far ahead.
        as_of: First day not seen.
        seed: Of the draw of customers that the category is learned from.

    Raises:
        HistoryTooShortError: The receipts before the month do not cover three horizons.
        DataError: No purchases, or too few customers came again.
    """
    month = as_of.replace(day=1)
    purchases = read_purchases(tables, until=as_of, max_categories=settings.max_categories, counted_until=month)
    model = learn_next_purchases(purchases, end=day_number(month), horizon=settings.horizon_days, seed=seed)
    told = foretell(model, purchases, as_of=day_number(as_of))
    return Foretold(as_of=as_of, purchases=purchases, next=told, evaluation=model.evaluation)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return int(np.datetime64(day, "D").astype(np.int64))


def require_sources(tables: Tables, names: Sequence[str], *, replenishment: bool = False) -> None:
    """Refuse fields that the tables do not allow.

    Args:
        tables: The tables of a business.
        names: What is asked for; names that are no field of the next purchase are passed over.
        replenishment: Whether somebody asks when categories fall due.

    Raises:
        DataError: Receipts have no category, or there is no table of scored items.
    """
    by_category = [name for name in names if name in CATEGORY_FIELDS] + ["the replenishment trigger"] * replenishment
    if by_category and not tables.has("transactions", "category"):
        raise DataError(
            f"transactions.category: the source has no such column, and {by_category[0]} is made of it; map yours in "
            "data.tables.transactions.columns, or leave the field out"
        )
    items = [name for name in names if name in ITEM_FIELDS]
    if items and "item_scores" not in tables:
        raise DataError(
            f"item_scores: the config does not name this table, and {items[0]} is read from it; name it under "
            "data.tables, or leave the field out"
        )


def asks_for_purchases(names: Sequence[str]) -> bool:
    """Whether any of the names is a field of the next purchase."""
    return bool({*DATE_FIELDS, *CATEGORY_FIELDS} & set(names))


def _days_between(today: np.datetime64, days: np.ndarray) -> np.ndarray:
    return np.where(np.isnat(days), np.nan, (days - today).astype(np.float64))


def _missing(values: np.ndarray) -> Any:
    return {"M": np.datetime64("NaT"), "O": None}.get(values.dtype.kind, np.nan)


__all__ = ["FIELDS", "Foretold", "asks_for_purchases", "day_number", "foretell_purchases", "require_sources"]
