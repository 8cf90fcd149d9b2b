"""Tables of the data contract from simulated lives."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netlift.data.arm_chances import write_chances
from netlift.data.contract import CONSENT_PREFIX, CONTRACT, CONTROL
from netlift.simulation.campaigns import CAMPAIGNS, OUTCOME_DAYS, TIER_MARGINS
from netlift.simulation.lives import CONTROL_ARM, EVENT_KINDS, NO_ARM, Lives
from netlift.simulation.people import People
from netlift.simulation.world import (
    CATEGORIES,
    CHANNELS,
    FEMALE_NAMES,
    MALE_NAMES,
    OFFERS,
    REGIONS,
    SOURCES,
    SURNAMES,
)

ARMS = (CONTROL, *(offer.offer_id for offer in OFFERS))
SHOPS = ("store", "online", "app")
_TIERS = 1 + len(TIER_MARGINS)

_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "instant": pa.timestamp("us"),
    "date": pa.date32(),
    "money": pa.float64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}
_HOUR = 3600
_OPENING, _SHOP_HOURS = 9 * _HOUR, 13 * _HOUR
_CONTACT_TIME = 8 * _HOUR
_DELIVERY_SECONDS = (300, 3300)
_SURVEY_TIME = int(22.5 * _HOUR)
_LATE_SHARE = 0.02
_CSI_SHARE = 0.02
_NO_BIRTH_DATE_SHARE = 0.07
_RECEIPTS_PER_CHUNK = 10**8
KEPT = tuple(name for name in CONTRACT if name != "item_scores")
"""Tables that the retailer keeps: it has no recommender."""
_NOT_KEPT = {"customers": ("cancelled_at",)}
_ATTRIBUTES = {
    "customers": [("name", pa.string()), *((f"{CONSENT_PREFIX}{channel}", pa.bool_()) for channel in CHANNELS)]
}


def schema_of(table: str) -> pa.Schema:
    """The Arrow schema of a table: the contract's columns that the retailer keeps, then its own attributes."""
    kept = [column for column in CONTRACT[table].columns if column.name not in _NOT_KEPT.get(table, ())]
    return pa.schema([*((column.name, _TYPES[column.type]) for column in kept), *_ATTRIBUTES.get(table, [])])


def customer_ids(chunk: int, count: int, *, chunk_customers: int) -> pa.StringArray:
    """Ids of a chunk's customers, with leading zeros."""
    first = 1 + chunk * chunk_customers
    return pa.array([f"{number:010d}" for number in range(first, first + count)], pa.string())


