"""What policies would have earned: recomputed from raw rows, and true where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.policy.off_policy import (
    LoggedOutcomes,
    best_constant,
    choose_arms,
    clustered_error,
    constant_policies,
    dr_scores,
    judge_policies,
    policy_difference,
    policy_value,
)

TRUE_ARMS = np.array([1.0, 1.6, 0.7])


def make_logged(n: int, *, seed: int, mu_error: float = 0.0, effect: float = 1.0) -> tuple[LoggedOutcomes, np.ndarray]:
    """Arm 1 adds x, arm 2 loses x; unequal propensities that follow x; returns the true value of each arm per row."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    chances = np.where((x > 0)[:, None], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2])
    arm = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    truth = TRUE_ARMS + effect * x[:, None] * np.array([0.0, 1.0, -1.0]) + x[:, None]
    y = truth[np.arange(n), arm] + rng.exponential(2.0, n) - 2.0
    available = np.ones((n, 3), dtype=bool)
    propensity = chances[np.arange(n), arm]
    scores = dr_scores(y=y, arm=arm, propensity=propensity, mu=truth + mu_error, available=available)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=propensity, scores=scores, customer=np.arange(n), unit="EUR/customer", level=0.95
    )
    return logged, truth


def test_ips_snips_and_dr_agree_with_the_truth_and_with_raw_rows():
    logged, truth = make_logged(40_000, seed=1, mu_error=5.0)
    choice = np.argmax(truth, axis=1)
    constants = constant_policies(["a", "b"], logged.available, [1])
    row = next(r for r in judge_policies(logged, {"best": choice}, constants) if r.policy == "best")
    followed = logged.arm == choice
    weight = followed / logged.propensity
    assert row.ips.point == pytest.approx(np.mean(weight * logged.y))
    assert row.snips.point == pytest.approx(np.sum(weight * logged.y) / np.sum(weight))
    assert row.effective_rows == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert row.max_weight == pytest.approx(5.0)
    true_value = truth[np.arange(len(truth)), choice].mean()
    for estimate in (row.value, row.snips, row.ips):
        assert abs(estimate.point - true_value) < 3 * (estimate.ci_upper - estimate.point)
    assert row.total.point == pytest.approx(row.value.point * 40_000)
    assert row.total.unit == "EUR"


def test_scores_are_unbiased_however_wrong_the_expectation_and_less_noisy_the_better_it_is():
    values = {}
    for error in (0.0, 20.0):
        logged, truth = make_logged(30_000, seed=2, mu_error=error)
        values[error] = policy_value(logged, np.ones(30_000))
        assert abs(values[error].point - truth[:, 1].mean()) < 4 * (values[error].ci_upper - values[error].point) / 1.96
    width = {error: value.ci_upper - value.ci_lower for error, value in values.items()}
    assert width[0.0] < 0.3 * width[20.0]


def test_a_paired_difference_is_the_difference_and_known_better_than_either():
    logged, truth = make_logged(5000, seed=3)
    theirs = np.argmax(truth, axis=1)
    ours = np.where(np.arange(5000) < 500, 1, theirs)
    gain = policy_difference(logged, ours, theirs)
    assert gain.point == pytest.approx(policy_value(logged, ours).point - policy_value(logged, theirs).point)
    value = policy_value(logged, ours)
    assert gain.ci_upper - gain.ci_lower < 0.5 * (value.ci_upper - value.ci_lower)


def test_a_policy_gains_nothing_on_itself():
    logged, _ = make_logged(500, seed=4)
    same = policy_difference(logged, np.ones(500), np.ones(500))
    assert (same.point, same.ci_lower, same.ci_upper) == (0.0, 0.0, 0.0)


def test_rows_of_one_customer_twice_leave_the_interval_as_it_was():
    logged, _ = make_logged(2000, seed=5)
    doubled = replace(
        logged,
        **{
            name: np.concatenate([getattr(logged, name)] * 2)
            for name in ("y", "arm", "propensity", "scores", "customer")
        },
    )
    once, twice = policy_value(logged, np.ones(2000)), policy_value(doubled, np.ones(4000))
    assert twice.point == pytest.approx(once.point)
    assert twice.ci_upper == pytest.approx(once.ci_upper)


def test_a_row_of_weight_two_is_two_rows_of_one_customer():
    logged, truth = make_logged(1500, seed=11)
    times = np.random.default_rng(12).integers(1, 4, 1500)
    who = np.repeat(np.arange(1500), times)
    weighted = replace(logged, weight=times.astype(np.float64))
    repeated = replace(
        logged, **{name: getattr(logged, name)[who] for name in ("y", "arm", "propensity", "scores", "customer")}
    )
    choice = np.argmax(truth, axis=1)
    boards = [
        judge_policies(one, {"best": policy}, constant_policies(["a", "b"], one.available, [1]))
        for one, policy in ((weighted, choice), (repeated, choice[who]))
    ]
    assert len(boards[0]) > 1
    for ours, theirs in zip(*boards, strict=True):
        for name in ("value", "snips", "ips", "gain_over_nobody", "gain_over_best_constant", "total"):
            one, other = getattr(ours, name), getattr(theirs, name)
            assert (one.point, one.ci_upper) == (pytest.approx(other.point), pytest.approx(other.ci_upper))
        assert (ours.contacted, ours.max_weight) == pytest.approx((theirs.contacted, theirs.max_weight))
        assert ours.effective_rows <= theirs.effective_rows


