"""Customers of the demo retailer: traits and responses to offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from netlift.simulation.world import (
    CATEGORIES,
    CHANNELS,
    FATIGUE_KEEPS,
    FATIGUE_LEAVE,
    FATIGUE_PULL,
    LEAVE_LIMIT,
    MAX_PHASES,
    OFFERS,
    PULL_LIMIT,
    REGIONS,
    SOURCES,
    WEEK,
    Offer,
)

_CONSIDERED = np.array([category.considered for category in CATEGORIES])


@dataclass(frozen=True, kw_only=True)
class People:
    """Traits of n persons, one array each, shape (n,) unless said otherwise.

    Attributes:
        joined_day: Day of joining, counted from the first simulated day; negative before it.
        age: Years at the end of the simulation.
        female: Whether the name is a woman's.
        region: Index into `REGIONS`.
        source: Index into `SOURCES`, the acquisition channel.
        acquisition_cost: What it cost to win the person.
        gap_days: Expected days between purchases while warm, on an average day of the year.
        phases: Steps of a purchase gap (Erlang shape), 1 is a Poisson shopper, 4 a regular one.
        cool_rate: Chance per day to cool down.
        log_basket: Log of the typical receipt.
        basket_spread: Standard deviation of the log receipt.
        promo: Chance that a purchase is made on promotion.
        digital: How much of life is online, 0 to 1.
        openness: Chance to open a letter or a push.
        satisfaction: Standard normal; the satisfied answer higher and stay longer.
        weekday: Multiplier of the purchase rate by weekday, shape (7, n), Monday first, mean 1.
        affinity: Chance of each category, shape (n, categories).
        quirk: What no table shows: own taste for each offer, shape (n, offers).
        consent: Whether each of `CHANNELS` may be used, shape (n, offers).
    """

    joined_day: np.ndarray
    age: np.ndarray
    female: np.ndarray
    region: np.ndarray
    source: np.ndarray
    acquisition_cost: np.ndarray
    gap_days: np.ndarray
    phases: np.ndarray
    cool_rate: np.ndarray
    log_basket: np.ndarray
    basket_spread: np.ndarray
    promo: np.ndarray
    digital: np.ndarray
    openness: np.ndarray
    satisfaction: np.ndarray
    weekday: np.ndarray
    affinity: np.ndarray
    quirk: np.ndarray
    consent: np.ndarray

    def __len__(self) -> int:
        return len(self.age)

    def take(self, rows: np.ndarray) -> People:
        """The persons at the given positions, which may repeat."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return People(**{name: part[..., rows] if name == "weekday" else part[rows] for name, part in parts.items()})


def draw_people(count: int, rng: np.random.Generator, *, history_days: int) -> People:
    """Draw persons whose purchase rates, baskets and loyalties differ by orders of magnitude.

    A third were customers before the first simulated day, the others join along the way. One in five is a passer-by:
    rare purchases and a short stay.
    """
    before = rng.random(count) < 0.35
    joined_day = np.where(before, -rng.integers(1, 1400, count), history_days * rng.random(count) ** 0.8)
    age = np.clip(np.where(rng.random(count) < 0.6, rng.normal(35, 9, count), rng.normal(58, 10, count)), 18, 84)
    source = rng.choice(len(SOURCES), count, p=[one.share for one in SOURCES])
    satisfaction = rng.standard_normal(count)
    promo = rng.beta(0.7, 1.2, count)
    digital = 1 / (1 + np.exp((age - 43) / 8 - 1.2 * rng.standard_normal(count)))
    passer_by = rng.random(count) < 0.2
    gap_days, cool_rate = _draw_loyalty(passer_by, satisfaction, source, rng)
    return People(
        joined_day=joined_day.astype(np.int32),
        age=age,
        female=rng.random(count) < 0.58,
        region=rng.choice(len(REGIONS), count, p=[share for _, share in REGIONS]),
        source=source,
        acquisition_cost=np.round(np.array([one.cost for one in SOURCES])[source] * rng.gamma(4.0, 0.25, count), 2),
        gap_days=gap_days,
        phases=np.minimum(rng.choice(MAX_PHASES, count, p=[0.3, 0.25, 0.25, 0.2]) + 1, 1 + gap_days // 7).astype(
            np.int8
        ),
        cool_rate=np.where(before, 0.6, 1.0) * cool_rate,
        log_basket=rng.normal(7.25, 0.5, count) - 0.3 * (promo - 0.37),
        basket_spread=rng.uniform(0.4, 0.8, count),
        promo=promo,
        digital=digital,
        openness=rng.beta(2.5, 1.5, count),
        satisfaction=satisfaction,
        weekday=_draw_weekday(count, rng),
        affinity=_draw_affinity(count, rng),
        quirk=0.25 * rng.standard_normal((count, len(OFFERS))),
        consent=_draw_consent(digital, rng),
    )


