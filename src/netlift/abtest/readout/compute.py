"""Computation of a readout: rows of assigned customers to one result with its validity checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from netlift.abtest.readout.advice import best_in_total
from netlift.abtest.readout.advice_limits import advise_arms, channels_of
from netlift.abtest.readout.arms import (
    ArmsRead,
    Terms,
    gather_arm_cells,
    read_arms,
    read_cell,
    read_rollout,
)
from netlift.abtest.readout.checks import (
    ALARM,
    Facts,
    blocked,
    check_arms,
    check_campaign,
    check_reached,
)
from netlift.abtest.readout.comparison import campaign_score
from netlift.abtest.readout.days import follow_arms, read_days
from netlift.abtest.readout.metrics import check_guardrails, hold_guardrails, read_metrics
from netlift.abtest.readout.other_campaigns import INSIDE, find_touches, read_overlaps
from netlift.abtest.readout.overlaps import Touch
from netlift.abtest.readout.result import (
    ALL_ARMS,
    ArmReadout,
    Assumption,
    CampaignReadout,
    Check,
    SegmentRemainder,
)
from netlift.abtest.readout.rows import (
    Campaign,
    ReadoutRequest,
    assigned_rows,
    describe_campaign,
    without_small_arms,
)
from netlift.abtest.stats.adjustment import Adjustment
from netlift.abtest.stats.aggregate import Cells, MomentCell, aggregate, by_arm
from netlift.abtest.stats.heterogeneity import SegmentEffects, WholeArm, segment_effects
from netlift.abtest.stats.moments import OUTCOMES, Moments
from netlift.abtest.stats.outcomes import COVARIATES, campaign_contacts, count_left_out
from netlift.abtest.stats.sequential import Look, bounds
from netlift.abtest.stats.sequential import looks as looks_at
from netlift.abtest.stats.simultaneous import shrink_arms
from netlift.abtest.stats.weighting import (
    AVERAGE,
    Chances,
    arms_of,
    control_of,
    has_control,
    picture_the_control,
    picture_the_treated,
    picture_the_whole,
    read_chances,
    treated_of,
)
from netlift.config.business import BusinessSettings
from netlift.config.plan import Plan
from netlift.config.readout import ReadoutSettings
from netlift.data.checks.campaigns import read_sample_ratios
from netlift.data.checks.findings import Finding
from netlift.data.checks.quality import name_money
from netlift.data.checks.repeats import find_repeats
from netlift.data.checks.sample_ratio import SampleRatio
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.errors import ConfigError, DataError
from netlift.progress import Progress
from netlift.segments.splits import customer_columns, split_by_segment

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything one readout is computed from.

    Attributes:
        business: The business.
        request: What is asked.
        tables: Its tables.
        campaign: The campaign.
        settings: How it is read.
        rows: One row per assigned customer.
        randomized: Whether chance, with known propensities, drew the arms.
        ratio: Sample ratio of the rows; None where chance did not draw the arms.
        not_drawn: Why it did not, as a code; empty where it did, or where nobody knows.
        chances: Of the arms; none unequal where chance did not draw them.
        figures: Outcomes, covariates, delivery where it is logged, margin behind the window where it is seen.
        household: Column of what customers share.
        planned: Columns whose segments plan or config name.
        dimensions: These and what is asked for beside them.
        lost: Customers of arms that hold fewer than three, which cannot be read.
        left_out: What else the rows leave out, merge or assume, by `count_left_out`.
    """

    business: BusinessSettings
    request: ReadoutRequest
    tables: Tables
    campaign: Campaign
    settings: ReadoutSettings
    rows: ir.Table
    randomized: bool
    ratio: SampleRatio | None
    not_drawn: str
    chances: Chances
    figures: tuple[str, ...]
    household: str | None
    planned: tuple[str, ...]
    dimensions: tuple[str, ...]
    lost: int
    left_out: Mapping[str, int]

    def cells(self, rows: ir.Table, *, figures: Sequence[str] = (), by: str = "") -> Cells:
        """Moments of each arm and of control, which is a picture of the arms where chances differ."""
        wanted = tuple(figures) or self.figures
        within = (by,) if by else ()
        return self._aggregate(picture_the_treated(rows, wanted, self.chances, within=within), wanted, by)

    def arms_of(self, rows: ir.Table, figures: Sequence[str] = OUTCOMES) -> dict[str, Moments]:
        """Moments of the outcomes of each arm and of control, or of other figures."""
        return by_arm(self.cells(rows, figures=figures))

    def average(self) -> Cells:
        """Moments of each arm and of control as pictures of the whole campaign."""
        return self._aggregate(picture_the_whole(self.rows, self.figures), self.figures)

    def left(self) -> Cells:
        """Moments of control, and of each arm as its picture."""
        return self._aggregate(picture_the_control(self.rows, self.figures, self.chances), self.figures)

    def _aggregate(self, rows: ir.Table, figures: Sequence[str], by: str = "") -> Cells:
        if self.chances.unequal:
            rows = self.tables.engine.hold(rows)  # pictures are dear to work out, and asked several times
        return aggregate(rows, figures=figures, dimensions=(by,) if by else (), cluster=self.household)


