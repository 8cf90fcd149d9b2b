"""The train command: tables checked, tasks trained, evaluated, registered and gated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from time import perf_counter

from netlift.config.business import BusinessSettings
from netlift.config.definitions import AnyDefinition, CutoffTask, load_definition
from netlift.config.own_parts import own_path
from netlift.config.settings import did_you_mean
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import CheckReport
from netlift.data.checks.quality import name_money
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.data.run import SourceFiles, reading_tables
from netlift.data.write import require_free_space
from netlift.decisions.next_best_offer.publish import offer_what_leads
from netlift.errors import (
    ConfigError,
    DataError,
    GateRefusedError,
    HistoryTooShortError,
    ModelIntegrityError,
    SchemaDriftError,
    UsageError,
)
from netlift.features.vocabulary import learn_vocabulary
from netlift.progress import Progress
from netlift.registry.locks import exclusive
from netlift.registry.models import CHAMPION, load, resolve
from netlift.registry.store import Store, open_business
from netlift.report.charts import require_room_to_draw
from netlift.training.calendar import plan_calendar
from netlift.training.publish import publish
from netlift.training.report import LEADS, TaskOutcome, TrainReport
from netlift.training.task import FutureValue, TrainingTask
from netlift.training.tasks import task_of

NEEDED_MB = 500


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
        store = open_business(settings)
        digests = {"config": settings.digest(), "data": sources.digest}
        vocabulary = learn_vocabulary(tables, before=_vocabulary_end(settings, tables, history))
        money = name_money(tables)
        outcomes = []
        for definition in definitions:
            value = _find_future_value(store, money) if task_of(definition).asks_future_value else None
            assignment = TrainingTask(
                settings=settings,
                definition=definition,
                tables=tables,
                history=history,
                vocabulary=replace(vocabulary, own=_own_features(definition)),
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


def _own_features(definition: AnyDefinition) -> tuple[str, ...]:
    """Their dotted paths: what a model stores, so that it scores where no entry point is known."""
    return tuple(own_path(name, "feature") or name for name in definition.features)


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
    definitions, mistakes = [], []
    for task in (task for task in settings.models if not tasks or task in tasks):
        try:
            definitions.append(load_definition(settings.models[task], task))
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return sorted(definitions, key=lambda definition: (task_of(definition).after, definition.task))


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
        if isinstance(definition, CutoffTask):
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
    assignment: TrainingTask,
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
        kind = task_of(assignment.definition)
        if kind.needs is not None:
            report.raise_for_errors(kind.needs)
        trained = kind.train(assignment)
        sources.require_unchanged()
        assignment.progress.stage(task, "logging, registering, asking the gate")
        return publish(assignment, trained, store, digests, sources, now, started)
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


__all__ = ["TaskOutcome", "TrainReport", "train_business"]
