"""Customers of each arm whom other campaigns contacted, and the balance between arm and control.

That customers are in several campaigns at once is the life of a business: where each is drawn by itself, another
campaign reaches arm and control of this one in the same share, and takes nothing from the comparison. Where it reaches
them unlike, its effect is read as this one's; where its split is this one's, the two cannot be told apart at all.
A contact of another campaign counts when its outcome window, or that of any of its contacts, touches the customer's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from netlift.data.assigned_days import ALARM
from netlift.data.contract import CONTROL
from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

ANY = ""
NOTICED, TOO_MUCH = 0.01, 0.05
"""Differences of shares from which a contact of one side is told, and from which it takes the verdict."""
COINCIDES = 0.9


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One arm, and whom of it another campaign contacted.

    Attributes:
        customers: Of the arm.
        contacted: Of them, by the other campaign.
        share: The same as a share, weighted by chance where chances are known.
        size: Customers of the arm as many as weights leave, for the error of the share.
    """

    customers: int
    contacted: int
    share: float
    size: float


@dataclass(frozen=True, kw_only=True)
class Touch:
    """Another campaign and the arms of this one.

    Attributes:
        other: Its id; `ANY` for all other campaigns together.
        arms: Arm to whom it contacted, control among them.
        looked_at: How many comparisons the level of the alarm is divided by.
    """

    other: str
    arms: Mapping[str, Reached]
    looked_at: int

    @property
    def contacted(self) -> int:
        """Customers whom it contacted."""
        return sum(arm.contacted for arm in self.arms.values())

    @property
    def difference(self) -> float:
        """Share of the arm that differs most from control's, less control's; of arms beyond chance where any is."""
        return self._worst[1]

    @property
    def p_value(self) -> float:
        """Chance of a difference at least that large had both been drawn apart from the other campaign."""
        return self._worst[0]

    @property
    def _worst(self) -> tuple[float, float]:
        control = self.arms[CONTROL]
        found = [_compare(arm, control) for name, arm in self.arms.items() if name != CONTROL]
        return min(found, key=lambda pair: (pair[0] >= ALARM / self.looked_at, -abs(pair[1])), default=(1.0, 0.0))

    @property
    def unlike(self) -> float:
        """How far the shares lie apart beyond chance; 0 where chance explains them."""
        return self.difference if self.p_value < ALARM / self.looked_at else 0.0

    @property
    def coincides(self) -> bool:
        """Whether its split is that of this campaign, or the reverse of it."""
        return abs(self.unlike) >= COINCIDES


