"""Economics of the demo retailer: assortment, offers, costs and seasons.

All of it is invented. Money is in roubles, rates are per day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Category:
    """A department of the shop.

    Attributes:
        name: Its name on the receipt.
        popularity: Relative draw on an average person.
        price: Price level against an average receipt.
        margin_rate: Margin over revenue, before promotions.
        return_rate: Share of receipts that are brought back.
        considered: Whether people think before they buy there, and so welcome advice.
    """

    name: str
    popularity: float
    price: float
    margin_rate: float
    return_rate: float
    considered: bool = False


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Something that may be put to a customer, with its costs and with how people take it.

    Attributes:
        offer_id: Its id in the tables.
        name: Its name.
        channel: The channel it goes out on, and needs a consent for.
        contact_cost: Cost of one contact.
        days: How many days it is open, the day of the contact included.
        reach: Chance that a contact is delivered.
        opened: Whether it must also be opened to be seen.
        reward_share: Reward as a share of the first receipt while it is open.
        reward_cap: Most that the reward can be.
        redeem: Chance that somebody who never buys on promotion takes the reward; those who always do, 0.6 more.
        basket_lift: How much more is bought on the rewarded receipt, as a share.
        win_back: Chance that a cooling person warms up on seeing it, before its pull on that person.
        pull: Change of the log purchase rate while it is open: a constant `base` and weights of `TRAITS`.
        leave_rate: Chance that an average person who sees it leaves for good.
        leave_pull: Weights of `TRAITS` in the log of that chance.
    """

    offer_id: str
    name: str
    channel: str
    contact_cost: float
    days: int
    reach: float
    opened: bool
    reward_share: float = 0.0
    reward_cap: float = 0.0
    redeem: float = 0.0
    basket_lift: float = 0.0
    pull: Mapping[str, float]
    win_back: float
    leave_rate: float
    leave_pull: Mapping[str, float]


CATEGORIES = (
    Category(name="Продукты", popularity=2.6, price=0.75, margin_rate=0.21, return_rate=0.004),
    Category(name="Бытовая химия", popularity=1.4, price=0.60, margin_rate=0.27, return_rate=0.006),
    Category(name="Косметика", popularity=1.3, price=0.85, margin_rate=0.43, return_rate=0.02),
    Category(name="Детские товары", popularity=1.0, price=1.10, margin_rate=0.30, return_rate=0.03),
    Category(name="Дом и сад", popularity=0.9, price=1.30, margin_rate=0.36, return_rate=0.04),
    Category(name="Одежда и обувь", popularity=1.1, price=1.60, margin_rate=0.47, return_rate=0.16, considered=True),
    Category(
        name="Спортивное питание", popularity=0.8, price=1.20, margin_rate=0.38, return_rate=0.01, considered=True
    ),
    Category(name="Электроника", popularity=0.6, price=2.60, margin_rate=0.14, return_rate=0.06, considered=True),
)

OFFERS = (
    # Lovers of promotions and those who are late answer to a price. Who comes every week can hardly come more often and
    # takes the discount all the same: margin given away.
    Offer(
        offer_id="email_discount_10",
        name="Письмо: скидка 10 %",
        channel="email",
        contact_cost=0.4,
        days=14,
        reach=0.96,
        opened=True,
        reward_share=0.10,
        reward_cap=1500.0,
        redeem=0.35,
        basket_lift=0.12,
        pull={"base": 0.55, "promo": 1.6, "overdue": 0.3, "rare": 0.55},
        win_back=0.25,
        leave_rate=0.006,
        leave_pull={"promo": -3.0},
    ),
    # A bonus of a fixed sum is taken by those who came anyway, and is a large part of the margin of a usual receipt; a
    # text in the pocket intrudes, the more so soon after a purchase. It reminds those who are late.
    Offer(
        offer_id="sms_bonus_300",
        name="SMS: 300 бонусов",
        channel="sms",
        contact_cost=4.5,
        days=14,
        reach=0.93,
        opened=False,
        reward_share=0.3,
        reward_cap=300.0,
        redeem=0.25,
        pull={"base": 0.2, "overdue": 0.45, "rare": 0.2},
        win_back=0.25,
        leave_rate=0.01,
        leave_pull={"overdue": -1.0},
    ),
    # It costs next to nothing and gives nothing away. Who lives in the phone acts on it, who does not is annoyed by it.
    Offer(
        offer_id="push_reminder",
        name="Push-напоминание",
        channel="push",
        contact_cost=0.1,
        days=10,
        reach=0.9,
        opened=True,
        pull={"base": 0.05, "digital": 1.9, "promo": -0.5},
        win_back=0.1,
        leave_rate=0.008,
        leave_pull={"digital": -4.0},
    ),
    # A conversation moves everybody by much the same share, most of all the elderly and buyers of considered goods. It
    # costs the same for everybody, so that it pays where a month brings much and nowhere else.
    Offer(
        offer_id="call_advice",
        name="Звонок консультанта",
        channel="call",
        contact_cost=45.0,
        days=21,
        reach=0.72,
        opened=False,
        pull={"base": 0.22, "age": 0.5, "considered": 0.7},
        win_back=0.12,
        leave_rate=0.02,
        leave_pull={"age": -1.3},
    ),
)
CHANNELS = tuple(offer.channel for offer in OFFERS)

