"""Registered models, verified byte for byte before use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from netlift.data.write import require_free_space, staged_directory, sweep_staging
from netlift.errors import ModelIntegrityError, NetliftError, UsageError
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.registry.locks import exclusive, is_running, read_process, this_process
from netlift.registry.package import content_digest, digest_digests, digest_package, read_package, write_package
from netlift.registry.refusals import refusals
from netlift.registry.store import Store, model_name
from netlift.registry.tracking import PROCESS_TAG, TAG

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous_champion"
CONTENT_TAG = f"{TAG}content"
PACKAGE_TAG = f"{TAG}package"
FREE_MB = 200.0


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        task: churn, ltv or uplift.
        version: Its number.
        digest: The sha256 over every file of its folder.
        run_id: The training run it came from.
        tags: What was noted on it.
        folder: Where its files are.
    """

    task: str
    version: int
    digest: str
    run_id: str
    tags: Mapping[str, str]
    folder: Path

    @property
    def uri(self) -> str:
        """What plain mlflow loads: `mlflow.pyfunc.load_model(uri)`, with the tracking URI set."""
        return f"models:/{model_name(self.task)}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A version whose files were checked, ready to predict.

    Attributes:
        version: The version.
        model: Its stored form.
        files: All that was registered with it, file name to content.
    """

    version: ModelVersion
    model: StoredModel
    files: Mapping[str, bytes]


def register(
    store: Store,
    task: str,
    files: Mapping[str, bytes],
    *,
    run_id: str,
    card: str,
    metadata: Mapping[str, str],
    lock_timeout_seconds: float = 60.0,
) -> int:
    """Register a stored form as a new version and name it challenger; returns the version.

    The same files as an earlier version, read by the same code, make no new one: the earlier one's number is returned,
    and it becomes challenger unless it is champion. The files are whole and on disk before the version exists.

    Args:
        store: The store.
        task: churn, ltv or uplift.
        files: The stored form (see `estimators/stored.py`).
        run_id: The training run.
        card: The model card, Markdown: the version's description.
        metadata: What the model file says of itself beside its units: horizon, currency, digests.
        lock_timeout_seconds: How long to wait for another process that registers or promotes.

    Raises:
        BusyError: Another process kept the registry's lock for all that time.
        ResourceError: Less free disk than three times the model and a reserve.
        StoredModelError: The files are no stored form.
    """
    outputs = StoredModel(files).spec["outputs"]
    facts = {"task": task, **metadata, "units": {output["name"]: output["unit"] for output in outputs}}
    require_free_space(store.state, needed_mb=FREE_MB + 3 * sum(len(content) for content in files.values()) / 2**20)
    with refusals(store.state), exclusive(store.lock, timeout_seconds=lock_timeout_seconds, holder=f"register {task}"):
        content = content_digest(files)
        version = _find(store, task, content)
        if version is None:
            _create_name(store, task)
            with _logged_model(store, task, run_id) as logged:
                folder = _local(logged.artifact_location)
                with staged_directory(folder) as staging:
                    write_package(staging, files, run_id=run_id, model_id=logged.model_id, metadata=facts)
                    digests = digest_package(staging)
                tags = {CONTENT_TAG: content, PACKAGE_TAG: json.dumps(digests), f"{TAG}task": task}
                tags |= {f"{TAG}{name}": value for name, value in metadata.items()}
                version = _create_version(store, task, logged=logged, tags=tags, card=card)
        else:
            for name, value in metadata.items():
                store.client.set_model_version_tag(model_name(task), str(version), f"{TAG}{name}", value)
        if aliases(store, task).get(CHAMPION) != version:
            store.client.set_registered_model_alias(model_name(task), CHALLENGER, str(version))
    return version


def aliases(store: Store, task: str) -> dict[str, int]:
    """The versions that have a name now: champion, challenger, previous_champion."""
    with refusals(store.state):
        found = store.client.search_registered_models(f"name = '{model_name(task)}'")
    return {alias: int(version) for row in found for alias, version in row.aliases.items()}


def resolve(store: Store, task: str, alias: str) -> ModelVersion | None:
    """The version that an alias names now, or None; a job resolves once and keeps to that version.

    Raises:
        ModelIntegrityError: The version was not registered by netlift.
    """
    version = aliases(store, task).get(alias)
    return None if version is None else describe(store, task, version)


def describe(store: Store, task: str, version: int) -> ModelVersion:
    """One version by number.

    Raises:
        UsageError: There is no such version.
        ModelIntegrityError: The version was not registered by netlift, or its files are outside the store.
    """
    with refusals(store.state):
        found = [row for row in _versions(store, task) if int(row.version) == version]
    if not found:
        known = ", ".join(str(row.version) for row in _versions(store, task)) or "none"
        raise UsageError(f"{model_name(task)} has no version {version}; versions: {known}")
    row = found[0]
    if PACKAGE_TAG not in row.tags:
        raise ModelIntegrityError(f"{model_name(task)} version {version} was not registered by netlift: train anew")
    return ModelVersion(
        task=task,
        version=version,
        digest=digest_digests(json.loads(row.tags[PACKAGE_TAG])),
        run_id=row.run_id or "",
        tags=dict(row.tags),
        folder=_inside(store, _local(row.source)),
    )


def load(store: Store, task: str, version: int, *, threads: int = 1) -> LoadedModel:
    """A version ready to predict; nothing is parsed or run before every file was compared with its registration.

    Raises:
        UsageError: There is no such version.
        ModelIntegrityError: A file is missing, added, changed or a link; other code would run than ours; or a part of
            its own cannot be imported.
    """
    described = describe(store, task, version)
    files = read_package(described.folder, json.loads(described.tags[PACKAGE_TAG]))
    try:
        model = StoredModel(files, threads=threads)
    except StoredModelError as error:
        raise ModelIntegrityError(f"{model_name(task)} version {version}: {error}") from error
    return LoadedModel(version=described, model=model, files=files)


def sweep_models(store: Store, *, lock_timeout_seconds: float = 60.0) -> int:
    """Remove what killed registrations left behind: models that never became whole; returns how many things went."""
    with refusals(store.state), exclusive(store.lock, timeout_seconds=lock_timeout_seconds, holder="sweep models"):
        removed = sweep_staging(store.artifacts / "models")
        for logged in store.client.search_logged_models([store.experiment_id]):
            process = read_process(logged.tags.get(PROCESS_TAG, ""))
            if logged.status.name == "PENDING" and process is not None and not is_running(process):
                _discard(store, logged)
                removed += 1
    return removed


@contextmanager
def _logged_model(store: Store, task: str, run_id: str) -> Iterator[Any]:
    """The record that mlflow keeps of a model, removed with its files unless the block ends well."""
    logged = store.client.create_logged_model(
        store.experiment_id,
        name=model_name(task),
        source_run_id=run_id,
        model_type=task,
        tags={PROCESS_TAG: this_process().to_json()},
    )
    try:
        yield logged
    except BaseException:
        with suppress(NetliftError), refusals(store.state):
            _discard(store, logged)
        raise


def _create_version(store: Store, task: str, *, logged: Any, tags: dict[str, str], card: str) -> int:
    from mlflow.entities import LoggedModelOutput

    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(logged.source_run_id, [LoggedModelOutput(logged.model_id, 0)])
    row = store.client.create_model_version(
        model_name(task),
        source=logged.artifact_location,
        run_id=logged.source_run_id,
        model_id=logged.model_id,
        tags=tags,
        description=card,
    )
    return int(row.version)


def _discard(store: Store, logged: Any) -> None:
    shutil.rmtree(_inside(store, _local(logged.artifact_location)).parent, ignore_errors=True)
    store.client.delete_logged_model(logged.model_id)


def _find(store: Store, task: str, content: str) -> int | None:
    """The newest version of the same content whose files are still whole."""
    for row in _versions(store, task):
        if row.tags.get(CONTENT_TAG) == content:
            with suppress(ModelIntegrityError):
                return load(store, task, int(row.version)).version.version
    return None


def _create_name(store: Store, task: str) -> None:
    if not store.client.search_registered_models(f"name = '{model_name(task)}'"):
        store.client.create_registered_model(model_name(task))


def _versions(store: Store, task: str) -> list[Any]:
    """All versions, newest first."""
    rows = store.client.search_model_versions(f"name = '{model_name(task)}'", max_results=10_000)
    return sorted(rows, key=lambda row: -int(row.version))


def _local(uri: str) -> Path:
    parts = urlparse(uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        raise ModelIntegrityError(f"{uri}: a model's files must be in the store's own folder: train anew")
    return Path(unquote(parts.path) if parts.scheme else uri)


def _inside(store: Store, folder: Path) -> Path:
    if not folder.resolve().is_relative_to(store.artifacts.resolve()):
        raise ModelIntegrityError(f"{folder}: a model's files must be below {store.artifacts}: train anew")
    return folder
