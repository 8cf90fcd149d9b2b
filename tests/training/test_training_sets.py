from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.config.definitions import ChurnDefinition, ChurnLabel, load_definition
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import Tables, conform
from netlift.errors import DataError
from netlift.features.build import build_features
from netlift.features.queries import Queries
from netlift.features.vocabulary import learn_vocabulary
from netlift.training.customer_rows import build_labelled_rows, flag_treated

HOUSE = Path(__file__).parents[2]
CUTOFF = date(2025, 6, 1)
GAP, HORIZON = 7, 60


def definition(kind: str) -> ChurnDefinition:
    read = load_definition(HOUSE / "models" / "churn.yaml", "churn")
    assert isinstance(read, ChurnDefinition)
    windows = read.windows.model_copy(update={"gap_days": GAP, "horizon_days": HORIZON})
    return read.model_copy(update={"label": ChurnLabel(kind=kind), "windows": windows})


def frames(n: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(4)
    ids = np.array([f"{i:05d}" for i in range(n)])
    left = pd.Timestamp("2025-04-01") + pd.to_timedelta(rng.integers(0, 200, n), unit="D")
    customers = pd.DataFrame({"customer_id": ids, "joined_at": pd.Timestamp("2024-01-01")})
    customers["cancelled_at"] = left.where(rng.random(n) < 0.7)
    receipts = pd.DataFrame({"customer_id": rng.choice(ids, 20 * n), "revenue": 10.0, "margin": 4.0})
    receipts["occurred_at"] = pd.Timestamp("2024-08-01") + pd.to_timedelta(rng.integers(0, 400, 20 * n), unit="D")
    return customers, receipts


def tables(customers: pd.DataFrame, receipts: pd.DataFrame) -> Tables:
    sources = {"customers": ibis.memtable(customers), "transactions": ibis.memtable(receipts)}
    return conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))


def build(kind: str, opened: Tables):
    vocabulary = learn_vocabulary(opened, before=pd.Timestamp(CUTOFF).to_pydatetime())
    return build_labelled_rows(
        opened, definition(kind), vocabulary, cutoffs=[CUTOFF], rows_per_partition=1_000_000, seed=1
    ).rows


def test_a_cancellation_label_is_the_date_of_the_column() -> None:
    customers, receipts = frames()
    rows = build("cancellation", tables(customers, receipts))
    start = pd.Timestamp(CUTOFF) + pd.Timedelta(days=GAP)
    asked = customers[~(customers.cancelled_at < pd.Timestamp(CUTOFF))]
    bought = receipts[receipts.occurred_at.between(start - pd.Timedelta(days=GAP + 365), pd.Timestamp(CUTOFF))]
    asked = asked[asked.customer_id.isin(bought.customer_id)]
    gone = asked.cancelled_at.between(start, start + pd.Timedelta(days=HORIZON), inclusive="left")
    in_gap = asked.cancelled_at.between(pd.Timestamp(CUTOFF), start, inclusive="left")
    assert in_gap.sum() > 0
    assert len(rows) == len(asked) - in_gap.sum()
    assert rows.y.sum() == gone.sum() > 0


def test_a_cancellation_label_without_its_column_says_how_to_map_it() -> None:
    customers, receipts = frames()
    with pytest.raises(DataError, match=r"customers\.cancelled_at: missing"):
        build("cancellation", tables(customers.drop(columns="cancelled_at"), receipts))


def test_no_purchase_is_recomputed_from_the_receipts() -> None:
    customers, receipts = frames()
    receipts = receipts[receipts.customer_id.astype(int) % 3 > 0]
    quiet = receipts.customer_id.astype(int) % 5 == 0
    receipts = receipts[~(quiet & (receipts.occurred_at > pd.Timestamp(CUTOFF)))]
    rows = build("no_purchase", tables(customers.drop(columns="cancelled_at"), receipts))
    start = pd.Timestamp(CUTOFF) + pd.Timedelta(days=GAP)
    later = receipts[receipts.occurred_at.between(start, start + pd.Timedelta(days=HORIZON), inclusive="left")]
    ids = customers.customer_id.to_numpy()[rows.customer]
    assert rows.y.tolist() == (~np.isin(ids, later.customer_id)).astype(float).tolist()


def test_customers_that_an_offer_reached_inside_the_label_are_flagged() -> None:
    customers, receipts = frames()
    ids = customers.customer_id
    contacts = pd.DataFrame({"customer_id": ids, "campaign_id": "a", "offer_id": "sms", "assigned_at": pd.NaT})
    contacts["assigned_at"] = pd.Timestamp(CUTOFF) + pd.to_timedelta(np.arange(len(ids)) % 100 - 10, unit="D")
    contacts.loc[ids.astype(int) % 2 == 0, "offer_id"] = "control"
    sources = {"customers": ibis.memtable(customers), "transactions": ibis.memtable(receipts)}
    sources["contacts"] = ibis.memtable(contacts)
    opened = conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
    vocabulary = learn_vocabulary(opened, before=pd.Timestamp(CUTOFF).to_pydatetime())
    churn = definition("no_purchase")
    matrix = build_features(
        opened,
        Queries(customer_id=ids.to_numpy(dtype=object), cutoff=np.full(len(ids), np.datetime64(CUTOFF, "us"))),
        vocabulary,
        observation_days=365,
    )
    day = np.arange(len(ids)) % 100 - 10
    expected = (day >= GAP) & (day < GAP + HORIZON) & (ids.astype(int) % 2 == 1)
    assert np.array_equal(flag_treated(opened, matrix, churn.windows), expected)
