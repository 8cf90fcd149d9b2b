"""Plain-language errors of a full disk, a forbidden folder or a locked store."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlift.data.write import FORBIDDEN, NO_ROOM, resource_error
from netlift.errors import OUT_OF_MEMORY, BusyError, NetliftError, ResourceError
from netlift.registry.offline import offline_mlflow
from netlift.registry.server import server_error

MACHINE = (*NO_ROOM, *FORBIDDEN, errno.EFBIG, errno.ENOMEM)


@contextmanager
def refusals(place: Path | str) -> Iterator[None]:
    """Turn failures of a store into errors that say what to do; its other failures keep their text.

    Args:
        place: The state folder that holds it, or the address of its server.

    Raises:
        ResourceError: The disk is full, the folder cannot be written, memory ran out, or a server does not answer.
        BusyError: Another program keeps the store locked.
        NetliftError: mlflow failed otherwise.
    """
    offline_mlflow()
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, RequestException) as error:
        raise _refusal(place, str(error)) from error
    except OSError as error:
        if (refusal := resource_error(error, place)) is None:
            raise
        raise refusal from error


def store_error(state: Path, text: str) -> NetliftError | None:
    """What SQLite's words mean where they speak of the machine or of other programs, not of the store; else None."""
    for code in MACHINE:  # mlflow keeps the system's words of what failed, and not its number
        if os.strerror(code) in text:
            return resource_error(OSError(code, os.strerror(code)), state)
    if "disk is full" in text:
        return ResourceError(f"{state}: the disk is full; free space and rerun")
    if "disk I/O error" in text:
        return ResourceError(
            f"{state}: the store's file could not be written or read; look for a full disk or quota, `ulimit -f` and a "
            "faulty disk, then rerun"
        )
    if "readonly database" in text or "unable to open database" in text:
        return ResourceError(f"{state}: the store cannot be written; give the job's user the right, or move the state")
    if "database is locked" in text or "locking protocol" in text:
        return BusyError(f"{state}: another program keeps the store locked; close the MLflow UI, then rerun")
    return ResourceError(f"{state}: {OUT_OF_MEMORY}") if "out of memory" in text else None


def _refusal(place: Path | str, text: str) -> NetliftError:
    own = store_error(place, text) if isinstance(place, Path) else server_error(place, text)
    return own or NetliftError(f"{place}: mlflow failed: {text.splitlines()[0] if text else 'no reason given'}")
