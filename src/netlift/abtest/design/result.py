"""Result of a design in numbers and codes, without text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from netlift.abtest.assignment.holdout import Period
from netlift.abtest.assignment.overlaps import Collision
from netlift.abtest.design.power import Spread
from netlift.abtest.design.request import DesignRequest
from netlift.abtest.design.sizing import Lean, Precision
from netlift.config.plan import ArmPlan, HoldoutPlan, Plan


@dataclass(frozen=True, kw_only=True)
class Window:
    """Days of the past.

    Attributes:
        start: First of them.
        end: First day after them.
    """

    start: date
    end: date

    @property
    def last(self) -> date:
        """The last of them."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.start).days

    @property
    def cutoff(self) -> datetime:
        """The moment at which its campaign would have been assigned."""
        return datetime.combine(self.start, time())


@dataclass(frozen=True, kw_only=True)
class PastSpend:
    """How customers of the past spent, as far as a design needs to know.

    Attributes:
        window: The days.
        customers: How many would have been eligible.
        buyers: Of them, who bought.
        margin_mean: Margin, currency per customer.
        revenue_mean: Revenue, currency per customer.
        spread: How margin varied.
        explained: Share of its variance that pre-period figures explain for customers they were not fitted on.
    """

    window: Window
    customers: int
    buyers: int
    margin_mean: float
    revenue_mean: float
    spread: Spread
    explained: float

    @property
    def buyer_share(self) -> float:
        """Share who bought."""
        return self.buyers / self.customers


@dataclass(frozen=True, kw_only=True)
class HoldoutRow:
    """What a share of customers never contacted would tell.

    Attributes:
        share: Of all customers.
        customers: So many.
        half_width: Of what all of CRM brought in the months, currency.
        of_margin: The same over the margin of all customers in as many months.
        lean: Whether the skewness of spend is harmless, corrected for, or too large to be corrected.
    """

    share: float
    customers: int
    half_width: float
    of_margin: float
    lean: Lean


@dataclass(frozen=True, kw_only=True)
class HoldoutSize:
    """Sizes of a universal holdout.

    Attributes:
        months: Months that are read.
        customers: All that could be held out.
        margin: Margin of all of them in as many months of the past.
        rows: From small to large.
        asked_half_width: Half-width that was asked for; None where none was.
        share_needed: Share that gives it.
        planned: The holdout of the plan; None without one.
        period: Its period of rotation at the start of the campaign.
    """

    months: int
    customers: int
    margin: float
    rows: tuple[HoldoutRow, ...]
    asked_half_width: float | None
    share_needed: float | None
    planned: HoldoutPlan | None
    period: Period | None


@dataclass(frozen=True, kw_only=True)
class Power:
    """How likely a test is to prove a profit that is there.

    Attributes:
        expected: Profit per treated customer, after reward and contact and before fixed cost.
        total: Of all treated together, after fixed cost.
        chance: Of the verdict "made money".
    """

    expected: float
    total: float
    chance: float


@dataclass(frozen=True, kw_only=True)
class DesignReport:
    """What a design found: numbers and codes, no sentences.

    Attributes:
        request: What was asked.
        currency: Of all money.
        revenue_based: Whether margin is revenue, because the source has no margins.
        steps: Customers left after each step: known, eligible, consenting, not_held_out, taken.
        held_out: Of them, whom the universal holdout took.
        past: Spend of customers like them in the newest window of the same length.
        season: The same a year before the start; None where the history is too short.
        arms: The arms with their costs.
        chosen: Precision with the control of the plan; None where no control up to half meets the aims.
        shares: Precision over shares of control.
        power: Of the plan's control over profits that are assumed, in rising order; empty where there is none.
        provable: The profit that it proves with the chance that was asked for, else with 80 %.
        needed: Customers that meet the aims with that control, or with the best of the table; None where none do.
        needed_share: The control of `needed`.
        needed_raw: The same number without the help of pre-period figures.
        balance_customers: Customers from which that control does not lean too far.
        balance_share: Smallest control that does not lean too far with the customers at hand; None where none does.
        newcomers_a_week: Customers who became eligible a week of late; None where they are not needed.
        weeks: Weeks to enrol them and wait for the outcomes; None where that would never end.
        holdout: Sizes of a universal holdout; None where the history is too short.
        collisions: Other campaigns in overlapping days.
        plan: The plan; None where none was made.
    """

    request: DesignRequest
    currency: str
    revenue_based: bool
    steps: Mapping[str, int]
    held_out: int
    past: PastSpend
    season: PastSpend | None
    arms: tuple[ArmPlan, ...]
    chosen: Precision | None
    shares: tuple[Precision, ...]
    power: tuple[Power, ...]
    provable: Power | None
    needed: int | None
    needed_share: float
    needed_raw: int | None
    balance_customers: int
    balance_share: float | None
    newcomers_a_week: float | None
    weeks: float | None
    holdout: HoldoutSize | None
    collisions: tuple[Collision, ...]
    plan: Plan | None

    @property
    def customers(self) -> int:
        """Customers who would be assigned now."""
        return self.steps["taken"]

    def reward_of(self, arm: ArmPlan) -> float:
        """Reward expected per treated customer, were it taken by those who bought anyway."""
        return arm.reward * self.past.buyer_share + arm.reward_share * self.past.revenue_mean

    def treated_of(self, arm: ArmPlan) -> int | None:
        """Customers planned to get an offer; None where no plan was made."""
        return None if self.chosen is None else round(self.chosen.customers * arm.share)

    @property
    def outlay(self) -> float | None:
        """What contacts, rewards of who buys anyway and fixed cost take, whether it works or not; None without plan."""
        treated = [(self.treated_of(arm), arm) for arm in self.arms]
        if self.chosen is None:
            return None
        own = sum((n or 0) * (arm.contact_cost + self.reward_of(arm)) for n, arm in treated)
        return own + self.request.fixed_cost

    @property
    def meets(self) -> bool:
        """Whether the plan tells what was asked."""
        return self.chosen is not None and self.needed is not None and self.needed <= self.customers


__all__ = [
    "DesignReport", "HoldoutRow", "HoldoutSize", "PastSpend", "Power",
    "Window",
]  # fmt: skip
