"""Simulation in rounds: a world that responds to contacts, and copies to compare.

Worlds that are forked from one another share people, past, and luck (`fate.MatchedFate`): they differ by what was sent
and by nothing else. Books are closed round by round, and what was once written never changes.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from netlift.data.write import parquet_writer
from netlift.simulation.campaigns import CAMPAIGNS, OUTCOME_DAYS, live_day
from netlift.simulation.churn import MatchedFate
from netlift.simulation.lives import Lives, SimulatedCalendar
from netlift.simulation.people import draw_people
from netlift.simulation.presets import shape_people
from netlift.simulation.tables import KEPT, Books, campaigns_table, customer_ids, offers_table, schema_of
from netlift.simulation.world import OFFERS

NOBODY = -1
MOST_IDLE_DAYS = 365
AFTERWARDS_DAYS = 365
_ONE_CHUNK = 0


class World:
    """A shop on the morning of a round.

    Attributes:
        lives: Its customers' lives.
        ids: Their ids, by position.
        first_day: Date of day 0.
        today: The day that has not been lived yet, counted from `first_day`.
        starts: First day of each round, and the end of the last one.
        sent: Offer sent to each person in each round, `NOBODY` for none, int8, shape (rounds, n).
    """

    def __init__(self, lives: Lives, *, first_day: dt.date, starts: tuple[int, ...]) -> None:
        self.lives, self.first_day, self.today, self.starts = lives, first_day, 0, starts
        self.ids = customer_ids(_ONE_CHUNK, len(lives.people), chunk_customers=len(lives.people))
        self.sent = np.full((len(starts) - 1, len(lives.people)), NOBODY, dtype=np.int8)

    @property
    def round(self) -> int:
        """Position of the round that begins today."""
        return self.starts.index(self.today)

    @property
    def date(self) -> dt.date:
        """Today's date."""
        return self.first_day + dt.timedelta(days=self.today)

    @property
    def is_known(self) -> np.ndarray:
        """Who has joined before today, bool, shape (n,)."""
        return np.asarray(self.lives.people.joined_day < self.today)

    def open_offers(self) -> np.ndarray:
        """Which offers a shop may send to whom: consent, a purchase, and not too long ago, bool, shape (n, offers)."""
        is_customer = self.lives.has_bought & (self.today - self.lives.last_day <= MOST_IDLE_DAYS) & self.is_known
        return np.asarray(self.lives.people.consent & is_customer[:, None])

    def days_since_contact(self) -> np.ndarray:
        """Days since the last round in which each person was sent something, infinite without one, shape (n,)."""
        days = np.full(len(self.lives.people), np.inf)
        for sent, start in zip(self.sent, self.starts, strict=False):
            if start < self.today:
                days[sent != NOBODY] = self.today - start
        return days

    def fork(self) -> World:
        """A world that has lived the same so far, and has the same luck ahead."""
        return copy.deepcopy(self)

    def answer(self, offer: np.ndarray) -> None:
        """Send offers on the morning of the round, and live until the next round begins.

        Args:
            offer: Index into `OFFERS` of each person, `NOBODY` for none, shape (n,).

        Raises:
            ValueError: Somebody is sent what is not open.
        """
        this, given = self.round, np.flatnonzero(offer != NOBODY)
        if not self.open_offers()[given, offer[given]].all():
            raise ValueError("an offer was sent to somebody whom it was not open to")
        self.sent[this] = offer
        campaign = len(CAMPAIGNS) + this
        for index in range(len(OFFERS)):
            self.lives.send(index, np.flatnonzero(offer == index), day=self.today, campaign=campaign)
        self.live_until(self.starts[this + 1])

    def live_until(self, end: int) -> None:
        """Live through the days before `end`, with the campaigns of the history that fall on them.

        These are over when the first round begins, so that their books are whole.
        """
        for day in range(self.today, end):
            live_day(self.lives, day, end_day=self.starts[0] - OUTCOME_DAYS)
        self.today = end

    def reward_of(self, this: int) -> np.ndarray:
        """What the rewards of a round cost by person, shape (n,)."""
        return np.asarray(self.lives.reward[len(CAMPAIGNS) + this])

    def delivered_in(self, this: int) -> np.ndarray:
        """Whether the contact of a round arrived, bool, shape (n,)."""
        return np.asarray(self.lives.delivered[len(CAMPAIGNS) + this])

    def cost_of(self, this: int) -> np.ndarray:
        """What the contacts of a round cost by person, shape (n,)."""
        costs = np.array([*(offer.contact_cost for offer in OFFERS), 0.0])
        return np.asarray(costs[self.sent[this]])

    def margin_of(self, this: int) -> np.ndarray:
        """Margin of a round by person, returns taken off, shape (n,)."""
        return self.lives.margin_between(self.starts[this], self.starts[this + 1])


