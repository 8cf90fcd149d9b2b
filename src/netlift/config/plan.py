"""Plan of a campaign to be measured: hypothesis, arms, propensities and dates.

A plan is written once by `netlift design`, before the first contact, and is frozen: it carries the digest of its own
content, and whoever reads it can tell whether a word of it was changed since.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from netlift.config.bounds import Day, Moment, Money, Name
from netlift.config.criteria import Criterion, parse_criterion
from netlift.config.settings import Settings, load_settings
from netlift.errors import GateRefusedError

PLAN_FILE = "plan.yaml"
CONTROL = "control"  # as in data.tables, which stands above
SHARE_ROUNDING = 1e-9
_HEAD = """\
# Written by `netlift design` and frozen: `frozen_digest` is that of everything else in this file. A plan that is
# changed after the first contact measures what was found, not what was asked; for another question make another plan.
"""

Share = Annotated[float, Field(gt=0, lt=1)]


class ArmPlan(Settings):
    """What one arm gets, and what that costs.

    Attributes:
        offer_id: The offer, as in `offers`.
        share: Chance of this arm.
        channel: The offer's channel; everybody in the plan, control too, has consented to it.
        contact_cost: Currency per contact.
        reward: Currency per buyer, as expected.
        reward_share: Share of the revenue of the treated that is paid back, as expected.
    """

    offer_id: Name
    share: Share
    channel: Name
    contact_cost: Money
    reward: Money
    reward_share: Annotated[float, Field(ge=0, lt=1)]


class HoldoutPlan(Settings):
    """The universal holdout: customers whom no campaign contacts, drawn anew with each rotation.

    Attributes:
        share: Of all customers.
        salt: The same in every plan of the business, so that it is one holdout.
        rotate_months: Calendar months after which it is drawn anew.
        washout_days: Days after a rotation that the reading leaves out, while earlier contacts wear off.
    """

    share: Annotated[float, Field(gt=0, le=0.5)]
    salt: Name
    rotate_months: Annotated[int, Field(ge=1, le=24)]
    washout_days: Annotated[int, Field(ge=0, le=366)]


class PlanBasis(Settings):
    """What was known when the plan was made, to be held against what came out.

    Attributes:
        window_from: First day of the past window that spend was measured in.
        window_to: First day after it.
        customers: Customers who would have been eligible then.
        margin_mean: Margin of theirs in the window, currency per customer.
        margin_sd: Its standard deviation.
        half_width: Expected half-width of the interval of profit, currency per customer, widest arm.
        gamma: Expected skewness of the contrast with control, the arm where it is largest.
        expected_profit: Assumed profit of a contact, currency per customer; None where nothing was assumed.
        chance: Chance of the verdict "made money" under that assumption.
    """

    window_from: Day
    window_to: Day
    customers: Annotated[int, Field(ge=1)]
    margin_mean: float
    margin_sd: float
    half_width: float
    gamma: float
    expected_profit: float | None = None
    chance: Annotated[float, Field(ge=0, le=1)] | None = None


class Plan(Settings):
    """A campaign as it was decided before its first contact.

    Attributes:
        campaign_id: Its id in `campaigns` and `contacts`.
        name: What the business calls it.
        hypothesis: What is expected and why, in a sentence.
        metric: What decides.
        currency: Of all money.
        start: Moment of assignment, local wall-clock time of the business; eligibility uses rows strictly before it.
        outcome_days: Days after assignment whose receipts count.
        control_share: Chance of getting nothing.
        arms: The others.
        fixed_cost: Cost that does not depend on the number of contacts.
        eligible: Conditions, all of which hold for everybody in the plan; empty for all customers.
        customers: At most so many are assigned, drawn by chance; None for all who are eligible.
        strata: Columns within whose values the shares are kept exactly; empty for one draw each.
        cluster: Column of customers who share an arm, such as a household; None for single customers.
        segments: What the result is split by as planned: columns of customers, `segment`, `strategy`.
        looks: How often the result is looked at; 1 for once, at the end.
        level: Confidence of the intervals.
        tolerance: Loss that the business calls immaterial, currency for the whole campaign.
        holdout: The universal holdout; None where the business has none.
        salt: What the draw depends on besides the customer.
        basis: What was known.
        frozen_digest: Digest of all of the above.
    """

    campaign_id: Annotated[str, Field(pattern=r"^[^\W_][\w.-]{0,79}$")]
    name: str
    hypothesis: Annotated[str, Field(min_length=1, max_length=2000)]
    metric: Literal["incremental_profit"]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    start: Moment
    outcome_days: Annotated[int, Field(ge=1, le=366)]
    control_share: Share
    arms: Annotated[tuple[ArmPlan, ...], Field(min_length=1, max_length=20)]
    fixed_cost: Money
    eligible: tuple[str, ...]
    customers: Annotated[int, Field(ge=2, le=1_000_000_000)] | None = None
    strata: tuple[Name, ...]
    cluster: Name | None = None
    segments: tuple[Name, ...]
    looks: Annotated[int, Field(ge=1, le=52)]
    level: Annotated[float, Field(gt=0.5, lt=1)]
    tolerance: Money
    holdout: HoldoutPlan | None = None
    salt: Annotated[str, Field(min_length=1, max_length=200)]
    basis: PlanBasis | None = None
    frozen_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", exclude=True)]

    @field_validator("start")
    @classmethod
    def _local(cls, start: datetime) -> datetime:
        if start.tzinfo is not None:
            raise ValueError("is local wall-clock time of the business; write it without a zone")
        return start

    @field_validator("eligible")
    @classmethod
    def _readable(cls, eligible: tuple[str, ...]) -> tuple[str, ...]:
        mistakes = []
        for text in eligible:
            try:
                parse_criterion(text)
            except ValueError as error:
                mistakes.append(str(error))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return eligible

    @field_validator("arms")
    @classmethod
    def _distinct(cls, arms: tuple[ArmPlan, ...]) -> tuple[ArmPlan, ...]:
        names = [arm.offer_id for arm in arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: one arm each, and found twice")
        if CONTROL in names:
            raise ValueError(f"{CONTROL!r} is the arm that gets nothing; its share is control_share")
        return arms

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        total = math.fsum(self.shares.values())
        if abs(total - 1) > SHARE_ROUNDING:
            raise ValueError(f"control_share and the arms' shares add up to {total:.6g}; they must make 1")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Chance of every arm, control first."""
        return {CONTROL: self.control_share, **{arm.offer_id: arm.share for arm in self.arms}}

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels to which everybody in the plan has consented."""
        return tuple(dict.fromkeys(arm.channel for arm in self.arms))

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The conditions of eligibility."""
        return tuple(map(parse_criterion, self.eligible))

    @property
    def end(self) -> datetime:
        """First moment after the outcome window."""
        return self.start + timedelta(days=self.outcome_days)

    @property
    def is_unchanged(self) -> bool:
        """Whether the content is what was frozen."""
        return self.digest() == self.frozen_digest

    def verify(self) -> Plan:
        """The plan itself, when it is as it was frozen.

        Raises:
            GateRefusedError: It was changed since.
        """
        if not self.is_unchanged:
            raise GateRefusedError(
                f"plan of campaign {self.campaign_id!r}: its content has the digest {self.digest()[:12]}, the frozen "
                f"one had {self.frozen_digest[:12]}: it was changed since. Put the frozen file back, or make another "
                "plan with `netlift design`"
            )
        return self


def freeze_plan(**content: Any) -> Plan:
    """A plan with its digest.

    Raises:
        pydantic.ValidationError: The content is not a plan.
    """
    draft = Plan.model_validate({**content, "frozen_digest": "0" * 64})
    return draft.model_copy(update={"frozen_digest": draft.digest()})


def load_plan(path: Path) -> Plan:
    """Read a plan, changed or not: `verify` tells.

    Args:
        path: The file, or the folder of the experiment.

    Raises:
        ConfigError: With all mistakes of the file at once.
    """
    return load_settings(path / PLAN_FILE if path.is_dir() else path, Plan)


def dump_plan(plan: Plan) -> bytes:
    """The plan as the file that `load_plan` reads."""
    content = plan.model_dump(mode="json", exclude_none=True) | {"frozen_digest": plan.frozen_digest}
    return (_HEAD + yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)).encode()


__all__ = ["PLAN_FILE", "ArmPlan", "HoldoutPlan", "Plan", "PlanBasis", "dump_plan", "freeze_plan", "load_plan"]
