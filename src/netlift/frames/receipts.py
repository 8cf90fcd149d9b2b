"""rfm: what customers bought by a day, from receipts, by the feature kernel and the RFM scores of the verbs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.features.build import build_features
from netlift.features.queries import queries_at
from netlift.features.vocabulary import Vocabulary
from netlift.frames.columns import FrameError, read_frame
from netlift.segments.rfm import COLUMNS, fit_rfm_edges, score_rfm

HISTORY = ("purchase_days_all", "age_at_last_purchase_days", "days_since_first_purchase", "margin_all")
MEASURES = (*COLUMNS.values(), "purchases_365d", *HISTORY)
WHOLE_PAST_DAYS = 36_500


def rfm(
    transactions: Any, *, as_of: date, customer: str = "customer_id", date_column: str = "occurred_at",
    money: str = "margin",
) -> pd.DataFrame:  # fmt: skip
    """Recency, frequency and money of each customer as of a day, with scores of 1 to 5.

    Args:
        transactions: A receipt a row.
        as_of: First day not seen: receipts of that day and later count for nothing.
        customer: Column of the customer.
        date_column: Column of the moment of the receipt.
        money: Column of what it brought: margin, or revenue where nobody knows margin; below zero for a return.

    Returns:
        A row for each customer who had a receipt before the day, by id, with the features of the verbs (see
        docs/features.md): `days_since_last_purchase`, `purchase_days_365d`, `margin_365d`, `purchases_365d` and, for
        `LtvModel`, `purchase_days_all`, `age_at_last_purchase_days`, `days_since_first_purchase`, `margin_all`; then
        the scores `r`, `f`, `m`, fifths of these customers, 5 the best.

    Raises:
        FrameError: A column that is not there, or nobody with a receipt before the day.
        DataError: Days or money that cannot be read.

    References:
        Hughes (1994), Strategic Database Marketing.

    Examples:
        >>> receipts = pd.DataFrame({
        ...     "customer_id": ["a", "a", "b"], "margin": [10.0, 20.0, 5.0],
        ...     "occurred_at": pd.to_datetime(["2026-01-05", "2026-02-01", "2025-06-01"])})
        >>> rfm(receipts, as_of=date(2026, 3, 1))[["days_since_last_purchase", "purchase_days_365d", "m"]]
                     days_since_last_purchase  purchase_days_365d  m
        customer_id
        a                                28.0                 2.0  3
        b                               273.0                 1.0  1
    """
    import ibis

    table = read_frame(transactions, "transactions")
    wanted = {"customer_id": customer, "occurred_at": date_column, "margin": money}
    missing = [name for name in wanted.values() if name not in table.columns]
    if missing:
        raise FrameError(
            f"transactions: no column {', '.join(missing)}; there are {', '.join(table.columns)}: name yours by "
            "customer=, date_column= and money="
        )
    receipts = pd.DataFrame({ours: table[theirs] for ours, theirs in wanted.items()})
    receipts["occurred_at"] = pd.to_datetime(receipts.occurred_at)
    receipts["customer_id"] = receipts.customer_id.astype("string")
    lost = int(receipts.isna().any(axis=1).sum())
    if lost:
        raise FrameError(f"transactions: {lost:,} of {len(receipts):,} rows lack customer, day or money; drop them")
    moment = datetime.combine(as_of, datetime.min.time())
    past = receipts[receipts.occurred_at < moment]
    if past.empty:
        raise FrameError(f"transactions: none of {len(receipts):,} receipts is before {as_of:%Y-%m-%d}")
    joined = past.groupby("customer_id").occurred_at.min().rename("joined_at").reset_index()
    engine = DuckDBEngine()
    try:
        sources = {
            "customers": ibis.memtable(joined),
            "transactions": ibis.memtable(past.assign(revenue=past.margin)),
        }
        tables = conform(engine, sources, attributes=(), zone=ZoneInfo("UTC"))
        found = build_features(
            tables,
            queries_at(joined.customer_id.to_numpy(dtype=object), [moment]),
            Vocabulary(attributes={}, sources=()),
            observation_days=WHOLE_PAST_DAYS,
            names=MEASURES,
        )
    finally:
        engine.close()
    measures = found.to_frame().set_index(pd.Index(found.customer_id, name="customer_id"))
    r, f, m = (measures[name].to_numpy(dtype=float) for name in COLUMNS.values())
    return measures.assign(**score_rfm(fit_rfm_edges(r, f, m), r, f, m))


__all__ = ["rfm"]
