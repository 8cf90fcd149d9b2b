"""The sample-ratio test against published counts, and at the edges where such tests go wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, chisquare, norm

from netlift.data.checks.sample_ratio import ArmTotals, judge_sample_ratio


def totals(arm, propensities):
    weights = 1 / np.asarray(propensities, dtype=float)[np.asarray(propensities) < 1]
    return ArmTotals(arm=arm, rows=len(weights), weight=float(weights.sum()), weight_squares=float((weights**2).sum()))


def planned(counts, shares):
    return [
        ArmTotals(arm=arm, rows=n, weight=n / shares[arm], weight_squares=n / shares[arm] ** 2)
        for arm, n in counts.items()
    ]


def judge(arms, alarm=0.001):
    return judge_sample_ratio("c", arms, alarm=alarm)


def test_cookie_cats_is_matched_and_alarmed_at_one_percent_only():
    """Counts and p = 0.0086: ../shared/data/README.md and methods/abtest.md §G, the published Cookie Cats test."""
    arms = planned({"gate_30": 44_700, "gate_40": 45_489}, {"gate_30": 0.5, "gate_40": 0.5})
    found = judge(arms)
    assert found.p_value == pytest.approx(0.0086, abs=5e-5)
    assert found.p_value == pytest.approx(chi2.sf(6.9024, 1), rel=1e-4)
    assert (found.method, found.alarm, judge(arms, alarm=0.01).alarm) == ("chi-square", False, True)


@pytest.mark.parametrize(
    ("counts", "p_value"),
    [
        ({"a": 5000, "b": 5100, "c": 5200}, 0.140748),  # ep-stats, evaluations of its SRM csv (methods/abtest.md §C)
        ({"a": 5000, "b": 5100, "c": 5300}, 0.0106153),
        ({"men": 21_307, "women": 21_387, "none": 21_306}, 0.9037),  # Hillstrom (methods/abtest.md §F)
    ],
)
def test_published_three_arm_cases_are_matched(counts, p_value):
    assert judge(planned(counts, dict.fromkeys(counts, 1 / 3))).p_value == pytest.approx(p_value, rel=2e-4)


def test_unequal_planned_shares_give_pearsons_chi_square():
    counts, shares = {"control": 1020, "a": 2900, "b": 6080}, {"control": 0.1, "a": 0.3, "b": 0.6}
    want = chisquare(list(counts.values()), [10_000 * share for share in shares.values()]).pvalue
    assert judge(planned(counts, shares)).p_value == pytest.approx(want, rel=1e-9)


def test_a_campaign_planned_95_to_5_is_not_read_as_half_and_half():
    """The mistake of mozilla/experimenter #16010 (methods/abtest.md)."""
    assert judge(planned({"control": 498, "a": 9502}, {"control": 0.05, "a": 0.95})).p_value > 0.5


def test_an_arm_that_was_planned_and_has_nobody_is_alarmed():
    """The mistake of growthbook #4427: an arm with no users passed as healthy (methods/abtest.md)."""
    found = judge(planned({"control": 5000, "a": 5000}, {"control": 0.4, "a": 0.4}))
    assert found.p_value == pytest.approx(chisquare([5000, 5000, 0], [4000, 4000, 2000]).pvalue)
    assert found.alarm
    assert found.note == "propensities add up to 0.800: an arm that was planned is not in the table"


