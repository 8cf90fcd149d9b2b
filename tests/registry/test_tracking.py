import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import mlflow.data
import pytest

from netlift.errors import ResourceError, UsageError
from netlift.registry import tracking
from netlift.registry.locks import this_process
from netlift.registry.tracking import PROCESS_TAG, CandidateRun, InputTable, TrainingRecord, log_training, mark_orphans
from netlift.results import Estimate, Table

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Entry:
    candidate: str
    profit: float


AUC = Estimate(point=0.81, ci_lower=0.79, ci_upper=0.83, level=0.95, unit="", method="DeLong")
RECORD = TrainingRecord(
    task="churn",
    run_name="churn-lightgbm",
    started_at=NOON,
    commit="0123abc",
    params={f"search.{i}": i for i in range(250)} | {"learning_rate": 0.05, "имя": "да"},
    digests={"data": "d" * 64, "config": "c" * 64},
    metrics={"roc_auc": AUC, "seconds": 12.5, "gini": math.nan},
    tags={"cutoff": "2026-08-01"},
    tables={"leaderboard": Table(name="leaderboard", rows=(Entry(candidate="lightgbm", profit=1.5),))},
    figures={"calibration.svg": b"<svg/>"},
    texts={"card.md": "# Карточка"},
)


def test_a_training_is_logged_whole(store):
    run = store.client.get_run(log_training(store, RECORD))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "churn-lightgbm"
    assert run.info.start_time == int(NOON.timestamp() * 1000)
    assert run.data.metrics == {"roc_auc": 0.81, "roc_auc_ci_lower": 0.79, "roc_auc_ci_upper": 0.83, "seconds": 12.5}
    assert run.data.params == {name: str(value) for name, value in RECORD.params.items()}
    tags = run.data.tags
    assert tags["netlift.digest.data"] == "d" * 64
    assert tags["netlift.cutoff"] == "2026-08-01"
    assert tags["netlift.task"] == "churn"
    assert tags["netlift.undefined"] == "gini"
    assert tags["mlflow.source.git.commit"] == "0123abc"
    folder = store.artifacts / run.info.run_id / "artifacts"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"card.md", "figures/calibration.svg", "tables/leaderboard.md", "tables/leaderboard.json"}
    assert (folder / "card.md").read_text() == "# Карточка"
    assert json.loads((folder / "tables/leaderboard.json").read_text())["rows"][0]["profit"] == 1.5


def test_candidates_are_child_runs_and_tables_are_datasets_without_their_rows(store):
    tried = [
        CandidateRun(name="lightgbm", chosen=True, params={"trees": 40}, metrics={"roc_auc": AUC, "loss": 0.4}),
        CandidateRun(name="own_rhythm", chosen=False, metrics={"roc_auc": replace(AUC, point=0.7), "loss": math.nan}),
    ]
    place = "/srv/tables/customers.parquet"
    inputs = [InputTable(name="customers", digest="d" * 64, source=place)]
    parent = log_training(store, replace(RECORD, candidates=tried, inputs=inputs))
    children = store.client.search_runs([store.experiment_id], f"tags.mlflow.parentRunId = '{parent}'")
    found = {run.info.run_name: run for run in children}
    assert {run.info.status for run in children} == {"FINISHED"} and set(found) == {"lightgbm", "own_rhythm"}
    assert found["lightgbm"].data.params == {"estimator": "lightgbm", "trees": "40"}
    assert found["lightgbm"].data.metrics["roc_auc_ci_lower"] == 0.79 and found["lightgbm"].data.metrics["loss"] == 0.4
    assert found["own_rhythm"].data.metrics["roc_auc"] == 0.7 and "loss" not in found["own_rhythm"].data.metrics
    assert [found[name].data.tags["netlift.chosen"] for name in ("lightgbm", "own_rhythm")] == ["true", "false"]
    (logged,) = store.client.get_run(parent).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("customers", "d" * 36)
    assert mlflow.data.get_source(logged).uri == place
    assert logged.dataset.profile is None and logged.dataset.schema is None


def test_a_child_that_cannot_be_logged_ends_with_its_training(store, monkeypatch):
    log_batch = store.client.log_batch

    def fail(run_id, **parts):
        if any(param.value == "second" for param in parts.get("params", ())):
            raise ValueError("x")
        log_batch(run_id, **parts)

    monkeypatch.setattr(store.client, "log_batch", fail)
    tried = [CandidateRun(name=name, chosen=False) for name in ("first", "second")]
    with pytest.raises(ValueError, match="x"):
        log_training(store, replace(RECORD, candidates=tried))
    runs = {run.info.run_name: run.info.status for run in store.client.search_runs([store.experiment_id])}
    assert runs == {"churn-lightgbm": "FAILED", "first": "FINISHED", "second": "FAILED"}


@pytest.mark.parametrize(("error", "status"), [(ValueError("x"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_run_that_cannot_be_logged_is_ended_and_leaves_no_files(store, monkeypatch, error, status):
    def fail(run_id, folder):
        (store.artifacts / run_id / "artifacts").mkdir(parents=True)
        raise error

    monkeypatch.setattr(store.client, "log_artifacts", fail)
    with pytest.raises(type(error)):
        log_training(store, RECORD)
    run = store.client.search_runs([store.experiment_id])[0]
    assert run.info.status == status
    assert not (store.artifacts / run.info.run_id).exists()
    assert not list(store.state.glob(".staging*"))


def test_a_disk_that_fills_up_is_a_resource_error_and_one_already_full_stops_before_the_run(store, monkeypatch):
    def fail(run_id, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.client, "log_artifacts", fail)
    with pytest.raises(ResourceError):
        log_training(store, RECORD)
    monkeypatch.setattr(tracking, "FREE_MB", 1e12)
    with pytest.raises(ResourceError, match="MB needed"):
        log_training(store, RECORD)
    assert len(store.client.search_runs([store.experiment_id])) == 1


@pytest.mark.parametrize("name", ["../card.md", "/tmp/card.md", "a/../../b"])
def test_a_file_name_outside_the_run_is_refused(store, name):
    with pytest.raises(UsageError, match="file name"):
        log_training(store, replace(RECORD, texts={name: "x"}))
    assert store.client.search_runs([store.experiment_id]) == []


def test_a_parameter_that_would_be_cut_off_is_refused(store):
    with pytest.raises(UsageError, match="6,001 characters"):
        log_training(store, replace(RECORD, params={"long": "x" * 6001}))


def test_runs_of_dead_processes_are_ended_and_those_of_living_or_strange_ones_left(store):
    dead = replace(this_process(), start="1").to_json()
    starts = {"dead": {PROCESS_TAG: dead}, "living": {PROCESS_TAG: this_process().to_json()}, "strange": {}}
    runs = {name: store.client.create_run(store.experiment_id, tags=tags).info.run_id for name, tags in starts.items()}
    assert mark_orphans(store) == (runs["dead"],)
    status = {name: store.client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {"dead": "FAILED", "living": "RUNNING", "strange": "RUNNING"}
    assert mark_orphans(store) == ()
