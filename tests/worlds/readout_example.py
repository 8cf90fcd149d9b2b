"""Readouts made by hand: plain ones, and those that a page stumbles over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from readout_parts import LINES, STARTED, Z, advise, arm, checks, days, estimate, remainders, roi, segments, verdict

from netlift.abtest.readout.result import ArmCell, ArmReadout, Assumption, CampaignReadout, Check, PullForward, Rollout
from netlift.abtest.stats.difference import Money
from netlift.abtest.stats.heterogeneity import Heterogeneity
from netlift.abtest.stats.sequential import Look

EVIL = (
    "=cmd()",
    '<script>alert("x")</script>',
    "{{7*7}} {% raw %} ${7*7}",
    "x" * 300,
    "📣🎁 Осень 👨‍👩‍👧‍👦",
    "חנוכה \u202eمرحبا",
    "![i](http://evil.example/t.png) a|b`c`\x1b[31m\x00",
)
ONE = {"revenue": 14.2, "margin": 5.1, "reward": 1.9, "contact_cost": 0.35}
SEGMENTS = {
    "value_segment": ["champions", "loyal", "new", "sleeping", "lost"],
    "region": ["Москва", "Санкт-Петербург", "Казань"],
}


def together(arms: list[ArmReadout]) -> tuple[Money, ...]:
    """Lines of all arms: their sums, errors added up as if they were one."""
    lines = []
    for parts in zip(*(one.money for one in arms), strict=True):
        points = [part.total.point for part in parts]
        half = sum((part.total.ci_upper - part.total.ci_lower) / 2 for part in parts) * (1 if len(arms) == 1 else 0.8)
        total = replace(parts[0].total, point=sum(points), ci_lower=sum(points) - half, ci_upper=sum(points) + half)
        lines.append(replace(parts[0], total=parts[0].total if len(arms) == 1 else total))
    return tuple(lines)


def make_readout(
    *,
    arms: list[ArmReadout] | None = None,
    name: str = "Осенняя рассылка со скидкой 10 %",
    campaign_id: str = "C07",
    code: str | None = None,
    dimensions: dict[str, list[str]] | None = None,
    looks: bool = False,
    **changes: object,
) -> CampaignReadout:
    arms = arms or [arm("email_10", per_customer=ONE, se=0.95, fixed=45_000, treated=90_000)]
    arms = [replace(one, chance_best=0.97 if i == 0 else 0.03 / len(arms)) for i, one in enumerate(arms)]
    best = max(arms, key=lambda one: one.profit.point)
    total = sum(one.profit.point for one in arms)
    se = sum((one.profit.ci_upper - one.profit.ci_lower) / (2 * Z) for one in arms) * (1 if len(arms) == 1 else 0.8)
    cost = sum(one.roi.cost.point for one in arms)
    dimensions = SEGMENTS if dimensions is None else dimensions
    if code is not None:
        arms = [replace(one, verdict=replace(one.verdict, code=code, more_customers=None)) for one in arms]
    rows, advice = segments(arms, dimensions), tuple(advise(one) for one in arms)
    result = CampaignReadout(
        campaign_id=campaign_id,
        name=name,
        currency="RUB",
        started=STARTED,
        ended=STARTED + timedelta(days=28),
        outcome_days=28,
        as_of=datetime(2026, 10, 12, tzinfo=UTC),
        observational=code == "observational",
        verdict=verdict(total, se, tolerance=30_000, code=code),
        best_arm=best.arm,
        money=together(arms),
        profit=estimate(total, se),
        roi=roi(total, estimate(cost, 0.05 * abs(cost)), best.roi.kind),
        arms=tuple(arms),
        cells=(
            ArmCell(
                arm="control",
                n=10_000,
                buyers=980,
                means={"revenue": 84.2, "margin": 29.5, "reward": 0.4, "contact_cost": 0.0},
                sds={"revenue": 410.7, "margin": 150.1, "reward": 3.3, "contact_cost": 0.0},
            ),
            *(
                ArmCell(
                    arm=one.arm,
                    n=one.assigned,
                    buyers=one.buyers,
                    means={line.name: line.treated_mean for line in one.money[:4]},
                    sds={"revenue": 431.0, "margin": 160.4, "reward": 9.1, "contact_cost": 0.05},
                )
                for one in arms
            ),
        ),
        segments=rows,
        segment_remainders=remainders(arms, rows),
        advice=advice,
        best_in_total=max(advice, key=lambda one: one.expected).arm,
        heterogeneity=tuple(
            Heterogeneity(
                dimension=dimension,
                arm=one.arm,
                q=5.26 if dimension != "region" else 9.4,
                freedom=len(names) - 1,
                p_value=0.51 if dimension != "region" else 0.009,
                between_sd=0.0 if dimension != "region" else 0.61,
                planned=dimension != "region",
            )
            for one in arms
            for dimension, names in dimensions.items()
        ),
        checks=checks(tuple(one.arm for one in arms)),
        days=days(arms, sequential=looks),
        pull_forward=tuple(
            PullForward(
                arm=one.arm,
                days=14,
                after=estimate(-0.2 * one.profit.point, 0.3 * abs(one.profit.point) + 1),
                net=estimate(0.8 * one.profit.point, abs(one.profit.point) + 1),
                verdict=verdict(0.8 * one.profit.point, abs(one.profit.point) + 1, tolerance=30_000),
            )
            for one in arms
        ),
        after_window=PullForward(
            arm="",
            days=14,
            after=estimate(-1.3 * total, abs(total) + 1),
            net=estimate(-0.3 * total, 1.5 * abs(total) + 1),
            verdict=verdict(-0.3 * total, 1.5 * abs(total) + 1, tolerance=30_000),
        ),
        rollout=(
            Rollout(
                arm=best.arm,
                eligible=1_200_000,
                profit=estimate(best.profit.point / best.assigned * 1_200_000 * 0.8, 900_000),
                budget=2_700_000.0,
                outside=310_000,
            ),
        ),
        looks=(
            Look(number=1, looks=2, information=0.5, bound=2.963, z=1.4, stopped=False),
            Look(number=2, looks=2, information=1.0, bound=1.969, z=1.92, stopped=True),
        )
        if looks
        else (),
        covariates=("pre_revenue", "pre_purchases", "tenure_days"),
        assumptions=(
            Assumption(name="margin_source", value="margin"),
            Assumption(name="fixed_cost", value="45000.00"),
            Assumption(name="outcome_days", value="28"),
            Assumption(name="pre_days", value="365"),
            Assumption(name="tolerance", value="30000.00"),
            Assumption(name="level", value="0.95"),
            Assumption(name="rewards", value="contacts.reward_cost"),
            Assumption(name="weighted_by_chance", value="no"),
        ),
        level=0.95,
        plan_digest="9f2c41d0e5aa",
        config_digest="1b7a33c9d802",
        versions={"netlift": "0.1.0", "numpy": "2.4.0"},
        hypothesis="Скидка 10 % возвращает покупателей, не покупавших 60 дней.",
        notes={"unknown_customers": 12},
    )
    return replace(result, **changes)


def six_arms() -> CampaignReadout:
    names = ["email_10", "email_15", "sms_10", "push", "call_vip_customers_with_a_long_offer_name_of_autumn", "gift"]
    shapes = [(14.2, 5.1, 1.9), (18.0, 6.0, 3.4), (9.0, 3.2, 1.2), (2.0, 0.7, 0.0), (4.0, 1.4, 2.5), (11.0, 4.1, 3.9)]
    arms = [
        arm(
            name,
            per_customer={"revenue": r, "margin": m, "reward": w, "contact_cost": 0.2 + 0.3 * i},
            se=0.9,
            fixed=10_000,
            treated=30_000,
            simultaneous=2.57,
        )
        for i, (name, (r, m, w)) in enumerate(zip(names, shapes, strict=True))
    ]
    return make_readout(arms=arms)


def thirty_segments() -> CampaignReadout:
    return make_readout(dimensions={"store": [f"Магазин № {i} на длинной улице" for i in range(1, 31)]})


def zero_money() -> CampaignReadout:
    nothing = dict.fromkeys(LINES, 0.0)
    one = arm("email_10", per_customer=nothing, se=0.0, fixed=0.0, treated=500, roi_kind="undefined")
    return make_readout(arms=[one], days=(), pull_forward=(), rollout=())


def of_kind(kind: str) -> CampaignReadout:
    one = arm("email_10", per_customer=ONE | {"reward": -0.1}, se=0.9, fixed=0, treated=9_000, roi_kind=kind)
    return make_readout(arms=[one])


def blocked() -> CampaignReadout:
    bad = {"p_value": 2.4e-9, "arms": 2.0, "customers": 100_000.0}
    found = tuple(
        replace(check, status="failed", figures=bad)
        if check.name == "planned_split"
        else replace(check, status="failed", figures={"open": 0.043, "days_left": 5.5})
        if check.name == "window_closed"
        else check
        for check in checks()
    )
    return make_readout(code="blocked", checks=found)


def single(margin: float, se: float) -> CampaignReadout:
    return make_readout(
        arms=[arm("email_10", per_customer=ONE | {"margin": margin}, se=se, fixed=45_000, treated=90_000)]
    )


def evil() -> CampaignReadout:
    arms = [
        arm(name, per_customer=ONE, se=0.9, fixed=500, treated=30_000 + i, simultaneous=2.5)
        for i, name in enumerate(EVIL)
    ]
    found = make_readout(arms=arms, name=" ".join(EVIL), campaign_id=EVIL[0], dimensions={EVIL[1]: list(EVIL)})
    return replace(
        found,
        hypothesis=EVIL[1],
        covariates=EVIL,
        assumptions=tuple(Assumption(name=text, value=text) for text in EVIL),
        checks=tuple(
            Check(name=text, status="failed", blocking=True, figures={text: 1.0}, where=text) for text in EVIL
        ),
        versions={EVIL[1]: EVIL[0]},
        notes={EVIL[1]: 3},
    )


def weighted(*, logged: bool) -> CampaignReadout:
    """Chances differed: the average customer beside the treated, or in the place of single arms' own."""
    found = six_arms()
    arms = [
        replace(one, average_profit=estimate(1.25, 0.4), estimand="treated" if logged else "average")
        for one in found.arms
    ]
    assumptions = [
        replace(one, value="treated") if one.name == "weighted_by_chance" else one for one in found.assumptions
    ]
    changed = make_readout(arms=arms, assumptions=tuple(assumptions))
    if logged:
        return changed
    total = changed.profit.point * 1.3
    return replace(changed, profit=replace(changed.profit, point=total))


EXAMPLES = {
    "probably": lambda: single(5.1, 1.2),
    "made_money": lambda: single(6.4, 0.9),
    "lost_money": lambda: single(1.1, 0.4),
    "cannot_tell": lambda: single(3.1, 1.4),
    "no_effect": lambda: single(2.75, 0.14),
    "blocked": blocked,
    "observational": lambda: make_readout(code="observational", plan_digest=None, rollout=()),
    "six_arms": six_arms,
    "thirty_segments": thirty_segments,
    "zero_money": zero_money,
    "outside": lambda: of_kind("outside"),
    "all": lambda: of_kind("all"),
    "saves_cost": lambda: of_kind("saves_cost"),
    "looks": lambda: make_readout(looks=True),
    "evil": evil,
    "weighted": lambda: weighted(logged=True),
    "unlogged": lambda: weighted(logged=False),
}