def begin_world(
    *,
    customers: int,
    seed: int,
    start: dt.date,
    history_days: int,
    rounds: int,
    preset: str,
    every_days: int | None = None,
) -> World:
    """A shop that has lived its history, with the campaigns of the demo retailer, up to the first round.

    Args:
        customers: How many will have joined when the last round is over.
        seed: Of all randomness.
        start: First day of the first round; the first of a month where rounds are months.
        history_days: Days lived before it.
        rounds: How many rounds will follow.
        preset: Which shop.
        every_days: Days of a round; None for calendar months.
    """
    if every_days is None:
        days = [(_add_months(start, k) - start).days for k in range(rounds + 1)]
    else:
        days = [every_days * k for k in range(rounds + 1)]
    starts = tuple(history_days + day for day in days)
    first_day = start - dt.timedelta(days=history_days)
    rng = np.random.default_rng(np.random.SeedSequence((seed, _ONE_CHUNK)))
    people = shape_people(draw_people(customers, rng, history_days=starts[-1]), preset=preset)
    calendar = SimulatedCalendar.from_date(first_day, days=starts[-1] + AFTERWARDS_DAYS)
    fate = MatchedFate(seed=seed, count=customers)
    lives = Lives(people, calendar, rng, campaigns=len(CAMPAIGNS) + rounds, fate=fate)
    world = World(lives, first_day=first_day, starts=starts)
    world.live_until(starts[0])
    return world


class Archive:
    """The books of a world, closed round by round.

    Args:
        seed: Where hours of receipts and other trifles come from.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed, self._closed, self._receipts = seed, 0, 0
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in KEPT}

    def close(self, world: World) -> None:
        """Write down what happened since the last closing."""
        pages = (self._closed, self._receipts)
        rng = np.random.default_rng((self._seed, self._closed))
        books = Books(
            world.lives, world.ids, first_day=world.first_day, days=world.today, chunk=_ONE_CHUNK, pages=pages, rng=rng
        )
        found = {"customers": books.customers(), "transactions": books.transactions(), "events": books.events()}
        found["surveys"] = books.surveys()
        if not self._closed:
            found["contacts"] = books.contacts()
            over = world.date - dt.timedelta(days=OUTCOME_DAYS)
            found["campaigns"] = campaigns_table(first_day=world.first_day, end=over)
            found["offers"] = offers_table(first_day=world.first_day)
        for name, table in found.items():
            self.add(name, table)
        self._closed, self._receipts = world.today, self._receipts + found["transactions"].num_rows

    def copy(self) -> Archive:
        """The same books, to be carried on in another world."""
        other = Archive(seed=self._seed)
        other._closed, other._receipts = self._closed, self._receipts
        other._parts = {name: [*parts] for name, parts in self._parts.items()}
        return other

    def add(self, name: str, table: pa.Table) -> None:
        """Write rows into one of the tables; what the contract knows and the rows lack is null."""
        schema = schema_of(name)
        columns = [
            table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in schema
        ]
        self._parts[name].append(pa.table(columns, schema=schema))

    def tables(self) -> Mapping[str, pa.Table]:
        """All that was written, table by table."""
        return {name: pa.concat_tables(parts) for name, parts in self._parts.items()}

    def write(self, folder: Path) -> None:
        """Write the tables into a folder that is there."""
        for name, table in self.tables().items():
            with parquet_writer(folder / f"{name}.parquet", table.schema) as writer:
                writer.write_table(table)


def _add_months(first: dt.date, count: int) -> dt.date:
    months = first.year * 12 + first.month - 1 + count
    return dt.date(months // 12, months % 12 + 1, 1)


__all__ = ["MOST_IDLE_DAYS", "NOBODY", "Archive", "World", "begin_world"]
