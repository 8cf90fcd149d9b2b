"""Plausibility checks: margin above revenue, one receipt or one customer that outweighs the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netlift.data.checks.findings import Finding, Severity
from netlift.data.checks.rules import is_not_finite

if TYPE_CHECKING:
    from netlift.data.read import Tables

CLEARLY_ABOVE = 1.01
"""Margin over revenue beyond which rounding explains it no longer."""
FEWEST_RECEIPTS = 20
FAR_ABOVE_MEAN = 20
"""Times the mean of all customers that one must have, so that of a handful of customers none is taken for many."""


def check_customers(tables: Tables, *, max_share: float) -> Iterator[Finding]:
    """A customer who is many: an id for all who bought without a card, which every mean and every model would meet.

    Args:
        tables: The tables of a business.
        max_share: Share of all receipts that one customer may have.
    """
    receipts = tables["transactions"]
    sizes = receipts.group_by("customer_id").aggregate(n=receipts.count())
    sizes = sizes.semi_join(tables["customers"], "customer_id")  # of strangers there is a rule of its own
    found = sizes.aggregate(customers=sizes.count(), rows=sizes.n.sum(), most=sizes.n.max()).to_pyarrow().to_pylist()[0]
    rows, most = int(found["rows"] or 0), int(found["most"] or 0)
    if most > max_share * rows and most >= FAR_ABOVE_MEAN * rows / found["customers"]:
        yield _finding(
            "customer_id",
            "one-customer-outweighs",
            f"one of {found['customers']:,} customers has {most:,} of {rows:,} receipts ({most / rows:.1%}), "
            f"{most * found['customers'] / rows:,.0f} times the mean; check.max_customer_share allows {max_share:.1%}. "
            "It is probably an id for all who bought without a card: leave its receipts out of the source",
            count=most,
            of=rows,
            severity="error",
        )


def check_money(tables: Tables) -> Iterator[Finding]:
    """Findings about the money of all receipts together, in one scan."""
    receipts = tables["transactions"]
    finite = receipts.filter(~(is_not_finite(receipts.revenue) | is_not_finite(receipts.margin)))
    sold = finite.revenue >= 0
    above = sold & (finite.margin > CLEARLY_ABOVE * finite.revenue)
    sums: dict[str, Any] = {"rows": finite.count(), "above": above.sum()}
    for name in ("revenue", "margin"):
        size = finite[name].abs()
        sums |= {name: finite[name].sum(), f"size_{name}": size.sum(), f"largest_{name}": size.max()}
    found = finite.aggregate(**sums).to_pyarrow().to_pylist()[0]
    if found["above"]:
        yield _margins(found)
    for name in ("revenue", "margin"):
        if found["rows"] >= FEWEST_RECEIPTS and 2 * found[f"largest_{name}"] >= found[f"size_{name}"] > 0:
            share = found[f"largest_{name}"] / found[f"size_{name}"]
            yield _finding(
                name,
                "one-receipt-outweighs",
                f"one of {found['rows']:,} receipts holds {share:.0%} of all {name}, as much as the others together: "
                "every mean and total is that receipt; correct it in the source, or leave it out",
                count=1,
                of=found["rows"],
            )


def _margins(found: dict[str, Any]) -> Finding:
    """A few margins above their revenue are somebody's mistakes; a total above it is a wrong unit or column."""
    total = found["margin"] > CLEARLY_ABOVE * found["revenue"] > 0
    times = (
        f", and the total of margins is {found['margin'] / found['revenue']:.1f} times that of revenue" if total else ""
    )
    return _finding(
        "margin",
        "margin-above-revenue",
        f"{found['above']:,} of {found['rows']:,} receipts have a margin above their revenue{times}; margin is revenue "
        "less the cost of what was sold: correct the column, or its unit",
        count=found["above"],
        of=found["rows"],
        severity="error" if total else "warning",
    )


def _finding(column: str, code: str, message: str, *, count: int, of: int, severity: Severity = "warning") -> Finding:
    return Finding(
        table="transactions", column=column, severity=severity, code=code, count=count, of=of, message=message
    )


__all__ = ["check_customers", "check_money"]
