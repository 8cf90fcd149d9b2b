"""What is added to the effect of an offer to make it a profit: constants, from the arithmetic of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlift.decision.options import Option
from netlift.decision.value import AtRisk, Trained, value_options

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
    """

    offer_id: str
    channel: str
    put_back: float
    contact_cost: float
    reward: float
    reward_before: float
    fatigue: float
    save_rate: float = 0.0

    @property
    def constant(self) -> float:
        """Profit less effect."""
        return round(self.put_back - (self.contact_cost + self.reward + self.fatigue), DECIMALS)


def price(options: Sequence[Option], trained: Trained) -> tuple[OfferEconomics, ...]:
    """What is added to the effect of each option: its value where the effect is 0 and nobody is about to leave.

    Args:
        options: Those whose effect is known, m of them.
        trained: What the campaigns of training paid; `redeemed` of shape (m,).

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
        )
        for j, option in enumerate(options)
    )


__all__ = ["OfferEconomics", "price"]
