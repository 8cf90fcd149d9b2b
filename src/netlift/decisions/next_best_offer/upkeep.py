"""Check that the published next best offer is current, and its republication."""

from __future__ import annotations

from datetime import datetime

from netlift.config.business import BusinessSettings
from netlift.data.checks.check import read_sound
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.decisions.next_best_offer.economics import COSTS, digest_costs
from netlift.decisions.next_best_offer.model import TASK, find_lag
from netlift.decisions.next_best_offer.publish import offer_what_leads, say_not_made
from netlift.errors import NetliftError
from netlift.registry.models import CHAMPION, aliases, describe, model_name
from netlift.registry.store import Store
from netlift.registry.tracking import TAG


def offer_of_history(
    settings: BusinessSettings, store: Store, *, actor: str, now: datetime, lock_timeout: float = 60.0
) -> str:
    """The same with tables opened here, as of the first day that their receipts do not know."""
    try:
        with open_tables(settings, verb="train") as tables:
            tables, _ = read_sound(tables, settings, verb="train")
            return offer_what_leads(
                settings,
                store,
                tables=tables,
                as_of=read_history(tables).end,
                actor=actor,
                now=now,
                lock_timeout=lock_timeout,
            )
    except NetliftError as error:
        return say_not_made(store, error)


def find_stale(settings: BusinessSettings, store: Store) -> str:
    """What is wrong where the next best offer that leads is not of the uplift or the costs of now; empty if nothing is.

    Costs are those of the config's decision block; the table of offers is not read.
    """
    leads = aliases(store, TASK).get(CHAMPION)
    if leads is None or (lag := find_lag(store)):
        return "" if leads is None else lag
    made_at = describe(store, TASK, leads).tags.get(f"{TAG}{COSTS}_digest", "")
    if settings.decision is None or made_at in ("", digest_costs(settings.decision)):
        return ""
    return (
        f"{model_name(TASK)} version {leads} was made at other costs than the config's decision block has: make it anew"
    )


__all__ = ["find_stale", "offer_of_history"]
