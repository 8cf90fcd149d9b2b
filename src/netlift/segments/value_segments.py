"""Value segment of a customer: the first matching rule; total and disjoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.segments import RISKS, TIERS, Condition, Quantiles, Rule
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


@dataclass(frozen=True, kw_only=True)
class TierEdges:
    """Predicted value above which a customer is of the middle and of the high tier, in currency.

    Attributes:
        middle: Above it, middle.
        high: Above it, high.
    """

    middle: float
    high: float


def fit_tier_edges(ltv: np.ndarray, quantiles: Quantiles) -> TierEdges | None:
    """Edges over the customers who have a prediction; None where nobody has.

    Args:
        ltv: Predicted value, NaN without one, shape (n,).
        quantiles: Shares of the customers below each edge.
    """
    known = ltv[~np.isnan(ltv)]
    if not len(known):
        return None
    middle, high = np.quantile(known, [quantiles.middle, quantiles.high], method="inverted_cdf")
    return TierEdges(middle=float(middle), high=float(high))


def value_tiers(edges: TierEdges | None, ltv: np.ndarray) -> np.ndarray:
    """Tier of each customer, `none` without a prediction or without edges; object array of shape (n,).

    Examples:
        >>> value_tiers(TierEdges(middle=10, high=100), np.array([10.0, 11.0, 500.0, np.nan])).tolist()
        ['low', 'middle', 'high', 'none']
    """
    if edges is None:
        return np.full(len(ltv), TIERS[0], dtype=object)
    code = 1 + (ltv > edges.middle).astype(np.int64) + (ltv > edges.high)
    return np.array(TIERS, dtype=object)[np.where(np.isnan(ltv), 0, code)]


def risk_levels(edges: Quantiles, p_churn: np.ndarray) -> np.ndarray:
    """Risk of each customer, `unknown` without a prediction; object array of shape (n,).

    Examples:
        >>> risk_levels(Quantiles(middle=0.3, high=0.6), np.array([0.1, 0.3, 0.9, np.nan])).tolist()
        ['low', 'middle', 'high', 'unknown']
    """
    code = 1 + (p_churn >= edges.middle).astype(np.int64) + (p_churn >= edges.high)
    return np.array(RISKS, dtype=object)[np.where(np.isnan(p_churn), 0, code)]


def assign_segments(rules: Sequence[Rule], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The segment of each customer.

    Args:
        rules: In order; the last one has no condition, so that nobody is left over.
        values: The variables that the rules name, each of shape (n,); words as objects, missing numbers as NaN.

    Returns:
        Segments, object array of str, shape (n,).

    Examples:
        >>> rules = [Rule(segment="loyal", when={"f": Condition(at_least=4)}), Rule(segment="sleeping")]
        >>> assign_segments(rules, {"f": np.array([5, 1])}).tolist()
        ['loyal', 'sleeping']
    """
    n = len(next(iter(values.values())))
    named = np.empty(n, dtype=object)
    left = np.ones(n, dtype=bool)
    for rule in rules:
        taken = left.copy()
        for name, condition in rule.when.items():
            taken &= meets(condition, values[name])
        named[taken] = rule.segment
        left &= ~taken
    return named


def meets(condition: Condition, values: np.ndarray) -> np.ndarray:
    """Whether a condition holds for each value, shape (n,); a missing one meets none.

    Examples:
        >>> meets(Condition(at_least=2, below=4), np.array([1.0, 2.0, 4.0, np.nan])).tolist()
        [False, True, False, False]
    """
    if condition.any_of is not None:
        return np.isin(values, condition.any_of)
    numbers = np.asarray(values, dtype=np.float64)
    met = ~np.isnan(numbers)
    if condition.at_least is not None:
        met &= numbers >= condition.at_least
    if condition.at_most is not None:
        met &= numbers <= condition.at_most
    if condition.below is not None:
        met &= numbers < condition.below
    return np.asarray(met)
