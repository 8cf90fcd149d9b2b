import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.results import Estimate
from netlift.training.gate import (
    Cutoffs,
    auc_believable,
    beats_baseline,
    beats_champion,
    calibration_over_cutoffs,
    calibration_within,
    features_believable,
    judge,
    money_agrees,
    total_bias_within,
)


def gain(point, lower, upper, unit="RUB/customer"):
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=0.95, unit=unit, method="paired bootstrap")


@pytest.mark.parametrize(
    ("found", "passed", "words"),
    [
        (gain(12.3, 4.1, 20.5), True, "earns 12.3 RUB per customer more than the best constant, at least 4.1"),
        (
            gain(2.1, -3.2, 7.4),
            False,
            "earns 2.1 RUB per customer more than the best constant, but it may also be 3.2 less",
        ),
        (gain(-2.1, -5, 0.8), False, "earns 2.1 RUB per customer less than the best constant, and it may be 5 less"),
        (gain(0.031, 0.012, 0.05, ""), True, "ROC-AUC is 0.031 above that of the best constant, at least 0.012"),
    ],
)
def test_a_gain_is_judged_by_its_lower_end_and_said_in_words(found, passed, words):
    check = beats_baseline(found, baseline="the best constant", measure="ROC-AUC")
    assert check.passed is passed
    assert words in check.words
    assert "97.5 % sure" in check.words


def test_a_margin_below_zero_allows_to_be_a_little_worse():
    assert beats_champion(gain(0.0, -0.4, 0.4), measure="", at_least=-0.5).passed
    assert not beats_champion(gain(0.0, -0.4, 0.4), measure="", at_least=0.0).passed


def test_the_first_model_has_no_champion_to_beat():
    check = beats_champion(None, measure="ROC-AUC")
    assert check.passed
    assert check.words == "There is no champion to beat yet."


def test_a_leak_is_suspected_in_words():
    assert "too good to be true" in auc_believable(0.998, bound=0.99).words
    check = features_believable({"cancelled_at": 0.93, "receipts_90d": 0.07}, bound=0.8)
    assert not check.passed
    assert "cancelled_at, carries 93 % of the gain, more than 80 %" in check.words
    assert features_believable({}, bound=0.8).passed


def test_bounds_hold_either_way():
    assert "4.1 % below the real one; up to 10 %" in total_bias_within(-0.041, bound=0.1).words
    assert not total_bias_within(-0.2, bound=0.1).passed
    assert calibration_within(0.03, bound=0.03).passed


@pytest.mark.parametrize(
    "check",
    [
        beats_baseline(gain(math.nan, math.nan, math.nan), baseline="b", measure="m"),
        beats_champion(gain(math.nan, math.nan, math.nan), measure="m"),
        calibration_within(math.nan, bound=0.03),
        total_bias_within(math.nan, bound=0.1),
        auc_believable(math.nan, bound=0.99),
        features_believable({"a": math.nan}, bound=0.8),
    ],
)
def test_what_could_not_be_measured_is_never_let_through(check):
    assert not check.passed
    assert "could not be measured" in check.words


def test_one_failed_check_refuses_and_the_reasons_are_the_failures_alone():
    good, bad = calibration_within(0.01, bound=0.03), auc_believable(1.0, bound=0.99)
    refused = judge(good, bad)
    assert not refused.passed
    assert refused.reasons == (bad.words,)
    assert refused.to_markdown().startswith("**Refused.**")
    assert f"- NO: {bad.words}" in refused.to_markdown()
    assert judge(good).reasons == (good.words,)
    assert not judge().passed


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-100, 100))
def test_a_gain_passes_exactly_when_its_lower_end_exceeds_the_need(point, half, need):
    check = beats_baseline(gain(point, point - half, point + half), baseline="b", measure="m", at_least=need)
    assert check.passed == (point - half > need)


@pytest.mark.parametrize(
    ("changed", "passed", "words"),
    [
        ({}, True, "by the season of that cutoff: over 6 cutoffs their level is 2 ± 3 off"),
        ({"level": -0.07}, False, "does not excuse it: over 6 cutoffs their level is -7 ± 3 off."),
        ({"shape": 0.04}, False, "does not excuse it: but for its level the test cutoff is 4 away."),
        ({"off": 0.12}, False, "does not excuse it: its level is 12 from that of the others, where up to 9 is usual."),
        ({"swing": math.nan}, False, "is usual"),
    ],
)
def test_a_cutoff_is_excused_by_its_season_and_by_nothing_else(changed, passed, words):
    seen = {"number": 6, "level": 0.02, "level_error": 0.03, "shape": 0.01, "off": 0.06, "swing": 0.09}
    check = calibration_over_cutoffs(0.08, Cutoffs(**seen | changed), bound=0.03)
    assert (check.name, check.passed) == ("calibration", passed)
    assert words in check.words


@pytest.mark.parametrize(("upper", "passed"), [(-0.002, False), (0.0, True), (float("nan"), True)])
def test_a_list_that_surely_holds_less_of_the_money_is_refused(upper, passed):
    held = gain(upper - 0.01, upper - 0.02, upper, unit="share")
    check = money_agrees(held, baseline="the baseline own_rhythm", held="the margin lost")
    assert check.passed is passed
    assert ("orders better and holds less of the money" in check.words) is not passed
