"""Exact expected future of the demo retailer, for checks alone.

Stage and steps to go form a Markov chain whose chances change from day to day. Carrying its distribution forward gives
each day's chance of a purchase; everything else is a weighted sum of those. Nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from netlift.simulation.lives import COOLING, GONE, LOG_PRICE, MARGIN_RATE, RETURN_RATE, WARM, Lives, SimulatedCalendar
from netlift.simulation.people import People, respond
from netlift.simulation.world import (
    COOL_PACE,
    COOL_TO_GONE,
    COOL_TO_WARM,
    MAX_PHASES,
    PROMO_MARGIN_CUT,
    RETURN_DAYS,
    Offer,
)


@dataclass(frozen=True, kw_only=True)
class OfferTruth:
    """What an offer would bring, sent on the morning of the first day.

    Attributes:
        margins: Expected margin over each horizon, reward and contact not taken off, arrays of shape (n,).
        reward: Expected reward cost, shape (n,).
    """

    margins: tuple[np.ndarray, ...]
    reward: np.ndarray


class Future:
    """The expected future of lives from the morning of a day, with at most one offer, sent on that morning.

    What is open from before stays so until it ends or the new offer is seen. Horizons must be longer than a return
    takes.

    Args:
        lives: Where the persons stand.
        day: The first day that counts.
        horizon_days: The longest horizon that will be asked for.
    """

    def __init__(self, lives: Lives, day: int, *, horizon_days: int) -> None:
        self._alive = np.flatnonzero(lives.stage != GONE)
        self._people, self._calendar = lives.people.take(self._alive), lives.calendar
        self._count, self._day = len(lives.people), day
        self._idle_days = day - lives.last_day[self._alive]
        self._recent_contacts = lives.recent_contacts(day)[self._alive]
        self._start = _Chain.standing(lives.stage[self._alive], lives.steps[self._alive])
        self._receipt = _Receipt.expected(self._people)
        self._pending = lives.margin_between(day, day + RETURN_DAYS[1])
        days_left, factor, self._open_lift = (part[self._alive] for part in lives.open_offers(day))
        self._open = _Window(days=days_left, factor=factor)
        self._quiet = self._chances(self._start, days=horizon_days, window=self._open)
        open_days = int(days_left.max(initial=0))
        self._first_while_open = self._chances(self._start, days=open_days, window=self._open, only_first=True)
        self._first_while_open[np.arange(open_days)[:, None] >= days_left] = 0.0

    def margin(self, *, horizon_days: int) -> np.ndarray:
        """Expected margin with no contact over the first `horizon_days`, shape (n,)."""
        return np.asarray(self._pending + self._for_all(self._quiet_margin(horizon_days)))

    def p_no_purchase(self, *, horizon_days: int) -> np.ndarray:
        """Chance of no purchase in the first `horizon_days` with no contact, shape (n,)."""
        first = self._chances(self._start, days=horizon_days, window=self._open, only_first=True)
        return np.asarray(1 - self._for_all(first.sum(axis=0)))

    def under(self, offer: Offer, *, horizons_days: tuple[int, ...]) -> OfferTruth:
        """What the offer would bring over the first days of each horizon, whether consented to or not."""
        people, receipt = self._people, self._receipt
        response = respond(people, offer, idle_days=self._idle_days, recent_contacts=self._recent_contacts)
        seen = self._start.after_seeing(leave=response.leave, warm_up=response.warm_up)
        window = _Window(days=np.full(len(people), offer.days), factor=np.exp(response.pull))
        chances = self._chances(seen, days=max(horizons_days), window=window)
        first = self._chances(seen, days=offer.days, window=window, only_first=True)
        margins = []
        for days in horizons_days:
            margin = receipt.margin_over(chances, horizon_days=days)
            margin += response.redeem * offer.basket_lift * receipt.margin_over(first, horizon_days=days)
            unseen = self._quiet_margin(days)
            margins.append(self._pending + self._for_all(unseen + response.seen * (margin - unseen)))
        reward = response.seen * response.redeem * first.sum(axis=0) * expected_reward(people, offer)
        return OfferTruth(margins=tuple(margins), reward=self._for_all(reward))

    def _quiet_margin(self, days: int) -> np.ndarray:
        """Expected margin of the living without a new offer, what is open from before included."""
        lifted = self._open_lift * self._receipt.margin_over(self._first_while_open, horizon_days=days)
        return self._receipt.margin_over(self._quiet, horizon_days=days) + lifted

    def _chances(self, start: _Chain, *, days: int, window: _Window, only_first: bool = False) -> np.ndarray:
        return start.purchase_chances(
            self._people,
            self._calendar,
            days=range(self._day, self._day + days),
            window=window,
            only_first=only_first,
        )

    def _for_all(self, alive: np.ndarray) -> np.ndarray:
        """Values of the living, zero for the gone, shape (n,)."""
        values = np.zeros(self._count)
        values[self._alive] = alive
        return values


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Days from the first on during which an offer multiplies each person's pace by a factor, both shape (n,)."""

    days: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """Where n persons may be: chance of each number of steps to go (less one), by stage, shape (MAX_PHASES, n)."""

    cooling: np.ndarray
    warm: np.ndarray

    @classmethod
    def standing(cls, stage: np.ndarray, steps: np.ndarray) -> _Chain:
        """Persons whose stage and steps to go are known."""
        here = steps == np.arange(1, MAX_PHASES + 1)[:, None]
        return cls(cooling=here * (stage == COOLING) * 1.0, warm=here * (stage == WARM) * 1.0)

    def after_seeing(self, *, leave: np.ndarray, warm_up: np.ndarray) -> _Chain:
        """The chain once an offer was seen: some have left, some who were cooling are warm."""
        return _Chain(
            cooling=(1 - leave) * (1 - warm_up) * self.cooling,
            warm=(1 - leave) * (self.warm + warm_up * self.cooling),
        )

    def purchase_chances(
        self, people: People, calendar: SimulatedCalendar, *, days: range, window: _Window, only_first: bool
    ) -> np.ndarray:
        """Chance of a purchase on each day, or of the first one where `only_first`, shape (days, n).

        One day moves the chain as `Lives.live` moves a person: first the stage, then perhaps a step, and after the
        last step the rhythm starts anew.
        """
        warm, cooling = self.warm.copy(), self.cooling.copy()
        chances = np.empty((len(days), len(people)))
        anew = (people.phases - 1, np.arange(len(people)))
        for i, day in enumerate(days):
            cools, warms = warm * people.cool_rate, cooling * COOL_TO_WARM
            warm += warms - cools
            cooling += cools - warms - cooling * COOL_TO_GONE
            pace = calendar.pace(people, day) * np.where(i < window.days, window.factor, 1.0)
            chances[i] = 0.0
            for stage, stage_pace in ((warm, pace), (cooling, pace * COOL_PACE)):
                moving = stage * -np.expm1(-stage_pace)
                stage -= moving
                stage[:-1] += moving[1:]
                chances[i] += moving[0]
                if not only_first:
                    stage[anew] += moving[0]
        return chances


