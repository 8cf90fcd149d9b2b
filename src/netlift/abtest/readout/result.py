"""Result of a readout in numbers and codes, shared by pages, files and terminal.

It holds numbers and codes, never sentences: those are made where a language is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

from netlift.abtest.stats.difference import Money
from netlift.abtest.stats.heterogeneity import Heterogeneity, SegmentRow
from netlift.abtest.stats.sequential import DayPoint, Look
from netlift.results import Estimate

VerdictCode = Literal[
    "blocked", "observational", "made_money", "lost_money", "probably_made_money", "no_material_effect",
    "cannot_tell_yet", "guardrail",
]  # fmt: skip
ALL_ARMS = ""  # the code of the whole campaign, where another is that of an arm
CheckStatus = Literal["passed", "warned", "failed", "not_checked"]
Estimand = Literal["treated", "average"]
Bound = Literal["", "offer", "channel", "budget"]
AdviceCode = Literal["scale_up", "keep_testing", "stop", "withheld"]
RoiKind = Literal["interval", "outside", "all", "saves_cost", "undefined"]


@dataclass(frozen=True, kw_only=True)
class Roi:
    """Incremental return on incremental cost, profit over cost.

    Attributes:
        kind: `interval` when the set is bounded; `outside` when it is everything but (lower, upper); `all` when no
            value is excluded; `saves_cost` when the offer surely costs less than control; `undefined` when there is
            no cost at all.
        point: Profit over incremental cost; None where the cost cannot be told apart from zero.
        lower: Lower end of the set.
        upper: Upper end.
        level: Confidence of the set.
        g: Squared relative half-width of the cost; at 1 and above the cost cannot be told apart from zero.
        cost: Incremental reward, contact and fixed cost of the treated.
    """

    kind: RoiKind
    point: float | None
    lower: float | None
    upper: float | None
    level: float
    g: float
    cost: Estimate


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may be said of an arm.

    Attributes:
        code: The step of the ladder.
        chance_of_profit: P(profit > 0).
        chance_jointly: The same of one of several arms, for all of them at once; None for a single one.
        chance_among_campaigns: The same once luck is taken out by all campaigns of the business; None where these are
            too few.
        expected_loss_if_shipped: Expected money lost by rolling out when that is wrong.
        expected_loss_if_stopped: Expected money lost by stopping when that is wrong.
        tolerance: Loss that the business calls immaterial, in currency.
        more_customers: About so many more assigned customers would settle it; None where it is settled or hopeless.
    """

    code: VerdictCode
    chance_of_profit: float
    chance_jointly: float | None = None
    chance_among_campaigns: float | None = None
    expected_loss_if_shipped: float
    expected_loss_if_stopped: float
    tolerance: float
    more_customers: int | None


@dataclass(frozen=True, kw_only=True)
class AmongCampaigns:
    """The same campaign, or arm, as the portfolio of the same day shows it: luck taken out by all campaigns.

    Attributes:
        campaigns: Campaigns (or arms) that it was seen among.
        profit: Total profit without luck.
        chance_of_profit: Chance that it is above zero.
        effect: Profit per treated customer before fixed cost, without luck.
        effect_se: Its standard error.
        effect_sd: Standard deviation of true effects between campaigns, currency per customer.
    """

    campaigns: int
    profit: Estimate
    chance_of_profit: float
    effect: float
    effect_se: float
    effect_sd: float


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """P(ROI > hurdle), or the chance density, at one place."""

    at: float
    value: float


