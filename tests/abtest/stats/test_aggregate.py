"""The sums of the database against the rows themselves."""

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.abtest.stats.aggregate import MomentCell, aggregate
from netlift.abtest.stats.aggregate_days import aggregate_days
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.errors import DataError

pytestmark = pytest.mark.slow

FIGURES = (*OUTCOMES, "delivered", "pre_revenue")


def draw_customers(*, n=4000, seed=3, level=0.0):
    rng = np.random.default_rng(seed)
    buys = rng.random(n) < 0.2
    revenue = np.where(buys, np.exp(rng.normal(3, 1, n)), 0.0) + level
    arm = rng.choice(["control", "mail", "sms"], n, p=[0.2, 0.5, 0.3])
    return pd.DataFrame(
        {
            "campaign_id": rng.choice(["A", "B"], n),
            "arm": arm,
            "customer_id": [f"c{i:05d}" for i in range(n)],
            "revenue": revenue,
            "margin": 0.4 * revenue,
            "reward": np.where(buys, 0.1 * revenue, 0.0),
            "contact_cost": np.where(arm == "control", 0.0, 0.4),
            "delivered": (rng.random(n) < 0.9).astype(float),
            "pre_revenue": rng.gamma(1, 30, n),
            "bought": buys,
            "region": rng.choice(["north", "south", None], n),
            "tier": rng.choice(["high", "low"], n),
            "household": rng.integers(0, n // 3, n),
        }
    )


def close(a, b, scale=1.0):
    assert (a.names, a.n, a.buyers) == (b.names, b.n, b.buyers)
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-10, atol=1e-10 * scale)
    np.testing.assert_allclose(a.cov, b.cov, rtol=1e-8, atol=1e-8 * scale)
    np.testing.assert_allclose(a.cube, b.cube, rtol=1e-7, atol=1e-7 * scale)


def of_frame(frame, figures=FIGURES, **more):
    return of_rows(frame[list(figures)].to_numpy(float), figures, bought=frame.bought.to_numpy(), **more)


def test_every_cell_is_what_its_rows_say():
    frame = draw_customers()
    cells = aggregate(ibis.memtable(frame), figures=FIGURES, dimensions=("region", "tier"))
    assert len(cells) == 2 * 3 * (1 + 3 + 2)
    for cell, moments in cells.items():
        rows = frame[(frame.campaign_id == cell.campaign) & (frame.arm == cell.arm)]
        if cell.dimension:
            value = rows[cell.dimension]
            rows = rows[value.isna() if cell.segment is None else value == cell.segment]
        close(moments, of_frame(rows))


def test_many_segments_are_read_in_passes_of_their_own_with_the_same_result(monkeypatch):
    frame = draw_customers()
    together = aggregate(ibis.memtable(frame), figures=FIGURES, dimensions=("region", "tier"))
    monkeypatch.setattr("netlift.abtest.stats.aggregate.MOST_CROSSED", 10)
    apart = aggregate(ibis.memtable(frame), figures=FIGURES, dimensions=("region", "tier"))
    assert set(apart) == set(together)
    for cell, moments in together.items():
        close(apart[cell], moments)


@pytest.mark.parametrize("level", [1e9, -1e9])
def test_small_differences_of_very_large_figures_keep_their_digits(level):
    frame = draw_customers(level=level)
    frame["margin"] = frame.revenue - 0.6 * level
    frame["reward"] = 0.0
    cells = aggregate(ibis.memtable(frame), figures=FIGURES)
    assert len(cells) == len(frame.groupby(["campaign_id", "arm"]))
    for cell, moments in cells.items():
        rows = frame[(frame.campaign_id == cell.campaign) & (frame.arm == cell.arm)]
        truth = of_frame(rows)
        np.testing.assert_allclose(moments.mean, truth.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.cov[0, 0], truth.cov[0, 0], rtol=1e-5)
        np.testing.assert_allclose(moments.cube, truth.cube, rtol=1e-4)


def test_a_constant_contact_cost_needs_no_second_pass(monkeypatch):
    passes = []
    from netlift.abtest.stats import aggregate as module

    whole = module.sum_up
    monkeypatch.setattr(module, "sum_up", lambda *args: passes.append(1) or whole(*args))
    frame = draw_customers()
    cells = aggregate(ibis.memtable(frame), figures=FIGURES)
    mail = cells[MomentCell(campaign="A", arm="mail")]
    assert len(passes) == 1
    assert mail.cov[3, 3] == 0.0 and mail.mean[3] == pytest.approx(0.4)


def test_households_are_summed_before_they_are_squared():
    frame = draw_customers()
    cells = aggregate(ibis.memtable(frame), figures=FIGURES, dimensions=("tier",), cluster="household")
    assert {cell.dimension for cell in cells} == {"", "tier"}
    for cell, moments in cells.items():
        rows = frame[(frame.campaign_id == cell.campaign) & (frame.arm == cell.arm)]
        rows = rows[rows.tier == cell.segment] if cell.dimension else rows
        truth = of_frame(rows, cluster=rows.household.to_numpy())
        close(moments, truth)
        assert moments.clusters == truth.clusters
        np.testing.assert_allclose(moments.cluster_cov, truth.cluster_cov, rtol=1e-8, atol=1e-8)


def test_customers_without_a_household_are_refused_and_counted():
    frame = draw_customers(n=300)
    frame["household"] = frame.household.astype(float).where(frame.index > 1)
    with pytest.raises(DataError, match="household: 2 assigned"):
        aggregate(ibis.memtable(frame), cluster="household")


@pytest.mark.parametrize(("value", "words"), [(None, "1 of 300"), (float("inf"), "infinite")])
def test_missing_and_infinite_spend_is_refused(value, words):
    frame = draw_customers(n=300).astype({"revenue": object})
    frame.loc[7, "revenue"] = value
    table = ibis.memtable(frame.assign(revenue=pd.array(frame.revenue, dtype="Float64")))
    with pytest.raises(DataError, match=words):
        aggregate(table)


def test_nobody_assigned_is_refused():
    with pytest.raises(DataError, match="no assigned customers"):
        aggregate(ibis.memtable(draw_customers(n=10)).filter(ibis.literal(False)))


def test_each_day_is_what_the_receipts_up_to_it_say():
    rng = np.random.default_rng(5)
    frame = draw_customers(n=1500)
    days = pd.DataFrame({"row": rng.integers(0, len(frame), 2500), "day": rng.integers(0, 12, 2500)})
    days = days.drop_duplicates(["row", "day"])
    days["revenue"] = rng.normal(20, 15, len(days))
    days["margin"] = 0.4 * days.revenue
    days["purchases"] = (days.revenue > 0).astype(float)
    days["campaign_id"] = frame.campaign_id.to_numpy()[days.row]
    days["customer_id"] = frame.customer_id.to_numpy()[days.row]
    found = aggregate_days(ibis.memtable(frame), ibis.memtable(days), last_day=9, figures=FIGURES)
    assert {len(moments) for moments in found.values()} == {10}
    for day in (0, 4, 9):
        sums = days[days.day <= day].groupby("row")[["revenue", "margin", "purchases"]].sum()
        sums = sums.reindex(range(len(frame)), fill_value=0.0)
        known = frame.assign(revenue=sums.revenue, margin=sums.margin, bought=sums.purchases > 0)
        for (campaign, arm), moments in found.items():
            close(moments[day], of_frame(known[(known.campaign_id == campaign) & (known.arm == arm)]), scale=100)
