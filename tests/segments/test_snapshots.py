from __future__ import annotations

import dataclasses
import shutil
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from segment_world import AS_OF, HISTORY_DAYS, PREVIOUS, make_champions, make_retailer, opened, write_config

from netlift.config.segments import SEGMENTS
from netlift.errors import ConfigError, DataError, UsageError
from netlift.progress import Silent
from netlift.segments.figures import Note
from netlift.segments.snapshots import EDGES_FILE, SNAPSHOT_COLUMNS, take_snapshots

pytestmark = pytest.mark.slow

NOBODY = ([], ("churn", "ltv"))


@pytest.fixture(scope="module")
def retailer(tmp_path_factory):
    return make_retailer(tmp_path_factory.mktemp("retailer"))


@pytest.fixture(scope="module")
def snapshots(retailer):
    with opened(retailer) as (settings, tables):
        return take_snapshots(settings, tables, as_of=[AS_OF, PREVIOUS], progress=Silent(), champions=make_champions())


def frames_of(retailer, name):
    return pd.read_parquet(retailer.parents[1] / "var" / "demo" / f"{name}.parquet")


def fresh(retailer, folder, **changes):
    """The same retailer with a state of its own."""

    def change(content):
        content["state"] = str(folder / "state")
        for place, value in changes.items():
            if value is None:
                content.pop(place)
            else:
                content[place] = {**content[place], **value}

    return write_config(retailer.parents[1], change, name=folder.name.replace("_", "-")[:20] + "-own")


def test_a_snapshot_has_the_columns_agreed_and_a_row_for_everybody_who_had_joined(retailer, snapshots):
    customers = frames_of(retailer, "customers")
    for day, frame in snapshots.frames.items():
        assert tuple(frame.columns) == SNAPSHOT_COLUMNS
        joined = customers[customers["joined_at"] < pd.Timestamp(day)]
        assert frame["customer_id"].tolist() == sorted(joined["customer_id"])
        assert set(frame["as_of"]) == {day}
        assert set(frame["segment"]) <= set(SEGMENTS)
    assert (snapshots.horizon_days, snapshots.level_sd, snapshots.level_seen) == (182, 0.1, 2)
    assert snapshots.versions == {"churn": 1, "ltv": 1}


def test_figures_of_a_snapshot_are_those_of_a_recount_from_the_receipts(retailer, snapshots):
    frame = snapshots.frames[PREVIOUS].set_index("customer_id")
    receipts, day = frames_of(retailer, "transactions"), pd.Timestamp(PREVIOUS)
    known = receipts["ingested_at"].isna() | (receipts["ingested_at"] < day)
    seen = receipts[known & (receipts["occurred_at"] < day) & (receipts["occurred_at"] >= day - pd.Timedelta(days=365))]
    for column in ("revenue", "margin"):
        found = seen.groupby("customer_id")[column].sum().reindex(frame.index, fill_value=0.0)
        assert np.allclose(found, frame[f"{column}_365d"], rtol=1e-5, atol=0.02)
    bought = seen[~seen["is_return"].astype(bool)]
    assert (
        bought.groupby("customer_id").size().reindex(frame.index, fill_value=0).tolist()
        == frame["purchases_365d"].tolist()
    )
    surveys = frames_of(retailer, "surveys")
    recent = (surveys["answered_at"] < day) & (surveys["answered_at"] >= day - pd.Timedelta(days=365))
    assert not recent[surveys["answered_at"] < day].all(), "an answer too old to count is among them"
    own = surveys[recent].sort_values("answered_at")
    for kind in ("nps", "csi"):
        newest = own[own["kind"] == kind].groupby("customer_id")["score"].last().reindex(frame.index)
        assert np.array_equal(newest.to_numpy(), frame[kind].to_numpy(), equal_nan=True)
    customers = frames_of(retailer, "customers").set_index("customer_id").loc[frame.index]
    assert np.array_equal(customers["acquisition_cost"], frame["acquisition_cost"], equal_nan=True)


