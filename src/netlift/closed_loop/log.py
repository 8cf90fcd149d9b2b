"""Rounds of the loop as rows of campaigns and contacts, from which the next round learns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from netlift.closed_loop.loop import Round
from netlift.closed_loop.policies import OFFER_IDS
from netlift.data.contract import CONTROL
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.simulation.rounds import NOBODY, Archive, World

LEAST_LOTS = 60
DAY_US = np.timedelta64(86_400_000_000, "us")
UNTIL_DELIVERY = np.timedelta64(9 * 3600, "s")


def log_round(archive: Archive, world: World, made: Round, *, this: int) -> None:
    """Write the lots of a round that is over into the tables of campaigns and contacts.

    Those whose offer was drawn evenly teach effects: among them every open offer and none were equally likely. Each set
    of open offers is a campaign of its own, since only the same lots can be compared; one that is too small to have a
    control stands as not randomized. What the policy gave is logged as such: nobody was drawn against it, or so rarely
    that a row would weigh as much as a hundred others.
    """
    decided = made.decided
    open_to, draw = decided.eligibility.explorable, decided.draw
    start = np.datetime64(world.first_day, "us") + world.starts[this] * DAY_US
    codes = open_to @ (1 << np.arange(len(OFFER_IDS)))
    codes[~draw.explored] = 0
    even = 1.0 / (open_to.sum(axis=1) + 1)
    for code in np.unique(codes[codes > 0]):
        lots = np.flatnonzero(codes == code)
        drawn = np.unique(draw.option[lots])
        is_drawn = len(lots) >= LEAST_LOTS and NOBODY in drawn and len(drawn) > 1
        name = f"R{this + 1:02d}-explore-{code:02d}"
        archive.add("campaigns", _campaign(name, start, randomized=bool(is_drawn)))
        archive.add("contacts", _contacts(name, start, world, made, lots, propensity=even[lots], this=this))
    name, lots = f"R{this + 1:02d}-policy", np.flatnonzero(~draw.explored & (draw.option != NOBODY))
    if len(lots):
        archive.add("campaigns", _campaign(name, start, randomized=False))
        chance = draw.propensity[lots]
        archive.add("contacts", _contacts(name, start, world, made, lots, propensity=chance, this=this))


def _campaign(name: str, start: np.datetime64, *, randomized: bool) -> pa.Table:
    return pa.table(
        {
            "campaign_id": [name],
            "started_at": pa.array(np.array([start])),
            "outcome_days": [float(OUTCOME_DAYS)],
            "name": [f"decisions {name}"],
            "fixed_cost": [0.0],
            "randomized": [randomized],
        }
    )


def _contacts(
    name: str, start: np.datetime64, world: World, made: Round, lots: np.ndarray, *, propensity: np.ndarray, this: int
) -> pa.Table:
    draw, persons = made.decided.draw, made.persons[lots]
    delivered_at = np.where(world.delivered_in(this)[persons], start + UNTIL_DELIVERY, np.datetime64("NaT", "us"))
    costs = np.array([*(option.contact_cost for option in made.decided.options), 0.0])
    return pa.table(
        {
            "campaign_id": [name] * len(lots),
            "customer_id": world.ids.take(pa.array(persons)),
            "assigned_at": np.full(len(lots), start),
            "offer_id": pa.array(np.array([*OFFER_IDS, CONTROL], dtype=object)[draw.option[lots]], pa.string()),
            "propensity": propensity,
            "contact_cost": costs[draw.option[lots]],
            "reward_cost": world.reward_of(this)[persons],
            "delivered_at": pa.array(delivered_at.astype("datetime64[us]")),
        }
    )


__all__ = ["log_round"]
