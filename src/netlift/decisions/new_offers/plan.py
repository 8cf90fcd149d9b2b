"""State and budget share of new offers: posterior sampling with a floor.

A new offer is **learning** until the gate of the uplift model holds for it as well: it is **proven** where its profit
per contact is above what the gate asks with the gate's confidence, **retired** where it is below 0 with the same, both
on contacts of its own, and **unproven** where its contacts are used up before either. All of it follows from the
contacts there are, so that nothing has to be remembered.

Of the budget an offer that is still learning gets the share

    s_a = f + (1 - k f) P(θ_a is the largest of them and above 0)

k of them, with f the floor: Thompson sampling in batches. What is left, the probability that none earns anything, is
not spent. The chances that follow are worked out first and then drawn by, so that what is logged is what was used.

References:
    Thompson (1933), On the Likelihood that one Unknown Probability Exceeds Another, Biometrika 25.
    Russo, Van Roy, Kazerouni, Osband, Wen (2018), A Tutorial on Thompson Sampling, Foundations and Trends in Machine
        Learning 11(1).
    Zhang, Janson, Murphy (2020), Inference for Batched Bandits, NeurIPS: chances kept away from 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from netlift.decisions.new_offers.pooled_effects import OfferHistory, PooledEffects
from netlift.decisions.new_offers.trials import Trials

State = Literal["learning", "proven", "retired", "unproven"]
FEWEST_CONTACTS = 100  # of its own, before anything is said of an offer
DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What is asked of a new offer.

    Attributes:
        least: Profit per contact that it must be above, currency.
        confidence: How sure that must be, one-sided.
        level: Confidence of the intervals that are shown.
        most_contacts: Contacts that it has to prove itself.
    """

    least: float
    confidence: float
    level: float
    most_contacts: int

    def left_after(self, made: int) -> int:
        """Contacts that are left to an offer; 0 where they are too few to say anything."""
        left = self.most_contacts - made
        return left if left >= FEWEST_CONTACTS else 0


@dataclass(frozen=True, kw_only=True)
class NewOffer:
    """What is known of a new offer by now.

    Attributes:
        offer_id: The offer.
        state: What becomes of it.
        contacts: Of randomized campaigns whose windows are over.
        made: These, and those made or promised since.
        cost: What those cost whose windows are over, currency.
        expected: Profit per contact, currency, by its own contacts and like offers.
        lower: Lower end of its interval.
        upper: Upper end.
        chance: Probability that it earns anything.
        left: Contacts that are left to it.
        share: Of the budget for new offers.
        needed: More contacts until it would be proven, or retired, should it be as good as expected; None where its
            contacts would be used up before.
    """

    offer_id: str
    state: State
    contacts: int
    made: int
    cost: float
    expected: float
    lower: float
    upper: float
    chance: float
    left: int = 0
    share: float = 0.0
    needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewOffers:
    """New offers of a run, and the money for them.

    Attributes:
        offers: What is known of each.
        level: Confidence of their intervals.
        confidence: How sure the gate must be.
        budget: Currency that the run may spend on them.
        monthly_budget: Currency a calendar month; None for no limit.
        before: Currency that other runs of the month are expected to spend on them.
    """

    offers: tuple[NewOffer, ...]
    level: float
    confidence: float
    budget: float
    monthly_budget: float | None
    before: float

    def of(self, *states: State) -> tuple[str, ...]:
        """Offers of some states."""
        return tuple(one.offer_id for one in self.offers if one.state in states)

    def trials(self, options: Sequence[str]) -> Trials:
        """What a run with these options tries."""
        tried = [one for one in self.offers if one.share and one.offer_id in options]
        return Trials(
            options=tuple(options.index(one.offer_id) for one in tried),
            shares=tuple(one.share for one in tried),
            left=tuple(one.left for one in tried),
            budget=self.budget,
        )


