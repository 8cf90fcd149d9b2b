"""The store's database: created atomically and migrated to mlflow's schema."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from netlift.data.write import STAGING_PREFIX
from netlift.errors import BusyError, NetliftError
from netlift.registry.offline import offline_mlflow
from netlift.registry.refusals import store_error

STAGING = f"{STAGING_PREFIX}store-"
RESTORE = "bring it back from a backup, or point the config's state at a new folder and train there"


def is_current(database: Path) -> bool:
    """Whether the file holds the schema of the installed mlflow.

    Raises:
        NetliftError: The file is no database.
    """
    return read_revision(database) == newest_revision()


def read_revision(database: Path) -> str | None:
    """The schema's revision, or None where there is no file or an empty one.

    Raises:
        BusyError: Another program keeps it locked.
        ResourceError: It cannot be read, or the machine ran out of something.
        NetliftError: The file is no database, or one that mlflow did not finish.
    """
    if not database.exists():
        return None
    try:
        with closing(sqlite3.connect(database, timeout=5)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return None
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            return str(rows[0][0])
    except (sqlite3.DatabaseError, IndexError) as error:
        raise store_error(database, str(error)) or NetliftError(
            f"{database}: not a whole MLflow store ({error}): {RESTORE}"
        ) from error


def newest_revision() -> str:
    """The revision that the installed mlflow needs."""
    return str(_migrations().get_current_head())


def create_schema(database: Path) -> None:
    """Write an empty store, without run groups, for `bring_current` to copy instead of migrating.

    Args:
        database: A file that does not exist yet.
    """
    _migrate(database)


def bring_current(database: Path, *, artifacts: Path, template: Path | None = None) -> None:
    """Make the store, or bring an older one to the installed mlflow's schema; call it under the store's lock.

    All work is done on a copy in a folder beside, moved into place at the end: a process killed at any moment leaves
    what was there before. An older store is kept as `<name>.<revision>.backup`.

    Args:
        database: The store's file.
        artifacts: Where artifacts of mlflow's own default run group would go; absolute.
        template: An empty store to start from, instead of running all of mlflow's migrations.

    Raises:
        BusyError: Another program, such as the MLflow UI, has the older store open.
        NetliftError: The store is newer than the installed mlflow, or cannot be migrated.
    """
    for leftover in database.parent.glob(f"{STAGING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    database.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=database.parent))
    try:
        draft = staging / database.name
        revision = read_revision(database)
        if revision is None:
            _refuse_orphaned_log(database)
            if template is not None:
                shutil.copyfile(template, draft)
            _finish(draft, artifacts=artifacts)
            _move(draft, database)
        else:
            _refuse_newer(database, revision)
            with _held_still(database) as old:
                _copy(old, staging / "backup")
                shutil.copyfile(staging / "backup", draft)
                _finish(draft, artifacts=artifacts)
                _move(staging / "backup", database.with_name(f"{database.name}.{revision}.backup"))
                _move(draft, database)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _finish(draft: Path, *, artifacts: Path) -> None:
    """Migrate a draft, give mlflow's default run group a place, and turn on write-ahead logging, which persists."""
    if read_revision(draft) != newest_revision():
        _migrate(draft)
    offline_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{draft}", artifacts.as_uri()).engine.dispose()
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _migrate(database: Path) -> None:
    offline_mlflow()
    from alembic.util import CommandError
    from mlflow.db import upgrade
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        upgrade.main([f"sqlite:///{database}"], standalone_mode=False)
    except (CommandError, MlflowException, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise store_error(database, str(error)) or NetliftError(
            f"{database.name}: mlflow could not bring it to schema {newest_revision()} ({reason}); nothing was "
            f"changed: {RESTORE}"
        ) from error


def _refuse_orphaned_log(database: Path) -> None:
    """A write-ahead log that outlived its store would be played into the new one, and spoil it."""
    log = database.with_name(f"{database.name}-wal")
    if log.exists() and log.stat().st_size:
        raise NetliftError(f"{log} is there and its store {database.name} is not: {RESTORE}")


def _refuse_newer(database: Path, revision: str) -> None:
    known = {script.revision for script in _migrations().walk_revisions()}
    if revision not in known:
        raise NetliftError(
            f"{database}: its schema {revision} is newer than the installed mlflow's {newest_revision()}: "
            "install the mlflow that wrote it"
        )


def _migrations() -> Any:
    from alembic.script import ScriptDirectory

    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        raise NetliftError("mlflow is not installed: install netlift from requirements.lock")
    return ScriptDirectory(str(Path(spec.origin).parent / "store" / "db_migrations"))


@contextmanager
def _held_still(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that keeps everybody else out of an older store until the block ends.

    Leaving write-ahead logging first folds its side files into the one file, so that replacing that file is enough.
    """
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise BusyError(
                f"{database}: must be brought to the installed mlflow's schema, but another program has it open "
                f"({error}): close the MLflow UI and other jobs, then rerun"
            ) from error
        yield connection


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _move(source: Path, target: Path) -> None:
    _fsync(source)
    os.replace(source, target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
