"""A store whose folder was copied elsewhere: scored from at once, written to after its records were brought home."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from netlift.errors import ModelIntegrityError, NetliftError
from netlift.registry.models import load, register
from netlift.registry.offline import offline_mlflow
from netlift.registry.promotion import promote
from netlift.registry.relocation import find_former_home, local_folder, relocate
from netlift.registry.store import open_store
from netlift.registry.tracking import TrainingRecord, log_training

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
RECORD = TrainingRecord(task="churn", run_name="again", started_at=NOON)


@pytest.fixture
def copied(store, add_version, tmp_path):
    """The store in another folder, with a champion, after the first was moved away."""
    promote(store, "churn", add_version(1), expect_current=None, reasons=("r",), actor="test", at=NOON)
    store.client._tracking_client.store.engine.dispose()
    away = tmp_path / "on another machine" / "var"
    away.parent.mkdir()
    shutil.copytree(store.state, away)
    shutil.rmtree(store.state / "artifacts")
    return open_store(away, run_group="demo")


def test_models_are_read_and_promoted_from_where_the_folder_stands(copied, make_files):
    loaded = load(copied, "churn", 1)
    assert loaded.files["model.json"] == make_files(1)["model.json"]
    assert loaded.version.folder.is_relative_to(copied.artifacts)


def test_nothing_is_written_until_the_records_were_brought_home(copied, make_files):
    with pytest.raises(NetliftError, match="doctor --fix"):
        log_training(copied, RECORD)
    with pytest.raises(NetliftError, match="doctor --fix"):
        register(copied, "churn", make_files(2), run_id="x", card="", metadata={})
    with closing(sqlite3.connect(copied.database)) as connection:
        before = connection.execute("SELECT count(*) FROM runs").fetchone()
    assert relocate(copied) > 4 and find_former_home(copied) is None and relocate(copied) == 0
    run = log_training(copied, RECORD)
    assert (copied.artifacts / run).parent == copied.artifacts
    with closing(sqlite3.connect(copied.database)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] == before[0] + 1
        dump = "\n".join(connection.iterdump())
    assert copied.artifacts.as_uri() in dump and "/%D1%81%D0%BE%D1%81%D1%82%D0%BE%D1%8F" not in dump


def test_plain_mlflow_loads_the_champion_after_that(copied):
    relocate(copied)
    mlflow = offline_mlflow()
    mlflow.set_tracking_uri(copied.uri)
    model = mlflow.pyfunc.load_model("models:/netlift-churn@champion")
    assert model.metadata.signature.outputs.input_names() == ["p_churn"]


def test_a_relocation_that_fails_changes_nothing(copied):
    with closing(sqlite3.connect(copied.database)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE UPDATE OF source ON model_versions "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        before = "\n".join(connection.iterdump())
    with pytest.raises(NetliftError, match="full"):
        relocate(copied)
    with closing(sqlite3.connect(copied.database)) as connection:
        assert "\n".join(connection.iterdump()) == before


@pytest.mark.parametrize(
    "place",
    [
        "file:///srv/var/artifacts/other/models/m-1",
        "file:///srv/var/artifacts/demo/../../../etc",
        "s3://b/artifacts/demo/m",
    ],
)
def test_a_place_outside_the_run_group_is_refused(store, place):
    with pytest.raises(ModelIntegrityError, match="train anew"):
        local_folder(store, place)


def test_a_link_out_of_the_artifacts_is_refused(store, tmp_path):
    (store.artifacts / "models").mkdir(parents=True)
    os.symlink(tmp_path, store.artifacts / "models" / "m-1")
    with pytest.raises(ModelIntegrityError, match="must be below"):
        local_folder(store, f"{store.artifacts.as_uri()}/models/m-1/x")
