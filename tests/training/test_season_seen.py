from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.config.definitions import Windows
from netlift.estimators.rows import LabelledRows
from netlift.training.calendar import season_distance, warn_of_season


def windows(horizon=90):
    return Windows(
        observation_days=365, gap_days=7, horizon_days=horizon, cutoff_every_days=30, cutoffs=3, late_arrival_days=0
    )


def rows(cutoffs, means):
    at = np.repeat(np.array(cutoffs, dtype="datetime64[us]"), 10)
    y = np.repeat(np.array(means, dtype=float), 10)
    return LabelledRows(X=np.zeros((len(y), 0), np.float32), features=(), y=y, customer=np.arange(len(y)), cutoff=at)


@given(day=st.integers(0, 3000), years=st.integers(1, 4), shift=st.integers(-182, 182))
def test_the_same_day_of_another_year_is_near_whatever_the_year(day, years, shift):
    asked = date(2020, 1, 1) + timedelta(days=day)
    trained = [asked - timedelta(days=round(365.25 * years)) + timedelta(days=shift)]
    assert season_distance(trained, asked, windows()) == pytest.approx(abs(shift), abs=1)


def test_a_season_that_no_label_saw_is_warned_of_with_the_swing_that_was_seen():
    cutoffs = [date(2024, 1, 1), date(2024, 3, 1)]
    (words,) = warn_of_season(cutoffs, date(2024, 9, 1), windows(), rows(cutoffs, [80, 120]))
    assert "season not covered" in words and "40%" in words


def test_nothing_is_said_of_a_season_that_was_seen_or_of_a_whole_year():
    cutoffs = [date(2023, 9, 20), date(2024, 3, 1)]
    assert warn_of_season(cutoffs, date(2024, 9, 1), windows(), rows(cutoffs, [80, 120])) == ()
    assert warn_of_season(cutoffs[:1], date(2024, 4, 1), windows(364), rows(cutoffs[:1], [80])) == ()


def test_one_cutoff_cannot_say_how_far_seasons_differ():
    (words,) = warn_of_season([date(2024, 1, 1)], date(2024, 7, 1), windows(), rows([date(2024, 1, 1)], [80]))
    assert "unknown factor" in words
