"""Customers and money in two directions: value tier by risk of leaving, and recency by frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlift.config.segments import RISKS, TIERS
from netlift.results import Table
from netlift.segments.rfm import SCORES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ValueRisk:
    """Customers of one tier and one risk.

    Attributes:
        value_tier: high, middle, low, or none where no value is predicted.
        risk: low, middle, high, or unknown.
        customers: How many.
        margin_365d: Their margin of 365 days, in currency.
        ltv: Their predicted value, in currency.
        value_at_risk: The sum of chance to leave times predicted value, in currency.
    """

    value_tier: str
    risk: str
    customers: int
    margin_365d: float
    ltv: float
    value_at_risk: float


def cross_value_and_risk(frame: pd.DataFrame) -> Table[ValueRisk]:
    """Every tier, highest first, by every risk, lowest first; empty cells of the nine are kept, other empty ones not.

    Args:
        frame: A snapshot.
    """
    sums = ("margin_365d", "ltv", "value_at_risk")
    rows = []
    for tier in reversed(TIERS):
        for risk in (*RISKS[1:], RISKS[0]):
            cell = frame[(frame["value_tier"] == tier) & (frame["risk"] == risk)]
            if len(cell) or (tier != TIERS[0] and risk != RISKS[0]):
                money = {name: float(cell[name].sum()) for name in sums}
                rows.append(ValueRisk(value_tier=tier, risk=risk, customers=len(cell), **money))
    return Table(name="value by risk", rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class RecencyFrequency:
    """Customers of one score of recency and one of frequency.

    Attributes:
        r: Score of recency, 5 for the newest purchase; 0 for who never bought.
        f: Score of frequency, 5 for the most purchase days; 0 for who never bought.
        customers: How many.
        margin_365d: Their margin of 365 days, in currency.
        ltv: Their predicted value, in currency.
    """

    r: int
    f: int
    customers: int
    margin_365d: float
    ltv: float


def cross_recency_and_frequency(frame: pd.DataFrame) -> Table[RecencyFrequency]:
    """All 25 pairs of scores, the newest and least frequent first, and last who never bought, where there are any.

    Args:
        frame: A snapshot.
    """
    scores = [(r, f) for r in range(SCORES, 0, -1) for f in range(1, SCORES + 1)]
    rows = []
    for r, f in (*scores, (0, 0)):
        cell = frame[(frame["r"] == r) & (frame["f"] == f)]
        if r or len(cell):
            money = {name: float(cell[name].sum()) for name in ("margin_365d", "ltv")}
            rows.append(RecencyFrequency(r=r, f=f, customers=len(cell), **money))
    return Table(name="recency by frequency", rows=tuple(rows))
