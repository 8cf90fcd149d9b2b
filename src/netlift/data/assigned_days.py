"""Check that arms of a campaign were assigned on the same days, for equal seasonality.

An arm that is dated by its sending, control by the draw, gives windows that cover different days, and what the season
brought passes for the effect. Compared are the shares of each arm's customers by day, weighted by 1 / propensity where
it is known, so that chances that change from week to week are no difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from netlift.data.contract import CONTROL

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

ALARM = 0.001
LEAST_DAYS_APART = 0.1
"""Arms whose mean moments lie nearer than this see the same days: a night's batch takes hours to write."""
FEWEST_A_DAY = 5.0
MOST_SPREAD, MOST_REACH = 0.25, 0.5
"""Shares of the outcome window over which one arm, and all together, may be assigned to be read from one moment."""
TAIL = 0.01
HOURS_A_DAY = 24

Reading = Literal["own", "common", "none"]


@dataclass(frozen=True, kw_only=True)
class AssignedDays:
    """On which days the arms of a campaign were assigned.

    Attributes:
        campaign_id: The campaign.
        first: The first assignment.
        customers: How many were assigned.
        arm: The arm that lies farthest from control; empty without two arms.
        days_apart: How far its assignments lie from control's, days on average of the customers.
        share_apart: Share of its customers who were assigned on other days than control's.
        p_value: Chance of days at least that different had both been drawn day by day; 1 where all fell on one day.
        spread: Days over which the arm that took longest was assigned, the first and last hundredth left out.
        reach: Days from the first assignment to the last, likewise.
    """

    campaign_id: str
    first: datetime
    customers: int
    arm: str
    days_apart: float
    share_apart: float
    p_value: float
    spread: float
    reach: float

    @property
    def differ(self) -> bool:
        """Whether arms were assigned on other days, beyond chance and by more than matters."""
        return self.p_value < ALARM and self.days_apart > LEAST_DAYS_APART

    def reading(self, outcome_days: float) -> Reading:
        """From where windows count: from each customer's own assignment where arms saw the same days; else from the
        first assignment of the campaign, if it was drawn at once; else there is none that is fair to both.
        """  # noqa: D205 - three cases
        if not self.differ:
            return "own"
        at_once = self.spread <= MOST_SPREAD * outcome_days and self.reach <= MOST_REACH * outcome_days
        return "common" if at_once else "none"


def read_assigned_days(contacts: ir.Table) -> dict[str, AssignedDays]:
    """The days of every campaign, by one aggregation.

    Args:
        contacts: Rows with campaign_id, offer_id, assigned_at, propensity.
    """
    contacts = contacts.drop_null(["campaign_id", "offer_id", "assigned_at"])
    p = contacts.propensity
    starts = contacts.group_by("campaign_id").aggregate(
        first=contacts.assigned_at.min(), unknown=(~((p > 0) & (p <= 1)).coalesce(False)).any()
    )
    rows = contacts.inner_join(starts, "campaign_id")
    hour = (rows.assigned_at.epoch_seconds() - rows["first"].epoch_seconds()) // 3600
    rows = rows.mutate(hour=hour, weight=rows.unknown.ifelse(1.0, 1 / rows.propensity))
    counted = rows.group_by("campaign_id", "offer_id", "hour").aggregate(
        first=rows["first"].min(),
        rows=rows.count(),
        weight=rows.weight.sum(),
        squares=(rows.weight * rows.weight).sum(),
    )
    frame = counted.order_by("campaign_id", "offer_id", "hour").to_pyarrow().to_pandas()
    return {str(name): _judge(str(name), group) for name, group in frame.groupby("campaign_id", sort=True)}


def common_starts(found: Mapping[str, AssignedDays], outcome_days: Mapping[str, float]) -> dict[str, datetime]:
    """Campaigns all of whose customers are read from one moment, and that moment."""
    return {
        name: days.first
        for name, days in found.items()
        if name in outcome_days and days.reading(outcome_days[name]) == "common"
    }


def _judge(campaign_id: str, rows: pd.DataFrame) -> AssignedDays:
    arms = {
        str(arm): (g.hour.to_numpy(), g.weight.to_numpy(), g.squares.to_numpy()) for arm, g in rows.groupby("offer_id")
    }
    spans = [_quantiles(hours, weight) for hours, weight, _ in arms.values()]
    told: dict[str, Any] = {"arm": "", "days_apart": 0.0, "share_apart": 0.0, "p_value": 1.0}
    others = [arm for arm in arms if arm != CONTROL]
    if CONTROL in arms and others:
        told = max((_compare(arm, arms[arm], arms[CONTROL]) for arm in others), key=_distance)
        told["p_value"] = min(1.0, told["p_value"] * len(others))
    return AssignedDays(
        campaign_id=campaign_id,
        first=rows["first"].iloc[0].to_pydatetime(),
        customers=int(rows["rows"].sum()),
        spread=max(last - first for first, last in spans) / HOURS_A_DAY,
        reach=(max(last for _, last in spans) - min(first for first, _ in spans)) / HOURS_A_DAY,
        **told,
    )


def _distance(told: Mapping[str, Any]) -> tuple[bool, float]:
    return bool(told["p_value"] < ALARM), float(told["days_apart"])


def _quantiles(hours: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    share = np.cumsum(weight) / weight.sum()
    return float(hours[np.searchsorted(share, TAIL)]), float(hours[np.searchsorted(share, 1 - TAIL)])


def _compare(arm: str, one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Distance of two distributions over hours, and Pearson's chi-square of their days, sparse days pooled."""
    hours = np.union1d(one[0], other[0])
    shares = np.zeros((2, len(hours)))
    sizes = np.zeros(2)
    for row, (at, weight, squares) in enumerate((one, other)):
        shares[row, np.searchsorted(hours, at)] = weight / weight.sum()
        sizes[row] = weight.sum() ** 2 / squares.sum()
    gap = np.abs(np.diff(np.cumsum(shares, axis=1), axis=0)[0])
    days = _by_day(shares, hours // HOURS_A_DAY)
    return {
        "arm": arm,
        "days_apart": float((gap[:-1] * np.diff(hours)).sum() / HOURS_A_DAY),
        "share_apart": float(np.abs(days[0] - days[1]).sum() / 2),
        "p_value": _chi_square(days, sizes),
    }


def _by_day(shares: np.ndarray, day: np.ndarray) -> np.ndarray:
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    return np.asarray(np.add.reduceat(shares, starts, axis=1))


def _chi_square(shares: np.ndarray, sizes: np.ndarray) -> float:
    """The p-value of equal shares by day; days next to each other are pooled until each arm expects some customers."""
    from scipy.special import chdtrc

    pooled = (sizes @ shares) / sizes.sum()
    filled = np.cumsum(pooled) * sizes.min() // FEWEST_A_DAY
    cells = _by_day(np.vstack([shares, pooled]), np.clip(np.concatenate([[0], filled[:-1]]), 0, max(filled[-1] - 1, 0)))
    if cells.shape[1] < 2:
        return 1.0
    statistic = ((cells[0] - cells[1]) ** 2 / cells[2]).sum() / (1 / sizes).sum()
    return float(chdtrc(cells.shape[1] - 1, statistic)) if math.isfinite(statistic) else 1.0


__all__ = ["AssignedDays", "common_starts", "read_assigned_days"]
