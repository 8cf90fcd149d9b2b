"""The decide command: champions, features and consents to one offer or none per customer, and lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT
from netlift.config.decision import DecisionSettings
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding, read_findings
from netlift.data.read import Tables, open_tables
from netlift.data.run import MANIFEST_FILE, RunFolder, SourceFiles, combine_digests, find_sources
from netlift.data.write import write_bytes
from netlift.decisions.eligibility.conditions import require_known
from netlift.decisions.eligibility.consents import (
    consent_updated_at,
    require_all_opt_outs,
    require_consent_files,
    require_consent_sources,
    require_known_customers,
)
from netlift.decisions.eligibility.contact_history import DECISIONS, digest_lists, standing_decisions
from netlift.decisions.eligibility.eligibility import require_fresh_consent
from netlift.decisions.eligibility.handover import (
    AWAITING,
    Handover,
    digest_seen,
    is_rejected,
    let_lapse,
    lists_folder,
    read_handover,
)
from netlift.decisions.eligibility.options import make_options
from netlift.decisions.eligibility.stops import Stop, digest_stops, read_stops
from netlift.decisions.launch_check.forecast import read_evidence
from netlift.decisions.request import DecideRequest, require_decision
from netlift.decisions.run.channel_lists import channel_lists
from netlift.decisions.run.customers import Known, describe_customers, names_known
from netlift.decisions.run.decide import decide_for, move_journeys, tell_changes
from netlift.decisions.run.export import (
    export_files,
    list_files,
    prove_exports,
    write_files,
    write_lists,
    write_waiting,
)
from netlift.decisions.run.inputs import offers_known
from netlift.decisions.run.log import Log
from netlift.decisions.run.new_offers import uplift_definition
from netlift.decisions.run.page import decision_document
from netlift.decisions.run.scores import UPLIFT, find_deciders
from netlift.decisions.run.summary import DecisionSummary
from netlift.decisions.run.trigger_lists import REPLENISHMENT, asks_when_due, find_trigger
from netlift.errors import BusyError, GateRefusedError, UsageError
from netlift.evaluation.policy.added_effects import SINCE
from netlift.next_purchase.fields import asks_for_purchases, require_sources
from netlift.pipelines.score import require_fresh
from netlift.progress import Progress
from netlift.registry.champions import Champion
from netlift.registry.locks import job
from netlift.registry.scoring_contract import require_same_schema
from netlift.report.exports import to_html, to_text
from netlift.report.language import LANGUAGES, Words, speak
from netlift.report.names import speak_of
from netlift.results import Told
from netlift.segments.splits import digest_splits
from netlift.training.uplift.evidence_file import ProofFile, find_champions_file, read_proof_rows

__all__ = ["PAGES", "DecideRun", "decide_business", "write_pages"]

PAGES = {f"page_{language}": f"decisions_{language}.html" for language in LANGUAGES}


def write_pages(folder: Path, summary: DecisionSummary, languages: Sequence[Words]) -> None:
    """Write the pages of a run; the same run gives the same bytes.

    Args:
        folder: Where to.
        summary: What was decided.
        languages: The words of each language, with what the business calls its offers.
    """
    for words in languages:
        where = f"out/decisions/{summary.run_key}"
        document = decision_document(summary, words, path=where, written=True, in_full=True)
        write_bytes(folder / PAGES[f"page_{words.language}"], to_html(document))


@dataclass(frozen=True, kw_only=True)
class DecideRun(Told):
    """What a job of the decide verb did.

    Attributes:
        summary: What was decided.
        path: The folder that holds it.
        files: Name to file, of everything in it.
        seconds: Wall time of the job that wrote it.
        written: False where the same decisions stood already.
        language: Of the texts.
        handover: Whether its lists were handed over as they were written, wait, are approved or rejected.
        seen: Digest of what an operator approves; empty where nobody has to.
        names: What the business calls its offers and channels in that language, by `family.id`.
        left_out: What of the tables was not read, as the check found it.
    """

    summary: DecisionSummary
    path: str
    files: Mapping[str, str]
    seconds: float
    written: bool
    language: str
    handover: Handover = "none"
    seen: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[Finding, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Customers in the table, and those who get an offer."""
        return {"in": self.summary.customers, "out": self.summary.contacted}

    def to_text(self) -> str:
        """The run on one screen, for people."""
        words = speak(self.language).with_names(self.names)
        text = to_text(decision_document(self.summary, words, path=self.path, written=self.written))
        if self.handover == "none":
            return text
        return f"{text}\n{words.say(f'decide.handover.{self.handover}', key=self.summary.run_key, seen=self.seen[:12])}"


