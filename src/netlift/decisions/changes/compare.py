"""Comparison of a run with the newest earlier one, customer by customer and offer by offer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.data.run import MANIFEST_FILE
from netlift.decisions.changes.result import Changes, OfferChange
from netlift.decisions.eligibility.contact_history import require_own, standing_decisions

if TYPE_CHECKING:
    import pandas as pd

GONE, NONE = "gone", "none"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tonight:
    """A run as it is compared.

    Attributes:
        customers: Its customers, an index of n ids.
        offer: What each gets, "none" for nothing, shape (n,).
        reason: Why, in the words of the log, shape (n,).
        profit: Offer to the profit expected of it, currency.
        total: Expected of all of them.
        limits: Limits that bind.
    """

    customers: pd.Index
    offer: np.ndarray
    reason: np.ndarray
    profit: Mapping[str, float]
    total: float
    limits: tuple[str, ...]


def find_before(state: Path, *, as_of: date, own_key: str) -> Path | None:
    """The newest run of all customers of an earlier day that stands; None without one.

    Raises:
        DataError: A run is not whole.
    """
    found = [
        (day, key, folder)
        for folder, (day, key) in standing_decisions(state, own_key=own_key).items()
        if day < as_of and not json.loads((folder / MANIFEST_FILE).read_text()).get("trigger")
    ]
    return max(found)[2] if found else None


def compare(before: Path, log_file: str, tonight: Tonight) -> Changes:
    """Hold a run against an earlier one.

    Args:
        before: Folder of the earlier run.
        log_file: Name of its log there.
        tonight: The run.

    Raises:
        DataError: The log of the earlier run is not what was written.
    """
    import pandas as pd

    require_own(before, files={"decisions": log_file})
    manifest: dict[str, Any] = json.loads((before / MANIFEST_FILE).read_text())
    summary = manifest["summary"]
    rows = pd.read_parquet(before / log_file, columns=["customer_id", "offer_id"], filters=[("offer_id", "!=", NONE)])
    then = rows["offer_id"].to_numpy(dtype=object)
    place = tonight.customers.get_indexer(pd.Index(rows["customer_id"]))
    known = place >= 0
    now = np.where(known, tonight.offer[place], NONE)
    given = int((tonight.offer != NONE).sum())
    dropped, same = now == NONE, now == then
    why = Counter(np.where(known, tonight.reason[place], GONE)[dropped])
    return Changes(
        run_key=manifest["run_key"],
        as_of=date.fromisoformat(manifest["as_of"]),
        newly=given - int((~dropped).sum()),
        dropped=int(dropped.sum()),
        switched=int((~dropped & ~same).sum()),
        kept=int(same.sum()),
        why_dropped=dict(sorted(why.items(), key=lambda pair: -pair[1])),
        profit_before=summary["forecast"]["profit"]["point"],
        profit=tonight.total,
        limits_before=tuple(price["name"] for price in summary["prices"] if price["binding"]),
        limits=tonight.limits,
        offers=_offers(then, same, {one["offer_id"]: one["profit"] for one in summary["offers"]}, tonight),
    )


def _offers(
    then: np.ndarray, same: np.ndarray, profit_before: Mapping[str, float], tonight: Tonight
) -> tuple[OfferChange, ...]:
    """Offers of either run by the change of expected profit."""
    before, now, kept = (_count(offers) for offers in (then, tonight.offer, then[same]))
    found = [
        OfferChange(
            offer_id=offer,
            customers_before=before[offer],
            customers=now[offer],
            came=now[offer] - kept[offer],
            left=before[offer] - kept[offer],
            profit_before=profit_before.get(offer, 0.0),
            profit=tonight.profit.get(offer, 0.0),
        )
        for offer in dict.fromkeys([*tonight.profit, *profit_before])
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.profit - one.profit_before)))


def _count(offers: Sequence[str] | np.ndarray) -> Counter[str]:
    return Counter(offer for offer in offers if offer != NONE)


__all__ = ["Tonight", "compare", "find_before"]
