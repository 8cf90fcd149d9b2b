"""The decide verb: champions, today's features and consents become one offer or none for every customer, and lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from time import perf_counter
from typing import Any

from netlift.abtest.assignment import hash_units
from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT
from netlift.config.decision import DecisionSettings
from netlift.data.check import read_sound
from netlift.data.findings import Finding, read_findings
from netlift.data.read import Tables, open_tables
from netlift.data.write import file_digest, require_free_space, staged_directory, write_bytes
from netlift.decision.conditions import require_known
from netlift.decision.eligibility import require_fresh_consent
from netlift.decision.options import make_options
from netlift.decision.summary import DecisionSummary
from netlift.errors import BusyError, ConfigError, GateRefusedError, UsageError
from netlift.evaluation.added_effects import SINCE
from netlift.pipelines.champions import Champion
from netlift.pipelines.channel_lists import channel_lists
from netlift.pipelines.decide_choice import choose
from netlift.pipelines.decide_consents import (
    consent_updated_at,
    require_all_opt_outs,
    require_consent_files,
    require_consent_sources,
    require_known_customers,
)
from netlift.pipelines.decide_customers import Known, describe_customers, names_known
from netlift.pipelines.decide_export import export_files, prove_exports, write_files
from netlift.pipelines.decide_forecast import evidence_of, read_evidence
from netlift.pipelines.decide_history import DECISIONS, digest_lists
from netlift.pipelines.decide_inputs import offers_known
from netlift.pipelines.decide_pages import PAGES, write_pages
from netlift.pipelines.decide_proof import prove_run
from netlift.pipelines.decide_scores import UPLIFT, find_deciders
from netlift.pipelines.decide_summary import summarize
from netlift.pipelines.decide_triggers import find_trigger
from netlift.pipelines.decision_log import Log
from netlift.pipelines.fingerprint import SourceFiles, combine_digests, find_sources
from netlift.pipelines.names import speak_of
from netlift.pipelines.progress import Progress
from netlift.pipelines.proof_file import ProofFile, find_champions_file, read_proof_rows
from netlift.pipelines.proof_rows import ProofRows
from netlift.pipelines.run_key import MANIFEST_FILE, read_standing, safe_key
from netlift.pipelines.score import require_fresh
from netlift.pipelines.scoring_contract import require_same_schema
from netlift.pipelines.segment_splits import digest_splits
from netlift.registry.locks import exclusive
from netlift.report.pages.decision import decision_document
from netlift.report.plain_text import to_text
from netlift.report.words import LANGUAGES, speak
from netlift.results import Told, to_plain


@dataclass(frozen=True, kw_only=True)
class DecideRequest:
    """What is asked.

    Attributes:
        as_of: First day not seen by the features; contacts count as made at its first moment.
        run_key: Name of the output folder and of the run's campaign; empty for `as_of`, and the trigger behind it.
        for_excel: Lists as CSV with semicolons and a byte-order mark.
        trigger: Name of the trigger whose list it is; empty for the run of all customers.
        language: Of the texts, ru or en.
    """

    as_of: date
    run_key: str = ""
    trigger: str = ""
    for_excel: bool = False
    language: str = "ru"

    @property
    def key(self) -> str:
        """The run key as a folder name."""
        own = "".join(letter if letter.isalnum() else "-" for letter in self.trigger)
        return safe_key(self.run_key or "-".join(filter(None, [self.as_of.isoformat(), own])))


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
        names: What the business calls its offers and channels in that language, by `family.id`.
        left_out: What of the tables was not read, as the check found it.
    """

    summary: DecisionSummary
    path: str
    files: Mapping[str, str]
    seconds: float
    written: bool
    language: str
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[Finding, ...] = ()

    def to_text(self) -> str:
        """The run on one screen, for people."""
        words = speak(self.language).with_names(self.names)
        return to_text(decision_document(self.summary, words, path=self.path, written=self.written))


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
    require_free_space(settings.state, needed_mb=200)
    files = export_files([*decision.channels]) | PAGES
    lock = settings.state / "locks" / "decide.lock"
    with exclusive(lock, timeout_seconds=lock_timeout, holder=f"decide {request.key}"):
        champions, without = find_deciders(settings)
        require_consent_files(settings, decision, now=now)
        sources = find_sources(settings)
        standing = digest_lists(settings.state, own_key=request.key, only=_known_lists(target))
        with open_tables(settings, verb="decide") as tables:
            require_consent_sources(tables, decision, {offer.channel for offer in decision.offers.values()})
            updated_at = consent_updated_at(settings, decision)
            require_fresh_consent(updated_at, now=now, max_age_hours=decision.consent.max_age_hours)
            kept = find_champions_file(settings, champions[UPLIFT])
            inputs = _input_digests(settings, decision, champions, request, kept, sources, standing)
            names = speak_of(settings, request.language, tables).names
            _require_same(scored or {}, inputs)
            if target.exists():
                return _standing(target, inputs, request, files, names)
            progress.stage("decide", "holding the tables against the contract")
            whole = tables
            tables, checked = read_sound(whole, settings, verb="decide")
            require_known_customers(whole, decision, max_share=settings.check.max_orphan_share)
            require_all_opt_outs(whole, tables, decision)
            _require_sound(settings, decision, tables, champions, request.as_of)
            progress.stage("decide", f"features and effects as of {request.as_of}")
            held_out = None if kept is None else read_proof_rows(kept.path, asked=[*decision.asked, SINCE])
            known = describe_customers(
                settings,
                tables,
                champions,
                as_of=request.as_of,
                key=request.key,
                trigger=trigger,
                held_out=held_out,
                progress=progress,
            )
            log, summary = _decide(settings, request, known, champions, without, held_out, progress)
            progress.stage("decide", "writing, and reading back who may be contacted")
            with staged_directory(target, access=settings.ids_readable_by) as staging:
                lists = channel_lists(
                    log,
                    decision.channels,
                    decision.lists,
                    speak_of(settings, decision.lists.language, whole),
                    known.customers.columns,
                    trigger=request.trigger,
                )
                write_files(staging, log, lists, outcome_days=known.outcome_days, for_excel=request.for_excel)
                write_pages(staging, summary, [speak_of(settings, language, whole) for language in LANGUAGES])
                prove_exports(staging, tables, decision, log.decided, known.customers, known.positions)
                # once more, with the edges of segments that were frozen meanwhile
                inputs = _input_digests(settings, decision, champions, request, kept, sources, standing)
                manifest = {
                    "schema_version": 1,
                    "written_at": now.isoformat(),
                    "run_key": request.key,
                    "as_of": request.as_of,
                    "trigger": request.trigger,
                    "consents_updated_at": None if updated_at is None else updated_at.isoformat(),
                    "lists": standing,
                    "lists_counted": known.lists,
                    "left_out": checked.left_out_of("decide"),
                    "drawn_by": {"epsilon": decision.explore.epsilon, "holdout_share": decision.holdout.share},
                    "summary": summary,
                    "digests": {**inputs, **{name: file_digest(staging / file) for name, file in files.items()}},
                    "seconds": round(perf_counter() - started, 3),
                }
                content = json.dumps(to_plain(manifest), ensure_ascii=False, indent=1)
                write_bytes(staging / MANIFEST_FILE, content.encode())
                sources.require_unchanged()
                if digest_lists(settings.state, own_key=request.key) != standing:
                    raise BusyError("a campaign was drawn while this run counted contacts; nothing was written, rerun")
    return _run(target, json.loads(content), request, files, names, written=True)


