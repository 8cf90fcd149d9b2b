"""Validity checks of a readout: sample ratio, contacts in control, open outcome windows.

A check that fails and is blocking takes the verdict away, never the numbers. Bounds are those of the field: mismatch of
the sample ratio and pre-period balance at .001, the latter divided by how many covariates and arms are looked at.

References:
    Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD. The level .001 is
    that of Eppo and GrowthBook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scipy.special import ndtr

from netlift.abtest.readout.overlaps import ANY, NOTICED, TOO_MUCH, Touch
from netlift.abtest.readout.result import ArmReadout, Check, CheckStatus
from netlift.abtest.stats.adjustment import Adjustment
from netlift.abtest.stats.difference import Contrast, contrast
from netlift.abtest.stats.moments import OUTCOMES, Moments
from netlift.abtest.stats.skew import LARGE
from netlift.abtest.stats.weighting import control_of
from netlift.data.assigned_days import AssignedDays
from netlift.data.checks.repeats import Repeats
from netlift.data.checks.rules import CONTACTED_SHARE, TORN_SHARE
from netlift.data.checks.sample_ratio import SampleRatio
from netlift.data.contract import CONTROL

ALARM = 0.001
ONE_CUSTOMER_SHARE = 0.2
FEWEST_CUSTOMERS = 10
FEWEST_CLUSTERS, MANY_CLUSTERS = float(FEWEST_CUSTOMERS), 30.0
REACHED_FEW, REACHED_NOBODY = 0.5, 0.1
REPEATED_TOO_OFTEN = 0.1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was counted of one campaign.

    Attributes:
        randomized: Whether chance, with known propensities, drew the arms.
        assigned: Customers drawn.
        ratios: Sample ratio by who is looked at: planned_split (all assigned), analysed_split (those the customers
            table knows).
        torn: Customers in two arms.
        control: Customers of control.
        control_delivered: Of them, whom a contact reached; None where nobody logs delivery.
        open_windows: Customers whose outcome window is not over, or not covered by receipts.
        as_of: First moment not seen.
        unseen_days: Days by which the receipts end before the moment that was asked for.
        ended: End of the last window.
        stopped_early: Whether a planned look ended the test before its window was over.
        plan_unchanged: Whether the plan is as it was frozen; None without a plan.
        costs_assumed: Contacts without a logged cost, priced by their offer.
        contacts: Contacts apart from control.
        outcome_days: Length of the outcome window.
        days: On which days the arms were assigned.
        touches: Other campaigns, and all of them together, that contacted its customers; see `abtest.overlaps`.
        repeats: Receipts of its time that stand more than once; None where they have ids.
        not_drawn: Why it was not chance that drew the arms: `certain`, or empty where nobody knows the chances.
        faults: Where and how the campaign breaks the data contract, to how many rows; None where nobody checked.
    """

    randomized: bool
    assigned: int
    ratios: Mapping[str, SampleRatio]
    torn: int
    control: int
    control_delivered: int | None
    open_windows: int
    as_of: datetime
    unseen_days: float
    ended: datetime
    stopped_early: bool
    plan_unchanged: bool | None
    costs_assumed: int
    contacts: int
    outcome_days: int
    days: AssignedDays
    touches: Mapping[str, Touch]
    repeats: Repeats | None
    not_drawn: str = ""
    faults: Mapping[str, int] | None = None


def check_campaign(facts: Facts) -> tuple[Check, ...]:
    """The checks on who was assigned and when it is read."""
    return tuple(_campaign_checks(facts))


