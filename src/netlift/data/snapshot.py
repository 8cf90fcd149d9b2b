"""One extract of customers as the tables of a business: no receipt, and nothing dated but the extract itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from netlift.data.casting import null_of
from netlift.data.contract import CONTRACT, MONTHLY_MONEY

if TYPE_CHECKING:
    from netlift.data.tables import Tables


def complete_snapshot(tables: Tables, day: date) -> Tables:
    """The tables with what everything behind them asks for: when customers joined, and receipts, of which are none.

    Args:
        tables: The one table that the source has.
        day: Of the extract: who has no other `joined_at` counts as joined at its beginning.
    """
    import ibis

    customers = tables["customers"]
    if not tables.has("customers", "joined_at"):
        customers = customers.mutate(joined_at=ibis.literal(datetime.combine(day, time()), type="timestamp(6)"))
    nothing = {column.name: null_of(column) for column in CONTRACT["transactions"].columns}
    receipts = customers.filter(ibis.literal(value=False)).select(**nothing)
    end = datetime.combine(day, time()) + timedelta(days=1)
    return replace(tables.replace(customers=customers, transactions=receipts), snapshot_of=day, complete_end=end)


def monthly_money(tables: Tables) -> str:
    """The column of what a customer brings in a month; empty where the extract has none."""
    return next((name for name in MONTHLY_MONEY if tables.has("customers", name)), "")


__all__ = ["complete_snapshot", "monthly_money"]
