"""Constants that turn an offer's effect to profit, by the arithmetic of decisions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.options import Option
from netlift.estimators.stored import sha256

COSTS = "costs"  # name of the digest
DECIMALS = 9  # of currency: below it sums differ by the order in which threads add up


@dataclass(frozen=True, kw_only=True)
class OfferEconomics:
    """What is added to the effect of an offer, in currency a contact.

    Attributes:
        offer_id: The offer.
        channel: Its channel.
        put_back: Costs that the campaigns of training had, which the effect is net of.
        contact_cost: Today's.
        reward: Today's, over all who are expected to redeem.
        reward_before: That of training, part of what is put back.
        fatigue: What a contact wears out.
        save_rate: Share of those about to leave whom it keeps; their future is not in the profit.
        own_reward: What the reward that the model predicts for a customer is multiplied by and added with, its mean
            being left out of the constant; 0 where the reward is one for all, or today's is that of training.
    """

    offer_id: str
    channel: str
    put_back: float
    contact_cost: float
    reward: float
    reward_before: float
    fatigue: float
    save_rate: float = 0.0
    own_reward: float = 0.0

    @property
    def constant(self) -> float:
        """Profit less effect, and less what goes by the customer's own reward."""
        mean = self.own_reward * self.reward_before
        return round(self.put_back - (self.contact_cost + self.reward + self.fatigue) - mean, DECIMALS)


def price(
    options: Sequence[Option], trained: TrainedCosts, *, predicted: Collection[str] = ()
) -> tuple[OfferEconomics, ...]:
    """What is added to the effect of each option: its value where the effect is 0 and nobody is about to leave.

    Args:
        options: Those whose effect is known, m of them.
        trained: What the campaigns of training paid; `redeemed` of shape (m,).
        predicted: Offers whose reward the model predicts for each customer.

    Raises:
        ConfigError: An offer whose reward or share of redeemers is to be that of past contacts, and has none.
    """
    nobody = AtRisk(p_churn=np.zeros(1), ltv=np.zeros(1), horizon_days=1, window_days=0, weight=0)
    values = value_options(options, uplift=np.zeros((1, len(options))), trained=trained, risk=nobody)
    before = trained.reward * trained.redeemed

    def plain(amounts: np.ndarray, j: int) -> float:
        return round(float(amounts[j]), DECIMALS)

    return tuple(
        OfferEconomics(
            offer_id=option.offer_id,
            channel=option.channel,
            put_back=plain(values.margin[0], j),
            contact_cost=plain(values.contact_cost, j),
            reward=plain(values.reward, j),
            reward_before=plain(before, j),
            fatigue=plain(values.fatigue, j),
            save_rate=option.save_rate,
            own_reward=_own_reward(option, float(trained.reward[j])) if option.offer_id in predicted else 0.0,
        )
        for j, option in enumerate(options)
    )


def _own_reward(option: Option, before: float) -> float:
    """All of the reward of training is put back; what is paid of it today, where the redeemers are the model's."""
    if option.redeemed_by is not None:
        return 1.0
    return 0.0 if option.reward is None else round(1.0 - option.reward / before, DECIMALS)


def digest_costs(decision: DecisionSettings) -> str:
    """The sha256 of what the config says of costs: of each offer, in their order."""
    said = [
        [name, o.channel, o.contact_cost, o.reward, o.redeemed_by, decision.channels[o.channel].fatigue, o.save_rate]
        for name, o in decision.offers.items()
    ]
    return sha256(json.dumps(said, ensure_ascii=False).encode())


__all__ = ["COSTS", "OfferEconomics", "digest_costs", "price"]
