"""Features that change when the future is taken away: they saw what they could not have known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import LeakageError
from netlift.features.build import build_features
from netlift.features.queries import Queries

if TYPE_CHECKING:
    from datetime import datetime

    from netlift.data.read import Tables
    from netlift.features.vocabulary import Vocabulary


def truncation_differences(
    tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int
) -> dict[str, int]:
    """Features that differ between all data and data cut at the cutoff, with the number of queries that differ.

    Give a sample: everything is read once more per cutoff. Equal means equal to the bit.
    """
    whole = build_features(tables, queries, vocabulary, observation_days=observation_days)
    differing = np.zeros(len(whole.features), dtype=np.int64)
    for cutoff in np.unique(queries.cutoff):
        rows = np.flatnonzero(queries.cutoff == cutoff)
        cut = truncate(tables, cutoff.item())
        alone = build_features(cut, queries.take(rows), vocabulary, observation_days=observation_days)
        same = (whole.X[rows] == alone.X) | (np.isnan(whole.X[rows]) & np.isnan(alone.X))
        differing += (~same).sum(axis=0)
    return {name: int(count) for name, count in zip(whole.names, differing, strict=True) if count}


def require_no_leak(tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int) -> None:
    """Refuse to go on when a feature saw the future.

    Raises:
        LeakageError: Features that differ on data cut at the cutoff, by name.
    """
    differing = truncation_differences(tables, queries, vocabulary, observation_days=observation_days)
    if differing:
        raise LeakageError(
            f"features {sorted(differing)} differ for up to {max(differing.values()):,} of {len(queries):,} queries "
            "when rows unknown at the cutoff are taken away; they must be computed from earlier rows only"
        )


def truncate(tables: Tables, cutoff: datetime) -> Tables:
    """The tables as they were known at a moment: earlier rows only, and deliveries still to come not yet made."""
    receipts = tables["transactions"]
    known = receipts.ingested_at.isnull() | (receipts.ingested_at <= cutoff)
    cut = {"transactions": receipts.filter((receipts.occurred_at < cutoff) & known)}
    if "contacts" in tables:
        contacts = tables["contacts"]
        delivered = (contacts.delivered_at < cutoff).ifelse(contacts.delivered_at, None)
        cut["contacts"] = contacts.filter(contacts.assigned_at < cutoff).mutate(delivered_at=delivered)
    for name, time in (("events", "occurred_at"), ("surveys", "answered_at")):
        if name in tables:
            cut[name] = tables[name].filter(tables[name][time] < cutoff)
    return tables.replace(**cut)
