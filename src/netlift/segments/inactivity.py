"""Time from a landmark to inactivity or cancellation, with censoring."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.segments import LostSettings
from netlift.features.sources import receipt_is_return

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from netlift.data.read import Tables


def landmark_of(lost: LostSettings, *, as_of: date) -> date:
    """The newest day from which customers could be followed to the end by `as_of`."""
    return as_of - timedelta(days=lost.follow_days + (lost.silence_days or 0))


def times_to_loss(
    tables: Tables, lost: LostSettings, customer_id: np.ndarray, *, as_of: date
) -> tuple[np.ndarray, np.ndarray]:
    """How long after the landmark each customer was lost.

    A silence is known for what it is when its days are over, so that everybody is followed until `as_of` less
    `silence_days`, the same day for all: being censored says nothing of a customer.

    Args:
        tables: The tables of a business; rows on or after `as_of` are not looked at.
        lost: What counts as lost.
        customer_id: Customers who were not yet lost at the landmark, shape (n,).
        as_of: First day not seen.

    Returns:
        Days from the landmark to the first day of the silence, or to the cancellation, or to the end of the
        following, shape (n,); and whether the customer was lost, shape (n,). A silence that had begun by the landmark
        is at 0 days.
    """
    import pandas as pd

    landmark = landmark_of(lost, as_of=as_of)
    found = _silences(tables, lost, landmark, as_of) if lost.silence_days else _cancellations(tables, landmark, as_of)
    lost_on = found.reindex(pd.Index(customer_id)).to_numpy().astype("datetime64[us]")
    days = (lost_on.astype("datetime64[D]") - np.datetime64(landmark, "D")).astype(np.float64)
    days = np.where(np.isnat(lost_on), np.nan, days)
    event = days < lost.follow_days
    return np.where(event, np.maximum(days, 0.0), float(lost.follow_days)), event


def _silences(tables: Tables, lost: LostSettings, landmark: date, as_of: date) -> pd.Series:
    """First day of the first silence of each customer that touches or follows the landmark."""
    import ibis

    silence = lost.silence_days or 0
    receipts = tables["transactions"]
    start, end = _midnight(landmark - timedelta(days=silence)), _midnight(as_of)
    seen = receipts.filter(
        (receipts.occurred_at >= start) & (receipts.occurred_at < end) & ~receipt_is_return(receipts)
    )
    days = seen.select("customer_id", day=seen.occurred_at.date()).distinct()
    following = days.day.lead().over(ibis.window(group_by=days.customer_id, order_by=days.day))
    steps = days.mutate(gap=following.coalesce(ibis.literal(as_of)).delta(days.day, unit="day"))
    long = steps.filter(steps.gap >= silence)
    first = long.group_by("customer_id").aggregate(day=long.day.min())
    return _by_customer(tables, first)


def _cancellations(tables: Tables, landmark: date, as_of: date) -> pd.Series:
    customers = tables["customers"]
    at = customers.cancelled_at
    gone = customers.filter((at >= _midnight(landmark)) & (at < _midnight(as_of)))
    return _by_customer(tables, gone.select("customer_id", day=gone.cancelled_at.date()))


def _by_customer(tables: Tables, rows: ir.Table) -> pd.Series:
    import pandas as pd

    frame = tables.connection.to_pyarrow(rows).to_pandas()
    return pd.Series(pd.to_datetime(frame["day"]).to_numpy(), index=pd.Index(frame["customer_id"]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
