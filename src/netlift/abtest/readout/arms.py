"""Readout of one arm against control: estimates and verdict from moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from scipy.special import ndtr

from netlift.abtest.readout.comparison import AFTER, DELIVERED, contrast_arms, contrast_each
from netlift.abtest.readout.result import (
    ALL_ARMS,
    AmongCampaigns,
    ArmCell,
    ArmReadout,
    MetricReadout,
    PullForward,
    Roi,
    Rollout,
    Verdict,
)
from netlift.abtest.readout.roi import (
    break_even_margin_rate,
    break_even_reward,
    cost_of_holdout,
    hurdles_about,
    iroas,
    profit_per_delivered,
    roi,
    roi_curve,
)
from netlift.abtest.readout.verdict import VerdictProbabilities, decide
from netlift.abtest.stats import skew
from netlift.abtest.stats.adjustment import Adjustment
from netlift.abtest.stats.difference import FEWEST, Contrast, Money, contrast, money, money_lines
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, Moments, merge
from netlift.abtest.stats.robustness import capped, largest_shares, without_largest
from netlift.abtest.stats.sequential import repeated_interval
from netlift.abtest.stats.simultaneous import chance_best, critical_value, joint_chance, simultaneous_profits
from netlift.abtest.stats.weighting import AVERAGE, arms_of, control_of
from netlift.data.contract import CONTROL
from netlift.results import Estimate

if TYPE_CHECKING:
    import ibis.expr.types as ir

NET: Mapping[str, float] = {**PROFIT, AFTER: 1.0}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What was decided, not measured.

    Attributes:
        currency: Of all money.
        level: Confidence of the intervals.
        tolerance: Loss that the business calls immaterial, currency for the whole campaign.
        fixed: Fixed cost of the campaign, shared by the arms by assigned customers.
        covariates: Pre-period figures that may be adjusted for, the most telling first.
        withheld: Why no verdict may be given; None where it may.
        bound: |z| of the look that is being taken, in the place of the usual one; None for a single look.
        bound_of_arm: The same for one of several arms, so that all arms and looks together hold the level.
        among: Arm (`ALL_ARMS` for the campaign) to what all campaigns of the business make of it.
    """

    currency: str
    level: float
    tolerance: float
    fixed: float
    covariates: tuple[str, ...]
    withheld: Literal["blocked", "observational"] | None = None
    bound: float | None = None
    bound_of_arm: float | None = None
    among: Mapping[str, AmongCampaigns] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArmCells:
    """Moments of one arm, and of it without its extremes.

    Attributes:
        whole: All its customers.
        without_largest: Without the one who spent most.
        capped: With spend capped.
        largest_share: Share of the arm's revenue that the one who spent most makes.
    """

    whole: Moments
    without_largest: Moments
    capped: Moments
    largest_share: float


@dataclass(frozen=True, kw_only=True)
class Joint:
    """What is said of one arm for all arms at once.

    Attributes:
        profit: Total profit, with the interval that holds for all arms.
        z: Normal score of that interval.
        best: Chance that the arm is the best of arms and control.
        chance: Chance that it made a profit; None for a single arm.
    """

    profit: Estimate
    z: float
    best: float
    chance: float | None


@dataclass(frozen=True, kw_only=True)
class OneCustomer:
    """The money of a contacted customer before fixed cost: what more customers would bring.

    Attributes:
        profit: Profit, currency per customer; of the campaign's average customer where chances differed.
        verdict: What may be said of it, times the treated.
        after: The same with the days after the window; None where these are not seen.
    """

    profit: Estimate
    verdict: Verdict
    after: Verdict | None


@dataclass(frozen=True, kw_only=True)
class ArmsRead:
    """All arms of a campaign, and the campaign as a whole.

    Attributes:
        arms: Each arm.
        adjustments: Their contrasts, in the same order.
        averages: The same for the campaign's average customer.
        money: Lines of all arms together.
        verdict: Of all arms together, with the whole fixed cost.
        profit: Of all arms together.
        roi: Of all arms together.
        customers: The money of one customer of each arm.
        z: Normal score of the arms' intervals.
        pull_forward: What followed the window, by arm; empty where those days are not seen.
        after_window: The same of all arms together.
        metrics: Figures beside the money, guardrails among them.
    """

    arms: tuple[ArmReadout, ...]
    adjustments: tuple[Adjustment, ...]
    averages: tuple[Adjustment, ...]
    money: tuple[Money, ...]
    verdict: Verdict
    profit: Estimate
    roi: Roi
    customers: tuple[OneCustomer, ...]
    z: float
    pull_forward: tuple[PullForward, ...] = ()
    after_window: PullForward | None = None
    metrics: tuple[MetricReadout, ...] = ()


