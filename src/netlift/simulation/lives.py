"""Daily behaviour of the demo retailer's customers: purchases, decline, churn and responses.

A person is *warm*, *cooling* (buys at a fraction of the pace) or *gone* for good, and silently. A purchase gap is a
row of equal steps; each day one step is taken with a chance that the season, the weekday, the stage and an open offer
change, and the last step is a purchase. The future so depends on the past only through stage, steps to go and open
offer, and `netlift.simulation.truth` can compute its expectation exactly.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.simulation.churn import Fate, StreamFate
from netlift.simulation.people import People, respond
from netlift.simulation.world import (
    CATEGORIES,
    COOL_PACE,
    COOL_TO_GONE,
    COOL_TO_WARM,
    FATIGUE_DAYS,
    OFFERS,
    PROMO_MARGIN_CUT,
    RETURN_DAYS,
    season,
)

GONE, COOLING, WARM = 0, 1, 2
EVENT_KINDS = ("open", "visit", "complaint")
OPEN, VISIT, COMPLAINT = range(3)
NO_ARM = -1
CONTROL_ARM = 0
NEVER = -10_000
NPS_EVERY_DAYS = 91

RECEIPT = np.dtype(
    [
        ("day", "i4"),
        ("person", "i4"),
        ("category", "i1"),
        ("promo", "?"),
        ("is_return", "?"),
        ("revenue", "f8"),
        ("margin", "f8"),
    ]
)
HAPPENING = np.dtype([("day", "i4"), ("person", "i4"), ("kind", "i1"), ("value", "f8")])

LOG_PRICE = np.log([category.price for category in CATEGORIES])
MARGIN_RATE = np.array([category.margin_rate for category in CATEGORIES])
RETURN_RATE = np.array([category.return_rate for category in CATEGORIES])


@dataclass(frozen=True, kw_only=True)
class SimulatedCalendar:
    """What every day is like, the first simulated day being day 0.

    Attributes:
        seasons: How busy a day is by the time of year, shape (days,).
        weekdays: Its weekday, Monday is 0, shape (days,).
    """

    seasons: np.ndarray
    weekdays: np.ndarray

    @classmethod
    def from_date(cls, first: dt.date, *, days: int) -> SimulatedCalendar:
        """The calendar of that many days from a date on."""
        dates = [first + dt.timedelta(days=day) for day in range(days)]
        return cls(
            seasons=np.array([season(date) for date in dates]), weekdays=np.array([date.weekday() for date in dates])
        )

    def pace(self, people: People, day: int) -> np.ndarray:
        """Steps that warm people take on a day, on average, shape (n,)."""
        return np.asarray(people.phases / people.gap_days * people.weekday[self.weekdays[day]] * self.seasons[day])


class Journal:
    """Rows of one structured type, written down as they happen.

    Args:
        dtype: The type, with a field `person`.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self._whole, self._parts = np.empty(0, dtype), [np.empty(0, dtype)]

    def add(self, *, person: np.ndarray, **columns: np.ndarray | float) -> None:
        """Write down a row per person."""
        rows: Any = np.zeros(len(person), self._whole.dtype)
        rows["person"] = person
        for name, column in columns.items():
            rows[name] = column
        if len(rows):
            self._parts.append(rows)

    def rows(self) -> np.ndarray:
        """All rows, shape (rows,), in the order they were written down."""
        self._whole, self._parts = np.concatenate([self._whole, *self._parts]), []
        return self._whole


