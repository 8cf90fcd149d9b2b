"""Logging of a training to mlflow: parameters, digests, metrics, tables, figures and texts."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netlift.data.write import STAGING_PREFIX, require_free_space
from netlift.errors import NetliftError, UsageError
from netlift.registry.locks import this_process
from netlift.registry.refusals import refusals
from netlift.registry.relocation import require_home
from netlift.registry.store import Store
from netlift.results import Estimate, Table

if TYPE_CHECKING:
    from mlflow.entities import Metric

TAG = "netlift."
PROCESS_TAG = f"{TAG}process"
FREE_MB = 50.0
PARENT_TAG = "mlflow.parentRunId"
BATCH = 90
DIGEST_CHARACTERS = 36  # that fit into mlflow's table
MAX_PARAM_CHARACTERS = 6000


@dataclass(frozen=True, kw_only=True)
class CandidateRun:
    """A candidate beside the one that was chosen: a child of the training's run.

    Attributes:
        name: The candidate.
        chosen: Whether it is the one.
        params: What tuning chose for it.
        metrics: Its held-out figures, by name; those that are not finite are left out.
    """

    name: str
    chosen: bool
    params: Mapping[str, float | int | str] = field(default_factory=dict)
    metrics: Mapping[str, Estimate | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InputTable:
    """A table that was learned from; of its rows nothing is logged.

    Attributes:
        name: Its name.
        digest: Of its content.
        source: Where it is.
    """

    name: str
    digest: str
    source: str


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What one training leaves behind.

    Attributes:
        task: churn, ltv or uplift.
        run_name: Name of the run.
        started_at: When the training began; with a zone.
        commit: The git commit of the code; empty where nobody knows it.
        params: What was chosen, by name.
        digests: Of the config, the definition and the data, by name.
        metrics: An estimate is logged as its name, `<name>_ci_lower` and `<name>_ci_upper`; a number that is not finite
            is named in the tag `netlift.undefined` instead.
        tags: Further facts to search runs by; the prefix `netlift.` is put before their names.
        candidates: Each becomes a child run.
        inputs: The tables that were learned from, logged as mlflow's datasets.
        tables: Logged as Markdown and JSON under `tables/`.
        figures: File name with suffix to content, under `figures/`.
        texts: File name with suffix to content, such as `card.md`.
    """

    task: str
    run_name: str
    started_at: datetime
    commit: str = ""
    params: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Estimate | float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    candidates: Sequence[CandidateRun] = ()
    inputs: Sequence[InputTable] = ()
    tables: Mapping[str, Table[Any]] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def log_training(store: Store, record: TrainingRecord) -> str:
    """Log a training as one run and end it; returns the run's id.

    A run that cannot be logged whole is ended as failed, or as killed by Ctrl-C, and its files are removed.

    Raises:
        UsageError: A parameter or a file name that cannot be kept as it is.
        ResourceError: Not enough disk.
        BusyError: Another program keeps the store locked.
    """
    files = _files(record)
    for name, value in record.params.items():
        if len(str(value)) > MAX_PARAM_CHARACTERS:
            raise UsageError(
                f"parameter {name}: {len(str(value)):,} characters, {MAX_PARAM_CHARACTERS:,} fit: log a text"
            )
    require_home(store)
    require_free_space(store.state, needed_mb=FREE_MB + sum(len(content) for content in files.values()) / 2**20)
    with refusals(store.place), _run(store, record, name=record.run_name) as run:
        _log_numbers(store, run.info.run_id, record)
        _log_inputs(store, run.info.run_id, record.inputs)
        for one in record.candidates:
            _log_candidate(store, run.info.run_id, record, one)
        with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=store.state) as staging:
            for name, content in files.items():
                path = Path(staging, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            store.client.log_artifacts(run.info.run_id, staging)
    return str(run.info.run_id)


def find_orphans(store: Store) -> tuple[str, ...]:
    """Ids of runs that say RUNNING though their process died; one of another machine or program is not counted."""
    from netlift.registry.locks import is_running, read_process

    with refusals(store.place):
        running = store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
    processes = {run.info.run_id: read_process(run.data.tags.get(PROCESS_TAG, "")) for run in running}
    return tuple(name for name, process in processes.items() if process is not None and not is_running(process))


def mark_orphans(store: Store) -> tuple[str, ...]:
    """End the runs whose process died before it could, as failed; returns their ids."""
    found = find_orphans(store)
    with refusals(store.place):
        for name in found:
            store.client.set_tag(name, f"{TAG}interrupted", "its process died")
            store.client.set_terminated(name, "FAILED")
    return found


@contextmanager
def _run(
    store: Store, record: TrainingRecord, *, name: str, tags: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Any]:
    """A run that never stays open: finished, failed or killed when the block ends."""
    run = store.client.create_run(
        store.experiment_id,
        start_time=int(record.started_at.timestamp() * 1000),
        run_name=name,
        tags={PROCESS_TAG: this_process().to_json(), f"{TAG}task": record.task, **tags},
    )
    try:
        yield run
        store.client.set_terminated(run.info.run_id, "FINISHED")
    except BaseException as error:
        shutil.rmtree(store.artifacts / run.info.run_id, ignore_errors=True)  # a part would keep a full disk full
        with suppress(NetliftError), refusals(store.place):
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            store.client.set_terminated(run.info.run_id, status)
        raise


def _log_numbers(store: Store, run_id: str, record: TrainingRecord) -> None:
    from mlflow.entities import Param, RunTag

    metrics, undefined = _metrics(record.metrics, record.started_at)
    tags = {f"{TAG}{name}": value for name, value in record.tags.items()}
    tags |= {f"{TAG}digest.{name}": value for name, value in record.digests.items()}
    if undefined:
        tags[f"{TAG}undefined"] = ", ".join(undefined)
    if record.commit:
        tags["mlflow.source.git.commit"] = record.commit
    params = [Param(name, str(value)) for name, value in record.params.items()]
    labels = [RunTag(name, value) for name, value in tags.items()]
    store.client.log_batch(run_id, metrics=metrics)
    for start in range(0, max(len(params), len(labels)), BATCH):
        part = slice(start, start + BATCH)
        store.client.log_batch(run_id, params=params[part], tags=labels[part])


def _log_candidate(store: Store, parent: str, record: TrainingRecord, candidate: CandidateRun) -> None:
    from mlflow.entities import Param

    metrics, _ = _metrics(candidate.metrics, record.started_at)
    params = {"estimator": candidate.name, **candidate.params}
    tags = {PARENT_TAG: parent, f"{TAG}chosen": str(candidate.chosen).lower()}
    with _run(store, record, name=candidate.name, tags=tags) as run:
        pairs = [Param(name, str(value)) for name, value in params.items()][:BATCH]
        store.client.log_batch(run.info.run_id, metrics=metrics, params=pairs)


def _log_inputs(store: Store, run_id: str, inputs: Sequence[InputTable]) -> None:
    """Log tables as `mlflow.data` reads them back: name, digest and place, without schema, profile or rows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    used = [InputTag("mlflow.data.context", "training")]
    datasets = [
        Dataset(one.name, one.digest[:DIGEST_CHARACTERS], "local", json.dumps({"uri": one.source})) for one in inputs
    ]
    if datasets:
        store.client.log_inputs(run_id, [DatasetInput(one, used) for one in datasets])


def _metrics(figures: Mapping[str, Estimate | float], started_at: datetime) -> tuple[list[Metric], list[str]]:
    """Metrics as mlflow takes them, and the names of those that are not finite."""
    from mlflow.entities import Metric

    numbers: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Estimate):
            numbers |= {name: value.point, f"{name}_ci_lower": value.ci_lower, f"{name}_ci_upper": value.ci_upper}
        else:
            numbers[name] = float(value)
    moment = int(started_at.timestamp() * 1000)
    finite = [Metric(name, value, moment, 0) for name, value in numbers.items() if math.isfinite(value)]
    return finite, [name for name, value in numbers.items() if not math.isfinite(value)]


def _files(record: TrainingRecord) -> dict[str, bytes]:
    """Everything that becomes a file, by its path below the run's artifacts."""
    files = {name: text.encode() for name, text in record.texts.items()}
    files |= {f"figures/{name}": content for name, content in record.figures.items()}
    for name, table in record.tables.items():
        files |= {f"tables/{name}.md": table.to_markdown().encode(), f"tables/{name}.json": table.to_json().encode()}
    strange = [name for name in files if ".." in Path(name).parts or Path(name).is_absolute()]
    if strange:
        raise UsageError(f"{strange[0]!r} is no file name below the run's artifacts")
    return files
