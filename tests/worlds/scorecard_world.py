"""A small business at random, and its scorecard's sums counted over from raw rows."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from netlift.config.segments import LostSettings
from netlift.segments.figures import Basis
from netlift.segments.monthly import JOINED, OUTSIDE, ChurnRule, Month

MONTH = Month(first=date(2026, 3, 1))
LOST = LostSettings(kind="silence", silence_days=60, follow_days=180)
RULE = ChurnRule(
    active_within_days=90, gap_days=7, horizon_days=30, by_cancellation=False, known_until=date(2026, 5, 1)
)
SEGMENTS = ("champions", "sleeping")


def make_frames(rng: np.random.Generator, *, customers: int = 40) -> dict[str, pd.DataFrame]:
    ids = np.array([f"{i:04d}" for i in range(customers)], dtype=object)
    start = np.datetime64("2025-12-01", "us")

    def days(n: int, most: int) -> np.ndarray:
        return start + rng.integers(0, most * 86_400, n) * np.timedelta64(1, "s")

    receipts, contacts, answers = 12 * customers, 3 * customers, 2 * customers
    cancelled = pd.Series(days(customers, 150)).where(rng.random(customers) < 0.15)
    revenue = np.round(rng.gamma(2, 400, receipts), 2) * np.where(rng.random(receipts) < 0.1, -1, 1)
    offers = rng.choice(["control", "sms", "push"], contacts)
    delivered = pd.Series(days(contacts, 150)).where((offers != "control") & (rng.random(contacts) < 0.9))
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": days(customers, 120),
                "acquisition_channel": rng.choice(np.array(["ads", "store", None], dtype=object), customers),
                "acquisition_cost": pd.Series(np.round(rng.gamma(2, 100, customers), 2)).where(
                    rng.random(customers) < 0.9
                ),
                "cancelled_at": cancelled,
            }
        ),
        "transactions": pd.DataFrame(
            {
                "customer_id": rng.choice([*ids, "nobody"], receipts),
                "occurred_at": days(receipts, 150),
                "revenue": revenue,
                "margin": np.round(revenue * 0.3, 2),
                "is_return": revenue < 0,
            }
        ),
        "offers": pd.DataFrame({"offer_id": ["sms", "push"], "channel": ["sms", "push"], "contact_cost": [4.5, 0.1]}),
        "contacts": pd.DataFrame(
            {
                "campaign_id": "c1",
                "customer_id": rng.choice(ids, contacts),
                "assigned_at": start,
                "offer_id": offers,
                "contact_cost": pd.Series(np.full(contacts, 5.0)).where(rng.random(contacts) < 0.5),
                "reward_cost": np.round(rng.gamma(1, 30, contacts), 2),
                "delivered_at": delivered,
            }
        ),
        "surveys": pd.DataFrame(
            {
                "customer_id": rng.choice(ids, answers),
                "answered_at": days(answers, 150),
                "kind": rng.choice(["nps", "csi"], answers),
                "score": rng.integers(0, 11, answers).astype(float),
            }
        ),
    }


def make_snapshot(frames: dict[str, pd.DataFrame], rng: np.random.Generator, month: Month = MONTH) -> pd.DataFrame:
    """Who had joined and has not cancelled, with segments at random and days of silence as they are."""
    customers, receipts = frames["customers"], frames["transactions"]
    first = pd.Timestamp(month.first)
    there = customers[(customers["joined_at"] < first) & ~(customers["cancelled_at"] < first)].copy()
    bought = receipts[(receipts["occurred_at"] < first) & ~receipts["is_return"]]
    newest = bought.groupby("customer_id")["occurred_at"].max().dt.normalize()
    silence = (first - newest.reindex(there["customer_id"])).dt.days.to_numpy(dtype=float)
    n = len(there)
    ltv = np.where(silence <= 90, rng.gamma(2, 500, n), np.nan)
    p_churn = np.where(silence <= 90, rng.random(n), np.nan)
    return pd.DataFrame(
        {
            "customer_id": there["customer_id"].to_numpy(),
            "segment": rng.choice(SEGMENTS, n),
            "days_since_last_purchase": silence,
            "ltv": ltv,
            "ltv_sd": np.where(np.isnan(ltv), np.nan, 200.0),
            "p_churn": p_churn,
            "value_at_risk": ltv * p_churn,
            "acquisition_cost": there["acquisition_cost"].to_numpy(),
        }
    )


def count_over(frames: dict[str, pd.DataFrame], snapshot: pd.DataFrame, month: Month = MONTH) -> pd.DataFrame:
    """The sums of a month from raw rows, customer by customer: nothing shared with the code under test."""
    low, high = pd.Timestamp(month.first), pd.Timestamp(month.end)
    segment_of = dict(zip(snapshot["customer_id"], snapshot["segment"], strict=True))
    joined = {r.customer_id for r in frames["customers"].itertuples() if low <= r.joined_at < high}
    sums: dict[str, dict[str, float]] = {}

    def add(customer: str, name: str, value: float) -> None:
        segment = segment_of.get(customer) or (JOINED if customer in joined else OUTSIDE)
        sums.setdefault(segment, {}).setdefault(name, 0.0)
        sums[segment][name] += value

    for row in snapshot.itertuples():
        add(row.customer_id, "customers", 1)
    bought: dict[str, list[float]] = {}
    for row in frames["transactions"].itertuples():
        if low <= row.occurred_at < high:
            add(row.customer_id, "receipts", 1)
            add(row.customer_id, "revenue", row.revenue)
            add(row.customer_id, "margin", row.margin)
            if not row.is_return:
                bought.setdefault(row.customer_id, []).append(row.revenue)
    for customer, receipts in bought.items():
        add(customer, "active", 1)
        add(customer, "purchases", len(receipts))
        add(customer, "purchases_sq", len(receipts) ** 2)
        add(customer, "spent", sum(receipts))
        add(customer, "spent_sq", sum(receipts) ** 2)
        add(customer, "spent_purchases", sum(receipts) * len(receipts))
    for row in frames["customers"].itertuples():
        if row.customer_id in joined:
            add(row.customer_id, "joined", 1)
            if not np.isnan(row.acquisition_cost):
                add(row.customer_id, "cac_known", 1)
                add(row.customer_id, "cac_sum", row.acquisition_cost)
    first, last = (pd.Timestamp(day) for day in RULE.watched(month))
    later = frames["transactions"]
    later = later[(later["occurred_at"] >= first) & (later["occurred_at"] < last) & ~later["is_return"]]
    stayed = set(later["customer_id"])
    for row in snapshot.itertuples():
        days, silent = row.days_since_last_purchase, row.customer_id not in bought
        if days < 60 and silent and days + month.days >= 60:
            add(row.customer_id, "lost", 1)
        if days >= 60 and not silent:
            add(row.customer_id, "returned", 1)
        if days <= 90:
            add(row.customer_id, "watched", 1)
            add(row.customer_id, "churned", row.customer_id not in stayed)
    costs = {"sms": 4.5, "push": 0.1}
    for row in frames["contacts"].itertuples():
        if row.offer_id != "control" and low <= max(row.delivered_at, row.assigned_at) < high:
            add(row.customer_id, "contacts", 1)
            cost = costs[row.offer_id] if np.isnan(row.contact_cost) else row.contact_cost
            add(row.customer_id, "contact_cost", cost)
            add(row.customer_id, "reward_cost", row.reward_cost)
    for row in frames["surveys"].itertuples():
        if low <= row.answered_at < high:
            if row.kind == "nps":
                add(row.customer_id, "nps_answers", 1)
                add(row.customer_id, "promoters", row.score >= 9)
                add(row.customer_id, "detractors", row.score <= 6)
            else:
                add(row.customer_id, "csi_answers", 1)
                add(row.customer_id, "csi_sum", row.score)
    return pd.DataFrame(sums).T.fillna(0.0).sort_index()


def make_basis(**changes: object) -> Basis:
    plain: dict[str, object] = {
        "business": "shop",
        "currency": "RUB",
        "segments": SEGMENTS,
        "ltv_horizon_days": 182,
        "level_sd": 0.1,
        "lost": LOST,
        "rule": RULE,
        "missing": frozenset(),
        "versions": {"ltv": 1, "churn": 2},
    }
    return Basis(**{**plain, **changes})  # type: ignore[arg-type]


def months_from(first: date, n: int) -> list[Month]:
    months = [Month(first=first)]
    while len(months) < n:
        months.append(Month(first=months[-1].end))
    return months