def _campaign_checks(facts: Facts) -> Iterator[Check]:
    yield _randomized(facts)
    for name in ("planned_split", "analysed_split"):
        yield check_split(name, facts.ratios.get(name))
    yield from _no_choice(facts)
    yield _same_days(facts)
    torn = facts.torn / max(facts.assigned, 1)
    yield Check(
        name="two_arms", status=_step(torn, 0.0, TORN_SHARE), blocking=True,
        figures={"customers": float(facts.torn), "share": torn},
    )  # fmt: skip
    yield _control_contacted(facts)
    yield _other_campaigns(facts)
    left = facts.open_windows / max(facts.assigned, 1)
    open_window: CheckStatus = "failed" if left and not facts.stopped_early else "passed"
    yield Check(
        name="window_closed", status=open_window, blocking=True,
        figures={
            "open": left,
            "days_left": max((facts.ended - facts.as_of).total_seconds() / 86_400, 0.0),
            "unseen_days": facts.unseen_days,
        },
        reason="receipts" if open_window == "failed" and facts.unseen_days else "",
    )  # fmt: skip
    yield _receipts_once(facts.repeats)
    if facts.plan_unchanged is None:
        yield Check(name="plan_unchanged", status="not_checked", blocking=True)
    else:
        yield Check(name="plan_unchanged", status="passed" if facts.plan_unchanged else "failed", blocking=True)
    assumed = facts.costs_assumed / max(facts.contacts, 1)
    yield Check(
        name="costs_logged", status="warned" if assumed > 0 else "passed", blocking=False,
        figures={"contacts": float(facts.costs_assumed), "share": assumed},
    )  # fmt: skip
    if facts.faults is not None:
        figures = {name: float(rows) for name, rows in facts.faults.items()}
        yield Check(name="sound_rows", status="failed" if figures else "passed", blocking=True, figures=figures)


def check_arm(
    arm: str, contrast: Contrast, *, gamma: float, largest_share: float, balance: Contrast | None, looked_at: int
) -> tuple[Check, ...]:
    """The checks on one arm against control.

    Args:
        arm: Offer id.
        contrast: Of the outcomes.
        gamma: Skewness of the profit contrast.
        largest_share: Share of the arm's revenue that its largest customer makes.
        balance: Contrast with the covariates behind the outcomes; None where there are none.
        looked_at: Covariates times arms, by which the level of the balance alarm is divided.
    """
    checks = [
        Check(
            name="one_customer", status="warned" if largest_share > ONE_CUSTOMER_SHARE else "passed", blocking=False,
            figures={"share": largest_share}, where=arm,
        ),
        _size(arm, contrast, gamma),
    ]  # fmt: skip
    if balance is not None:
        checks.append(_balance(arm, balance, looked_at))
    return tuple(checks)


def check_arms(
    arms: Sequence[ArmReadout], found: Sequence[Adjustment], cells: Mapping[str, Moments], *, covariates: Sequence[str]
) -> Iterator[Check]:
    """The checks on every arm, its balance before the campaign among them.

    Args:
        arms: As they were read.
        found: Their contrasts, in the same order.
        cells: Moments of arms and control.
        covariates: Figures of before, of which those that were adjusted for must be balanced.
    """
    for arm, adjustment in zip(arms, found, strict=True):
        before = [name for name in covariates if name in adjustment.used]
        balance = None
        if before:
            names = [*OUTCOMES, *before]
            balance = contrast(cells[arm.arm].take(names), control_of(cells, arm.arm).take(names), arm=arm.arm)
        yield from check_arm(
            arm.arm,
            adjustment.raw,
            gamma=arm.gamma,
            largest_share=arm.largest_customer_share,
            balance=balance,
            looked_at=len(before) * len(arms),
        )
        if cells[CONTROL].clusters is not None:
            yield check_clusters(
                arm.arm, min(cell.effective_units for cell in (cells[arm.arm], control_of(cells, arm.arm)))
            )


def _size(arm: str, contrast: Contrast, gamma: float) -> Check:
    """Whether arm and control hold enough customers to tell an effect from chance, and control enough for the skew."""
    figures = {"gamma": gamma, "control": float(contrast.n_control)}
    if min(contrast.n_control, contrast.n_treated) < FEWEST_CUSTOMERS:
        figures |= {"customers": float(contrast.n_treated), "fewest": float(FEWEST_CUSTOMERS)}
        return Check(name="control_size", status="failed", blocking=True, figures=figures, where=arm)
    status: CheckStatus = "warned" if abs(gamma) > LARGE else "passed"
    return Check(name="control_size", status=status, blocking=False, figures=figures, where=arm)


