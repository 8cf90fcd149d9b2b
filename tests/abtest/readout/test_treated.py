"""What the treated earned where chances differ: known totals, paid costs, arms that add up, and what unlogged means."""

import json

import ibis
import numpy as np
import pandas as pd
import pytest
from readout_world import make_market, read, settings
from unequal_world import EFFECTS, ONE_ARM, TWO_ARMS, VALUABLE, make_unequal

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.readout_report.page import readout_brief, readout_document, readout_json
from netlift.abtest.stats.aggregate import aggregate
from netlift.abtest.stats.weighting import (
    arms_of,
    control_of,
    picture_of,
    picture_the_treated,
    read_chances,
    treated_of,
)
from netlift.data.checks.check import check_tables
from netlift.data.contract import CONTROL
from netlift.progress import Silent
from netlift.report.exports import to_text
from netlift.report.language import speak

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_arms():
    """A campaign of two arms and its readout, by whether the chances of both were logged."""
    made = {logged: make_unequal(chances=TWO_ARMS, logged=logged, fixed_cost=700.0) for logged in (True, False)}
    return {logged: (market, truth, read(market)) for logged, (market, truth) in made.items()}


def line(arm, name):
    return next(money for money in arm.money if money.name == name)


def holds(estimate, truth):
    return estimate.ci_lower < truth < estimate.ci_upper


def test_the_total_is_what_the_treated_earned_and_the_average_customer_stands_beside_it():
    """20 % valuable, effect 40 against 2, chances .7 against .3: n times the average customer is 40 % too low."""
    market, truth = make_unequal()
    found = read(market)
    (arm,) = found.arms
    margin = line(arm, "margin")
    assert holds(margin.total, truth["mail"]) and holds(margin.raw_total, truth["mail"])
    average = VALUABLE * EFFECTS[1] + (1 - VALUABLE) * EFFECTS[0]  # margin
    assert margin.total.ci_lower > 1.3 * average * arm.assigned
    cost = VALUABLE * 3.0 + 0.37
    assert holds(arm.average_profit, average - cost)
    assert found.rollout[0].profit.point == pytest.approx(8000 * arm.average_profit.point)
    assert found.rollout[0].budget == pytest.approx(8000 * cost, rel=0.02)
    assert arm.estimand == "treated"
    assert {one.name: one.value for one in found.assumptions}["weighted_by_chance"] == "treated"
    assert found.days[-1].profit.point == pytest.approx(arm.profit.point)
    assert {check.status for check in found.checks} <= {"passed", "not_checked"}


def test_leaving_control_alone_cost_what_its_own_customers_would_have_earned():
    market, _ = make_unequal(12_000, seed=4)
    contacts = market.contacts.set_index("customer_id")
    rich = (market.customers.set_index("customer_id").region == "north").reindex(contacts.index)
    alone = (contacts.offer_id == "control").to_numpy()
    would = np.where(rich, EFFECTS[1] - 3.0, EFFECTS[0]) - 0.37
    (arm,) = read(market).arms
    assert holds(arm.cost_of_holdout, would[alone].sum())
    assert not holds(arm.cost_of_holdout, alone.sum() * would[~alone].mean())


@pytest.mark.parametrize("logged", [True, False])
def test_costs_in_totals_are_those_that_contacts_say_were_paid(two_arms, logged):
    market, _, found = two_arms[logged]
    paid = market.contacts.groupby("offer_id")[["reward_cost", "contact_cost"]].sum()
    whole = {money.name: money for money in found.money}
    for name, column in (("reward", "reward_cost"), ("contact_cost", "contact_cost")):
        assert round(whole[name].total.point, 2) == round(paid[column].sum(), 2)
        for arm in found.arms if logged else ():
            assert round(line(arm, name).total.point, 2) == round(paid.loc[arm.arm, column], 2)


def test_logged_chances_tell_each_arm_and_arms_add_up_to_the_campaign(two_arms):
    _, truth, found = two_arms[True]
    for arm in found.arms:
        assert arm.estimand == "treated"
        assert holds(line(arm, "margin").total, truth[arm.arm])
    for i, whole in enumerate(found.money):
        assert sum(arm.money[i].total.point for arm in found.arms) == pytest.approx(whole.total.point, abs=1e-6)
        assert sum(arm.money[i].raw_total.point for arm in found.arms) == pytest.approx(whole.raw_total.point, abs=1e-6)
    assert holds(found.money[1].total, sum(truth.values()))