@dataclass(frozen=True, kw_only=True)
class ArmReadout:
    """One arm against control.

    Attributes:
        arm: Offer id.
        assigned: Customers assigned to it.
        buyers: Of them, who bought within the window.
        delivered_share: Of them, whom the contact reached; None where nobody logged it.
        money: Lines in the order revenue, margin, reward, contact_cost, fixed_cost, profit; of several arms with
            intervals that hold for all of them together, as those of `roi` do.
        profit: Incremental profit of all treated, the headline, with the interval that holds for all arms together.
        profit_simultaneous: The same, under its former name.
        roi: Return on incremental cost.
        iroas: Incremental revenue over incremental cost, Google's definition; None where undefined.
        roi_curve: P(ROI > hurdle) over hurdles.
        verdict: What may be said.
        break_even_margin_rate: Margin rate of the incremental revenue at which profit is zero; None where undefined.
        break_even_reward: Reward per treated customer at which profit is zero; negative: even free it would lose.
        cost_of_holdout: Profit given up by not contacting the control.
        cace_profit: Profit per *delivered* customer, by delivery in both arms; None where nobody logged delivery.
        gamma: Skewness of the profit contrast, of the end of the interval that it moves further; above .1 the interval
            is skew-corrected, above .3 it is warned of.
        chance_best: P(this arm is the best of arms and control).
        largest_customer_share: Share of the incremental revenue that one customer makes.
        profit_without_largest: Profit without the largest receipt total of each arm; None where one customer is left.
        profit_capped: Profit with spend capped at the pooled 99.9 % of buyers, a line of sensitivity.
        among: As the portfolio shows it; None where other campaigns are too few, or this one cannot be read.
        estimand: Whose money this is: `treated`, the arm's own customers; `average`, as many average customers of the
            campaign, where customers had different chances of several arms and nobody logged all of them.
        average_profit: Profit on the campaign's average customer, currency per customer; None where all customers had
            the same chances, and it is the same.
    """

    arm: str
    assigned: int
    buyers: int
    delivered_share: float | None
    money: tuple[Money, ...]
    profit: Estimate
    profit_simultaneous: Estimate
    roi: Roi
    iroas: Estimate | None
    roi_curve: tuple[CurvePoint, ...]
    verdict: Verdict
    break_even_margin_rate: float | None
    break_even_reward: float
    cost_of_holdout: Estimate
    cace_profit: Estimate | None
    gamma: float
    chance_best: float
    largest_customer_share: float
    profit_without_largest: Estimate | None
    profit_capped: Estimate
    among: AmongCampaigns | None = None
    estimand: Estimand = "treated"
    average_profit: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentRemainder:
    """What the segments of one dimension leave of an arm's profit: segments + remainder - fixed cost = profit.

    Attributes:
        dimension: What customers are split by.
        arm: Offer id.
        remainder: Of segments that are not shown, and of what arm and control differ in composition by chance: the
            headline compares whole groups, a segment customers of its own.
        fixed: Fixed cost of the arm, which belongs to no segment.
        profit: Of the arm.
    """

    dimension: str
    arm: str
    remainder: float
    fixed: float
    profit: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """One trust check.

    Attributes:
        name: planned_split, analysed_split, two_arms, control_contacted, window_closed, pre_period_balance,
            plan_unchanged, one_customer, control_size, clusters, randomized, costs_logged, same_people (an arm was
            open to a part of the customers only), same_days (arms assigned on other days), other_campaigns (these
            reached arm and control alike), arm_reached, receipts_once.
        status: How it ended; a failed blocking check blocks the verdict.
        blocking: Whether failing it blocks the verdict.
        figures: The numbers behind it, by name.
        where: What it is about, such as a covariate, a day or another campaign; empty for the whole campaign.
        reason: Which of several ways it ended in, as a code; empty where its name and status say all.
    """

    name: str
    status: CheckStatus
    blocking: bool
    figures: dict[str, float] = field(default_factory=dict)
    where: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricReadout:
    """A metric beside the money of one arm, or of all together; with a bound a guardrail (see `metrics`).

    Attributes:
        name: What the config calls it.
        arm: Offer id; empty for all arms together.
        difference: From control, per customer, adjusted as the profit is.
        treated_mean: Mean of the arm's customers, as seen.
        control_mean: Mean of control.
        at_most: The largest difference that the business allows; None for no such bound.
        at_least: The smallest.
        status: Whether the bound is kept; not checked where there is none.
    """

    name: str
    arm: str
    difference: Estimate
    treated_mean: float
    control_mean: float
    at_most: float | None = None
    at_least: float | None = None
    status: CheckStatus = "not_checked"

    @property
    def is_guardrail(self) -> bool:
        """Whether it has a bound."""
        return self.at_most is not None or self.at_least is not None


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Another campaign that contacted customers of this one in the same time.

    Attributes:
        campaign_id: The other campaign.
        name: What the business calls it.
        contacted: Customers of this campaign whom it contacted.
        control: Of them, those of control.
        control_share: Share of control that it contacted; shares are weighted by chance where chances are known.
        arms_share: Share of the other arms.
        difference: Share of the arm that differs most from control's, less control's.
        p_value: Chance of at least that difference had this campaign been drawn apart from the other.
        coincides: Whether its split is this campaign's, or the reverse: the two cannot be told apart.
        inside: Profit per treated customer of this campaign among those whom the other contacted; None where too few
            share both, or where the other reached the arms unlike.
        outside: The same among those whom it did not.
        gap: Inside less outside: how much the other changed what this one earned a customer.
    """

    campaign_id: str
    name: str
    contacted: int
    control: int
    control_share: float
    arms_share: float
    difference: float
    p_value: float
    coincides: bool
    inside: Estimate | None = None
    outside: Estimate | None = None
    gap: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class PullForward:
    """Margin after the offer's window against the margin within it: a sale today that is missing tomorrow.

    Attributes:
        arm: Offer id; empty for the whole campaign.
        days: Days after the window that are seen.
        after: Incremental margin in those days, total, adjusted as the headline is.
        net: Incremental profit over the window and those days: the headline and `after`.
        verdict: What may be said of `net`.
    """

    arm: str
    days: int
    after: Estimate
    net: Estimate
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What offering it to everybody eligible is forecast to bring.

    Attributes:
        arm: Offer id.
        eligible: Customers it would go to.
        profit: Forecast, with a prediction band.
        budget: Rewards and contacts to be paid.
        outside: Customers that the test says nothing of.
    """

    arm: str
    eligible: int
    profit: Estimate
    budget: float
    outside: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """What the config's own limits let one run do with an offer.

    Attributes:
        customers: Customers that fit into a run; None where nothing limits it.
        bound: Which limit that is: of the offer, of its channel, or the budget; empty for none.
        budget: Currency a run; None for no limit.
        channel: Channel of the offer; empty where nobody says.
    """

    customers: int | None = None
    bound: Bound = ""
    budget: float | None = None
    channel: str = ""