def read_campaign(
    settings: BusinessSettings, tables: Tables, request: ReadoutRequest, *, progress: Progress
) -> CampaignReadout:
    """Read a campaign.

    Args:
        settings: The business.
        tables: Its tables, checked.
        request: Which campaign, as of when.
        progress: Who watches.

    Raises:
        ConfigError: Neither plan, config nor request says which loss is immaterial, or plan and config disagree on
            the currency.
        UsageError: A campaign or a column that the tables do not have.
        DataError: Nobody was assigned, an arm has fewer than two customers, or the tables lack what is needed.
    """
    how = _how_to_read(settings, request)
    progress.stage("readout", f"campaign {request.campaign_id}: customers and what they brought")
    campaign = as_of_last_look(describe_campaign(tables, request, how), request.plan)
    planned = tuple(dict.fromkeys([*(request.plan.segments if request.plan else ()), *how.segments]))
    dimensions = tuple(dict.fromkeys([*planned, *request.split_by]))
    household = request.plan.cluster if request.plan and request.plan.cluster else how.household
    rows = assigned_rows(tables, campaign, how, dimensions=customer_columns(dimensions), household=household)
    began = {campaign.campaign_id: campaign.started.date()}
    rows = tables.engine.hold(split_by_segment(settings, tables, rows, began, dimensions=dimensions, progress=progress))
    rows, lost = without_small_arms(rows)
    chances = read_chances(rows)
    randomized = campaign.randomized is not False and not chances.unknown and not chances.impossible
    ratio, not_drawn = None, ""
    if randomized:
        ratio = read_sample_ratios(rows.rename(offer_id="arm"), alarm=ALARM).get(campaign.campaign_id)
        not_drawn = ratio.fault if ratio is not None and ratio.fault == "certain" else ""
        randomized = not not_drawn
    reading = Reading(
        business=settings,
        request=request,
        tables=tables,
        campaign=campaign,
        settings=how,
        rows=rows,
        randomized=randomized,
        ratio=ratio,
        not_drawn=not_drawn,
        chances=chances if randomized else replace(chances, unequal=(), unlogged=()),
        figures=_figures(rows, campaign),
        household=household,
        planned=planned,
        dimensions=dimensions,
        lost=lost,
        left_out=count_left_out(tables, [campaign.campaign_id]),
    )
    return _read(reading, progress)