def test_the_best_arm_is_the_one_better_for_the_same_customers():
    """Calls do twice as much for anybody, and go to the poor: per contacted customer they earn less than mail."""
    market, _ = make_unequal(12_000, chances={"mail": (0.1, 0.6), "call": (0.5, 0.1)}, logged=True, second_effect=2.0)
    found = read(market)
    each = {arm.arm: line(arm, "margin").per_customer.point for arm in found.arms}
    best = {arm.arm: arm.chance_best for arm in found.arms}
    assert each["call"] < each["mail"]
    assert found.best_arm == "call" and best["call"] > 0.9


def test_without_the_chances_of_all_arms_the_whole_is_exact_and_single_arms_say_that_they_are_not(two_arms):
    (_, truth, found), (_, _, logged) = two_arms[False], two_arms[True]
    assert found.money[-1].raw_total.point == pytest.approx(logged.money[-1].raw_total.point, rel=0.02)
    assert holds(found.money[1].total, sum(truth.values()))
    for arm, known in zip(found.arms, logged.arms, strict=True):
        assert arm.estimand == "average"
        assert arm.average_profit.point == pytest.approx(known.average_profit.point)
        assert arm.money[-1].per_customer.point == pytest.approx(arm.average_profit.point)
    assert {one.name: one.value for one in found.assumptions}["weighted_by_chance"] == "unlogged"
    for language in ("ru", "en"):
        words = speak(language)
        assert "contacts.arm_propensities" in to_text(readout_document(found, words))
        assert "contacts.arm_propensities" in to_text(readout_brief(found, words))
        assert "contacts.arm_propensities" not in to_text(readout_document(logged, words))
    assert readout_json(found, speak("en"))["readout"]["arms"][0]["estimand"] == "average"


@pytest.mark.parametrize("spoil", ["sum", "drawn", "json", "one_missing"])
def test_chances_that_contradict_the_draw_are_found_and_not_used(spoil):
    market, _ = make_unequal(2000, chances=TWO_ARMS, logged=True)
    contacts = market.contacts.copy()
    own = contacts.offer_id[7]
    vector = json.loads(contacts.arm_propensities[7])
    wrong = {
        "sum": json.dumps(vector | {"letter": 0.2}),
        "drawn": json.dumps(vector | {own: vector[own] - 0.05, "letter": 0.05}),
        "json": "half",
        "one_missing": None,
    }[spoil]
    contacts.loc[7, "arm_propensities"] = wrong
    spoilt = market.but(contacts=contacts)
    assert {arm.estimand for arm in read(spoilt).arms} == {"average"}
    findings = check_tables(spoilt.open(), settings(), as_of=None).findings
    found = [finding for finding in findings if finding.code == "wrong-chances"]
    assert [finding.count for finding in found] == ([] if spoil == "one_missing" else [1])


def test_equal_chances_give_what_a_plain_difference_gives_and_no_second_figure():
    market = make_market(2000, seed=9)
    texts = np.array(['{"control": 0.5, "mail": 0.5}'] * 2000)
    found = read(market)
    named = read(market.but(contacts=market.contacts.assign(arm_propensities=texts)))
    assert found.arms == named.arms and found.money == named.money
    assert found.arms[0].average_profit is None
    assert {one.name: one.value for one in found.assumptions}["weighted_by_chance"] == "no"


@pytest.mark.parametrize("arm", [CONTROL, "mail"])
def test_an_arm_that_its_customers_could_not_have_missed_is_read_without_a_crash(arm):
    market, _ = make_unequal(1500)
    contacts = market.contacts
    certain = contacts.propensity.where(contacts.offer_id != arm, 1.0)
    found = read(market.but(contacts=contacts.assign(propensity=certain)))
    assert np.isfinite(found.profit.point) and np.isfinite(found.arms[0].cost_of_holdout.point)


def pictures(market, figures=("margin",)):
    """Moments by group of a market's rows, and the rows as a frame."""
    contacts = market.contacts
    seen = market.transactions[market.transactions.occurred_at >= contacts.assigned_at[0]]
    spent = seen.groupby("customer_id").margin.sum().reindex(contacts.customer_id).fillna(0.0).to_numpy()
    frame = contacts.assign(arm=contacts.offer_id, margin=spent, bought=spent > 0)
    frame = frame[["campaign_id", "customer_id", "arm", "propensity", "arm_propensities", "margin", "bought"]]
    rows = ibis.memtable(frame)
    cells = aggregate(picture_the_treated(rows, figures, read_chances(rows)), figures=figures)
    return {cell.arm: moments for cell, moments in cells.items()}, frame


