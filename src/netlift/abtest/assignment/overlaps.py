"""Customers of an audience who are in another campaign with an overlapping outcome window."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.data.run import BRING_BACK, MANIFEST_FILE
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

ASSIGNMENTS = Path("out") / "assignments"
CONTACTS_FILE = "contacts.parquet"
DRAWN = ["campaign_id", "customer_id", "assigned_at", "offer_id"]


@dataclass(frozen=True, kw_only=True)
class Collision:
    """Another campaign with overlapping days.

    Attributes:
        campaign_id: Its id.
        started: First assignment of the customers shared.
        customers: Customers of the audience who are in it.
        contacted: Of them, in an arm that gets an offer.
        assigned_only: Whether its list was drawn by `netlift assign` and is not in `contacts` yet.
    """

    campaign_id: str
    started: datetime
    customers: int
    contacted: int
    assigned_only: bool


def find_collisions(
    tables: Tables, ids: Sequence[str], *, own: str, start: datetime, end: datetime, assignments: Path
) -> tuple[Collision, ...]:
    """Campaigns that share customers with an audience in overlapping windows, those with most of them first.

    Args:
        tables: The tables of a business.
        ids: The audience.
        own: Id of the campaign that is planned, which is left out.
        start: Its assignment.
        end: The end of its outcome window.
        assignments: Folder of lists that `netlift assign` drew.
    """
    import ibis
    import pyarrow as pa
    import pyarrow.parquet as pq

    audience = ibis.memtable(pa.table({"customer_id": pa.array(list(ids), pa.string())}))
    found: list[Collision] = []
    logged: set[str] = set()
    if "contacts" in tables and "campaigns" in tables:
        lengths = tables["campaigns"].select("campaign_id", "outcome_days")
        joined = tables["contacts"].inner_join(lengths, "campaign_id").inner_join(audience, "customer_id")
        ends = joined.assigned_at + joined.outcome_days.cast("int64").as_interval("D")
        joined = joined.filter((joined.campaign_id != own) & (joined.assigned_at < end) & (ends > start))
        found += _count(tables, joined, assigned_only=False)
        logged = set(tables["contacts"].campaign_id.as_table().distinct().to_pyarrow()["campaign_id"].to_pylist())
    for folder in _planned(assignments, {own, *logged}, start=start, end=end):
        drawn = ibis.memtable(pq.read_table(folder / CONTACTS_FILE, columns=DRAWN)).inner_join(audience, "customer_id")
        found += _count(tables, drawn, assigned_only=True)
    return tuple(sorted(found, key=lambda collision: (-collision.customers, collision.campaign_id)))


def _count(tables: Tables, rows: ir.Table, *, assigned_only: bool) -> list[Collision]:
    counted = rows.group_by("campaign_id").aggregate(
        started=rows.assigned_at.min(),
        customers=rows.customer_id.nunique(),
        contacted=rows.customer_id.nunique(where=rows.offer_id != CONTROL),
    )
    found = tables.connection.to_pyarrow(counted).to_pylist()
    return [Collision(**row, assigned_only=assigned_only) for row in found]


def _planned(assignments: Path, known: set[str], *, start: datetime, end: datetime) -> Iterable[Path]:
    """Folders of lists that were drawn and not yet logged, whose windows overlap."""
    for manifest in sorted(assignments.glob(f"[!.]*/{MANIFEST_FILE}")):
        try:
            content = json.loads(manifest.read_text())
            campaign = str(content["campaign_id"])
            first, last = (datetime.fromisoformat(content[name]) for name in ("started_at", "ends_at"))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{manifest.parent} is not whole ({type(error).__name__}), so nobody can say whom it contacts; "
                f"{BRING_BACK}"
            ) from error
        if campaign not in known and first < end and last > start:
            yield manifest.parent


__all__ = ["ASSIGNMENTS", "CONTACTS_FILE", "find_collisions"]