def _read(reading: Reading, progress: Progress) -> CampaignReadout:
    request, campaign, how = reading.request, reading.campaign, reading.settings
    settings, tables, rows, randomized = reading.business, reading.tables, reading.rows, reading.randomized
    progress.stage("readout", "moments of every arm")
    cells = by_arm(reading.cells(rows))
    _refuse_empty(cells, request)
    days = read_days(tables, campaign, rows, reading.chances, household=reading.household)
    terms = Terms(
        currency=settings.currency,
        level=how.level,
        tolerance=how.tolerance,
        fixed=campaign.fixed_cost,
        covariates=COVARIATES,
    )
    taken = tuple(_looks(reading, terms))
    touches, touched = find_touches(tables, campaign.campaign_id, rows, until=campaign.until)
    facts = _facts(reading, cells=cells, stopped=any(look.stopped for look in taken), touches=touches)
    checks = check_campaign(facts)
    if taken:
        each = 1 - (1 - how.level) / len(arms_of(cells))
        of_arm = bounds([look.information for look in taken], level=each)[-1]
        terms = replace(terms, bound=taken[-1].bound, bound_of_arm=of_arm)
    if randomized and request.among is not None:
        terms = replace(terms, among=request.among(campaign.until).get(campaign.campaign_id, {}))
    progress.stage("readout", "lines of sensitivity, segments, days")
    arms = gather_arm_cells(rows, cells, reading.arms_of, cap=how.cap)
    weighted = bool(reading.chances.unequal)
    average = by_arm(reading.average()) if weighted else None
    left = by_arm(reading.left()) if weighted and not reading.chances.unlogged else {}
    others: dict[str, Any] = {
        "average": average,
        "left": left if set(arms_of(cells)) <= set(left) else None,
        "after_days": campaign.after_days,
    }
    draft = read_arms(arms, terms, **others)
    checks = (
        *checks,
        *check_arms(draft.arms, draft.adjustments, cells, covariates=COVARIATES),
        *_reached(reading, cells),
    )
    withheld: Literal["blocked", "observational"] | None = "blocked" if blocked(checks) else None
    withheld = withheld if randomized else "observational"
    metrics = tuple(read_metrics(tables, rows, how.metrics, reading.arms_of, terms, until=campaign.until))
    read = hold_guardrails(read_arms(arms, replace(terms, withheld=withheld), **others), metrics)
    segments = list(_segments(reading, cells, read, terms))
    fixed = {arm.arm: _fixed(arm.assigned, read.arms, campaign) for arm in read.arms}
    people = int(tables["customers"].count().to_pyarrow().as_py())
    shrunken = shrink_arms([each.contrast for each in read.averages])
    rollout = tuple(
        read_rollout(arm, pair, found.contrast, eligible=facts.assigned, outside=people - facts.assigned, terms=terms)
        for arm, found, pair in zip(read.arms, read.averages, shrunken, strict=True)
    )
    advice = tuple(advise_arms(settings, tables, read, rollout, fixed=campaign.fixed_cost, control=cells[CONTROL].n))
    return CampaignReadout(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        currency=settings.currency,
        started=campaign.started,
        ended=campaign.ended,
        outcome_days=campaign.outcome_days,
        as_of=campaign.until,
        observational=not randomized,
        verdict=read.verdict,
        best_arm=max(read.arms, key=lambda arm: (arm.average_profit or arm.money[-1].per_customer).point).arm,
        money=read.money,
        profit=read.profit,
        roi=read.roi,
        arms=read.arms,
        cells=tuple(read_cell(arm, cells[arm]) for arm in [CONTROL, *(arm.arm for arm in read.arms)]),
        segments=tuple(row for effects in segments for row in effects.rows),
        heterogeneity=tuple(effects.heterogeneity for effects in segments if effects.heterogeneity is not None),
        segment_remainders=tuple(_remainders(segments, read.arms)),
        checks=(*checks, *check_guardrails(metrics)),
        days=tuple(follow_arms(days, read, fixed, terms)),
        pull_forward=read.pull_forward,
        after_window=read.after_window,
        rollout=rollout,
        advice=advice,
        best_in_total=best_in_total(advice),
        looks=taken,
        covariates=read.adjustments[0].used,
        assumptions=tuple(_assumptions(reading, name_money(tables))),
        level=how.level,
        plan_digest=request.plan.frozen_digest if request.plan else None,
        config_digest=settings.digest(),
        versions={name: version(name) for name in ("netlift", "numpy", "scipy")} | dict(tables.engine.software()),
        hypothesis=request.plan.hypothesis if request.plan else "",
        notes=_notes(reading, segments, read.adjustments),
        overlaps=read_overlaps(
            tables, rows, touches, touched,
            cells=lambda split: reading.cells(split, figures=OUTCOMES, by=INSIDE),
            level=how.level, currency=settings.currency,
        ),
        among=terms.among.get(ALL_ARMS),
        metrics=read.metrics,
    )  # fmt: skip


def _how_to_read(settings: BusinessSettings, request: ReadoutRequest) -> ReadoutSettings:
    """The config's way of reading, with what plan and request say in its place."""
    plan = request.plan
    if plan is not None and plan.currency != settings.currency:
        raise ConfigError(
            f"the plan is in {plan.currency}, the config in {settings.currency}: two currencies cannot be added"
        )
    tolerance = request.tolerance if request.tolerance is not None else plan.tolerance if plan else None
    if settings.readout is None:
        if tolerance is None:
            raise ConfigError(
                "readout.tolerance is not in the config, and there is no plan: say which loss on a campaign is "
                "immaterial, in the config or by --tolerance"
            )
        found = ReadoutSettings(tolerance=tolerance)
    else:
        found = settings.readout if tolerance is None else settings.readout.model_copy(update={"tolerance": tolerance})
    return found if plan is None else found.model_copy(update={"level": plan.level})


def _figures(rows: ir.Table, campaign: Campaign) -> tuple[str, ...]:
    is_delivery_logged = bool(rows.delivered.sum().to_pyarrow().as_py())
    after = ["margin_after"] if campaign.after_days else []
    return (*OUTCOMES, *COVARIATES, *(["delivered"] if is_delivery_logged else []), *after)


