"""Who has agreed to be contacted, as of now; where nobody can know, nothing goes out.

Columns of `customers` say who agreed, events who has taken that back since. What is missing is no consent, and a source
that is missing or stale closes everything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.read import Tables, source_files
from netlift.decision.contact_policy import find_opted_out
from netlift.errors import GateRefusedError

if TYPE_CHECKING:
    import pandas as pd

AGREED = ("true", "1", "1.0")


def consent_updated_at(settings: BusinessSettings, decision: DecisionSettings) -> datetime | None:
    """When the sources of consents were last written: customers, and events where they hold opt-outs.

    The staler of the two counts; None where no file tells.
    """
    named = settings.data.adapter or "events" in settings.data.tables
    needed = ["customers", *(["events"] if opt_out_kinds(decision) and named else [])]
    moments = []
    for name in needed:
        files = [path for label, path in source_files(settings).items() if label.split("/")[0] == name]
        if settings.data.adapter:
            files = list(source_files(settings).values())
        if not files:
            return None
        moments.append(max(path.stat().st_mtime for path in files))
    return datetime.fromtimestamp(min(moments), tz=UTC)


def opt_out_kinds(decision: DecisionSettings) -> tuple[str, ...]:
    """Kinds of events that take back a consent."""
    own = [kind for channel in decision.channels.values() for kind in channel.opt_out_events]
    return tuple(dict.fromkeys([*decision.consent.opt_out_events, *own]))


def require_consent_sources(tables: Tables, decision: DecisionSettings, channels: Collection[str]) -> None:
    """Refuse to go on where nobody can know who has agreed.

    Raises:
        GateRefusedError: A channel without a column of consent, or opt-outs that come from a table that is not there.
    """
    missing = [c for c in channels if not tables.has("customers", decision.consent_column(c))]
    if missing:
        named = ", ".join(f"{decision.consent_column(channel)} (for {channel})" for channel in missing)
        raise GateRefusedError(
            f"customers: no column {named}, so nobody is known to have agreed, and nothing goes out; add it, true for "
            "who agreed"
        )
    if opt_out_kinds(decision) and "events" not in tables:
        raise GateRefusedError(
            f"events: opt-outs ({', '.join(opt_out_kinds(decision))}) come from this table, which the config does not "
            "name, so nothing goes out; name it, or write opt_out_events: [] where consents alone tell"
        )


def agreed(values: np.ndarray) -> np.ndarray:
    """Whether a flag says yes, bool, shape (n,); anything but a clear yes is no."""
    if values.dtype.kind in "biuf":
        return np.asarray(values == 1)
    return np.isin([str(value).lower() if value is not None else "" for value in values], AGREED)


def read_opt_outs(
    tables: Tables, decision: DecisionSettings, positions: pd.Index, channels: Sequence[str]
) -> dict[str, np.ndarray]:
    """Channel to who has taken a consent back and not given it again, by all events up to now, bool, shape (n,)."""
    n = len(positions)
    out = {channel: np.zeros(n, dtype=bool) for channel in channels}
    kinds = [*opt_out_kinds(decision), *decision.consent.opt_in_events]
    if "events" not in tables or not kinds:
        return out
    events = tables["events"]
    rows = tables.connection.to_pyarrow(
        events.filter(events.kind.isin(kinds)).select("customer_id", "occurred_at", "kind")
    ).to_pandas()
    who = positions.get_indexer(rows["customer_id"])
    known = who >= 0
    who, kind = who[known], rows["kind"].to_numpy(dtype=object)[known]
    at = rows["occurred_at"].to_numpy(dtype="datetime64[us]")[known]
    back = np.isin(kind, decision.consent.opt_in_events)
    for channel in channels:
        own = [*decision.consent.opt_out_events, *decision.channels[channel].opt_out_events]
        counts = np.isin(kind, own) | back
        is_out = np.isin(kind[counts], own)
        out[channel] = find_opted_out(who[counts], is_out, at[counts], customers=n)
    return out


__all__ = ["agreed", "consent_updated_at", "opt_out_kinds", "read_opt_outs", "require_consent_sources"]
