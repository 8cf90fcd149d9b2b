"""Parameters of a design."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from netlift.config.criteria import SPLITS
from netlift.config.plan import HoldoutPlan

EVERY_OFFER = ""


@dataclass(frozen=True, kw_only=True)
class DesignRequest:
    """What is asked of a design.

    Attributes:
        campaign_id: Id of the campaign that is planned.
        hypothesis: What is expected and why.
        offers: Offers to be tried, each an arm; they share what control leaves evenly.
        start: Moment of assignment, local time of the business.
        outcome_days: Days after assignment whose receipts count.
        tolerance: Loss that the business calls immaterial, currency; None for that of the config.
        name: What the business calls the campaign; its id when empty.
        slug: Name of the experiment's folder; made of month and id when empty.
        eligible: Conditions that hold for everybody in it.
        half_width: Wanted half-width of profit, currency per treated customer.
        expected: Assumed profit per treated customer, after reward and contact and before fixed cost.
        chance: Wanted chance of the verdict "made money" under it.
        control_share: Share of control; None to have the smallest found that meets the aims.
        customers: At most so many are assigned; None for all who are eligible.
        reward: Currency per buyer, by offer; under `EVERY_OFFER` for all.
        reward_share: Share of revenue paid back, by offer; under `EVERY_OFFER` for all.
        fixed_cost: Of the campaign.
        looks: How often the result is looked at.
        level: Confidence of the intervals; None for that of the config.
        segments: Columns of customers reported as planned segments.
        strata: Columns within whose values shares are kept exactly.
        cluster: Column of customers who share an arm; None for the household of the config.
        holdout: The universal holdout; None where the business has none.
        holdout_share: Share of all customers in it, where the config does not say; None or 0 for none.
        holdout_months: Months after which it rotates, and over which it is sized, where the config does not say.
        washout_days: Days after a rotation that are not read, where the config does not say.
        holdout_half_width: Wanted half-width of what all of CRM brings in those months.
        is_journey: Whether the campaign is a journey of the config, of the same name.
        language: Of the texts, ru or en.
    """

    campaign_id: str
    hypothesis: str
    offers: tuple[str, ...]
    start: datetime
    outcome_days: int
    tolerance: float | None = None
    name: str = ""
    slug: str = ""
    eligible: tuple[str, ...] = ()
    half_width: float | None = None
    expected: float | None = None
    chance: float | None = None
    control_share: float | None = None
    customers: int | None = None
    reward: Mapping[str, float] = field(default_factory=dict)
    reward_share: Mapping[str, float] = field(default_factory=dict)
    fixed_cost: float = 0.0
    looks: int = 1
    level: float | None = None
    segments: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    cluster: str | None = None
    holdout: HoldoutPlan | None = None
    holdout_share: float | None = None
    holdout_months: int | None = None
    washout_days: int | None = None
    holdout_half_width: float | None = None
    is_journey: bool = False
    language: str = "ru"

    @property
    def folder(self) -> str:
        """Name of the experiment's folder."""
        return self.slug or f"{self.start:%Y-%m}-{re.sub(r'[^a-z0-9._-]', '-', self.campaign_id.lower())}"

    @property
    def has_aim(self) -> bool:
        """Whether something says how well the result is to be known."""
        return self.half_width is not None or self.chance is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of customers that the plan speaks of."""
        segments = [name for name in self.segments if name not in SPLITS]
        return tuple(dict.fromkeys([*segments, *self.strata, *([self.cluster] if self.cluster else [])]))


__all__ = ["EVERY_OFFER", "DesignRequest"]
