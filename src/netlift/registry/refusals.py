"""What a full disk, a forbidden folder or a locked store says, in netlift's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlift.errors import BusyError, NetliftError, ResourceError
from netlift.registry.offline import offline_mlflow


@contextmanager
def refusals(state: Path) -> Iterator[None]:
    """Turn failures of the store in `state` into errors that say what to do; its other failures keep their text.

    Raises:
        ResourceError: The disk is full, or the folder cannot be written.
        BusyError: Another program keeps the store locked.
        NetliftError: mlflow failed otherwise.
    """
    offline_mlflow()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        raise _refusal(state, str(error)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise ResourceError(f"{state}: {error.strerror}: free space or move the config's state") from error
        raise


def _refusal(state: Path, text: str) -> NetliftError:
    if "disk is full" in text or "No space left" in text:
        return ResourceError(f"{state}: the disk is full; free space and rerun")
    if "readonly database" in text or "unable to open database" in text:
        return ResourceError(f"{state}: the store cannot be written; move the config's state elsewhere")
    if "database is locked" in text:
        return BusyError(f"{state}: another program keeps the store locked; close the MLflow UI, then rerun")
    return NetliftError(f"{state}: mlflow failed: {text.splitlines()[0] if text else 'no reason given'}")