class Books:
    """The books on the lives of one chunk, closed on the first day that was not lived.

    Args:
        lives: The lives.
        ids: Ids of the persons, by position.
        first_day: Date of day 0.
        days: Days that were lived.
        chunk: Number of the chunk, which keeps receipt numbers apart.
        pages: First day of these pages and number of their first receipt; what came before stands on earlier ones.
        rng: Where hours and other trifles come from; None for the stream of the lives.
    """

    def __init__(
        self,
        lives: Lives,
        ids: pa.StringArray,
        *,
        first_day: dt.date,
        days: int,
        chunk: int,
        pages: tuple[int, int] = (0, 0),
        rng: np.random.Generator | None = None,
    ) -> None:
        self._lives, self._ids, self._days, self._chunk = lives, ids, days, chunk
        self._first_day = np.datetime64(first_day, "us")
        self._rng = rng or lives.rng
        self._since, self._first_number = pages
        self._receipts = self._on_these_pages(lives.receipts.rows())
        self._second = (_OPENING + _SHOP_HOURS * self._rng.beta(2.0, 1.6, len(self._receipts))).astype(np.int64)

    def tables(self) -> dict[str, pa.Table]:
        """The tables that grow with the number of customers, rows in order of time."""
        return {
            "customers": self.customers(),
            "transactions": self.transactions(),
            "contacts": self.contacts(),
            "events": self.events(),
            "surveys": self.surveys(),
        }

    def customers(self) -> pa.Table:
        """A row per person; whoever joined with a purchase joined minutes before it."""
        people, rng, count = self._lives.people, self._rng, len(self._lives.people)
        second = rng.integers(_OPENING, _OPENING + _SHOP_HOURS, count)
        on_joining = self._receipts["day"] == people.joined_day[self._receipts["person"]]
        on_joining &= ~self._receipts["is_return"]
        second[self._receipts["person"][on_joining]] = self._second[on_joining] - 300
        today = (self._first_day + np.timedelta64(self._days, "D")).astype("datetime64[D]")
        birth_date = today - (people.age * 365.25).astype("timedelta64[D]")
        birth_date[rng.random(count) < _NO_BIRTH_DATE_SHARE] = np.datetime64("NaT")
        columns = {
            "customer_id": self._ids,
            "joined_at": self._instants(people.joined_day, second),
            "birth_date": birth_date,
            "region": _labels([name for name, _ in REGIONS], people.region),
            "acquisition_channel": _labels([source.name for source in SOURCES], people.source),
            "acquisition_cost": people.acquisition_cost,
            "name": _draw_names(people, rng),
        }
        consents = {f"{CONSENT_PREFIX}{channel}": people.consent[:, i] for i, channel in enumerate(CHANNELS)}
        table = pa.table(columns | consents, schema=schema_of("customers"))
        known_since = self._since if self._since else people.joined_day.min(initial=0)
        return table.filter(pa.array((people.joined_day >= known_since) & (people.joined_day < self._days)))

    def transactions(self) -> pa.Table:
        """A row per receipt and per return; a few became known a day or more later."""
        order = np.lexsort((self._second, self._receipts["day"]))
        rows, second, rng = self._receipts[order], self._second[order], self._rng
        digital = self._lives.people.digital[rows["person"]] * ~rows["is_return"]
        chance = rng.random(len(rows))
        shop = (chance < 0.8 * digital).astype(np.int8) + (chance < 0.45 * digital)
        occurred_at = self._instants(rows["day"], second)
        ingested_at = occurred_at + rng.integers(86_400, 3 * 86_400, len(rows)).astype("timedelta64[s]")
        is_late = (rng.random(len(rows)) < _LATE_SHARE) & (ingested_at < self._instants(self._days, 0))
        ingested_at[~is_late] = np.datetime64("NaT")
        number = pa.array(self._chunk * _RECEIPTS_PER_CHUNK + self._first_number + np.arange(len(rows)))
        return pa.table(
            {
                "customer_id": self._ids.take(pa.array(rows["person"])),
                "occurred_at": occurred_at,
                "revenue": rows["revenue"],
                "margin": rows["margin"],
                "transaction_id": pc.utf8_lpad(number.cast(pa.string()), 14, "0"),
                "category": _labels([category.name for category in CATEGORIES], rows["category"]),
                "channel": _labels(SHOPS, shop),
                "promo": rows["promo"],
                "is_return": rows["is_return"],
                "ingested_at": ingested_at,
            },
            schema=schema_of("transactions"),
        )

    def contacts(self) -> pa.Table:
        """A row per assigned person of each campaign, control included."""
        lives = self._lives
        campaign, person = np.nonzero(lives.arm != NO_ARM)
        arm = lives.arm[campaign, person]
        assigned_at = self._instants(lives.assigned_day[campaign, person], _CONTACT_TIME)
        delivered_at = assigned_at + self._rng.integers(*_DELIVERY_SECONDS, len(arm)).astype("timedelta64[s]")
        delivered_at[~lives.delivered[campaign, person]] = np.datetime64("NaT")
        cost = np.array([0.0, *(offer.contact_cost for offer in OFFERS)])
        return pa.table(
            {
                "campaign_id": _labels([one.campaign_id for one in CAMPAIGNS], campaign),
                "customer_id": self._ids.take(pa.array(person)),
                "assigned_at": assigned_at,
                "offer_id": _labels(ARMS, arm - CONTROL_ARM),
                "propensity": pa.array(lives.propensity[campaign, person], from_pandas=True),
                "arm_propensities": _chances_of_tiers().take(
                    pa.array(_TIERS * campaign + np.maximum(lives.tier[campaign, person], 0))
                ),
                "contact_cost": cost[arm],
                "reward_cost": lives.reward[campaign, person],
                "delivered_at": delivered_at,
            },
            schema=schema_of("contacts"),
        )

    def events(self) -> pa.Table:
        """Opened contacts, visits without a purchase (value: pages seen), complaints."""
        rows = self._on_these_pages(self._lives.events.rows())
        second = self._rng.integers(_OPENING, _OPENING + _SHOP_HOURS, len(rows))
        order = np.lexsort((second, rows["day"]))
        rows, second = rows[order], second[order]
        return pa.table(
            {
                "customer_id": self._ids.take(pa.array(rows["person"])),
                "occurred_at": self._instants(rows["day"], second),
                "kind": _labels(EVENT_KINDS, rows["kind"]),
                "value": pa.array(rows["value"], from_pandas=True),
            },
            schema=schema_of("events"),
        )

    def surveys(self) -> pa.Table:
        """NPS answers, 0 to 10, and CSI answers after some receipts, 1 to 5."""
        nps, receipts, rng = self._on_these_pages(self._lives.answers.rows()), self._receipts, self._rng
        rated = receipts[~receipts["is_return"] & (rng.random(len(receipts)) < _CSI_SHARE)]
        mood = 4.1 + 0.6 * self._lives.people.satisfaction[rated["person"]] + 0.7 * rng.standard_normal(len(rated))
        day = np.concatenate([nps["day"], rated["day"]])
        order = np.argsort(day, kind="stable")
        return pa.table(
            {
                "customer_id": self._ids.take(pa.array(np.concatenate([nps["person"], rated["person"]])[order])),
                "answered_at": self._instants(day[order], _SURVEY_TIME),
                "kind": _labels(("nps", "csi"), (np.arange(len(day)) >= len(nps)).astype(np.int8)[order]),
                "score": np.concatenate([nps["value"], np.clip(np.rint(mood), 1, 5)])[order],
            },
            schema=schema_of("surveys"),
        )

    def _on_these_pages(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows[(rows["day"] >= self._since) & (rows["day"] < self._days)])

    def _instants(self, day: Any, second: Any) -> np.ndarray:
        """Local instants of days and seconds within them, datetime64[us]."""
        seconds = np.asarray(day, dtype=np.int64) * 86_400 + second
        return np.asarray(self._first_day + seconds.astype("timedelta64[s]"))


