"""The design command: from past spend to a plan frozen before the first contact."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from netlift.abtest.assignment.audience import Audience, Question, read_audience, read_segments
from netlift.abtest.assignment.overlaps import ASSIGNMENTS, find_collisions
from netlift.abtest.design.holdout_size import size_holdout
from netlift.abtest.design.page import design_document
from netlift.abtest.design.past_spend import PRE_DAYS, last_window, read_spend, same_season, summarize_spend
from netlift.abtest.design.plan import HOLDOUT_MONTHS, LEVEL, complete, make_plan, plan_arms
from netlift.abtest.design.request import DesignRequest
from netlift.abtest.design.result import DesignReport, HoldoutSize, PastSpend, Power, Window
from netlift.abtest.design.sizing import (
    Precision,
    Setup,
    balanced_control,
    control_needed,
    customers_for_balance,
    customers_needed,
    joint_level,
    measure,
    profit_proven,
)
from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT, parse_criterion
from netlift.config.plan import PLAN_FILE, ArmPlan, Plan, dump_plan, load_plan
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding
from netlift.data.checks.quality import is_revenue_based
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.data.run import (
    RunFolder,
    combine_digests,
    name_question,
    reading_tables,
)
from netlift.data.write import write_bytes
from netlift.errors import ConfigError, GateRefusedError, HistoryTooShortError, UsageError
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.results import SCHEMA_VERSION, Told, to_plain

CONTROL_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
ENROLMENT_DAYS, DAYS_A_WEEK = 28, 7
USUAL_CHANCE, POWER_STEPS = 0.8, 20


@dataclass(frozen=True, kw_only=True)
class DesignRun(Told):
    """What a job of the design verb did.

    Attributes:
        design: What it found.
        path: The plan's file.
        written: Whether the plan was written now; it may have stood before, or none was made.
        pages: The folder of the page, workbook, Markdown and JSON.
        text: The design for people.
        left_out: What of the tables was not read, as the check found it.
    """

    design: DesignReport
    path: str
    written: bool
    pages: str
    text: str
    left_out: tuple[Finding, ...] = ()

    @property
    def language(self) -> str:
        """Of the texts."""
        return self.design.request.language

    def to_text(self) -> str:
        """The design for people, and where its page is."""
        words = speak(self.language)
        stood = self.design.plan is not None and not self.written
        last = [words.say("design.plan_stood")] if stood else []
        return "\n".join([self.text, "", *last, words.say("scorecard.saved", path=self.pages)])

    def raise_for_refusal(self) -> None:
        """Leave with exit code 4 where no plan was made.

        Raises:
            GateRefusedError: No control meets the aims with the customers at hand.
        """
        design = self.design
        if design.plan is None:
            needed = "no number would do" if design.needed is None else f"{design.needed:,} are needed"
            raise GateRefusedError(
                f"no plan was written: {design.customers:,} customers do not meet the aims with any control up to "
                f"half, {needed} with {design.needed_share:.0%} control. Widen eligible, ask for less, or take the "
                "risk with --control-share"
            )


def design_campaign(
    settings: BusinessSettings,
    request: DesignRequest,
    *,
    experiments: Path,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    pdf: bool = False,
    browser: Path | None = None,
) -> DesignRun:
    """Size a campaign from past spend and freeze its plan in `experiments/<slug>/plan.yaml`.

    What it found stands in `<state>/out/designs/<run key>` as JSON, Markdown, HTML and XLSX, all or none, where no plan
    was made too.

    Args:
        settings: The business.
        request: What is asked.
        experiments: Folder of experiments.
        progress: Who watches.
        now: Time of the call, for the manifest of the page.
        lock_timeout: Seconds to wait for another design of this experiment.
        pdf: Whether a PDF is printed too.
        browser: Where Chromium is; searched when None.

    Raises:
        UsageError: The request cannot be met as it stands; all mistakes at once.
        GateRefusedError: Another plan is frozen there, a channel has no consents, or a page is not what was written.
        DataError: The tables break the contract, nobody is eligible, or nobody like them bought.
        HistoryTooShortError: The receipts do not hold one outcome window.
    """
    speak(request.language)
    request = complete(request, settings)
    target = experiments / request.folder / PLAN_FILE
    lock, holder = f"design-{request.folder}", f"design {request.folder}"
    with job(settings.state, lock, holder=holder, timeout_seconds=lock_timeout):
        standing = _standing(target)
        with reading_tables(settings, verb="design") as (tables, sources):
            progress.stage("design", "holding the tables against the contract")
            tables, checked = read_sound(tables, settings, verb="design")
            report = _design(settings, tables, request, progress=progress)
            words = speak_of(settings, request.language, tables)
        sources.require_unchanged()
        if standing is not None and report.plan not in (None, standing):
            raise GateRefusedError(
                f"{target}: a plan of campaign {standing.campaign_id!r} is frozen there "
                f"({standing.frozen_digest[:12]}), and this design gives another. A plan is made once; give another "
                "--slug"
            )
        progress.stage("report", "page and workbook")
        document = design_document(report, words, path=str(target))
        contents = write_out(document, {"schema_version": SCHEMA_VERSION, **to_plain(report)}, pdf=pdf, browser=browser)
        made_from = {"config": settings.digest(), "data": sources.digest}
        pages = _write_pages(settings, request, contents, names=words.names, made_from=made_from, now=now)
        if written := report.plan is not None and standing is None:
            write_bytes(target, dump_plan(report.plan))
    return DesignRun(
        design=report,
        path=str(target),
        written=written,
        pages=str(pages),
        text=to_text(document),
        left_out=checked.left_out_of("design"),
    )


def _write_pages(
    settings: BusinessSettings,
    request: DesignRequest,
    contents: Mapping[str, bytes],
    *,
    names: Mapping[str, str],
    made_from: Mapping[str, str],
    now: datetime,
) -> Path:
    """The folder of the pages; where they stand already from the same design, nothing is written again."""
    files = name_files("design", pdf="pdf" in contents)
    digests = {"design": hashlib.sha256(contents["json"]).hexdigest(), "names": combine_digests(dict(names))}
    inputs = digests | {"inputs": combine_digests(digests)}
    place = settings.state / "out" / "designs"
    own = name_question(f"{request.folder}-{request.language}", "pdf" if "pdf" in contents else "")
    run = RunFolder.find(place, "", own, inputs=inputs, files=files)
    if not run.read():
        run.write(contents, {"run_key": run.key, "digests": made_from}, now=now)
    return run.target


def _standing(target: Path) -> Plan | None:
    if not target.exists():
        return None
    try:
        return load_plan(target).verify()
    except ConfigError as error:
        raise GateRefusedError(f"{target} stands and is no plan of a campaign; give another --slug") from error


def _design(settings: BusinessSettings, tables: Tables, request: DesignRequest, *, progress: Progress) -> DesignReport:
    history = read_history(tables)
    if request.start.date() < history.end:
        raise UsageError(
            f"--start {request.start:%Y-%m-%d}: receipts are known up to {history.end - timedelta(days=1)}, so what "
            "would be asked can be seen already; start on a later day"
        )
    arms = plan_arms(settings, tables, request)
    reader = _Reader(settings=settings, tables=tables, request=request, arms=arms, progress=progress)
    progress.stage("design", "who is eligible, and what customers like them spent")
    audience = reader.audience(request.start, now=True)
    past = reader.spend(_past_window(history, request.outcome_days))
    setup = _setup(request, past)
    share = request.control_share or control_needed(setup, customers=len(audience))
    shares = _over_shares(setup, customers=len(audience), also=share)
    needed, needed_share = _needed(setup, shares, share)
    newcomers, weeks = reader.wait(audience, needed, outcome_days=request.outcome_days)
    chosen = None if share is None else measure(setup, customers=len(audience), control_share=share)
    provable, power = (None, ()) if chosen is None else _power(setup, chosen)
    plan = None if chosen is None else make_plan(settings, tables, request, chosen=chosen, past=past)
    progress.stage("design", "the universal holdout, and campaigns that run in the same days")
    return DesignReport(
        request=request,
        currency=settings.currency,
        revenue_based=is_revenue_based(tables),
        steps=audience.steps,
        held_out=audience.held_out,
        past=past,
        season=reader.season(history),
        arms=plan.arms if plan else arms,
        chosen=chosen,
        shares=shares,
        power=power,
        provable=provable,
        needed=needed,
        needed_share=needed_share,
        needed_raw=customers_needed(replace(setup, explained=0.0), control_share=needed_share),
        balance_customers=customers_for_balance(setup, control_share=needed_share),
        balance_share=balanced_control(setup, customers=len(audience)),
        newcomers_a_week=newcomers,
        weeks=weeks,
        holdout=_holdout(tables, request, history),
        collisions=find_collisions(
            tables,
            audience.ids,
            own=request.campaign_id,
            start=request.start,
            end=request.start + timedelta(days=request.outcome_days),
            assignments=settings.state / ASSIGNMENTS,
        ),
        plan=plan,
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Audiences of one request, as of several days."""

    settings: BusinessSettings
    tables: Tables
    request: DesignRequest
    arms: tuple[ArmPlan, ...]
    progress: Progress

    def audience(self, cutoff: datetime, *, now: bool) -> Audience:
        """Who would be in the campaign at a moment; of another moment, holdout and limit are left out."""
        request, criteria = self.request, tuple(map(parse_criterion, self.request.eligible))
        names = [criterion.name for criterion in criteria] + list(request.strata if now else ())
        question = Question(
            cutoff=cutoff,
            criteria=criteria,
            channels=tuple(dict.fromkeys(arm.channel for arm in self.arms)),
            columns=tuple(name for name in request.columns if now or name != SEGMENT),
            holdout=request.holdout if now else None,
            cluster=request.cluster,
            limit=request.customers if now else None,
            salt=request.campaign_id,
        )
        segment_of = read_segments(self.settings, self.tables, cutoff.date(), names=names, progress=self.progress)
        return read_audience(self.tables, question, segment_of=segment_of)

    def spend(self, window: Window) -> PastSpend:
        """What customers like them spent in a window."""
        like = self.audience(window.cutoff, now=False)
        how = self.settings.readout
        rows = read_spend(self.tables, like.ids, window, pre_days=how.pre_days if how else PRE_DAYS)
        return summarize_spend(rows, window, cluster=like.clusters(self.request.cluster))

    def season(self, history: History) -> PastSpend | None:
        """What they spent a year before the campaign; None where the receipts do not go back so far."""
        window = same_season(self.request.start.date(), self.request.outcome_days)
        if window.start <= history.first or window.end > history.end:
            return None
        return self.spend(window)

    def wait(self, audience: Audience, needed: int | None, *, outcome_days: int) -> tuple[float | None, float | None]:
        """Customers who become eligible a week, where they are needed, and weeks until the result is known."""
        window = outcome_days / DAYS_A_WEEK
        if not self.request.has_aim:
            return None, window
        if needed is None:
            return None, None
        if needed <= len(audience) or self.request.customers is not None:
            return None, window if needed <= len(audience) else None
        before = self.audience(self.request.start - timedelta(days=ENROLMENT_DAYS), now=False)
        a_week = len(set(audience.ids) - set(before.ids)) / (ENROLMENT_DAYS / DAYS_A_WEEK)
        return a_week, (needed - len(audience)) / a_week + window if a_week else None


