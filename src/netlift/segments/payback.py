"""Payback period of customer acquisition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from netlift.data.read import Tables

DAYS_A_MONTH = 365.25 / 12
FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Cohorts:
    """Acquired customers whose whole life is on record, with what they cost and brought.

    Attributes:
        customer_id: Ids, shape (n,).
        cost: Acquisition cost, in currency, shape (n,).
        months: Whole months since joining, shape (n,).
        margin: Margin of each month since joining, shape (n, most months); receipts before joining count in the first.
        before_history: Customers with a known cost left out, because they joined before the first receipt.
    """

    customer_id: np.ndarray
    cost: np.ndarray
    months: np.ndarray
    margin: np.ndarray
    before_history: int

    def take(self, rows: np.ndarray) -> Cohorts:
        """The given customers, by position or mask."""
        return Cohorts(
            customer_id=self.customer_id[rows],
            cost=self.cost[rows],
            months=self.months[rows],
            margin=self.margin[rows],
            before_history=self.before_history,
        )


@dataclass(frozen=True, kw_only=True)
class Payback:
    """The first month in which cumulated margin per acquired customer reached the mean acquisition cost.

    Attributes:
        months: That month, 1 for the first; None where it is not within those observed.
        ci_lower: First month that could be it; None where not even that is within.
        ci_upper: Month by which it was surely reached; None where it may be beyond those observed.
        within_months: Months observed.
        level: Confidence.
        customers: Acquired customers looked at.
    """

    months: int | None
    ci_lower: int | None
    ci_upper: int | None
    within_months: int
    level: float
    customers: int

    def __str__(self) -> str:
        if self.months is None:
            early = f", perhaps from {self.ci_lower} on" if self.ci_lower else ""
            return f"not within {self.within_months} months{early}"
        upper = f"{self.ci_upper}]" if self.ci_upper else f"over {self.within_months}]"
        return f"{self.months} [{self.ci_lower}, {upper} months"


def read_cohorts(tables: Tables, *, first: date, as_of: date, months: int) -> Cohorts:
    """Everybody acquired at a known cost since the first receipt, cancelled customers included.

    Args:
        tables: The tables of a business.
        first: Day of the first receipt; who joined before it has a past that is not on record.
        as_of: First day not seen.
        months: Months since joining that are looked at.
    """
    import ibis
    import pandas as pd

    start, end = _midnight(first), _midnight(as_of)
    customers = tables["customers"].select("customer_id", "joined_at", "acquisition_cost")
    priced = customers.filter(customers.acquisition_cost.notnull() & (customers.joined_at < end))
    people = tables.connection.to_pyarrow(priced.order_by("customer_id")).to_pandas()
    joined = people["joined_at"].to_numpy().astype("datetime64[us]")
    recorded = joined >= np.datetime64(start, "us")
    lived = (np.datetime64(end, "us") - joined[recorded]) / np.timedelta64(1, "D") / DAYS_A_MONTH
    receipts = tables["transactions"]
    seen = receipts.filter(receipts.occurred_at < end).select("customer_id", "occurred_at", "margin")
    own = seen.inner_join(priced.filter(priced.joined_at >= start), "customer_id")
    seconds = own.occurred_at.delta(own.joined_at, unit="second")
    month = ibis.greatest((seconds / (86_400 * DAYS_A_MONTH)).floor().cast("int32"), 0)
    sums = own.mutate(month=month).filter(lambda rows: rows.month < months).group_by("customer_id", "month")
    found = tables.connection.to_pyarrow(sums.aggregate(margin=lambda rows: rows.margin.sum())).to_pandas()
    ids = people["customer_id"].to_numpy(dtype=object)[recorded]
    margin = np.zeros((len(ids), months))
    place = pd.Index(ids).get_indexer(pd.Index(found["customer_id"]))
    margin[place, found["month"].to_numpy(dtype=np.int64)] = found["margin"].to_numpy()
    return Cohorts(
        customer_id=ids,
        cost=people["acquisition_cost"].to_numpy(dtype=np.float64)[recorded],
        months=np.floor(lived).astype(np.int64),
        margin=margin,
        before_history=int(np.count_nonzero(~recorded)),
    )


def find_payback(cohorts: Cohorts, *, level: float) -> Payback | None:
    """The payback month over all cohorts observed so far; None with fewer than two customers a month old.

    The mean margin of month k is over the customers who have lived it whole; means add up over months. The interval
    holds the months at which cumulated margin less cost could be 0: both come from the same customers, and the
    standard error at each month is that of the sum of the customers' influences.

    Args:
        cohorts: Acquired customers.
        level: Confidence.

    Examples:
        >>> n = np.arange(4)
        >>> cohorts = Cohorts(customer_id=n.astype(str), cost=np.full(4, 25.0), months=np.full(4, 6),
        ...                   margin=np.full((4, 6), 10.0), before_history=0)
        >>> print(find_payback(cohorts, level=0.95))
        3 [3, 3] months
    """
    n, most = cohorts.margin.shape
    lived = cohorts.months[:, None] > np.arange(most)[None, :]
    count = lived.sum(axis=0)
    observed = int(np.count_nonzero(count >= FEWEST))
    if observed == 0:
        return None
    lived, count, margin = lived[:, :observed], count[:observed], cohorts.margin[:, :observed]
    mean = np.sum(margin, axis=0, where=lived) / count
    gain = np.cumsum(mean) - np.mean(cohorts.cost)
    influence = np.cumsum(np.where(lived, margin - mean, 0.0) / count, axis=1)
    influence -= ((cohorts.cost - np.mean(cohorts.cost)) / n)[:, None]
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(np.sum(influence**2, axis=0))
    return Payback(
        months=_first(gain >= 0),
        ci_lower=_first(gain + half >= 0),
        ci_upper=_first(gain - half >= 0),
        within_months=observed,
        level=level,
        customers=n,
    )


def _first(reached: np.ndarray) -> int | None:
    return int(np.argmax(reached)) + 1 if reached.any() else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