def test_predictions_are_of_the_champions_population_and_nobody_else(snapshots):
    frame = snapshots.frames[AS_OF]
    inside = frame["days_since_last_purchase"] <= 365
    assert frame.loc[~inside, ["ltv", "ltv_sd", "p_churn", "value_at_risk"]].isna().all().all()
    assert np.allclose(frame.loc[inside, "ltv"], frame.loc[inside, "margin_365d"] / 3, rtol=1e-5)
    assert np.allclose(frame.loc[inside, "p_churn"], frame.loc[inside, "days_since_last_purchase"] / 400)
    worth = frame["p_churn"] * frame["ltv"].clip(lower=0)
    assert np.allclose(worth[inside], frame.loc[inside, "value_at_risk"])
    assert (frame["value_tier"] == "none").tolist() == (~inside).tolist()


def test_lifetimes_fall_with_risk_and_are_0_for_who_has_long_been_silent(snapshots):
    frame = snapshots.frames[AS_OF]
    silent = frame["days_since_last_purchase"] >= 90
    assert (frame.loc[silent, "expected_lifetime_days"] == 0).all()
    assert frame.loc[frame["days_since_last_purchase"].isna(), "expected_lifetime_days"].isna().all()
    there = frame[~silent & frame["p_churn"].notna()].dropna(subset="expected_lifetime_days")
    recent, quiet = (there[there["p_churn"].rank(pct=True).between(*ends)] for ends in ((0, 0.2), (0.8, 1)))
    assert recent["expected_lifetime_days"].mean() > quiet["expected_lifetime_days"].mean()
    assert snapshots.staying.landmark == date(2025, 7, 3)


def test_rows_on_or_after_the_day_change_nothing(retailer, tmp_path):
    path = fresh(retailer, tmp_path)
    results = []
    for cut in (False, True):
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        with opened(path) as (settings, tables):
            if cut:
                dated = {"transactions": "occurred_at", "contacts": "assigned_at", "surveys": "answered_at"}
                day = datetime(2026, 9, 1)
                tables = tables.replace(**{n: tables[n].filter(tables[n][at] < day) for n, at in dated.items()})
            found = take_snapshots(settings, tables, as_of=[PREVIOUS], progress=Silent(), champions=make_champions())
        results.append(found.frames[PREVIOUS])
    pd.testing.assert_frame_equal(*results)


def test_without_champions_there_are_segments_all_the_same_and_notes_say_what_is_missing(retailer, tmp_path):
    with opened(fresh(retailer, tmp_path)) as (settings, tables):
        found = take_snapshots(settings, tables, as_of=[AS_OF], progress=Silent(), champions=NOBODY)
    frame = found.frames[AS_OF]
    assert frame[["ltv", "ltv_lower", "ltv_upper", "ltv_sd", "p_churn", "value_at_risk"]].isna().all().all()
    assert frame["segment"].notna().all()
    assert (frame["segment"] == "champions").any()
    assert set(frame["risk"]) == {"unknown"}
    assert frame["expected_lifetime_days"].gt(0).any()  # by the curve of the segment
    assert found.horizon_days is None
    told = [note.code for note in found.notes]
    assert told[:2] == ["no_champion_churn", "no_champion_ltv"] and "edges_frozen" in told


def test_edges_are_frozen_once_and_stale_ones_are_refused_until_refitted(retailer, tmp_path):
    path = fresh(retailer, tmp_path)
    edges = tmp_path / "state" / EDGES_FILE

    def take(config, **asked):
        with opened(config) as (settings, tables):
            asked = {"champions": make_champions(), **asked}
            return take_snapshots(settings, tables, as_of=[AS_OF], progress=Silent(), **asked)

    first = take(path)
    written = edges.read_bytes()
    assert take(path).edges == first.edges
    assert edges.read_bytes() == written
    other = fresh(retailer, tmp_path, segments={"reference": "2026-07-01"})
    with pytest.raises(UsageError, match=r"segments.reference was 2026-04-01, is 2026-07-01 now.*--refit"):
        take(other)
    with pytest.raises(UsageError, match=r"horizon of ltv in days was 182, is 364 now"):
        take(fresh(retailer, tmp_path), champions=make_champions(horizon=364))
    assert edges.read_bytes() == written
    other = fresh(retailer, tmp_path, segments={"reference": "2026-07-01"})
    assert take(other, refit=True).edges != first.edges
    assert take(other).edges.made_from["segments.reference"] == "2026-07-01"