def gather_arm_cells(
    rows: ir.Table, cells: Mapping[str, Moments], read: Callable[[ir.Table], Mapping[str, Moments]], *, cap: float
) -> dict[str, ArmCells]:
    """Moments of each arm beside those without its extremes.

    Args:
        rows: One row per assigned customer.
        cells: Moments of arms, control and its pictures.
        read: The same of other rows.
        cap: Share of buyers whose spend is below the cap.
    """
    smaller, cut, shares = read(without_largest(rows)), read(capped(rows, share=cap)), largest_shares(rows)
    return {
        arm: ArmCells(
            whole=whole, without_largest=smaller.get(arm, whole), capped=cut[arm], largest_share=shares.get(arm, 0.0)
        )
        for arm, whole in cells.items()
    }


def read_arms(
    groups: Mapping[str, ArmCells],
    terms: Terms,
    *,
    average: Mapping[str, Moments] | None = None,
    left: Mapping[str, Moments] | None = None,
    after_days: int = 0,
) -> ArmsRead:
    """Every arm against control, and all of them together.

    Args:
        groups: Arms, control and its pictures to their moments; outcomes, covariates, and `delivered` where logged.
        terms: What was decided.
        average: Arms and control as pictures of the campaign's average customer, where chances differed.
        left: Arms as pictures of control, and control; where chances differed and are known.
        after_days: Days behind the window whose `margin_after` the moments hold; 0 for none.

    Raises:
        DataError: An arm of fewer than two customers.
    """
    cells, control = arms_of(groups), groups[CONTROL]
    treated = sum(cell.whole.n for cell in cells.values())
    fixed = [terms.fixed * cell.whole.n / treated for cell in cells.values()]
    found, whole = contrast_arms(_whole(groups), covariates=terms.covariates)
    contrasts = [each.contrast for each in found.values()]
    averages = found if average is None else contrast_each(average, terms.covariates, centre=merge(*average.values()))
    others = averages if left is None else contrast_each(left, terms.covariates, centre=left[CONTROL])
    together = simultaneous_profits(contrasts, fixed=fixed, level=terms.level, currency=terms.currency)
    bests = chance_best([each.contrast for each in averages.values()], fixed=fixed)
    z = critical_value(contrasts, level=terms.level)
    bound = z if terms.bound is None else terms.bound_of_arm
    arms, pulled, customers = [], [], []
    for (arm, cell), share, profit, best in zip(cells.items(), fixed, together, bests, strict=True):
        own = replace(terms, fixed=share)
        joint = Joint(profit=profit, z=z, best=best, chance=_joint_chance(contrasts, found[arm].contrast, share))
        read = _read_arm(arm, cell, control_of(groups, arm), found[arm], terms=own, joint=joint)
        if average is not None:
            read = replace(
                read,
                estimand="average" if AVERAGE in groups else "treated",
                average_profit=money(averages[arm].contrast, PROFIT, **_written(terms), fixed=share)[1],
                cost_of_holdout=cost_of_holdout(others[arm].contrast, **_written(terms)),
            )
        arms.append(read)
        assigned = cell.whole.n + control_of(groups, arm).whole.n
        among = None if average is not None else terms.among.get(arm)
        each = [one.contrast for one in averages.values()]
        customers.append(
            _read_customer(
                each, averages[arm].contrast, among, after_days=after_days, assigned=assigned, terms=own, z=bound
            )
        )
        if after_days:
            seen = found[arm].contrast
            chance = _joint_chance(contrasts, seen, share, NET)
            pulled.append(
                read_pull_forward(arm, seen, days=after_days, assigned=assigned, terms=own, z=bound, joint=chance)
            )
    lines = money_lines(whole.contrast, raw=whole.raw, **_written(terms), fixed=terms.fixed)
    profit = _by_look(lines[-1].total, whole, terms)
    everybody = treated + control.whole.n
    return ArmsRead(
        arms=tuple(arms),
        adjustments=tuple(found.values()),
        averages=tuple(averages.values()),
        money=lines,
        verdict=_verdict(profit, whole, terms, assigned=everybody, among=terms.among.get(ALL_ARMS)),
        profit=profit,
        roi=roi(whole.contrast, **_written(terms), fixed=terms.fixed, z=terms.bound),
        customers=tuple(customers),
        z=z if bound is None else bound,
        pull_forward=tuple(pulled),
        after_window=read_pull_forward(
            ALL_ARMS, whole.contrast, days=after_days, assigned=everybody, terms=terms, z=terms.bound
        )
        if after_days
        else None,
    )