TRAITS = ("promo", "overdue", "rare", "digital", "age", "considered")
MAX_PHASES = 4
PROMO_MARGIN_CUT = 0.09
RETURN_DAYS = (2, 12)
COOL_PACE = 0.3
COOL_TO_GONE = 1 / 45
COOL_TO_WARM = 1 / 110
PULL_LIMIT = 1.3
LEAVE_LIMIT = 0.25
FATIGUE_DAYS = 30
FATIGUE_KEEPS = 0.65
FATIGUE_PULL = -0.12
FATIGUE_LEAVE = 1.0

WEEK = np.array([0.88, 0.86, 0.90, 0.95, 1.12, 1.26, 1.03])
_SHOCKS = ((23, 2, 6.0, 0.18), (7, 3, 6.0, 0.30), (28, 11, 5.0, 0.45), (20, 12, 11.0, 1.05), (8, 1, 9.0, -0.30))


def season(day: dt.date) -> float:
    """How much busier than usual a day of the year is: spring holidays, Black Friday, December, a slow summer.

    Examples:
        >>> season(dt.date(2025, 12, 20)) > 2 > 1 > season(dt.date(2025, 7, 20))
        True
    """
    of_year = day.timetuple().tm_yday
    level = 1.0 - 0.13 * np.exp(-(((of_year - 200) / 28.0) ** 2))
    for date, month, width, height in _SHOCKS:
        apart = abs((day - dt.date(day.year, month, date)).days)
        level += height * np.exp(-((min(apart, 365 - apart) / width) ** 2))
    return float(level)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where customers come from: share of newcomers, mean cost of one, log change of the gap and of cooling."""

    name: str
    share: float
    cost: float
    gap: float
    cooling: float


SOURCES = (
    Source(name="store", share=0.34, cost=60.0, gap=0.0, cooling=0.0),
    Source(name="search_ads", share=0.22, cost=520.0, gap=0.1, cooling=0.15),
    Source(name="social", share=0.16, cost=390.0, gap=0.2, cooling=0.4),
    Source(name="referral", share=0.12, cost=230.0, gap=-0.2, cooling=-0.5),
    Source(name="marketplace", share=0.16, cost=310.0, gap=0.35, cooling=0.5),
)

REGIONS = (
    ("Москва", 0.24),
    ("Санкт-Петербург", 0.14),
    ("Московская область", 0.12),
    ("Свердловская область", 0.09),
    ("Татарстан", 0.09),
    ("Новосибирская область", 0.08),
    ("Краснодарский край", 0.08),
    ("Нижегородская область", 0.07),
    ("Самарская область", 0.06),
    ("Приморский край", 0.03),
)
FEMALE_NAMES = ("Анна", "Мария", "Елена", "Ольга", "Наталья", "Татьяна", "Ирина", "Екатерина", "Гульнара", "София")
MALE_NAMES = ("Александр", "Дмитрий", "Сергей", "Андрей", "Иван", "Михаил", "Рустам", "Алексей", "Николай", "Артём")
SURNAMES = (
    "Иванов", "Смирнов", "Кузнецов", "Попов", "Соколов", "Лебедев", "Новиков", "Морозов", "Волков", "Соловьёв",
    "Васильев", "Зайцев", "Павлов", "Семёнов", "Голубев", "Виноградов", "Богданов", "Воробьёв", "Фёдоров", "Гарипов",
)  # fmt: skip
