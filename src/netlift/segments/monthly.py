"""Monthly sums by segment, additive and computed in the tables.

Every customer belongs to one segment of a month: the one he had at its beginning, `JOINED` for those who joined in it,
`OUTSIDE` for receipts and contacts of anybody else (cancelled before, unknown, or not yet joined), so that the segments
add up to the whole. Money is summed as decimals: the same rows give the same bytes whatever the order of reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from netlift.config.segments import LostSettings
from netlift.data.contract import CONTROL
from netlift.features.sources import receipt_is_return
from netlift.features.vocabulary import NPS

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

JOINED, OUTSIDE = "(joined)", "(outside)"
CSI = "csi"
PROMOTER, DETRACTOR = 9, 6
MONEY, SUM = "decimal(18, 4)", "decimal(38, 4)"


@dataclass(frozen=True, kw_only=True, order=True)
class Month:
    """A calendar month in the business's zone.

    Attributes:
        first: Its first day.

    Examples:
        >>> month = Month(first=date(2026, 1, 1))
        >>> month.end, month.before(1).first, month.before(12).first, month.days
        (datetime.date(2026, 2, 1), datetime.date(2025, 12, 1), datetime.date(2025, 1, 1), 31)
    """

    first: date

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return self.before(-1).first

    @property
    def days(self) -> int:
        """Its days."""
        return (self.end - self.first).days

    def before(self, months: int) -> Month:
        """The month so many months earlier."""
        number = self.first.year * 12 + self.first.month - 1 - months
        return Month(first=date(number // 12, number % 12 + 1, 1))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


@dataclass(frozen=True, kw_only=True)
class ChurnRule:
    """What the churn model calls churn.

    Attributes:
        active_within_days: A customer whose last purchase is no older is asked about; None for every customer.
        gap_days: Days skipped after the month's beginning before silence counts.
        horizon_days: Days of silence, or days within which a cancellation falls.
        by_cancellation: Who cancels has churned, not who is silent.
        known_until: First day of which the tables cannot be trusted to know everything.
    """

    active_within_days: int | None
    gap_days: int
    horizon_days: int
    by_cancellation: bool
    known_until: date

    def watched(self, month: Month) -> tuple[date, date]:
        """The days [first, end) in which customers active at the month's beginning are watched."""
        first = month.first + timedelta(days=self.gap_days)
        return first, first + timedelta(days=self.horizon_days)

    def is_mature(self, month: Month) -> bool:
        """Whether what became of the month's customers is known."""
        return self.watched(month)[1] <= self.known_until


def sum_month(
    tables: Tables, month: Month, snapshot: pd.DataFrame, *, lost: LostSettings, rule: ChurnRule | None
) -> pd.DataFrame:
    """Everything that the scorecard says of one month, as sums by segment.

    Args:
        tables: The tables of the business.
        month: The month.
        snapshot: Customers as of its first day, one row each; the columns read are customer_id, segment,
            days_since_last_purchase, ltv, ltv_sd, p_churn, value_at_risk and acquisition_cost.
        lost: What counts as lost.
        rule: What churn means; None leaves observed churn out.

    Returns:
        One row per segment, in the order of names, every column a sum that adds up over segments; zero where nothing
        happened.
    """
    import ibis

    seen = snapshot[["customer_id", "segment", "days_since_last_purchase"]].astype({"customer_id": "str"})
    members = ibis.memtable(seen.astype({"segment": "str", "days_since_last_purchase": "float64"}))
    labels = _labels(tables, month, members)
    buyers = _buyers(tables, month)
    counted = [
        _receipt_sums(buyers, labels),
        _joined_sums(tables, month),
        _flow_sums(tables, month, members, buyers, lost),
    ]
    if rule is not None and rule.is_mature(month):
        counted.append(_churn_sums(tables, members, rule, rule.watched(month)))
    if "contacts" in tables:
        counted.append(_contact_sums(tables, month, labels))
    if "surveys" in tables:
        counted.append(_answer_sums(tables, month, labels))
    frames = [_to_frame(tables, part) for part in counted]
    return pd.concat([_snapshot_sums(snapshot), *frames], axis=1).fillna(0.0).sort_index().astype(float)


def sum_channels(tables: Tables, months: tuple[Month, ...]) -> pd.DataFrame:
    """Customers who joined and what they cost, by month and acquisition channel.

    Returns:
        Columns month (its first day), channel (None where unknown), joined, cac_known, cac_sum, cac_sq.
    """
    customers = tables["customers"]
    start, end = _moments(min(months).first, max(months).end)
    joined = customers.filter((customers.joined_at >= start) & (customers.joined_at < end))
    first = joined.joined_at.truncate("M").cast("date")
    sums = joined.group_by(month=first, channel=joined.acquisition_channel).aggregate(**_cost_sums(joined))
    wanted = {month.first for month in months}
    frame = tables.connection.to_pyarrow(sums.order_by("month", "channel")).to_pandas()
    frame[["joined", "cac_known", "cac_sum", "cac_sq"]] = frame[["joined", "cac_known", "cac_sum", "cac_sq"]].astype(
        float
    )
    frame["channel"] = frame["channel"].astype(object).where(frame["channel"].notna(), None)
    return frame[frame["month"].isin(wanted)].reset_index(drop=True)


