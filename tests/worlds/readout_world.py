"""Tables of one campaign with a known effect, as frames that a test may spoil."""

import pickle
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd

from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.result import CampaignReadout
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.config.business import BusinessSettings, load
from netlift.config.readout import ReadoutSettings
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.progress import Silent

CHECKOUT = Path(__file__).parents[2]
ASSIGNED = pd.Timestamp("2026-03-01 09:00:00")
DAYS = 14
NIGHT = pd.Timestamp("2026-05-01")


@dataclass(frozen=True, kw_only=True)
class Market:
    """Frames of the contract."""

    customers: pd.DataFrame
    transactions: pd.DataFrame
    campaigns: pd.DataFrame
    contacts: pd.DataFrame
    offers: pd.DataFrame

    def but(self, **frames):
        return replace(self, **frames)

    def open(self):
        frames = {
            name: getattr(self, name) for name in ("customers", "transactions", "campaigns", "contacts", "offers")
        }
        sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
        own = tuple({"home"} & set(self.customers.columns))
        return conform(DuckDBEngine(), sources, attributes=own, zone=ZoneInfo("UTC"))


demo = cache(partial(load, CHECKOUT / "configs/demo.yaml"))


def settings(**changes) -> BusinessSettings:
    how = ReadoutSettings.model_validate(
        {"tolerance": 100.0, "pre_days": 90, "segments": (), "minimum_buyers": 20, **changes}
    )
    return demo().model_copy(update={"readout": how})


def read(market: Market, campaign: str = "K1", how=None, **request):
    """The readout; of the same market and question once in a process, as several tests may look at it."""
    asked = pickle.dumps((market, ReadoutRequest(campaign_id=campaign, **request), how or settings()))
    return read_pickled(asked)


@cache
def read_pickled(asked: bytes) -> CampaignReadout:
    market, request, how = pickle.loads(asked)
    return read_campaign(how, market.open(), request, progress=Silent())


def make_market(customers: int = 3000, *, seed: int = 1, effect: float = 6.0, unequal: bool = False) -> Market:
    """Half of the customers buy before, and in the window with what they bought; the offer adds `effect` to margin.

    With `unequal` chances, who bought much before is contacted seldom: control is richer than the arm.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"c{i:05d}" for i in range(customers)])
    habit = np.where(rng.random(customers) < 0.5, rng.gamma(2.0, 20.0, customers), 0.0)
    rich = habit > 40
    chance = np.where(rich, 0.25, 0.75) if unequal else np.full(customers, 0.5)
    treated = rng.random(customers) < chance
    buys = rng.random(customers) < np.where(habit > 0, 0.6, 0.2)
    margin = np.where(buys, 0.5 * habit + rng.gamma(2.0, 10.0, customers) + effect * treated / buys.mean(), 0.0)
    day = rng.integers(0, DAYS, customers)
    before = receipts(ids, habit > 0, habit, ASSIGNED - pd.to_timedelta(rng.integers(1, 80, customers), unit="D"))
    within = receipts(ids, buys, margin, ASSIGNED + pd.to_timedelta(day, unit="D") + pd.Timedelta(hours=3))
    last = pd.DataFrame({"customer_id": [ids[0]], "occurred_at": [NIGHT], "revenue": [0.0], "margin": [0.0]})
    return Market(
        customers=pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": ASSIGNED - pd.to_timedelta(rng.integers(100, 900, customers), unit="D"),
                "region": rng.choice(["north", "south", "east"], customers),
            }
        ),
        transactions=pd.concat([before, within, last], ignore_index=True),
        campaigns=pd.DataFrame(
            {
                "campaign_id": ["K1"],
                "name": ["Spring"],
                "started_at": [ASSIGNED],
                "outcome_days": [float(DAYS)],
                "fixed_cost": [200.0],
                "randomized": [True],
            }
        ),
        contacts=pd.DataFrame(
            {
                "campaign_id": "K1",
                "customer_id": ids,
                "assigned_at": ASSIGNED,
                "offer_id": np.where(treated, "mail", "control"),
                "propensity": np.where(treated, chance, 1 - chance),
                "contact_cost": np.where(treated, 0.5, 0.0),
                "reward_cost": np.where(treated & buys, 1.0, 0.0),
                "delivered_at": pd.Series(np.where(treated & (rng.random(customers) < 0.9), ASSIGNED, pd.NaT)).astype(
                    "datetime64[us]"
                ),
            }
        ),
        offers=pd.DataFrame({"offer_id": ["mail"], "channel": ["email"], "contact_cost": [0.5]}),
    )


def receipts(ids, who, margin, when) -> pd.DataFrame:
    when = pd.Series(when)[who].to_numpy()
    return pd.DataFrame(
        {"customer_id": ids[who], "occurred_at": when, "revenue": margin[who] * 2.5, "margin": margin[who]}
    )


__all__ = ["ASSIGNED", "DAYS", "NIGHT", "Market", "make_market", "read", "receipts", "settings"]