def _refuse_empty(cells: Mapping[str, Moments], request: ReadoutRequest) -> None:
    wanted = set(request.plan.shares) if request.plan else set()
    missing = sorted(wanted - {CONTROL, *arms_of(cells)})
    if missing:
        raise DataError(
            f"contacts: nobody was assigned to {', '.join(missing)} in campaign {request.campaign_id!r}, the plan says "
            "so; find the rows, or read the campaign without the plan"
        )


def _reached(reading: Reading, cells: Mapping[str, Moments]) -> Iterator[Check]:
    """Whether each arm's contacts arrived, by what anybody logs of delivery."""
    arms = list(arms_of(cells))
    if "delivered" in reading.figures:
        yield from (check_reached(arm, cells[arm].value("delivered"), is_logged=True) for arm in arms)
        return
    logged = _channels_logged(reading.tables)
    channels = channels_of(reading.tables)
    for arm in arms:
        yield check_reached(arm, 0.0 if logged else None, is_logged=channels.get(arm, arm) in logged)


def _channels_logged(tables: Tables) -> set[str]:
    """Channels of which any contact in the table was delivered; an offer of no known channel is one."""
    contacts, channels = tables["contacts"], channels_of(tables)
    offers = contacts.filter(contacts.delivered_at.notnull() & (contacts.offer_id != CONTROL)).offer_id
    found = offers.as_table().distinct().to_pyarrow()["offer_id"].to_pylist()
    return {channels.get(offer, offer) for offer in found}


def _facts(reading: Reading, *, cells: Mapping[str, Moments], stopped: bool, touches: Mapping[str, Touch]) -> Facts:
    campaign, tables, request = reading.campaign, reading.tables, reading.request
    ratios: dict[str, SampleRatio] = {}
    if reading.randomized:
        contacts = campaign_contacts(tables, [campaign.campaign_id], until=campaign.until).rename(offer_id="arm")
        planned = read_sample_ratios(contacts, alarm=ALARM).get(campaign.campaign_id)
        looked = {"planned_split": planned, "analysed_split": reading.ratio}
        ratios = {name: ratio for name, ratio in looked.items() if ratio is not None}
    control = cells[CONTROL]
    delivered = None
    if "delivered" in reading.figures:
        rows = reading.rows
        delivered = int(rows.filter(rows.arm == CONTROL).delivered.sum().to_pyarrow().as_py() or 0)
    assigned = control.n + treated_of(cells).n
    return Facts(
        randomized=reading.randomized,
        assigned=assigned,
        ratios=ratios,
        torn=reading.left_out.get("two_arms", 0),
        control=control.n,
        control_delivered=delivered,
        open_windows=campaign.open_windows,
        as_of=campaign.until,
        unseen_days=campaign.unseen_days,
        ended=campaign.ended,
        stopped_early=stopped,
        plan_unchanged=request.plan.is_unchanged if request.plan else None,
        costs_assumed=reading.left_out.get("costs_assumed", 0),
        contacts=assigned - control.n,
        outcome_days=campaign.outcome_days,
        days=campaign.days,
        touches=touches,
        repeats=find_repeats(tables, "transactions", rows=_own_receipts(tables, campaign)),
        not_drawn=reading.not_drawn,
        faults=None if request.faults is None else _count_faults(request.faults.get(campaign.campaign_id, ())),
    )


def _count_faults(found: Sequence[Finding]) -> dict[str, int]:
    return {f"{each.table}.{each.column} {each.code}": each.count for each in found}


def _own_receipts(tables: Tables, campaign: Campaign) -> ir.Table:
    """Receipts of the time of a campaign, of whomever."""
    at = tables["transactions"].occurred_at
    return tables["transactions"].filter((at >= campaign.started) & (at < campaign.ended) & (at < campaign.until))


def as_of_last_look(campaign: Campaign, plan: Plan | None) -> Campaign:
    """The campaign as of its last planned look, while its window is open: what came after waits for the next one."""
    due = list(_due(campaign, plan))
    if not due or not campaign.open_windows:
        return campaign
    return replace(campaign, until=due[-1][1])


def _due(campaign: Campaign, plan: Plan | None) -> Iterator[tuple[float, datetime]]:
    """Share of the outcome window and moment of each planned look that is due."""
    if plan is None or plan.looks == 1:
        return
    for number in range(1, plan.looks + 1):
        share = number / plan.looks
        moment = campaign.started + timedelta(days=share * campaign.outcome_days)
        if moment <= campaign.until or (number == plan.looks and not campaign.open_windows):
            yield share, moment