def _snapshot_sums(snapshot: pd.DataFrame) -> pd.DataFrame:
    """What the models say of the customers at the month's beginning."""
    ltv, sd = snapshot["ltv"].astype(float), snapshot["ltv_sd"].astype(float)
    p, cost = snapshot["p_churn"].astype(float), snapshot["acquisition_cost"].astype(float)
    both = ltv.notna() & (cost > 0)
    columns = {
        "customers": pd.Series(1.0, index=snapshot.index),
        "ltv_known": ltv.notna(),
        "ltv_sum": ltv,
        "ltv_var": sd**2,
        "ltv_sd_known": sd.notna(),
        "p_churn_known": p.notna(),
        "p_churn_sum": p,
        "p_churn_var": p * (1 - p),
        "value_at_risk_known": snapshot["value_at_risk"].notna(),
        "value_at_risk": snapshot["value_at_risk"],
        "value_at_risk_var": ltv.clip(lower=0.0) ** 2 * p * (1 - p),
        "both_known": both,
        "both_ltv": ltv.where(both),
        "both_var": (sd**2).where(both),
        "both_cost": cost.where(both),
    }
    frame = pd.DataFrame(columns).astype(float)
    return frame.groupby(snapshot["segment"].astype("str").to_numpy()).sum()


def _labels(tables: Tables, month: Month, members: ir.Table) -> ir.Table:
    """customer_id and segment of everybody who belongs to the month."""
    import ibis

    customers = tables["customers"]
    start, end = _moments(month.first, month.end)
    joined = customers.filter((customers.joined_at >= start) & (customers.joined_at < end)).select("customer_id")
    joined = joined.distinct().anti_join(members, "customer_id").mutate(segment=ibis.literal(JOINED))
    return members.select("customer_id", "segment").union(joined.select("customer_id", "segment"))


def _buyers(tables: Tables, month: Month) -> ir.Table:
    """What each customer bought in the month; returns lower revenue and margin and are no purchases."""
    receipts = _within(tables["transactions"], "occurred_at", month.first, month.end)
    bought = ~receipt_is_return(receipts)
    money = {name: receipts[name].cast(MONEY) for name in ("revenue", "margin")}
    return receipts.group_by("customer_id").aggregate(
        receipts=receipts.count(),
        purchases=bought.sum(),
        spent=bought.ifelse(money["revenue"], None).sum().coalesce(0).cast(SUM),
        revenue=money["revenue"].sum().cast(SUM),
        margin=money["margin"].sum().cast(SUM),
    )


def _receipt_sums(buyers: ir.Table, labels: ir.Table) -> ir.Table:
    rows = _labelled(buyers, labels)
    spent, n = rows.spent.cast("float64"), rows.purchases.cast("float64")
    return rows.group_by("segment").aggregate(
        receipts=rows.receipts.sum(),
        active=(rows.purchases > 0).sum(),
        purchases=rows.purchases.sum(),
        purchases_sq=(rows.purchases * rows.purchases).sum(),
        spent=rows.spent.sum(),
        spent_sq=(spent * spent).cast(SUM).sum(),
        spent_purchases=(spent * n).cast(SUM).sum(),
        revenue=rows.revenue.sum(),
        margin=rows.margin.sum(),
    )


def _joined_sums(tables: Tables, month: Month) -> ir.Table:
    import ibis

    customers = _within(tables["customers"], "joined_at", month.first, month.end)
    return customers.group_by(segment=ibis.literal(JOINED)).aggregate(**_cost_sums(customers))


def _cost_sums(customers: ir.Table) -> dict[str, ir.Value]:
    cost = customers.acquisition_cost
    return {
        "joined": customers.count(),
        "cac_known": cost.count(),
        "cac_sum": cost.cast(MONEY).sum().cast(SUM),
        "cac_sq": (cost * cost).cast(SUM).sum(),
    }