def _draw_loyalty(
    passer_by: np.ndarray, satisfaction: np.ndarray, source: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Days between purchases and the chance per day to cool down, both shape (n,)."""
    count = len(passer_by)
    log_gap = np.where(passer_by, np.log(150.0), np.log(24.0)) + np.array([one.gap for one in SOURCES])[source]
    gap_days = np.clip(np.exp(log_gap + 0.9 * rng.standard_normal(count)), 2.5, 900.0)
    log_stay = np.where(passer_by, np.log(150.0), np.log(900.0)) - np.array([one.cooling for one in SOURCES])[source]
    cool_rate = rng.gamma(1.2, 1 / 1.2, count) * np.exp(-log_stay - 0.4 * satisfaction)
    return gap_days, np.minimum(cool_rate, 0.05)


def _draw_weekday(count: int, rng: np.random.Generator) -> np.ndarray:
    """The week's shape with each person's own day raised, mean 1 over the week, shape (7, n)."""
    weekday = np.repeat(WEEK[:, None], count, axis=1)
    favourite = rng.choice(7, count, p=WEEK / WEEK.sum())
    weekday[favourite, np.arange(count)] *= 1 + rng.gamma(1.0, 1.5, count)
    return np.asarray(weekday / weekday.mean(axis=0))


def _draw_affinity(count: int, rng: np.random.Generator) -> np.ndarray:
    """Chance of each category: a few favourites a person, shape (n, categories)."""
    weight = rng.gamma(0.45, 1.0, (count, len(CATEGORIES))) + 0.01
    weight *= [category.popularity for category in CATEGORIES]
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _draw_consent(digital: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One tick for all channels, as most people leave it, or a choice channel by channel, shape (n, channels)."""
    count = len(digital)
    picked = rng.random((count, len(CHANNELS))) < np.column_stack(
        [np.full(count, 0.5)] * 2 + [digital, 0.4 - 0.3 * digital]
    )
    return np.asarray((rng.random(count) < 0.74)[:, None] | picked)


@dataclass(frozen=True, kw_only=True)
class Response:
    """How each of n persons would take an offer, arrays of shape (n,).

    Attributes:
        seen: Chance that it arrives and is looked at; unseen it does nothing.
        pull: Change of the log purchase rate while it is open, once seen.
        leave: Chance to leave for good on seeing it.
        warm_up: Chance of a cooling person to warm up on seeing it.
        redeem: Chance that the first purchase while it is open takes the reward.
    """

    seen: np.ndarray
    pull: np.ndarray
    leave: np.ndarray
    warm_up: np.ndarray
    redeem: np.ndarray


def respond(people: People, offer: Offer, *, idle_days: np.ndarray, recent_contacts: np.ndarray) -> Response:
    """How people would take an offer now.

    Args:
        people: The persons, n of them.
        offer: The offer.
        idle_days: Days since each one's last purchase, shape (n,).
        recent_contacts: Contacts that reached each one in the last `FATIGUE_DAYS` days, shape (n,).
    """
    traits = {
        "promo": people.promo - 0.37,
        "overdue": np.clip(idle_days / people.gap_days - 1, -1.0, 1.5),
        "rare": np.clip(np.log(people.gap_days / 30.0), -1.5, 1.5),
        "digital": people.digital - 0.5,
        "age": np.clip((people.age - 45) / 15, -1.8, 1.8),
        "considered": (people.affinity * _CONSIDERED).sum(axis=1) - 0.3,
    }
    pull = people.quirk[:, OFFERS.index(offer)] + _weighted(offer.pull, traits)
    pull = np.where(pull > 0, FATIGUE_KEEPS**recent_contacts, 1.0) * pull + FATIGUE_PULL * recent_contacts
    pull = np.clip(pull, -PULL_LIMIT, PULL_LIMIT)
    leave = offer.leave_rate * np.exp(_weighted(offer.leave_pull, traits) - 0.3 * people.satisfaction)
    return Response(
        seen=offer.reach * (people.openness if offer.opened else np.ones(len(people))),
        pull=pull,
        leave=np.minimum(leave * (1 + FATIGUE_LEAVE * recent_contacts), LEAVE_LIMIT),
        warm_up=np.clip(offer.win_back + 0.3 * pull, 0.0, 0.5),
        redeem=(offer.redeem + 0.6 * people.promo) * (offer.reward_share > 0),
    )


def _weighted(weights: Mapping[str, float], traits: Mapping[str, np.ndarray]) -> np.ndarray | float:
    return weights.get("base", 0.0) + sum(weight * traits[name] for name, weight in weights.items() if name != "base")
