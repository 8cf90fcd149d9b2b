"""A small business with two randomized campaigns, and a third whose customers were chosen by what they bought."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.history import History
from netlift.data.read import Tables, conform

STARTS = {"may": "2025-05-01", "july": "2025-07-01", "picked": "2025-09-01"}
DAYS = 30
HISTORY = History(first=date(2024, 1, 1), end=date(2026, 1, 1))


def frames(n: int = 1200, *, seed: int = 1) -> dict[str, pd.DataFrame]:
    """The seven tables less events and surveys; contacted customers buy once more within the outcome window, half."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{i:05d}" for i in range(n)])
    rate = rng.gamma(1.5, 8.0, n)
    who = np.repeat(np.arange(n), rng.poisson(rate * 2))
    bought = pd.DataFrame({"who": who, "day": rng.uniform(0, 730, len(who))})
    contacts = []
    for name, start in STARTS.items():
        chance = np.where(rate > 12, 0.7, 0.4) if name != "picked" else 1 / (1 + np.exp(-(rate - 12) / 10))
        reached = rng.random(n) < chance
        own = np.where(reached, chance, 1 - chance)
        contacts.append(
            pd.DataFrame(
                {
                    "campaign_id": name,
                    "customer_id": ids,
                    "assigned_at": pd.Timestamp(start),
                    "offer_id": np.where(reached, "mail", "control"),
                    "propensity": np.nan if name == "picked" else own,
                }
            )
        )
        day = (pd.Timestamp(start) - pd.Timestamp("2024-01-01")).days
        more = np.flatnonzero(reached & (rng.random(n) < 0.5))
        extra = pd.DataFrame({"who": more, "day": day + rng.uniform(0, DAYS, len(more))})
        bought = pd.concat([bought, extra], ignore_index=True)
    revenue = rng.lognormal(2.5, 0.7, len(bought))
    receipts = pd.DataFrame(
        {
            "customer_id": ids[bought.who],
            "occurred_at": (pd.Timestamp("2024-01-01") + pd.to_timedelta(bought.day, unit="D")).dt.floor("s"),
            "revenue": revenue,
            "margin": 0.4 * revenue,
        }
    )
    return {
        "customers": pd.DataFrame(
            {"customer_id": ids, "joined_at": pd.Timestamp("2024-01-01"), "region": rng.choice(["n", "s"], n)}
        ),
        "transactions": receipts,
        "campaigns": pd.DataFrame(
            {
                "campaign_id": list(STARTS),
                "started_at": [pd.Timestamp(start) for start in STARTS.values()],
                "outcome_days": DAYS,
                "randomized": [True, True, False],
            }
        ),
        "contacts": pd.concat(contacts, ignore_index=True),
        "offers": pd.DataFrame({"offer_id": ["mail"], "channel": ["email"], "contact_cost": [0.5]}),
    }


def open_frames(given: dict[str, pd.DataFrame], *, attributes: tuple[str, ...] = ("region",)) -> Tables:
    """The tables as every command reads them."""
    sources = {name: ibis.memtable(frame) for name, frame in given.items()}
    return conform(DuckDBEngine(), sources, attributes=attributes, zone=ZoneInfo("UTC"))


def known_before() -> datetime:
    """Before the first campaign."""
    return datetime(2025, 5, 1)