def test_weights_that_are_none_are_refused():
    logged, _ = make_logged(10, seed=13)
    with pytest.raises(DataError, match="with 1 values that are not above 0 and finite"):
        replace(logged, weight=np.append(np.ones(9), 0.0))


def test_clustered_error_of_single_rows_is_the_classical_one():
    values = np.random.default_rng(6).normal(size=300)
    centred = values - values.mean()
    assert clustered_error(centred, np.arange(300)) == pytest.approx(values.std(ddof=1) / np.sqrt(300))


def test_where_the_wish_was_not_on_offer_no_contact_stands_in_and_is_counted():
    logged, _ = make_logged(1000, seed=7)
    scores = logged.scores.copy()
    scores[:400, 2] = np.nan
    logged = replace(logged, scores=scores, arm=np.where(np.arange(1000) < 400, 0, logged.arm))
    constants = constant_policies(["a", "b"], logged.available, [2, 1])
    rows = {row.policy: row for row in judge_policies(logged, {}, constants)}
    assert rows["everybody b"].without_support == pytest.approx(0.4)
    assert rows["everybody b"].contacted == pytest.approx(0.6)
    assert rows["everybody the best offer"].without_support == 0.0
    both = np.where(np.arange(1000) < 400, 1, 2)
    assert np.array_equal(constants["everybody the best offer"], both)


def test_the_best_constant_is_the_best_on_these_very_rows():
    logged, _ = make_logged(5000, seed=8)
    constants = constant_policies(["a", "b"], logged.available, [2, 1])
    best = best_constant(logged, constants)
    assert best == max(constants, key=lambda name: policy_value(logged, constants[name]).point)
    for row in judge_policies(logged, {}, constants):
        assert row.gain_over_best_constant.point <= 1e-12


def test_the_best_offer_is_not_listed_twice():
    available = np.ones((4, 3), dtype=bool)
    assert list(constant_policies(["a", "b"], available, [2, 1])) == ["nobody", "everybody a", "everybody b"]
    assert list(constant_policies(["a", "b"], available, [])) == ["nobody", "everybody a", "everybody b"]


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_choosing_arms_never_loses_by_prediction_and_never_takes_what_is_not_offered(seed):
    rng = np.random.default_rng(seed)
    uplift = rng.normal(size=(20, 3)).round(1)
    available = np.concatenate([np.ones((20, 1), bool), rng.random((20, 3)) < 0.6], axis=1)
    choice = choose_arms(uplift, available)
    rows = np.arange(20)
    assert available[rows, choice].all()
    gained = np.concatenate([np.zeros((20, 1)), uplift], axis=1)[rows, choice]
    offered = np.where(available[:, 1:], uplift, -np.inf).max(axis=1)
    assert np.array_equal(gained, np.maximum(0.0, offered))


@pytest.mark.parametrize("value", [0.0, 1.5, np.nan])
def test_a_propensity_that_is_none_is_refused_with_its_count(value):
    with pytest.raises(DataError, match=r"1 of 2 rows are missing or outside \(0, 1\]"):
        dr_scores(
            y=np.zeros(2), arm=np.array([0, 1]), propensity=np.array([0.5, value]), mu=np.zeros((2, 2)),
            available=np.ones((2, 2), dtype=bool),
        )  # fmt: skip


def test_an_arm_drawn_though_not_on_offer_and_an_outcome_not_finite_are_refused():
    sound = {"arm": np.array([0, 1]), "propensity": np.full(2, 0.5), "mu": np.zeros((2, 2))}
    with pytest.raises(DataError, match="1 of 2 rows hold an arm that their campaign could not draw"):
        dr_scores(y=np.zeros(2), available=np.array([[True, True], [True, False]]), **sound)
    with pytest.raises(DataError, match="profit: 1 of 2 values are not finite"):
        dr_scores(y=np.array([0.0, np.inf]), available=np.ones((2, 2), dtype=bool), **sound)


def test_predictions_not_finite_and_policies_of_other_length_are_refused():
    logged, _ = make_logged(10, seed=9)
    with pytest.raises(DataError, match="1 of 4 values are not finite"):
        choose_arms(np.array([[0.0, np.nan], [1.0, 2.0]]), np.ones((2, 3), dtype=bool))
    with pytest.raises(DataError, match="a policy of 9 rows cannot be valued on 10 rows"):
        policy_value(logged, np.ones(9))


def test_a_policy_that_nobody_drew_cannot_be_judged():
    logged, _ = make_logged(50, seed=10)
    logged = replace(logged, arm=np.zeros(50, dtype=np.int64))
    with pytest.raises(DataError, match="none of 50 rows drew the arm"):
        judge_policies(logged, {"calls": np.ones(50, dtype=np.int64)}, {"nobody": np.zeros(50, dtype=np.int64)})
