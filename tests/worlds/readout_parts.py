"""Parts of readouts made by hand: money, verdicts, segments, checks and days that fit each other."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from scipy.stats import norm

from netlift.abtest.readout.result import ArmAdvice, ArmReadout, Check, CurvePoint, Roi, Room, SegmentRemainder, Verdict
from netlift.abtest.stats.difference import Money
from netlift.abtest.stats.heterogeneity import SegmentRow
from netlift.abtest.stats.sequential import DayPoint
from netlift.results import Estimate

Z = 1.959963984540054
STARTED = datetime(2026, 9, 7, 6, tzinfo=UTC)
LINES = ("revenue", "margin", "reward", "contact_cost")


def estimate(point: float, se: float, unit: str = "RUB", z: float = Z) -> Estimate:
    return Estimate(
        point=point, ci_lower=point - z * se, ci_upper=point + z * se, level=0.95, unit=unit, method="by hand"
    )


def verdict(point: float, se: float, *, tolerance: float, code: str | None = None) -> Verdict:
    ratio = point / se if se else 40.0 * np.sign(point)
    chance = float(norm.cdf(ratio))
    loss = float(se * (norm.pdf(ratio) - ratio * norm.cdf(-ratio))) if se else max(-point, 0.0)
    if code is None:
        if point - Z * se > 0:
            code = "made_money"
        elif point + Z * se < 0:
            code = "lost_money"
        elif chance >= 0.9 and loss <= tolerance:
            code = "probably_made_money"
        elif max(abs(point - Z * se), abs(point + Z * se)) <= tolerance:
            code = "no_material_effect"
        else:
            code = "cannot_tell_yet"
    more = 42_000 if code == "cannot_tell_yet" else None
    return Verdict(
        code=code,
        chance_of_profit=chance,
        expected_loss_if_shipped=loss,
        expected_loss_if_stopped=loss + point,
        tolerance=tolerance,
        more_customers=more,
    )


def roi(profit: float, cost: Estimate, kind: str = "interval") -> Roi:
    g = 0.015 if kind == "interval" else 2.2
    if kind == "interval":
        point = profit / cost.point
        return Roi(kind=kind, point=point, lower=point - 0.44, upper=point + 0.38, level=0.95, g=g, cost=cost)
    ends = (-0.8, 2.4) if kind == "outside" else (None, None)
    return Roi(kind=kind, point=None, lower=ends[0], upper=ends[1], level=0.95, g=g, cost=cost)


def arm(
    name: str,
    *,
    per_customer: dict[str, float],
    se: float,
    fixed: float,
    treated: int,
    simultaneous: float = Z,
    roi_kind: str = "interval",
    tolerance: float = 30_000.0,
) -> ArmReadout:
    unit = "RUB/customer"
    values = dict(per_customer)
    values["fixed_cost"] = fixed / treated
    values["profit"] = values["margin"] - values["reward"] - values["contact_cost"] - values["fixed_cost"]
    spread = {"revenue": 2.6, "margin": 1.05, "reward": 0.2, "contact_cost": 0.0, "fixed_cost": 0.0, "profit": 1.0}
    control = {"revenue": 84.2, "margin": 29.5, "reward": 0.4, "contact_cost": 0.0, "fixed_cost": 0.0, "profit": 29.1}
    money = tuple(
        Money(
            name=line,
            total=estimate(treated * value, treated * se * spread[line]),
            per_customer=estimate(value, se * spread[line], unit),
            raw_total=estimate(treated * value * 1.04, treated * se * spread[line] * 1.1),
            treated_mean=control[line] + value,
            control_mean=control[line],
        )
        for line, value in values.items()
    )
    profit = money[-1].total
    cost = estimate(treated * (values["reward"] + values["contact_cost"]) + fixed, treated * se * spread["reward"])
    result = roi(profit.point, cost, roi_kind)
    total_se = treated * se
    curve = tuple(
        CurvePoint(at=float(h), value=float(norm.cdf((profit.point - h * max(cost.point, 1)) / max(total_se, 1e-9))))
        for h in np.linspace(-0.5, 2, 51)
    )
    return ArmReadout(
        arm=name,
        assigned=treated,
        buyers=round(treated * 0.11),
        delivered_share=0.93,
        money=money,
        profit=profit,
        profit_simultaneous=estimate(profit.point, total_se, z=simultaneous),
        roi=result,
        iroas=estimate(3.2, 0.9, "") if roi_kind == "interval" else None,
        roi_curve=curve,
        verdict=verdict(profit.point, total_se, tolerance=tolerance),
        break_even_margin_rate=0.214 if values["revenue"] else None,
        break_even_reward=values["margin"] - values["contact_cost"] - values["fixed_cost"],
        cost_of_holdout=estimate(profit.point / 9, total_se / 9),
        cace_profit=estimate(values["profit"] / 0.93, se / 0.93, unit),
        gamma=-0.18,
        chance_best=0.0,
        largest_customer_share=0.04,
        profit_without_largest=estimate(profit.point * 0.94, total_se * 0.97),
        profit_capped=estimate(profit.point * 0.88, total_se * 0.9),
    )


def segments(arms: list[ArmReadout], dimensions: dict[str, list[str]], seed: int = 5) -> tuple[SegmentRow, ...]:
    rng = np.random.default_rng(seed)
    rows = []
    for one in arms:
        mean = one.profit.point / one.assigned
        for dimension, names in dimensions.items():
            for name in names:
                treated = int(one.assigned / len(names))
                se = 0.35 * max(abs(mean), 0.1) * len(names) ** 0.5
                raw = mean + rng.normal(0, se)
                rows.append(
                    SegmentRow(
                        dimension=dimension,
                        segment=name,
                        arm=one.arm,
                        treated=treated,
                        control=treated // 9,
                        buyers=treated // 10,
                        total=estimate(raw * treated, se * treated),
                        raw=estimate(raw, se, "RUB/customer"),
                        shrunken=estimate(mean + 0.25 * (raw - mean), 0.5 * se, "RUB/customer"),
                        planned=dimension != "region",
                    )
                )
    return tuple(rows)


def remainders(arms: list[ArmReadout], rows: tuple[SegmentRow, ...]) -> tuple[SegmentRemainder, ...]:
    found = []
    for one in arms:
        fixed, profit = (next(m.total.point for m in one.money if m.name == n) for n in ("fixed_cost", "profit"))
        for dimension in dict.fromkeys(row.dimension for row in rows):
            shown = sum(row.total.point for row in rows if (row.dimension, row.arm) == (dimension, one.arm))
            found.append(
                SegmentRemainder(
                    dimension=dimension, arm=one.arm, remainder=profit + fixed - shown, fixed=fixed, profit=profit
                )
            )
    return tuple(found)


CODES = {
    "made_money": "scale_up", "probably_made_money": "scale_up", "lost_money": "stop", "no_material_effect": "stop",
    "cannot_tell_yet": "keep_testing", "blocked": "withheld", "observational": "withheld",
}  # fmt: skip


def advise(one: ArmReadout, *, eligible: int = 100_000) -> ArmAdvice:
    """Advice that the arm's own verdict would have alone, with room for 300 contacts a run."""
    code, fixed = CODES[one.verdict.code], next(m.total.point for m in one.money if m.name == "fixed_cost")
    each = one.average_profit or estimate((one.profit.point + fixed) / one.assigned, 0.9, "RUB/customer")
    return ArmAdvice(
        arm=one.arm, code=code, reason=one.verdict.code, by_total=code, by_customer=code, total=one.profit,
        per_customer=each, chance=one.verdict.chance_of_profit, chance_among=None, chance_after=0.8,
        more_customers=one.verdict.more_customers, is_enough=one.verdict.more_customers is not None, runs=141,
        pays_from=5000, room=Room(customers=300, bound="channel", budget=60_000.0, channel="call"), eligible=eligible,
        reach=300, expected=300 * each.point - fixed,
    )  # fmt: skip