def plan_new_offers(
    pooled: PooledEffects,
    histories: Sequence[OfferHistory],
    *,
    new: Sequence[str],
    waiting: Sequence[str],
    pending: Mapping[str, int],
    gate: Gate,
    floor: float,
    rng: np.random.Generator,
) -> tuple[NewOffer, ...]:
    """States and shares of new offers, in the order of `new`.

    Args:
        pooled: What is known of all offers.
        histories: What it was learned from, in its order.
        new: Offers that the business calls new.
        waiting: Of these, such as no model knows yet: proven ones among them are tried until one does.
        pending: Offer to contacts whose windows are open.
        gate: What is asked of them.
        floor: Least share of the budget of each, lowered where there are too many for it.
        rng: Of the posterior draws.
    """
    place = [pooled.offers.index(name) for name in new]
    lower, upper = pooled.interval(gate.level)
    above, earns = pooled.chance_above(gate.least), pooled.chance_above(0.0)
    states: list[State] = []
    for j in place:
        if histories[j].total >= FEWEST_CONTACTS and above[j] >= gate.confidence:
            states.append("proven")
        elif histories[j].total >= FEWEST_CONTACTS and 1 - earns[j] >= gate.confidence:
            states.append("retired")
        else:
            states.append("learning" if gate.left_after(histories[j].total) else "unproven")
    made = [histories[j].total + pending.get(name, 0) for name, j in zip(new, place, strict=True)]
    tried = [
        k
        for k, (name, state) in enumerate(zip(new, states, strict=True))
        if (state == "learning" or (state == "proven" and name in waiting)) and gate.left_after(made[k])
    ]
    share = dict(zip(tried, find_shares(pooled.draw(rng, DRAWS)[:, [place[k] for k in tried]], floor), strict=True))
    typical = float(np.mean([history.variance for history in histories if history.total]))
    return tuple(
        NewOffer(
            offer_id=name,
            state=states[k],
            contacts=histories[j].total,
            made=made[k],
            cost=histories[j].cost,
            expected=float(pooled.mean[j]),
            lower=float(lower[j]),
            upper=float(upper[j]),
            chance=float(earns[j]),
            left=gate.left_after(made[k]) if k in share else 0,
            share=float(share.get(k, 0.0)),
            needed=_needed(pooled, j, histories[j], typical, gate) if states[k] == "learning" else None,
        )
        for k, (name, j) in enumerate(zip(new, place, strict=True))
    )


def find_shares(draws: np.ndarray, floor: float) -> np.ndarray:
    """Share of the budget of each offer, shape (k,), 1 or less in all.

    Args:
        draws: Effects drawn from the posterior, shape (d, k).
        floor: Least share of each; the same of all where these would be more than the whole.

    Examples:
        >>> find_shares(np.array([[3.0, 1.0], [2.0, 5.0], [-1.0, -2.0], [4.0, 0.0]]), 0.1)
        array([0.5, 0.3])
    """
    d, k = draws.shape
    if not k:
        return np.zeros(0)
    floor = min(floor, 1 / k)
    best = draws.argmax(axis=1)
    wins = np.bincount(best[draws.max(axis=1) > 0], minlength=k) / d
    return np.asarray(floor + (1 - k * floor) * wins)


def _needed(pooled: PooledEffects, j: int, history: OfferHistory, typical: float, gate: Gate) -> int | None:
    """More contacts until the gate would speak, the effect being as expected: precision adds up contact by contact."""
    from scipy.special import ndtri

    mean = float(pooled.mean[j])
    away = mean - gate.least if mean > gate.least else -mean
    if away <= 0:
        return None
    variance = history.variance if history.total >= FEWEST_CONTACTS else typical
    asked = (float(ndtri(gate.confidence)) / away) ** 2
    more = math.ceil(variance * max(asked - 1 / float(pooled.sd[j]) ** 2, 0.0))
    more = max(more, FEWEST_CONTACTS - history.total)
    return more if history.total + more <= gate.most_contacts else None


__all__ = ["FEWEST_CONTACTS", "Gate", "NewOffer", "NewOffers", "State", "find_shares", "plan_new_offers"]
