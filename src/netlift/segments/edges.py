"""Frozen segment edges as an artifact, with a digest and a staleness check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlift.data.write import write_bytes
from netlift.errors import GateRefusedError, UsageError
from netlift.results import to_plain
from netlift.segments.rfm import RfmEdges
from netlift.segments.value_segments import TierEdges

FORMAT = 1
REFIT = "run `netlift segments --refit` to freeze new ones; months divided by the old ones are then not comparable"


@dataclass(frozen=True, kw_only=True)
class FrozenEdges:
    """Edges of RFM scores and value tiers, and what they were made from.

    Attributes:
        made_from: The settings and versions that decide the edges; name to value.
        rfm: Edges of the scores.
        tiers: Edges of predicted value; None where there was no LTV champion.
        customers: Customers who had bought at the reference.
    """

    made_from: Mapping[str, Any]
    rfm: RfmEdges
    tiers: TierEdges | None
    customers: int

    @property
    def digest(self) -> str:
        """The sha256 of all of it."""
        return hashlib.sha256(json.dumps(to_plain(self), sort_keys=True).encode()).hexdigest()


def write_edges(path: Path, edges: FrozenEdges) -> None:
    """Write the artifact, whole or not at all.

    Raises:
        ResourceError: The place cannot be written.
    """
    content = {"format": FORMAT, "digest": edges.digest, **to_plain(edges)}
    write_bytes(path, json.dumps(content, indent=1).encode())


def read_edges(path: Path) -> FrozenEdges | None:
    """The artifact, or None where none was written.

    Raises:
        GateRefusedError: It is not what was written.
    """
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text())
        edges = FrozenEdges(
            made_from=plain["made_from"],
            rfm=RfmEdges(**{name: tuple(values) for name, values in plain["rfm"].items()}),
            tiers=None if plain["tiers"] is None else TierEdges(**plain["tiers"]),
            customers=plain["customers"],
        )
        whole = plain["format"] == FORMAT and plain["digest"] == edges.digest
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise GateRefusedError(f"{path} is not what was written: restore it from a backup, or {REFIT}")
    return edges


def require_current(edges: FrozenEdges, wanted: Mapping[str, Any]) -> None:
    """Refuse edges that were made from something else.

    Args:
        edges: The edges as they stand.
        wanted: What they would be made from now; a value of None asks nothing.

    Raises:
        UsageError: With all that changed since.
    """
    changed = [
        f"{name} was {edges.made_from.get(name)}, is {value} now"
        for name, value in to_plain(dict(wanted)).items()
        if value is not None and edges.made_from.get(name) not in (value, None)
    ]
    if changed:
        raise UsageError(
            f"the frozen edges of the segments are stale: {'; '.join(changed)}. Undo the change, or {REFIT}"
        )