def decide_business(
    settings: BusinessSettings,
    request: DecideRequest,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    scored: Mapping[str, str] | None = None,
) -> DecideRun:
    """Decide for every customer who had joined, and write log, contacts, lists per channel and manifest.

    One run at a time: each counts the contacts that those before it decided.

    Args:
        settings: The business, with its decision block.
        request: What is asked. The same key gives the same bytes, or a refusal.
        progress: Who watches.
        now: Time of the call, by which consents must be fresh.
        lock_timeout: Seconds to wait for another run of this business.
        scored: Digests of what a run of scores was made from, whose models and data must be those of the decisions;
            None where there is none.

    Raises:
        ConfigError: No decision block, or one that speaks of what the tables do not know.
        GateRefusedError: No champion of uplift; consents missing or stale; nothing open to anybody; minimum volumes
            that cannot be met; scores that are not finite; other models or data than those of `scored`. Nothing was
            written.
        DataError: The tables break the contract, the newest receipt is older than the config allows, or the held-out
            contacts that the training kept are not what it wrote.
        UsageError: The key was written before, from other inputs.
        BusyError: Another run of this business, or somebody wrote the tables meanwhile; nothing was written.
    """
    started = perf_counter()
    decision = require_decision(settings)
    trigger = find_trigger(decision, request.trigger)
    target = settings.state / DECISIONS / request.key
    holder = f"decide {request.key}"
    with job(settings.state, "decide", holder=holder, timeout_seconds=lock_timeout, needed_mb=200):
        champions, without = find_deciders(settings)
        require_consent_files(settings, decision, now=now)
        sources = find_sources(settings)
        counted = digest_lists(settings.state, own_key=request.key, only=_known_lists(target))
        with open_tables(settings, verb="decide") as tables:
            require_consent_sources(tables, decision, {offer.channel for offer in decision.offers.values()})
            updated_at = consent_updated_at(settings, decision)
            require_fresh_consent(updated_at, now=now, max_age_hours=decision.consent.max_age_hours)
            kept = find_champions_file(settings, champions[UPLIFT])
            stops = _read_stops(settings, now)
            inputs = _input_digests(settings, decision, champions, request, kept, sources, counted, stops)
            names = speak_of(settings, request.language, tables).names
            _require_same(scored or {}, inputs)
            run = RunFolder(
                target=target,
                inputs=inputs,
                files=_own_files(request, decision, target),
                access=settings.ids_readable_by,
                closed=AWAITING,
            )
            if standing := _read(run):
                return _run(run, standing, request, decision, names, written=False)
            progress.stage("decide", "holding the tables against the contract")
            whole = tables
            tables, checked = read_sound(whole, settings, verb="decide")
            require_known_customers(whole, decision, max_share=settings.check.max_orphan_share)
            require_all_opt_outs(whole, tables, decision)
            due = asks_when_due(decision, trigger, request.as_of)
            _require_sound(settings, decision, tables, champions, request.as_of, replenishment=due)
            waiting = standing_decisions(settings.state, own_key=request.key)
            let_lapse(waiting, state=settings.state, before=request.as_of, by_run=request.key, at=now)
            counted = digest_lists(settings.state, own_key=request.key)
            progress.stage("decide", f"features and effects as of {request.as_of}")
            held_out = None if kept is None else read_proof_rows(kept.path, asked=[*decision.asked, SINCE])
            known = describe_customers(
                settings, tables, champions, request, held_out=held_out, progress=progress, stops=stops
            )
            night = move_journeys(settings, decision, known, as_of=request.as_of, run_key=request.key)
            known = known if night is None else known.after(night)
            log, summary = decide_for(settings, request, known, night, champions, without, held_out, progress)
            progress.stage("decide", "writing, and reading back who may be contacted")
            summary = summary if trigger else tell_changes(settings.state, log, known, summary)
            with run.staged() as staging:
                _write_run(staging, settings, request, log, known, summary, tables=tables, whole=whole, now=now)
                # once more, with the edges of segments that were frozen meanwhile
                inputs = _input_digests(settings, decision, champions, request, kept, sources, counted, stops)
                told = {
                    "run_key": request.key,
                    "as_of": request.as_of,
                    "trigger": request.trigger,
                    "consents_updated_at": None if updated_at is None else updated_at.isoformat(),
                    "lists": counted,
                    "lists_counted": known.lists,
                    "left_out": checked.left_out_of("decide"),
                    "next_purchase": known.next_purchase,
                    "drawn_by": _chances(decision, log),
                    "summary": summary,
                    "seconds": round(perf_counter() - started, 3),
                }
                manifest = replace(run, inputs=inputs).seal(staging, told, now=now)
                sources.require_unchanged()
                if digest_lists(settings.state, own_key=request.key) != counted:
                    raise BusyError("a campaign was drawn while this run counted contacts; nothing was written, rerun")
    return _run(run, manifest, request, decision, names, written=True)


