"""The daily curve is the headline of a shorter window, in every design; its last point is the headline."""

import numpy as np
import pandas as pd
import pytest
from readout_world import ASSIGNED, DAYS, make_market, read, settings
from unequal_world import ONE_ARM, TWO_ARMS, make_unequal

from netlift.config.plan import freeze_plan

pytestmark = pytest.mark.slow


def with_homes(market):
    """Two customers a home, here and there three."""
    homes = [f"h{(i - i // 9) // 2}" for i in range(len(market.customers))]
    return market.but(customers=market.customers.assign(home=homes))


def with_second_arm(market):
    contacts = market.contacts.copy()
    half = (contacts.offer_id == "mail") & (np.arange(len(contacts)) % 3 == 0)
    contacts.loc[half, "offer_id"] = "call"
    contacts["propensity"] = np.where(contacts.offer_id == "control", 0.5, 0.25)
    offers = pd.concat([market.offers, market.offers.assign(offer_id="call")], ignore_index=True)
    return market.but(contacts=contacts, offers=offers)


def with_more_receipts(market, seed=5):
    """Customers come more than once within the window, and bring something back."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(market.customers.customer_id.to_numpy(), 1500)
    amount = np.where(rng.random(1500) < 0.15, -1.0, 1.0) * rng.gamma(2.0, 8.0, 1500)
    when = ASSIGNED + pd.to_timedelta(rng.integers(0, DAYS * 1440, 1500), unit="min")
    more = pd.DataFrame({"customer_id": ids, "occurred_at": when, "revenue": amount * 2.5, "margin": amount})
    return market.but(transactions=pd.concat([market.transactions, more], ignore_index=True))


DESIGNS = {
    "adjusted": lambda: (make_market(900, seed=3), {}),
    "several_arms": lambda: (with_second_arm(make_market(1200, seed=4)), {}),
    "households": lambda: (with_homes(make_market(900, seed=5)), {"household": "home"}),
    "weighted": lambda: (make_unequal(1200, seed=7, chances=ONE_ARM, fixed_cost=300.0)[0], {}),
    "weighted_arms": lambda: (make_unequal(1500, seed=8, chances=TWO_ARMS, logged=True)[0], {}),
    "unlogged_arms": lambda: (make_unequal(1500, seed=9, chances=TWO_ARMS, fixed_cost=300.0)[0], {}),
    "weighted_arms_of_households": lambda: (
        with_homes(make_unequal(1500, seed=11, chances=TWO_ARMS, logged=True)[0]), {"household": "home"},
    ),
}  # fmt: skip


def close(one, other, *, rel=1e-7):
    for end in ("point", "ci_lower", "ci_upper"):
        assert getattr(one, end) == pytest.approx(getattr(other, end), rel=rel, abs=1e-6)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_last_day_is_the_headline_and_every_other_day_that_of_a_shorter_window(design):
    market, how = DESIGNS[design]()
    market = with_more_receipts(market)
    found = read(market, how=settings(**how))
    last = {point.arm: point for point in found.days}
    assert set(last) == {arm.arm for arm in found.arms}
    for arm in found.arms:
        assert last[arm.arm].day == DAYS - 1
        close(last[arm.arm].profit, arm.profit)
    day = 5
    short = read(market.but(campaigns=market.campaigns.assign(outcome_days=float(day + 1))), how=settings(**how))
    shown = {point.arm: point for point in found.days if point.day == day}
    for arm in short.arms:
        assert shown[arm.arm].profit.point == pytest.approx(arm.profit.point, rel=1e-7)
        # Of several arms each window has its own critical value, that of how much the arms' errors go together.
        close(shown[arm.arm].profit, arm.profit, rel=1e-7 if len(found.arms) == 1 else 2e-2)


def test_while_windows_are_open_the_curve_ends_where_the_headline_stands():
    market = with_more_receipts(make_market(700, seed=12))
    found = read(market, as_of=(ASSIGNED + pd.Timedelta(days=6, hours=7)).to_pydatetime())
    assert found.verdict.code == "blocked"
    assert found.days[-1].day == 6
    close(found.days[-1].profit, found.arms[0].profit)


def make_plan():
    mail = {
        "offer_id": "mail", "share": 0.5, "channel": "email", "contact_cost": 0.5, "reward": 1, "reward_share": 0,
    }  # fmt: skip
    return freeze_plan(
        campaign_id="K1", name="Spring", hypothesis="Mail pays", metric="incremental_profit", currency="RUB",
        start=ASSIGNED.to_pydatetime(), outcome_days=DAYS, control_share=0.5, fixed_cost=200.0, eligible=(), strata=(),
        arms=[mail], segments=(), looks=2, level=0.95, tolerance=100.0, salt="K1",
    )  # fmt: skip


def test_at_a_planned_look_the_curve_has_the_interval_of_the_look():
    market = with_more_receipts(make_market(700, seed=13))
    found = read(market, plan=make_plan())
    assert len(found.looks) == 2
    close(found.days[-1].profit, found.arms[0].profit)
    narrow = read(market).days[-1].profit
    wide = found.days[-1].profit
    assert wide.ci_upper - wide.ci_lower > narrow.ci_upper - narrow.ci_lower
