"""Contacts that were made or promised: those logged, and those of lists that stand and are not logged yet.

A list that was drawn or decided yesterday and has not come back as rows of `contacts` counts all the same: nobody is
contacted twice because a log is late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.outreach import ContactPolicy
from netlift.data.read import Tables
from netlift.data.tables import CONTROL
from netlift.decision.contact_policy import ContactLog
from netlift.errors import DataError
from netlift.pipelines.run_key import MANIFEST_FILE

if TYPE_CHECKING:
    import pandas as pd

DECISIONS = Path("out") / "decisions"
LISTS = (Path("out") / "assignments", DECISIONS)
CONTACTS_FILE, CAMPAIGNS_FILE = "contacts.parquet", "campaigns.parquet"


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Contacts that were made or promised, in no order.

    Attributes:
        frame: customer_id, campaign_id, offer_id, assigned_at, ends_at; control only of priority campaigns.
        lists: Names of the lists beside the table: drawn or decided, and not yet logged.
    """

    frame: pd.DataFrame
    lists: tuple[str, ...]


def read_history(tables: Tables, policy: ContactPolicy, *, state: Path, own_key: str, as_of: date) -> History:
    """Contacts that the limits of a policy look back on, and everybody in its priority campaigns.

    Args:
        tables: The tables of a business.
        policy: Its limits say how far back, its priority campaigns whose control counts as well.
        state: The state folder, below which lists stand.
        own_key: Run key of the decisions that are being made, which do not count.
        as_of: First day not seen.

    Raises:
        DataError: A list is not whole, so that nobody can say whom it contacts.
    """
    import pandas as pd

    since = as_of - timedelta(days=max((limit.days for limit in policy.limits), default=0))
    frames = [_logged(tables, since, policy.priority_campaigns)] if "contacts" in tables else []
    logged = _logged_campaigns(tables)
    names = []
    for folder, campaign in _lists(state, own_key, since, policy.priority_campaigns):
        if campaign in logged:
            continue
        wanted = None if campaign in policy.priority_campaigns else [("offer_id", "!=", CONTROL)]
        columns = ["campaign_id", "customer_id", "assigned_at", "offer_id"]
        rows = pd.read_parquet(folder / CONTACTS_FILE, columns=columns, filters=wanted)
        length = pd.read_parquet(folder / CAMPAIGNS_FILE, columns=["outcome_days"])["outcome_days"].iloc[0]
        names.append(folder.name)
        frames.append(rows.assign(ends_at=rows["assigned_at"] + pd.Timedelta(days=float(length))))
    columns = ["customer_id", "campaign_id", "offer_id", "assigned_at", "ends_at"]
    if not frames:
        return History(frame=pd.DataFrame({name: [] for name in columns}), lists=())
    return History(frame=pd.concat(frames, ignore_index=True)[columns], lists=tuple(names))


def contact_log(
    history: History, positions: pd.Index, channel_of: Mapping[str, str], channels: Sequence[str]
) -> ContactLog:
    """The contacts among them, control left out, by position; of an offer that nobody knows, over no known channel."""
    import pandas as pd

    sent = history.frame[history.frame["offer_id"] != CONTROL]
    who = positions.get_indexer(pd.Index(sent["customer_id"]))
    place = {channel: k for k, channel in enumerate(channels)}
    codes = {offer: place.get(channel_of.get(offer, ""), len(channels) - 1) for offer in sent["offer_id"].unique()}
    over = sent["offer_id"].map(codes).to_numpy(dtype=np.int64)
    known = who >= 0
    at = sent["assigned_at"].to_numpy(dtype="datetime64[us]")
    return ContactLog(customer=who[known], channel=over[known], at=at[known])


def reserved_customers(history: History, campaigns: Sequence[str], positions: pd.Index, as_of: date) -> np.ndarray:
    """Who is in a priority campaign whose window is not over, control too, bool, shape (n,)."""
    import pandas as pd

    reserved = np.zeros(len(positions), dtype=bool)
    rows = history.frame
    running = rows["campaign_id"].isin(campaigns) & (rows["ends_at"].to_numpy() > np.datetime64(as_of, "us"))
    who = positions.get_indexer(pd.Index(rows.loc[running, "customer_id"]))
    reserved[who[who >= 0]] = True
    return reserved


def decided_days(state: Path) -> dict[str, date]:
    """Run keys of all decisions below a state folder, and their days.

    Raises:
        DataError: A run is not whole.
    """
    return {campaign: day for kind, _, campaign, day in _standing_lists(state) if kind == DECISIONS}


def _logged(tables: Tables, since: date, whole: Sequence[str]) -> pd.DataFrame:
    """Logged contacts since a day, control left out, and all rows of some campaigns."""
    contacts = tables["contacts"]
    lately = (contacts.assigned_at >= datetime.combine(since, time())) & (contacts.offer_id != CONTROL)
    rows = contacts.filter(lately | contacts.campaign_id.isin(list(whole)) if whole else lately)
    rows = rows.select("customer_id", "campaign_id", "offer_id", "assigned_at")
    if "campaigns" in tables:
        lengths = tables["campaigns"].select(known_id="campaign_id", outcome_days="outcome_days")
        rows = rows.left_join(lengths, rows.campaign_id == lengths.known_id)
        ends = rows.assigned_at + rows.outcome_days.coalesce(0).cast("int64").as_interval("D")
        rows = rows.mutate(ends_at=ends).drop("known_id", "outcome_days")
    else:
        rows = rows.mutate(ends_at=rows.assigned_at)
    found: pd.DataFrame = tables.connection.to_pyarrow(rows).to_pandas()
    return found


def _logged_campaigns(tables: Tables) -> frozenset[str]:
    if "contacts" not in tables:
        return frozenset()
    known = tables["contacts"].select("campaign_id").distinct()
    return frozenset(tables.connection.to_pyarrow(known)["campaign_id"].to_pylist())


def _lists(state: Path, own_key: str, since: date, whole: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Lists since a day, and those of some campaigns: folder and campaign."""
    for kind, folder, campaign, day in _standing_lists(state):
        own = kind == DECISIONS and folder.name == own_key
        if not own and (day >= since or campaign in whole):
            yield folder, campaign


def _standing_lists(state: Path) -> Iterator[tuple[Path, Path, str, date]]:
    """Every list below a state folder: its kind, folder, campaign and day."""
    for kind in LISTS:
        for path in sorted((state / kind).glob(f"*/{MANIFEST_FILE}")):
            folder = path.parent
            try:
                manifest = json.loads(path.read_text())
                campaign = manifest["run_key" if kind == DECISIONS else "campaign_id"]
                day = date.fromisoformat(manifest["as_of" if kind == DECISIONS else "started_at"][:10])
            except (OSError, ValueError, KeyError) as error:
                raise DataError(
                    f"{folder} is not whole ({type(error).__name__}), so nobody can say whom it contacts; remove it "
                    "and write it again"
                ) from error
            yield kind, folder, campaign, day


__all__ = [
    "CAMPAIGNS_FILE",
    "CONTACTS_FILE",
    "DECISIONS",
    "History",
    "contact_log",
    "decided_days",
    "read_history",
    "reserved_customers",
]
