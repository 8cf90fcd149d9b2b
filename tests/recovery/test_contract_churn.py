"""A telecom whose customers leave by cancelling: the chance built in is found again, and the gone are not asked."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from netlift.config.business import load
from netlift.pipelines.score import score_business
from netlift.pipelines.train import train_business
from netlift.progress import Silent

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
FIRST, DAYS = pd.Timestamp("2023-01-01"), 900
PLANS = {"basic": 0.004, "family": 0.0012, "business": 0.0004}  # chance a day to cancel


def draw_telecom(seed: int, customers: int = 3_000) -> dict[str, pd.DataFrame]:
    """Contracts with a daily hazard by plan, tripled after a complaint; a bill every 30 days."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"s{i:06d}" for i in range(customers)])
    plan = rng.choice(list(PLANS), customers)
    joined = rng.integers(0, 500, customers)
    complaint = joined + rng.integers(30, 900, customers)
    hazard = np.array([PLANS[p] for p in plan])
    day = np.arange(DAYS)
    daily = hazard[:, None] * np.where(day[None, :] >= complaint[:, None], 3.0, 1.0) * (day[None, :] >= joined[:, None])
    gone = np.cumsum(daily, axis=1) > rng.exponential(size=customers)[:, None]
    left = np.where(gone.any(axis=1), gone.argmax(axis=1), -1)
    end = np.where(left < 0, DAYS, left)
    bills = [(ids[i], at) for i in range(customers) for at in range(joined[i], end[i], 30)]
    receipts = pd.DataFrame(bills, columns=["customer_id", "day"])
    receipts["occurred_at"] = FIRST + pd.to_timedelta(receipts.pop("day"), unit="D")
    receipts["revenue"], receipts["margin"] = 20.0, 12.0
    cancelled = pd.Series(FIRST + pd.to_timedelta(left, unit="D")).where(left >= 0)
    heard = complaint < end
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": FIRST + pd.to_timedelta(joined, unit="D"),
                "cancelled_at": cancelled,
                "plan": plan,
            }
        ),
        "transactions": receipts,
        "events": pd.DataFrame(
            {
                "customer_id": ids[heard],
                "occurred_at": FIRST + pd.to_timedelta(complaint[heard], unit="D"),
                "kind": "complaint",
            }
        ),
    }


@pytest.fixture(scope="module")
def telecom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("telecom")
    frames = draw_telecom(1)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    churn = yaml.safe_load((HOUSE / "models" / "churn.yaml").read_text())
    churn |= {
        "label": {"kind": "cancellation"},
        "population": {"max_rows": 100_000},
        "candidates": ["own_rhythm", "lightgbm"],
        "windows": churn["windows"] | {"observation_days": 180, "horizon_days": 90, "late_arrival_days": 0},
    }
    churn["gates"]["max_calibration_error"] = 0.05
    (folder / "churn.yaml").write_text(yaml.safe_dump(churn))
    config = {
        "name": "telecom", "currency": "EUR", "time_zone": "UTC", "models": {"churn": "churn.yaml"}, "state": "state",
        "data": {"tables": {n: {"path": f"{n}.parquet"} for n in frames}, "attributes": ["plan"]},
        "engine": {"threads": 1}, "seed": 1,
        "score": {"max_data_age_days": 40, "max_unseen_share": 0.05, "max_drifted_share": 0.9},
    }  # fmt: skip
    (folder / "telecom.yaml").write_text(yaml.safe_dump(config))
    settings = load(folder / "telecom.yaml")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    report = train_business(settings, tasks=[], progress=Silent(), now=now, lock_timeout=0)
    return settings, frames, report


def test_the_model_of_cancellations_becomes_champion_and_beats_the_rhythm(telecom):
    _, _, report = telecom
    (outcome,) = report.outcomes
    assert outcome.standing == "champion", outcome.reasons
    assert outcome.estimator == "lightgbm"
    assert outcome.metrics["roc_auc"].point > 0.65
    assert any("contract ended between cutoff and horizon" in note for note in outcome.notes)


def test_chances_are_those_that_were_built_in_and_nobody_who_left_is_asked(telecom):
    settings, frames, _ = telecom
    as_of = date(2025, 6, 1)
    summary = score_business(
        settings, as_of=as_of, run_key="", progress=Silent(), now=datetime(2026, 1, 1, tzinfo=UTC), lock_timeout=0
    )
    scores = pd.read_parquet(summary.path).set_index("customer_id")
    customers = frames["customers"].set_index("customer_id")
    gone = customers.cancelled_at < pd.Timestamp(as_of)
    assert scores.p_churn[customers.index[gone]].isna().all()
    assert scores.p_churn[customers.index[~gone]].notna().all()
    heard = frames["events"].set_index("customer_id").occurred_at.reindex(customers.index) < pd.Timestamp(as_of)
    hazard = customers.plan.map(PLANS) * np.where(heard, 3.0, 1.0)
    truth = (np.exp(-7 * hazard) - np.exp(-97 * hazard)) / np.exp(-7 * hazard)
    for (_, after), rows in customers[~gone].groupby([customers.plan, heard]).groups.items():
        if len(rows) > 100:
            assert scores.p_churn[rows].mean() == pytest.approx(truth[rows].mean(), abs=0.07), after