def _write_run(  # noqa: PLR0913 - all that is written and what it is held against
    folder: Path,
    settings: BusinessSettings,
    request: DecideRequest,
    log: Log,
    known: Known,
    summary: DecisionSummary,
    *,
    tables: Tables,
    whole: Tables,
    now: datetime,
) -> None:
    """Write log, lists and pages, and read the lists back."""
    decision = require_decision(settings)
    lists = channel_lists(
        log,
        decision.channels,
        decision.lists,
        speak_of(settings, decision.lists.language, whole),
        known.customers.columns,
        trigger=request.trigger,
    )
    waits = decision.approval == "required"
    place = folder / AWAITING if waits else folder
    place.mkdir(exist_ok=True)
    write_lists(place, lists, for_excel=request.for_excel)
    write_files(folder, log, outcome_days=known.outcome_days)
    write_pages(folder, summary, [speak_of(settings, language, whole) for language in LANGUAGES])
    stops = _read_stops(settings, now)
    prove_exports(place, tables, decision, log.decided, known.customers, known.positions, stops=stops)
    if waits:
        write_waiting(place, decision.channels, run_key=request.key)


def _read_stops(settings: BusinessSettings, now: datetime) -> tuple[Stop, ...]:
    return read_stops(settings.state, today=now.astimezone(ZoneInfo(settings.time_zone)).date())


def _own_files(request: DecideRequest, decision: DecisionSettings, target: Path) -> dict[str, str]:
    """Files whose digests are in the run's own manifest: lists among them unless they wait, or waited, for approval."""
    waits = read_handover(target) != "none" if target.exists() else decision.approval == "required"
    return export_files([] if waits else [*decision.channels], is_list=bool(request.trigger)) | PAGES


def _require_same(scored: Mapping[str, str], decided: Mapping[str, str]) -> None:
    """Refuse decisions by other models, or from other data, than the scores beside them."""
    shared = [name for name in scored if name in decided and (name == "data" or name.startswith("model_"))]
    changed = [name for name in shared if scored[name] != decided[name]]
    if changed:
        raise GateRefusedError(
            f"{', '.join(changed)} changed since the scores were written, so that the decisions would speak of others "
            "than they do; nothing was decided. Give another --run-key"
        )


