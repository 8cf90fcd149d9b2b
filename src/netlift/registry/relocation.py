"""A store whose folder was moved or copied: read from where it stands now, written to once its records say so too.

mlflow records absolute places of runs and models. What netlift reads it finds below its own state folder, whatever the
records say; mlflow itself, and whatever is written through it, needs the records brought home.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from netlift.errors import ModelIntegrityError, NetliftError
from netlift.registry.refusals import refusals

if TYPE_CHECKING:
    from netlift.registry.store import Store

PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
CURE = "`netlift doctor --fix` writes the new place into the records, while no job runs"


def find_former_home(store: Store) -> str | None:
    """The artifacts' folder that the records of a moved store name, as a URI; None for one that is at home."""
    if store.server is not None:
        return None
    with refusals(store.place):
        recorded: str = store.client.get_experiment(store.experiment_id).artifact_location
    return None if recorded == store.artifacts.as_uri() else recorded.removesuffix(f"/{store.run_group}")


def require_home(store: Store) -> None:
    """Refuse to write through mlflow into a store that was moved: it would write where the store was.

    Raises:
        NetliftError: The store was moved or copied and its records still name the place before.
    """
    if (former := find_former_home(store)) is not None:
        raise NetliftError(f"{store.state}: the store was made at {former}, and its records name that place: {CURE}")


def relocate(store: Store) -> int:
    """Write the place where a moved store stands into all its records, all or none; returns how many there were.

    Call it while no job runs. The files of models are not touched, so that their digests hold.

    Raises:
        BusyError: Another program keeps the store locked.
        ResourceError: The disk is full or the store cannot be written.
    """
    if (former := find_former_home(store)) is None:
        return 0
    home, changed = store.artifacts.parent.as_uri(), 0
    with refusals(store.place), closing(sqlite3.connect(store.database, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, columns in PLACES.items():
            for column in columns:
                changed += connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (home, len(former) + 1, len(former) + 1, f"{former}/"),
                ).rowcount
        connection.execute("COMMIT")
    return changed


def local_folder(store: Store, uri: str) -> Path:
    """Where a recorded place of the run group is now: the same place below the artifacts of the state folder.

    Raises:
        ModelIntegrityError: The place is not in the run group's own folder.
    """
    parts, mark = urlparse(uri), f"/artifacts/{store.run_group}/"
    path = unquote(parts.path) if parts.scheme else uri
    if parts.scheme not in ("", "file") or parts.netloc or mark not in path:
        raise ModelIntegrityError(f"{uri}: a model's files must be in the store's own folder: train anew")
    folder = store.artifacts / path.rpartition(mark)[2]
    if not folder.resolve().is_relative_to(store.artifacts.resolve()):
        raise ModelIntegrityError(f"{folder}: a model's files must be below {store.artifacts}: train anew")
    return folder
