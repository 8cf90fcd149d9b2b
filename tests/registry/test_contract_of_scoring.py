from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import Tables, conform
from netlift.errors import SchemaDriftError
from netlift.features.vocabulary import learn_vocabulary
from netlift.registry.scoring_contract import ScoringContract, present_columns, require_same_schema

DAY = pd.Timestamp("2026-01-01")


def tables(**renamed: str) -> Tables:
    customers = pd.DataFrame({"customer_id": ["1"], "joined_at": [DAY], "region": ["north"], "acquisition_cost": [1.0]})
    receipts = pd.DataFrame(
        {"customer_id": ["1"], "occurred_at": [DAY], "revenue": [2.0], "margin": [1.0], "promo": [True]}
    )
    engine = DuckDBEngine()
    sources = {
        "customers": ibis.memtable(customers.rename(columns=renamed)),
        "transactions": ibis.memtable(receipts.rename(columns=renamed)),
    }
    return conform(engine, sources, attributes=("region",), zone=ZoneInfo("UTC"))


def contract() -> ScoringContract:
    seen = tables()
    return ScoringContract(
        task="churn",
        vocabulary=learn_vocabulary(seen, before=DAY.to_pydatetime()),
        observation_days=365,
        active_within_days=365,
        columns=present_columns(seen),
    )


def test_a_contract_survives_its_file() -> None:
    assert ScoringContract.from_json(contract().to_json()) == contract()


def test_a_column_behind_a_feature_that_is_gone_is_named_with_its_nearest() -> None:
    with pytest.raises(SchemaDriftError, match=r"transactions\.promo.*did you mean promotion\?"):
        require_same_schema([contract()], tables(promo="promotion"))


def test_a_column_behind_no_feature_may_go() -> None:
    assert require_same_schema([contract()], tables(acquisition_cost="cac")) is None