def touched_customers(
    tables: Tables, drawn: ir.Table, pairs: Mapping[str, Sequence[str]], *, until: datetime
) -> ir.Table:
    """Customers of campaigns whom other campaigns contacted: campaign_id, arm, customer_id, weight, other; each once.

    Args:
        tables: The tables of a business.
        drawn: One row per assigned customer: campaign_id, customer_id, arm, assigned_at, ends_at, propensity.
        pairs: Campaign to the others whose time touches its own, of `find_pairs`.
        until: First moment not seen.
    """
    import ibis
    import pyarrow as pa

    listed = [(own, other) for own, others in pairs.items() for other in others]
    columns = {"campaign_id": [own for own, _ in listed], "other": [other for _, other in listed]}
    wanted = ibis.memtable(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    contacts = tables["contacts"]
    sent = contacts.filter((contacts.offer_id != CONTROL) & (contacts.assigned_at < until))
    sent = sent.left_join(tables["campaigns"].select("campaign_id", "outcome_days"), "campaign_id")
    sent = sent.select(
        "customer_id", other="campaign_id", sent_at="assigned_at",
        over_at=sent.assigned_at + sent.outcome_days.coalesce(0.0).cast("int64").as_interval("D"),
    )  # fmt: skip
    rows = _weighted(drawn).inner_join(wanted, "campaign_id").inner_join(sent, ["other", "customer_id"])
    inside = (rows.sent_at < rows.ends_at) & ((rows.over_at > rows.assigned_at) | (rows.sent_at >= rows.assigned_at))
    return rows.filter(inside).select("campaign_id", "arm", "customer_id", "weight", "other").distinct()


def find_pairs(tables: Tables, campaigns: Sequence[str], *, until: datetime) -> dict[str, list[str]]:
    """Campaigns to the others that contacted anybody in the time of theirs, in the order of their ids."""
    contacts = tables["contacts"]
    contacts = contacts.filter(contacts.assigned_at < until)
    contacts = contacts.left_join(tables["campaigns"].select("campaign_id", "outcome_days"), "campaign_id")
    over = contacts.assigned_at + contacts.outcome_days.coalesce(0.0).cast("int64").as_interval("D")
    sent = contacts.offer_id != CONTROL
    spans = contacts.mutate(over=over, sent=sent).group_by("campaign_id").aggregate(
        first=lambda t: t.assigned_at.min(), over=lambda t: t.over.max(), sent=lambda t: t.sent.any()
    )  # fmt: skip
    found = {row["campaign_id"]: row for row in spans.to_pyarrow().to_pylist() if row["campaign_id"] is not None}
    return {
        own: sorted(
            name
            for name, other in found.items()
            if name != own and other["sent"]
            and other["first"] < found[own]["over"] and other["over"] >= found[own]["first"]
        )
        for own in campaigns
        if own in found
    }  # fmt: skip


def count_touches(drawn: ir.Table, touched: ir.Table) -> dict[str, dict[str, Touch]]:
    """Campaign to other campaign, or `ANY`, to whom it contacted of each arm; only others that contacted somebody."""
    drawn = _weighted(drawn)
    sizes = drawn.group_by("campaign_id", "arm").aggregate(
        customers=drawn.count(), weight=drawn.weight.sum(), squares=(drawn.weight * drawn.weight).sum()
    )
    arms: dict[str, dict[str, dict[str, Any]]] = {}
    for row in sizes.to_pyarrow().to_pylist():
        arms.setdefault(row["campaign_id"], {})[row["arm"]] = row
    single = touched.group_by("campaign_id", "other", "arm").aggregate(n=touched.count(), weight=touched.weight.sum())
    people = touched.select("campaign_id", "arm", "customer_id", "weight").distinct()
    whole = people.group_by("campaign_id", "arm").aggregate(n=people.count(), weight=people.weight.sum())
    reached: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for row in (*single.to_pyarrow().to_pylist(), *whole.to_pyarrow().to_pylist()):
        reached.setdefault(row["campaign_id"], {}).setdefault(row.get("other", ANY), {})[row["arm"]] = row
    return {
        own: {
            other: Touch(other=other, arms=_arms(arms[own], rows), looked_at=len(others) * max(len(arms[own]) - 1, 1))
            for other, rows in sorted(others.items())
        }
        for own, others in sorted(reached.items())
        if CONTROL in arms[own]
    }


def _arms(arms: Mapping[str, Mapping[str, Any]], reached: Mapping[str, Mapping[str, Any]]) -> dict[str, Reached]:
    nobody = {"n": 0, "weight": 0.0}
    return {
        arm: Reached(
            customers=own["customers"],
            contacted=reached.get(arm, nobody)["n"],
            share=reached.get(arm, nobody)["weight"] / own["weight"],
            size=own["weight"] ** 2 / own["squares"],
        )
        for arm, own in arms.items()
    }


def _compare(arm: Reached, control: Reached) -> tuple[float, float]:
    """Two-sided p-value of the difference of two shares, and the difference."""
    from scipy.special import ndtr

    difference = arm.share - control.share
    pooled = (arm.share * arm.size + control.share * control.size) / (arm.size + control.size)
    error = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / arm.size + 1 / control.size))
    return (2 * float(ndtr(-abs(difference) / error)) if error > 0 else 1.0), difference


def _weighted(drawn: ir.Table) -> ir.Table:
    """The rows with the weight by which an arm is a picture of the whole campaign; 1 where chances are not known."""
    p = drawn.propensity
    return drawn.mutate(weight=((p > 0) & (p <= 1)).coalesce(False).ifelse(1 / p, 1.0))


__all__ = [
    "ANY",
    "COINCIDES",
    "NOTICED",
    "TOO_MUCH",
    "Reached",
    "Touch",
    "count_touches",
    "find_pairs",
    "touched_customers",
]
