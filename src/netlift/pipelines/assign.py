"""The assign command: a frozen plan to a contact list, reproducible to the byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.abtest.assignment.audience import Audience, Question, read_audience, read_segments
from netlift.abtest.assignment.contact_list import campaigns_table, contacts_table
from netlift.abtest.assignment.draw import Assignment, assign
from netlift.abtest.assignment.overlaps import ASSIGNMENTS, CONTACTS_FILE
from netlift.abtest.assignment.page import assignment_document
from netlift.abtest.assignment.result import ArmCount, AssignReport
from netlift.abtest.design.journey import find_journey
from netlift.config.business import BusinessSettings
from netlift.config.plan import Plan, load_plan
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding, read_findings
from netlift.data.checks.sample_ratio import ArmTotals, judge_sample_ratio
from netlift.data.csv_lists import to_csv
from netlift.data.history import read_history
from netlift.data.read import Tables, open_tables
from netlift.data.run import (
    BRING_BACK,
    MANIFEST_FILE,
    Content,
    RunFolder,
    SourceFiles,
    combine_digests,
    find_sources,
    read_standing,
)
from netlift.data.write import parquet_writer
from netlift.errors import GateRefusedError, UsageError
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_text
from netlift.report.names import speak_of
from netlift.results import Told
from netlift.segments.splits import digest_splits

if TYPE_CHECKING:
    import pyarrow as pa

FILES = {"contacts": CONTACTS_FILE, "contacts_csv": "contacts.csv", "campaigns": "campaigns.parquet"}


@dataclass(frozen=True, kw_only=True)
class AssignRun(Told):
    """What a job of the assign verb did.

    Attributes:
        drawn: The list.
        path: The folder that holds it.
        written: False where the same list stood already.
        language: Of the texts.
        text: The list for people.
        left_out: What of the tables was not read, as the check found it.
    """

    drawn: AssignReport
    path: str
    written: bool
    language: str
    text: str
    left_out: tuple[Finding, ...] = ()

    def to_text(self) -> str:
        """The list for people."""
        return self.text


def assign_campaign(
    settings: BusinessSettings,
    plan_path: Path,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    language: str = "ru",
) -> AssignRun:
    """Draw the arms of a frozen plan and write contacts, campaign and manifest to `<state>/out/assignments/<campaign>`.

    Args:
        settings: The business.
        plan_path: The plan's file, or the folder of its experiment.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another job on this campaign.
        language: Of the texts, ru or en.

    Raises:
        GateRefusedError: The plan was changed since it was frozen or its window has begun, the campaign has contacts
            already, its list is not what was written, or a channel has no consents.
        UsageError: The campaign has a list from other inputs, or the plan speaks of what the tables do not know.
        DataError: The tables break the contract, or nobody is left to assign.
        BusyError: Another job draws this campaign.
    """
    plan = load_plan(plan_path).verify()
    if plan.currency != settings.currency:
        raise UsageError(f"{plan_path}: money is in {plan.currency}, of {settings.name} in {settings.currency}")
    if find_journey(settings.decision, plan.campaign_id) is not None:
        raise UsageError(
            f"{plan_path}: {plan.campaign_id!r} is a journey of the config: `netlift decide` draws its arms night by "
            "night as its trigger fires, and no list is drawn beforehand"
        )
    target = settings.state / ASSIGNMENTS / plan.campaign_id
    lock, holder = f"assign-{plan.campaign_id}", f"assign {plan.campaign_id}"
    with job(settings.state, lock, holder=holder, timeout_seconds=lock_timeout, needed_mb=200):
        if target.exists():
            return _standing(target, settings, plan, language)
        sources = find_sources(settings)
        with open_tables(settings, verb="assign") as tables:
            tables, checked = read_sound(tables, settings, verb="assign")
            _refuse_contacted(tables, plan)
            _refuse_late(tables, plan)
            progress.stage("assign", "who is eligible, has agreed, and is not held out")
            audience = _audience(settings, tables, plan, progress)
        sources.require_unchanged()
        progress.stage("assign", f"drawing arms for {len(audience):,} customers")
        drawn = assign(
            audience.ids,
            shares=plan.shares,
            salt=plan.salt,
            strata=_strata(audience, plan),
            cluster=audience.clusters(plan.cluster),
        )
        contacts = contacts_table(plan, audience, drawn)
        contents: dict[str, Content] = {
            "contacts": partial(_write_table, table=contacts),
            "campaigns": partial(_write_table, table=campaigns_table(plan)),
            "contacts_csv": to_csv(contacts),
        }
        told = {**_content(plan, audience, drawn), "left_out": checked.left_out_of("assign")}
        inputs, access = _inputs(settings, plan, sources), settings.ids_readable_by
        manifest = RunFolder(target=target, inputs=inputs, files=FILES, access=access).write(contents, told, now=now)
    return _report(target, manifest, settings, language, written=True)


def _refuse_late(tables: Tables, plan: Plan) -> None:
    """Refuse a draw after the first day of the window: its outcomes can be seen already."""
    last = read_history(tables).end - timedelta(days=1)
    if last > plan.start.date():
        raise GateRefusedError(
            f"campaign {plan.campaign_id!r} starts on {plan.start:%Y-%m-%d}, and receipts are known up to {last}: what "
            "is to be measured can be seen already. Make a plan with a later start"
        )


def _refuse_contacted(tables: Tables, plan: Plan) -> None:
    if "contacts" not in tables:
        return
    contacts = tables["contacts"]
    rows = int(contacts.filter(contacts.campaign_id == plan.campaign_id).count().to_pyarrow().as_py())
    if rows:
        raise GateRefusedError(
            f"contacts: campaign {plan.campaign_id!r} has {rows:,} contacts already, which were not drawn from this "
            "plan; customers are drawn once. Give the new plan another campaign id"
        )


def _audience(settings: BusinessSettings, tables: Tables, plan: Plan, progress: Progress) -> Audience:
    names = [*(criterion.name for criterion in plan.criteria), *plan.strata]
    columns = dict.fromkeys([*plan.strata, *([plan.cluster] if plan.cluster else [])])
    question = Question(
        cutoff=plan.start,
        criteria=plan.criteria,
        channels=plan.channels,
        columns=tuple(columns),
        holdout=plan.holdout,
        cluster=plan.cluster,
        limit=plan.customers,
        salt=plan.salt,
    )
    segments = read_segments(settings, tables, plan.start.date(), names=names, progress=progress)
    return read_audience(tables, question, segment_of=segments)


def _strata(audience: Audience, plan: Plan) -> list[str] | None:
    """One label per customer of all columns of strata together; None where the plan has none."""
    if not plan.strata:
        return None
    return ["\x1f".join(values) for values in zip(*map(audience.values, plan.strata), strict=True)]


def _content(plan: Plan, audience: Audience, drawn: Assignment) -> dict[str, Any]:
    """What the manifest says of the list itself."""
    counts, n = drawn.counts, len(audience)
    costs = {arm.offer_id: arm.contact_cost for arm in plan.arms}
    clusters = audience.clusters(plan.cluster)
    return {
        "campaign_id": plan.campaign_id,
        "plan_digest": plan.frozen_digest,
        "started_at": plan.start,
        "ends_at": plan.end,
        "steps": dict(audience.steps),
        "held_out": audience.held_out,
        "arms": [
            ArmCount(
                arm=arm,
                customers=counts[arm],
                share=counts[arm] / n,
                planned=share,
                contact_cost=counts[arm] * costs.get(arm, 0.0),
            )
            for arm, share in plan.shares.items()
        ],
        "strata": drawn.strata,
        "merged": drawn.merged,
        "clusters": 0 if clusters is None else len({c for c in clusters if c is not None}) + clusters.count(None),
        # counts of clusters vary more than those of customers, and the test knows of customers only
        "srm_p_value": None if clusters is not None else _sample_ratio(plan, drawn),
    }


def _sample_ratio(plan: Plan, drawn: Assignment) -> float | None:
    totals = []
    for position, arm in enumerate(drawn.arms):
        inverse = 1 / drawn.propensity[drawn.arm == position]
        totals.append(
            ArmTotals(
                arm=arm,
                rows=len(inverse),
                weight=float(inverse.sum()),
                weight_squares=float((inverse**2).sum()),
            )
        )
    return judge_sample_ratio(plan.campaign_id, totals, alarm=0.001).p_value


def _write_table(path: Path, table: pa.Table) -> None:
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


def _inputs(settings: BusinessSettings, plan: Plan, sources: SourceFiles) -> dict[str, str]:
    digests = {"plan": plan.frozen_digest, "data": sources.digest, "config": settings.digest()}
    digests["segments"] = digest_splits(settings, [*(criterion.name for criterion in plan.criteria), *plan.strata])
    return {**digests, "inputs": combine_digests(digests)}


def _standing(target: Path, settings: BusinessSettings, plan: Plan, language: str) -> AssignRun:
    """The list written before from this plan, if it is whole; tables that have moved on since change nothing."""
    try:
        digests = json.loads((target / MANIFEST_FILE).read_text())["digests"]
        before = {name: digest for name, digest in digests.items() if name not in FILES}
        _ = before["plan"], before["inputs"]
    except (OSError, ValueError, KeyError) as error:
        raise GateRefusedError(f"{target} is not whole ({type(error).__name__}); {BRING_BACK}") from error
    if before["plan"] != plan.frozen_digest:
        raise GateRefusedError(
            f"{target}: campaign {plan.campaign_id!r} was drawn before from another plan ({before['plan'][:12]}, this "
            f"one is {plan.frozen_digest[:12]}); customers are drawn once. Give the new plan another campaign id"
        )
    manifest = read_standing(target, before, plan.campaign_id, files=FILES)
    return _report(target, manifest, settings, language, written=False)


def _report(
    target: Path, manifest: Mapping[str, Any], settings: BusinessSettings, language: str, *, written: bool
) -> AssignRun:
    """The report of what stands in the folder, so that a rerun says what the run said."""
    names = ("campaign_id", "plan_digest", "steps", "held_out", "strata", "merged", "clusters", "srm_p_value")
    drawn = AssignReport(
        **{name: manifest[name] for name in names},
        currency=settings.currency,
        started_at=datetime.fromisoformat(manifest["started_at"]),
        ends_at=datetime.fromisoformat(manifest["ends_at"]),
        arms=tuple(ArmCount(**arm) for arm in manifest["arms"]),
        digests=manifest["digests"],
    )
    with open_tables(settings, verb="assign") as tables:
        words = speak_of(settings, language, tables)
    return AssignRun(
        drawn=drawn,
        path=str(target),
        written=written,
        language=language,
        text=to_text(assignment_document(drawn, words, path=str(target), written=written)),
        left_out=read_findings(manifest.get("left_out", ())),
    )


__all__ = ["FILES", "AssignRun", "assign_campaign"]
