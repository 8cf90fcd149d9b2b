"""Logging, registration and gating of a trained model, with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter

import numpy as np

from netlift.data.run import SourceFiles, git_commit
from netlift.errors import (
    GateRefusedError,
    ModelIntegrityError,
    SchemaDriftError,
)
from netlift.features.catalogue import CATALOGUE_VERSION, to_markdown
from netlift.features.profile import Profile
from netlift.registry.models import CHAMPION, CONTENT_TAG, ModelVersion, load, model_name, register, resolve
from netlift.registry.package import content_digest
from netlift.registry.promotion import promote
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE, ScoringContract, present_columns
from netlift.registry.store import Store
from netlift.registry.tracking import CandidateRun, InputTable, TrainingRecord, log_training
from netlift.results import Estimate, Table, to_plain
from netlift.training.card import CardContent, render_card
from netlift.training.gate import GateCheck, GateResult, beats_champion, judge
from netlift.training.report import Standing, TaskOutcome
from netlift.training.task import TrainedModel, TrainingTask
from netlift.training.uplift.observational import OBSERVATIONAL

GATE, PASSED = "gate", "passed"
JUDGING = ("before_the_test", "candidates")  # tables with a row for each candidate


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A held-out figure of the model.

    Attributes:
        metric: Its name.
        value: The figure with its interval.
        method: How both were computed.
    """

    metric: str
    value: Estimate
    method: str


def publish(
    assignment: TrainingTask,
    trained: TrainedModel,
    store: Store,
    digests: Mapping[str, str],
    sources: SourceFiles,
    now: datetime,
    started: float,
) -> TaskOutcome:
    """Log a training, register its model, and let it lead where its gate passes.

    Args:
        assignment: What was trained.
        trained: What came of it.
        store: The registry.
        digests: Names to digests of what was read.
        sources: The tables' files.
        now: Time of the call.
        started: Reading of the performance counter when the task began, in seconds.
    """
    definition = assignment.definition
    task = definition.task
    champion = resolve(store, task, CHAMPION)
    files = _files(assignment, trained)
    gate = judge(*trained.checks, _check_champion(store, trained, champion, files))
    digests = {**digests, "definition": definition.digest()}
    card = render_card(_card(assignment, trained, gate, digests))
    run_id = log_training(store, _record(assignment, trained, gate, digests, card, sources, now))
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


def _check_champion(
    store: Store, trained: TrainedModel, champion: ModelVersion | None, files: Mapping[str, bytes]
) -> GateCheck:
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


def _files(assignment: TrainingTask, trained: TrainedModel) -> dict[str, bytes]:
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


def _metadata(assignment: TrainingTask, digests: Mapping[str, str]) -> dict[str, str]:
    settings = assignment.settings
    return {
        "business": settings.name,
        "currency": settings.currency,
        "catalogue": CATALOGUE_VERSION,
        **{f"{name}_digest": digest for name, digest in digests.items()},
    }


def _card(assignment: TrainingTask, trained: TrainedModel, gate: GateResult, digests: Mapping[str, str]) -> CardContent:
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


def _tags(trained: TrainedModel, gate: GateResult) -> dict[str, str]:
    """What everything made from a training says of it: whether it passed, and what nobody randomized."""
    tags = {GATE: PASSED if gate.passed else "refused"}
    return tags | ({OBSERVATIONAL: trained.observational} if trained.observational else {})


def _record(
    assignment: TrainingTask,
    trained: TrainedModel,
    gate: GateResult,
    digests: Mapping[str, str],
    card: str,
    sources: SourceFiles,
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
        metrics={name: trained.metrics[name] for name in trained.columns or trained.metrics if name in trained.metrics},
        candidates=_candidates(trained),
        inputs=[
            InputTable(name=name, digest=digest, source=place) for name, (digest, place) in sources.tables().items()
        ],
        tags={**_tags(trained, gate), "headline": trained.headline},
        tables={"metrics": _metrics(trained), "leaderboard": trained.leaderboard, **trained.tables},
        figures=trained.figures,
        texts={
            "card.md": card,
            "features.md": to_markdown(trained.features),
            "definition.json": json.dumps(to_plain(assignment.definition.model_dump(mode="json")), indent=1),
            "gate.json": json.dumps(to_plain(gate), ensure_ascii=False, indent=1),
        },
    )


def _metrics(trained: TrainedModel) -> Table[MetricRow]:
    rows = [MetricRow(metric=name, value=value, method=value.method) for name, value in trained.metrics.items()]
    return Table(name="metrics", rows=tuple(rows))


def _candidates(trained: TrainedModel) -> list[CandidateRun]:
    """Every candidate that a table of the run judges, with all that the tables say of it."""
    figures: dict[str, dict[str, Estimate | float]] = {}
    for table in (trained.leaderboard, *(trained.tables[name] for name in JUDGING if name in trained.tables)):
        for row in table:
            if (name := getattr(row, "candidate", None)) is not None:  # a leaderboard of policies has none
                told = {metric: value for metric, value in vars(row).items() if isinstance(value, Estimate | float)}
                figures.setdefault(name, {}).update(told)
    return [
        CandidateRun(
            name=name,
            chosen=name == trained.candidate.name,
            params=trained.candidate_params.get(name, {}),
            metrics=told,
        )
        for name, told in figures.items()
    ]


__all__ = ["publish"]
