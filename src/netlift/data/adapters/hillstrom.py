"""Hillstrom: an e-mail test of a retailer, three arms drawn with equal probability, read after two weeks.

File: `hillstrom.parquet`. Rules, each counted in the notes:

- The source has no key: a customer's id is the row's position in the file, from 0. Rows equal in all columns are
  different customers and stay.
- The source has no dates. The test was published in March 2008, so the assignment is put on 2008-03-01, joining one
  year before it for everybody (all had bought within twelve months), and what was seen in the two weeks after on their
  last day. Nothing can be learnt from these dates, nor from the tenure made of them.
- Attributes are what was known before the assignment. The source's `recency`, in months, is named
  `months_since_last_purchase`, and `zip_code`, which says rural, suburban or urban, keeps its values as spelt.
- A spend above 0 is one receipt. The source has no costs: its margin is its revenue, and so is every effect in money.
- A visit is an event of kind `visit`, after the assignment and so never a feature.
- `No E-Mail` is the control. The source has no costs of contact: 0.

References:
    Hillstrom, K. (2008), The MineThatData E-Mail Analytics and Data Mining Challenge, minethatdata.com, March 2008.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.data.adapters.adapted import Adapted, AdapterNote, count_notes, require_columns
from netlift.data.contract import CONTROL
from netlift.data.engines.files import read_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir

FILE = "hillstrom.parquet"
FILES = (FILE,)
CAMPAIGN = "email-2008-03"
ASSIGNED_AT = datetime(2008, 3, 1)
JOINED_AT = datetime(2007, 3, 1)
OUTCOME_DAYS = 14
OUTCOME_AT = ASSIGNED_AT + timedelta(days=OUTCOME_DAYS - 1)
ARMS = {"Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email", "No E-Mail": CONTROL}
ATTRIBUTES = {
    "months_since_last_purchase": "recency",
    "history": "history",
    "history_segment": "history_segment",
    "mens": "mens",
    "womens": "womens",
    "newbie": "newbie",
    "zip_code": "zip_code",
    "channel": "channel",
}
OUTCOMES = ("visit", "spend")


def adapt(connection: Any, folder: Path) -> Adapted:
    """All of Hillstrom: customers, transactions, the campaign with its contacts and offers, visits as events.

    Raises:
        DataError: The file is missing, unreadable, or without a needed column.
    """
    source = read_parquet(connection, "customers", folder / FILE, number_rows=True)
    source = require_columns(FILE, source, (*ATTRIBUTES.values(), "segment", *OUTCOMES, "file_row_number"))
    rows = source.mutate(customer_id=source.file_row_number.cast("string"))
    tables = {
        "customers": rows.select(
            "customer_id", joined_at=_at(JOINED_AT), **{ours: rows[theirs] for ours, theirs in ATTRIBUTES.items()}
        ),
        "transactions": _receipts(rows.filter(rows.spend > 0)),
        "campaigns": _campaign(),
        "contacts": _contacts(rows),
        "offers": _offers(),
        "events": _visits(rows.filter(rows.visit > 0)),
    }
    return Adapted(tables=tables, notes=_notes(rows))


def _at(instant: datetime) -> ir.TimestampScalar:
    import ibis

    return ibis.literal(instant, type="timestamp(6)")


def _receipts(buyers: ir.Table) -> ir.Table:
    return buyers.select("customer_id", occurred_at=_at(OUTCOME_AT), revenue=buyers.spend, margin=buyers.spend)


def _visits(visitors: ir.Table) -> ir.Table:
    import ibis

    return visitors.select("customer_id", occurred_at=_at(OUTCOME_AT), kind=ibis.literal("visit"))


def _campaign() -> ir.Table:
    import ibis

    campaign = {
        "campaign_id": CAMPAIGN,
        "name": "MineThatData e-mail test",
        "started_at": ASSIGNED_AT,
        "outcome_days": OUTCOME_DAYS,
        "randomized": True,
    }
    return ibis.memtable([campaign])


def _contacts(rows: ir.Table) -> ir.Table:
    import ibis

    return rows.select(
        "customer_id",
        campaign_id=ibis.literal(CAMPAIGN),
        assigned_at=_at(ASSIGNED_AT),
        offer_id=rows.segment.substitute(ARMS),
        propensity=ibis.literal(1 / len(ARMS)),
    )


def _offers() -> ir.Table:
    import ibis

    offers = [
        {"offer_id": offer, "channel": "email", "contact_cost": 0.0, "name": name}
        for name, offer in ARMS.items()
        if offer != CONTROL
    ]
    return ibis.memtable(offers)


def _notes(rows: ir.Table) -> tuple[AdapterNote, ...]:
    columns = [*ATTRIBUTES.values(), "segment", *OUTCOMES]
    copies = rows.group_by(*columns).aggregate(copies=rows.count())
    offers = len(ARMS) - 1
    return (
        *count_notes(
            "customers",
            rows,
            {
                "rows without a key: customer_id is the position in the file": rows.customer_id.notnull(),
                f"rows without dates: joined {JOINED_AT:%Y-%m-%d}, assigned {ASSIGNED_AT:%Y-%m-%d}": (
                    rows.customer_id.notnull()
                ),
            },
        ),
        *count_notes("customers", copies, {"rows equal to another in every column: kept": copies.copies - 1}),
        *count_notes(
            "transactions",
            rows,
            {f"receipts without a date or cost: put on {OUTCOME_AT:%Y-%m-%d}, margin is revenue": rows.spend > 0},
        ),
        *count_notes("events", rows, {f"visits without a date: put on {OUTCOME_AT:%Y-%m-%d}": rows.visit > 0}),
        AdapterNote(rule="offers without a cost of contact in the source: 0", table="offers", rows=offers),
    )
