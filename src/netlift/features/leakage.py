"""Leakage test: features that change when the future changes.

Three futures are tried on a sample of customers, each to the bit: one without a row after the cutoff (truncation), one
that knows only what had been ingested by the cutoff (late writes; where the source says when rows came in), and one
whose rows after the cutoff are worth a million times as much, with other categories and other answers (poison).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from netlift.data.contract import CONTRACT
from netlift.errors import LeakageError
from netlift.features.build import build_features
from netlift.features.queries import Queries

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from netlift.data.read import Tables
    from netlift.features.vocabulary import Vocabulary

POISON = 1e6
NO_SUCH_VALUE = "poison"
Future = Callable[["Tables", "datetime"], "Tables"]


def truncation_differences(
    tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int
) -> dict[str, int]:
    """Features that differ between all data and data cut at the cutoff, with the number of queries that differ.

    Give a sample: everything is read once more per cutoff. Equal means equal to the bit.
    """
    return future_differences(tables, queries, vocabulary, truncate, observation_days=observation_days)


def future_differences(
    tables: Tables, queries: Queries, vocabulary: Vocabulary, future: Future, *, observation_days: int
) -> dict[str, int]:
    """Features that differ between the data as they are and with another future, with the number that differ."""
    whole = build_features(tables, queries, vocabulary, observation_days=observation_days)
    differing = np.zeros(len(whole.features), dtype=np.int64)
    for cutoff in np.unique(queries.cutoff):
        rows = np.flatnonzero(queries.cutoff == cutoff)
        other = future(tables, cutoff.item())
        alone = build_features(other, queries.take(rows), vocabulary, observation_days=observation_days)
        same = (whole.X[rows] == alone.X) | (np.isnan(whole.X[rows]) & np.isnan(alone.X))
        differing += (~same).sum(axis=0)
    return {name: int(count) for name, count in zip(whole.names, differing, strict=True) if count}


def require_no_leak(tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int) -> None:
    """Refuse to go on when a feature saw the future.

    Raises:
        LeakageError: Features that differ when the future is another, by name.
    """
    for words, future in (
        ("rows after the cutoff are taken away", truncate),
        ("rows that came in after the cutoff are taken away", forget_late_rows),
        ("rows after the cutoff are made a million times larger", poison),
    ):
        differing = future_differences(tables, queries, vocabulary, future, observation_days=observation_days)
        if differing:
            raise LeakageError(
                f"features {sorted(differing)} differ for up to {max(differing.values()):,} of {len(queries):,} "
                f"queries when {words}; they must be computed from earlier rows only"
            )


def truncate(tables: Tables, cutoff: datetime) -> Tables:
    """The tables without what happened later: earlier rows only, and deliveries still to come not yet made."""
    receipts = tables["transactions"]
    cut = {"transactions": receipts.filter(receipts.occurred_at < cutoff)}
    if "contacts" in tables:
        contacts = tables["contacts"]
        delivered = (contacts.delivered_at < cutoff).ifelse(contacts.delivered_at, None)
        cut["contacts"] = contacts.filter(contacts.assigned_at < cutoff).mutate(delivered_at=delivered)
    for name, time in (("events", "occurred_at"), ("surveys", "answered_at")):
        if name in tables:
            cut[name] = tables[name].filter(tables[name][time] < cutoff)
    for name, rows in _own_tables(tables):
        dates = [
            c.name for c in tables.known[name].columns if c.type in ("instant", "date") and c.name != "ingested_at"
        ]
        unknown = {column: (rows[column] < cutoff).ifelse(rows[column], None) for column in dates}
        cut[name] = rows.filter(rows.occurred_at < cutoff).mutate(**unknown)
    return tables.replace(**cut)


def forget_late_rows(tables: Tables, cutoff: datetime) -> Tables:
    """The tables without receipts that came in after the cutoff, whenever they happened."""
    receipts = tables["transactions"]
    known = receipts.ingested_at.isnull() | (receipts.ingested_at <= cutoff)
    own = {name: rows.filter(rows.ingested_at.coalesce(cutoff) <= cutoff) for name, rows in _own_tables(tables)}
    return tables.replace(transactions=receipts.filter(known), **own)


def poison(tables: Tables, cutoff: datetime) -> Tables:
    """The tables with a future that would be seen in any sum, mean, count of kinds or last value."""
    receipts = tables["transactions"]
    later = receipts.occurred_at >= cutoff
    spoiled = {
        "transactions": receipts.mutate(
            revenue=later.ifelse(receipts.revenue * POISON + POISON, receipts.revenue),
            margin=later.ifelse(receipts.margin * POISON + POISON, receipts.margin),
            category=later.ifelse(NO_SUCH_VALUE, receipts.category),
            channel=later.ifelse(NO_SUCH_VALUE, receipts.channel),
            promo=later.ifelse(~receipts.promo, receipts.promo),
        )
    }
    if "events" in tables:
        events = tables["events"]
        spoiled["events"] = events.mutate(kind=(events.occurred_at >= cutoff).ifelse("complaint", events.kind))
    if "surveys" in tables:
        surveys = tables["surveys"]
        spoiled["surveys"] = surveys.mutate(
            score=(surveys.answered_at >= cutoff).ifelse(surveys.score + POISON, surveys.score)
        )
    for name, rows in _own_tables(tables):
        later = rows.occurred_at >= cutoff
        numbers = [column.name for column in tables.known[name].columns if column.type in ("money", "number")]
        spoiled[name] = rows.mutate(**{n: later.ifelse(rows[n] * POISON + POISON, rows[n]) for n in numbers})
    return tables.replace(**spoiled)


def _own_tables(tables: Tables) -> list[tuple[str, ir.Table]]:
    """Tables beyond the contract, which own features are made from."""
    return [(name, rows) for name, rows in tables.expressions.items() if name not in CONTRACT]
