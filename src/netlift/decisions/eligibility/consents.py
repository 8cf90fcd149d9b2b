"""Current consents, and refusal where they are unknown.

Columns of `customers` say who agreed, events who has taken that back since. What is missing is no consent, and a source
that is missing or stale closes everything.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from netlift.config.business import BusinessSettings, DataSettings
from netlift.config.decision import DecisionSettings
from netlift.data.engines.databases import open_place
from netlift.data.engines.duckdb import open_duckdb
from netlift.data.engines.files import list_files, read_parquet
from netlift.data.engines.remote import newest_of
from netlift.data.read import Tables, source_files
from netlift.decisions.eligibility.contact_policy import find_opted_out
from netlift.decisions.eligibility.eligibility import require_fresh_consent
from netlift.errors import DataError, GateRefusedError

if TYPE_CHECKING:
    import pandas as pd

AGREED = ("true", "1", "1.0")
CLOSED = "nobody can know who has agreed, and nothing goes out"


def require_consent_files(settings: BusinessSettings, decision: DecisionSettings, *, now: datetime) -> None:
    """Refuse to go on where a file of consents is missing, empty, of tomorrow or cannot be read, before all else.

    Args:
        settings: The business.
        decision: The rules.
        now: Time of the run.

    Raises:
        GateRefusedError: The file, and what is wrong with it.
    """
    engine = open_duckdb(settings.engine, state=settings.state)
    try:
        for name in _consent_tables(settings.data, decision):
            source = settings.data.tables[name]
            if source.path is None:
                continue  # its table tells when it is read
            files = list_files(source.path)
            missing = [str(path) for path in files if not _has_content(path)]
            if missing:
                raise GateRefusedError(
                    f"consent: no file, or an empty one, at {missing[0]} (table {name}), so {CLOSED}; bring it back"
                )
            for path in files:
                require_fresh_consent(_written_at(path), now=now, max_age_hours=math.inf)
                if path.suffix == ".parquet":
                    read_parquet(engine.connection, name, path)
    except DataError as error:
        raise GateRefusedError(f"consent: {error}; until then {CLOSED}") from error
    finally:
        engine.close()


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _consent_tables(data: DataSettings, decision: DecisionSettings) -> list[str]:
    """Tables of the config that consents are known from; none where an adapter makes them."""
    if data.adapter:
        return []
    return [name for name in ("customers", *(["events"] if opt_out_kinds(decision) else [])) if name in data.tables]


def consent_updated_at(settings: BusinessSettings, decision: DecisionSettings) -> datetime | None:
    """When the sources of consents were last written: customers, and events where they hold opt-outs.

    The staler of the two counts; None where no file tells.
    """
    named = settings.data.adapter or "events" in settings.data.tables
    needed = ["customers", *(["events"] if opt_out_kinds(decision) and named else [])]
    moments: list[float] = []
    for name in needed:
        source = settings.data.tables.get(name)
        if source is not None and not source.is_file:
            with open_place(settings.engine, source) as place:
                at = place.updated_at(name, source)
            if at is None:
                return None
            zone = ZoneInfo(source.zone or settings.time_zone)
            moments.append((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp())
            continue
        if source is not None and source.address is not None:
            if (at := newest_of(name, source)) is None:
                return None
            moments.append(at.timestamp())
            continue
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
        GateRefusedError: A channel without a column of consent; opt-outs that come from a table that is not there or
            has no rows; opt-outs or complaints under a kind that is spelled otherwise in the config.
    """
    missing = [c for c in channels if not tables.has("customers", decision.consent_column(c))]
    if missing:
        named = ", ".join(f"{decision.consent_column(channel)} (for {channel})" for channel in missing)
        raise GateRefusedError(
            f"customers: no column {named}, so nobody is known to have agreed, and nothing goes out; add it, true for "
            "who agreed"
        )
    kinds = opt_out_kinds(decision)
    if kinds and "events" not in tables:
        raise GateRefusedError(
            f"events: opt-outs ({', '.join(kinds)}) come from this table, which the config does not "
            "name, so nothing goes out; name it, or write opt_out_events: [] where consents alone tell"
        )
    if kinds:
        _require_same_spelling(_count_kinds(tables), (*kinds, *decision.contact_policy.complaint_events))


def _count_kinds(tables: Tables) -> dict[str, int]:
    events = tables["events"]
    counts = events.group_by("kind").aggregate(rows=events.count())
    found = tables.connection.to_pyarrow(counts).to_pylist()
    if not found:
        raise GateRefusedError(f"events: no rows, and opt-outs come from this table, so {CLOSED}; bring it back")
    return {row["kind"]: row["rows"] for row in found if row["kind"] is not None}


def _require_same_spelling(counts: dict[str, int], kinds: Collection[str]) -> None:
    """Refuse kinds of events that are an opt-out or a complaint of the config but for case, blanks and dashes."""
    asked = {_letters(kind): kind for kind in kinds}
    strange = {kind: asked[_letters(kind)] for kind in counts if kind not in kinds and _letters(kind) in asked}
    if strange:
        told = ", ".join(
            f"{kind!r} ({counts[kind]:,} events, {meant!r} in the config)" for kind, meant in strange.items()
        )
        raise GateRefusedError(
            f"events.kind: {told}, spelled otherwise than the config has it, so nobody would heed it, and nothing goes "
            "out; name it in the config too, or correct the source"
        )


