"""Complete Journey: grocery receipts of 2,469 households over 2017, with hand-picked coupon campaigns.

Files: `completejourney_{transactions,products,campaigns,campaign_descriptions,demographics}.parquet`. The R package
that carries them speaks of purchases of households, the Python package of "simulated data based on real patterns".
Rules, each counted in the notes:

- A receipt is a basket. Revenue sums `sales_value`, what the retailer receives; margin is revenue, since the source
  has no costs. Baskets of 0 dollars, paid by coupons, are kept: the household came.
- Times are UTC and become the config's zone; with America/New_York the source's own `week` turns at local midnight
  from Sunday to Monday, in summer and winter.
- `category` is the department with the largest sales in the basket (the first by name among equals); products without
  a row in the products have none.
- `promo` is any discount on any line: loyalty price, coupon, or the retailer's match of a coupon.
- `quantity` is not used: for fuel it is no count of items.
- `joined_at` is the first receipt: the source begins with 2017 and does not say when a household came.
- Demographics are attributes; for two households in three they are null.
- A campaign's offer is its type. Its days run from start to end, both included: coupons are redeemed on the last day.
- Campaigns are targeted, not drawn: `randomized` is false, propensities are null, there is no control. The source
  has no costs of contact: 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.data.adapters.adapted import Adapted, AdapterNote, count_notes, require_columns, sum_exactly
from netlift.data.engines.files import read_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir

ATTRIBUTES = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)
COLUMNS = {
    "transactions": (
        "household_id",
        "basket_id",
        "product_id",
        "sales_value",
        "retail_disc",
        "coupon_disc",
        "coupon_match_disc",
        "transaction_timestamp",
    ),
    "products": ("product_id", "department"),
    "campaigns": ("campaign_id", "household_id"),
    "campaign_descriptions": ("campaign_id", "campaign_type", "start_date", "end_date"),
    "demographics": ("household_id", *ATTRIBUTES),
}
FILES = tuple(f"completejourney_{name}.parquet" for name in COLUMNS)


def adapt(connection: Any, folder: Path) -> Adapted:
    """Customers, transactions, campaigns, contacts and offers of the Complete Journey.

    Raises:
        DataError: A file is missing, unreadable, or without a needed column.
    """
    source = {name: _open(connection, folder, name, columns) for name, columns in COLUMNS.items()}
    lines = source["transactions"].left_join(source["products"], "product_id")
    baskets = _baskets(lines)
    customers = _customers(source["transactions"], source["demographics"])
    described = source["campaign_descriptions"]
    tables = {
        "customers": customers,
        "transactions": baskets.drop("lines", "lines_without_product"),
        "campaigns": _campaigns(described),
        "contacts": _contacts(source["campaigns"], described),
        "offers": _offers(described),
    }
    notes = (*_receipt_notes(baskets), *_customer_notes(customers), *_campaign_notes(tables))
    return Adapted(tables=tables, notes=notes)


def _open(connection: Any, folder: Path, name: str, columns: tuple[str, ...]) -> ir.Table:
    file = f"completejourney_{name}.parquet"
    return require_columns(file, read_parquet(connection, name, folder / file), columns)


def _text(number: ir.IntegerValue) -> ir.StringValue:
    return number.cast("string")


def _utc(instant: ir.TimestampValue) -> ir.TimestampValue:
    """A wall-clock time in UTC as the instant that it is."""
    return instant.cast("timestamp('UTC', 6)")


def _baskets(lines: ir.Table) -> ir.Table:
    """A receipt per basket: summed by department first, so that the largest one names it."""
    import ibis

    discounted = (lines.retail_disc > 0) | (lines.coupon_disc > 0) | (lines.coupon_match_disc > 0)
    parts = lines.group_by("household_id", "basket_id", "department").aggregate(
        occurred_at=lines.transaction_timestamp.min(),
        revenue=sum_exactly(lines.sales_value, decimals=2),
        promo=discounted.any(),
        lines=lines.count(),
    )
    nameless = parts.department.isnull()
    by_sales = [ibis.desc(parts.revenue), parts.department]
    baskets = parts.group_by("household_id", "basket_id").aggregate(
        occurred_at=parts.occurred_at.min(),
        revenue=sum_exactly(parts.revenue, decimals=2),
        category=parts.department.first(order_by=by_sales),
        promo=parts.promo.any(),
        lines=parts.lines.sum(),
        lines_without_product=parts.lines.sum(where=nameless),
    )
    return baskets.select(
        "revenue",
        "category",
        "promo",
        "lines",
        "lines_without_product",
        customer_id=_text(baskets.household_id),
        transaction_id=_text(baskets.basket_id),
        occurred_at=_utc(baskets.occurred_at),
        margin=baskets.revenue,
    )


def _customers(lines: ir.Table, demographics: ir.Table) -> ir.Table:
    seen = lines.group_by("household_id").aggregate(joined_at=lines.transaction_timestamp.min())
    known = demographics.rename(described_id="household_id")
    households = seen.left_join(known, seen.household_id == known.described_id)
    return households.select(
        *ATTRIBUTES,
        customer_id=_text(households.household_id),
        joined_at=_utc(households.joined_at),
        is_described=households.described_id.notnull(),
    )


def _campaigns(described: ir.Table) -> ir.Table:
    import ibis

    return described.select(
        campaign_id=_text(described.campaign_id),
        name=described.campaign_type,
        started_at=described.start_date,
        outcome_days=described.end_date.date().delta(described.start_date.date(), unit="day") + 1,
        randomized=ibis.literal(False),  # noqa: FBT003
    )


def _offer_id(campaign_type: ir.StringValue) -> ir.StringValue:
    return campaign_type.lower().replace(" ", "_")


def _contacts(targeted: ir.Table, described: ir.Table) -> ir.Table:
    contacts = targeted.left_join(described, "campaign_id")
    return contacts.select(
        campaign_id=_text(contacts.campaign_id),
        customer_id=_text(contacts.household_id),
        assigned_at=contacts.start_date,
        offer_id=_offer_id(contacts.campaign_type),
    )


def _offers(described: ir.Table) -> ir.Table:
    import ibis

    types = described.select("campaign_type").distinct()
    return types.select(
        offer_id=_offer_id(types.campaign_type),
        channel=ibis.literal("mail"),
        contact_cost=ibis.literal(0.0),
        name=types.campaign_type,
    )


def _receipt_notes(baskets: ir.Table) -> tuple[AdapterNote, ...]:
    return count_notes(
        "transactions",
        baskets,
        {
            "receipt lines: summed by basket": baskets.lines,
            "receipt lines of products without a product row: no department": baskets.lines_without_product,
            "receipts of 0 dollars: kept with revenue 0": baskets.revenue == 0,
            "receipts without a cost in the source: margin is revenue": baskets.revenue.notnull(),
            "receipts dated without a zone: read as UTC": baskets.occurred_at.notnull(),
        },
    )


def _customer_notes(customers: ir.Table) -> tuple[AdapterNote, ...]:
    return count_notes(
        "customers",
        customers,
        {
            "households without demographics: attributes are null": ~customers.is_described,
            "households without a joining date: joined_at is the first receipt": (customers.joined_at.notnull()),
        },
    )


def _campaign_notes(tables: Mapping[str, ir.Table]) -> tuple[AdapterNote, ...]:
    campaigns, contacts, offers = tables["campaigns"], tables["contacts"], tables["offers"]
    targeted = {"targeted campaigns: not randomized, without control": ~campaigns.randomized}
    chances = {"contacts whose chance nobody knows: propensity is null": contacts.offer_id.notnull()}
    costs = {"offers without a cost of contact in the source: 0": offers.contact_cost == 0}
    return (
        *count_notes("campaigns", campaigns, targeted),
        *count_notes("contacts", contacts, chances),
        *count_notes("offers", offers, costs),
    )
