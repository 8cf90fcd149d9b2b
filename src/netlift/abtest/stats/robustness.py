"""Robustness rows: capped spend, and each arm without its largest customer.

Lines of sensitivity beside the money, never the money itself: a capped total is not what was earned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlift.abtest.stats.moments import DUST

if TYPE_CHECKING:
    import ibis.expr.types as ir

KEYS = ("campaign_id", "arm")


def without_largest(rows: ir.Table) -> ir.Table:
    """The rows without the customer of each arm who spent most; of several, the first by id."""
    import ibis

    place = ibis.row_number().over(
        group_by=[rows[key] for key in KEYS], order_by=[rows.revenue.desc(), rows.customer_id]
    )
    return rows.mutate(place=place).filter(lambda table: table.place > 0).drop("place")


def capped(rows: ir.Table, *, share: float) -> ir.Table:
    """The rows with revenue capped at a quantile of all buyers, margin and reward in proportion.

    The cap is of buyers of all arms together: of all customers, most of whom buy nothing, it would be zero, and a cap
    for each arm would cut what the offer brought.

    Args:
        rows: One row per assigned customer.
        share: Share of buyers below the cap.
    """
    import ibis

    cap = rows.filter(rows.revenue > DUST).revenue.quantile(share).to_pyarrow().as_py()
    if cap is None:
        return rows
    kept = ibis.ifelse(rows.revenue > cap, cap / rows.revenue, 1.0)
    return rows.mutate(revenue=rows.revenue * kept, margin=rows.margin * kept, reward=rows.reward * kept)


def largest_shares(rows: ir.Table) -> dict[str, float]:
    """Arm to the share of its revenue that its largest customer makes; zero where nobody bought."""
    found = rows.group_by("arm").aggregate(largest=rows.revenue.max(), total=rows.revenue.sum())
    return {
        arm["arm"]: arm["largest"] / arm["total"] if arm["total"] > 0 and arm["largest"] > 0 else 0.0
        for arm in found.to_pyarrow().to_pylist()
    }
