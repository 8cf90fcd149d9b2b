"""The short form of `make calibrate`: tails of readouts on re-dealt customers, true effects, sums of campaigns."""

import sys
from pathlib import Path

import numpy as np
import pytest

HOUSE = Path(__file__).parents[2]
DATA = HOUSE.parent / "shared" / "data"
sys.path.insert(0, str(HOUSE / "benchmarks"))
calibrate = pytest.importorskip("calibrate")
worlds = pytest.importorskip("calibrate_worlds")

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data at {DATA}")
DRAWS = 2500


def test_cells_of_buyers_are_what_rows_of_all_customers_say():
    from netlift.abtest.moments import OUTCOMES, of_rows

    rng = np.random.default_rng(1)
    people = worlds.of_spend("x", rng.lognormal(3, 1, 40), customers=100, reward=0.1, contact=0.05)
    whole = people.cell(np.arange(40), 100)
    rows = np.zeros((100, 4))
    rows[:40], rows[:, 3] = people.buyers, 0.05
    truth = of_rows(rows, OUTCOMES)
    np.testing.assert_allclose(whole.mean, truth.mean)
    np.testing.assert_allclose(whole.cov, truth.cov, atol=1e-9)
    np.testing.assert_allclose(whole.cube, truth.cube)
    np.testing.assert_allclose(people.mean, truth.mean)


def test_dealing_gives_every_customer_to_one_arm():
    rng = np.random.default_rng(2)
    people = worlds.of_spend("x", np.arange(1.0, 31.0), customers=60)
    for _ in range(20):
        treated, control = people.deal(rng, (45, 15))
        assert treated.buyers + control.buyers == 30
        assert treated.n * treated.mean[0] + control.n * control.mean[0] == pytest.approx(465.0)


@needs_data
@pytest.mark.parametrize(("customers", "control"), [(20_000, 10_000), (60_000, 30_000), (60_000, 6_000)])
def test_each_tail_on_hillstroms_spend_is_what_it_claims(customers, control):
    rng = np.random.default_rng(3)
    hillstrom = worlds.populations(DATA, seed=2)[0]
    row = calibrate.tails(
        calibrate.contrast(*hillstrom.deal(rng, (customers - control, control))) for _ in range(DRAWS)
    )
    assert row["verdict"] == "holds"
    assert row["warned"] < 0.05


@needs_data
def test_a_small_control_on_skewed_spend_is_said_to_be_too_small():
    rng = np.random.default_rng(4)
    for people in worlds.populations(DATA, seed=2)[:2]:
        row = calibrate.tails(calibrate.contrast(*people.deal(rng, (19_000, 1_000))) for _ in range(300))
        assert row["warned"] > 0.95
        assert row["uncorrected upper"] > 0.06  # what a plain interval would have called a success


def test_the_corrected_sum_of_winners_is_near_the_truth_and_the_sum_as_seen_is_not():
    rows = list(calibrate.portfolios(np.random.default_rng(5), 12))
    for row in rows:
        if row["campaigns"] == calibrate.CAMPAIGNS:
            assert row["winners, as seen"] > 1.6 * row["winners, truth"]
            assert row["winners, mixture"] == pytest.approx(row["winners, truth"], rel=0.3)
            assert row["campaign's interval holds, mixture"] > 0.9
