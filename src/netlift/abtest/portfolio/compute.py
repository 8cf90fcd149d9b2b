"""Computation of a portfolio: rows of all assigned customers to one result."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.abtest.portfolio.groups import total_by
from netlift.abtest.portfolio.holdout import UniversalHoldout, read_holdout
from netlift.abtest.portfolio.periods import read_periods
from netlift.abtest.portfolio.result import LeftOut, Portfolio
from netlift.abtest.portfolio.shared_contacts import Contacts, judge_contacts
from netlift.abtest.portfolio.totals import (
    FEWEST,
    Beliefs,
    Effect,
    add_up,
    among_campaigns,
    believe,
    read_lines,
    with_q_values,
)
from netlift.abtest.readout.checks import ALARM
from netlift.abtest.readout.comparison import contrast_arms
from netlift.abtest.readout.result import ALL_ARMS, AmongCampaigns
from netlift.abtest.stats.aggregate import EVERYBODY, Cells, MomentCell, aggregate
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, Moments
from netlift.abtest.stats.outcomes import COVARIATES, Spans, assigned_outcomes, campaign_contacts
from netlift.abtest.stats.weighting import (
    AVERAGE,
    Chances,
    arms_of,
    control_of,
    has_control,
    picture_the_treated,
    read_chances,
    treated_of,
)
from netlift.config.business import BusinessSettings
from netlift.config.plan import Plan, load_plan
from netlift.config.readout import ReadoutSettings
from netlift.config.settings import read_yaml
from netlift.data.assigned_days import common_starts, read_assigned_days
from netlift.data.checks.campaigns import read_sample_ratios
from netlift.data.contract import CONTROL
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.errors import DataError
from netlift.progress import Progress
from netlift.segments.splits import customer_columns, split_by_segment

if TYPE_CHECKING:
    import ibis.expr.types as ir

FALSE_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Found:
    """A campaign as the tables describe it.

    Attributes:
        campaign_id: Its id.
        name: What the business calls it.
        fixed: Its fixed cost, and all costs of campaigns whose arms are its own.
        started: First assignment, or its own date where nobody was assigned.
        since: The moment from which all its customers are read; None where each is from his own assignment.
        reason: Why it cannot be read; empty where it can.
    """

    campaign_id: str
    name: str
    fixed: float
    started: datetime
    since: datetime | None
    reason: str


def read_portfolio(
    settings: BusinessSettings,
    tables: Tables,
    *,
    plans: Sequence[Plan] = (),
    universal: UniversalHoldout | None = None,
    as_of: datetime | None = None,
    false_share: float = FALSE_SHARE,
    faulty: Collection[str] = (),
    progress: Progress,
) -> Portfolio:
    """Read all campaigns of a business.

    Args:
        settings: The business.
        tables: Its tables, checked.
        plans: Plans of its campaigns.
        universal: Its holdout, by `find_holdout`.
        as_of: First moment not seen; None for the end of the receipts, which a later moment stands for too.
        false_share: Share of false ones tolerated among campaigns that are said to have worked.
        faulty: Campaigns with errors of the check, which are not counted.
        progress: Who watches.

    Raises:
        DataError: Tables are missing, or an amount is.
    """
    how = settings.readout or ReadoutSettings(tolerance=0.0)
    until = seen_until(tables, as_of)
    progress.stage("portfolio", "campaigns, their arms and windows")
    found = find_campaigns(tables, plans, until=until, faulty=faulty)
    readable = {campaign.campaign_id: campaign for campaign in found if not campaign.reason}
    left_out = [campaign for campaign in found if campaign.reason]
    left_out += _without_row(tables, faulty, until)
    whole, arms = believe(()), believe(())
    segments: tuple[Beliefs, ...] = ()
    if readable:
        whole, arms, segments, small = _read_effects(settings, tables, readable, how, until, progress)
        left_out += [replace(readable[campaign_id], reason="too_small") for campaign_id in small]
    written: Any = {"level": how.level, "currency": settings.currency}
    channel_of = _channels(tables)
    lines = with_q_values(read_lines(whole, **written), whole)
    progress.stage("portfolio", "the universal holdout")
    holdout = read_holdout(tables, universal, whole, found, until=until, pre_days=how.pre_days, **written)
    return Portfolio(
        business=settings.name,
        currency=settings.currency,
        as_of=until,
        level=how.level,
        sums=add_up(whole, lines, false_share=false_share, **written) if lines else None,
        campaigns=tuple(sorted(lines, key=lambda line: -line.shrunken.point)),
        arms=read_lines(arms, **written),
        segments=tuple(line for beliefs in segments for line in read_lines(beliefs, **written)),
        offers=tuple(
            replace(offer, channel=channel_of.get(offer.name, ""))
            for offer in total_by(arms, lambda effect: effect.arm, dimension="offer", **written)
        ),
        channels=total_by(arms, lambda effect: channel_of.get(effect.arm, ""), dimension="channel", **written),
        by_segment=tuple(
            total
            for beliefs in segments
            for total in total_by(
                beliefs, lambda effect: effect.segment, dimension=beliefs.effects[0].dimension, **written
            )
        ),
        holdout=holdout,
        left_out=tuple(LeftOut(campaign_id=c.campaign_id, name=c.name, reason=c.reason) for c in left_out),
        covariates=COVARIATES,
        config_digest=settings.digest(),
        arms_unlogged=tuple(
            sorted({effect.campaign_id for effect in whole.effects} - {effect.campaign_id for effect in arms.effects})
        ),
        periods=read_periods(
            whole,
            arms,
            segments,
            channel_of=channel_of,
            unread=[campaign.started.date() for campaign in left_out],
            until=until,
            shrunken={line.campaign_id: line.shrunken.point for line in lines},
            **written,
        ),
    )


def read_whole_effects(
    settings: BusinessSettings,
    tables: Tables,
    *,
    since: datetime,
    until: datetime,
    faulty: Collection[str] = (),
    progress: Progress,
) -> tuple[tuple[Effect, ...], int]:
    """What each campaign that began within some time did, all its arms together, and how many cannot be read.

    Args:
        settings: The business.
        tables: Its tables, checked.
        since: First moment of a beginning.
        until: First moment not seen.
        faulty: Campaigns with errors of the check.
        progress: Who watches.
    """
    how = (settings.readout or ReadoutSettings(tolerance=0.0)).model_copy(update={"segments": ()})
    found = [
        campaign for campaign in find_campaigns(tables, (), until=until, faulty=faulty) if campaign.started >= since
    ]
    readable = {campaign.campaign_id: campaign for campaign in found if not campaign.reason}
    if not readable:
        return (), len(found)
    whole, *_ = _read_effects(settings, tables, readable, how, until, progress)
    return whole.effects, len(found) - len(whole.effects)


def read_among(
    settings: BusinessSettings,
    tables: Tables,
    *,
    plans: Sequence[Plan],
    until: datetime,
    faulty: Collection[str] = (),
    progress: Progress,
) -> dict[str, dict[str, AmongCampaigns]]:
    """What the portfolio of a day says of each campaign that can be read: its arms, and `ALL_ARMS` for the whole.

    Nothing where fewer than ten campaigns can be read.

    Args:
        settings: The business.
        tables: Its tables, checked.
        plans: Plans of its campaigns.
        until: First moment not seen.
        faulty: Campaigns with errors of the check, which are not counted.
        progress: Who watches.
    """
    if int(tables["campaigns"].count().to_pyarrow().as_py()) < FEWEST:
        return {}
    how = settings.readout or ReadoutSettings(tolerance=0.0)
    found_all = find_campaigns(tables, plans, until=until, faulty=faulty)
    readable = {each.campaign_id: each for each in found_all if not each.reason}
    if len(readable) < FEWEST:
        return {}
    how = how.model_copy(update={"segments": ()})
    whole, arms, _, _ = _read_effects(settings, tables, readable, how, until, progress)
    found: dict[str, dict[str, AmongCampaigns]] = {}
    for beliefs in (whole, arms):
        for (campaign, arm), own in among_campaigns(beliefs, level=how.level, currency=settings.currency).items():
            found.setdefault(campaign, {})[arm] = own
    return found


def read_arm_effects(
    settings: BusinessSettings, tables: Tables, *, until: datetime, progress: Progress
) -> tuple[Effect, ...]:
    """What every arm of every randomized campaign did whose window is over.

    Campaigns whose control others reached are among them: runs of decisions contact tomorrow whom they left alone
    today, and what an offer earned beyond that is what it adds to them.

    Args:
        settings: The business.
        tables: Its tables, checked.
        until: First moment not seen.
        progress: Who watches.
    """
    how = (settings.readout or ReadoutSettings(tolerance=0.0)).model_copy(update={"segments": ()})
    found = find_campaigns(tables, (), until=until)
    readable = {each.campaign_id: each for each in found if each.reason in ("", "other_contacts")}
    if not readable:
        return ()
    _, arms, _, _ = _read_effects(settings, tables, readable, how, until, progress)
    return tuple(arms.effects)


def own_plans(currency: str, tables: Tables, plans: Sequence[Path]) -> tuple[Plan, ...]:
    """Plans of campaigns that the tables have, in the business's currency.

    Args:
        currency: Of the business.
        tables: Its tables.
        plans: Files that may be plans of its campaigns; those of others are passed by.
    """
    if "campaigns" not in tables:
        return ()
    known = set(tables["campaigns"].campaign_id.to_pyarrow().to_pylist())
    # Plans of offline studies stand in the same folders and name no campaign.
    named = [path for path in sorted(plans) if read_yaml(path).get("campaign_id") in known]
    found = [load_plan(path) for path in named]
    return tuple(plan for plan in found if plan.currency == currency)


def find_campaigns(
    tables: Tables, plans: Sequence[Plan], *, until: datetime, faulty: Collection[str] = ()
) -> tuple[Found, ...]:
    """Campaigns that had begun, in the order of their start, and why some cannot be read.

    Raises:
        DataError: Tables are missing.
    """
    missing = [name for name in ("campaigns", "contacts") if name not in tables]
    if missing:
        raise DataError(f"a portfolio needs the tables {', '.join(missing)}; name them in the config under data.tables")
    campaigns = tables["campaigns"]
    rows = campaigns.filter(campaigns.started_at < until).to_pyarrow().to_pylist()
    lengths = {row["campaign_id"]: row["outcome_days"] for row in rows}
    contacts = tables.engine.hold(campaign_contacts(tables, list(lengths), until=until))
    days = read_assigned_days(contacts.rename(offer_id="arm"))
    since = common_starts(days, lengths)
    if since:
        contacts = tables.engine.hold(campaign_contacts(tables, list(lengths), until=until, since=since))
    p = contacts.propensity
    assigned = contacts.group_by("campaign_id").aggregate(
        started=contacts.assigned_at.min(),
        rows=contacts.count(),
        control=(contacts.arm == CONTROL).sum(),
        open=(contacts.ends_at > until).sum(),
        unlogged=(p.isnull() | ~((p > 0) & (p <= 1))).sum(),
    )
    seen = {row["campaign_id"]: row for row in assigned.to_pyarrow().to_pylist()}
    ratios = read_sample_ratios(contacts.rename(offer_id="arm"), alarm=ALARM)
    costs = {plan.campaign_id: plan.fixed_cost for plan in plans}
    found = []
    for row in rows:
        name, own = row["campaign_id"], seen.get(row["campaign_id"])
        ratio = ratios.get(name)
        faults = {
            "observational": ratio is not None and ratio.fault == "certain",
            "sample_ratio": ratio is not None and ratio.alarm,
            "other_days": name in days and days[name].reading(row["outcome_days"]) == "none",
            "faulty": name in faulty,
        }
        found.append(
            Found(
                campaign_id=name,
                name=row["name"] or name,
                fixed=float(row["fixed_cost"] if row["fixed_cost"] is not None else costs.get(name, 0.0)),
                started=own["started"] if own else row["started_at"],
                since=since.get(name),
                reason=_reason(own, randomized=row["randomized"], faults=faults),
            )
        )
    found.sort(key=lambda campaign: (campaign.started, campaign.campaign_id))
    readable = [campaign.campaign_id for campaign in found if not campaign.reason]
    judged = judge_contacts(tables, readable, contacts, until=until) if readable else {}
    costs = {campaign.campaign_id: campaign.fixed for campaign in found}
    return tuple(_with_contacts(campaign, judged.get(campaign.campaign_id), costs) for campaign in found)


def _channels(tables: Tables) -> dict[str, str]:
    """Offer to its channel; nothing without a table of offers."""
    if "offers" not in tables:
        return {}
    rows = tables["offers"].select("offer_id", "channel").to_pyarrow().to_pylist()
    return {row["offer_id"]: row["channel"] for row in rows}


def _with_contacts(campaign: Found, contacts: Contacts | None, fixed: Mapping[str, float]) -> Found:
    """The campaign with what other campaigns did to it; one that it stands for adds its costs to its own."""
    if contacts is None:
        return campaign
    more = contacts.costs + sum(fixed[name] for name in contacts.stands_for)
    return replace(campaign, reason=contacts.reason, fixed=campaign.fixed + more)


def _without_row(tables: Tables, faulty: Collection[str], until: datetime) -> list[Found]:
    """Faulty campaigns that the table of campaigns does not describe, or not any more: its row is left out."""
    known = set(tables["campaigns"].campaign_id.to_pyarrow().to_pylist())
    return [
        Found(campaign_id=name, name=name, fixed=0.0, started=until, since=None, reason="faulty")
        for name in sorted(set(faulty) - known)
    ]


def _reason(assigned: Mapping[str, Any] | None, *, randomized: bool | None, faults: Mapping[str, bool]) -> str:
    """Why a campaign cannot be read; empty where it can."""
    if assigned is None:
        return "no_contacts"
    if randomized is False or assigned["unlogged"] or faults["observational"]:
        return "observational"
    if assigned["control"] in (0, assigned["rows"]):
        return "no_control"
    if assigned["open"]:
        return "window_open"
    return next((name for name, is_so in faults.items() if is_so), "")


def _read_effects(
    settings: BusinessSettings,
    tables: Tables,
    readable: Mapping[str, Found],
    how: ReadoutSettings,
    until: datetime,
    progress: Progress,
) -> tuple[Beliefs, Beliefs, tuple[Beliefs, ...], list[str]]:
    """Campaigns, arms and segments, and the campaigns that are too small to have any."""
    columns = tuple(dict.fromkeys([*customer_columns(how.segments), *([how.household] if how.household else [])]))
    since = {name: campaign.since for name, campaign in readable.items() if campaign.since is not None}
    spans = Spans(pre_days=how.pre_days, until=until, since=since)
    progress.stage("portfolio", f"what {len(readable)} campaigns brought")
    rows = assigned_outcomes(tables, list(readable), spans, dimensions=columns)
    began = {name: campaign.started.date() for name, campaign in readable.items()}
    rows = tables.engine.hold(
        split_by_segment(settings, tables, rows, began, dimensions=how.segments, progress=progress)
    )
    chances = read_chances(rows)
    cells = _moments(rows, (*OUTCOMES, *COVARIATES), how, chances)
    found = {name: list(_effects(cells, campaign)) for name, campaign in readable.items()}
    by_segment = [_segments(rows, readable, dimension, how, chances) for dimension in how.segments]
    effects = [effect for own in found.values() for effect in own]
    whole = believe([effect for effect in effects if effect.arm == ALL_ARMS])
    arms = believe([effect for effect in effects if effect.arm != ALL_ARMS])
    segments = tuple(believe(own) for own in map(list, by_segment) if own)
    return whole, arms, segments, [name for name, own in found.items() if not own]


def _moments(
    rows: ir.Table, figures: Sequence[str], how: ReadoutSettings, chances: Chances, *, by: str = EVERYBODY
) -> Cells:
    """Moments as a readout takes them: control is a picture of the arms where chances differ."""
    within = (by,) if by else ()
    seen = picture_the_treated(rows, figures, chances, within=within)
    return aggregate(seen, figures=figures, dimensions=within, cluster=how.household)


def _effects(cells: Cells, campaign: Found) -> Iterator[Effect]:
    """All arms together, then each, if read for its own customers; nothing where control or all arms hold too few."""
    own = {cell.arm: moments for cell, moments in cells.items() if cell.campaign == campaign.campaign_id}
    small = {arm for arm, moments in arms_of(own).items() if moments.n < 2}
    own = {arm: own[arm] for arm in sorted(own) if arm not in small}
    if CONTROL not in own or not arms_of(own) or own[CONTROL].n < 2:
        return
    read, whole = contrast_arms(own, covariates=COVARIATES)
    together, control = treated_of(own), own[CONTROL]
    for arm, adjustment in {ALL_ARMS: whole, **({} if AVERAGE in own else read)}.items():
        moments = together if arm == ALL_ARMS else own[arm]
        yield Effect(
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            started=campaign.started.date(),
            arm=arm,
            contrast=adjustment.contrast,
            buyers=moments.buyers + control.buyers,
            fixed=campaign.fixed * moments.n / together.n,
        )


def _segments(
    rows: ir.Table, readable: Mapping[str, Found], dimension: str, how: ReadoutSettings, chances: Chances
) -> Iterator[Effect]:
    """Each segment of each arm that has enough buyers, as a readout shows it: not adjusted, without fixed cost."""
    found = _moments(rows, OUTCOMES, how, chances, by=dimension)
    cells = {cell: moments for cell, moments in found.items() if cell.dimension == dimension}
    segments: dict[MomentCell, dict[str, Moments]] = {}
    for cell, moments in cells.items():
        segments.setdefault(replace(cell, arm=""), {})[cell.arm] = moments
    for cell in sorted(cells, key=_order):
        groups = segments[replace(cell, arm="")]
        if cell.arm not in arms_of(groups) or AVERAGE in groups or not has_control(groups, cell.arm):
            continue
        control = control_of(groups, cell.arm)
        if not _is_enough(cells[cell], control, how):
            continue
        read = contrast(cells[cell], control, arm=cell.arm)
        if read.se(PROFIT) > 0:
            yield Effect(
                campaign_id=cell.campaign,
                name=readable[cell.campaign].name,
                started=readable[cell.campaign].started.date(),
                arm=cell.arm,
                contrast=read,
                buyers=cells[cell].buyers + control.buyers,
                dimension=dimension,
                segment=cell.segment or "",
            )


def _is_enough(treated: Moments, control: Moments, how: ReadoutSettings) -> bool:
    return min(treated.n, control.n) >= 2 and treated.buyers + control.buyers >= how.minimum_buyers


def _order(cell: MomentCell) -> tuple[str, str, str]:
    return cell.campaign, cell.arm, cell.segment or ""


__all__ = ["FALSE_SHARE", "Found", "find_campaigns", "own_plans", "read_among", "read_arm_effects", "read_portfolio"]