def _past_window(history: History, days: int) -> Window:
    if history.days <= days:
        raise HistoryTooShortError(
            f"transactions: {history.days:,} days of history, and spend over {days} days is asked of them; shorten "
            "--outcome-days or bring more"
        )
    return last_window(history.end, days)


def _setup(request: DesignRequest, past: PastSpend) -> Setup:
    return Setup(
        spread=past.spread,
        weights={offer: 1 / len(request.offers) for offer in request.offers},
        level=joint_level(request.level or LEVEL, arms=len(request.offers), looks=request.looks),
        explained=past.explained,
        fixed_cost=request.fixed_cost,
        half_width=request.half_width,
        expected=request.expected,
        chance=request.chance,
    )


def _over_shares(setup: Setup, *, customers: int, also: float | None) -> tuple[Precision, ...]:
    shares = sorted({*CONTROL_SHARES, *([also] if also else [])})
    return tuple(measure(setup, customers=customers, control_share=share) for share in shares)


def _needed(setup: Setup, shares: tuple[Precision, ...], share: float | None) -> tuple[int | None, float]:
    """Customers that meet the aims with a control, or with the best one of a table."""
    if share is not None:
        return customers_needed(setup, control_share=share), share
    found = {row.control_share: customers_needed(setup, control_share=row.control_share) for row in shares}
    best = min(found, key=lambda row: (found[row] is None, found[row] or 0, row))
    return found[best], best