def _require_same(scored: Mapping[str, str], decided: Mapping[str, str]) -> None:
    """Refuse decisions by other models, or from other data, than the scores beside them."""
    shared = [name for name in scored if name in decided and (name == "data" or name.startswith("model_"))]
    changed = [name for name in shared if scored[name] != decided[name]]
    if changed:
        raise GateRefusedError(
            f"{', '.join(changed)} changed since the scores were written, so that the decisions would speak of others "
            "than they do; nothing was decided. Give another --run-key"
        )


def require_decision(settings: BusinessSettings) -> DecisionSettings:
    """The config's decision block.

    Raises:
        ConfigError: It has none.
    """
    if settings.decision is None:
        raise ConfigError(
            f"config {settings.name}: no decision block, so nobody has said which offers may go out; write one, as in "
            "configs/demo.yaml"
        )
    return settings.decision


def _decide(
    settings: BusinessSettings,
    request: DecideRequest,
    known: Known,
    champions: Mapping[str, Champion],
    without: tuple[str, ...],
    held_out: ProofRows | None,
    progress: Progress,
) -> tuple[Log, DecisionSummary]:
    decision = require_decision(settings)
    progress.stage("decide", f"choosing for {len(known.positions):,} customers together")
    salt = f"{decision.holdout.salt}\x1f{settings.name}\x1f{request.key}\x1fexplore"
    decided = choose(
        decision,
        known.options,
        known.customers,
        known.values,
        is_list=bool(request.trigger),
        words=hash_units(list(known.positions), salt=salt, purpose="arm"),
        as_of=datetime.combine(request.as_of, time()),
        used=known.used,
    )
    proof = prove_run(held_out, decision, decided, known.uplift, is_list=bool(request.trigger))
    log = Log(
        run_key=request.key,
        as_of=request.as_of,
        ids=known.positions.to_numpy(dtype=object),
        decided=decided,
        uplift=known.uplift,
        evidence=evidence_of(proof.proof) or read_evidence(settings, champions[UPLIFT]),
        versions={task: champion.version for task, champion in champions.items()},
    )
    mark = champions[UPLIFT].contract.observational
    summary = summarize(settings, log, known, proof, observational=mark, without=without)
    return log, summary


