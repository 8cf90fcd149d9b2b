"""New offers: intervals that cover however contacts were chosen, exact chances, and a budget that is never passed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketing import content, customers, options_of, rules
from pydantic import ValidationError

from netlift.abtest.assignment.draw import hash_units
from netlift.decisions.allocation.exploration import draw_decisions, draw_exploration, find_chances
from netlift.decisions.allocation.problem import Problem
from netlift.decisions.new_offers.plan import Gate, find_shares, plan_new_offers
from netlift.decisions.new_offers.pooled_effects import OfferHistory, pool_effects
from netlift.decisions.new_offers.trials import MOST_OF_CUSTOMERS, Trials, find_rates
from netlift.errors import DataError

pytestmark = pytest.mark.slow

GATE = Gate(least=0.0, confidence=0.9, level=0.95, most_contacts=10_000)
NONE = np.zeros(0)


def history(name, effects=(), n=1000, noise=150.0, channel="sms", kind="plain"):
    effects = np.array(effects, dtype=np.float64)
    contacts = np.full(len(effects), float(n))
    return OfferHistory(
        offer_id=name,
        channel=channel,
        kind=kind,
        contacts=contacts,
        effect=effects,
        error=noise / np.sqrt(contacts),
        campaigns=tuple(f"{name} {r}" for r in range(len(effects))),
        control=noise**2 / contacts / 2,
    )


PAST = [
    history(f"old{j}", [effect], n=5000, channel=channel)
    for j, (effect, channel) in enumerate([(12.0, "sms"), (9.0, "sms"), (-4.0, "email"), (-7.0, "email")])
]


def plan(histories, new, *, waiting=(), pending=(), gate=GATE, floor=0.1):
    return plan_new_offers(
        pool_effects(histories),
        histories,
        new=new,
        waiting=waiting,
        pending=dict(pending),
        gate=gate,
        floor=floor,
        rng=np.random.default_rng(1),
    )


def test_an_untried_offer_is_expected_to_be_like_those_of_its_channel_and_less_surely():
    pooled = pool_effects([*PAST, history("a"), history("b", channel="email"), history("c", channel="push")])
    a, b, c = pooled.mean[4:]
    assert a > c > b and a - b > 5
    assert pooled.sd[4:].min() > 1.5 * pooled.sd[:4].max(), "what was tried is known better"
    lower, upper = pooled.interval(0.95)
    draws = pooled.draw(np.random.default_rng(2), 200_000)
    assert np.abs(np.quantile(draws, 0.025, axis=0) - lower).max() < 0.03 * (upper - lower).max()
    assert np.abs((draws > 0).mean(axis=0) - pooled.chance_above(0.0)).max() < 0.005


def test_own_contacts_outweigh_like_offers_as_they_grow():
    few, many = (pool_effects([*PAST, history("a", [-10.0] * 5, n=n)]).mean[4] for n in (60, 20_000))
    assert few > -4 and many == pytest.approx(-10, abs=0.5)


def test_campaigns_that_differ_beyond_chance_leave_an_offer_less_known():
    one, other = ([*PAST, history("a", effects, n=20_000)] for effects in ([10.0] * 4, [-20.0, 40.0, -10.0, 30.0]))
    assert pool_effects(other).sd[4] > 2 * pool_effects(one).sd[4]


def test_intervals_cover_the_truth_though_contacts_follow_outcomes_and_offers_share_a_control():
    """Shops of five old and four new offers, six months of contacts by the shares that each month's posterior gives."""
    rng, held, looks = np.random.default_rng(4), 0, 0
    for _ in range(50):
        centre = dict(zip(("email", "sms", "push"), rng.normal(2, 4, 3), strict=True))
        names = [(f"o{j}", ("email", "sms", "push")[j % 3]) for j in range(9)]
        truth = np.array([centre[channel] for _, channel in names]) + rng.normal(0, 8, 9)
        seen = [[("before", 4000.0, rng.normal(truth[j], 150 / 4000**0.5), 1.0)] if j < 5 else [] for j in range(9)]
        for month in range(6):
            histories = [
                OfferHistory(
                    offer_id=name,
                    channel=channel,
                    kind="",
                    contacts=np.array([n for _, n, _, _ in own]),
                    effect=np.array([x for _, _, x, _ in own]),
                    error=np.array([(150**2 / n + c) ** 0.5 for _, n, _, c in own]),
                    campaigns=tuple(f"{name} {when}" if when == "before" else when for when, *_ in own),
                    control=np.array([c for _, _, _, c in own]),
                )
                for (name, channel), own in zip(names, seen, strict=True)
            ]
            found = plan(histories, [name for name, _ in names[5:]])
            variance = 150**2 / 400
            luck = rng.normal(0, variance**0.5)
            for j, one in enumerate(found, start=5):
                n = float(round(1500 * one.share))
                if n:
                    seen[j].append((str(month), n, rng.normal(truth[j], 150 / n**0.5) - luck, variance))
        inside = [one.lower <= truth[j] <= one.upper for j, one in enumerate(found, start=5)]
        held, looks = held + sum(inside), looks + len(inside)
    assert held / looks == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / looks) ** 0.5), f"{held} of {looks}"