class Lives:
    """Where n persons stand on the morning of a day, and what they have done so far.

    Attributes:
        people: Their traits.
        stage: `GONE`, `COOLING` or `WARM`, shape (n,); `GONE` also before joining.
        steps: Steps to go until the next purchase, shape (n,).
        last_day: Day of the last purchase, or of joining, shape (n,).
        has_bought: Whether they bought within the simulated days, shape (n,).
        arm: What each campaign assigned: `NO_ARM`, `CONTROL_ARM` or 1 + the index of the offer, shape (campaigns, n).
        propensity: Chance of that arm, NaN where nobody knows it, shape (campaigns, n).
        tier: Position of the chances that it was drawn by among the campaign's, -1 where nothing was drawn, shape
            (campaigns, n).
        assigned_day: Day of that, `NEVER` where there was none, shape (campaigns, n).
        delivered: Whether its contact arrived, shape (campaigns, n).
        reward: What its reward cost, shape (campaigns, n).
        receipts: Receipts, rows of `RECEIPT`; a return is written down at once and may lie some days ahead.
        events: Events, rows of `HAPPENING` whose kind is an index into `EVENT_KINDS`.
        answers: NPS answers, rows of `HAPPENING`.
    """

    def __init__(
        self,
        people: People,
        calendar: SimulatedCalendar,
        rng: np.random.Generator,
        *,
        campaigns: int,
        fate: Fate | None = None,
    ) -> None:
        count = len(people)
        self.people, self.calendar, self.rng = people, calendar, rng
        self.fate: Fate = fate or StreamFate(rng)
        self._everybody = np.arange(count)
        self.stage = np.where(people.joined_day < 0, WARM, GONE).astype(np.int8)
        self.steps = (1 + rng.integers(0, people.phases)).astype(np.int8)
        self.last_day = people.joined_day.astype(np.int32)
        self.has_bought = np.zeros(count, dtype=bool)
        self.arm = np.full((campaigns, count), NO_ARM, dtype=np.int8)
        self.propensity = np.full((campaigns, count), np.nan)
        self.tier = np.full((campaigns, count), -1, dtype=np.int8)
        self.assigned_day = np.full((campaigns, count), NEVER, dtype=np.int16)
        self.delivered = np.zeros((campaigns, count), dtype=bool)
        self.reward = np.zeros((campaigns, count))
        self.receipts, self.events, self.answers = Journal(RECEIPT), Journal(HAPPENING), Journal(HAPPENING)
        self._open_until = np.zeros(count, dtype=np.int32)
        self._open_offer = np.zeros(count, dtype=np.int8)
        self._open_campaign = np.zeros(count, dtype=np.int8)
        self._open_factor = np.ones(count)
        self._is_reward_open = np.zeros(count, dtype=bool)
        self._cumulative_affinity = np.cumsum(people.affinity, axis=1)

    def recent_contacts(self, day: int) -> np.ndarray:
        """Contacts that reached each person in the `FATIGUE_DAYS` days before a day, shape (n,)."""
        recent = (self.assigned_day >= day - FATIGUE_DAYS) & (self.assigned_day < day)
        return np.asarray((self.delivered & recent).sum(axis=0))

    def open_offers(self, day: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What stands open on the morning of a day, arrays of shape (n,).

        Returns:
            Days left, 0 for no offer; the factor of the pace meanwhile; by what share the first receipt grows.
        """
        days_left = np.maximum(self._open_until - day, 0)
        lift = np.array([offer.basket_lift for offer in OFFERS])[self._open_offer] * self._is_reward_open
        return days_left, np.where(days_left > 0, self._open_factor, 1.0), np.where(days_left > 0, lift, 0.0)

    def margin_between(self, first_day: int, end_day: int) -> np.ndarray:
        """Margin of each person over days, the end not included, returns taken off, shape (n,)."""
        seen = self.receipts.rows()
        seen = seen[(seen["day"] >= first_day) & (seen["day"] < end_day)]
        return np.bincount(seen["person"], weights=seen["margin"], minlength=len(self.people))

    def send(self, offer_index: int, persons: np.ndarray, *, day: int, campaign: int) -> None:
        """Contact persons, by position, with an offer on the morning of a day."""
        offer, people, fate = OFFERS[offer_index], self.people.take(persons), self.fate
        response = respond(
            people, offer, idle_days=day - self.last_day[persons], recent_contacts=self.recent_contacts(day)[persons]
        )
        self.assigned_day[campaign, persons] = day
        chance = fate.uniform(persons, day, "delivered")
        self.delivered[campaign, persons] = chance < offer.reach
        is_seen = (chance < response.seen) & (self.stage[persons] != GONE)
        seen, pull, leave = persons[is_seen], response.pull[is_seen], response.leave[is_seen]
        warm_up, redeem = response.warm_up[is_seen], response.redeem[is_seen]
        leaves = fate.uniform(seen, day, "leave") < leave
        warms = ~leaves & (self.stage[seen] == COOLING) & (fate.uniform(seen, day, "warm") < warm_up)
        self.stage[seen[leaves]], self.stage[seen[warms]] = GONE, WARM
        self._open_until[seen] = day + offer.days
        self._open_offer[seen], self._open_campaign[seen] = offer_index, campaign
        self._open_factor[seen] = np.exp(pull)
        self._is_reward_open[seen] = fate.uniform(seen, day, "redeem") < redeem
        if offer.channel != "call":
            self._note(OPEN, seen, day)
        self._note(COMPLAINT, seen[leaves & (fate.uniform(seen, day, "complain") < 0.3)], day)

    def live(self, day: int) -> None:
        """Live through a day; offers of its morning are out already."""
        people, fate = self.people, self.fate
        newcomers = np.flatnonzero(people.joined_day == day)
        self.stage[newcomers] = WARM
        turn = fate.uniform(self._everybody, day, "turn")
        was_warm, was_cool = self.stage == WARM, self.stage == COOLING
        self.stage[was_warm & (turn < people.cool_rate)] = COOLING
        self.stage[was_cool & (turn < COOL_TO_GONE)] = GONE
        self.stage[was_cool & (turn > 1 - COOL_TO_WARM)] = WARM
        factor = np.where(self._open_until > day, self._open_factor, 1.0) * np.where(self.stage == WARM, 1.0, COOL_PACE)
        moves = fate.uniform(self._everybody, day, "move") < -np.expm1(-self.calendar.pace(people, day) * factor)
        movers = np.flatnonzero(moves & (self.stage != GONE))
        self.steps[movers] -= 1
        lookers = movers[self.steps[movers] > 0]
        self._note(VISIT, lookers[fate.uniform(lookers, day, "look") < 0.6 * people.digital[lookers]], day)
        joining = newcomers[fate.uniform(newcomers, day, "first") < 0.85]
        self._buy(np.union1d(movers[self.steps[movers] == 0], joining), day)

    def ask(self, day: int) -> None:
        """Ask some recent buyers whether they would recommend the shop; everybody's turn comes once a quarter."""
        fate, in_turn = self.fate, self._everybody[day % NPS_EVERY_DAYS :: NPS_EVERY_DAYS]
        in_turn = in_turn[self.has_bought[in_turn] & (day - self.last_day[in_turn] <= 180)]
        asked = in_turn[fate.uniform(in_turn, day, "asked") < 0.25]
        willing = fate.uniform(asked, day, "willing") < np.array([0.04, 0.2, 0.4])[self.stage[asked]]
        persons = asked[willing]
        mood = 7.7 + 1.5 * self.people.satisfaction[persons] - 2.0 * (self.stage[persons] != WARM)
        score = np.clip(np.rint(mood + 1.2 * fate.normal(persons, day, "mood")), 0, 10).astype(np.int8)
        self.answers.add(day=day, person=persons, value=score)

    def _buy(self, persons: np.ndarray, day: int) -> None:
        fate, people = self.fate, self.people
        self.steps[persons] = people.phases[persons]
        self.last_day[persons], self.has_bought[persons] = day, True
        category = (fate.uniform(persons, day, "category")[:, None] > self._cumulative_affinity[persons, :-1]).sum(
            axis=1
        )
        spread = people.basket_spread[persons] * fate.normal(persons, day, "basket")
        revenue = np.exp(people.log_basket[persons] + LOG_PRICE[category] + spread)
        revenue = np.round(revenue * self._redeem(persons, revenue, day), 2)
        promo = fate.uniform(persons, day, "promo") < people.promo[persons]
        margin = np.round(revenue * (MARGIN_RATE[category] - PROMO_MARGIN_CUT * promo), 2)
        self.receipts.add(day=day, person=persons, category=category, promo=promo, revenue=revenue, margin=margin)
        back = np.flatnonzero(fate.uniform(persons, day, "return") < RETURN_RATE[category])
        first, last = RETURN_DAYS
        self.receipts.add(
            day=day + fate.integers(persons[back], day, "return_day", low=first, high=last + 1),
            person=persons[back],
            category=category[back],
            promo=promo[back],
            is_return=True,
            revenue=-revenue[back],
            margin=-margin[back],
        )
        upset = fate.uniform(persons, day, "upset") < 0.004 * np.exp(-0.6 * people.satisfaction[persons])
        self._note(COMPLAINT, persons[upset], day)

    def _redeem(self, persons: np.ndarray, revenue: np.ndarray, day: int) -> np.ndarray:
        """Pay the rewards that fall due, and say by what factor each receipt is larger for it, shape (n,)."""
        is_open = self._open_until[persons] > day
        pays = is_open & self._is_reward_open[persons]
        self._is_reward_open[persons[is_open]] = False
        factor = np.ones(len(persons))
        for index, offer in enumerate(OFFERS):
            due = pays & (self._open_offer[persons] == index)
            factor[due] = 1 + offer.basket_lift
            reward = np.minimum(offer.reward_cap, offer.reward_share * factor[due] * revenue[due])
            self.reward[self._open_campaign[persons[due]], persons[due]] = np.round(reward, 2)
        return factor

    def _note(self, kind: int, persons: np.ndarray, day: int) -> None:
        value = 1.0 + self.fate.poisson(persons, day, "pages", mean=4.0) if kind == VISIT else np.nan
        self.events.add(day=day, person=persons, kind=kind, value=value)
