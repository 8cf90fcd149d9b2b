"""A shared MLflow server in place of the local store: its address, its lock, and what its failures mean."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from netlift.config.business import TrackingSettings
from netlift.errors import BusyError, ConfigError, ResourceError
from netlift.registry.locks import ABANDONED_SECONDS, is_running, read_process, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
HOLDER_TAG, PLACE_TAG = "netlift.process", "netlift.state"
POLL_SECONDS = 0.5
TAKEN = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is; neither address holds a user or a password.

    Attributes:
        uri: Of runs and artifacts.
        registry_uri: Of registered models.
    """

    uri: str
    registry_uri: str


def find_server(tracking: TrackingSettings | None) -> Server | None:
    """The server that the environment names; None where the config leaves the store in the state folder.

    A user and a password in an address go to the variables that mlflow reads them from, and out of the address, so that
    no message, log or record can hold them.

    Raises:
        ConfigError: A variable is not set, or is no http address; its value is never told.
    """
    if tracking is None:
        return None
    uri = _read(tracking.uri_env, "uri_env")
    return Server(uri=uri, registry_uri=_read(tracking.registry_uri_env, "registry_uri_env", default=uri))


def _read(variable: str | None, field: str, *, default: str = "") -> str:
    if variable is None:
        return default
    place = f"tracking.{field}: the environment variable {variable}"
    if not (found := os.environ.get(variable, "").strip()):
        raise ConfigError(f"{place} is not set; set it to the address of the MLflow server, or take tracking out")
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{place} holds no http or https address of an MLflow server; its value is not shown")
    if parts.username is not None:
        named = {USER: unquote(parts.username), PASSWORD: unquote(parts.password or "")}
        if any(os.environ.get(name, value) != value for name, value in named.items()):
            raise ConfigError(f"{place} and {USER} name different users or passwords; mlflow knows one of each")
        os.environ.update(named)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def server_error(place: str, text: str) -> ResourceError | None:
    """What a failed request to a server means where it is the server that is missing or forbids; else None."""
    words = text.lower()
    if any(sign in words for sign in ("error code 401", "error code 403", "unauthorized", "permission_denied")):
        return ResourceError(f"{place}: the MLflow server refused the user or password; see {USER} and {PASSWORD}")
    if any(sign in words for sign in ("max retries exceeded", "connection", "timed out", "error code 50")):
        return ResourceError(
            f"{place}: the MLflow server does not answer; nothing was changed there, rerun when it does"
        )
    if "error code 404" in words or "not a valid json" in words:
        return ResourceError(f"{place}: no MLflow server answers there; correct the address in the environment")
    return None


@contextmanager
def server_lock(client: MlflowClient, name: str, *, state: Path, timeout_seconds: float, holder: str) -> Iterator[None]:
    """Hold a lock that all machines of a server see: a registered model of this name, which the server makes only once.

    A lock whose holder was killed is taken over by the next job of the same state folder, which alone knows that it
    died; others are told who holds it, and since when.

    Args:
        client: On the registry.
        name: Of the lock.
        state: The state folder, whose own lock is held already.
        timeout_seconds: How long to wait; 0 asks once.
        holder: What the holder does, for those who wait.

    Raises:
        BusyError: Another process held it for all that time.
    """
    from mlflow.exceptions import MlflowException

    own = {HOLDER_TAG: this_process().to_json(), PLACE_TAG: str(state)}
    until = time.monotonic() + timeout_seconds
    while True:
        try:
            client.create_registered_model(name, tags=own, description=holder)
            break
        except MlflowException as error:
            if error.error_code != TAKEN:
                raise
        if (held := _find(client, name)) is not None and _is_dead(held, state):
            client.delete_registered_model(name)
        elif time.monotonic() >= until:
            raise BusyError(_told(name, held, timeout_seconds))
        else:
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if (held := _find(client, name)) is not None and held.tags.get(HOLDER_TAG) == own[HOLDER_TAG]:
            client.delete_registered_model(name)


def find_abandoned_lock(client: MlflowClient, name: str, *, now: datetime) -> str:
    """Who is said to hold a lock on a server for over a day; empty where nobody is."""
    held = _find(client, name)
    if held is None or now.timestamp() - held.creation_timestamp / 1000 <= ABANDONED_SECONDS:
        return ""
    return f"{_who(held)}; where nobody works there any more, delete the registered model {name} in MLflow"


def _find(client: MlflowClient, name: str) -> Any:
    found = client.search_registered_models(f"name = '{name}'")
    return found[0] if found else None


def _is_dead(held: Any, state: Path) -> bool:
    process = read_process(held.tags.get(HOLDER_TAG, ""))
    return held.tags.get(PLACE_TAG) == str(state) and process is not None and not is_running(process)


def _told(name: str, held: Any, seconds: float) -> str:
    return (
        f"the registry is locked by {_who(held)}; waited {seconds:g} s, try again later. If nobody works there any "
        f"more, delete the registered model {name} in MLflow"
    )


def _who(held: Any) -> str:
    process = None if held is None else read_process(held.tags.get(HOLDER_TAG, ""))
    return "another job" if process is None else f"{held.description} (pid {process.pid} on {process.host})"
