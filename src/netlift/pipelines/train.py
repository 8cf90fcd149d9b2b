"""The main job: tables checked, each task trained and judged, registered, and its gate asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from typing import Any, Literal

import numpy as np

from netlift.config.business import BusinessSettings, TaskName
from netlift.config.definitions import AnyDefinition, ChurnDefinition, LtvDefinition, load_definition
from netlift.config.settings import did_you_mean
from netlift.data.check import read_sound
from netlift.data.findings import LEARN_UPLIFT, CheckReport, Finding
from netlift.data.read import Tables
from netlift.data.write import require_free_space
from netlift.errors import (
    ConfigError,
    DataError,
    GateRefusedError,
    HistoryTooShortError,
    ModelIntegrityError,
    SchemaDriftError,
    UsageError,
)
from netlift.features.catalogue import CATALOGUE_VERSION, to_markdown
from netlift.features.profile import Profile
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines.calendar import History, plan_calendar, read_history
from netlift.pipelines.fingerprint import SourceFiles, git_commit, reading_tables
from netlift.pipelines.money_basis import name_money
from netlift.pipelines.next_best_offer import offer_what_leads
from netlift.pipelines.observational_mark import OBSERVATIONAL
from netlift.pipelines.progress import Progress
from netlift.pipelines.scoring_contract import CONTRACT_FILE, PROFILE_FILE, ScoringContract, present_columns
from netlift.pipelines.train_uplift import train_uplift
from netlift.pipelines.train_value import train_value
from netlift.pipelines.training import Assignment, FutureValue, Trained
from netlift.registry.card import CardContent, render_card
from netlift.registry.gate import Check, GateResult, beats_champion, judge
from netlift.registry.locks import exclusive
from netlift.registry.models import CHAMPION, CONTENT_TAG, ModelVersion, load, model_name, register, resolve
from netlift.registry.package import content_digest
from netlift.registry.promotion import promote
from netlift.registry.store import Store, open_store
from netlift.registry.tracking import TrainingRecord, log_training
from netlift.report.charts import require_room_to_draw
from netlift.results import Estimate, Table, Told, to_plain

ORDER: tuple[TaskName, ...] = ("ltv", "ltv_year", "churn", "uplift")
NEEDED_MB = 500
GATE, PASSED = "gate", "passed"
LEADS = ("champion", "already champion", "champion kept")
Standing = Literal["champion", "already champion", "champion kept", "refused", "failed"]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What became of one task.

    Attributes:
        task: churn, ltv or uplift.
        standing: Whether the new model leads now, leads already, leaves the champion in place, or was refused.
        version: Its version in the registry; None where nothing was trained.
        estimator: The chosen candidate.
        headline: What was found, in money.
        reasons: Why, in words.
        metrics: Held-out figures.
        tables: The leaderboards.
        notes: What a reader must know.
        seconds: Wall time.
        exit_code: What this task alone would leave with.
    """

    task: str
    standing: Standing
    version: int | None
    estimator: str
    headline: str
    reasons: tuple[str, ...]
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    tables: tuple[Table[Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float
    exit_code: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainReport(Told):
    """What a training did.

    Attributes:
        business: The config's name.
        tracking_uri: Where the runs and models are, for mlflow's own tools.
        history: First day and first unseen day of the receipts.
        warnings: Warnings of the check, counted.
        outcomes: One per task.
        seconds: Wall time of it all.
        next_best_offer: What was registered beside a leading uplift model, or why not; empty without decisions.
        left_out: What of the tables was not read, as the check found it.
    """

    business: str
    tracking_uri: str
    history: History
    warnings: int
    outcomes: tuple[TaskOutcome, ...]
    seconds: float
    next_best_offer: str = ""
    left_out: tuple[Finding, ...] = ()

    def to_text(self) -> str:
        """The report for people: money first, reasons, and what to run next."""
        lines = []
        for outcome in self.outcomes:
            version = f" v{outcome.version} ({outcome.estimator})" if outcome.version else ""
            lines.append(f"{outcome.task}: {outcome.standing}{version}")
            if outcome.headline:
                lines.append(f"  {outcome.headline}")
            lines += [f"  - {line}" for reason in outcome.reasons for line in reason.splitlines()]
        lines += [
            "",
            f"{self.seconds:.0f} s, {self.history}, {self.warnings} warnings of `netlift check`",
        ]
        if self.next_best_offer:
            lines.append(self.next_best_offer)
        if any(outcome.standing in LEADS for outcome in self.outcomes):
            lines += [
                "next:",
                f"  make score AS_OF={self.history.end}      one file of scores for every customer",
                f"  mlflow ui --backend-store-uri {self.tracking_uri}      runs, cards, plots",
            ]
        return "\n".join(lines)

    def raise_for_refusals(self) -> None:
        """Leave with the exit code of the first task that has no acceptable model.

        Raises:
            NetliftError: A gate refused a model, or a task could not be trained.
        """
        bad = [outcome for outcome in self.outcomes if outcome.exit_code]
        if bad:
            error = GateRefusedError if bad[0].exit_code == GateRefusedError.exit_code else DataError
            raise error("; ".join(f"{outcome.task}: {outcome.standing}, see above" for outcome in bad))


def train_business(
    settings: BusinessSettings, *, tasks: Sequence[str], progress: Progress, now: datetime, lock_timeout: float
) -> TrainReport:
    """Train the tasks of a business; each that passes its gate leads from then on.

    One task's refusal does not stop the others.

    Args:
        settings: The business.
        tasks: Which; all of the config when empty.
        progress: Who watches.
        now: Time of the call.
        lock_timeout: Seconds to wait for another training of this business.

    Raises:
        ConfigError: Mistakes in the definitions, all at once.
        UsageError: A task that the config does not define.
        DataError: The tables break the contract.
        BusyError: Another training runs, or somebody wrote the tables meanwhile; what was registered before stands.
        ResourceError: Too little disk.
    """
    started = perf_counter()
    definitions = _load_definitions(settings, tasks)
    require_free_space(settings.state, needed_mb=NEEDED_MB)
    require_room_to_draw()  # asked now, not after minutes of fitting
    lock = settings.state / "locks" / "train.lock"
    with (
        exclusive(lock, timeout_seconds=lock_timeout, holder="train"),
        reading_tables(settings, verb="train") as (tables, sources),
    ):
        progress.stage("check", "holding the tables against the contract")
        tables, report = read_sound(tables, settings, verb="train")
        history = read_history(tables)
        store = open_store(settings.state, run_group=settings.name)
        digests = {"config": settings.digest(), "data": sources.digest}
        vocabulary = learn_vocabulary(tables, before=_vocabulary_end(settings, tables, history))
        money = name_money(tables)
        outcomes = []
        for definition in definitions:
            value = _find_future_value(store, money) if definition.task == "churn" else None
            assignment = Assignment(
                settings=settings,
                definition=definition,
                tables=tables,
                history=history,
                vocabulary=vocabulary,
                progress=progress,
                money=money,
                future_value=value,
                mistrusted=_mistrusted(report),
            )
            outcomes.append(_train_task(assignment, report, store, digests, sources, now))
        offered = ""
        if settings.decision is not None and any(o.task == "uplift" and o.standing in LEADS for o in outcomes):
            offered = offer_what_leads(
                settings, store, tables=tables, as_of=history.end, actor="netlift train", now=now
            )
    return TrainReport(
        business=settings.name,
        tracking_uri=store.uri,
        history=history,
        warnings=len(report.warnings),
        outcomes=tuple(outcomes),
        seconds=perf_counter() - started,
        next_best_offer=offered,
        left_out=report.left_out_of("train"),
    )


def _mistrusted(report: CheckReport) -> dict[str, str]:
    """Campaigns that teach nothing, and why."""
    alarmed = {ratio.campaign_id: "sample-ratio mismatch" for ratio in report.sample_ratios if ratio.alarm}
    faulty = {name: ", ".join(sorted({each.code for each in found})) for name, found in report.faulty.items()}
    return alarmed | {name: f"errors of `netlift check`: {codes}" for name, codes in faulty.items()}


def _load_definitions(settings: BusinessSettings, tasks: Sequence[str]) -> list[AnyDefinition]:
    unknown = [task for task in tasks if task not in settings.models]
    if unknown:
        hint = did_you_mean(unknown[0], list(settings.models))
        raise UsageError(f"{unknown[0]}: the config defines no such task{hint}")
    wanted: list[TaskName] = [task for task in ORDER if task in settings.models and (not tasks or task in tasks)]
    definitions, mistakes = [], []
    for task in wanted:
        try:
            definitions.append(load_definition(settings.models[task], task))
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return definitions


def _find_future_value(store: Store, money: str) -> FutureValue | None:
    """The LTV champion of this business, if one stands and can still be asked."""
    champion = resolve(store, "ltv", CHAMPION)
    if champion is None:
        return None
    try:
        model = load(store, "ltv", champion.version).model
    except (SchemaDriftError, ModelIntegrityError):
        return None
    days = model.outputs[0].removeprefix("ltv_").removesuffix("d")
    return FutureValue(model=model, words=f"{money} of the next {days} days")


def _vocabulary_end(settings: BusinessSettings, tables: Tables, history: History) -> datetime:
    """The moment before which values are learned: no model of this config is judged on anything earlier."""
    ends = []
    for task, path in settings.models.items():
        definition = load_definition(path, task)
        if isinstance(definition, ChurnDefinition | LtvDefinition):
            try:
                ends.append(datetime.combine(plan_calendar(history, definition.windows).test, datetime.min.time()))
            except HistoryTooShortError:
                continue
    if ends:
        return min(ends)
    if "contacts" in tables:
        assigned = tables["contacts"].assigned_at
        last = assigned.as_table().aggregate(last=assigned.max()).to_pyarrow().to_pylist()[0]["last"]
        if last is not None:
            return last
    return datetime.combine(history.end, datetime.min.time())


def _train_task(
    assignment: Assignment,
    report: CheckReport,
    store: Store,
    digests: Mapping[str, str],
    sources: SourceFiles,
    now: datetime,
) -> TaskOutcome:
    """Train, log, register and ask the gate; a refusal foreseen is an outcome, not an end."""
    started = perf_counter()
    task = assignment.definition.task
    try:
        if task == "uplift":
            report.raise_for_errors(LEARN_UPLIFT)
        trained = train_uplift(assignment) if task == "uplift" else train_value(assignment)
        sources.require_unchanged()
        assignment.progress.stage(task, "logging, registering, asking the gate")
        return _publish(assignment, trained, store, digests, now, started)
    except (DataError, GateRefusedError) as error:
        assignment.progress.advance(task, 1, 1, "refused")
        return TaskOutcome(
            task=task,
            standing="refused" if isinstance(error, GateRefusedError) else "failed",
            version=None,
            estimator="",
            headline="",
            reasons=(str(error),),
            seconds=perf_counter() - started,
            exit_code=error.exit_code,
        )


def _publish(
    assignment: Assignment, trained: Trained, store: Store, digests: Mapping[str, str], now: datetime, started: float
) -> TaskOutcome:
    definition = assignment.definition
    task = definition.task
    champion = resolve(store, task, CHAMPION)
    files = _files(assignment, trained)
    gate = judge(*trained.checks, _check_champion(store, trained, champion, files))
    digests = {**digests, "definition": definition.digest()}
    card = render_card(_card(assignment, trained, gate, digests))
    run_id = log_training(store, _record(assignment, trained, gate, digests, card, now))
    version = register(
        store,
        task,
        files,
        run_id=run_id,
        card=card,
        metadata=_metadata(assignment, digests) | _tags(trained, gate),
    )
    absolute = all(check.passed for check in trained.checks)
    if champion is not None and version == champion.version and absolute:
        standing: Standing = "already champion"
        reasons: tuple[str, ...] = ("same data, same settings: the same model, byte for byte, already leads",)
    elif gate.passed:
        expected = champion.version if champion else None
        promote(store, task, version, expect_current=expected, reasons=gate.reasons, actor="netlift train", at=now)
        standing, reasons = "champion", gate.reasons
    else:
        standing = "champion kept" if champion is not None and absolute else "refused"
        reasons = gate.reasons
    assignment.progress.advance(task, 1, 1, f"{standing}: {trained.headline}")
    return TaskOutcome(
        task=task,
        standing=standing,
        version=version,
        estimator=trained.candidate.name,
        headline=trained.headline,
        reasons=reasons,
        metrics=trained.metrics,
        tables=(trained.leaderboard, *trained.tables.values()),
        notes=trained.notes,
        seconds=perf_counter() - started,
        exit_code=GateRefusedError.exit_code if standing == "refused" else 0,
    )


def _check_champion(store: Store, trained: Trained, champion: ModelVersion | None, files: Mapping[str, bytes]) -> Check:
    """Whether the model beats the champion; one that cannot be asked any more gives way to the other checks."""
    unasked = beats_champion(None, measure=trained.measure)
    if champion is None:
        return unasked
    if champion.tags.get(CONTENT_TAG) == content_digest(files):
        return replace(unasked, words="It is the champion, byte for byte.")
    try:
        gain = trained.against(load(store, champion.task, champion.version).model)
    except (SchemaDriftError, ModelIntegrityError) as error:
        return replace(unasked, words=f"The champion cannot be asked any more, the other checks decide: {error}.")
    return beats_champion(gain, measure=trained.measure)


def _files(assignment: Assignment, trained: Trained) -> dict[str, bytes]:
    """The stored form with what scoring needs to know of this training."""
    contract = ScoringContract(
        task=assignment.definition.task,
        vocabulary=assignment.vocabulary,
        observation_days=trained.observation_days,
        active_within_days=trained.active_within_days,
        level_sd=trained.level_sd,
        level_seen=trained.level_seen,
        observational=trained.observational,
        columns=present_columns(assignment.tables),
    )
    profile = Profile.of(np.asarray(trained.profile_rows), trained.features, trained.profile_cutoff)
    return {**trained.candidate.files, CONTRACT_FILE: contract.to_json(), PROFILE_FILE: profile.to_json()}


def _metadata(assignment: Assignment, digests: Mapping[str, str]) -> dict[str, str]:
    settings = assignment.settings
    return {
        "business": settings.name,
        "currency": settings.currency,
        "catalogue": CATALOGUE_VERSION,
        **{f"{name}_digest": digest for name, digest in digests.items()},
    }


def _card(assignment: Assignment, trained: Trained, gate: GateResult, digests: Mapping[str, str]) -> CardContent:
    return CardContent(
        task=assignment.definition.task,
        description=assignment.definition.description,
        estimator=trained.candidate.name,
        currency=assignment.settings.currency,
        population=trained.population,
        date_range=(str(assignment.history.first), str(assignment.history.end)),
        windows=trained.windows,
        row_counts=trained.row_counts,
        digests=digests,
        catalogue_version=CATALOGUE_VERSION,
        leaderboard=trained.leaderboard,
        metrics=trained.metrics,
        gate=gate,
        limits=(*trained.notes, assignment.vocabulary.tell_pooled()),
        explanation=trained.explanation,
        figures=trained.captions,
        commit=git_commit(),
    )


def _tags(trained: Trained, gate: GateResult) -> dict[str, str]:
    """What everything made from a training says of it: whether it passed, and what nobody randomized."""
    tags = {GATE: PASSED if gate.passed else "refused"}
    return tags | ({OBSERVATIONAL: trained.observational} if trained.observational else {})


def _record(
    assignment: Assignment,
    trained: Trained,
    gate: GateResult,
    digests: Mapping[str, str],
    card: str,
    now: datetime,
) -> TrainingRecord:
    task = assignment.definition.task
    params: dict[str, float | int | str | bool] = {
        "estimator": trained.candidate.name,
        "seed": assignment.settings.seed,
        "threads": assignment.settings.engine.threads,
        "catalogue": CATALOGUE_VERSION,
        "features": len(trained.features),
        **{name: days for name, days in trained.windows.items()},
        **{f"rows_{name}": count for name, count in trained.row_counts.items()},
        **trained.candidate.params,
    }
    return TrainingRecord(
        task=task,
        run_name=f"{model_name(task)}-{trained.candidate.name}-{now:%Y%m%d-%H%M%S}",
        started_at=now,
        commit=git_commit(),
        params=params,
        digests=digests,
        metrics=trained.metrics,
        tags={**_tags(trained, gate), "headline": trained.headline},
        tables={"leaderboard": trained.leaderboard, **trained.tables},
        figures=trained.figures,
        texts={
            "card.md": card,
            "features.md": to_markdown(trained.features),
            "definition.json": json.dumps(to_plain(assignment.definition.model_dump(mode="json")), indent=1),
            "gate.json": json.dumps(to_plain(gate), ensure_ascii=False, indent=1),
        },
    )


__all__ = ["TaskOutcome", "TrainReport", "train_business"]