def _looks(reading: Reading, terms: Terms) -> Iterator[Look]:
    """The planned looks that are due, of all arms together, each as its own readout on that day would have it."""
    plan, campaign = reading.request.plan, reading.campaign
    due = list(_due(campaign, plan))
    if plan is None or not due:
        return
    scores = []
    for _, moment in due:
        then = replace(campaign, until=min(moment, campaign.until), after_days=0)
        rows = assigned_rows(reading.tables, then, reading.settings, dimensions=(), household=reading.household)
        figures = [name for name in reading.figures if name in (*OUTCOMES, *COVARIATES)]
        seen, _ = without_small_arms(reading.tables.engine.hold(rows))
        cells = by_arm(reading.cells(seen, figures=figures))
        scores.append(campaign_score(cells, covariates=terms.covariates, fixed=terms.fixed))
    yield from looks_at([share for share, _ in due], scores, planned=plan.looks, level=plan.level)


def _segments(reading: Reading, whole: Mapping[str, Moments], read: ArmsRead, terms: Terms) -> Iterator[SegmentEffects]:
    figures = (*OUTCOMES, *COVARIATES)
    used = {arm.arm: adjustment.used for arm, adjustment in zip(read.arms, read.adjustments, strict=True)}
    for dimension in reading.dimensions:
        found = reading.cells(reading.rows, figures=figures, by=dimension)
        inside = {cell: moments for cell, moments in found.items() if cell.dimension == dimension}
        segments: dict[str, dict[str, Moments]] = {}
        for cell, moments in inside.items():
            segments.setdefault(_segment_name(cell), {})[cell.arm] = moments
        for arm in sorted({arm for groups in segments.values() for arm in arms_of(groups)}):
            cells = {
                segment: (groups[arm], control_of(groups, arm))
                for segment, groups in segments.items()
                if arm in groups and has_control(groups, arm)
            }
            yield segment_effects(
                dimension,
                arm,
                dict(sorted(cells.items())),
                planned=dimension in reading.planned,
                minimum_buyers=reading.settings.minimum_buyers,
                level=terms.level,
                currency=terms.currency,
                whole=WholeArm(
                    treated=whole[arm],
                    control=control_of(whole, arm),
                    covariates=used[arm],
                    of_everybody=AVERAGE in whole,
                ),
            )


def _remainders(segments: Sequence[SegmentEffects], arms: Sequence[ArmReadout]) -> Iterator[SegmentRemainder]:
    """What the segments of each split leave of each arm's profit."""
    whole = {arm.arm: {line.name: line.total.point for line in arm.money} for arm in arms}
    for effects in segments:
        if effects.rows:
            first, shown = effects.rows[0], sum(row.total.point for row in effects.rows)
            profit, fixed = whole[first.arm]["profit"], whole[first.arm]["fixed_cost"]
            yield SegmentRemainder(
                dimension=first.dimension, arm=first.arm, remainder=profit + fixed - shown, fixed=fixed, profit=profit
            )


def _segment_name(cell: MomentCell) -> str:
    return "" if cell.segment is None else cell.segment


def _fixed(assigned: int, arms: Sequence[Any], campaign: Campaign) -> float:
    return campaign.fixed_cost * assigned / sum(arm.assigned for arm in arms)


def _assumptions(reading: Reading, money: str) -> Iterator[Assumption]:
    campaign, how = reading.campaign, reading.settings
    yield Assumption(name="margin_source", value=money)
    yield Assumption(name="fixed_cost", value=f"{campaign.fixed_cost:.2f}")
    yield Assumption(name="outcome_days", value=str(campaign.outcome_days))
    yield Assumption(name="pre_days", value=str(how.pre_days))
    yield Assumption(name="tolerance", value=f"{how.tolerance:.2f}")
    yield Assumption(name="level", value=f"{how.level:g}")
    yield Assumption(name="rewards", value="contacts.reward_cost")
    weighted = "unlogged" if reading.chances.unlogged else "treated" if reading.chances.unequal else "no"
    yield Assumption(name="weighted_by_chance", value=weighted)
    if reading.household:
        yield Assumption(name="household", value=reading.household)
    if reading.request.plan is not None:
        yield Assumption(name="plan", value=reading.request.plan.frozen_digest[:12])


def _notes(reading: Reading, segments: Sequence[SegmentEffects], found: Sequence[Adjustment]) -> dict[str, int]:
    notes = dict(reading.left_out)
    notes |= {"arms_too_small": reading.lost} if reading.lost else {}
    left_out = sum(len(effects.left_out) for effects in segments)
    dropped = len({name for adjustment in found for name in adjustment.dropped})
    notes |= {name: n for name, n in {"segments_left_out": left_out, "covariates_dropped": dropped}.items() if n}
    return notes