def checks(arms: tuple[str, ...] = ("email_10",)) -> tuple[Check, ...]:
    split = {"p_value": 0.47, "arms": 2.0, "customers": 100_000.0}
    whole = (
        Check(name="randomized", status="passed", blocking=True),
        Check(name="planned_split", status="passed", blocking=True, figures=split),
        Check(name="analysed_split", status="passed", blocking=True, figures=split | {"p_value": 0.0086}),
        Check(name="two_arms", status="passed", blocking=True, figures={"customers": 0.0, "share": 0.0}),
        Check(name="control_contacted", status="warned", blocking=True, figures={"customers": 3.0, "share": 0.0003}),
        Check(name="window_closed", status="passed", blocking=True, figures={"open": 0.0, "days_left": 0.0}),
        Check(name="plan_unchanged", status="not_checked", blocking=True),
        Check(name="costs_logged", status="warned", blocking=False, figures={"contacts": 812.0, "share": 0.009}),
    )
    of_arms = (
        check
        for arm in arms
        for check in (
            Check(name="one_customer", status="passed", blocking=False, figures={"share": 0.04}, where=arm),
            Check(
                name="control_size",
                status="passed",
                blocking=False,
                figures={"gamma": 0.08, "control": 10_000.0},
                where=arm,
            ),
            Check(
                name="pre_period_balance",
                status="passed",
                blocking=True,
                figures={"z": 1.01, "p_value": 0.31},
                where=f"{arm}: pre_revenue",
            ),
        )
    )
    return (*whole, *of_arms)


def days(arms: list[ArmReadout], outcome_days: int = 28, *, sequential: bool = False) -> tuple[DayPoint, ...]:
    points = []
    for one in arms:
        half = (one.profit.ci_upper - one.profit.ci_lower) / (2 * Z)
        for day in range(outcome_days):
            share = 1 - np.exp(-(day + 1) / 9)
            profit = estimate(
                one.profit.point * share - 0.1 * half * (1 - share), half * ((day + 1) / outcome_days) ** 0.5
            )
            wide = 1.7 * (profit.ci_upper - profit.point)
            points.append(
                DayPoint(
                    arm=one.arm,
                    day=day,
                    profit=profit,
                    sequential_lower=profit.point - wide if sequential else None,
                    sequential_upper=profit.point + wide if sequential else None,
                )
            )
    return tuple(points)