@dataclass(frozen=True, kw_only=True)
class ArmAdvice:
    """What to do with an arm, by the money of all its customers and by that of one (see `abtest.advice`).

    Attributes:
        arm: Offer id.
        code: What to do.
        reason: Why, as a code.
        by_total: What the profit of all its customers says, with the fixed cost.
        by_customer: What the profit of a contacted customer says, without it.
        total: Profit of its customers, the headline.
        per_customer: Profit per contacted customer before fixed cost; of the campaign's average customer where chances
            differed.
        chance: Chance that it is profitable, by itself.
        chance_among: The same without luck, among all campaigns; None where these are too few.
        chance_after: The same with the days after the window; None where these are not seen.
        more_customers: About so many more assigned customers would settle it; None where that cannot be said.
        is_enough: Whether the business has so many customers; false where `more_customers` cannot be said.
        runs: Runs that these take within the config's limits; None without such a limit.
        pays_from: Customers of a run from which the fixed cost is earned back; None where there is none, or never.
        room: What fits into one run.
        eligible: Customers that it could go to: all of the campaign.
        reach: Of them, as many as fit into a run.
        expected: Profit to be expected of such a run, without luck, less the fixed cost.
    """

    arm: str
    code: AdviceCode
    reason: str
    by_total: AdviceCode
    by_customer: AdviceCode
    total: Estimate
    per_customer: Estimate
    chance: float
    chance_among: float | None
    chance_after: float | None
    more_customers: int | None
    is_enough: bool
    runs: int | None
    pays_from: int | None
    room: Room
    eligible: int
    reach: int
    expected: float


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """Something that was decided, not measured: its name and value, as text."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ArmCell:
    """Counts and moments of an arm, for data scientists: n, buyers, mean and sd of each outcome."""

    arm: str
    n: int
    buyers: int
    means: dict[str, float]
    sds: dict[str, float]


class ArmsResult(Protocol):
    """What headline, money, arms and checks are written from: of a campaign, or of a frame of assigned customers."""

    @property
    def observational(self) -> bool: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def best_arm(self) -> str: ...
    @property
    def money(self) -> tuple[Money, ...]: ...
    @property
    def profit(self) -> Estimate: ...
    @property
    def roi(self) -> Roi: ...
    @property
    def arms(self) -> tuple[ArmReadout, ...]: ...
    @property
    def cells(self) -> tuple[ArmCell, ...]: ...
    @property
    def checks(self) -> tuple[Check, ...]: ...
    @property
    def after_window(self) -> PullForward | None: ...
    @property
    def advice(self) -> tuple[ArmAdvice, ...]: ...
    @property
    def among(self) -> AmongCampaigns | None: ...
    @property
    def metrics(self) -> tuple[MetricReadout, ...]: ...
    @property
    def best_in_total(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class CampaignReadout:
    """What a campaign earned.

    Attributes:
        campaign_id: The campaign.
        name: What the business calls it.
        currency: Of all money.
        started: First assignment.
        ended: Last moment of the last outcome window.
        outcome_days: Length of the window.
        as_of: Moment up to which receipts were read.
        observational: Nobody randomized it: numbers without a verdict.
        verdict: Of the campaign as a whole, all arms with their fixed cost.
        best_arm: Of several arms the one with the highest profit on the campaign's average customer; the only one where
            there is one.
        money: Lines of the whole campaign, in the order of an arm's.
        profit: Of the whole campaign.
        roi: Of the whole campaign.
        arms: Each arm.
        cells: Counts and moments, control first.
        segments: Effects by segment.
        heterogeneity: Whether segments differ.
        segment_remainders: What the segments of each split leave of each arm's profit.
        checks: Can it be trusted.
        days: Cumulative profit by day since assignment.
        pull_forward: What happened after the window, by arm.
        after_window: The same of the whole campaign; None where those days are not seen.
        advice: What to do with each arm.
        best_in_total: Of several arms the one of which a run within the config's limits is expected to bring most;
            `best_arm` brings most per customer.
        rollout: Forecasts.
        looks: Planned looks; empty for a test with one end.
        covariates: What the adjustment used.
        assumptions: Decisions behind the numbers.
        level: Confidence of the intervals.
        plan_digest: Of the plan that was frozen; None without a plan.
        config_digest: Of the settings.
        versions: Of what computed it.
        hypothesis: From the plan, empty without one.
        notes: Codes of what a reader must know, with counts: contacts of unknown customers, costs not logged.
        among: As the portfolio shows the campaign; None where other campaigns are too few, or it cannot be read.
        overlaps: Other campaigns that contacted its customers in the same time, those with most of them first.
        metrics: Figures beside the money, guardrails among them.
    """

    campaign_id: str
    name: str
    currency: str
    started: datetime
    ended: datetime
    outcome_days: int
    as_of: datetime
    observational: bool
    verdict: Verdict
    best_arm: str
    money: tuple[Money, ...]
    profit: Estimate
    roi: Roi
    arms: tuple[ArmReadout, ...]
    cells: tuple[ArmCell, ...]
    segments: tuple[SegmentRow, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    checks: tuple[Check, ...]
    days: tuple[DayPoint, ...]
    pull_forward: tuple[PullForward, ...]
    rollout: tuple[Rollout, ...]
    looks: tuple[Look, ...]
    covariates: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    level: float
    plan_digest: str | None
    config_digest: str
    versions: dict[str, str]
    hypothesis: str = ""
    notes: dict[str, int] = field(default_factory=dict)
    among: AmongCampaigns | None = None
    overlaps: tuple[Overlap, ...] = ()
    segment_remainders: tuple[SegmentRemainder, ...] = ()
    after_window: PullForward | None = None
    advice: tuple[ArmAdvice, ...] = ()
    best_in_total: str = ""
    metrics: tuple[MetricReadout, ...] = ()

    @property
    def month(self) -> date:
        """The month that the profit is counted in: the one the campaign started in."""
        return self.started.date().replace(day=1)
