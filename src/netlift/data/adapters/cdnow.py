"""CDNOW: CD purchases of the customers who bought first in the first quarter of 1997, seen to mid-1998.

File: `cdnow_master.parquet`. Rules, each counted in the notes:

- A receipt is a customer's day: purchases of one customer on one day are collapsed, as models of repeat buying need.
- A receipt of 0 dollars is a purchase, kept with revenue 0; a model of spend per purchase leaves it out itself.
- The source has no costs: margin is revenue, so every sum made from this data set is revenue.
- The source has no joining: `joined_at` is the first purchase, which for this cohort is the acquisition.

Dates have no time of day: a receipt stands at midnight of its day. There is no receipt id, category or attribute.

References:
    Fader, P. and Hardie, B. (2001), Forecasting repeat sales at CDNOW: a case study, Interfaces 31(3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netlift.data.adapters.adapted import Adapted, count_notes, require_columns, sum_exactly
from netlift.data.engines.files import read_parquet

FILE = "cdnow_master.parquet"
FILES = (FILE,)


def adapt(connection: Any, folder: Path) -> Adapted:
    """Customers and transactions of CDNOW.

    Raises:
        DataError: The file is missing, unreadable, or without a needed column.
    """
    purchases = require_columns(
        FILE, read_parquet(connection, "transactions", folder / FILE), ("customer_id", "date", "dollar_value")
    )
    days = purchases.group_by("customer_id", occurred_at=purchases.date).aggregate(
        revenue=sum_exactly(purchases.dollar_value, decimals=2), purchases=purchases.count()
    )
    customers = purchases.group_by("customer_id").aggregate(joined_at=purchases.date.min())
    notes = count_notes(
        "transactions",
        days,
        {
            "further purchases of a customer on the same day: collapsed into one receipt": days.purchases - 1,
            "receipts of 0 dollars: kept with revenue 0": days.revenue == 0,
            "receipts without a cost in the source: margin is revenue": days.revenue.notnull(),
        },
    ) + count_notes(
        "customers",
        customers,
        {"customers without a joining date: joined_at is the first purchase": customers.joined_at.notnull()},
    )
    receipts = days.select("customer_id", "occurred_at", "revenue", margin=days.revenue)
    return Adapted(tables={"customers": customers, "transactions": receipts}, notes=notes)
