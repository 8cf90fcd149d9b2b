"""Checks of campaigns: a control, logged propensities, arm sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from netlift.data.arm_chances import parse_chances
from netlift.data.assigned_days import read_assigned_days
from netlift.data.checks.findings import Finding, Severity
from netlift.data.checks.rules import TORN_SHARE
from netlift.data.checks.sample_ratio import ArmTotals, SampleRatio, judge_sample_ratio
from netlift.data.contract import CONTROL
from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir


def check_arms(tables: Tables, *, alarm: float) -> tuple[list[Finding], list[SampleRatio]]:
    """Findings of every campaign that has contacts, and the sample ratio of those that are randomized.

    A campaign is randomized when it says so, or when it says nothing and every contact's propensity is known.

    Args:
        tables: The tables; without contacts there is nothing to find.
        alarm: Level of the sample-ratio alarm, such as .001.
    """
    if "contacts" not in tables:
        return [], []
    flags: dict[str, bool | None] = {}
    if "campaigns" in tables:
        campaigns = tables["campaigns"].select("campaign_id", "randomized").to_pyarrow().to_pylist()
        flags = {row["campaign_id"]: row["randomized"] for row in campaigns}
    findings = [*_torn_customers(tables), *_wrong_chances(tables["contacts"]), *_other_days(tables)]
    ratios = []
    for campaign_id, group in groupby(_arm_rows(tables["contacts"]), key=lambda arm: arm["campaign_id"]):
        if flags and campaign_id not in flags:
            continue  # of a campaign that the table does not have: counted as that, and compared by nobody
        arms, flag = list(group), flags.get(campaign_id)
        findings += _check_claims(campaign_id, arms, flag=flag)
        if _is_randomized(arms, flag=flag) and not any(arm["unlogged"] or arm["strange"] for arm in arms):
            ratios.append(_judge(campaign_id, arms, alarm=alarm))
    return findings + [_mismatch(ratio, alarm) for ratio in ratios if ratio.alarm], ratios


def read_sample_ratios(contacts: ir.Table, *, alarm: float) -> dict[str, SampleRatio]:
    """The sample ratio of each campaign whose propensities are all known and possible.

    Args:
        contacts: Rows with campaign_id, offer_id, propensity.
        alarm: Level of the alarm.
    """
    found = {}
    for campaign_id, group in groupby(_arm_rows(contacts), key=lambda arm: arm["campaign_id"]):
        arms = list(group)
        if not any(arm["unlogged"] or arm["strange"] for arm in arms):
            found[campaign_id] = _judge(campaign_id, arms, alarm=alarm)
    return found


def _judge(campaign_id: str, arms: Sequence[dict[str, Any]], *, alarm: float) -> SampleRatio:
    """The sample ratio of those who were left to chance, and whether there were any on both sides."""
    ratio = judge_sample_ratio(campaign_id, [_totals(arm) for arm in arms if arm["drawn"]], alarm=alarm)
    ratio = replace(ratio, certain=sum(arm["rows"] - arm["drawn"] for arm in arms))
    sides = [
        [arm["drawn"] for arm in arms if (arm["offer_id"] == CONTROL) is is_control] for is_control in (True, False)
    ]
    if not all(sides) or all(map(any, sides)):
        return ratio
    note = "everybody on one side has propensity 1: nobody was drawn"
    return replace(ratio, alarm=True, fault="certain", note=note)


def _arm_rows(contacts: ir.Table) -> list[dict[str, Any]]:
    """One row per campaign and arm: rows, unlogged and impossible propensities, and the sums of the test."""
    import ibis

    contacts = contacts.filter(contacts.campaign_id.notnull())
    p = contacts.propensity
    possible = (p > 0) & (p <= 1)
    weight = ibis.ifelse(possible & (p < 1), 1 / p, None)
    arms = contacts.group_by("campaign_id", "offer_id").aggregate(
        rows=contacts.count(),
        unlogged=p.isnull().sum(),
        strange=(~possible).sum(),
        drawn=weight.count(),
        weight=weight.sum(),
        weight_squares=(weight * weight).sum(),
    )
    return list(arms.order_by("campaign_id", "offer_id").to_pyarrow().to_pylist())


def _totals(arm: dict[str, Any]) -> ArmTotals:
    sums = {name: float(arm[name]) for name in ("weight", "weight_squares")}
    return ArmTotals(arm=arm["offer_id"] or "", rows=arm["drawn"], **sums)


def _is_randomized(arms: Sequence[dict[str, Any]], *, flag: bool | None) -> bool:
    return flag if flag is not None else not any(arm["unlogged"] for arm in arms)


def _check_claims(campaign_id: str, arms: Sequence[dict[str, Any]], *, flag: bool | None) -> list[Finding]:
    rows, unlogged = (sum(arm[name] or 0 for arm in arms) for name in ("rows", "unlogged"))
    place = f"campaign {campaign_id!r}"
    found: list[tuple[str, Severity, str, int, str]] = []
    if flag and unlogged:
        message = f"{place} says randomized, and {unlogged:,} of {rows:,} contacts have no propensity; log them"
        found.append(("propensity", "error", "unlogged-propensity", unlogged, message))
    if flag is None and unlogged:
        message = f"{place}: {unlogged:,} of {rows:,} contacts have no propensity: taken as not randomized"
        severity: Severity = "info" if unlogged == rows else "warning"
        found.append(("propensity", severity, "observational", unlogged, message))
    if _is_randomized(arms, flag=flag) and all(arm["offer_id"] != CONTROL for arm in arms):
        message = (
            f"{place} is randomized and has no contact with offer_id {CONTROL!r}; "
            "add the customers who were drawn to get nothing, or say randomized: false"
        )
        found.append(("offer_id", "error", "no-control", rows, message))
    return [
        Finding(
            table="contacts",
            column=column,
            severity=severity,
            code=code,
            count=count,
            of=rows,
            message=message,
            scope="campaign",
            campaign=campaign_id,
        )
        for column, severity, code, count, message in found
    ]


def _mismatch(ratio: SampleRatio, alarm: float) -> Finding:
    if ratio.fault == "certain":
        return _certain(ratio)
    message = (
        f"campaign {ratio.campaign_id!r}: its propensities do not explain its {ratio.arms} arms "
        f"(sample-ratio mismatch, p = {ratio.p_value:.2g} < {alarm:g}, {ratio.method}); "
        "find the rows that were lost, doubled or moved before anything is learned from it"
    )
    return Finding(
        table="contacts",
        column="propensity",
        severity="warning",
        code="sample-ratio-mismatch",
        count=ratio.rows,
        of=ratio.rows,
        message=message + (f" ({ratio.note})" if ratio.note else ""),
    )


def _wrong_chances(contacts: ir.Table) -> list[Finding]:
    """Rows whose chances of all arms are not such: a readout then reads no arm of the campaign by them."""
    logged = contacts.filter(contacts.arm_propensities.notnull())
    counted = logged.group_by("arm_propensities", "offer_id", "propensity").aggregate(rows=logged.count())
    found = counted.to_pyarrow().to_pylist()
    wrong, rows = sum(row["rows"] for row in found if not _is_right(row)), sum(row["rows"] for row in found)
    if not wrong:
        return []
    message = (
        f"{wrong:,} of {rows:,} arm_propensities are not the chances of all arms, by offer_id and control, that add up "
        f'to 1 and give the drawn arm its propensity; log such as {{"{CONTROL}": 0.3, "mail": 0.5, "sms": 0.2}}'
    )
    return [
        Finding(
            table="contacts",
            column="arm_propensities",
            severity="warning",
            code="wrong-chances",
            count=wrong,
            of=rows,
            message=message,
        )
    ]


def _is_right(row: dict[str, Any]) -> bool:
    return bool(parse_chances(row["arm_propensities"], arm=row["offer_id"] or "", propensity=row["propensity"]))


def _certain(ratio: SampleRatio) -> Finding:
    rows = ratio.rows + ratio.certain
    message = (
        f"campaign {ratio.campaign_id!r}: {ratio.certain:,} of {rows:,} contacts have propensity 1, everybody of "
        "control or of all other arms among them: nobody was left to chance, so nothing can be compared; log the "
        "chance of the drawn arm, or say randomized: false"
    )
    return Finding(
        table="contacts",
        column="propensity",
        severity="warning",
        code="certain-propensity",
        count=ratio.certain,
        of=rows,
        message=message,
    )


def _other_days(tables: Tables) -> list[Finding]:
    """Campaigns whose arms were assigned on other days than control."""
    return [
        Finding(
            table="contacts",
            column="assigned_at",
            severity="warning",
            code="other-days",
            count=days.customers,
            of=days.customers,
            message=f"campaign {name!r}: arm {days.arm!r} was assigned {days.days_apart:.1f} days from control on "
            f"average, {days.share_apart:.0%} of it on other days, and windows of other days earn differently; date "
            "all arms by the draw, not by the sending",
        )
        for name, days in read_assigned_days(tables["contacts"]).items()
        if days.differ
    ]


def _torn_customers(tables: Tables) -> list[Finding]:
    """Customers who are in two arms of one campaign; very few of a campaign are but a warning."""
    contacts = tables["contacts"].drop_null(["campaign_id", "customer_id", "offer_id"])
    drawn = contacts.group_by("campaign_id", "customer_id").aggregate(
        low=contacts.offer_id.min(), high=contacts.offer_id.max()
    )
    counted = drawn.group_by("campaign_id").aggregate(torn=(drawn.low != drawn.high).sum(), all=drawn.count())
    campaigns = counted.order_by("campaign_id").to_pyarrow().to_pylist()
    customers, few = sum(campaign["all"] for campaign in campaigns), 0
    found: list[tuple[str, int, int]] = []
    for campaign in campaigns:
        if campaign["torn"] > TORN_SHARE * campaign["all"]:
            found.append((campaign["campaign_id"], campaign["torn"], campaign["all"]))
        else:
            few += campaign["torn"]
    return [
        Finding(
            table="contacts",
            column="offer_id",
            severity="error" if name else "warning",
            code="two-arms",
            count=torn,
            of=of,
            message=f"{f'campaign {name!r}: ' if name else ''}{torn:,} of {of:,} customers of a campaign are in two of "
            "its arms; keep the arm drawn first",
            scope="campaign" if name else "row",
            campaign=name,
        )
        for name, torn, of in [*found, *([("", few, customers)] if few else [])]
    ]