def _require_sound(
    settings: BusinessSettings,
    decision: DecisionSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    as_of: date,
) -> None:
    """Everything that can be refused before features are made."""
    require_fresh(tables, as_of, settings.score.max_data_age_days)
    require_same_schema([champion.contract for champion in champions.values()], tables)
    make_options(decision, offers_known(tables))
    require_known(decision.asked, names_known(tables, champions[UPLIFT]))


def _input_digests(
    settings: BusinessSettings,
    decision: DecisionSettings,
    champions: Mapping[str, Champion],
    request: DecideRequest,
    kept: ProofFile | None,
    sources: SourceFiles,
    standing: Mapping[str, str],
) -> dict[str, str]:
    digests = {f"model_{task}": champion.digest for task, champion in champions.items()}
    digests |= {"config": settings.digest(), "decision": decision.digest()}
    if SEGMENT in decision.asked and settings.segments is not None:
        digests["segments"] = digest_splits(settings, [SEGMENT])
    if settings.readout is not None and settings.readout.household is not None:
        digests["household"] = settings.readout.household
    digests |= {"data": sources.digest, "csv": "excel" if request.for_excel else "plain"}
    digests["lists"] = combine_digests(standing)
    digests["names"] = settings.names.digest()
    digests["evidence"] = read_evidence(settings, champions[UPLIFT]).digest
    digests["held_out"] = "none" if kept is None else kept.digest
    digests |= {"trigger": request.trigger} if request.trigger else {}
    return digests | {"inputs": combine_digests({**digests, "as_of": request.as_of.isoformat()})}


def _known_lists(target: Path) -> tuple[str, ...] | None:
    """The lists that a standing run counted: those that came after it are none of its inputs; None for a new run."""
    try:
        return tuple(json.loads((target / MANIFEST_FILE).read_text())["lists"])
    except (OSError, ValueError, KeyError):
        return None


def _standing(
    target: Path,
    inputs: Mapping[str, str],
    request: DecideRequest,
    files: Mapping[str, str],
    names: Mapping[str, str],
) -> DecideRun:
    """What was written under this key before, if it was made from the same inputs and is whole."""
    try:
        manifest = read_standing(target, inputs, request.key, files=files)
    except UsageError as refusal:
        raise UsageError(f"{refusal}, which decides anew and counts these decisions as contacts") from refusal
    return _run(target, manifest, request, files, names, written=False)


def _run(
    target: Path,
    manifest: Mapping[str, Any],
    request: DecideRequest,
    files: Mapping[str, str],
    names: Mapping[str, str],
    *,
    written: bool,
) -> DecideRun:
    return DecideRun(
        summary=DecisionSummary.from_plain(manifest["summary"]),
        path=str(target),
        files=files,
        seconds=manifest["seconds"],
        written=written,
        language=request.language,
        names=names,
        left_out=read_findings(manifest.get("left_out", ())),
    )


__all__ = ["DecideRequest", "DecideRun", "decide_business", "require_decision"]
