"""What to do with an arm: the ladder, what takes it back, the limits of a run, and how often chance is believed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.abtest.readout.advice import Limits, Seen, advise, after_turns, best_in_total, find_room
from netlift.abtest.readout.arms import ArmCells, Terms, read_arms, read_rollout
from netlift.abtest.readout.result import AmongCampaigns
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.abtest.stats.simultaneous import shrink_arms
from netlift.results import Estimate

pytestmark = pytest.mark.slow

N = 400
NO_LIMITS = Limits()


def draw(rng, effects, *, after=None, n=N):
    """Arms with these profits a customer, sd 10, beside a control; `after` is what follows the window."""
    groups = {}
    for arm, effect in {"control": 0.0, **effects}.items():
        rows = np.zeros((n, 4))
        rows[:, 1] = 50 + effect + 10 * rng.standard_normal(n)
        rows[:, 0] = 2 * rows[:, 1]
        names = OUTCOMES
        if after is not None:
            late = (after if arm != "control" else 0.0) + 10 * rng.standard_normal(n)
            rows, names = np.column_stack([rows, late]), (*OUTCOMES, "margin_after")
        cell = of_rows(rows, names)
        groups[arm] = ArmCells(whole=cell, without_largest=cell, capped=cell, largest_share=0.0)
    return groups


def read(groups, *, fixed=0.0, among=None, withheld=None, limits=NO_LIMITS, tolerance=100.0, outside=10_000):
    has_after = "margin_after" in groups["control"].whole.names
    terms = Terms(
        currency="EUR", level=0.95, tolerance=tolerance, fixed=fixed, covariates=(), withheld=withheld,
        among=among or {},
    )  # fmt: skip
    found = read_arms(groups, terms, after_days=28 if has_after else 0)
    pairs = shrink_arms([each.contrast for each in found.averages])
    after = found.pull_forward or (None,) * len(found.arms)
    advice = []
    for arm, customer, each, pair, late in zip(found.arms, found.customers, found.averages, pairs, after, strict=True):
        rollout = read_rollout(arm, pair, each.contrast, eligible=1000, outside=outside, terms=terms)
        advice.append(
            advise(
                Seen(
                    arm=arm, customer=customer, after=late, rollout=rollout, fixed=fixed, limits=limits,
                    control=groups["control"].whole.n,
                )
            )
        )  # fmt: skip
    return found, advice


def one(effect, seed=1, **more):
    after = more.pop("after", None)
    return read(draw(np.random.default_rng(seed), {"mail": effect}, after=after), **more)[1][0]


def among(chance, effect=0.0):
    profit = Estimate(point=effect * N, ci_lower=-1.0, ci_upper=1.0, level=0.95, unit="EUR", method="by hand")
    own = AmongCampaigns(
        campaigns=10, profit=profit, chance_of_profit=chance, effect=effect, effect_se=1.0, effect_sd=0.5
    )
    return {"mail": own}


def test_money_surely_earned_is_scaled_up_and_surely_lost_stopped():
    up, down, unknown = one(4.0), one(-4.0), one(0.35)
    assert (up.code, up.by_total, up.by_customer) == ("scale_up",) * 3
    assert (down.code, down.reason) == ("stop", "lost_money")
    assert (unknown.code, unknown.reason) == ("keep_testing", "cannot_tell_yet")
    assert unknown.more_customers > 0 and up.more_customers is down.more_customers is None


@pytest.mark.parametrize("chance", [0.46, 0.89])
def test_nothing_is_scaled_up_that_all_campaigns_take_back(chance):
    found = one(4.0, among=among(chance))
    assert (found.code, found.reason) == ("keep_testing", "among")
    assert one(4.0, among=among(0.95, effect=3.0)).code == "scale_up"


def test_nothing_is_scaled_up_that_the_days_after_take_back_and_nothing_stopped_that_they_bring_back():
    lost, kept = one(4.0, after=-5.0), one(4.0, after=0.5)
    assert (lost.code, lost.reason, kept.code) == ("keep_testing", "after_window", "scale_up")
    assert one(-4.0, after=9.0).reason == "after_window"
    assert one(-4.0, after=0.0).code == "stop"


@pytest.mark.parametrize("withheld", ["blocked", "observational"])
def test_without_a_verdict_there_is_no_advice(withheld):
    found = one(4.0, withheld=withheld)
    assert (found.code, found.reason, found.more_customers) == ("withheld", withheld, None)


def test_what_earns_per_customer_and_not_its_fixed_cost_pays_from_a_number_of_customers():
    found = one(4.0, fixed=4000.0)
    assert (found.by_total, found.by_customer, found.reason) == ("stop", "scale_up", "fixed_cost")
    assert found.code == "keep_testing"
    assert found.pays_from == pytest.approx(4000 / found.per_customer.point, abs=1)
    assert found.total.point == pytest.approx(N * found.per_customer.point - 4000)


def test_nobody_bought_is_no_loss():
    groups = draw(np.random.default_rng(1), {"mail": 0.0})
    nothing = of_rows(np.tile([0.0, 0.0, 0.0, 0.5], (N, 1)), OUTCOMES)
    groups = {
        arm: replace(cells, whole=nothing, without_largest=nothing, capped=nothing) for arm, cells in groups.items()
    }
    (found,) = read(groups)[1]
    assert (found.code, found.reason) == ("keep_testing", "nobody_bought")


def test_what_more_likely_loses_and_cannot_be_settled_with_all_customers_is_stopped():
    found = one(-0.2, seed=2, outside=0, tolerance=0.0)
    assert found.chance < 0.5 and found.code == "stop" and found.reason == "not_worth_testing"
    assert one(-0.2, seed=2, outside=10**9, tolerance=0.0).code == "keep_testing"


@given(
    offer=st.one_of(st.none(), st.integers(0, 5000)),
    channel=st.one_of(st.none(), st.integers(0, 5000)),
    budget=st.one_of(st.none(), st.floats(0, 1e6)),
    cost=st.floats(0, 500),
)
def test_a_run_stays_within_every_limit_and_names_the_one_that_binds(offer, channel, budget, cost):
    room = find_room(Limits(offer=offer, channel=channel, budget=budget), cost)
    limits = [limit for limit in (offer, channel) if limit is not None]
    if room.customers is None:
        assert not limits and (budget is None or cost < 1e-290) and room.bound == ""
        return
    assert all(room.customers <= limit for limit in limits)
    assert budget is None or room.customers * cost <= budget * (1 + 1e-9)
    assert room.bound in ("offer", "channel", "budget")


def test_advice_says_what_a_run_has_room_for_and_how_many_runs_a_test_takes():
    free, bound = one(4.0), one(4.0, limits=Limits(channel=300, channel_name="call"))
    assert (free.reach, bound.reach, bound.eligible) == (1000, 300, 1000)
    assert bound.expected == pytest.approx(0.3 * free.expected)
    test = one(0.35, limits=Limits(channel=100))
    assert test.runs == int(np.ceil(test.more_customers * 0.5 / 100))


def test_best_per_customer_and_best_in_total_are_each_by_their_own_figure():
    groups = draw(np.random.default_rng(3), {"call": 8.0, "mail": 4.0})
    found, (call, mail) = read(groups, limits=Limits(channel=None))
    call = replace(call, expected=call.expected * 0.1)
    assert call.per_customer.point > mail.per_customer.point
    assert best_in_total([call, mail]) == "mail"
    assert max(found.arms, key=lambda arm: arm.money[-1].per_customer.point).arm == "call"


def test_days_after_the_window_turn_a_verdict_by_sign_or_by_code():
    found, _ = read(draw(np.random.default_rng(4), {"mail": 4.0}, after=-9.0))
    assert after_turns(found.profit, found.verdict, found.after_window)
    same, _ = read(draw(np.random.default_rng(4), {"mail": 9.0}, after=0.0))
    assert not after_turns(same.profit, same.verdict, same.after_window)
    assert not after_turns(same.profit, same.verdict, None)
    net = found.after_window
    assert net.net.point == pytest.approx(found.profit.point + net.after.point)


@pytest.mark.parametrize("arms", [1, 4])
def test_without_any_effect_an_arm_is_scaled_up_as_rarely_as_the_ladder_allows(arms):
    rng, draws, believed = np.random.default_rng(5), 400, 0
    for _ in range(draws):
        _, advice = read(draw(rng, {f"arm {i}": 0.0 for i in range(arms)}, n=60), tolerance=1e9)
        believed += any(found.code == "scale_up" for found in advice)
    assert believed / draws <= 0.10 + 2.6 * np.sqrt(0.1 * 0.9 / draws)
    assert believed > 0


def test_a_losing_arm_is_stopped_as_often_as_its_error_lets_it():
    """An arm that loses 3 standard errors shows a chance of profit of .10 or less in 95.7 % of draws."""
    rng, draws, n = np.random.default_rng(6), 300, 60
    loss = 3.0 * 10 * np.sqrt(2 / n)
    stopped = sum(read(draw(rng, {"mail": -loss}, n=n))[1][0].code == "stop" for _ in range(draws))
    assert stopped / draws >= 0.957 - 2.6 * np.sqrt(0.957 * 0.043 / draws)
