"""Purchases by customer and month relative to the forecast day."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError
from netlift.features.sources import receipt_is_return

if TYPE_CHECKING:
    import pandas as pd

    from netlift.data.read import Tables

HORIZON = 12
MOST_MONTHS = 60
MONEY, SUM = "decimal(18, 4)", "decimal(38, 4)"
LATE_START_DAYS = 3
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, eq=False)
class PurchaseHistory:
    """What every customer bought in each month before a day.

    Month k of m begins at day `starts[k]`; day 0 is that of the forecast and begins month m.

    Attributes:
        starts: First days of the m past months and of the next 12, and the end of the last, shape (m + 13,).
        whole_from: The first month that the receipts cover wholly.
        ids: Customers who had joined or bought, ascending, shape (n,).
        joined: Month in which each joined, or bought first where that was earlier; -1 before the first, shape (n,).
        first_day: Day of the first purchase, `NEVER` for none, shape (n,).
        customer: Position of the customer of a row, shape (r,).
        month: Month of the row, shape (r,).
        margin: Margin of the customer in the month, returns booked as they came, in currency, shape (r,).
        days: Days with a purchase, shape (r,).
        last_day: The newest of them, shape (r,).
    """

    starts: np.ndarray
    whole_from: int
    ids: np.ndarray
    joined: np.ndarray
    first_day: np.ndarray
    customer: np.ndarray
    month: np.ndarray
    margin: np.ndarray
    days: np.ndarray
    last_day: np.ndarray

    @property
    def months(self) -> int:
        """How many past months there are."""
        return len(self.starts) - HORIZON - 1

    @property
    def totals(self) -> np.ndarray:
        """Margin of each past month, in currency, shape (m,)."""
        return np.bincount(self.month, weights=self.margin, minlength=self.months)


def month_start(as_of: date, months: int) -> date:
    """The day that begins a month counted from a day, the last of its month where that has no such day.

    Examples:
        >>> month_start(date(2026, 10, 1), -3), month_start(date(2026, 10, 31), 1)
        (datetime.date(2026, 7, 1), datetime.date(2026, 11, 30))
    """
    year, month = divmod(as_of.year * 12 + as_of.month - 1 + months, 12)
    return date(year, month + 1, min(as_of.day, monthrange(year, month + 1)[1]))


def read_purchases(tables: Tables, *, as_of: date, first: date) -> PurchaseHistory:
    """Count purchases by customer and month.

    Args:
        tables: The tables of the business.
        as_of: First day not seen.
        first: Day of the first receipt.

    Raises:
        DataError: No receipt before the day.
    """
    import ibis

    count = next((k for k in range(1, MOST_MONTHS + 1) if month_start(as_of, -k) <= first), MOST_MONTHS)
    edges = [month_start(as_of, k) for k in range(-count, HORIZON + 1)]
    starts = np.array([(edge - as_of).days for edge in edges], dtype=np.int64)
    zero = (as_of - date(1970, 1, 1)).days
    people = tables["customers"].select("customer_id", "joined_at")
    people = people.group_by("customer_id").aggregate(joined=people.joined_at.min().epoch_seconds() // 86_400 - zero)
    receipts = tables["transactions"]
    day = receipts.occurred_at.epoch_seconds() // 86_400 - zero
    receipts = receipts.mutate(day=day, bought=~receipt_is_return(receipts))
    receipts = receipts.filter((receipts.day >= int(starts[0])) & (receipts.day < 0))
    receipts = receipts.mutate(month=receipts.day.bucket([*map(int, starts[: count + 1])]).cast("int64"))
    rows = receipts.group_by("customer_id", "month").aggregate(
        margin=receipts.margin.cast(MONEY).sum().cast(SUM).cast("float64"),
        days=receipts.bought.ifelse(receipts.day, ibis.null()).nunique(),
        first_day=receipts.bought.ifelse(receipts.day, ibis.null()).min(),
        last_day=receipts.bought.ifelse(receipts.day, ibis.null()).max(),
        any_day=receipts.day.min(),
    )
    rows = rows.semi_join(people, "customer_id").order_by("customer_id", "month")
    found = tables.connection.to_pyarrow(rows).to_pandas()
    if not len(found):
        raise DataError(f"transactions: no receipt before --as-of {as_of}, so there is nothing to forecast from")
    everybody = tables.connection.to_pyarrow(people.order_by("customer_id")).to_pandas()
    return _arrange(everybody, found, starts=starts, late=(first - as_of).days)


def _arrange(everybody: pd.DataFrame, found: pd.DataFrame, *, starts: np.ndarray, late: int) -> PurchaseHistory:
    """The answers of the tables as arrays; `late` is the day of the first receipt."""
    import pandas as pd

    count = len(starts) - HORIZON - 1
    index = pd.Index(everybody["customer_id"], dtype=object)
    customer = index.get_indexer(pd.Index(found["customer_id"], dtype=object))
    first_day, any_day = np.full((2, len(index)), NEVER)
    bought = found["first_day"].notna().to_numpy()
    np.minimum.at(first_day, customer[bought], found["first_day"].to_numpy()[bought].astype(np.int64))
    np.minimum.at(any_day, customer, found["any_day"].to_numpy().astype(np.int64))
    since = np.minimum(everybody["joined"].to_numpy().astype(np.int64), any_day)
    there = since < 0
    position = np.cumsum(there) - 1
    return PurchaseHistory(
        starts=starts,
        whole_from=int(late > starts[0] + LATE_START_DAYS),
        ids=index.to_numpy()[there],
        joined=np.searchsorted(starts[: count + 1], since[there], side="right") - 1,
        first_day=first_day[there],
        customer=position[customer],
        month=found["month"].to_numpy().astype(np.int64),
        margin=found["margin"].to_numpy().astype(np.float64),
        days=found["days"].to_numpy().astype(np.int64),
        last_day=found["last_day"].fillna(starts[0]).to_numpy().astype(np.int64),
    )


__all__ = ["HORIZON", "NEVER", "PurchaseHistory", "month_start", "read_purchases"]
