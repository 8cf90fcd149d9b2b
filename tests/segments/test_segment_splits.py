"""Campaigns by value segment: that of `netlift segments` on the day before which nothing more is looked at."""

import numpy as np
import pandas as pd
import pytest
from plain_readout import chances_of, picture, read_assigned
from segment_world import make_champions, make_retailer, opened, write_config

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.data.contract import CONTROL
from netlift.errors import ConfigError
from netlift.progress import Silent
from netlift.segments.snapshots import EDGES_FILE, name_segments, take_snapshots
from netlift.segments.splits import digest_splits, split_by_segment

pytestmark = pytest.mark.slow

NOBODY = ([], ("churn", "ltv"))


@pytest.fixture(scope="module")
def retailer(tmp_path_factory):
    """A retailer whose edges are frozen, read by segment wherever a group has five buyers."""
    folder = tmp_path_factory.mktemp("split")
    make_retailer(folder, customers=1500)

    def by_segment(content):
        content["readout"] |= {"segments": ["segment"], "minimum_buyers": 5}
        content["segments"]["reference"] = "2025-10-01"

    path = write_config(folder, by_segment)
    with opened(path) as (settings, tables):
        take_snapshots(settings, tables, as_of=[settings.segments.reference], progress=Silent(), champions=NOBODY)
    return path


def starts(tables):
    """Campaign to the day of its first assignment."""
    frame = tables["contacts"].to_pyarrow().to_pandas().groupby("campaign_id").assigned_at.min()
    return {name: moment.date() for name, moment in frame.items()}


def divided(settings, tables):
    """Campaign and customer to segment and strategy."""
    rows = tables["contacts"].select("campaign_id", "customer_id").distinct()
    split = split_by_segment(
        settings, tables, rows, starts(tables), dimensions=("strategy", "segment"), progress=Silent()
    )
    return tables.connection.to_pyarrow(split).to_pandas().set_index(["campaign_id", "customer_id"]).sort_index()


def test_each_campaign_is_divided_as_netlift_segments_divides_on_the_day_it_began(retailer):
    with opened(retailer) as (settings, tables):
        found, began = divided(settings, tables), starts(tables)
        whole = take_snapshots(settings, tables, as_of=list(began.values()), progress=Silent(), champions=NOBODY)
        assert len(found) == tables["contacts"].select("campaign_id", "customer_id").distinct().count().execute()
    for campaign, day in began.items():
        frame = whole.frames[day].set_index("customer_id").reindex(found.loc[campaign].index)  # later waves join later
        for name in ("segment", "strategy"):
            assert frame[name].fillna("").tolist() == found.loc[campaign][name].fillna("").tolist()
            assert frame[name].nunique() > 1


def test_champions_are_asked_as_netlift_segments_asks_them(retailer):
    """With edges of its own, which nothing has frozen: the same division, and nothing is written."""

    def elsewhere(content):
        content["state"] = str(retailer.parent / "empty")

    path = write_config(retailer.parents[1], elsewhere, name="own")
    champions = make_champions()
    with opened(path) as (settings, tables):
        days = sorted(set(starts(tables).values()))
        found = name_segments(settings, tables, as_of=days, progress=Silent(), champions=champions[0])
        assert not (settings.state / EDGES_FILE).exists()
        whole = take_snapshots(settings, tables, as_of=days, progress=Silent(), champions=champions)
        assert (settings.state / EDGES_FILE).exists()
    for day in days:
        pd.testing.assert_frame_equal(found[day], whole.frames[day][["customer_id", "segment", "strategy"]])