def _letters(kind: str) -> str:
    return "".join(letter for letter in kind.casefold() if letter.isalnum())


def require_known_customers(tables: Tables, decision: DecisionSettings, *, max_share: float) -> None:
    """Refuse opt-outs of customers whom nobody knows: their ids are written otherwise, and they would be contacted.

    Args:
        tables: The tables.
        decision: The rules, with the kinds of opt-outs.
        max_share: Share of opt-outs that may be of customers who have been deleted since (`check.max_orphan_share`).

    Raises:
        GateRefusedError: More of them.
    """
    kinds = opt_out_kinds(decision)
    if "events" not in tables or not kinds:
        return
    events = tables["events"]
    outs = events.filter(events.kind.isin(list(kinds))).select("customer_id")
    unknown = outs.anti_join(tables["customers"], "customer_id")
    total, lost = (int(rows.count().to_pyarrow().as_py()) for rows in (outs, unknown))
    if lost > max_share * total:
        raise GateRefusedError(
            f"events: {lost:,} of {total:,} opt-outs are of customers that the table customers does not have, over the "
            f"{max_share:.1%} of check.max_orphan_share, so those who said no may be in it under another id, and "
            "nothing goes out; write the ids of both tables alike"
        )


def require_all_opt_outs(whole: Tables, sound: Tables, decision: DecisionSettings) -> None:
    """Refuse to go on where an opt-out is among the rows that the check leaves out: who said no would be contacted.

    Args:
        whole: The tables as they are.
        sound: The tables without what the check leaves out.
        decision: The rules, with the kinds of opt-outs.

    Raises:
        GateRefusedError: Events are left out that are opt-outs, or of a kind that nobody knows.
    """
    kinds = opt_out_kinds(decision)
    if "events" not in whole or not kinds or sound["events"] is whole["events"]:
        return
    counts = []
    for tables in (whole, sound):
        kind = tables["events"].kind
        counts.append(int((kind.isnull() | kind.isin(list(kinds))).sum().to_pyarrow().as_py() or 0))
    lost = counts[0] - counts[1]
    if lost:
        raise GateRefusedError(
            f"events: {lost:,} of {counts[0]:,} opt-outs, or events of no kind that may be some, break the data "
            f"contract (see `netlift check`), so nobody knows who said no, and {CLOSED}; correct them in the source"
        )


def agreed(values: np.ndarray) -> np.ndarray:
    """Whether a flag says yes, bool, shape (n,); anything but a clear yes is no."""
    if values.dtype.kind in "biuf":
        return np.asarray(values == 1)
    return np.isin([str(value).lower() if value is not None else "" for value in values], AGREED)


def read_opt_outs(
    tables: Tables, decision: DecisionSettings, positions: pd.Index, channels: Sequence[str], *, as_of: date
) -> dict[str, np.ndarray]:
    """Channel to who has taken a consent back and not given it again, bool, shape (n,).

    An opt-out counts whenever it is dated, up to now and after; an opt-in counts up to the end of the run's day. A
    general opt-in ends a general opt-out alone: who said no to a channel has to say yes to that channel.

    Args:
        tables: The tables.
        decision: The rules.
        positions: Customers in their order.
        channels: Channels that are asked about.
        as_of: Day of the run.
    """
    import pandas as pd

    rows = _consent_events(tables, decision, datetime.combine(as_of + timedelta(days=1), time()))
    if rows is None:
        return {channel: np.zeros(len(positions), dtype=bool) for channel in channels}
    rows = rows.assign(who=positions.get_indexer(pd.Index(rows["customer_id"])))
    rows = rows[rows["who"] >= 0]
    general = _have_opted_out(rows, decision.consent.opt_out_events, decision.consent.opt_in_events, len(positions))
    settings = {channel: decision.channels[channel] for channel in channels}
    return {
        channel: general | _have_opted_out(rows, own.opt_out_events, own.opt_in_events, len(positions))
        for channel, own in settings.items()
    }


def _consent_events(tables: Tables, decision: DecisionSettings, end: datetime) -> pd.DataFrame | None:
    """Opt-outs, and opt-ins before a moment; None where the config names none."""
    back = [*decision.consent.opt_in_events]
    back += [kind for channel in decision.channels.values() for kind in channel.opt_in_events]
    out = opt_out_kinds(decision)
    if "events" not in tables or not out:
        return None
    events = tables["events"]
    counts = events.kind.isin(list(out))
    if back:
        counts |= events.kind.isin(back) & (events.occurred_at < end)
    rows = events.filter(counts).select("customer_id", "occurred_at", "kind")
    found: pd.DataFrame = tables.connection.to_pyarrow(rows).to_pandas()
    return found


def _have_opted_out(rows: pd.DataFrame, out: Sequence[str], back: Sequence[str], customers: int) -> np.ndarray:
    own = rows[rows["kind"].isin([*out, *back])]
    return find_opted_out(
        own["who"].to_numpy(),
        own["kind"].isin(out).to_numpy(),
        own["occurred_at"].to_numpy(dtype="datetime64[us]"),
        customers=customers,
    )


__all__ = [
    "agreed",
    "consent_updated_at",
    "opt_out_kinds",
    "read_opt_outs",
    "require_all_opt_outs",
    "require_consent_files",
    "require_consent_sources",
    "require_known_customers",
]
