"""Rows of waiting lists that may no longer go out: consents and stops, asked anew when the lists are approved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.data.csv_lists import BOM
from netlift.data.read import Tables
from netlift.decisions.eligibility.consents import agreed, read_opt_outs
from netlift.decisions.eligibility.stops import Stop
from netlift.decisions.run.export import list_files, write_lists
from netlift.decisions.run.inputs import read_people

if TYPE_CHECKING:
    import pyarrow as pa

GONE, CONSENT, OPTED_OUT, STOPPED = "gone", "consent", "opted_out", "stopped"


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """What of waiting lists goes out.

    Attributes:
        customers: Channel to whoever is on its list.
        struck: Reason to whoever was on a list and is not any more: gone (no customer, or one who has left), consent,
            opted_out, stopped.
    """

    customers: Mapping[str, int]
    struck: Mapping[str, int]


def hand_over(
    source: Path,
    target: Path,
    tables: Tables,
    decision: DecisionSettings,
    *,
    stops: Sequence[Stop],
    as_of: date,
) -> HandedOver:
    """Copy waiting lists less who may not be contacted any more; a list that keeps everybody is copied as it is.

    Args:
        source: Folder of the lists.
        target: Where to.
        tables: The tables, for consents as they are now.
        decision: The rules.
        stops: What is stopped now.
        as_of: Day of the run.
    """
    import pyarrow.parquet as pq

    customers: dict[str, int] = {}
    struck = dict.fromkeys((GONE, CONSENT, OPTED_OUT, STOPPED), 0)
    for channel in decision.channels:
        files = list_files([channel])
        rows = pq.read_table(source / files[f"export_{channel}"], page_checksum_verification=True)
        why = _find_struck(rows, channel, tables, decision, stops=stops, as_of=as_of)
        for reason in struck:
            struck[reason] += int((why == reason).sum())
        kept = why == ""
        customers[channel] = int(kept.sum())
        if kept.all():
            for file in files.values():
                shutil.copyfile(source / file, target / file)
        else:
            excel = (source / files[f"export_{channel}_csv"]).read_bytes().startswith(BOM)
            write_lists(target, {channel: rows.filter(kept)}, for_excel=excel)
    return HandedOver(customers=customers, struck={reason: count for reason, count in struck.items() if count})


def _find_struck(
    rows: pa.Table,
    channel: str,
    tables: Tables,
    decision: DecisionSettings,
    *,
    stops: Sequence[Stop],
    as_of: date,
) -> np.ndarray:
    """Why each row does not go out, empty where it does, shape (n,)."""
    import pandas as pd

    ids = pd.Index(rows["customer_id"].to_pylist(), dtype=object)
    why = np.full(len(ids), "", dtype=object)
    if not len(ids):
        return why
    known = np.flatnonzero(ids.isin(tables.connection.to_pyarrow(tables["customers"].customer_id).to_pylist()))
    column = decision.consent_column(channel)
    people = read_people(tables, ids[known].to_numpy(dtype=object), [column, "cancelled_at"])
    here, yes = np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
    left = people["cancelled_at"] <= np.datetime64(datetime.combine(as_of + timedelta(days=1), time()), "us")
    here[known], yes[known] = ~left, agreed(people[column])
    why[read_opt_outs(tables, decision, ids, [channel], as_of=as_of)[channel]] = OPTED_OUT
    why[~yes] = CONSENT
    why[~here] = GONE
    offers = rows["offer_id"].to_pylist()
    closed = {offer: any(stop.covers(offer, channel) for stop in stops) for offer in dict.fromkeys(offers)}
    why[[closed[offer] for offer in offers]] = STOPPED
    return why


__all__ = ["HandedOver", "hand_over"]
