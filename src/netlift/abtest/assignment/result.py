"""Result of an assignment in numbers and codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ArmCount:
    """One arm of a list.

    Attributes:
        arm: Offer id, or control.
        customers: So many.
        share: Of all assigned.
        planned: What the plan says.
        contact_cost: Of all of them together, as planned.
    """

    arm: str
    customers: int
    share: float
    planned: float
    contact_cost: float


@dataclass(frozen=True, kw_only=True)
class AssignReport:
    """What the verb wrote.

    Attributes:
        campaign_id: The campaign.
        currency: Of all money.
        plan_digest: Of the plan.
        started_at: Moment of assignment.
        ends_at: End of the outcome window.
        steps: Customers left after each step: known, eligible, consenting, not_held_out, taken.
        held_out: Of them, whom the universal holdout took.
        arms: Control first.
        strata: Strata that shares were kept in; 0 for one draw each.
        merged: Customers of strata too small to hold every arm, drawn together.
        clusters: Clusters drawn; 0 where each customer is drawn alone.
        srm_p_value: Of the counts against the plan; None where too few to tell.
        digests: What it was made from, and of the files themselves.
    """

    campaign_id: str
    currency: str
    plan_digest: str
    started_at: datetime
    ends_at: datetime
    steps: Mapping[str, int]
    held_out: int
    arms: tuple[ArmCount, ...]
    strata: int
    merged: int
    clusters: int
    srm_p_value: float | None
    digests: Mapping[str, str]
