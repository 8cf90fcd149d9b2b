"""Past spend of customers like those of a plan, from the same rows as a readout would use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from netlift.abtest.assignment.draw import hash_units
from netlift.abtest.design.result import PastSpend, Window
from netlift.abtest.design.sizing import clustered_spread, explained_share
from netlift.abtest.stats.moments import of_rows
from netlift.abtest.stats.outcomes import COVARIATES, Spans, assigned_outcomes
from netlift.data.contract import CONTROL
from netlift.data.read import Tables

if TYPE_CHECKING:
    import pandas as pd

PRE_DAYS = 365
DRY_RUN = "(design)"


def read_spend(tables: Tables, ids: Sequence[str], window: Window, *, pre_days: int = PRE_DAYS) -> pd.DataFrame:
    """One row per customer with revenue, margin, bought and covariates, as if all had been assigned to control then.

    Args:
        tables: The tables of a business.
        ids: Customers.
        window: The days.
        pre_days: Days before it that the covariates see.
    """
    import ibis
    import pyarrow as pa

    count = len(ids)
    contacts = pa.table(
        {
            "campaign_id": pa.array([DRY_RUN] * count),
            "customer_id": pa.array(list(ids), pa.string()),
            "assigned_at": pa.array([window.cutoff] * count, pa.timestamp("us")),
            "offer_id": pa.array([CONTROL] * count),
            "propensity": pa.array(np.ones(count)),
            "arm_propensities": pa.nulls(count, pa.string()),
            "contact_cost": pa.array(np.zeros(count)),
            "reward_cost": pa.array(np.zeros(count)),
            "delivered_at": pa.nulls(count, pa.timestamp("us")),
        }
    )
    campaigns = pa.table({"campaign_id": [DRY_RUN], "outcome_days": [float(window.days)]})
    dry = tables.replace(contacts=ibis.memtable(contacts), campaigns=ibis.memtable(campaigns))
    rows = assigned_outcomes(dry, [DRY_RUN], Spans(pre_days=pre_days))
    frame: pd.DataFrame = tables.connection.to_pyarrow(rows).to_pandas()
    return frame.sort_values("customer_id", ignore_index=True)


def summarize_spend(frame: pd.DataFrame, window: Window, *, cluster: Sequence[str | None] | None) -> PastSpend:
    """What a design needs to know of the rows of `read_spend`.

    Args:
        frame: The rows.
        window: Their days.
        cluster: Cluster of each row, None for a customer without; None where each is drawn alone.

    Raises:
        DataError: Nobody bought: nothing can be planned on it.
    """
    import pandas as pd

    margin, bought = frame["margin"].to_numpy(float), frame["bought"].to_numpy(bool)
    codes = None
    if cluster is not None:
        alone = [f"\x1f{own}" for own in frame["customer_id"]]
        codes = pd.factorize(pd.Series(list(cluster), dtype=object).fillna(pd.Series(alone)))[0]
    fold = hash_units(list(frame["customer_id"]), salt=DRY_RUN, purpose="sample") % 2 == 0
    return PastSpend(
        window=window,
        customers=len(frame),
        buyers=int(bought.sum()),
        margin_mean=float(margin.mean()),
        revenue_mean=float(frame["revenue"].mean()),
        spread=clustered_spread(of_rows(margin[:, None], ("margin",), cluster=codes, bought=bought)),
        explained=explained_share(margin, frame[list(COVARIATES)].to_numpy(float), fold=fold),
    )


def last_window(end: date, days: int) -> Window:
    """The newest days before an end."""
    return Window(start=end - timedelta(days=days), end=end)


def same_season(start: date, days: int) -> Window:
    """The window a year before a start, on the same days of the week.

    Examples:
        >>> same_season(date(2026, 10, 5), 28).start
        datetime.date(2025, 10, 6)
    """
    first = start - timedelta(days=364)
    return Window(start=first, end=first + timedelta(days=days))


__all__ = ["PRE_DAYS", "last_window", "read_spend", "same_season", "summarize_spend"]
