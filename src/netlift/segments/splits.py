"""Campaigns split by value segment and strategy at their start.

Segments and the models that they ask are imported where a readout divides by them, which most do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from netlift.config.business import BusinessSettings, TaskName
from netlift.config.criteria import SPLITS
from netlift.data.read import Tables
from netlift.data.run import combine_digests
from netlift.progress import Progress
from netlift.registry.store import is_begun
from netlift.segments.edges import read_edges

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.registry.champions import Champion

ASKED_OF: Mapping[str, TaskName] = {"value_tier": "ltv", "ltv": "ltv", "risk": "churn", "p_churn": "churn"}
"""Variables of rules to the task whose champion says them."""


def customer_columns(dimensions: Sequence[str]) -> tuple[str, ...]:
    """Dimensions that are columns of customers."""
    return tuple(name for name in dimensions if name not in SPLITS)


def split_by_segment(
    settings: BusinessSettings,
    tables: Tables,
    rows: ir.Table,
    starts: Mapping[str, date],
    *,
    dimensions: Sequence[str],
    progress: Progress,
) -> ir.Table:
    """Rows of campaigns with the segment and the strategy of each customer, where the dimensions name them.

    They are those of `netlift segments` as of the day on which the campaign began, of which it sees nothing: what
    customers did since cannot move them from one segment to another. Who had not joined by then has neither.

    Args:
        settings: The business, with its segments.
        tables: Its tables.
        rows: One row per campaign and customer: campaign_id, customer_id, and more.
        starts: Campaign to the day of its first assignment.
        dimensions: What rows are split by.
        progress: Who watches.

    Raises:
        ConfigError: The config has no segments.
        UsageError: The frozen edges of the segments are stale.
    """
    asked = [name for name in SPLITS if name in dimensions]
    if not asked:
        return rows
    import ibis
    import pandas as pd

    from netlift.segments.snapshots import name_segments

    frames = name_segments(
        settings, tables, as_of=list(starts.values()), progress=progress, champions=_champions(settings)
    )
    named = pd.concat([frame.assign(day=day.isoformat()) for day, frame in frames.items()], ignore_index=True)
    days = [(campaign, day.isoformat()) for campaign, day in starts.items()]
    began = rows.left_join(ibis.memtable(days, columns=["campaign_id", "day"]), "campaign_id")
    began = began.select(*rows.columns, "day")
    named = ibis.memtable(named[["day", "customer_id", *asked]])
    return began.left_join(named, ["day", "customer_id"]).select(*rows.columns, *asked)


def digest_splits(settings: BusinessSettings, dimensions: Sequence[str]) -> str:
    """Digest of what divides customers, where the dimensions ask for it: rules, frozen edges, champions."""
    if not set(SPLITS) & set(dimensions):
        return ""
    from netlift.segments.snapshots import EDGES_FILE, require_segments

    edges = read_edges(settings.state / EDGES_FILE)
    asked = {champion.task: champion.digest for champion in _champions(settings)}
    return combine_digests(
        {"rules": require_segments(settings).digest(), "edges": edges.digest if edges else "", **asked}
    )


def _champions(settings: BusinessSettings) -> list[Champion]:
    """Champions that the rules ask, as far as there are any; reading a campaign makes no store."""
    from netlift.registry.champions import find_champions
    from netlift.segments.snapshots import require_segments

    named = {name for rule in require_segments(settings).rules for name in rule.when}
    tasks = [task for task in settings.models if task in {ASKED_OF[name] for name in named & set(ASKED_OF)}]
    if not tasks or not is_begun(settings):
        return []
    return find_champions(settings, tasks)[0]


__all__ = ["customer_columns", "digest_splits", "split_by_segment"]