def test_an_arm_with_nobody_is_missed_where_propensities_differ_too():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([4, 4, 4], 20_000)
    arm = (rng.random(20_000)[:, None] > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    found = judge([totals("control", p[arm == 0, 0]), totals("sms", p[arm == 1, 1])])
    assert found.alarm
    assert "an arm that was planned is not in the table" in found.note


def test_thirds_logged_with_three_decimals_are_no_alarm():
    counts = {"control": 333_400, "a": 333_300, "b": 333_300}
    found = judge(planned(counts, dict.fromkeys(counts, 0.333)))
    assert (found.method, found.alarm, found.note) == ("chi-square", False, "")
    assert found.p_value == pytest.approx(chisquare(list(counts.values())).pvalue, rel=0.01)


def test_two_lists_with_an_offer_each_and_one_control_are_judged_arm_by_arm():
    arms = planned({"control": 20_080, "a": 10_010, "b": 9_910}, {"control": 0.5, "a": 0.5, "b": 0.5})
    found = judge(arms)
    assert (found.method, found.alarm, found.note) == ("arm by arm", False, "")
    assert found.p_value == 1.0
    assert judge(planned({"control": 19_000, "a": 10_010, "b": 9_910}, dict.fromkeys(["control", "a", "b"], 0.5))).alarm


def test_customers_with_no_choice_say_nothing():
    rng = np.random.default_rng(3)
    p_sms = rng.uniform(0.3, 0.8, 20_000)
    sms = rng.random(20_000) < p_sms
    arms = totals("control", 1 - p_sms[~sms]), totals("sms", p_sms[sms])
    certain = totals("control", np.r_[1 - p_sms[~sms], np.ones(50_000)]), arms[1]
    assert judge(certain) == judge(arms)
    assert judge(arms).rows == 20_000


def test_the_statistic_is_that_of_the_raw_rows():
    """With two arms: the difference of the Horvitz-Thompson totals over its standard error."""
    rng = np.random.default_rng(4)
    p_sms = rng.uniform(0.2, 0.7, 5000)
    sms = rng.random(5000) < p_sms
    w, v = 1 / (1 - p_sms[~sms]), 1 / p_sms[sms]
    variance = 5000 * ((w**2).sum() / w.sum() + (v**2).sum() / v.sum())
    z = (w.sum() - v.sum()) / np.sqrt(variance)
    found = judge([totals("control", 1 / w), totals("sms", 1 / v)])
    assert found.method == "chi-square"
    assert found.p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)
    assert variance == pytest.approx((1 / p_sms + 1 / (1 - p_sms)).sum(), rel=0.02)


@pytest.mark.parametrize(
    "arms", [[], planned({"control": 4, "a": 3}, {"control": 0.5, "a": 0.5}), [totals("a", [1.0] * 9)]]
)
def test_too_few_customers_are_named_instead_of_tested(arms):
    found = judge(arms)
    assert (found.method, found.p_value, found.alarm) == ("none", None, False)
    assert "too few" in found.note


def test_tiny_arms_are_pooled_rather_than_trusted_to_the_chi_square():
    arms = planned({"control": 996, "a": 4}, {"control": 0.998, "a": 0.002})
    assert judge(arms).p_value is None
    shares = {"control": 0.996, "a": 0.003, "b": 0.0005, "c": 0.0005}
    found = judge(planned({"control": 9_960, "a": 30, "b": 2, "c": 8}, shares))
    assert found.p_value == pytest.approx(chisquare([9_960, 30, 2, 8], [9_960, 30, 5, 5]).pvalue)
    found = judge(planned({"control": 4_980, "a": 15, "b": 1, "c": 4}, shares))
    assert found.p_value == pytest.approx(chisquare([4_980, 15, 5], [4_980, 15, 5]).pvalue)


def test_chances_that_no_draw_has_are_told_from_rows_that_were_lost_and_arms_closed_to_some():
    def two(p_control, p_offer, *, control=1000, offer=1000):
        sizes = (("control", control, p_control), ("sms", offer, p_offer))
        return [ArmTotals(arm=a, rows=n, weight=n / p, weight_squares=n / p**2) for a, n, p in sizes]

    assert judge_sample_ratio("may", two(0.8, 0.8), alarm=0.001).fault == "sums"
    assert judge_sample_ratio("may", two(0.3, 0.3), alarm=0.001).fault == "sums"
    assert judge_sample_ratio("may", two(0.5, 0.5, offer=800), alarm=0.001).fault == ""
    groups = [*two(0.5, 0.5)[:1], *(ArmTotals(arm=a, rows=500, weight=1000, weight_squares=2000) for a in "ab")]
    closed = judge_sample_ratio("may", groups, alarm=0.001)
    assert (closed.method, closed.fault, closed.chances) == ("arm by arm", "", pytest.approx(1.5))
