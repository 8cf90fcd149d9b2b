"""Contact history: logged contacts and those of lists that are not logged yet.

A list that was drawn or decided yesterday and has not come back as rows of `contacts` counts all the same, and where a
part of it has come back, the rest still counts: nobody is contacted twice because a log is late.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.outreach import ContactPolicy
from netlift.config.settings import did_you_mean
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.data.run import BRING_BACK, MANIFEST_FILE
from netlift.data.write import file_digest
from netlift.decisions.eligibility.contact_policy import ContactLog
from netlift.decisions.eligibility.handover import is_rejected
from netlift.decisions.eligibility.journey_events import JOURNEYS_FILE, SENT
from netlift.errors import ConfigError, DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

DECISIONS = Path("out") / "decisions"
LISTS = (Path("out") / "assignments", DECISIONS)
STANDING = f"[!.]*/{MANIFEST_FILE}"  # what a killed run left half-written begins with a point
CONTACTS_FILE, CAMPAIGNS_FILE = "contacts.parquet", "campaigns.parquet"
OWN_FILES = {"contacts": CONTACTS_FILE, "journeys": JOURNEYS_FILE}
COLUMNS = ("customer_id", "campaign_id", "offer_id", "at", "ends_at")


@dataclass(frozen=True, kw_only=True, eq=False)
class ContactHistory:
    """Contacts that were made or promised, in no order.

    Attributes:
        frame: customer_id, campaign_id, offer_id, at (when it was delivered, or assigned where nobody logs that),
            ends_at; control only of priority campaigns.
        lists: Names of the lists beside the table of which somebody is not logged yet.
    """

    frame: pd.DataFrame
    lists: tuple[str, ...]

    def made_between(self, first: date, end: date) -> dict[str, int]:
        """Offer to its contacts that were made or promised on days, the end not included."""
        at = self.frame["at"].to_numpy(dtype="datetime64[us]")
        own = (at >= np.datetime64(first, "us")) & (at < np.datetime64(end, "us"))
        own &= (self.frame["offer_id"] != CONTROL).to_numpy()
        return {str(offer): int(count) for offer, count in self.frame.loc[own, "offer_id"].value_counts().items()}


def read_history(
    tables: Tables, policy: ContactPolicy, *, state: Path, own_key: str, as_of: date, window_days: float
) -> ContactHistory:
    """Contacts of the month, those whose windows are open, those that limits look back on, and priority campaigns.

    Args:
        tables: The tables of a business.
        policy: Its limits say how far back, its priority campaigns whose control counts as well.
        state: The state folder, below which lists stand.
        own_key: Run key of the decisions that are being made, which do not count.
        as_of: First day not seen.
        window_days: Length of the outcome window, for which a contact is open.

    Raises:
        DataError: A list is not whole, so that nobody can say whom it contacts.
        UsageError: The run key is that of a campaign whose contacts are logged already.
        ConfigError: A priority campaign that nobody knows.
    """
    import pandas as pd

    back = max([math.ceil(window_days), *(limit.days for limit in policy.limits)])
    since = min(as_of - timedelta(days=back), as_of.replace(day=1))
    standing = [one for one in _standing_lists(state) if one[:2] != (DECISIONS, state / DECISIONS / own_key)]
    logged = _logged_campaigns(tables)
    if own_key in logged:
        raise UsageError(
            f"--run-key {own_key}: contacts of a campaign of this name are logged already, and two campaigns of one "
            "name cannot be told apart; give another --run-key"
        )
    _require_known(policy.priority_campaigns, logged | _named_campaigns(tables) | {name for _, _, name, _ in standing})
    frames = [_logged(tables, since, policy.priority_campaigns)] if "contacts" in tables else []
    names = []
    for kind, folder, campaign, day in standing:
        is_whole = campaign in policy.priority_campaigns
        if day < since and not is_whole:
            continue
        rows = _listed(folder, campaign, only_contacts=not is_whole)
        if campaign in logged:
            rows = rows[~rows["customer_id"].isin(_logged_customers(tables, campaign))]
        if len(rows):
            names.append(folder.name)
            frames.append(rows)
        if kind == DECISIONS and (folder / JOURNEYS_FILE).exists():
            frames.append(_steps(folder, window_days))
    if not frames:
        return ContactHistory(frame=pd.DataFrame({name: [] for name in COLUMNS}), lists=())
    return ContactHistory(frame=pd.concat(frames, ignore_index=True)[list(COLUMNS)], lists=tuple(names))


def contact_log(
    history: ContactHistory, positions: pd.Index, channel_of: Mapping[str, str], channels: Sequence[str]
) -> ContactLog:
    """The contacts among them, control left out, by position; of an offer that nobody knows, over no known channel."""
    import pandas as pd

    sent = history.frame[history.frame["offer_id"] != CONTROL]
    who = positions.get_indexer(pd.Index(sent["customer_id"]))
    place = {channel: k for k, channel in enumerate(channels)}
    codes = {offer: place.get(channel_of.get(offer, ""), len(channels) - 1) for offer in sent["offer_id"].unique()}
    over = sent["offer_id"].map(codes).to_numpy(dtype=np.int64)
    known = who >= 0
    at = sent["at"].to_numpy(dtype="datetime64[us]")
    return ContactLog(customer=who[known], channel=over[known], at=at[known])


def reserved_customers(
    history: ContactHistory, campaigns: Sequence[str], positions: pd.Index, as_of: date
) -> np.ndarray:
    """Who is in a priority campaign whose window is not over, control too, bool, shape (n,)."""
    import pandas as pd

    reserved = np.zeros(len(positions), dtype=bool)
    rows = history.frame
    running = rows["campaign_id"].isin(campaigns) & (rows["ends_at"].to_numpy() > np.datetime64(as_of, "us"))
    who = positions.get_indexer(pd.Index(rows.loc[running, "customer_id"]))
    reserved[who[who >= 0]] = True
    return reserved


def spent_by_runs(state: Path, *, month: date, own_key: str, on_new: bool = False) -> float:
    """Currency that the decisions of a calendar month are expected to spend, by the runs that stand.

    Args:
        state: The state folder, below which they stand.
        month: Any day of the month.
        own_key: Run key of the decisions that are being made, which do not count.
        on_new: What was spent on new offers alone.

    Raises:
        DataError: A run is not whole.
    """
    own = state / DECISIONS / own_key
    spent = 0.0
    for kind, folder, _, day in _standing_lists(state):
        if kind == DECISIONS and folder != own and (day.year, day.month) == (month.year, month.month):
            try:
                summary = json.loads((folder / MANIFEST_FILE).read_text())["summary"]
                own_sum = (summary.get("new_offers") or {"spend": 0.0}) if on_new else summary
                spent += float(own_sum["spend"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise _not_whole(folder, error) from error
    return spent


def standing_decisions(state: Path, *, own_key: str = "") -> dict[Path, tuple[date, str]]:
    """Folder of every run of decisions, but for one's own, to its day and key.

    Raises:
        DataError: A run is not whole.
    """
    return {
        folder: (day, key) for kind, folder, key, day in _standing_lists(state) if kind == DECISIONS and key != own_key
    }


def tried_by_runs(state: Path) -> dict[str, frozenset[str]]:
    """Runs of decisions below a state folder to the new offers that they tried, none for those before there were any.

    Raises:
        DataError: A run is not whole.
    """
    found = {}
    for folder, (_, key) in standing_decisions(state).items():
        drawn_by = json.loads((folder / MANIFEST_FILE).read_text()).get("drawn_by", {})
        found[key] = frozenset(drawn_by.get("new_offers", {}).get("offers", ()))
    return found


def digest_lists(state: Path, *, own_key: str, only: Collection[str] | None = None) -> dict[str, str]:
    """Lists that stand beside the table, but for one's own, to the digest of their manifest, which names their files'.

    Args:
        state: The state folder, below which lists stand.
        own_key: Run key of the decisions that are being made.
        only: Lists to keep; None for all.

    Raises:
        DataError: A list is not whole.
    """
    found = {f"{kind.name}/{folder.name}": folder for kind, folder, _, _ in _standing_lists(state)}
    return {
        name: file_digest(folder / MANIFEST_FILE)
        for name, folder in found.items()
        if folder != state / DECISIONS / own_key and (only is None or name in only)
    }


def decided_days(state: Path) -> dict[str, date]:
    """Run keys of all decisions below a state folder, and their days.

    Raises:
        DataError: A run is not whole.
    """
    return {key: day for day, key in standing_decisions(state).values()}


def _logged(tables: Tables, since: date, whole: Sequence[str]) -> pd.DataFrame:
    """Logged contacts since a day, control left out, and all rows of some campaigns."""
    import ibis

    contacts = tables["contacts"]
    contacts = contacts.mutate(
        at=ibis.greatest(contacts.assigned_at, contacts.delivered_at.coalesce(contacts.assigned_at))
    )
    # an arm called as its campaign is a journey's: what its steps sent stands in the runs
    sent = (contacts.offer_id != CONTROL) & (contacts.offer_id != contacts.campaign_id)
    lately = (contacts.at >= datetime.combine(since, time())) & sent
    rows = contacts.filter(lately | contacts.campaign_id.isin(list(whole)) if whole else lately)
    rows = rows.select("customer_id", "campaign_id", "offer_id", "assigned_at", "at")
    if "campaigns" in tables:
        lengths = tables["campaigns"].select(known_id="campaign_id", outcome_days="outcome_days")
        rows = rows.left_join(lengths, rows.campaign_id == lengths.known_id)
        rows = rows.mutate(ends_at=rows.assigned_at + rows.outcome_days.coalesce(0).cast("int64").as_interval("D"))
    else:
        rows = rows.mutate(ends_at=rows.assigned_at)
    found: pd.DataFrame = tables.connection.to_pyarrow(rows.select(*COLUMNS)).to_pandas()
    return found


def _listed(folder: Path, campaign: str, *, only_contacts: bool) -> pd.DataFrame:
    """Rows of a list, control left out where only contacts count."""
    import pandas as pd

    wanted = [("campaign_id", "==", campaign), *([("offer_id", "!=", CONTROL)] if only_contacts else [])]
    columns = ["campaign_id", "customer_id", "assigned_at", "offer_id"]
    require_own(folder)
    rows = pd.read_parquet(folder / CONTACTS_FILE, columns=columns, filters=wanted)
    days = pd.read_parquet(folder / CAMPAIGNS_FILE, columns=["outcome_days"])["outcome_days"].iloc[0]
    return rows.assign(at=rows["assigned_at"], ends_at=rows["assigned_at"] + pd.Timedelta(days=float(days)))


def _steps(folder: Path, window_days: float) -> pd.DataFrame:
    """What the steps of journeys sent in a run, in the columns of `COLUMNS`; its file was held against the manifest."""
    import pandas as pd

    columns = ["customer_id", "journey", "offer_id", "as_of"]
    rows = pd.read_parquet(folder / JOURNEYS_FILE, columns=columns, filters=[("event", "==", SENT)])
    at = pd.to_datetime(rows["as_of"])
    ends = at + pd.Timedelta(days=float(window_days))
    return rows.rename(columns={"journey": "campaign_id"}).assign(at=at, ends_at=ends)[list(COLUMNS)]


def require_own(folder: Path, *, files: Mapping[str, str] = OWN_FILES) -> None:
    """Refuse a list whose contacts, or steps of journeys, are not those of its manifest.

    Args:
        folder: The list's folder.
        files: Name of a digest in the manifest to its file, of those that are looked at.

    Raises:
        DataError: The file, and what is wrong with it.
    """
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    if manifest.get("erasing"):
        raise DataError(f"{folder}: an erasure of customers was cut off there; run it again, or `netlift doctor --fix`")
    for name, file in files.items():
        written = manifest.get("digests", {}).get(name)
        if written is not None and (not (folder / file).exists() or file_digest(folder / file) != written):
            raise DataError(
                f"{folder / file} is not what was written, so nobody can say whom it contacts; {BRING_BACK}"
            )


def _logged_campaigns(tables: Tables) -> frozenset[str]:
    if "contacts" not in tables:
        return frozenset()
    known = tables["contacts"].select("campaign_id").distinct()
    return frozenset(tables.connection.to_pyarrow(known)["campaign_id"].to_pylist())


def _named_campaigns(tables: Tables) -> frozenset[str]:
    if "campaigns" not in tables:
        return frozenset()
    return frozenset(tables.connection.to_pyarrow(tables["campaigns"].select("campaign_id"))["campaign_id"].to_pylist())


def _logged_customers(tables: Tables, campaign: str) -> list[str]:
    """Whoever of a campaign is logged, as contacted or not."""
    contacts = tables["contacts"]
    rows = contacts.filter(contacts.campaign_id == campaign).select("customer_id")
    ids: list[str] = tables.connection.to_pyarrow(rows)["customer_id"].to_pylist()
    return ids


def _require_known(asked: Sequence[str], known: Collection[str]) -> None:
    unknown = [f"{name!r}{did_you_mean(name, sorted(known))}" for name in asked if name not in known]
    if unknown:
        raise ConfigError(
            f"decision.contact_policy.priority_campaigns: neither the tables nor the lists know {', '.join(unknown)}; "
            "nobody would be left to it. Correct the name, or add it when it is drawn"
        )


def _standing_lists(state: Path) -> Iterator[tuple[Path, Path, str, date]]:
    """Lists that stand beside the table and may have gone out: kind, folder, campaign and day."""
    for kind in LISTS:
        for path in sorted((state / kind).glob(STANDING)):
            folder = path.parent
            if is_rejected(folder):
                continue
            try:
                manifest = json.loads(path.read_text())
                campaign = manifest["run_key" if kind == DECISIONS else "campaign_id"]
                day = date.fromisoformat(manifest["as_of" if kind == DECISIONS else "started_at"][:10])
            except (OSError, ValueError, KeyError) as error:
                raise _not_whole(folder, error) from error
            yield kind, folder, campaign, day


def _not_whole(folder: Path, error: Exception) -> DataError:
    return DataError(
        f"{folder} is not whole ({type(error).__name__}), so nobody can say whom it contacts and what it spends; "
        f"{BRING_BACK}"
    )


__all__ = [
    "CAMPAIGNS_FILE",
    "CONTACTS_FILE",
    "DECISIONS",
    "STANDING",
    "ContactHistory",
    "contact_log",
    "decided_days",
    "digest_lists",
    "read_history",
    "require_own",
    "reserved_customers",
    "spent_by_runs",
    "standing_decisions",
    "tried_by_runs",
]