def test_a_picture_of_control_is_the_ratio_of_horvitz_thompson_sums_and_has_its_linearized_spread():
    groups, frame = pictures(make_unequal(3000, chances=TWO_ARMS, logged=True)[0])
    control = frame[frame.arm == CONTROL]
    vectors = control.arm_propensities.map(json.loads)
    y, mixed = control.margin.to_numpy(), 0.0
    treated = (frame.arm != CONTROL).sum()
    for arm in TWO_ARMS:
        w = np.array([vector[arm] / vector[CONTROL] for vector in vectors])
        mean = (w * y).sum() / w.sum()
        u = w / w.mean() * (y - mean) + mean
        group = control_of(groups, arm)
        assert group is groups[picture_of(arm)]
        assert group.n == len(control)
        assert group.value("margin") == pytest.approx(mean)
        assert group.cov[0, 0] == pytest.approx(u.var())
        assert group.cube == pytest.approx(((u - mean) ** 3).mean())
        mixed = mixed + (frame.arm == arm).sum() / treated * u
    assert groups[CONTROL].value("margin") == pytest.approx(mixed.mean())
    assert groups[CONTROL].cov[0, 0] == pytest.approx(mixed.var())
    assert treated_of(groups).value("margin") == pytest.approx(frame[frame.arm != CONTROL].margin.mean())
    assert set(arms_of(groups)) == set(TWO_ARMS)


def test_segments_of_a_stratum_hold_the_effect_that_was_put_in_whoever_was_drawn_more_often():
    market, _ = make_unequal(chances=TWO_ARMS, logged=True, seed=6)
    found = read(market, how=settings(segments=("region",)))
    truth = {"north": EFFECTS[1] - 3.0, "south": EFFECTS[0]}
    rows = [row for row in found.segments if row.arm == "mail"]
    assert len(rows) == 2
    assert all(holds(row.raw, truth[row.segment] - 0.37) for row in rows)


@pytest.mark.parametrize("chances", [ONE_ARM, TWO_ARMS])
def test_the_portfolio_says_what_the_readout_says_and_names_what_it_cannot(chances):
    market, _ = make_unequal(5000, chances=chances, logged=False)
    own = read(market)
    whole = read_portfolio(settings(), market.open(), progress=Silent())
    (found,) = whole.campaigns
    for end in ("point", "ci_lower", "ci_upper"):
        assert getattr(found.raw, end) == pytest.approx(getattr(own.profit, end), rel=1e-6)
    assert whole.arms_unlogged == (() if len(chances) == 1 else ("K1",))
    assert len(whole.arms) == (1 if len(chances) == 1 else 0)


def test_households_and_a_campaign_with_equal_chances_live_beside_one_with_unequal():
    """Both campaigns in one pass give what each gives alone."""
    market, _ = make_unequal(3000, chances=TWO_ARMS, logged=True)
    second = market.contacts.assign(
        campaign_id="K2", offer_id=np.where(np.arange(3000) % 2 == 0, "mail", CONTROL), propensity=0.5,
        arm_propensities=None, contact_cost=0.0, reward_cost=0.0,
    )  # fmt: skip
    homes = market.customers.assign(home=[f"h{i // 2}" for i in range(3000)])
    both = market.but(
        customers=homes,
        contacts=pd.concat([market.contacts, second.astype({"arm_propensities": "string"})], ignore_index=True),
        campaigns=pd.concat([market.campaigns, market.campaigns.assign(campaign_id="K2")], ignore_index=True),
    )
    how = settings(household="home", segments=("region",))
    whole = read_portfolio(how, both.open(), progress=Silent())
    lines = {found.campaign_id: found for found in whole.campaigns}
    for campaign in ("K1", "K2"):
        own = read(both, campaign, how=how)
        assert lines[campaign].raw.point == pytest.approx(own.profit.point, rel=1e-9)
        assert lines[campaign].raw.ci_upper == pytest.approx(own.profit.ci_upper, rel=1e-9)
    assert whole.arms_unlogged == ()
