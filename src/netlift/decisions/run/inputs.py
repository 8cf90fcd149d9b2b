"""Customer, offer and campaign inputs of a decision, aligned by customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.data.contract import CONTROL
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PastCosts:
    """What the campaigns paid that the effects were learned from, by offer.

    Attributes:
        contact_cost: Mean currency per contact.
        reward: Mean currency per redeemer; None where rewards are not logged.
        redeemed: Share of the contacted who redeemed; None likewise.
        outcome_days: Mean length of the outcome windows, over all offers.
    """

    contact_cost: Mapping[str, float]
    reward: Mapping[str, float | None]
    redeemed: Mapping[str, float | None]
    outcome_days: float


def read_people(tables: Tables, ids: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of customers in the order of ids, shape (n,): numbers with NaN, words with None, moments.

    Raises:
        DataError: A customer is there twice.
    """
    import pandas as pd

    wanted = list(dict.fromkeys(["customer_id", *names]))
    frame = tables.connection.to_pyarrow(tables["customers"].select(*wanted)).to_pandas()
    index = pd.Index(frame["customer_id"])
    if not index.is_unique:
        raise DataError(
            f"customers.customer_id: {int(index.duplicated().sum()):,} of {len(index):,} rows repeat a customer, who "
            "would be contacted twice; keep one of each"
        )
    at = index.get_indexer(pd.Index(ids))
    return {name: _plain(frame[name].take(at)) for name in names}


def newest_events(tables: Tables, kinds: Sequence[str], positions: pd.Index, end: datetime) -> np.ndarray:
    """Moment of the newest event of some kinds before a moment, NaT without one, datetime64[us], shape (n,)."""
    import pandas as pd

    newest_at = np.full(len(positions), np.datetime64("NaT"), dtype="datetime64[us]")
    if "events" not in tables or not kinds:
        return newest_at
    events = tables["events"]
    seen = events.filter(events.kind.isin(list(kinds)) & (events.occurred_at < end))
    newest = seen.group_by("customer_id").aggregate(at=seen.occurred_at.max())
    rows = tables.connection.to_pyarrow(newest).to_pandas()
    who = positions.get_indexer(pd.Index(rows["customer_id"]))
    newest_at[who[who >= 0]] = rows["at"].to_numpy(dtype="datetime64[us]")[who >= 0]
    return newest_at


def days_since_events(tables: Tables, kinds: Sequence[str], positions: pd.Index, as_of: date) -> np.ndarray:
    """Whole days since the newest event of some kinds, those of the day itself included; NaN without one, shape (n,).

    Who complained this morning is left alone today, though no model has seen it.
    """
    newest = newest_events(tables, kinds, positions, datetime.combine(as_of + timedelta(days=1), time()))
    passed = np.datetime64(as_of, "D") - newest.astype("datetime64[D]")
    return np.where(np.isnat(newest), np.nan, passed.astype(np.float64))


def bought_on(tables: Tables, positions: pd.Index, day: date) -> np.ndarray:
    """Who bought on a day, returns left out, as far as the table knows by now, bool, shape (n,)."""
    import pandas as pd

    start = datetime.combine(day, time())
    receipts = tables["transactions"]
    own = (receipts.occurred_at >= start) & (receipts.occurred_at < start + timedelta(days=1))
    rows = receipts.filter(own & ~receipts.is_return.coalesce(receipts.revenue < 0)).select("customer_id").distinct()
    bought = np.zeros(len(positions), dtype=bool)
    who = positions.get_indexer(pd.Index(tables.connection.to_pyarrow(rows)["customer_id"].to_pylist(), dtype=object))
    bought[who[who >= 0]] = True
    return bought


def offers_known(tables: Tables) -> dict[str, dict[str, Any]]:
    """Offer to its row of `offers`.

    Raises:
        DataError: No table of offers.
    """
    if "offers" not in tables:
        raise DataError("offers: the config does not name this table; a decision needs each offer's channel and cost")
    offers = tables["offers"]
    rows = tables.connection.to_pyarrow(offers).to_pylist()
    return {row["offer_id"]: row for row in rows}


def read_past_costs(tables: Tables, *, as_of: date) -> PastCosts:
    """What contacts of randomized campaigns cost, and what they paid back.

    Raises:
        DataError: No such contacts: nobody can say what is in the effects already.
    """
    missing = [name for name in ("campaigns", "contacts") if name not in tables]
    if missing:
        raise DataError(f"{', '.join(missing)}: not in the config; decisions need what past contacts cost")
    rows = _randomized(tables, seen_until(tables, datetime.combine(as_of, time())))
    planned = tables["offers"].select(known_offer="offer_id", planned="contact_cost")
    rows = rows.left_join(planned, rows.offer_id == planned.known_offer)
    rows = rows.filter((rows.offer_id != CONTROL) & (rows.offer_id != rows.campaign_id))  # a journey is no offer
    paid = rows.reward_cost.coalesce(0.0)
    grouped = rows.group_by("offer_id").aggregate(
        n=rows.count(),
        contact_cost=rows.contact_cost.coalesce(rows.planned, 0.0).mean(),
        redeemers=(paid > 0).sum(),
        paid=paid.sum(),
        days=rows.outcome_days.sum(),
    )
    found = tables.connection.to_pyarrow(grouped).to_pylist()
    if not found:
        raise DataError(
            f"contacts: no contact of a randomized campaign whose window was over by {as_of}; the effects cannot be "
            "valued without what those contacts cost"
        )
    logged = tables.has("contacts", "reward_cost")
    reward = {row["offer_id"]: row["paid"] / row["redeemers"] if row["redeemers"] else 0.0 for row in found}
    redeemed = {row["offer_id"]: row["redeemers"] / row["n"] for row in found}
    return PastCosts(
        contact_cost={row["offer_id"]: row["contact_cost"] for row in found},
        reward=reward if logged else dict.fromkeys(reward),
        redeemed=redeemed if logged else dict.fromkeys(redeemed),
        outcome_days=sum(row["days"] for row in found) / sum(row["n"] for row in found),
    )


def _randomized(tables: Tables, until: datetime) -> ir.Table:
    """Contacts that taught the effects: of randomized campaigns whose windows are over, and covered by receipts."""
    campaigns = tables["campaigns"]
    contacts = tables["contacts"]
    rows = contacts.inner_join(campaigns.select("campaign_id", "outcome_days", "randomized"), "campaign_id")
    ends = rows.assigned_at + rows.outcome_days.cast("int64").as_interval("D")
    drawn = rows.randomized.coalesce(True) & rows.propensity.notnull()
    return rows.filter(drawn & (ends <= until))


def _plain(column: Any) -> np.ndarray:
    """A column of customers as numbers with NaN, moments, flags, or words with None; flags with gaps become words."""
    kind = column.dtype.kind
    if kind == "M":
        return np.asarray(column.to_numpy(dtype="datetime64[us]"))
    if kind in "fiu":
        return np.asarray(column.to_numpy(dtype=np.float64))
    if kind == "b":
        return np.asarray(column.to_numpy(dtype=bool))
    words = {True: "true", False: "false"}
    values = [None if missing else words.get(v, v) if isinstance(v, bool) else v
              for v, missing in zip(column.to_numpy(dtype=object), column.isna().to_numpy(), strict=True)]  # fmt: skip
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


__all__ = [
    "PastCosts",
    "bought_on",
    "days_since_events",
    "newest_events",
    "offers_known",
    "read_past_costs",
    "read_people",
]
