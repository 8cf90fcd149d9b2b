"""Contract tables for tests: from frames, from public data, and at random."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import Tables, conform
from netlift.simulation.simulate import SimulationSettings, simulate

DATA = Path(__file__).parents[3] / "shared" / "data"


def make_tables(frames: dict[str, pd.DataFrame], *, attributes: tuple[str, ...] = ()) -> Tables:
    engine = DuckDBEngine()
    sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
    return conform(engine, sources, attributes=attributes, zone=ZoneInfo("UTC"))


def instants(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def read_public(name: str) -> pd.DataFrame:
    path = DATA / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_parquet(path)


def cdnow_tables() -> Tables:
    raw = read_public("cdnow_master")
    receipts = pd.DataFrame(
        {
            "customer_id": raw["customer_id"],
            "occurred_at": pd.to_datetime(raw["date"]),
            "revenue": raw["dollar_value"],
            "margin": raw["dollar_value"] * 0.3,
        }
    )
    joined = receipts.groupby("customer_id")["occurred_at"].min().rename("joined_at").reset_index()
    return make_tables({"customers": joined, "transactions": receipts})


def online_retail_tables() -> Tables:
    raw = read_public("online_retail").dropna(subset=["CustomerID"])
    raw["revenue"] = raw["Quantity"] * raw["UnitPrice"]
    lines = raw.groupby(["CustomerID", "InvoiceNo", "Country"], as_index=False).agg(
        occurred_at=("InvoiceDate", "min"), revenue=("revenue", "sum")
    )
    receipts = pd.DataFrame(
        {
            "customer_id": lines["CustomerID"].astype(int).astype(str),
            "occurred_at": lines["occurred_at"],
            "revenue": lines["revenue"],
            "margin": lines["revenue"] * 0.25,
            "category": lines["Country"],
        }
    )
    customers = receipts.groupby("customer_id").agg(joined_at=("occurred_at", "min"), country=("category", "first"))
    return make_tables({"customers": customers.reset_index(), "transactions": receipts}, attributes=("country",))


def retailer_tables(folder: Path, *, customers: int, end: date) -> Tables:
    simulate(SimulationSettings(customers=customers, seed=3, end=end, history_days=800), target=folder)
    engine = DuckDBEngine()
    names = ("customers", "transactions", "campaigns", "contacts", "offers", "events", "surveys")
    sources = {name: engine.connection.read_parquet(folder / f"{name}.parquet") for name in names}
    return conform(engine, sources, attributes=("region", "acquisition_channel"), zone=ZoneInfo("Europe/Moscow"))


def random_frames(rng: np.random.Generator, *, customers: int = 6, receipts: int = 60) -> dict[str, pd.DataFrame]:
    """A small business with everything in it: ties, returns, late rows, missing labels, contacts and answers."""
    ids = np.array([f"клиент {i:03d}" for i in range(customers)], dtype=object)
    start = np.datetime64("2024-01-01", "us")

    def times(n: int) -> np.ndarray:
        whole_days = start + rng.integers(0, 500, n) * np.timedelta64(1, "D")
        within = rng.choice([0, 0, 1, 43_200_000_000, 86_399_999_999], n) * np.timedelta64(1, "us")
        return whole_days + within

    def some(values: np.ndarray, n: int, missing: float) -> np.ndarray:
        chosen = rng.choice(np.array(values, dtype=object), n)
        chosen[rng.random(n) < missing] = None
        return chosen

    at = times(receipts)
    revenue = np.round(rng.choice([0.0, 1.0, 19.99, 250.0], receipts) * rng.choice([1, 1, 1.5, -1], receipts), 2)
    contacts = 6 * customers
    assigned = times(contacts)
    delivered = assigned + rng.integers(-1, 3, contacts) * np.timedelta64(1, "h")
    contacted = rng.choice(ids, contacts)
    buyer = rng.choice(ids, receipts, p=_weights(customers))
    answers = np.arange(receipts) % 5 == 0
    answered = rng.integers(0, contacts, answers.sum())
    buyer[answers] = contacted[answered]
    at[answers] = delivered[answered] + rng.choice([0, 13, 14], answers.sum()) * np.timedelta64(1, "D")
    delivered[rng.random(contacts) < 0.2] = np.datetime64("NaT")
    late = np.where(rng.random(receipts) < 0.3, at + rng.integers(0, 40, receipts) * np.timedelta64(1, "D"), at)
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": start + rng.integers(0, 300, customers) * np.timedelta64(1, "D"),
                "birth_date": pd.Series(
                    [None if i % 3 == 0 else date(1960 + i, 2, 28) for i in range(customers)], dtype=object
                ),
                "region": some(["north", "south", "east"], customers, 0.2),
                "points": rng.normal(size=customers),
            }
        ),
        "transactions": pd.DataFrame(
            {
                "customer_id": buyer,
                "occurred_at": at,
                "revenue": revenue,
                "margin": np.round(revenue * rng.uniform(-0.1, 0.5, receipts), 2),
                "category": some(["tea", "coffee", "cake", "salt"], receipts, 0.1),
                "channel": some(["store", "web"], receipts, 0.1),
                "promo": some([True, False], receipts, 0.2),
                "is_return": some([True, False, False, False], receipts, 0.4),
                "ingested_at": pd.Series(late).where(rng.random(receipts) < 0.8),
            }
        ),
        "contacts": pd.DataFrame(
            {
                "campaign_id": [f"c{i}" for i in range(contacts)],
                "customer_id": contacted,
                "assigned_at": assigned,
                "offer_id": rng.choice(["control", "sms 5", "mail 10", "call"], contacts),
                "delivered_at": delivered,
            }
        ),
        "offers": pd.DataFrame(
            {"offer_id": ["sms 5", "mail 10", "call"], "channel": ["sms", "email", "phone"], "contact_cost": 1.0}
        ),
        "events": pd.DataFrame(
            {
                "customer_id": rng.choice(ids, contacts),
                "occurred_at": times(contacts),
                "kind": rng.choice(["open", "complaint", "visit", "search"], contacts),
            }
        ),
        "surveys": pd.DataFrame(
            {
                "customer_id": rng.choice(ids, contacts),
                "answered_at": times(contacts),
                "kind": rng.choice(["nps", "csi"], contacts),
                "score": rng.integers(0, 11, contacts).astype(float),
            }
        ),
    }


def _weights(customers: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, customers + 1)
    return weights / weights.sum()