def check_clusters(arm: str, effective: float) -> Check:
    """Whether enough clusters (households, stores) make the standard error of an arm.

    Args:
        arm: Offer id.
        effective: Clusters of one size that would weigh as much, in the arm or in control, whichever has fewer.

    References:
        Cameron, Miller (2015), A practitioner's guide to cluster-robust inference, J. Human Resources 50(2), sec. VI.
    """
    status: CheckStatus = "passed"
    if effective < MANY_CLUSTERS:
        status = "failed" if effective < FEWEST_CLUSTERS else "warned"
    figures = {"clusters": effective, "fewest": FEWEST_CLUSTERS, "many": MANY_CLUSTERS}
    return Check(name="clusters", status=status, blocking=True, figures=figures, where=arm)


def blocked(checks: Sequence[Check]) -> bool:
    """Whether a failed check takes the verdict away."""
    return any(check.blocking and check.status == "failed" for check in checks)


def check_split(name: str, ratio: SampleRatio | None) -> Check:
    """Whether the arms have the sizes that were planned; not checked where nobody knows the plan."""
    if ratio is None or ratio.p_value is None:
        return Check(name=name, status="not_checked", blocking=True)
    figures = {"p_value": ratio.p_value, "arms": float(ratio.arms), "customers": float(ratio.rows)}
    if ratio.method == "arm by arm":
        # Some arms were open to a part of the customers only: they are compared with a control of other people.
        return Check(name="same_people", status="failed", blocking=True, figures=figures, where=name)
    failed = ratio.p_value < ALARM
    return Check(name=name, status="failed" if failed else "passed", blocking=True, figures=figures)


def _randomized(facts: Facts) -> Check:
    """Whether chance drew the arms, by chances that can be those of a draw."""
    if not facts.randomized:
        return Check(name="randomized", status="failed", blocking=True, reason=facts.not_drawn)
    sums = next((ratio for ratio in facts.ratios.values() if ratio.fault == "sums"), None)
    if sums is None or sums.chances is None:
        return Check(name="randomized", status="passed", blocking=True)
    return Check(
        name="randomized", status="failed", blocking=True, figures={"chances": sums.chances}, reason="sums"
    )  # fmt: skip


def _no_choice(facts: Facts) -> Iterator[Check]:
    """Customers who were sure of their arm have nobody in the others to be compared with."""
    certain = max((ratio.certain for ratio in facts.ratios.values()), default=0)
    if certain:
        share = certain / max(facts.assigned, 1)
        yield Check(
            name="same_people", status=_step(share, 0.0, TORN_SHARE), blocking=True,
            figures={"customers": float(certain), "share": share}, reason="certain",
        )  # fmt: skip


def _same_days(facts: Facts) -> Check:
    days = facts.days
    status: dict[str, CheckStatus] = {"own": "passed", "common": "warned", "none": "failed"}
    figures = {"days_apart": days.days_apart, "share": days.share_apart, "p_value": days.p_value, "spread": days.spread}
    found = status[days.reading(facts.outcome_days)]
    return Check(
        name="same_days", status=found, blocking=True, figures=figures, where="" if found == "passed" else days.arm
    )


def _control_contacted(facts: Facts) -> Check:
    """Whether control was left alone: by this campaign, and by others more than the arms were."""
    others = _unlike(facts, sign=-1)
    if facts.control_delivered is None and not facts.touches:
        return Check(name="control_contacted", status="not_checked", blocking=True)
    share = (facts.control_delivered or 0) / max(facts.control, 1)
    figures = {"customers": float(facts.control_delivered or 0), "share": share}
    own = _step(share, 0.0, CONTACTED_SHARE)
    touch = others or facts.touches.get(ANY)
    if touch is None:
        return Check(name="control_contacted", status=own, blocking=True, figures=figures)
    control = touch.arms[CONTROL]
    figures |= {
        "others": float(control.contacted), "others_share": control.share, "arms_share": arms_share(touch),
    }  # fmt: skip
    theirs: CheckStatus = "passed" if others is None else _step(abs(others.unlike), NOTICED, TOO_MUCH)
    reason = "others" if _WORSE.index(theirs) > _WORSE.index(own) else "also"
    return Check(
        name="control_contacted", status=max(own, theirs, key=_WORSE.index), blocking=True, figures=figures,
        where=touch.other if reason == "others" else "", reason=reason,
    )  # fmt: skip


