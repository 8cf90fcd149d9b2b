"""Contact effects in the forecast: counted once per window, with those of past contacts.

A run contacts each customer once and its effect is that of one outcome window. Customers with an open window are not
contacted again, so the runs of a plan lie a month or a window apart, whichever is longer, and a month holds of each run
the share of its window that falls into the month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from netlift.forecast.model import QUARTER, YEAR
from netlift.forecast.purchases import HORIZON
from netlift.results import Estimate

MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, kw_only=True)
class PastCampaign:
    """What a past campaign brought beyond its control, in margin before its costs.

    Attributes:
        campaign_id: The campaign.
        started: First assignment.
        outcome_days: Length of its outcome window.
        margin: Margin that it added in all, in currency.
        se: Its standard error.
    """

    campaign_id: str
    started: date
    outcome_days: int
    margin: float
    se: float


@dataclass(frozen=True, kw_only=True)
class BudgetLine:
    """What another budget does, as multiples of the plan's.

    Attributes:
        budget: Money of a run, in currency.
        profit: Its profit over that of the planned budget.
        spend: Its spend over that of the planned budget.
    """

    budget: float
    profit: float
    spend: float


@dataclass(frozen=True, kw_only=True)
class ContactPlan:
    """Contacts to come: one run, as it would be decided today, again and again.

    Attributes:
        profit: What a run earns after its costs, calibrated on contacts that the model never saw, in currency.
        basis: What that rests on, as `decision.summary` names it.
        spend: Contacts and expected rewards of a run, in currency.
        budget: Money a run may spend; None for no limit.
        customers: Who gets an offer in a run.
        window_days: Length of the outcome window.
        share_of: Value segment to its share of the profit.
        curve: What other budgets do; empty where nobody knows.
    """

    profit: Estimate
    basis: str
    spend: float
    budget: float | None
    customers: int
    window_days: float
    share_of: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[BudgetLine, ...] = ()

    @property
    def every_days(self) -> float:
        """Days from a run to the next."""
        return max(MONTH_DAYS, self.window_days)

    def runs_by_month(self, starts: np.ndarray) -> np.ndarray:
        """How many runs' windows fall into each month ahead, counted as shares of a window, shape (12,).

        Args:
            starts: First days of the months ahead and the end of the last, the day of the forecast 0, shape (13,).

        Examples:
            >>> profit = Estimate(point=1.0, ci_lower=0.0, ci_upper=2.0, level=0.95, unit="", method="")
            >>> plan = ContactPlan(profit=profit, basis="", spend=0.0, budget=None, customers=1, window_days=60.0)
            >>> plan.runs_by_month(np.arange(13) * 30.0)[:4].round(2).tolist()
            [0.5, 0.5, 0.5, 0.5]
        """
        begun = np.arange(0.0, float(starts[-1]), self.every_days)
        return shares_by_month(begun, np.full(len(begun), self.window_days), starts).sum(axis=0)

    def spend_by_month(self, starts: np.ndarray) -> np.ndarray:
        """What runs that begin in each month ahead spend, in currency, shape (12,)."""
        begun = np.arange(0.0, float(starts[-1]), self.every_days)
        return self.spend * np.histogram(begun, bins=starts)[0]


def shares_by_month(begun: np.ndarray, days: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Share of each window that falls into each month, shape (n, months).

    Args:
        begun: First days of the windows, shape (n,).
        days: Their lengths, shape (n,).
        starts: First days of the months and the end of the last, shape (months + 1,).
    """
    begun, days = begun[:, None], np.maximum(days[:, None], 1.0)
    inside = np.minimum(begun + days, starts[1:]) - np.maximum(begun, starts[:-1])
    return np.asarray(np.maximum(inside, 0.0) / days)


def added_before(campaigns: Sequence[PastCampaign], as_of: date, starts: np.ndarray, *, has_season: bool) -> np.ndarray:
    """Share of each past campaign that a forecast made of past months carries into each month ahead, shape (c, 12).

    Args:
        campaigns: Past campaigns.
        as_of: The day of the forecast.
        starts: First days of past months, of the months ahead and the end of the last, shape (m + 13,).
        has_season: Whether the forecast is made of the same months a year before, else of the quarter just past.
    """
    now = len(starts) - HORIZON - 1
    begun = np.array([(one.started - as_of).days for one in campaigns], dtype=np.float64)
    days = np.array([one.outcome_days for one in campaigns], dtype=np.float64)
    if has_season:
        return shares_by_month(begun, days, starts[now - YEAR : now + 1])
    return np.repeat(shares_by_month(begun, days, starts[[now - QUARTER, now]]) / QUARTER, HORIZON, axis=1)


__all__ = ["BudgetLine", "ContactPlan", "PastCampaign", "added_before", "shares_by_month"]
