"""Vocabulary of categorical features, learned before training and then fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from netlift.data.contract import CONTROL

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

OTHER = "other"
LEAST_CUSTOMERS = 20
OPEN, COMPLAINT, NPS = "open", "complaint", "nps"

Source = Literal["birth_date", "promo", "contacts", "events", "surveys"]
SOURCES: tuple[Source, ...] = ("birth_date", "promo", "contacts", "events", "surveys")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The words that features know: learned before training, stored with the model, applied unchanged at scoring.

    Attributes:
        categories: Receipt categories with a feature of their own, most frequent first.
        channels: Receipt channels, likewise.
        contact_channels: Channels of offers sent, likewise.
        event_kinds: Kinds of events beside openings and complaints, likewise.
        attributes: Customer column to its known values, most frequent first, or to None where it is a number.
        sources: Optional sources that exist; features of the others are left out of the catalogue.
        pooled: Column to how many of its values are "other" because too few customers had them.
        own: Dotted paths of own features (see `own_features.py`).
    """

    categories: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    contact_channels: tuple[str, ...] = ()
    event_kinds: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, ...] | None]
    sources: tuple[Source, ...] = SOURCES
    pooled: Mapping[str, int] = field(default_factory=dict)
    own: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON."""
        return {
            "categories": list(self.categories),
            "channels": list(self.channels),
            "contact_channels": list(self.contact_channels),
            "event_kinds": list(self.event_kinds),
            "attributes": {name: None if known is None else list(known) for name, known in self.attributes.items()},
            "sources": list(self.sources),
            "pooled": dict(self.pooled),
        } | ({"own": list(self.own)} if self.own else {})

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_dict` wrote.

        Examples:
            >>> vocabulary = Vocabulary(categories=("tea",), attributes={"region": ("north",), "score": None})
            >>> Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
            True
        """
        return cls(
            categories=tuple(plain["categories"]),
            channels=tuple(plain["channels"]),
            contact_channels=tuple(plain["contact_channels"]),
            event_kinds=tuple(plain.get("event_kinds", ())),  # vocabularies of before 2026-12 know none
            attributes={name: None if known is None else tuple(known) for name, known in plain["attributes"].items()},
            sources=tuple(plain["sources"]),
            pooled=dict(plain.get("pooled", {})),
            own=tuple(plain.get("own", ())),
        )

    def tell_pooled(self) -> str:
        """A sentence on the values that are not kept, for the card."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.pooled.items()))
        return (
            f"A category is kept from {LEAST_CUSTOMERS} customers on, so that none tells of a person; pooled with "
            f'"{OTHER}" are {f"values of {counts}" if counts else "none here"}.'
        )


def learn_vocabulary(
    tables: Tables, *, before: datetime, most: int = 8, least_customers: int = LEAST_CUSTOMERS
) -> Vocabulary:
    """The most frequent values of rows before a moment, in order of frequency, then of name.

    Args:
        tables: The tables of a business.
        before: Local wall-clock time; rows at or after it are not looked at.
        most: Values kept per column; all the others are "other".
        least_customers: A value that fewer customers have is "other" too: it would tell of a person.
    """
    receipts = tables["transactions"]
    seen = receipts.filter(receipts.occurred_at < before)
    customers = tables["customers"]
    joined = customers.filter(customers.joined_at < before)
    pooled: dict[str, int] = {}

    def frequent(rows: ir.Table, column: str, name: str = "") -> tuple[str, ...]:
        counts = _count_values(tables, rows, column)
        kept = [each["value"] for each in counts if each["customers"] >= least_customers]
        if few := len(counts) - len(kept):
            pooled[name or column] = few
        return tuple(kept[:most])

    return Vocabulary(
        categories=frequent(seen, "category") if tables.has("transactions", "category") else (),
        channels=frequent(seen, "channel") if tables.has("transactions", "channel") else (),
        contact_channels=()
        if (sent := _sent(tables, before)) is None
        else frequent(sent, "channel", "contact_channel"),
        event_kinds=() if "events" not in tables else frequent(_other_events(tables, before), "kind", "event_kind"),
        attributes={
            name: frequent(joined, name) if customers[name].type().is_string() else None for name in tables.attributes
        },
        sources=tuple(source for source in SOURCES if is_present(tables, source)),
        pooled=pooled,
    )


def is_present(tables: Tables, source: Source) -> bool:
    """Whether an optional source of features exists."""
    column_of = {"birth_date": "customers", "promo": "transactions"}
    return tables.has(column_of[source], source) if source in column_of else source in tables


def _sent(tables: Tables, before: datetime) -> ir.Table | None:
    """Contacts that were sent, each with its channel."""
    if "contacts" not in tables or "offers" not in tables:
        return None
    contacts = tables["contacts"]
    sent = contacts.filter((contacts.assigned_at < before) & (contacts.offer_id != CONTROL))
    offers = tables["offers"].select("offer_id", "channel")
    return sent.select("offer_id", "customer_id").inner_join(offers, "offer_id")


def _other_events(tables: Tables, before: datetime) -> ir.Table:
    """Events that have no features of their own kind yet."""
    events = tables["events"]
    return events.filter((events.occurred_at < before) & events.kind.notin([OPEN, COMPLAINT]))


def _count_values(tables: Tables, rows: ir.Table, column: str) -> list[dict[str, Any]]:
    """Values of a column, most frequent first, each with how many customers have it."""
    import ibis

    kept = rows.filter(rows[column].notnull() & (rows[column] != OTHER))
    counts = kept.group_by(value=kept[column]).aggregate(
        rows=lambda t: t.count(), customers=lambda t: t.customer_id.nunique()
    )
    return list(tables.connection.to_pyarrow(counts.order_by(ibis.desc("rows"), "value")).to_pylist())
