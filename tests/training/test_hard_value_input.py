"""Histories that value models cannot learn from, or only in part: each is told what is wrong, or what was left out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from netlift.config.business import load
from netlift.pipelines.train import train_business
from netlift.progress import Silent

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


def draw_market(customers=1_500, days=700, seed=3):
    """Poisson shoppers over two years; ids with leading zeros."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{i:05d}" for i in range(customers)])
    rate = rng.gamma(1.0, 0.03, customers)
    bought = rng.poisson(rate * days)
    who = np.repeat(ids, bought)
    at = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, days, len(who)), unit="D")
    revenue = rng.gamma(3.0, 10.0, len(who)).round(2)
    receipts = {"customer_id": who, "occurred_at": at, "revenue": revenue, "margin": 0.4 * revenue}
    customers = {"customer_id": ids, "joined_at": pd.Timestamp("2021-12-01")}
    return {"customers": pd.DataFrame(customers), "transactions": pd.DataFrame(receipts)}


def train(folder, frames, *, columns=None, **changes):
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    ltv = yaml.safe_load((HOUSE / "models" / "ltv.yaml").read_text())
    del ltv["extrapolate_to_days"]
    ltv |= {"candidates": ["mean_by_rfm", "last_period", "bg_nbd"]} | changes
    ltv["windows"] |= {"observation_days": 180, "horizon_days": 90, "cutoff_every_days": 40, "cutoffs": 5}
    ltv["gates"]["max_total_bias"] = 0.3
    (folder / "ltv.yaml").write_text(yaml.safe_dump(ltv))
    tables = {name: {"path": f"{name}.parquet"} for name in frames}
    if columns:
        tables["transactions"]["columns"] = columns
    config = {
        "name": "hard", "currency": "EUR", "time_zone": "UTC", "models": {"ltv": "ltv.yaml"}, "state": "state",
        "data": {"tables": tables}, "engine": {"threads": 1}, "seed": 1,
        "score": {"max_data_age_days": 40, "max_unseen_share": 0.05, "max_drifted_share": 0.9},
    }  # fmt: skip
    (folder / "hard.yaml").write_text(yaml.safe_dump(config))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    report = train_business(load(folder / "hard.yaml"), tasks=[], progress=Silent(), now=now, lock_timeout=0)
    (outcome,) = report.outcomes
    return outcome


def test_a_market_without_margins_says_that_its_value_is_revenue(tmp_path):
    frames = draw_market()
    frames["transactions"] = frames["transactions"].drop(columns="margin")
    outcome = train(tmp_path, frames, columns={"revenue": "revenue", "margin": "revenue"})
    assert "EUR of revenue (no margins) in 90 days" in outcome.headline
    assert any("revenue-based" in note for note in outcome.notes)


def test_a_market_without_a_margin_column_is_told_how_to_map_one(tmp_path):
    frames = draw_market(300)
    frames["transactions"] = frames["transactions"].drop(columns="margin")
    with pytest.raises(Exception, match=r"transactions\.margin: missing.*maps it to its revenue"):
        train(tmp_path, frames)


def test_one_purchase_a_customer_says_that_nobody_brought_margin(tmp_path):
    frames = draw_market()
    frames["transactions"] = frames["transactions"].drop_duplicates("customer_id")
    frames["transactions"]["occurred_at"] = pd.Timestamp("2022-01-01") + pd.to_timedelta(
        np.arange(len(frames["transactions"])) % 700, unit="D"
    )
    outcome = train(tmp_path, frames)
    assert outcome.standing == "failed"
    assert "0 of" in outcome.reasons[0] and "rows brought margin" in outcome.reasons[0]


def test_nothing_but_returns_says_that_nobody_is_in_the_population(tmp_path):
    frames = draw_market()
    frames["transactions"][["revenue", "margin"]] *= -1
    outcome = train(tmp_path, frames)
    assert outcome.standing == "failed"
    assert "0 customers in the population" in outcome.reasons[0]


def test_a_short_history_says_how_many_days_are_missing(tmp_path):
    frames = draw_market(days=300)
    outcome = train(tmp_path, frames)
    assert outcome.standing == "failed"
    assert "too few" in outcome.reasons[0] and "observation" in outcome.reasons[0]


def test_a_season_that_no_label_saw_is_said(tmp_path):
    frames = draw_market(days=520)
    outcome = train(tmp_path, frames)
    assert any("season not covered" in note for note in outcome.notes)


def test_whoever_joins_after_a_cutoff_is_not_asked_about_before(tmp_path):
    frames = draw_market()
    late = frames["customers"].customer_id.iloc[:400]
    before = train(tmp_path, frames).headline
    frames["customers"].loc[:399, "joined_at"] = pd.Timestamp("2023-11-20")
    keep = ~frames["transactions"].customer_id.isin(late) | (frames["transactions"].occurred_at >= "2023-11-20")
    frames["transactions"] = frames["transactions"][keep]
    after = train(tmp_path, frames).headline
    asked = [int(text.split()[0].replace(",", "")) for text in (before, after)]
    assert asked[1] < asked[0] - 200


def test_a_candidate_that_the_data_do_not_allow_is_left_out_and_named(tmp_path):
    frames = draw_market()
    outcome = train(tmp_path, frames, exclude=["purchase_days_all"])
    assert outcome.estimator != "bg_nbd"
    assert any(note.startswith("bg_nbd was left out: the feature purchase_days_all") for note in outcome.notes)
