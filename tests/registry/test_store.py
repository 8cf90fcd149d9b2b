import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from netlift.errors import BusyError, ModelIntegrityError, NetliftError, ResourceError
from netlift.registry import schema
from netlift.registry.audit import AUDIT_FILE, MOVED, append_entry
from netlift.registry.offline import offline_mlflow
from netlift.registry.store import database_uri, open_store

pytestmark = pytest.mark.slow

OLDER_REVISION = "bd07f7e963c5"

FORKED = """
# One warm process forks those that race, so that they start together and the suite imports mlflow once.
import os, signal, sys, time
from pathlib import Path
from netlift.registry.offline import offline_mlflow
from netlift.registry.store import open_store
offline_mlflow()
import mlflow.db, mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store

def fork(state):
    pid = os.fork()
    if pid == 0:
        try:
            open_store(state, run_group="demo", lock_timeout_seconds=120)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid

folder = Path(sys.argv[1])
race = [fork(folder / "race") for _ in range(4)]
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in race]
print("race", *codes, flush=True)
for i, delay in enumerate((0.1, 0.4, 0.9)):
    pid = fork(folder / f"killed {i}")
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


def test_four_processes_at_once_and_a_kill_at_any_moment_leave_a_usable_store(tmp_path, store_template):
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.split() == ["race", "0", "0", "0", "0"], done.stderr
    states = ["race", "killed 0", "killed 1", "killed 2"]
    for name in states:
        store = open_store(tmp_path / name, run_group="demo", template=store_template)
        run = store.client.create_run(store.experiment_id)
        store.client.set_terminated(run.info.run_id)
        assert not list((tmp_path / name).glob(".staging*"))


def test_a_store_writes_nowhere_but_in_its_state_folder(tmp_path, store_template, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = open_store(Path("../state"), run_group="demo", template=store_template)
    assert store.state == tmp_path / "state"
    places = {group.name: group.artifact_location for group in store.client.search_experiments()}
    assert places["demo"] == (tmp_path / "state" / "artifacts" / "demo").as_uri()
    assert all(place.startswith((tmp_path / "state").as_uri()) for place in places.values())
    assert store.uri == database_uri(tmp_path / "state")
    assert not list(elsewhere.iterdir())


def test_a_store_keeps_a_write_ahead_log(tmp_path, store_template):
    open_store(tmp_path, run_group="demo", template=store_template)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.fixture(scope="module")
def older_database(tmp_path_factory):
    """A store of an older mlflow: the installed one's migrations, stopped half-way, with one run group in it."""
    offline_mlflow()
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    path = tmp_path_factory.mktemp("older") / "mlflow.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    folder = Path(sys.modules["mlflow"].__file__).parent / "store" / "db_migrations"
    config = Config(str(folder / "alembic.ini"))
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLDER_REVISION)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage) VALUES ('old', 'x', 'active')"
        )
        connection.commit()
    return path


def test_an_older_store_is_brought_up_to_date_and_kept_as_a_backup(tmp_path, older_database):
    shutil.copy(older_database, tmp_path / "mlflow.db")
    store = open_store(tmp_path, run_group="demo")
    assert {group.name for group in store.client.search_experiments()} >= {"old", "demo"}
    backup = tmp_path / f"mlflow.db.{OLDER_REVISION}.backup"
    assert schema.read_revision(backup) == OLDER_REVISION
    assert schema.is_current(tmp_path / "mlflow.db")


def test_an_older_store_that_somebody_has_open_or_that_fails_to_migrate_stays_as_it_was(
    tmp_path, older_database, monkeypatch
):
    path = tmp_path / "mlflow.db"
    shutil.copy(older_database, path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM experiments").fetchall()
        with pytest.raises(BusyError, match="close the MLflow UI"):
            schema.bring_current(path, artifacts=tmp_path / "artifacts")
    monkeypatch.setattr(schema, "_migrate", lambda database: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        schema.bring_current(path, artifacts=tmp_path / "artifacts")
    assert schema.read_revision(path) == OLDER_REVISION
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db"]


def test_a_damaged_or_newer_store_is_refused_in_words(tmp_path, store_template):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "mlflow.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(NetliftError, match="not a whole MLflow store"):
        open_store(damaged, run_group="demo")
    newer = tmp_path / "newer"
    newer.mkdir()
    shutil.copy(store_template, newer / "mlflow.db")
    with closing(sqlite3.connect(newer / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()
    with pytest.raises(NetliftError, match="newer than the installed mlflow"):
        open_store(newer, run_group="demo")


def test_an_empty_store_never_takes_the_place_of_one_whose_champions_the_journal_names(tmp_path, store_template):
    spoils = {"gone": lambda _: None, "empty": Path.touch, "new": lambda lost: shutil.copy(store_template, lost)}
    for name, spoil in spoils.items():
        state, lost = tmp_path / name, tmp_path / name / "mlflow.db"
        append_entry(state / AUDIT_FILE, {"event": MOVED, "task": "churn", "version": 3})
        spoil(lost)
        before = lost.read_bytes() if lost.exists() else None
        with pytest.raises(ModelIntegrityError, match="names the champions netlift-churn version 3: bring it back"):
            open_store(state, run_group="demo", template=store_template)
        if name == "new":  # to look into it counts as a change; what matters is that nothing was made in it
            with closing(sqlite3.connect(lost)) as connection:
                assert ("demo",) not in connection.execute("SELECT name FROM experiments").fetchall()
        else:
            assert (lost.read_bytes() if lost.exists() else None) == before


def test_a_log_that_outlived_its_store_is_not_played_into_a_new_one(tmp_path, store_template):
    (tmp_path / "mlflow.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(NetliftError, match="is there and its store"):
        open_store(tmp_path, run_group="demo", template=store_template)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_store_that_another_program_keeps_locked_is_busy_and_no_broken_one(tmp_path, store_template, monkeypatch):
    shutil.copy(store_template, tmp_path / "mlflow.db")
    connect = sqlite3.connect
    monkeypatch.setattr(schema.sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
    with closing(connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BusyError, match="close the MLflow UI"):
            open_store(tmp_path, run_group="demo")


def test_a_full_disk_while_the_store_is_made_leaves_nothing(tmp_path, store_template, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema.shutil, "copyfile", full)
    with pytest.raises(ResourceError, match="disk is full"):
        open_store(tmp_path / "state", run_group="demo", template=store_template)
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == ["locks"]


def test_mlflow_is_loaded_without_telemetry_or_pickle_and_opens_no_socket(tmp_path, store_template, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    open_store(tmp_path, run_group="demo", template=store_template)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    assert MLFLOW_ALLOW_PICKLE_DESERIALIZATION.get() is False
