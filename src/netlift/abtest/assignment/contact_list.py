"""Drawn arms as rows of the data contract: contacts and their campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netlift.abtest.assignment.audience import Audience
from netlift.abtest.assignment.draw import Assignment
from netlift.config.plan import Plan
from netlift.data.arm_chances import write_chances
from netlift.data.contract import CONTROL

if TYPE_CHECKING:
    import pyarrow as pa


def contacts_table(plan: Plan, audience: Audience, drawn: Assignment) -> pa.Table:
    """The contacts as the contract has them, in the order of customers."""
    import pyarrow as pa

    n, moment = len(audience), pa.timestamp("us")
    chances = pa.nulls(n, pa.string())
    if drawn.chances is not None:
        chances = pa.array(write_chances(drawn.arms, drawn.chances), pa.string())
    costs = np.array([0.0 if arm == CONTROL else _cost(plan, arm) for arm in drawn.arms])
    return pa.table(
        {
            "campaign_id": pa.array([plan.campaign_id] * n, pa.string()),
            "customer_id": pa.array(audience.ids, pa.string()),
            "assigned_at": pa.array([plan.start] * n, moment),
            "offer_id": pa.array(np.array(drawn.arms, dtype=object)[drawn.arm], pa.string()),
            "propensity": pa.array(drawn.propensity, pa.float64()),
            "arm_propensities": chances,
            "contact_cost": pa.array(costs[drawn.arm], pa.float64()),
            "reward_cost": pa.nulls(n, pa.float64()),
            "delivered_at": pa.nulls(n, moment),
        }
    )


def _cost(plan: Plan, offer: str) -> float:
    return next(arm.contact_cost for arm in plan.arms if arm.offer_id == offer)


def campaigns_table(plan: Plan) -> pa.Table:
    """The campaign's row as the contract has it."""
    import pyarrow as pa

    return pa.table(
        {
            "campaign_id": [plan.campaign_id],
            "started_at": pa.array([plan.start], pa.timestamp("us")),
            "outcome_days": [float(plan.outcome_days)],
            "name": [plan.name],
            "fixed_cost": [plan.fixed_cost],
            "randomized": [True],
        }
    )


__all__ = ["campaigns_table", "contacts_table"]