def _read_customer(
    contrasts: Sequence[Contrast], own: Contrast, among: AmongCampaigns | None, *, after_days: int, assigned: int,
    terms: Terms, z: float | None,
) -> OneCustomer:  # fmt: skip
    """The money of a customer of one arm, judged as that of all its customers is, but before fixed cost."""
    chance = None
    if among is not None:
        is_whole = not terms.fixed or not among.effect_se
        chance = among.chance_of_profit if is_whole else float(ndtr(among.effect / among.effect_se))
    before = replace(terms, fixed=0.0)
    total, each = money(own, PROFIT, **_written(terms), z=z)
    verdict = decide(
        total,
        own.se(PROFIT) * own.n_treated,
        tolerance=terms.tolerance,
        assigned=assigned,
        shape=own.shape,
        chances=VerdictProbabilities(joint=_joint_chance(contrasts, own, 0.0), among=chance),
        withheld=terms.withheld,
    )
    after = None
    if after_days:
        joint = _joint_chance(contrasts, own, 0.0, NET)
        after = read_pull_forward("", own, days=after_days, assigned=assigned, terms=before, z=z, joint=joint).verdict
    return OneCustomer(profit=each, verdict=verdict, after=after)


def _joint_chance(
    contrasts: Sequence[Contrast], own: Contrast, fixed: float, line: Mapping[str, float] = PROFIT
) -> float | None:
    """Chance that an arm made a profit, for all arms at once; None for a single arm."""
    error = own.se(line)
    if len(contrasts) == 1 or not error:
        return None
    t = (own.point(line) - fixed / own.n_treated) / error
    return joint_chance(contrasts, float(skew.normal_score(t, own.shape_of(line))))


def _whole(groups: Mapping[str, ArmCells]) -> dict[str, Moments]:
    return {name: group.whole for name, group in groups.items()}


def read_cell(arm: str, cell: Moments) -> ArmCell:
    """Counts, means and standard deviations of an arm."""
    kept = cell.take(OUTCOMES)
    means = {name: float(value) for name, value in zip(kept.names, kept.mean, strict=True)}
    sds = {name: float(value) for name, value in zip(kept.names, kept.sd, strict=True)}
    return ArmCell(arm=arm, n=cell.n, buyers=cell.buyers, means=means, sds=sds)


def read_pull_forward(
    arm: str, found: Contrast, *, days: int, assigned: int, terms: Terms, z: float | None, joint: float | None = None
) -> PullForward:
    """What followed the window: margin of so many days behind it, and profit with them counted in.

    Args:
        arm: Offer id; `ALL_ARMS` for the campaign.
        found: The difference that the headline is made of, `margin_after` among its outcomes.
        days: How many days are seen.
        assigned: Customers of arm and control.
        terms: What was decided, with the arm's fixed cost.
        z: Normal score of the headline's interval; None for that of the level.
        joint: Chance that `net` is above zero for all arms at once; None for a single arm.
    """
    net = money(found, NET, **_written(terms), fixed=terms.fixed, z=z)[0]
    verdict = decide(
        net,
        found.se(NET) * found.n_treated,
        tolerance=terms.tolerance,
        assigned=assigned,
        shape=found.shape_of(NET),
        fixed=terms.fixed,
        chances=VerdictProbabilities(joint=joint),
        withheld=terms.withheld,
    )
    after = money(found, {AFTER: 1.0}, **_written(terms), z=z)[0]
    return PullForward(arm=arm, days=days, after=after, net=net, verdict=verdict)


