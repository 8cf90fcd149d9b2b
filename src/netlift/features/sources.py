"""Receipts, contacts, events and surveys as kernel rows, by Ibis."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from netlift.data.contract import CONTROL
from netlift.errors import SchemaDriftError
from netlift.features.customers import encode
from netlift.features.engagement import ANSWERED, COMPLAINED, KINDS, OPENED, SENT
from netlift.features.kernel import PROMO, RETURN
from netlift.features.own_features import load_features, require_customer_rows
from netlift.features.vocabulary import COMPLAINT, NPS, OPEN, Vocabulary, is_present

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables


def check_sources(tables: Tables, vocabulary: Vocabulary) -> None:
    """Refuse tables that lack what the vocabulary was learned from.

    Raises:
        SchemaDriftError: With every source and column that is missing.
    """
    missing: list[str] = [source for source in vocabulary.sources if not is_present(tables, source)]
    for name, known in vocabulary.attributes.items():
        if name not in tables.attributes:
            missing.append(f"customers.{name}")
        elif tables["customers"][name].type().is_string() != (known is not None):
            missing.append(f"customers.{name} as {'a number' if known is None else 'text'}")
    for column, values in (("category", vocabulary.categories), ("channel", vocabulary.channels)):
        if values and not tables.has("transactions", column):
            missing.append(f"transactions.{column}")
    if vocabulary.contact_channels and "offers" not in tables:
        missing.append("offers")
    for own in load_features(vocabulary.own):
        require_customer_rows(tables, own.table, what=f"the own feature {own.name}")
        missing += [] if own.table in tables else [own.table]
    if missing:
        raise SchemaDriftError(
            f"{', '.join(missing)}: present when the vocabulary was learned, missing now; restore the source or retrain"
        )


def count_receipts(tables: Tables) -> int:
    """Rows of `transactions`; Parquet answers from its footer."""
    return int(tables.connection.execute(tables["transactions"].count()))


def receipt_rows(tables: Tables, vocabulary: Vocabulary, *, since: datetime, until: datetime) -> ir.Table:
    """Receipts of [since, until): low byte of the codes the category, second byte the channel, then promo, return."""
    receipts = tables["transactions"]
    receipts = receipts.filter((receipts.occurred_at >= since) & (receipts.occurred_at < until))
    codes = flag_code(receipt_is_return(receipts), RETURN)
    if "promo" in vocabulary.sources:
        codes += flag_code(receipts.promo, PROMO)
    for column, values, byte in (("category", vocabulary.categories, 1), ("channel", vocabulary.channels, 256)):
        if values:
            codes += encode(receipts[column], values, missing=byte * (len(values) + 1), step=byte)
    columns = {
        "customer_id": tables.engine.hash_id(receipts.customer_id),
        "occurred_at": receipts.occurred_at,
        "revenue": receipts.revenue,
        "margin": receipts.margin,
        "codes": codes.cast("int32"),
    }
    if tables.has("transactions", "ingested_at"):
        columns["ingested_at"] = receipts.ingested_at.coalesce(receipts.occurred_at)
    return receipts.select(**columns)


def receipt_is_return(receipts: ir.Table) -> ir.BooleanValue:
    """Whether a receipt is a return: as marked, else revenue below zero."""
    return receipts.is_return.coalesce(receipts.revenue < 0)


def flag_code(flag: ir.BooleanValue, code: int) -> ir.IntegerValue:
    """The code where the flag is set, zero where it is not or is missing."""
    return flag.ifelse(code, 0)


def engagement_rows(tables: Tables, vocabulary: Vocabulary, *, since: datetime, until: datetime) -> ir.Table | None:
    """Contacts, events and NPS answers of [since, until); None where there are no such tables."""
    import ibis

    parts = []
    if "contacts" in vocabulary.sources:
        parts.append(_contact_rows(tables, vocabulary))
    if "events" in vocabulary.sources:
        events = tables["events"]
        codes = {OPEN: OPENED, COMPLAINT: COMPLAINED}
        codes |= {kind: KINDS + i for i, kind in enumerate(vocabulary.event_kinds)}
        parts += [
            _rows(tables, events.filter(events.kind == kind), "occurred_at", code) for kind, code in codes.items()
        ]
    if "surveys" in vocabulary.sources:
        surveys = tables["surveys"]
        parts.append(_rows(tables, surveys.filter(surveys.kind == NPS), "answered_at", ANSWERED, "score"))
    if not parts:
        return None
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return rows.filter((rows.at >= since) & (rows.at < until))


def _contact_rows(tables: Tables, vocabulary: Vocabulary) -> ir.Table:
    """Delivered offers, dated by the later of assignment and delivery so that no contact is its own feature."""
    import ibis

    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.offer_id != CONTROL)
    at = contacts.assigned_at
    if tables.has("contacts", "delivered_at"):
        contacts = contacts.filter(contacts.delivered_at.notnull())
        at = ibis.greatest(contacts.assigned_at, contacts.delivered_at)
    if vocabulary.contact_channels:
        offers = tables["offers"].select("offer_id", "channel")
        contacts = contacts.mutate(at=at).left_join(offers, "offer_id")
        known = vocabulary.contact_channels
        channel = encode(contacts.channel, known, missing=len(known) + 1)
    else:
        contacts = contacts.mutate(at=at)
        channel = ibis.literal(0)
    return _rows(tables, contacts, "at", SENT, channel=channel)


def _rows(
    tables: Tables,
    table: ir.Table,
    at: str,
    kind: int,
    score: str | None = None,
    *,
    channel: ir.IntegerValue | None = None,
) -> ir.Table:
    import ibis

    nothing = ibis.literal(0).cast("float64")  # DuckDB reads 0.0 as a decimal
    return table.select(
        customer_id=tables.engine.hash_id(table.customer_id),
        at=table[at],
        score=table[score] if score else nothing,
        nothing=nothing,
        codes=((255 if channel is None else channel) + ibis.literal(kind * 256)).cast("int32"),
    )
