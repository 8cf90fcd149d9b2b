"""What the business's money is: margin, or revenue where its source has no margins."""

from __future__ import annotations

from netlift.data.read import Tables

REVENUE = "revenue (no margins)"


def is_revenue_based(tables: Tables) -> bool:
    """Whether margin equals revenue on every receipt: the source has no margins, and all value is revenue."""
    receipts = tables["transactions"]
    counts = receipts.aggregate(rows=receipts.count(), equal=(receipts.margin == receipts.revenue).sum()).to_pyarrow()
    counted = counts.to_pylist()[0]
    return bool(counted["rows"] and counted["rows"] == counted["equal"])


def name_money(tables: Tables) -> str:
    """`margin`, or what stands for it, as a sentence says it."""
    return REVENUE if is_revenue_based(tables) else "margin"
