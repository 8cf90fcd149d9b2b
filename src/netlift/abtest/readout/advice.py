"""Advice for an arm (scale up, keep testing or stop), by total profit and by profit per customer.

Two figures speak, each by the same ladder (`verdict`): the profit of all its customers, with the fixed cost, and the
profit of a contacted customer, without it, which is what more customers would bring.

    scale_up        the verdict says made, or probably made, money, *and* no other line of the page takes that back: the
                    chance among all campaigns, and that with the days after the window, are .90 as well
    stop            the verdict says lost money, or a chance of profit of .10 at most, by itself and among campaigns, at
                    an expected loss of stopping within the tolerance; or nothing material to be had; or any of
                    these chances below .50 and not customers enough to make sure. Not where the days after the window
                    more likely than not bring it back
    keep_testing    anything else: about so many more customers would settle it
    withheld        a blocking check failed, or nobody drew the arms by chance

A guardrail that failed stops an arm, whatever it earned; one that is not kept for sure leaves it to more testing.

Both figures must agree to scale up. A sure loss of either stops, unless the other has earned: what earns per customer
and not in total pays from a larger number of customers; what earned in total and not on the average customer earned on
those it was sent to. Without effect an arm is scaled up no more often than the ladder says that one probably made
money: in a tenth of campaigns at most, however many arms there are.

What one run may do is the config's: an offer's and a channel's contacts, and the budget for contacts and rewards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from netlift.abtest.readout.arms import OneCustomer
from netlift.abtest.readout.result import (
    AdviceCode,
    ArmAdvice,
    ArmReadout,
    Bound,
    CheckStatus,
    PullForward,
    Rollout,
    Room,
    Verdict,
)
from netlift.abtest.readout.verdict import PROBABLE
from netlift.results import Estimate

EARNED = ("made_money", "probably_made_money")
WITHHELD = ("blocked", "observational")
EVEN = 0.5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may do with one offer; None for no limit.

    Attributes:
        offer: Contacts of the offer.
        channel: Contacts of its channel.
        budget: Currency for contacts and rewards.
        channel_name: The channel; empty where nobody says.
    """

    offer: int | None = None
    channel: int | None = None
    budget: float | None = None
    channel_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything that is known of one arm.

    Attributes:
        arm: Its readout.
        customer: Profit of a contacted customer before fixed cost.
        after: With the days after the window; None where these are not seen.
        rollout: Forecast for all eligible.
        fixed: Fixed cost of a run.
        control: Customers of control.
        limits: The config's.
        guardrail: How the guardrail of the arm ended that ended worst.
    """

    arm: ArmReadout
    customer: OneCustomer
    after: PullForward | None
    rollout: Rollout
    fixed: float
    control: int
    limits: Limits
    guardrail: CheckStatus = "passed"


def advise(seen: Seen) -> ArmAdvice:
    """What to do with an arm.

    Args:
        seen: What is known of it.
    """
    arm, verdict, customer = seen.arm, seen.arm.verdict, seen.customer
    after = None if seen.after is None else seen.after.verdict
    total = _judge(arm.profit, verdict, after)
    each = _judge(customer.profit, customer.verdict, customer.after)
    code, reason = _together(total, each)
    more = after.more_customers if after is not None and reason == "after_window" else verdict.more_customers
    people = seen.rollout.eligible + seen.rollout.outside
    is_enough = more is not None and more <= people
    if reason == "cannot_tell_yet" and not is_enough and _least_chance(verdict, after) < EVEN:
        code, reason = "stop", "not_worth_testing"
    if seen.guardrail == "failed" and code != "withheld":
        code, reason = "stop", "guardrail"
    if seen.guardrail == "warned" and code == "scale_up":
        code, reason = "keep_testing", "guardrail_open"
    more = more if code == "keep_testing" else None
    cost = (seen.rollout.budget - seen.fixed) / seen.rollout.eligible if seen.rollout.eligible else 0.0
    room = find_room(seen.limits, cost)
    reach = seen.rollout.eligible if room.customers is None else min(room.customers, seen.rollout.eligible)
    effect = (seen.rollout.profit.point + seen.fixed) / max(seen.rollout.eligible, 1)
    effect = effect if arm.among is None else min(effect, arm.among.effect)
    earns = seen.fixed > 0 and customer.profit.point > 0
    return ArmAdvice(
        arm=arm.arm,
        code=code,
        reason=reason,
        by_total=total[0],
        by_customer=each[0],
        total=arm.profit,
        per_customer=customer.profit,
        chance=verdict.chance_of_profit,
        chance_among=verdict.chance_among_campaigns,
        chance_after=None if after is None else after.chance_of_profit,
        more_customers=more,
        is_enough=is_enough,
        runs=_runs(more, arm.assigned / (arm.assigned + seen.control), room),
        pays_from=math.ceil(seen.fixed / customer.profit.point) if earns else None,
        room=room,
        eligible=seen.rollout.eligible,
        reach=reach,
        expected=reach * effect - seen.fixed,
    )


def best_in_total(found: Sequence[ArmAdvice]) -> str:
    """The arm of which a run within the limits is expected to bring most."""
    return max(found, key=lambda advice: advice.expected).arm


def find_room(limits: Limits, cost: float) -> Room:
    """How many customers a run has room for, and what limits it.

    Args:
        limits: What a run may do.
        cost: Reward and contact cost per contacted customer, currency.

    Examples:
        >>> find_room(Limits(channel=300, budget=60_000.0), 75.0).bound
        'channel'
        >>> find_room(Limits(budget=60_000.0), 75.0).customers
        800
    """
    known: dict[Bound, int | None] = {"offer": limits.offer, "channel": limits.channel}
    if limits.budget is not None and cost > 0 and math.isfinite(limits.budget / cost):
        known["budget"] = math.floor(limits.budget / cost)
    found: dict[Bound, int] = {name: customers for name, customers in known.items() if customers is not None}
    bound: Bound = min(found, key=lambda name: found[name], default="")
    return Room(
        customers=found.get(bound), bound=bound, budget=limits.budget, channel=limits.channel_name
    )  # fmt: skip


def after_turns(profit: Estimate, verdict: Verdict, after: PullForward | None) -> bool:
    """Whether the days after the window could turn what is said of a profit: its sign, or its verdict."""
    if after is None:
        return False
    return (profit.point > 0) != (after.net.point > 0) or verdict.code != after.verdict.code


def _judge(profit: Estimate, verdict: Verdict, after: Verdict | None) -> tuple[AdviceCode, str]:
    """What one figure says, and why."""
    if verdict.code in WITHHELD:
        return "withheld", verdict.code
    if profit.ci_lower == profit.ci_upper:
        return "keep_testing", "nobody_bought"
    among = verdict.chance_among_campaigns
    if verdict.code in EARNED:
        if among is not None and among < PROBABLE:
            return "keep_testing", "among"
        if after is not None and _chance(after) < PROBABLE:
            return "keep_testing", "after_window"
        return "scale_up", verdict.code
    if verdict.code == "lost_money" or probably_lost(verdict):
        if recovers(after):
            return "keep_testing", "after_window"
        return "stop", "lost_money" if verdict.code == "lost_money" else "probably_lost"
    if verdict.code == "no_material_effect":
        return "stop", verdict.code
    return "keep_testing", "cannot_tell_yet"


def _together(total: tuple[AdviceCode, str], each: tuple[AdviceCode, str]) -> tuple[AdviceCode, str]:
    """Both figures: they agree to scale up; a sure loss of either stops, unless the other has earned."""
    codes = (total[0], each[0])
    if codes == ("stop", "scale_up"):
        return "keep_testing", "fixed_cost"
    if codes[0] == "scale_up" and codes[1] != "scale_up":
        return "keep_testing", "only_chosen"
    return each if codes[1] == "stop" and codes[0] != "stop" else total


def _chance(verdict: Verdict) -> float:
    """Chance of profit, for all arms at once where there are several."""
    return min(chance for chance in (verdict.chance_of_profit, verdict.chance_jointly) if chance is not None)


def probably_lost(verdict: Verdict) -> bool:
    """Whether profit is improbable, by itself and among campaigns, and what stopping may give up is immaterial."""
    best = max(verdict.chance_of_profit, verdict.chance_among_campaigns or 0.0)
    return best <= 1 - PROBABLE and verdict.expected_loss_if_stopped <= verdict.tolerance


def recovers(after: Verdict | None) -> bool:
    """Whether the days after the window make a profit at least as probable as a loss."""
    return after is not None and after.chance_of_profit >= EVEN


def _least_chance(verdict: Verdict, after: Verdict | None) -> float:
    """The smallest of the chances of profit by itself, among campaigns and with the days after the window."""
    known = (
        verdict.chance_of_profit,
        verdict.chance_among_campaigns,
        None if after is None else after.chance_of_profit,
    )
    return min(chance for chance in known if chance is not None)


def _runs(more: int | None, share: float, room: Room) -> int | None:
    """Runs that it takes to contact the arm's share of so many more customers."""
    if more is None or not room.customers:
        return None
    return math.ceil(more * share / room.customers)


__all__ = [
    "EARNED",
    "Limits",
    "Seen",
    "advise",
    "after_turns",
    "best_in_total",
    "find_room",
    "probably_lost",
    "recovers",
]