def _flow_sums(tables: Tables, month: Month, members: ir.Table, buyers: ir.Table, lost: LostSettings) -> ir.Table:
    """Who fell silent in the month (or cancelled), and who came back after a silence."""
    if lost.silence_days is None:
        rows = members.left_join(_cancelled(tables, month.first, month.end), "customer_id")
        return rows.group_by("segment").aggregate(lost=rows.gone.notnull().sum())
    bought = buyers.filter(buyers.purchases > 0).select("customer_id").mutate(bought=True)
    rows = members.left_join(bought, "customer_id")
    silent, days = rows.bought.isnull(), rows.days_since_last_purchase
    fell = silent & (days < lost.silence_days) & (days + month.days >= lost.silence_days)
    return rows.group_by("segment").aggregate(lost=fell.sum(), returned=(~silent & (days >= lost.silence_days)).sum())


def _churn_sums(tables: Tables, members: ir.Table, rule: ChurnRule, days: tuple[date, date]) -> ir.Table:
    """Of those active at the month's beginning: how many there were, and how many were lost since."""
    rows = members
    if rule.active_within_days is not None:
        rows = rows.filter(rows.days_since_last_purchase <= rule.active_within_days)
    if rule.by_cancellation:
        rows = rows.left_join(_cancelled(tables, *days), "customer_id")
        lost = rows.gone.notnull()
    else:
        receipts = _within(tables["transactions"], "occurred_at", *days)
        stayed = receipts.filter(~receipt_is_return(receipts)).select("customer_id").distinct().mutate(stayed=True)
        rows = rows.left_join(stayed, "customer_id")
        lost = rows.stayed.isnull()
    return rows.group_by("segment").aggregate(watched=rows.count(), churned=lost.sum())


def _contact_sums(tables: Tables, month: Month, labels: ir.Table) -> ir.Table:
    """Offers delivered, dated as the features date them; control is no contact."""
    import ibis

    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.offer_id != CONTROL)
    at = contacts.assigned_at
    if tables.has("contacts", "delivered_at"):
        contacts = contacts.filter(contacts.delivered_at.notnull())
        at = ibis.greatest(contacts.assigned_at, contacts.delivered_at)
    cost = contacts.contact_cost
    if "offers" in tables:
        offers = tables["offers"].select(offer_id="offer_id", offer_cost="contact_cost")
        contacts = contacts.mutate(at=at).left_join(offers, "offer_id")
        cost = contacts.contact_cost.coalesce(contacts.offer_cost)
    contacts = contacts.mutate(at=at) if "at" not in contacts.columns else contacts
    contacts = contacts.select("customer_id", "at", "reward_cost", cost=cost)
    rows = _labelled(_within(contacts, "at", month.first, month.end), labels)
    return rows.group_by("segment").aggregate(
        contacts=rows.count(),
        contact_cost=rows.cost.cast(MONEY).sum().cast(SUM),
        contact_cost_known=rows.cost.count(),
        reward_cost=rows.reward_cost.cast(MONEY).sum().cast(SUM),
    )


def _answer_sums(tables: Tables, month: Month, labels: ir.Table) -> ir.Table:
    answers = _within(tables["surveys"], "answered_at", month.first, month.end)
    rows = _labelled(answers.filter(answers.score.notnull()).select("customer_id", "kind", "score"), labels)
    nps, csi, score = rows.kind == NPS, rows.kind == CSI, rows.score
    of_csi = csi.ifelse(score, None)
    return rows.group_by("segment").aggregate(
        nps_answers=nps.sum(),
        promoters=(nps & (score >= PROMOTER)).sum(),
        detractors=(nps & (score <= DETRACTOR)).sum(),
        csi_answers=csi.sum(),
        csi_sum=of_csi.cast(MONEY).sum().cast(SUM),
        csi_sq=(of_csi * of_csi).cast(SUM).sum(),
    )


def _cancelled(tables: Tables, first: date, end: date) -> ir.Table:
    gone = _within(tables["customers"], "cancelled_at", first, end)
    return gone.select("customer_id").distinct().mutate(gone=True)


def _labelled(rows: ir.Table, labels: ir.Table) -> ir.Table:
    named = rows.left_join(labels, "customer_id")
    return named.mutate(segment=named.segment.coalesce(OUTSIDE))


def _within(rows: ir.Table, column: str, first: date, end: date) -> ir.Table:
    low, high = _moments(first, end)
    return rows.filter((rows[column] >= low) & (rows[column] < high))


def _moments(first: date, end: date) -> tuple[ir.Value, ir.Value]:
    import ibis

    low, high = (ibis.literal(datetime(d.year, d.month, d.day), type="timestamp(6)") for d in (first, end))
    return low, high


def _to_frame(tables: Tables, sums: ir.Table) -> pd.DataFrame:
    answer = tables.connection.to_pyarrow(sums)
    columns = {name: answer[name].cast("float64").to_numpy() for name in answer.column_names if name != "segment"}
    segments = np.array(answer["segment"].to_pylist(), dtype=object)
    return pd.DataFrame({name: np.nan_to_num(column) for name, column in columns.items()}, index=segments)
