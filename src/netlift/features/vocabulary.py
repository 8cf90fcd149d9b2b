"""The words that features know, learned from the time before training and applied unchanged ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from netlift.data.tables import CONTROL

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

OTHER = "other"
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
    """

    categories: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    contact_channels: tuple[str, ...] = ()
    event_kinds: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, ...] | None]
    sources: tuple[Source, ...] = SOURCES

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON."""
        return {
            "categories": list(self.categories),
            "channels": list(self.channels),
            "contact_channels": list(self.contact_channels),
            "event_kinds": list(self.event_kinds),
            "attributes": {name: None if known is None else list(known) for name, known in self.attributes.items()},
            "sources": list(self.sources),
        }

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
        )


def learn_vocabulary(tables: Tables, *, before: datetime, most: int = 8) -> Vocabulary:
    """The most frequent values of rows before a moment, in order of frequency, then of name.

    Args:
        tables: The tables of a business.
        before: Local wall-clock time; rows at or after it are not looked at.
        most: Values kept per column; all the others are "other".
    """
    receipts = tables["transactions"]
    seen = receipts.filter(receipts.occurred_at < before)
    customers = tables["customers"]
    joined = customers.filter(customers.joined_at < before)
    return Vocabulary(
        categories=_frequent(tables, seen, "category", most) if tables.has("transactions", "category") else (),
        channels=_frequent(tables, seen, "channel", most) if tables.has("transactions", "channel") else (),
        contact_channels=_contact_channels(tables, before, most),
        event_kinds=_event_kinds(tables, before, most),
        attributes={
            name: _frequent(tables, joined, name, most) if customers[name].type().is_string() else None
            for name in tables.attributes
        },
        sources=tuple(source for source in SOURCES if is_present(tables, source)),
    )


def is_present(tables: Tables, source: Source) -> bool:
    """Whether an optional source of features exists."""
    column_of = {"birth_date": "customers", "promo": "transactions"}
    return tables.has(column_of[source], source) if source in column_of else source in tables


def _contact_channels(tables: Tables, before: datetime, most: int) -> tuple[str, ...]:
    if "contacts" not in tables or "offers" not in tables:
        return ()
    contacts = tables["contacts"]
    sent = contacts.filter((contacts.assigned_at < before) & (contacts.offer_id != CONTROL)).select("offer_id")
    offers = tables["offers"].select("offer_id", "channel")
    return _frequent(tables, sent.inner_join(offers, "offer_id"), "channel", most)


def _event_kinds(tables: Tables, before: datetime, most: int) -> tuple[str, ...]:
    if "events" not in tables:
        return ()
    events = tables["events"]
    seen = events.filter((events.occurred_at < before) & events.kind.notin([OPEN, COMPLAINT]))
    return _frequent(tables, seen, "kind", most)


def _frequent(tables: Tables, rows: ir.Table, column: str, most: int) -> tuple[str, ...]:
    import ibis

    kept = rows.filter(rows[column].notnull() & (rows[column] != OTHER))
    counts = kept.group_by(value=kept[column]).aggregate(rows=lambda t: t.count())
    top = counts.order_by(ibis.desc("rows"), "value").limit(most)
    return tuple(tables.connection.to_pyarrow(top)["value"].to_pylist())
