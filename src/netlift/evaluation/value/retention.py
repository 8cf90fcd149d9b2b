"""Retention threshold: the probability of loss above which a contact pays, per customer.

A contact costs f; an offer costs d whenever it is taken: by those it saves (a share g of those who would leave) and by
a share t of those who would have stayed anyway. With chance of loss p and future value V a contact earns

    p g V - d (p g + (1 - p) t) - f,

which is above zero where p exceeds (f + d t) / (g V - d g + d t), if that denominator is above zero; else never.

This is for a business that has no experiment to learn from. With one, hand over to uplift: it knows whom a contact
changes, which a chance of loss does not.

References:
    Verbraken, Verbeke, Baesens (2013), A Novel Profit Maximizing Metric for Measuring Classification Performance of
    Customer Churn Prediction Models, IEEE TKDE 25(5): the profit of a retention campaign.
    Oskarsdottir, Baesens, Vanthienen (2018), Profit-Based Model Selection for Customer Retention Using Individual
    Customer Lifetime Values, Big Data 6(1): each customer's own value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError


@dataclass(frozen=True, kw_only=True)
class RetentionEconomics:
    """What a contact to keep a customer costs and does.

    Attributes:
        save_rate: Share of those about to leave whom the offer keeps.
        take_up: Share of those who would have stayed who take the offer all the same.
        incentive: What a taken offer costs, in currency.
        contact_cost: What the contact costs, in currency.
    """

    save_rate: float
    take_up: float
    incentive: float
    contact_cost: float


def churn_threshold(value: np.ndarray, economics: RetentionEconomics) -> np.ndarray:
    """The chance of loss above which a contact pays, shape (n,); above 1 where it never does.

    Args:
        value: Money that goes with the customer, shape (n,), in currency.
        economics: What the contact costs and does.

    Raises:
        DataError: Values that are not finite.

    Examples:
        >>> economics = RetentionEconomics(save_rate=0.3, take_up=1.0, incentive=10.0, contact_cost=1.0)
        >>> churn_threshold(np.array([200.0]), economics).round(4)
        array([0.1642])
    """
    worth = _checked(value)
    cost = economics.contact_cost + economics.incentive * economics.take_up
    gain = economics.save_rate * (worth - economics.incentive) + economics.incentive * economics.take_up
    with np.errstate(over="ignore"):  # a gain next to nothing asks for an infinite chance: never
        return np.divide(cost, gain, out=np.full(len(worth), np.inf), where=gain > 0)


def retention_profit(p_lost: np.ndarray, value: np.ndarray, economics: RetentionEconomics) -> np.ndarray:
    """Expected profit of contacting each customer, shape (n,), in currency.

    Args:
        p_lost: Chance of loss, shape (n,).
        value: Money that goes with the customer, shape (n,), in currency.
        economics: What the contact costs and does.

    Raises:
        DataError: Values that are not finite.
    """
    saved = p_lost * economics.save_rate
    taken = saved + (1 - p_lost) * economics.take_up
    return np.asarray(saved * _checked(value) - economics.incentive * taken - economics.contact_cost)


def _checked(value: np.ndarray) -> np.ndarray:
    value = np.asarray(value, dtype=np.float64)
    strange = int(np.count_nonzero(~np.isfinite(value)))
    if strange:
        raise DataError(
            f"retention: {strange:,} of {len(value):,} values are not finite; ask about scored customers only"
        )
    return value