@dataclass(frozen=True, kw_only=True)
class _Receipt:
    """Expectations of one receipt, shape (n,): its margin, and the part of it that is brought back."""

    margin: np.ndarray
    returned: np.ndarray

    @classmethod
    def expected(cls, people: People) -> _Receipt:
        """The expectations over categories, promotions and the lognormal spread of receipts."""
        rate = MARGIN_RATE - PROMO_MARGIN_CUT * people.promo[:, None]
        margin = people.affinity * np.exp(_log_revenue(people) + people.basket_spread[:, None] ** 2 / 2) * rate
        return cls(margin=margin.sum(axis=1), returned=(margin * RETURN_RATE).sum(axis=1))

    def margin_over(self, chances: np.ndarray, *, horizon_days: int) -> np.ndarray:
        """Expected margin within a horizon, shape (n,).

        Args:
            chances: Chance of a purchase by day, shape (days, n); days past the horizon do not count.
            horizon_days: Days that count; what is brought back later is not seen.
        """
        chances = chances[:horizon_days]
        days_left = horizon_days - 1 - np.arange(len(chances))
        first, last = RETURN_DAYS
        comes_back = np.clip((days_left - first + 1) / (last - first + 1), 0.0, 1.0)
        return np.asarray(self.margin * chances.sum(axis=0) - self.returned * np.einsum("d,dn->n", comes_back, chances))


def expected_reward(people: People, offer: Offer) -> np.ndarray:
    """Expected reward on a receipt that redeems the offer, shape (n,), in currency.

    The reward is `min(cap, share * revenue)` and revenue is lognormal in each category with log mean m and spread s, so
    with z = log(cap / share) it is `share e^{m + s^2/2} Phi((z - m - s^2) / s) + cap Phi((m - z) / s)`.

    References:
        Klugman, Panjer and Willmot (2012), Loss Models, appendix A.5.1.1, limited expected value of the lognormal.
    """
    if offer.reward_share == 0:
        return np.zeros(len(people))
    spread = people.basket_spread[:, None]
    log_revenue = _log_revenue(people) + np.log1p(offer.basket_lift)
    limit = np.log(offer.reward_cap / offer.reward_share)
    below = np.exp(log_revenue + spread**2 / 2) * ndtr((limit - log_revenue - spread**2) / spread)
    reward = offer.reward_share * below + offer.reward_cap * ndtr((log_revenue - limit) / spread)
    return np.asarray((people.affinity * reward).sum(axis=1))


def _log_revenue(people: People) -> np.ndarray:
    """Mean log revenue of a receipt by category, shape (n, categories)."""
    return np.asarray(people.log_basket[:, None] + LOG_PRICE)
