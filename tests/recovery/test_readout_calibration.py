"""The short form of `make calibrate`: tails on re-dealt customers, every shape, covariates, arms, looks, sums.

Each draw is small, and each bound leaves what chance may add to so many draws; the faults they guard against were
several times as large.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
DATA = HOUSE.parent / "shared" / "data"
sys.path.insert(0, str(HOUSE / "benchmarks"))
campaigns = pytest.importorskip("calibrate_campaigns")
portfolio = pytest.importorskip("calibrate_portfolio")
rows_of = pytest.importorskip("calibrate_rows")
calibrate = pytest.importorskip("calibrate_tails")
worlds = pytest.importorskip("calibrate_worlds")

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data at {DATA}")
contrast = calibrate.contrast
DRAWS = 2500


def beyond(share, draws):
    """The share and three of its standard errors in so many draws."""
    return share + 3 * np.sqrt(share * (1 - share) / draws)


def test_cells_of_buyers_are_what_rows_of_all_customers_say():
    from netlift.abtest.stats.moments import OUTCOMES, of_rows

    rng = np.random.default_rng(1)
    people = worlds.of_spend("x", rng.lognormal(3, 1, 40), customers=100, reward=0.1, contact=0.05)
    whole = people.cell(worlds.features(people.spend), 100)
    rows = np.zeros((100, 4))
    rows[:40], rows[:, 3] = people.spend[:, None] * people.shares, 0.05
    truth = of_rows(rows, OUTCOMES)
    np.testing.assert_allclose(whole.mean, truth.mean)
    np.testing.assert_allclose(whole.cov, truth.cov, atol=1e-9)
    np.testing.assert_allclose(whole.cube, truth.cube)
    np.testing.assert_allclose(whole.spend.sums, truth.spend.sums)
    np.testing.assert_allclose(people.mean, truth.mean)


def test_dealing_gives_every_customer_to_one_arm():
    rng = np.random.default_rng(2)
    people = worlds.of_spend("x", np.arange(1.0, 31.0), customers=60)
    pairs = list(people.cells(rng, (45, 15), 20))
    assert len(pairs) == 20
    for treated, control in pairs:
        assert treated.buyers + control.buyers == 30
        assert treated.n * treated.mean[0] + control.n * control.mean[0] == pytest.approx(465.0)


def test_spenders_bring_what_they_are_said_to_be_worth():
    kinds = (*calibrate.buyers(0.1, 1.0), worlds.Spenders(share=0.005, mean=275.0, spread=0.5))
    cells = worlds.spending_cells(np.random.default_rng(3), kinds, 50_000, 40)
    assert np.mean([cell.value("profit") for cell in cells]) == pytest.approx(worlds.worth(kinds), rel=0.02)


def test_covariates_are_drawn_as_the_readout_takes_them():
    import ibis
    import pandas as pd

    from netlift.abtest.stats.outcomes import amount_log

    amounts = np.array([-12.5, 0.0, 0.004, 3.0, 8e6])
    table = ibis.memtable(pd.DataFrame({"x": amounts}))
    shown = ibis.duckdb.connect().execute(amount_log(table.x).name("y"))
    np.testing.assert_allclose(shown.to_numpy(), rows_of.amount_log(amounts))


@needs_data
@pytest.mark.parametrize(("customers", "control"), [(20_000, 10_000), (60_000, 6_000), (20_000, 1_000)])
def test_neither_tail_on_hillstroms_spend_is_more_than_it_claims(customers, control):
    hillstrom = worlds.populations(DATA, seed=2)[0]
    cells = hillstrom.cells(np.random.default_rng(3), (customers - control, control), DRAWS)
    row = calibrate.tails(contrast(*pair) for pair in cells)
    assert max(row["upper"], row["lower"]) <= beyond(0.025, DRAWS)


@needs_data
def test_a_small_control_on_skewed_spend_is_said_to_be_too_small():
    rng = np.random.default_rng(4)
    populations = worlds.populations(DATA, seed=2)[:2]
    assert populations
    for people in populations:
        row = calibrate.tails(contrast(*pair) for pair in people.cells(rng, (19_000, 1_000), 300))
        assert row["warned"] > 0.95
        assert row["plain upper"] > 0.06  # what a plain interval would have called a success


@pytest.mark.parametrize("offer", ["rare large baskets, their log-sd 0.5", "baskets narrow, 10 % buy"])
def test_an_offer_that_changes_the_shape_of_spend_is_neither_praised_nor_missed(offer):
    rng, draws = np.random.default_rng(5), 1_500
    treated, control, sizes = next(rest for name, *rest in calibrate.offers() if name == offer)
    assert sizes
    for n_t, n_0 in sizes:
        pairs = zip(
            worlds.spending_cells(rng, treated, n_t, draws),
            worlds.spending_cells(rng, control, n_0, draws),
            strict=True,
        )
        found = [contrast(*pair) for pair in pairs]
        row = calibrate.tails(found, truth=worlds.worth(treated) - worlds.worth(control))
        assert max(row["upper"], row["lower"]) <= beyond(0.03, draws)
        if "rare" in offer:
            made = [calibrate.money(each, calibrate.PROFIT, **worlds.WRITTEN)[1].ci_lower > 0 for each in found]
            assert np.mean(made) > 0.35


def test_heavy_tailed_past_spend_does_not_break_the_adjusted_interval():
    rng, draws = np.random.default_rng(6), 600
    found, as_is = [], []
    for _ in range(draws):
        pasts = [rows_of.past_of(rng, n) for n in (2_000, 200)]
        rows = [np.column_stack([rows_of.square_root(rng, past[:, 0]), past]) for past in pasts]
        found.append(rows_of.read_rows(rows)[0].contrast)
        as_is.append(rows_of.read_rows(rows, is_shipped=False)[0].contrast)
    row = calibrate.tails(found)
    assert max(row["upper"], row["lower"]) <= beyond(0.025, draws)
    assert calibrate.tails(as_is)["lower"] > beyond(0.025, draws)


def test_a_fixed_margin_rate_with_a_few_returns_does_not_break_the_adjusted_interval():
    rng, draws = np.random.default_rng(7), 400
    found = []
    for _ in range(draws):
        rows = []
        for n in (1_800, 200):
            past = rows_of.past_of(rng, n)
            past[:, 0] = np.where(rng.random(n) < 0.02, -0.3 * past[:, 0], past[:, 0])
            past[:, 1] = worlds.MARGIN * past[:, 0]
            rows.append(np.column_stack([rows_of.linear(rng, np.abs(past[:, 0])), past]))
        found.append(rows_of.read_rows(rows)[0].contrast)
    row = calibrate.tails(found)
    assert max(row["upper"], row["lower"]) <= beyond(0.025, draws)


def test_eight_stores_get_no_verdict_and_forty_an_interval_that_holds():
    rng, draws = np.random.default_rng(8), 700
    assert all(rows_of.stores_drawn(rng, 8, is_equal=True, control=0.5)[1] for _ in range(20))
    seen = [rows_of.stores_drawn(rng, 40, is_equal=True, control=0.5) for _ in range(draws)]
    row = calibrate.tails([found for found, _ in seen], withheld=[taken for _, taken in seen])
    assert row["withheld"] == 0
    assert max(row["upper"], row["lower"]) <= beyond(0.025, draws)


@pytest.mark.parametrize("arms", [1, 3])
def test_offers_that_do_nothing_seldom_make_money_however_many_they_are(arms):
    rng, draws = np.random.default_rng(9), 300
    spend = calibrate.buyers(0.1, 1.0)
    cells = [list(worlds.spending_cells(rng, spend, 3_000, draws)) for _ in range(arms)]
    said = []
    for control, *own in zip(worlds.spending_cells(rng, spend, 3_000, draws), *cells, strict=True):
        read = campaigns.read({str(place): cell for place, cell in enumerate(own)}, control, campaigns.TERMS)
        said.append({arm.verdict.code for arm in read.arms})
    wins = [bool(codes & {"made_money", "probably_made_money"}) for codes in said]
    assert np.mean(wins) <= beyond(0.10, draws)
    assert np.mean(["made_money" in codes for codes in said]) <= beyond(0.025, draws)


def test_four_looks_at_several_arms_hold_the_level_of_one_and_stop_only_with_an_interval_off_zero():
    rng, draws = np.random.default_rng(10), 70
    counts = [campaigns._looked_at(rng, 2, 0.0) for _ in range(draws)]
    assert np.mean([count["false of some arm"] for count in counts]) <= beyond(0.05, draws)
    moved = [campaigns._looked_at(rng, 2, 6.0) for _ in range(20)]
    assert sum(count["stopped"] for count in moved) > 5
    assert not any(count["stopped with an interval that holds zero"] for count in counts + moved)


@pytest.mark.parametrize("world", ["null", "null-heavy"])
def test_the_sum_of_fifty_campaigns_is_unbiased_and_covers_with_a_control_of_a_tenth(world):
    rng, draws = np.random.default_rng(11), 60
    found = [portfolio.portfolio(rng, world, 0.1, is_mixed=True) for _ in range(draws)]
    column = {name: np.array([each[name] for each in found], dtype=float) for name in found[0]}
    for name in ("error of the sum", "error of a campaign"):
        assert abs(portfolio._in_errors(column[name])) < 3
    assert column["sum covers"].mean() >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / draws)
    assert 0.935 <= column["campaign covers"].mean() <= 0.98
    luck = column["winners, as seen"].sum() - column["winners, truth"].sum()
    left = column["winners, without luck"].sum() - column["winners, truth"].sum()
    assert abs(left) < 0.5 * luck