def _power(setup: Setup, chosen: Precision) -> tuple[Power, tuple[Power, ...]]:
    """The profit that the plan proves with the chance asked for, and the chance over profits on both sides of it."""
    customers, share = chosen.customers, chosen.control_share
    treated = customers - chosen.control

    def at(profit: float) -> Power:
        chance = measure(replace(setup, expected=profit), customers=customers, control_share=share).chance
        return Power(expected=profit, total=profit * treated - setup.fixed_cost, chance=chance or 0.0)

    wanted = setup.chance or USUAL_CHANCE
    provable = profit_proven(setup, customers=customers, control_share=share, chance=wanted)
    top = 1.6 * max(provable, setup.expected or 0.0)
    return at(provable), tuple(at(top * step / POWER_STEPS) for step in range(POWER_STEPS + 1))


def _holdout(tables: Tables, request: DesignRequest, history: History) -> HoldoutSize | None:
    standing = request.holdout
    months = request.holdout_months or (HOLDOUT_MONTHS if standing is None else standing.rotate_months)
    first: date = last_window(history.end, months * 31).start
    if first < history.first:
        return None
    return size_holdout(
        tables,
        end=history.end,
        months=months,
        level=request.level or LEVEL,
        start=request.start,
        half_width=request.holdout_half_width,
        planned=standing,
    )


__all__ = ["DesignRun", "design_campaign"]