def campaigns_table(*, first_day: dt.date, end: dt.date) -> pa.Table:
    """The campaigns that began within these days, in order of time; the hand-picked one is not randomized."""
    eight = dt.time(_CONTACT_TIME // _HOUR)
    rows = [
        {
            "campaign_id": one.campaign_id,
            "started_at": dt.datetime.combine(end - dt.timedelta(days=one.days_before_end), eight),
            "outcome_days": OUTCOME_DAYS,
            "name": one.name,
            "fixed_cost": one.fixed_cost,
            "randomized": one.is_randomized,
        }
        for one in CAMPAIGNS
        if one.took_place(days=(end - first_day).days)
    ]
    return pa.Table.from_pylist(rows, schema=schema_of("campaigns"))


def offers_table(*, first_day: dt.date) -> pa.Table:
    """The offers, all of them valid from the first day on."""
    rows = [
        {
            "offer_id": offer.offer_id,
            "channel": offer.channel,
            "contact_cost": offer.contact_cost,
            "name": offer.name,
            "valid_from": dt.datetime.combine(first_day, dt.time()),
        }
        for offer in OFFERS
    ]
    return pa.Table.from_pylist(rows, schema=schema_of("offers"))


def _draw_names(people: People, rng: np.random.Generator) -> pa.Array:
    """Surnames and first names that agree in gender."""
    count = len(people)
    surname = np.array(SURNAMES, dtype=object)[rng.integers(0, len(SURNAMES), count)]
    which = rng.integers(0, len(FEMALE_NAMES), count)
    first = np.where(
        people.female, np.array(FEMALE_NAMES, dtype=object)[which], np.array(MALE_NAMES, dtype=object)[which]
    )
    return pa.array(surname + np.where(people.female, "а ", " ").astype(object) + first, pa.string())


def _chances_of_tiers() -> pa.Array:
    """The chances of each campaign's tiers, as they are logged, in the order of both; null where nobody drew."""
    texts: list[str | None] = []
    for one in CAMPAIGNS:
        arms = [CONTROL, *(ARMS[1 + offer] for offer in one.offers)]
        texts += list(write_chances(arms, np.array(one.shares))) if one.is_randomized else [None] * _TIERS
    return pa.array(texts, pa.string())


def _labels(labels: list[str] | tuple[str, ...], codes: np.ndarray) -> pa.Array:
    return pa.array(labels, pa.string()).take(pa.array(codes))