def read_rollout(
    arm: ArmReadout, shrunken: tuple[float, float], found: Contrast, *, eligible: int, outside: int, terms: Terms
) -> Rollout:
    """What the arm would bring if all eligible customers got it, once more under the same conditions.

    Luck is taken out: by all campaigns of the business and how much they differ where that is known, else by the other
    arms, the best of which is mostly not as good as it looks.

    Args:
        arm: Its readout.
        shrunken: Profit per customer and its standard error for the average of who would get it, as the campaign's own
            arms make of it.
        found: The same contrast, unshrunken.
        eligible: Customers who would get it.
        outside: Customers that the test says nothing of.
        terms: What was decided; the fixed cost is spent once more in whole.
    """
    per_customer, error = shrunken
    method = "forecast from this campaign alone"
    if arm.among is not None and arm.average_profit is None:
        per_customer, error = arm.among.effect, math.hypot(arm.among.effect_se, arm.among.effect_sd)
        method = "forecast without luck, with the spread between campaigns"
    point = eligible * per_customer - terms.fixed
    means = dict(zip(found.names, found.treated_mean, strict=True))
    paid = float(means["reward"] + means["contact_cost"])
    return Rollout(
        arm=arm.arm,
        eligible=eligible,
        profit=skew.estimate(
            point, eligible * error, shape=found.shape, level=terms.level, unit=terms.currency, method=method
        ),
        budget=eligible * paid + terms.fixed,
        outside=outside,
    )


def _read_arm(
    arm: str,
    cell: ArmCells,
    control: ArmCells,
    found: Adjustment,
    *,
    terms: Terms,
    joint: Joint,
) -> ArmReadout:
    seen, written = found.contrast, _written(terms)
    bound = terms.bound_of_arm if terms.bound is not None else joint.z
    lines = money_lines(seen, raw=found.raw, **written, fixed=terms.fixed, z=bound)
    returned = roi(seen, **written, fixed=terms.fixed, z=bound)
    profit = joint.profit if terms.bound is None else _by_look(lines[-1].total, found, replace(terms, bound=bound))
    is_logged = DELIVERED in cell.whole.names
    return ArmReadout(
        arm=arm,
        assigned=cell.whole.n,
        buyers=cell.whole.buyers,
        delivered_share=cell.whole.value(DELIVERED) if is_logged else None,
        money=lines,
        profit=profit,
        profit_simultaneous=profit,
        roi=returned,
        iroas=iroas(seen, **written, fixed=terms.fixed),
        roi_curve=roi_curve(seen, hurdles_about(returned), fixed=terms.fixed),
        verdict=_verdict(
            profit,
            found,
            terms,
            assigned=cell.whole.n + control.whole.n,
            joint=joint.chance,
            among=terms.among.get(arm),
        ),
        break_even_margin_rate=break_even_margin_rate(seen, fixed=terms.fixed),
        break_even_reward=break_even_reward(seen, fixed=terms.fixed),
        cost_of_holdout=cost_of_holdout(seen, **written),
        cace_profit=profit_per_delivered(seen, **written, fixed=terms.fixed) if is_logged else None,
        gamma=found.raw.gamma,
        chance_best=joint.best,
        largest_customer_share=cell.largest_share,
        profit_without_largest=None
        if min(cell.without_largest.n, control.without_largest.n) < FEWEST
        else _profit(arm, cell.without_largest, control.without_largest, terms),
        profit_capped=_profit(arm, cell.capped, control.capped, terms),
        among=terms.among.get(arm),
    )


def _profit(arm: str, treated: Moments, control: Moments, terms: Terms) -> Estimate:
    """Raw profit total of the treated."""
    seen = contrast(treated.take(OUTCOMES), control.take(OUTCOMES), arm=arm)
    return money(seen, PROFIT, **_written(terms), fixed=terms.fixed)[0]


def _by_look(profit: Estimate, found: Adjustment, terms: Terms) -> Estimate:
    """The interval that holds over all planned looks, where this is one of several."""
    if terms.bound is None:
        return profit
    return repeated_interval(
        profit.point,
        found.contrast.se(PROFIT) * found.contrast.n_treated,
        bound=terms.bound,
        shape=found.contrast.shape,
        level=profit.level,
        unit=profit.unit,
        method=profit.method,
    )


def _verdict(
    profit: Estimate,
    found: Adjustment,
    terms: Terms,
    *,
    assigned: int,
    joint: float | None = None,
    among: AmongCampaigns | None = None,
) -> Verdict:
    treated = found.contrast.n_treated
    return decide(
        profit,
        found.contrast.se(PROFIT) * treated,
        tolerance=terms.tolerance,
        assigned=assigned,
        shape=found.contrast.shape,
        fixed=terms.fixed,
        chances=VerdictProbabilities(joint=joint, among=among.chance_of_profit if among else None),
        withheld=terms.withheld,
    )


def _written(terms: Terms) -> dict[str, Any]:
    return {"level": terms.level, "currency": terms.currency}


__all__ = [
    "ArmCells",
    "ArmsRead",
    "Terms",
    "gather_arm_cells",
    "read_arms",
    "read_cell",
    "read_pull_forward",
    "read_rollout",
]