def test_what_comes_after_the_start_moves_nobody(retailer, tmp_path):
    """Receipts, answers and events of the day and later are poisoned; of the last campaign, all that come in it."""
    with opened(retailer) as (settings, tables):
        before, began = divided(settings, tables), starts(tables)
        last = max(began, key=began.get)
    day = pd.Timestamp(began[last])
    folder = tmp_path / "world"
    (folder / "var" / "demo").mkdir(parents=True)
    for file in (retailer.parents[1] / "var" / "demo").glob("*.parquet"):
        frame = pd.read_parquet(file)
        if file.stem == "transactions":
            after = frame.occurred_at >= day
            assert after.sum() > 100
            frame.loc[after, ["margin", "revenue"]] *= -1000
            more = frame[after].assign(occurred_at=day, transaction_id=lambda f: "p" + f.transaction_id.astype(str))
            frame = pd.concat([frame, more])
        elif "occurred_at" in frame:
            frame = frame[frame.occurred_at < day]
        frame.to_parquet(folder / "var" / "demo" / file.name)

    def same_state(content):
        content["state"] = str(retailer.parents[1] / "var")
        content["segments"]["reference"] = "2025-10-01"

    with opened(write_config(folder, same_state)) as (settings, tables):
        after = divided(settings, tables)
    pd.testing.assert_frame_equal(before.loc[[last]], after.loc[[last]])


def adjusted_profit(rows, arm, there, past):
    """Profit per treated of a segment: at its treated's past, by a least-squares line through the arm's control."""
    profit = rows.margin - rows.reward - rows.contact_cost
    own, alone = (rows.arm == arm) & there, rows.arm == CONTROL
    chance = chances_of(rows)
    weight = chance[arm] / chance[CONTROL]
    whole = picture(rows[alone], weight[alone])
    x, y = whole[past].to_numpy(), (whole.margin - whole.reward - whole.contact_cost).to_numpy()
    slope = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
    inside = picture(rows[alone & there], weight[alone & there])
    of_control = (inside.margin - inside.reward - inside.contact_cost).mean()
    apart = rows[own][past].mean() - inside[past].mean()
    return profit[own].mean() - of_control - float(apart.to_numpy() @ slope)


def test_a_readout_by_segment_is_recomputed_from_its_rows(retailer):
    with opened(retailer) as (settings, tables):
        campaign = max(starts(tables), key=starts(tables).get)
        request = ReadoutRequest(campaign_id=campaign, split_by=("strategy",))
        readout = read_campaign(settings, tables, request, progress=Silent())
        named = divided(settings, tables).loc[campaign]
    customers = read_assigned(retailer.parents[1] / "var" / "demo", campaign)
    rows = {(row.dimension, row.arm, row.segment): row for row in readout.segments}
    assert {dimension for dimension, _, _ in rows} == {"segment", "strategy"}
    assert {row.dimension: row.planned for row in readout.heterogeneity} == {"segment": True, "strategy": False}
    assert readout.covariates
    for (dimension, arm, segment), row in rows.items():
        there = named[dimension].reindex(customers.index).fillna("") == segment
        treated, control = ((customers.arm == name) & there for name in (arm, CONTROL))
        assert (row.treated, row.control) == (treated.sum(), control.sum())
        wanted = adjusted_profit(customers, arm, there, list(readout.covariates))
        assert row.raw.point == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_the_portfolio_adds_up_its_segments(retailer):
    with opened(retailer) as (settings, tables):
        found = read_portfolio(settings, tables, progress=Silent())
    assert {total.dimension for total in found.by_segment} == {"segment"} and len(found.by_segment) > 2
    for total in found.by_segment:
        own = [line for line in found.segments if line.segment == total.name]
        assert total.contacts == sum(line.treated for line in own)
        assert total.campaigns == len({line.campaign_id for line in own})
        assert total.raw.point == pytest.approx(sum(line.raw.point for line in own))


def test_a_split_needs_segments_and_its_digest_is_of_what_divides(retailer):
    with opened(retailer) as (settings, tables):
        plain = settings.model_copy(update={"segments": None})
        with pytest.raises(ConfigError, match="no segments block"):
            read_portfolio(plain, tables, progress=Silent())
    digest = digest_splits(settings, ("region", "segment"))
    assert digest_splits(settings, ("region",)) == "" and digest == digest_splits(settings, ("strategy",))
    other = settings.segments.model_copy(update={"strategies": {**settings.segments.strategies, "new": "keep"}})
    elsewhere = settings.model_copy(update={"state": settings.state / "none"})
    changed = settings.model_copy(update={"segments": other})
    assert len({digest, *(digest_splits(own, ("segment",)) for own in (elsewhere, changed))}) == 3