def test_a_score_means_the_same_in_every_month(snapshots):
    edges = [-np.inf, *snapshots.edges.rfm.m, np.inf]
    assert snapshots.frames
    for frame in snapshots.frames.values():
        bought = frame[frame["r"] > 0]
        assert len(bought)
        for score, own in bought.groupby("m"):
            assert edges[score - 1] < own["margin_365d"].min()
            assert own["margin_365d"].max() <= edges[score]


def test_sources_that_are_missing_leave_their_columns_empty_and_say_so(retailer, tmp_path):
    with opened(fresh(retailer, tmp_path)) as (settings, tables):
        kept = {name: tables[name] for name in ("customers", "transactions", "campaigns", "offers")}
        present = {**tables.present, "customers": tables.present["customers"] - {"acquisition_cost"}}
        receipts = tables["transactions"]
        kept["transactions"] = receipts.mutate(margin=receipts.revenue)
        bare = dataclasses.replace(tables, expressions=kept, present=present)
        found = take_snapshots(settings, bare, as_of=[AS_OF], progress=Silent(), champions=NOBODY)
    assert found.frames[AS_OF][["nps", "csi", "contacts_30d"]].isna().all().all()
    told = {note.code for note in found.notes}
    assert told >= {"without_surveys", "without_contacts", "without_acquisition_cost", "revenue_based"}


def test_a_history_too_short_to_follow_anybody_says_how_many_days_are_missing(retailer, tmp_path):
    segments = {"lost": {"kind": "silence", "silence_days": 90, "follow_days": HISTORY_DAYS}}
    with opened(fresh(retailer, tmp_path, segments=segments)) as (settings, tables):
        found = take_snapshots(settings, tables, as_of=[AS_OF], progress=Silent(), champions=NOBODY)
    assert found.staying is None
    assert found.frames[AS_OF]["expected_lifetime_days"].isna().all()
    assert Note(code="too_short_to_follow", values={"follow": HISTORY_DAYS, "more": 180}) in found.notes


def test_days_before_anybody_joined_or_bought_and_configs_without_segments_are_refused(retailer, tmp_path):
    with opened(fresh(retailer, tmp_path)) as (settings, tables):
        with pytest.raises(DataError, match="nobody had joined before 2000-01-01"):
            take_snapshots(settings, tables, as_of=[date(2000, 1, 1)], progress=Silent(), champions=NOBODY)
        receipts = tables["transactions"]
        later = tables.replace(transactions=receipts.filter(receipts.occurred_at >= datetime(2026, 9, 1)))
        with pytest.raises(DataError, match=r"none of \d+ customers bought before 2026-08-01"):
            take_snapshots(settings, later, as_of=[date(2026, 8, 1)], progress=Silent(), champions=NOBODY)
    with opened(fresh(retailer, tmp_path, segments={"reference": "2027-01-01"})) as (settings, tables):
        with pytest.raises(ConfigError, match=r"segments.reference 2027-01-01 is after the last day known"):
            take_snapshots(settings, tables, as_of=[AS_OF], progress=Silent(), champions=NOBODY)
    with opened(fresh(retailer, tmp_path, segments=None)) as (settings, tables):
        with pytest.raises(ConfigError, match="no segments block"):
            take_snapshots(settings, tables, as_of=[AS_OF], progress=Silent(), champions=NOBODY)