_WORSE: tuple[CheckStatus, ...] = ("passed", "warned", "failed")


def _other_campaigns(facts: Facts) -> Check:
    """Whether other campaigns reached arm and control alike: what they did is then no part of the difference."""
    everything = facts.touches.get(ANY)
    if everything is None:
        return Check(name="other_campaigns", status="passed", blocking=True)
    worst = _unlike(facts) or everything
    control = worst.arms[CONTROL]
    figures = {
        "others": float(len(facts.touches) - 1),
        "customers": float(worst.contacted),
        "control_share": control.share,
        "arms_share": arms_share(worst),
        "difference_share": abs(worst.difference),
        "p_value": worst.p_value,
    }
    status = _step(abs(worst.unlike), NOTICED, TOO_MUCH)
    if status == "passed":
        return Check(name="other_campaigns", status=status, blocking=True, figures=figures, reason="alike")
    where, reason = worst.other, "coincides" if worst.coincides else "unlike"
    return Check(name="other_campaigns", status=status, blocking=True, figures=figures, where=where, reason=reason)


def _unlike(facts: Facts, *, sign: int = 0) -> Touch | None:
    """The other campaign that reached the arms most unlike control, or all of them together; None where none did.

    With `sign` -1 only those that reached control more than an arm.
    """
    found = [touch for touch in facts.touches.values() if touch.unlike * sign >= 0 and abs(touch.unlike) > NOTICED]
    return max(found, key=lambda touch: (abs(touch.unlike), touch.other != ANY), default=None)


def arms_share(touch: Touch) -> float:
    """Share of all arms together whom another campaign contacted."""
    arms = [arm for name, arm in touch.arms.items() if name != CONTROL]
    return sum(arm.share * arm.customers for arm in arms) / max(sum(arm.customers for arm in arms), 1)


def _receipts_once(repeats: Repeats | None) -> Check:
    if repeats is None or not repeats.suspicious:
        return Check(name="receipts_once", status="passed", blocking=True)
    share = repeats.surplus / repeats.rows
    return Check(
        name="receipts_once", status=_step(share, 0.0, REPEATED_TOO_OFTEN), blocking=True,
        figures={"receipts": float(repeats.surplus), "share": share},
    )  # fmt: skip


def check_reached(arm: str, share: float | None, *, is_logged: bool) -> Check:
    """Whether the contact reached the customers of an arm at all.

    Args:
        arm: Offer id.
        share: Share of its customers whom it reached; None where nobody logs delivery.
        is_logged: Whether delivery over its channel, or of another arm of the campaign, is logged at all.
    """
    if share is None:
        return Check(name="arm_reached", status="not_checked", blocking=True, where=arm)
    figures = {"share": share}
    if not is_logged:
        return Check(
            name="arm_reached", status="warned", blocking=True, figures=figures, where=arm, reason="unlogged"
        )  # fmt: skip
    status: CheckStatus = "failed" if share < REACHED_NOBODY else "warned" if share < REACHED_FEW else "passed"
    return Check(name="arm_reached", status=status, blocking=True, figures=figures, where=arm)


def _balance(arm: str, balance: Contrast, looked_at: int) -> Check:
    """The covariate that differs most from control before anybody was contacted."""
    before = [name for name in balance.names if name not in OUTCOMES]
    scores = {name: balance.point({name: 1.0}) / se for name in before if (se := balance.se({name: 1.0})) > 0}
    if not scores:
        return Check(name="pre_period_balance", status="not_checked", blocking=True, where=arm)
    worst = max(scores, key=lambda name: abs(scores[name]))
    p_value = 2 * float(ndtr(-abs(scores[worst])))
    failed = p_value < ALARM / max(looked_at, 1)
    where = f"{arm}: {worst}"
    return Check(
        name="pre_period_balance", status="failed" if failed else "passed", blocking=True,
        figures={"z": scores[worst], "p_value": p_value}, where=where,
    )  # fmt: skip


def _step(value: float, warn_above: float, fail_above: float) -> CheckStatus:
    if value > fail_above:
        return "failed"
    return "warned" if value > warn_above else "passed"
