"""Result of a portfolio in numbers and codes, shared by pages, files and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from netlift.results import Estimate

OfferAdvice = Literal["scale_up", "keep_testing", "stop"]
PeriodName = Literal["month", "year", "all"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One effect among all.

    Attributes:
        campaign_id: The campaign.
        name: What the business calls it.
        started: First assignment.
        arm: Offer id, or `ALL_ARMS`.
        dimension: What customers are split by; empty where they are not.
        segment: The value of it.
        treated: Customers of the arm.
        control: Customers of control.
        buyers: Of both.
        raw: Total profit as seen.
        shrunken: Total profit without luck.
        effect: Profit per treated customer before fixed cost, as seen: one axis of the funnel.
        effect_se: Its standard error: the other axis.
        chance_by_itself: Chance that the total is above zero, as its own readout says.
        chance_of_profit: The same without luck.
        q_value: Share of false ones among all campaigns that look at least this good; None for arms and segments.
    """

    campaign_id: str
    name: str
    started: date
    arm: str
    dimension: str
    segment: str
    treated: int
    control: int
    buyers: int
    raw: Estimate
    shrunken: Estimate
    effect: Estimate
    effect_se: float
    chance_by_itself: float
    chance_of_profit: float
    q_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Total:
    """An offer, a channel or a segment of customers, over all campaigns.

    Attributes:
        dimension: `offer`, `channel`, or what customers are split by.
        name: The offer, the channel, or the segment, empty where it is missing.
        campaigns: Campaigns in it.
        contacts: Customers of its arms, who count once in each campaign.
        raw: Total profit as seen; that of a segment before fixed cost.
        shrunken: The same without luck; all totals of a dimension add up to the sum as seen.
        per_contact: Profit without luck, currency per contact.
        chance_by_itself: Chance that the total is above zero, as seen.
        chance_of_profit: The same without luck.
        advice: What to do with it.
        channel: Channel of an offer; empty for others, and where nobody says.
    """

    dimension: str
    name: str
    campaigns: int
    contacts: int
    raw: Estimate
    shrunken: Estimate
    per_contact: float
    chance_by_itself: float
    chance_of_profit: float
    advice: OfferAdvice
    channel: str = ""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The campaigns added up, fixed costs taken off.

    Attributes:
        raw: As seen.
        shrunken: Without luck: the same, since luck evens out in a sum that nobody picked.
        winners: How many campaigns' own interval lies above zero.
        winners_raw: Their sum as seen.
        winners_shrunken: Their sum without luck.
        worked: How many made money, false ones being at most `false_share` of them.
        lost: How many lost money, likewise.
        false_share: The share of false ones that is tolerated.
        effect_mean: Mean effect per treated customer; None where too few campaigns tell.
        effect_sd: Standard deviation of true effects between campaigns.
    """

    raw: Estimate
    shrunken: Estimate
    winners: int
    winners_raw: Estimate
    winners_shrunken: Estimate
    worked: int
    lost: int
    false_share: float
    effect_mean: float | None
    effect_sd: float | None


@dataclass(frozen=True, kw_only=True)
class HoldoutReading:
    """The universal holdout against everybody else: what all of CRM earned, campaigns that nobody can read included.

    Attributes:
        since: First day read.
        until: First day not read.
        periods: Periods of rotation in it.
        held_out: Customers held out, summed over the periods.
        others: Customers not held out, likewise.
        contacted: Held out and contacted all the same.
        profit: What all contacts earned on the others, fixed costs taken off.
        campaigns: Campaigns of these periods in the sum that follows.
        unread: Campaigns of these periods that are not, because they cannot be read.
        campaigns_shrunken: Their shrunken sum.
        gap: Profit by the holdout less that sum.
    """

    since: date
    until: date
    periods: int
    held_out: int
    others: int
    contacted: int
    profit: Estimate
    campaigns: int
    unread: int
    campaigns_shrunken: Estimate
    gap: Estimate


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A campaign that is not in the sum.

    Attributes:
        campaign_id: The campaign.
        name: What the business calls it.
        reason: observational, window_open, no_control, too_small, sample_ratio, faulty (the check of its rows),
            no_contacts, other_days (arms assigned on other days), other_contacts (other campaigns reached its control
            unlike its arms) or same_contacts (its arms are those of a campaign that is counted, with both costs).
    """

    campaign_id: str
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class MoneyPeriod:
    """Where the money of some time is.

    Attributes:
        name: The calendar month or year of the last day seen, or all there is.
        since: Its first day.
        until: First day not seen.
        campaigns: Campaigns that began in it and are counted.
        unread: Campaigns that began in it and are not: their window is open, or nobody can read them.
        earned: Profit without luck of the campaigns that made money.
        lost: The same of those that lost it, at most 0.
        net: Both together.
        offers: Each offer, the best first, with what to do with it.
        channels: Each channel likewise.
        by_segment: Each segment likewise, before fixed cost.
    """

    name: PeriodName
    since: date
    until: date
    campaigns: int
    unread: int
    earned: Estimate
    lost: Estimate
    net: Estimate
    offers: tuple[Total, ...]
    channels: tuple[Total, ...]
    by_segment: tuple[Total, ...]


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """All campaigns of a business.

    Attributes:
        business: Its name.
        currency: Of all money.
        as_of: First moment not seen.
        level: Confidence of the intervals.
        sums: The campaigns added up; None where none can be read.
        campaigns: Each campaign, the best shrunken profit first.
        arms: Each arm.
        segments: Each segment of each arm, before fixed cost, which belongs to no segment.
        offers: Each offer over all campaigns whose arms are read, the best first.
        channels: Each channel likewise.
        by_segment: Each segment over all campaigns and arms, likewise, before fixed cost.
        holdout: The universal holdout; None where the business has none.
        left_out: Campaigns that are not in the sum, and why.
        covariates: What the adjustment for the time before may use.
        config_digest: Of the settings.
        arms_unlogged: Campaigns of different chances whose single arms are not read, as not all chances are logged.
        periods: Where the money of this month, this year and all time is.
    """

    business: str
    currency: str
    as_of: datetime
    level: float
    sums: Sums | None
    campaigns: tuple[Line, ...]
    arms: tuple[Line, ...]
    segments: tuple[Line, ...]
    offers: tuple[Total, ...]
    channels: tuple[Total, ...]
    by_segment: tuple[Total, ...]
    holdout: HoldoutReading | None
    left_out: tuple[LeftOut, ...]
    covariates: tuple[str, ...]
    config_digest: str
    arms_unlogged: tuple[str, ...] = ()
    periods: tuple[MoneyPeriod, ...] = ()
