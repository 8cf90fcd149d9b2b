"""Journey passages as contacts of a campaign, written when their window closes.

A row stands for a whole passage: the arm that was drawn at its beginning and what all its steps cost. Arm and control
are written at the same age, so that a readout of what is there compares like with like, and never an open window.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.journeys import JourneySettings
from netlift.data.contract import CONTROL
from netlift.decisions.eligibility.journey_events import CLOSED
from netlift.decisions.journeys.night import Night

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_contacts(closed: pd.DataFrame) -> pa.Table:
    """Rows of `contacts` of passages whose outcome window is over, as `Passages` has them."""
    import pyarrow as pa

    moment, n = pa.timestamp("us"), len(closed)
    cost = np.where(closed["arm"] == CONTROL, 0.0, closed["cost"].to_numpy(dtype=np.float64))
    return pa.table(
        {
            "campaign_id": pa.array(closed["journey"], pa.string()),
            "customer_id": pa.array(closed["customer_id"], pa.string()),
            "assigned_at": pa.array(closed["entered"].to_numpy(dtype="datetime64[us]"), moment),
            "offer_id": pa.array(closed["arm"], pa.string()),
            "propensity": pa.array(closed["propensity"], pa.float64()),
            "arm_propensities": pa.nulls(n, pa.string()),
            "contact_cost": pa.array(cost, pa.float64()),
            "reward_cost": pa.nulls(n, pa.float64()),
            "delivered_at": pa.nulls(n, moment),
        }
    )


def to_campaigns(journeys: Sequence[JourneySettings], night: Night) -> pa.Table:
    """Rows of `campaigns` of journeys whose first customers' windows are over, each written once: by that night.

    Args:
        journeys: Of the config.
        night: The night.
    """
    import pyarrow as pa

    over_now = (night.events["event"] == CLOSED).groupby(night.events["journey"]).sum()
    fresh = [
        (journey, line.began)
        for journey, line in zip(journeys, night.lines, strict=True)
        if line.began is not None and 0 < line.closed == over_now.get(journey.name, 0)
    ]
    return pa.table(
        {
            "campaign_id": pa.array([journey.name for journey, _ in fresh], pa.string()),
            "started_at": pa.array([datetime.combine(began, time()) for _, began in fresh], pa.timestamp("us")),
            "outcome_days": pa.array([float(journey.outcome_days) for journey, _ in fresh], pa.float64()),
            "name": pa.array([f"journey {journey.name}" for journey, _ in fresh], pa.string()),
            "fixed_cost": pa.array([0.0] * len(fresh), pa.float64()),
            "randomized": pa.array([True] * len(fresh), pa.bool_()),
        }
    )


__all__ = ["to_campaigns", "to_contacts"]
