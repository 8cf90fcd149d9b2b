"""Definitions of the scorecard's figures, and the reason when one is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from netlift.segments.sums import (
    Measured,
    counted,
    mean_of,
    net_promoter_score,
    prediction_of,
    ratio_of,
    share_of,
)

Kind = Literal["money", "share", "count", "ratio", "score"]
Better = Literal["up", "down", "neither"]
Source = Literal[
    "ltv", "churn", "churn_rule", "silence", "acquisition_cost", "surveys", "contacts", "contact_cost", "reward_cost"
]
Reason = str


@dataclass(frozen=True, kw_only=True)
class MetricRequest:
    """One segment of one month, asked for its figures.

    Attributes:
        sums: What `monthly.sum_month` counted.
        is_total: All segments together.
        is_base: A segment of the customers who were there when the month began.
        missing: Sources that the business does not have.
        is_mature: It is known who of the month was lost.
        level_sd: Relative error of the level of LTV, common to all customers, as `sums.normal_level_sd` gives it.
        profit: Incremental profit of the month's contacts, from readouts.
        roi: It over its incremental cost.
    """

    sums: Mapping[str, float]
    is_total: bool
    is_base: bool
    missing: frozenset[Source]
    is_mature: bool
    level_sd: float
    profit: Measured | None
    roi: Measured | None

    def __getitem__(self, name: str) -> float:
        return self.sums.get(name, 0.0)


@dataclass(frozen=True, kw_only=True)
class SegmentMetric:
    """One figure.

    Attributes:
        name: Its name.
        kind: How it is written.
        better: Which way is good.
        per: What one unit is of, behind the currency or alone; empty where the kind says it.
        answer: The figure, or the reason why there is none.
    """

    name: str
    kind: Kind
    better: Better
    per: str
    answer: Callable[[MetricRequest], Measured | Reason]


def _sum_of(column: str, rows: str) -> Callable[[MetricRequest], Measured | Reason]:
    return lambda asked: counted(asked[column], asked[rows])


def _in_base(column: str, *sources: Source) -> Callable[[MetricRequest], Measured | Reason]:
    """A count among those who were customers when the month began."""

    def answer(asked: MetricRequest) -> Measured | Reason:
        for source in sources:
            if source in asked.missing:
                return f"no_{source}"
        return counted(asked[column], asked["customers"]) if asked.is_base else "not_for_these"

    return answer


def _predicted(known: str, source: Source, asked: MetricRequest) -> Reason:
    """Why there is no prediction, empty where there is one."""
    if source in asked.missing:
        return f"no_{source}"
    if not asked.is_base or not asked["customers"]:
        return "nobody"
    return "" if asked[known] else "not_asked"


def _ltv(asked: MetricRequest, *, per_customer: bool) -> Measured | Reason:
    if reason := _predicted("ltv_known", "ltv", asked):
        return reason
    n = asked["ltv_known"]
    if asked["ltv_sd_known"] < n:
        return counted(asked["ltv_sum"] / (n if per_customer else 1.0), n)
    return prediction_of(
        n=n,
        total=asked["ltv_sum"],
        variance=asked["ltv_var"],
        level_sd=asked.level_sd,
        per=n if per_customer else 1.0,
    )


def _value_at_risk(asked: MetricRequest) -> Measured | Reason:
    reason = _predicted("value_at_risk_known", "ltv", asked) or _predicted("p_churn_known", "churn", asked)
    return reason or prediction_of(
        n=asked["value_at_risk_known"],
        total=asked["value_at_risk"],
        variance=asked["value_at_risk_var"],
        level_sd=asked.level_sd,
    )


def _effect(asked: MetricRequest, effect: Measured | None) -> Measured | Reason:
    if not asked.is_total:
        return "by_campaign"
    return effect or "no_readout"


def _joined(asked: MetricRequest) -> Measured | Reason:
    if asked.is_base and not asked.is_total:
        return "not_for_these"
    return counted(asked["joined"], asked["joined"])


def _frequency(asked: MetricRequest) -> Measured | Reason:
    if not asked["active"]:
        return "no_purchases"
    return mean_of(n=asked["active"], total=asked["purchases"], squares=asked["purchases_sq"])


def _average_receipt(asked: MetricRequest) -> Measured | Reason:
    if not asked["purchases"]:
        return "no_purchases"
    return ratio_of(
        n=asked["active"],
        top=asked["spent"],
        bottom=asked["purchases"],
        top_sq=asked["spent_sq"],
        bottom_sq=asked["purchases_sq"],
        product=asked["spent_purchases"],
    )


def _churn_predicted(asked: MetricRequest) -> Measured | Reason:
    if reason := _predicted("p_churn_known", "churn", asked):
        return reason
    n = asked["p_churn_known"]
    return prediction_of(n=n, total=asked["p_churn_sum"], variance=asked["p_churn_var"], level_sd=0.0, per=n)


def _churn_observed(asked: MetricRequest) -> Measured | Reason:
    if "churn_rule" in asked.missing:
        return "no_churn_rule"
    if not asked.is_base:
        return "nobody"
    if not asked.is_mature:
        return "not_mature"
    return share_of(n=asked["watched"], hits=asked["churned"]) if asked["watched"] else "nobody"


def _cac(asked: MetricRequest) -> Measured | Reason:
    if "acquisition_cost" in asked.missing:
        return "no_acquisition_cost"
    if asked.is_base and not asked.is_total:
        return "not_for_these"
    if not asked["cac_known"]:
        return "nobody_joined"
    return mean_of(n=asked["cac_known"], total=asked["cac_sum"], squares=asked["cac_sq"])


def _ltv_to_cac(asked: MetricRequest) -> Measured | Reason:
    if "acquisition_cost" in asked.missing:
        return "no_acquisition_cost"
    if reason := _predicted("both_known", "ltv", asked):
        return reason
    return prediction_of(
        n=asked["both_known"],
        total=asked["both_ltv"],
        variance=asked["both_var"],
        level_sd=asked.level_sd,
        per=asked["both_cost"],
    )


def _nps(asked: MetricRequest) -> Measured | Reason:
    if "surveys" in asked.missing:
        return "no_surveys"
    if not asked["nps_answers"]:
        return "no_answers"
    return net_promoter_score(n=asked["nps_answers"], promoters=asked["promoters"], detractors=asked["detractors"])


def _csi(asked: MetricRequest) -> Measured | Reason:
    if "surveys" in asked.missing:
        return "no_surveys"
    if not asked["csi_answers"]:
        return "no_answers"
    return mean_of(n=asked["csi_answers"], total=asked["csi_sum"], squares=asked["csi_sq"])


def _contacts_per_customer(asked: MetricRequest) -> Measured | Reason:
    if "contacts" in asked.missing:
        return "no_contacts"
    people = asked["customers"] + asked["joined"]
    return counted(asked["contacts"] / people, people) if people else "nobody"


def _cost(column: Literal["contact_cost", "reward_cost"]) -> Callable[[MetricRequest], Measured | Reason]:
    def answer(asked: MetricRequest) -> Measured | Reason:
        if "contacts" in asked.missing:
            return "no_contacts"
        if column in asked.missing or (column == "contact_cost" and asked["contact_cost_known"] < asked["contacts"]):
            return f"no_{column}"
        return counted(asked[column], asked["contacts"])

    return answer


METRICS: tuple[SegmentMetric, ...] = (
    SegmentMetric(name="margin", kind="money", better="up", per="", answer=_sum_of("margin", "receipts")),
    SegmentMetric(name="revenue", kind="money", better="up", per="", answer=_sum_of("revenue", "receipts")),
    SegmentMetric(name="ltv_total", kind="money", better="up", per="", answer=lambda a: _ltv(a, per_customer=False)),
    SegmentMetric(name="ltv", kind="money", better="up", per="customer", answer=lambda a: _ltv(a, per_customer=True)),
    SegmentMetric(name="value_at_risk", kind="money", better="down", per="", answer=_value_at_risk),
    SegmentMetric(name="incremental_profit", kind="money", better="up", per="", answer=lambda a: _effect(a, a.profit)),
    SegmentMetric(name="contacts_roi", kind="share", better="up", per="", answer=lambda a: _effect(a, a.roi)),
    SegmentMetric(name="customers", kind="count", better="up", per="customers", answer=_in_base("customers")),
    SegmentMetric(
        name="active_customers", kind="count", better="up", per="customers", answer=_sum_of("active", "receipts")
    ),
    SegmentMetric(name="new_customers", kind="count", better="up", per="customers", answer=_joined),
    SegmentMetric(name="lost_customers", kind="count", better="down", per="customers", answer=_in_base("lost")),
    SegmentMetric(
        name="returned_customers",
        kind="count",
        better="up",
        per="customers",
        answer=_in_base("returned", "silence"),
    ),
    SegmentMetric(name="purchase_frequency", kind="ratio", better="up", per="purchases/customer", answer=_frequency),
    SegmentMetric(name="average_receipt", kind="money", better="up", per="receipt", answer=_average_receipt),
    SegmentMetric(name="churn_predicted", kind="share", better="down", per="", answer=_churn_predicted),
    SegmentMetric(name="churn_observed", kind="share", better="down", per="", answer=_churn_observed),
    SegmentMetric(name="cac", kind="money", better="down", per="customer", answer=_cac),
    SegmentMetric(name="ltv_to_cac", kind="ratio", better="up", per="", answer=_ltv_to_cac),
    SegmentMetric(name="nps", kind="score", better="up", per="points", answer=_nps),
    SegmentMetric(name="csi", kind="score", better="up", per="points", answer=_csi),
    SegmentMetric(
        name="contacts_per_customer",
        kind="ratio",
        better="neither",
        per="contacts/customer",
        answer=_contacts_per_customer,
    ),
    SegmentMetric(name="contact_cost", kind="money", better="neither", per="", answer=_cost("contact_cost")),
    SegmentMetric(name="reward_cost", kind="money", better="neither", per="", answer=_cost("reward_cost")),
)
METRIC: Mapping[str, SegmentMetric] = {metric.name: metric for metric in METRICS}
MONEY_FIRST = ("margin", "ltv_total", "value_at_risk", "incremental_profit")

__all__ = ["METRIC", "METRICS", "MONEY_FIRST", "Kind", "MetricRequest", "SegmentMetric", "Source"]
