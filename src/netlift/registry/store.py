"""The tracking store of a business: a database and artifacts in the state folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.errors import ModelIntegrityError, NetliftError
from netlift.registry.audit import AUDIT_FILE, MOVED, read_entries
from netlift.registry.locks import exclusive
from netlift.registry.offline import offline_mlflow
from netlift.registry.refusals import refusals
from netlift.registry.schema import RESTORE, bring_current, is_current, read_revision

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"


@dataclass(frozen=True, kw_only=True)
class Store:
    """An open store.

    Attributes:
        state: The state folder; absolute.
        run_group: Name of the runs that belong together, one a business.
        experiment_id: mlflow's id of the run group.
        client: mlflow's client on this store.
    """

    state: Path
    run_group: str
    experiment_id: str
    client: MlflowClient

    @property
    def uri(self) -> str:
        """What mlflow calls the tracking URI; absolute."""
        return database_uri(self.state)

    @property
    def artifacts(self) -> Path:
        """Folder of everything logged to this run group."""
        return self.state / ARTIFACTS / self.run_group

    @property
    def lock(self) -> Path:
        """The lock under which versions and aliases change."""
        return self.state / "locks" / "registry.lock"


def database_uri(state: Path) -> str:
    """The URI of the store in a state folder, for mlflow's own tools."""
    return f"sqlite:///{Path(os.path.abspath(state)) / DATABASE}"


def open_store(
    state: Path, *, run_group: str, lock_timeout_seconds: float = 60.0, template: Path | None = None
) -> Store:
    """Open the store of a state folder; made, or brought to the installed mlflow's schema, where need be.

    Args:
        state: The state folder.
        run_group: Name of the runs that belong together: lower-case letters, digits, `-` and `_`.
        lock_timeout_seconds: How long to wait for another process that makes the store.
        template: An empty store to copy instead of running mlflow's migrations (see `schema.create_schema`).

    Raises:
        BusyError: Another process is making the store for all that time, or keeps an older one open.
        ResourceError: The disk is full or the folder cannot be written.
        ModelIntegrityError: It is gone or empty, and the journal beside it names champions.
        NetliftError: The store is damaged, newer than the installed mlflow, or was moved from elsewhere.
    """
    state = Path(os.path.abspath(state))
    database = state / DATABASE
    lock = state / "locks" / "store.lock"
    with refusals(state):
        if not is_current(database):
            with exclusive(lock, timeout_seconds=lock_timeout_seconds, holder="make the store"):
                if not is_current(database):
                    if read_revision(database) is None:
                        _require_champions(state, known=())
                    bring_current(database, artifacts=state / ARTIFACTS, template=template)
        uri = database_uri(state)
        client = offline_mlflow().MlflowClient(uri, registry_uri=uri)
        group = client.get_experiment_by_name(run_group)
        if group is None:
            _require_champions(state, known=[model.name for model in client.search_registered_models()])
            with exclusive(lock, timeout_seconds=lock_timeout_seconds, holder="make the run group"):
                group = client.get_experiment_by_name(run_group) or _create_group(client, state, run_group)
    _require_home(group, state=state, run_group=run_group)
    return Store(state=state, run_group=run_group, experiment_id=group.experiment_id, client=client)


def model_name(task: str) -> str:
    """The name under which a task's models are registered."""
    return f"netlift-{task}"


def is_begun(state: Path) -> bool:
    """Whether a state folder has, or had, a store; one that is gone is missed when it is opened."""
    return (state / DATABASE).exists() or (state / AUDIT_FILE).exists()


def _require_champions(state: Path, *, known: Collection[str]) -> None:
    """Refuse an empty store beside a journal that names champions: a new one would replace them without a word."""
    named = {
        entry["task"]: entry["version"] for entry in read_entries(state / AUDIT_FILE) if entry.get("event") == MOVED
    }
    lost = [f"{model_name(task)} version {v}" for task, v in named.items() if model_name(task) not in known]
    if lost:
        raise ModelIntegrityError(
            f"{state / DATABASE}: the store is gone or empty, and {AUDIT_FILE} beside it names the champions "
            f"{', '.join(lost)}: {RESTORE}"
        )


def _create_group(client: MlflowClient, state: Path, run_group: str) -> Any:
    location = (state / ARTIFACTS / run_group).as_uri()
    return client.get_experiment(client.create_experiment(run_group, artifact_location=location))


def _require_home(group: Any, *, state: Path, run_group: str) -> None:
    """Refuse a store whose artifacts are recorded elsewhere: it would write there, and read from there."""
    expected = (state / ARTIFACTS / run_group).as_uri()
    if group.lifecycle_stage != "active":
        raise NetliftError(f"{state}: run group {run_group} was deleted: restore it in MLflow, or begin a new folder")
    if group.artifact_location != expected:
        raise NetliftError(
            f"{state}: the store was made at {group.artifact_location} and holds that place in every record: "
            "move the folder back, or begin a new one"
        )
