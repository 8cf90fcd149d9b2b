"""A journey of four steps designed, run over simulated months, and read: the interval holds what it really earned.

The truth is the same shop with the same luck in which nobody is contacted: what the journey's customers brought beyond
their own other life, less what their steps cost.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from readout_world import CHECKOUT, Market, read, settings

from netlift.abtest.assignment.draw import hash_units, to_uniform
from netlift.abtest.design.power import spread_of
from netlift.abtest.design.sizing import Setup, measure
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.closed_loop.loop import plain_rules
from netlift.config.business import load
from netlift.config.journeys import JourneySettings
from netlift.config.outreach import TriggerSettings
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.journey_events import to_events
from netlift.decisions.eligibility.options import Used, make_options
from netlift.decisions.journeys.contacts import to_campaigns, to_contacts
from netlift.decisions.journeys.night import JourneyFacts, Night, NightRequest, run_night
from netlift.simulation.rounds import NOBODY, Archive, World, begin_world
from netlift.simulation.world import OFFERS

pytestmark = pytest.mark.slow

START, SILENT, OUTCOME, EVERY, NIGHTS = dt.date(2026, 3, 1), 21, 42, 3, 40
JOURNEY = JourneySettings.model_validate(
    {
        "name": "back",
        "trigger": "quiet",
        "control_share": 0.4,
        "outcome_days": OUTCOME,
        "exits": ["bought", "opted_out", "complained"],
        "enter_until": START + dt.timedelta(days=EVERY * NIGHTS - OUTCOME - EVERY),
        "steps": [
            {"offers": ["push_reminder", "email_discount_10"]},
            {"after_days": 6, "offers": ["email_discount_10", "sms_bonus_300"]},
            {"after_days": 6, "offers": ["sms_bonus_300", "push_reminder"]},
            {"after_days": 9, "offers": ["call_advice", "push_reminder"]},
        ],
    }
)
RULES = plain_rules(load(CHECKOUT / "configs/demo.yaml"), epsilon=None).model_copy(
    update={
        "triggers": (TriggerSettings(name="quiet", when="silence", over_gap=1.0, window_days=EVERY),),
        "journeys": (JOURNEY,),
    }
)
KNOWN = {
    o.offer_id: {"channel": o.channel, "contact_cost": o.contact_cost, "valid_from": None, "valid_to": None}
    for o in OFFERS
}
OPTIONS = make_options(RULES, KNOWN)


def live(seed: int, customers: int = 1500):
    """Nights of the journey, and the same shop in which nothing is sent."""
    world = begin_world(
        customers=customers,
        seed=seed,
        start=START,
        history_days=250,
        rounds=NIGHTS,
        preset="retailer",
        every_days=EVERY,
    )
    silent, nights = world.fork(), []
    for _ in range(NIGHTS):
        nights.append(move(world, nights))
        world.answer(np.where(nights[-1].option >= 0, nights[-1].option, NOBODY).astype(np.int8))
        silent.answer(np.full(customers, NOBODY, dtype=np.int8))
    nights.append(move(world, nights))
    return world, silent, nights


def move(world: World, nights: list[Night]) -> Night:
    n, lives = len(world.ids), world.lives
    ids = pd.Index(world.ids.to_pylist(), dtype=object)
    idle = np.where(lives.has_bought & world.is_known, world.today - lives.last_day, -1)
    nobody, open_to = np.zeros(n, dtype=bool), world.open_offers()
    channels = [option.channel for option in OPTIONS]
    day = np.datetime64(world.date, "D")
    fired = (idle >= SILENT) & (idle < (SILENT + EVERY if nights else 90))
    return run_night(
        NightRequest(
            decision=RULES,
            options=OPTIONS,
            customers=Customers(
                columns={},
                consent={channel: open_to[:, j] for j, channel in enumerate(channels)},
                opted_out=dict.fromkeys(channels, nobody),
                left=nobody,
                held_out=nobody,
                reserved=nobody,
                in_journey=nobody,
                pressed=dict.fromkeys(channels, nobody),
                days_since_purchase=np.full(n, np.nan),
                days_since_complaint=np.full(n, np.nan),
                in_window=np.zeros((n, len(OPTIONS)), dtype=bool),
                has_effect=np.ones((n, len(OPTIONS)), dtype=bool),
            ),
            ids=ids,
            cost=np.array([option.contact_cost for option in OPTIONS]),
            events=pd.concat([night.events for night in nights], ignore_index=True) if nights else to_events([]),
            facts=JourneyFacts(
                fired=fired[None, :],
                last_purchase=np.where(idle > 0, day - idle.astype("timedelta64[D]"), np.datetime64("NaT")),
                last_complaint=np.full(n, np.datetime64("NaT", "D")),
            ),
            used=Used(),
            as_of=world.date,
            run_key=world.date.isoformat(),
            draw=lambda journey, who: to_uniform(hash_units(who, salt=journey, purpose="arm")),
        )
    )


def margin_in(world: World, person: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Margin of persons over the outcome window from their own day on."""
    rows = world.lives.receipts.rows()
    first = np.full(len(world.ids), np.iinfo(np.int32).max // 2)
    first[person] = start
    day = rows["day"] - first[rows["person"]]
    own = (day >= 0) & (day < OUTCOME)
    return np.bincount(rows["person"][own], weights=rows["margin"][own], minlength=len(world.ids))[person]


def bookkeeping(world: World, nights: list[Night]) -> tuple[pd.DataFrame, Market]:
    """Passages whose windows are over with what rewards cost, and the tables of the shop with them."""
    rewards = np.sum([world.reward_of(k) for k in range(NIGHTS)], axis=0)
    reached = np.any([world.delivered_in(k) for k in range(NIGHTS)], axis=0)
    positions = pd.Index(world.ids.to_pylist())
    contacts = pd.concat([to_contacts(night.closed).to_pandas() for night in nights], ignore_index=True)
    contacts["person"] = positions.get_indexer(contacts["customer_id"])
    is_treated = contacts["offer_id"] != "control"
    contacts["reward_cost"] = np.where(is_treated, rewards[contacts["person"]], 0.0)
    contacts["delivered_at"] = contacts["assigned_at"].where(is_treated & reached[contacts["person"]])
    archive = Archive(seed=1)
    archive.close(world)
    tables = {name: table.to_pandas() for name, table in archive.tables().items()}
    campaigns = pd.concat([to_campaigns(RULES.journeys, night).to_pandas() for night in nights])
    own = contacts.drop(columns="person")
    return contacts, Market(
        customers=tables["customers"],
        transactions=tables["transactions"],
        offers=tables["offers"],
        campaigns=pd.concat([tables["campaigns"], campaigns], ignore_index=True),
        contacts=pd.concat([tables["contacts"], own], ignore_index=True),
    )


def true_profit(world: World, silent: World, contacts: pd.DataFrame) -> float:
    treated = contacts[contacts["offer_id"] != "control"]
    person = treated["person"].to_numpy()
    start = (treated["assigned_at"].dt.date - world.first_day).map(lambda gap: gap.days).to_numpy()
    gained = margin_in(world, person, start) - margin_in(silent, person, start)
    return float(gained.sum() - (treated["contact_cost"] + treated["reward_cost"]).sum())


def designed_half_width(world: World, *, customers: int) -> float:
    """What the design promises, from what customers spent in as many days before the first night."""
    start = world.starts[0]
    idle = np.flatnonzero(world.lives.has_bought)
    values = np.zeros((len(idle), len(OUTCOMES)))
    values[:, OUTCOMES.index("margin")] = world.lives.margin_between(start - OUTCOME, start)[idle]
    values[:, OUTCOMES.index("revenue")] = values[:, OUTCOMES.index("margin")]
    setup = Setup(spread=spread_of(of_rows(values, OUTCOMES)), weights={"back": 1.0}, level=0.95)
    return measure(setup, customers=customers, control_share=JOURNEY.control_share).half_width


def run(seed: int):
    world, silent, nights = live(seed)
    contacts, market = bookkeeping(world, nights)
    return read(market, "back", how=settings(level=0.95)), true_profit(world, silent, contacts), contacts, nights, world


@pytest.fixture(scope="module")
def journey():
    return run(12)


def test_the_interval_of_the_readout_holds_what_the_journey_really_earned(journey):
    readout, truth, contacts, _, world = journey
    profit = readout.arms[0].profit
    assert profit.ci_lower <= truth <= profit.ci_upper
    assert readout.verdict.code != "blocked" and not readout.observational
    half = (profit.ci_upper - profit.ci_lower) / 2 / readout.arms[0].assigned
    promised = designed_half_width(world, customers=len(contacts))
    assert 0.5 * promised < half < 2 * promised, "the precision is of the order that the design promised"


def test_every_step_and_every_cost_of_it_is_in_what_is_read(journey):
    readout, _, contacts, nights, world = journey
    line, sent = nights[-1].lines[0], world.sent != NOBODY
    steps = sent.sum(axis=0)
    assert line.sent[0] == (steps > 0).sum() and sum(line.sent) == sent.sum() > 1000
    assert line.entered == line.finished + sum(line.exits.values()) and line.waiting == 0
    assert (line.closed, line.control) == (len(contacts), (contacts["offer_id"] == "control").sum())
    paid = sum(world.cost_of(k) for k in range(NIGHTS))
    assert contacts["contact_cost"].sum() == pytest.approx(paid.sum())
    assert not paid[contacts.loc[contacts["offer_id"] == "control", "person"]].any()
    assert readout.arms[0].assigned == line.entered