def _chances(decision: DecisionSettings, log: Log) -> dict[str, Any]:
    """By which chances groups were drawn, as a readout needs them: the config may change."""
    rates = log.decided.exploration.rates
    new = [] if rates is None else [o.offer_id for o, own in zip(log.decided.options, rates.tried, strict=True) if own]
    return {
        "epsilon": decision.explore.epsilon,
        "holdout_share": decision.holdout.share,
        "new_offers": {"offers": new, "chance": 0.0 if rates is None else rates.whole},
    }


def _require_sound(
    settings: BusinessSettings,
    decision: DecisionSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    as_of: date,
    *,
    replenishment: bool,
) -> None:
    """Everything that can be refused before features are made."""
    require_fresh(tables, as_of, settings.score.max_data_age_days)
    require_same_schema([champion.contract for champion in champions.values()], tables)
    make_options(decision, offers_known(tables))
    require_known(decision.asked, names_known(tables, champions[UPLIFT]))
    own = [name for name in decision.asked if name not in tables.present["customers"]]
    require_sources(tables, own, replenishment=replenishment)


def _input_digests(
    settings: BusinessSettings,
    decision: DecisionSettings,
    champions: Mapping[str, Champion],
    request: DecideRequest,
    kept: ProofFile | None,
    sources: SourceFiles,
    standing: Mapping[str, str],
    stops: Sequence[Stop],
) -> dict[str, str]:
    digests = {f"model_{task}": champion.digest for task, champion in champions.items()}
    digests |= {"config": settings.digest(), "decision": decision.digest()}
    if SEGMENT in decision.asked and settings.segments is not None:
        digests["segments"] = digest_splits(settings, [SEGMENT])
    if settings.readout is not None and settings.readout.household is not None:
        digests["household"] = settings.readout.household
    digests |= {"data": sources.digest, "csv": "excel" if request.for_excel else "plain"}
    digests["lists"] = combine_digests(standing)
    if asks_for_purchases(decision.asked) or any(one.event == REPLENISHMENT for one in decision.triggers):
        digests["next_purchase"] = settings.next_purchase.digest()
    digests["names"] = settings.names.digest()
    if decision.explore.new_offers is not None:
        digests["new_offers_gate"] = uplift_definition(settings).digest()
    digests["evidence"] = read_evidence(settings, champions[UPLIFT]).digest
    digests["held_out"] = "none" if kept is None else kept.digest
    digests |= {"trigger": request.trigger} if request.trigger else {}
    digests |= digest_stops(stops)
    return digests | {"inputs": combine_digests({**digests, "as_of": request.as_of.isoformat()})}


def _known_lists(target: Path) -> tuple[str, ...] | None:
    """The lists that a standing run counted: those that came after it are none of its inputs; None for a new run."""
    try:
        return tuple(json.loads((target / MANIFEST_FILE).read_text())["lists"])
    except (OSError, ValueError, KeyError):
        return None


def _read(run: RunFolder) -> dict[str, Any] | None:
    """The manifest of what was written under this key before, if it was made from the same inputs and is whole."""
    if is_rejected(run.target):
        raise UsageError(
            f"run key {run.key} was rejected, or has lapsed, and none of its lists ever goes out; give another "
            "--run-key to decide anew"
        )
    try:
        return run.read()
    except UsageError as refusal:
        raise UsageError(f"{refusal}, which decides anew and counts these decisions as contacts") from refusal


def _run(
    run: RunFolder,
    manifest: Mapping[str, Any],
    request: DecideRequest,
    decision: DecisionSettings,
    names: Mapping[str, str],
    *,
    written: bool,
) -> DecideRun:
    handover, place = read_handover(run.target), lists_folder(run.target)
    lists = {name: str((place / file).relative_to(run.target)) for name, file in list_files(decision.channels).items()}
    return DecideRun(
        summary=DecisionSummary.from_plain(manifest["summary"]),
        path=str(run.target),
        files={**run.files, **lists},
        seconds=manifest["seconds"],
        written=written,
        language=request.language,
        handover=handover,
        seen="" if handover == "none" else digest_seen(run.target),
        names=names,
        left_out=read_findings(manifest.get("left_out", ())),
    )