def test_the_gate_decides_stops_and_ends_and_all_of_it_follows_from_the_contacts():
    new = [history("good", [15.0] * 4), history("bad", [-15.0] * 4), history("faint", [0.5], n=9950),
           history("open", [1.0], n=500), history("untried"), history("lucky", [80.0], n=50)]  # fmt: skip
    names = [one.offer_id for one in new]
    found = {one.offer_id: one for one in plan([*PAST, *new], names)}
    states = {name: one.state for name, one in found.items()}
    assert states == {
        "good": "proven", "bad": "retired", "faint": "unproven", "open": "learning", "untried": "learning",
        "lucky": "learning",
    }  # fmt: skip
    assert {name for name, one in found.items() if one.share} == {"open", "untried", "lucky"}
    assert min(found[name].share for name in ("open", "untried", "lucky")) >= 0.1
    assert sum(one.share for one in found.values()) <= 1 + 1e-12
    waits = {one.offer_id: one for one in plan([*PAST, *new], names, waiting=["good"], pending={"open": 9450})}
    assert waits["good"].state == "proven" and waits["good"].share > 0, "tried until a model knows it"
    assert waits["open"].state == "learning" and waits["open"].share == 0, "its contacts are all on their way"


@pytest.mark.parametrize("effect", [9.0, -14.0])
def test_what_is_needed_until_the_gate_speaks_is_about_what_makes_it_speak(effect):
    """With the effect as it is expected; twice as many contacts are enough, a tenth are not."""
    [one] = plan([*PAST, history("a", [effect] * 3, n=50, channel="push")], ["a"])
    assert one.state == "learning" and one.needed is not None

    def after(more):
        seen = history("a", [one.expected] * 3, n=50 + more // 3, channel="push")
        chance = pool_effects([*PAST, seen]).chance_above(0.0)[4]
        return max(chance, 1 - chance)

    assert after(2 * one.needed) > 0.9 > after(one.needed // 10)
    [short] = plan([*PAST, history("a", [effect] * 3, n=50, channel="push")], ["a"],
                   gate=replace(GATE, most_contacts=150 + one.needed - 1))  # fmt: skip
    assert short.needed is None, "its contacts are used up before"


@settings(max_examples=50)
@given(k=st.integers(1, 30), floor=st.floats(0.01, 1.0), seed=st.integers(0, 100))
def test_shares_are_no_more_than_the_whole_and_none_below_the_floor(k, floor, seed):
    share = find_shares(np.random.default_rng(seed).normal(size=(500, k)), floor)
    assert share.sum() <= 1 + 1e-9 and share.min() >= min(floor, 1 / k) - 1e-12


def test_bad_effects_and_no_history_at_all_are_refused():
    with pytest.raises(DataError, match="no offer has contacts"):
        pool_effects([history("a")])
    with pytest.raises(DataError, match="old0 has a campaign whose effect or error is not a number"):
        pool_effects([replace(PAST[0], effect=np.array([np.nan]))])


def words_of(n, key):
    return hash_units([f"{i:06d}" for i in range(n)], salt=str(key), purpose="arm")


def trials_of(m, budget=1000.0, share=0.3, left=10_000):
    return Trials(options=(m - 2, m - 1), shares=(share, share), left=(left, left), budget=budget)


@settings(max_examples=40)
@given(
    n=st.integers(1, 400),
    budget=st.floats(0.0, 5000.0),
    left=st.integers(0, 300),
    key=st.integers(0, 1000),
    own_cost=st.booleans(),
)
def test_a_draw_never_spends_more_than_the_budget_nor_moves_chances_from_what_is_logged(n, budget, left, key, own_cost):
    rng = np.random.default_rng(key)
    explorable = rng.random((n, 4)) < 0.7
    cost = rng.gamma(2, 5, (n, 4)) if own_cost else np.array([0.0, 3.0, 0.5, 20.0])
    problem = Problem(value=np.zeros((n, 4)), cost=cost, budget=10_000.0)
    trials = trials_of(4, budget=budget, left=left)
    found = draw_exploration(words_of(n, key), explorable, problem, epsilon=0.1, most_of_limits=0.5, trials=trials)
    rows = np.flatnonzero(found.tried & (found.option >= 0))
    paid = cost[found.option[rows]] if cost.ndim == 1 else cost[rows, found.option[rows]]
    assert paid.sum() <= budget + 1e-6
    assert explorable[rows, found.option[rows]].all() and (found.option[rows] >= 2).all()
    assert not (found.option[found.explores & ~found.tried] >= 2).any(), "the even draw leaves new offers out"
    choice = np.where(explorable[:, 0], 0, -1)
    chances = find_chances(choice, explorable, found)
    assert np.abs(chances.sum(axis=1) - 1).max() < 1e-12 and chances.min() >= -1e-15
    assert (chances.argmax(axis=1) == choice % 5).all(), "what the policy gives stays the likeliest"
    assert found.rates.whole <= MOST_OF_CUSTOMERS * 0.9 + 1e-12


def test_what_is_drawn_over_many_runs_has_the_chances_that_were_logged():
    rng = np.random.default_rng(5)
    n, runs = 300, 600
    explorable = rng.random((n, 4)) < 0.8
    choice = np.where(explorable[:, 1], 1, -1)
    problem = Problem(value=np.zeros((n, 4)), cost=np.array([0.0, 1.0, 1.0, 2.0]), budget=1000.0)
    counts, expected = np.zeros((n, 5)), None
    for key in range(runs):
        found = draw_exploration(
            words_of(n, key), explorable, problem, epsilon=0.2, most_of_limits=0.5, trials=trials_of(4, 300.0, 0.4)
        )
        drawn = draw_decisions(choice, explorable, found, held_out=np.zeros(n, dtype=bool))
        assert (drawn.propensity == drawn.chances[np.arange(n), drawn.option]).all()
        counts[np.arange(n), drawn.option] += 1
        expected = drawn.chances
    z = (counts - runs * expected) / np.sqrt(np.maximum(runs * expected * (1 - expected), 1e-9))
    assert np.abs(z[expected > 0]).max() < 5 and (counts[expected <= 1e-15] == 0).all()
    assert float(np.mean(z[(expected > 0) & (expected < 1)] ** 2)) == pytest.approx(1, abs=0.15)


def test_a_cap_on_customers_cuts_the_largest_chances_first_and_none_has_its_share():
    open_to = np.ones((1000, 3), dtype=bool)
    trials = Trials(options=(0, 1, 2), shares=(0.4, 0.3, 0.3), left=(10**6,) * 3, budget=1e5)
    rates = find_rates(trials, open_to, np.array([1.0, 1.0, 2000.0]), epsilon=0.0)
    assert rates.whole == pytest.approx(MOST_OF_CUSTOMERS)
    assert rates.option[0] == rates.option[1] > rates.option[2] > 0
    assert rates.none == pytest.approx((rates.option**2).sum() ** 0.5)
    assert 1000 * rates.option[2] * 2000 <= 0.3 * 1e5


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"offers": ["mial"], "budget": 10}, r"explore.new_offers.offers: no offer 'mial'.*mail"),
        ({"offers": ["mail", "mail"], "budget": 10}, "'mail' is there twice"),
        ({"offers": ["text"], "budget": 10}, "offers.text: explore.new_offers has to know what it costs"),
        ({"offers": ["mail"], "budget": 1001}, r"budget: 1,001.00 is above budget 1,000.00"),
        ({"offers": ["mail"], "budget": 10, "monthly_budget": 5}, "a run is above its monthly_budget 5.00"),
        ({"offers": ["mail"], "budget": 0}, "greater than 0"),
        ({"offers": [], "budget": 10}, "at least 1 item"),
    ],
)
def test_wrong_settings_are_refused_by_name(new, said):
    explore = content()["explore"] | {"new_offers": new}
    with pytest.raises(ValidationError, match=said):
        rules(explore=explore)


def test_without_the_block_nothing_is_tried():
    one = rules()
    assert one.explore.new_offers is None
    n = 50
    everybody = customers(n)
    assert len(everybody) == n and len(options_of(one)) == 3
    found = draw_exploration(
        words_of(n, 1), np.ones((n, 3), dtype=bool), Problem(value=np.ones((n, 3)), cost=np.ones(3)), epsilon=0.2,
        most_of_limits=0.5,
    )  # fmt: skip
    assert found.rates is None and not found.tried.any()
