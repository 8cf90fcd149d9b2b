"""Campaigns of the demo retailer: audiences and known propensities.

The shop campaigns all the time, eight weeks each. A campaign goes out in weekly waves, to a random part of those who
are left of its audience, so that neither the call centre nor the till feels it in one day; the newest one is under way
when the books close. All campaigns but one are randomized: within a tier of value everybody in the audience has the
same chances of each arm, which differ from tier to tier and from campaign to campaign. The audience consents to all
channels of a campaign, so that every arm was possible for everyone in it. That one was hand-picked by a marketer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.simulation.lives import CONTROL_ARM, NO_ARM, Lives

OUTCOME_DAYS = 28
WAVES, WAVE_EVERY_DAYS = 8, 7
CAMPAIGN_DAYS = WAVES * WAVE_EVERY_DAYS
TIER_MARGINS = (1500.0, 6000.0)
EMAIL, SMS, PUSH, CALL = range(4)


@dataclass(frozen=True, kw_only=True)
class SimulatedCampaign:
    """A campaign and the rule by which it assigned customers.

    Attributes:
        campaign_id: Its id.
        name: Its name.
        days_before_end: Its first day, counted back from the first day that is not simulated.
        offers: Its arms beside control, indices into `OFFERS`.
        shares: Chance of control and of each offer, one row per tier of value, low to high; empty where hand-picked.
        fixed_cost: Cost that does not depend on the number of contacts.
        idle_days: Fewest and most days since the last purchase in its audience.
        reach: Chance that somebody in the audience is taken into the campaign in one of its waves.
    """

    campaign_id: str
    name: str
    days_before_end: int
    offers: tuple[int, ...]
    shares: tuple[tuple[float, ...], ...]
    fixed_cost: float
    idle_days: tuple[int, int] = (1, 365)
    reach: float = 0.95

    @property
    def is_randomized(self) -> bool:
        """Whether chance alone chose the arms."""
        return bool(self.shares)

    def took_place(self, *, days: int) -> bool:
        """Whether it began within the days that were simulated."""
        return self.days_before_end <= days


_EVEN = ((0.28, 0.18, 0.18, 0.18, 0.18), (0.24, 0.19, 0.19, 0.19, 0.19), (0.24, 0.16, 0.18, 0.24, 0.18))
_CHEAP = ((0.30, 0.22, 0.14, 0.24, 0.10), (0.22, 0.22, 0.18, 0.22, 0.16), (0.20, 0.16, 0.20, 0.22, 0.22))
_DEAR = ((0.26, 0.16, 0.26, 0.14, 0.18), (0.22, 0.18, 0.22, 0.18, 0.20), (0.26, 0.14, 0.16, 0.20, 0.24))
_WIN_BACK = ((0.25, 0.3, 0.25, 0.2), (0.25, 0.25, 0.25, 0.25), (0.25, 0.25, 0.2, 0.3))
_ALL = (EMAIL, SMS, PUSH, CALL)

CAMPAIGNS = (
    SimulatedCampaign(
        campaign_id="C01",
        name="Первые письма",
        days_before_end=19 * CAMPAIGN_DAYS,
        offers=(EMAIL, SMS),
        shares=((0.4, 0.3, 0.3), (0.4, 0.3, 0.3), (0.3, 0.35, 0.35)),
        fixed_cost=8_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C02",
        name="Зима: все каналы",
        days_before_end=18 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_EVEN,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C03",
        name="Начало весны",
        days_before_end=17 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_DEAR,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C04",
        name="Весенние письма",
        days_before_end=16 * CAMPAIGN_DAYS,
        offers=(EMAIL, PUSH),
        shares=((0.5, 0.25, 0.25), (0.4, 0.3, 0.3), (0.3, 0.4, 0.3)),
        fixed_cost=8_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C05",
        name="Летние бонусы",
        days_before_end=15 * CAMPAIGN_DAYS,
        offers=(SMS,),
        shares=((0.5, 0.5), (0.4, 0.6), (0.35, 0.65)),
        fixed_cost=8_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C06",
        name="Конец лета",
        days_before_end=14 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_EVEN,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C07",
        name="Осенний сезон",
        days_before_end=13 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_CHEAP,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C08",
        name="Новогодние скидки",
        days_before_end=12 * CAMPAIGN_DAYS,
        offers=(EMAIL, SMS),
        shares=((0.4, 0.3, 0.3), (0.4, 0.3, 0.3), (0.3, 0.35, 0.35)),
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C09",
        name="Верните спящих",
        days_before_end=11 * CAMPAIGN_DAYS,
        offers=(SMS, PUSH, CALL),
        shares=_WIN_BACK,
        fixed_cost=10_000.0,
        idle_days=(45, 365),
    ),
    SimulatedCampaign(
        campaign_id="C10",
        name="Весна: все каналы",
        days_before_end=10 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_CHEAP,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C11",
        name="Начало лета",
        days_before_end=9 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_EVEN,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C12",
        name="Лучшим клиентам",
        days_before_end=8 * CAMPAIGN_DAYS,
        offers=(EMAIL, SMS),
        shares=(),
        fixed_cost=12_000.0,
        idle_days=(1, 40),
    ),
    SimulatedCampaign(
        campaign_id="C13",
        name="Осень: все каналы",
        days_before_end=7 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_DEAR,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C14",
        name="Новый год: все каналы",
        days_before_end=6 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_EVEN,
        fixed_cost=18_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C15",
        name="Спящие: вторая попытка",
        days_before_end=5 * CAMPAIGN_DAYS,
        offers=(SMS, PUSH, CALL),
        shares=_WIN_BACK,
        fixed_cost=10_000.0,
        idle_days=(45, 365),
    ),
    SimulatedCampaign(
        campaign_id="C16",
        name="Конец зимы",
        days_before_end=4 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_CHEAP,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C17",
        name="Весенние предложения",
        days_before_end=3 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_DEAR,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C18",
        name="Лето: все каналы",
        days_before_end=2 * CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_EVEN,
        fixed_cost=12_000.0,
    ),
    SimulatedCampaign(
        campaign_id="C19",
        name="Новый сезон",
        days_before_end=CAMPAIGN_DAYS,
        offers=_ALL,
        shares=_CHEAP,
        fixed_cost=12_000.0,
    ),
)


def live_day(lives: Lives, day: int, *, end_day: int) -> None:
    """Live through a day with the waves of campaigns and the surveys that fall on it.

    Args:
        lives: The lives, standing on the morning of that day.
        day: The day.
        end_day: The first day that is not simulated, from which campaigns are counted back.
    """
    for index, campaign in enumerate(CAMPAIGNS):
        wave, between = divmod(day - end_day + campaign.days_before_end, WAVE_EVERY_DAYS)
        if campaign.took_place(days=end_day) and 0 <= wave < WAVES and not between:
            launch(index, lives, day, wave=wave)
    lives.ask(day)
    lives.live(day)


def launch(index: int, lives: Lives, day: int, *, wave: int) -> None:
    """Choose the audience of a wave of `CAMPAIGNS[index]`, assign arms, log their chances and send, in the morning."""
    campaign, rng = CAMPAIGNS[index], lives.rng
    idle_days = day - lives.last_day
    fewest, most = campaign.idle_days
    is_asked = lives.has_bought & (idle_days >= fewest) & (idle_days <= most) & (lives.arm[index] == NO_ARM)
    is_asked &= lives.people.consent[:, campaign.offers].all(axis=1)
    share = campaign.reach / (WAVES - campaign.reach * wave)
    audience = np.flatnonzero(is_asked & (rng.random(len(is_asked)) < share))
    tier = np.searchsorted(TIER_MARGINS, lives.margin_between(day - 365, day)[audience])
    if campaign.is_randomized:
        choice, chance = _draw_arms(np.array(campaign.shares)[tier], rng)
        lives.tier[index, audience] = tier
    else:
        audience = audience[tier == len(TIER_MARGINS)]
        choice, chance = 1 + (idle_days[audience] < 14), np.full(len(audience), np.nan)
    arms = np.array([CONTROL_ARM, *(1 + offer for offer in campaign.offers)], dtype=np.int8)
    lives.arm[index, audience], lives.propensity[index, audience] = arms[choice], chance
    lives.assigned_day[index, audience] = day
    for offer in campaign.offers:
        lives.send(offer, audience[arms[choice] == 1 + offer], day=day, campaign=index)


def _draw_arms(shares: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The arm drawn from each row of chances, and its chance, both shape (n,)."""
    bounds = np.cumsum(shares[:, :-1], axis=1)
    choice = (rng.random(len(shares))[:, None] >= bounds).sum(axis=1)
    return choice, shares[np.arange(len(shares)), choice]
