"""Registered models, verified byte for byte before use."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from netlift.data.write import STAGING_PREFIX, require_free_space, staged_directory, sweep_staging
from netlift.errors import ConfigError, ModelIntegrityError, NetliftError, UsageError
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.registry.locks import exclusive, is_running, read_process, this_process
from netlift.registry.package import content_digest, digest_digests, digest_package, read_package, write_package
from netlift.registry.refusals import refusals
from netlift.registry.relocation import local_folder, require_home
from netlift.registry.store import Store, model_name
from netlift.registry.tracking import PROCESS_TAG, TAG

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous_champion"
CONTENT_TAG = f"{TAG}content"
PACKAGE_TAG = f"{TAG}package"
BUSINESS_TAG = f"{TAG}business"
FREE_MB = 200.0
LONGEST_DESCRIPTION = 5_000
"""Characters that MLflow's own table has for a description; SQLite takes more, PostgreSQL refuses them."""
REST_OF_CARD = "\n\nThe rest stands in card.md of the training run."


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        task: churn, ltv or uplift.
        version: Its number.
        digest: The sha256 over every file of its folder.
        run_id: The training run it came from.
        tags: What was noted on it.
        folder: Where its files are read; those of a server are copied there.
        source: Where mlflow has them.
    """

    task: str
    version: int
    digest: str
    run_id: str
    tags: Mapping[str, str]
    folder: Path
    source: str = ""

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
        card: The model card, Markdown: the version's description, as far as MLflow has room for it.
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
    require_home(store)
    with store.changing(timeout_seconds=lock_timeout_seconds, holder=f"register {task}"):
        content = content_digest(files)
        version = _find(store, task, content)
        if version is None:
            _create_name(store, task)
            with _logged_model(store, task, run_id) as logged:
                digests = _write_files(store, logged, files, run_id=run_id, metadata=facts)
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
    with refusals(store.place):
        found = store.client.search_registered_models(f"name = '{model_name(task)}'")
    owner = found[0].tags.get(BUSINESS_TAG, store.run_group) if found else store.run_group
    if owner != store.run_group:
        raise ConfigError(
            f"{store.place}: {model_name(task)} is of the business {owner}, and a registry keeps one business; give "
            f"{store.run_group} a registry of its own by tracking.registry_uri_env"
        )
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
    with refusals(store.place):
        found = [row for row in _versions(store, task) if int(row.version) == version]
    if not found:
        known = ", ".join(str(row.version) for row in _versions(store, task)) or "none"
        raise UsageError(f"{model_name(task)} has no version {version}; versions: {known}")
    row = found[0]
    if PACKAGE_TAG not in row.tags:
        raise ModelIntegrityError(f"{model_name(task)} version {version} was not registered by netlift: train anew")
    digest = digest_digests(json.loads(row.tags[PACKAGE_TAG]))
    copied = store.state / "cache" / "models" / digest
    return ModelVersion(
        task=task,
        version=version,
        digest=digest,
        run_id=row.run_id or "",
        tags=dict(row.tags),
        source=row.source,
        folder=copied if store.server else local_folder(store, row.source),
    )


def load(store: Store, task: str, version: int, *, threads: int = 1) -> LoadedModel:
    """A version ready to predict; nothing is parsed or run before every file was compared with its registration.

    Raises:
        UsageError: There is no such version.
        ModelIntegrityError: A file is missing, added, changed or a link; other code would run than ours; or a part of
            its own cannot be imported.
    """
    described = describe(store, task, version)
    files = read_files(store, described)
    try:
        model = StoredModel(files, threads=threads)
    except StoredModelError as error:
        raise ModelIntegrityError(f"{model_name(task)} version {version}: {error}") from error
    return LoadedModel(version=described, model=model, files=files)


def sweep_models(store: Store, *, lock_timeout_seconds: float = 60.0) -> int:
    """Remove what killed registrations left behind: models that never became whole; returns how many things went."""
    with store.changing(timeout_seconds=lock_timeout_seconds, holder="sweep models"):
        removed = sweep_staging(store.artifacts / "models")
        registered = {_model_id(row) for row in _pages(store.client.search_model_versions)}
        for logged in _pages(partial(store.client.search_logged_models, [store.experiment_id])):
            process = read_process(logged.tags.get(PROCESS_TAG, ""))
            left = logged.status.name == "PENDING" or logged.model_id not in registered
            if left and process is not None and not is_running(process):
                _discard(store, logged)
                removed += 1
    return removed


def find_superseded(store: Store, task: str, *, before: date) -> list[int]:
    """Versions made before a day that no alias names; the newest is never among them."""
    named = set(aliases(store, task).values())
    with refusals(store.place):
        rows = _versions(store, task)[1:]
    old = [row for row in rows if datetime.fromtimestamp(row.creation_timestamp / 1000, tz=UTC).date() < before]
    return [int(row.version) for row in old if int(row.version) not in named]


def version_numbers(store: Store, task: str) -> list[int]:
    """All versions of a task, newest first."""
    with refusals(store.place):
        return [int(row.version) for row in _versions(store, task)]


def discard_version(store: Store, task: str, version: int, *, lock_timeout_seconds: float = 60.0) -> None:
    """Remove a version that no alias names, then its files; killed between, `sweep_models` removes them.

    Its number is never given again, so that the journal keeps its meaning.

    Raises:
        UsageError: An alias names it.
        BusyError: Another process kept the registry's lock for all that time.
    """
    with store.changing(timeout_seconds=lock_timeout_seconds, holder=f"prune {task}"):
        names = [alias for alias, named in aliases(store, task).items() if named == version]
        if names:
            raise UsageError(f"{model_name(task)} version {version} is {' and '.join(names)}: it stays")
        (row,) = (row for row in _versions(store, task) if int(row.version) == version)
        logged = store.client.get_logged_model(_model_id(row))
        store.client.delete_model_version(model_name(task), str(version))
        _discard(store, logged)


def read_files(store: Store, version: ModelVersion) -> dict[str, bytes]:
    """The stored form of a version, every file compared with its registration.

    A server's files are copied below the state folder first, once; a copy that was changed is made anew.

    Raises:
        ModelIntegrityError: A file is missing, added, changed or a link.
        ResourceError: A server does not answer, or the copy cannot be written.
    """
    expected = json.loads(version.tags[PACKAGE_TAG])
    if store.server is None:
        return read_package(version.folder, expected)
    if version.folder.exists():
        with suppress(ModelIntegrityError):
            return read_package(version.folder, expected)
        shutil.rmtree(version.folder)
    _fetch(store, version)
    return read_package(version.folder, expected)


def _fetch(store: Store, version: ModelVersion) -> None:
    from mlflow.artifacts import download_artifacts

    scheme = urlparse(version.source).scheme or "a folder"
    if store.server is None or scheme != "mlflow-artifacts":
        raise ModelIntegrityError(
            f"{version.uri}: its files are not with the server but in {scheme}; start it with --serve-artifacts, and "
            "train anew"
        )
    lock = store.state / "locks" / "store.lock"
    with refusals(store.place), exclusive(lock, timeout_seconds=60, holder="copy a model"):
        if not version.folder.exists():
            with staged_directory(version.folder) as staging:
                whole = Path(staging, "files")
                whole.mkdir()
                found = download_artifacts(
                    artifact_uri=version.source, dst_path=str(whole), tracking_uri=store.server.uri
                )
                for path in list(Path(found).iterdir()):
                    path.rename(staging / path.name)
                shutil.rmtree(whole)


def _write_files(
    store: Store, logged: Any, files: Mapping[str, bytes], *, run_id: str, metadata: Mapping[str, Any]
) -> dict[str, str]:
    """Write a model's package where its record says, whole or not at all; the digests of its files."""
    if store.server is None:
        with staged_directory(local_folder(store, logged.artifact_location)) as staging:
            write_package(staging, files, run_id=run_id, model_id=logged.model_id, metadata=metadata)
            return digest_package(staging)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=store.state) as scratch:
        folder = Path(scratch, "package")
        write_package(folder, files, run_id=run_id, model_id=logged.model_id, metadata=metadata)
        digests = digest_package(folder)
        store.client.log_model_artifacts(logged.model_id, str(folder))
        return digests


def _model_id(row: Any) -> str:
    """Mlflow's id of a version's model, as its place has it: the registry's database does not keep it."""
    return PurePosixPath(urlparse(row.source).path).parent.name


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        if not (token := page.token):
            return


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
        with suppress(NetliftError), refusals(store.place):
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
        description=_describe(card),
    )
    return int(row.version)


def _describe(card: str) -> str:
    """The card, or as many of its lines as there is room for."""
    if len(card) <= LONGEST_DESCRIPTION:
        return card
    return card[: LONGEST_DESCRIPTION - len(REST_OF_CARD)].rpartition("\n")[0].rstrip() + REST_OF_CARD


def _discard(store: Store, logged: Any) -> None:
    if store.server is None:  # a server keeps its files until `mlflow gc` runs there
        shutil.rmtree(local_folder(store, logged.artifact_location).parent, ignore_errors=True)
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
        store.client.create_registered_model(model_name(task), tags={BUSINESS_TAG: store.run_group})


def _versions(store: Store, task: str) -> list[Any]:
    """All versions, newest first."""
    rows = store.client.search_model_versions(f"name = '{model_name(task)}'", max_results=10_000)
    return sorted(rows, key=lambda row: -int(row.version))
