"""The tracking store of a business: a database and artifacts in the state folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.config.business import BusinessSettings
from netlift.errors import ModelIntegrityError, NetliftError
from netlift.registry.audit import AUDIT_FILE, MOVED, read_entries
from netlift.registry.locks import exclusive
from netlift.registry.offline import offline_mlflow
from netlift.registry.refusals import refusals
from netlift.registry.schema import RESTORE, bring_current, is_current, read_revision
from netlift.registry.server import Server, find_abandoned_lock, find_server, server_lock

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
        server: Where it is when it is not in the state folder.
    """

    state: Path
    run_group: str
    experiment_id: str
    client: MlflowClient
    server: Server | None = None

    @property
    def uri(self) -> str:
        """What mlflow calls the tracking URI; absolute."""
        return database_uri(self.state) if self.server is None else self.server.uri

    @property
    def place(self) -> Path | str:
        """What messages call the store."""
        return self.state if self.server is None else self.server.uri

    @property
    def database(self) -> Path:
        """The file of a store in the state folder."""
        return self.state / DATABASE

    @property
    def artifacts(self) -> Path:
        """Folder of everything logged to this run group; on a server nothing is in it."""
        return self.state / ARTIFACTS / self.run_group

    @property
    def lock(self) -> Path:
        """The lock under which versions and aliases change; on a server there is one there as well."""
        return self.state / "locks" / "registry.lock"

    @contextmanager
    def changing(self, *, timeout_seconds: float, holder: str) -> Iterator[None]:
        """Hold the lock under which versions and aliases change, on all machines of a server.

        Args:
            timeout_seconds: How long to wait for another process.
            holder: What is done, for those who wait.

        Raises:
            BusyError: Another process held it for all that time.
        """
        with refusals(self.place), exclusive(self.lock, timeout_seconds=timeout_seconds, holder=holder):
            if self.server is None:
                yield
                return
            with server_lock(
                self.client, self._lock_name, state=self.state, timeout_seconds=timeout_seconds, holder=holder
            ):
                yield

    def find_abandoned_lock(self, *, now: datetime) -> str:
        """Who is said to hold the server's lock for over a day; empty where nobody is, or there is no server."""
        with refusals(self.place):
            return "" if self.server is None else find_abandoned_lock(self.client, self._lock_name, now=now)

    @property
    def _lock_name(self) -> str:
        return f"netlift-lock-{self.run_group}"


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
        NetliftError: The store is damaged, or newer than the installed mlflow.
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
    _require_active(group, state)
    return Store(state=state, run_group=run_group, experiment_id=group.experiment_id, client=client)


def open_server(state: Path, server: Server, *, run_group: str) -> Store:
    """Open a store on a server; its run group is made where it is missing.

    Args:
        state: The state folder, where locks, the journal and copies of models stay.
        server: Where it is.
        run_group: Name of the runs that belong together.

    Raises:
        ResourceError: The server does not answer, or refuses the user.
        ModelIntegrityError: It holds no models, and the journal of the state folder names champions.
        NetliftError: The run group was deleted there.
    """
    state = Path(os.path.abspath(state))
    with refusals(server.uri):
        client = offline_mlflow().MlflowClient(server.uri, registry_uri=server.registry_uri)
        name = f"netlift-{run_group}"
        group = client.get_experiment_by_name(name)
        if group is None:
            _require_champions(state, known=[model.name for model in client.search_registered_models()])
            with exclusive(state / "locks" / "store.lock", timeout_seconds=60, holder="make the run group"):
                group = client.get_experiment_by_name(name) or client.get_experiment(client.create_experiment(name))
    _require_active(group, server.uri)
    return Store(state=state, run_group=run_group, experiment_id=group.experiment_id, client=client, server=server)


def open_business(settings: BusinessSettings) -> Store:
    """Open the store of a business, in its state folder or on the server that its config names.

    Raises:
        ConfigError: An environment variable of the config is not set, or holds no address.
        NetliftError: What `open_store` and `open_server` raise.
    """
    server = find_server(settings.tracking)
    if server is None:
        return open_store(settings.state, run_group=settings.name)
    return open_server(settings.state, server, run_group=settings.name)


def model_name(task: str) -> str:
    """The name under which a task's models are registered."""
    return f"netlift-{task}"


def is_begun(settings: BusinessSettings) -> bool:
    """Whether a business has, or had, a store; one that is gone is missed when it is opened."""
    state = settings.state
    return settings.tracking is not None or (state / DATABASE).exists() or (state / AUDIT_FILE).exists()


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


def _require_active(group: Any, place: Path | str) -> None:
    if group.lifecycle_stage != "active":
        raise NetliftError(f"{place}: run group {group.name} was deleted: restore it in MLflow, or begin a new folder")
