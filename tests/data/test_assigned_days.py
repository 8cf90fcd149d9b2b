"""Arms on the same days or on others: what is drawn together passes, what is dated by its sending does not."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.data.assigned_days import common_starts, read_assigned_days

pytestmark = pytest.mark.slow

START = pd.Timestamp("2026-03-02 23:59:55")
OUTCOME_DAYS = 28


def days_of(at, arm, propensity=0.5):
    frame = pd.DataFrame(
        {"campaign_id": "K1", "offer_id": arm, "assigned_at": pd.DatetimeIndex(at).floor("s"), "propensity": propensity}
    )
    return read_assigned_days(ibis.memtable(frame))["K1"]


def drawn(customers=4000, *, seed=1, share=0.5):
    rng = np.random.default_rng(seed)
    return rng, np.where(rng.random(customers) < share, "mail", "control")


def test_a_campaign_written_over_midnight_in_seconds_saw_the_same_days() -> None:
    _, arm = drawn()
    late = pd.to_timedelta(np.where(arm == "mail", 10, 0), unit="s")
    found = days_of(START + late, arm)
    assert found.reading(OUTCOME_DAYS) == "own"
    assert found.days_apart < 0.001


def test_nightly_batches_whose_control_is_written_first_saw_the_same_days() -> None:
    rng, arm = drawn()
    night = pd.to_timedelta(rng.integers(0, 60, len(arm)), unit="D")
    written = pd.to_timedelta(np.where(arm == "mail", 1, -1) * rng.integers(1, 60, len(arm)), unit="s")
    assert days_of(START + night + written, arm).reading(OUTCOME_DAYS) == "own"


@pytest.mark.parametrize("customers", [30, 400, 20_000])
def test_who_is_drawn_day_by_day_is_read_from_his_own_day(customers) -> None:
    """Of 40 honest draws of each size none is an alarm: the level is one in a thousand."""
    for seed in range(40):
        rng, arm = drawn(customers, seed=seed, share=0.8)
        at = START + pd.to_timedelta(rng.exponential(20, customers), unit="D")
        assert days_of(at, arm, np.where(arm == "mail", 0.8, 0.2)).reading(OUTCOME_DAYS) == "own"


def test_chances_that_change_from_week_to_week_are_no_other_days_once_they_are_logged() -> None:
    rng = np.random.default_rng(2)
    week = rng.integers(0, 4, 8000)
    chance = np.array([0.2, 0.4, 0.6, 0.8])[week]
    arm = np.where(rng.random(8000) < chance, "mail", "control")
    at = START + pd.to_timedelta(7 * week, unit="D")
    assert days_of(at, arm, np.where(arm == "mail", chance, 1 - chance)).reading(OUTCOME_DAYS) == "own"
    assert days_of(at, arm, np.nan).differ


@pytest.mark.parametrize("later", [1, 5, 12])
def test_an_arm_dated_by_its_sending_is_read_from_the_draw(later) -> None:
    _, arm = drawn()
    found = days_of(START + pd.to_timedelta(np.where(arm == "mail", later, 0), unit="D"), arm)
    assert found.reading(OUTCOME_DAYS) == "common"
    assert (found.arm, found.share_apart) == ("mail", pytest.approx(1.0))
    assert found.days_apart == pytest.approx(later)
    assert common_starts({"K1": found}, {"K1": OUTCOME_DAYS}) == {"K1": datetime(2026, 3, 2, 23, 59, 55)}


def test_a_few_who_were_sent_late_change_no_windows_and_a_tenth_of_them_do() -> None:
    rng, arm = drawn(20_000)
    for share, differ in ((0.005, False), (0.1, True)):
        late = (arm == "mail") & (rng.random(len(arm)) < share)
        assert days_of(START + pd.to_timedelta(np.where(late, 5, 0), unit="D"), arm).differ is differ


@pytest.mark.parametrize("later", [3, 20])
def test_arms_that_roll_on_other_days_have_no_common_start(later) -> None:
    rng, arm = drawn()
    at = rng.integers(0, 60, len(arm)) + np.where(arm == "mail", later, 0)
    assert days_of(START + pd.to_timedelta(at, unit="D"), arm).reading(OUTCOME_DAYS) == "none"


def test_the_arm_that_differs_is_named_and_arms_without_control_are_not_compared() -> None:
    rng = np.random.default_rng(3)
    arm = rng.choice(["control", "call", "mail"], 3000)
    at = START + pd.to_timedelta(np.where(arm == "call", 4, 0), unit="D")
    assert days_of(at, arm, np.nan).arm == "call"
    assert not days_of(at, np.where(arm == "control", "mail", arm), np.nan).differ
