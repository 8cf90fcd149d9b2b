"""Result of comparing a run with the one before it: customers who came, went or changed, and the money by offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, kw_only=True)
class OfferChange:
    """One offer, before and now.

    Attributes:
        offer_id: The offer.
        customers_before: Who got it in the run before.
        customers: Who gets it now.
        came: Who gets it now and did not get it before.
        left: Who got it before and does not get it now.
        profit_before: Expected of it then, currency; 0 where it was not among the offers.
        profit: Expected of it now, likewise.
    """

    offer_id: str
    customers_before: int
    customers: int
    came: int
    left: int
    profit_before: float
    profit: float


@dataclass(frozen=True, kw_only=True)
class Changes:
    """A run held against the newest one of an earlier day that stands.

    Attributes:
        run_key: The run before.
        as_of: Its day.
        newly: Customers who get an offer now and got none before.
        dropped: Customers who got one before and get none now.
        switched: Customers who get another one.
        kept: Customers who get the same.
        why_dropped: Why those who are dropped get none now, and how many; "gone" for who is no customer any more.
        profit_before: Expected of that run, currency.
        profit: Expected now.
        limits_before: Limits that bound it.
        limits: Limits that bind now.
        offers: Every offer of either run, the largest change of expected profit first.
    """

    run_key: str
    as_of: date
    newly: int
    dropped: int
    switched: int
    kept: int
    why_dropped: Mapping[str, int]
    profit_before: float
    profit: float
    limits_before: tuple[str, ...]
    limits: tuple[str, ...]
    offers: tuple[OfferChange, ...]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Changes:
        """Read what `results.to_plain` made of it."""
        return cls(
            **{
                **plain,
                "as_of": date.fromisoformat(plain["as_of"]),
                "limits_before": tuple(plain["limits_before"]),
                "limits": tuple(plain["limits"]),
                "offers": tuple(OfferChange(**one) for one in plain["offers"]),
            }
        )


__all__ = ["Changes", "OfferChange"]
