"""Outcomes of every customer of a decision run, holdout included, from the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

import numpy as np

from netlift.abtest.stats.outcomes import Spans, assigned_outcomes
from netlift.data.contract import CONTROL
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.decisions.readout.record import DecisionRecord
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

FIGURES = ("margin", "reward", "contact_cost")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """Money of customers in the outcome window of a run, zero where nothing happened.

    Attributes:
        ids: Customers, shape (k,).
        margin: Before costs, shape (k,).
        reward: Paid to them, shape (k,).
        contact_cost: Of their contacts, shape (k,).
        before: Margin of the time before the decision, which it cannot have changed, shape (k,); None where not read.
    """

    ids: np.ndarray
    margin: np.ndarray
    reward: np.ndarray
    contact_cost: np.ndarray
    before: np.ndarray | None = None

    def in_order_of(self, record: DecisionRecord) -> Outcomes:
        """The same, a row for each customer of the log.

        Raises:
            DataError: Customers of the log whom the outcomes do not know, or one who is there twice.
        """
        import pandas as pd

        index = pd.Index(self.ids)
        if not index.is_unique:
            raise DataError(f"outcomes: {int(index.duplicated().sum()):,} of {len(index):,} rows repeat a customer")
        at = index.get_indexer(pd.Index(record.ids))
        unknown = int((at < 0).sum())
        if unknown:
            raise DataError(
                f"decisions of {record.run_key}: {unknown:,} of {len(record):,} customers of the log are not known to "
                "the outcomes; everybody counts, also who bought nothing: is it the log of this business?"
            )
        return Outcomes(
            ids=record.ids,
            **{name: getattr(self, name)[at] for name in FIGURES},
            before=None if self.before is None else self.before[at],
        )


def gather_outcomes(
    tables: Tables, record: DecisionRecord, *, outcome_days: int, before_days: int, until: datetime
) -> Outcomes:
    """Outcomes of everybody in the log.

    Args:
        tables: The tables, the run's contacts among them: they say what was paid.
        record: The log.
        outcome_days: Days that count from the decision.
        before_days: Days before it that are looked at to know who buys much anyway.
        until: First moment not seen; never behind the receipts.

    Raises:
        DataError: The window is not over, or receipts do not reach its end; the run's contacts are not in the
            tables, or some went to the holdout; customers that the tables do not know.
    """
    import ibis
    import pandas as pd

    start = datetime.combine(record.as_of, time())
    until = seen_until(tables, until)
    lived = (until - start).days
    if lived < outcome_days:
        raise DataError(
            f"decisions of {record.run_key}: {max(lived, 0)} of the window's {outcome_days} days are covered by "
            f"receipts, which are read up to {until:%Y-%m-%d}; read it when they reach its end"
        )
    paid = _paid(tables, record)
    frame = pd.DataFrame({"customer_id": record.ids, "offer_id": record.arm})
    _refuse_contacted(frame, paid, record)
    frame = frame.merge(paid, on="customer_id", how="left").fillna({"contact_cost": 0.0, "reward_cost": 0.0})
    frame = frame.assign(campaign_id=record.run_key, propensity=1.0, assigned_at=pd.Timestamp(start))
    frame["arm_propensities"] = pd.Series(None, index=frame.index, dtype="string")
    empty = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    own = tables.replace(
        contacts=ibis.memtable(frame.drop(columns="sent").assign(delivered_at=empty)),
        campaigns=ibis.memtable(pd.DataFrame({"campaign_id": [record.run_key], "outcome_days": [float(outcome_days)]})),
    )
    rows = assigned_outcomes(own, [record.run_key], Spans(pre_days=before_days, until=until))
    found = _fetch(tables, rows.select("customer_id", *FIGURES, before="pre_margin"))
    values = {name: found[name].to_numpy(dtype=np.float64) for name in (*FIGURES, "before")}
    outcomes = Outcomes(ids=found["customer_id"].to_numpy(dtype=object).astype(str), **values)
    return outcomes.in_order_of(record)


def _paid(tables: Tables, record: DecisionRecord) -> pd.DataFrame:
    """What the contacts of the run cost, by customer, and how many went out."""
    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.campaign_id == record.run_key)
    sent = contacts.offer_id != CONTROL
    found = _fetch(
        tables,
        contacts.group_by("customer_id").aggregate(
            contact_cost=contacts.contact_cost.coalesce(0.0).sum(),
            reward_cost=contacts.reward_cost.coalesce(0.0).sum(),
            sent=sent.cast("int64").sum(),
        ),
    )
    if not len(found):
        raise DataError(
            f"contacts: no row of the campaign {record.run_key}; add contacts.parquet and campaigns.parquet of the run "
            "to your tables, with what was paid"
        )
    return found


def _refuse_contacted(frame: pd.DataFrame, paid: pd.DataFrame, record: DecisionRecord) -> None:
    held_out = frame.loc[frame["offer_id"] == "holdout", "customer_id"]
    touched = int(paid.loc[paid["sent"] > 0, "customer_id"].isin(held_out).sum())
    if touched:
        raise DataError(
            f"contacts: {touched:,} of {len(held_out):,} customers of the holdout were contacted in the campaign "
            f"{record.run_key}; whoever sends must take the lists as they are. The holdout says nothing any more"
        )


def _fetch(tables: Tables, rows: ir.Table) -> pd.DataFrame:
    return tables.connection.to_pyarrow(rows).to_pandas()


__all__ = ["FIGURES", "Outcomes", "gather_outcomes"]
