"""A real MLflow server in place of the local store: trained, promoted and scored from it, or refused in words."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import requests
import yaml
from fuzz.verbs import run_verb
from pipelines.test_snapshot_churn import configure, draw_extract

from netlift.config.business import TrackingSettings
from netlift.errors import BusyError, ConfigError, ResourceError, UsageError
from netlift.registry.locks import this_process
from netlift.registry.models import aliases, load, register, sweep_models
from netlift.registry.offline import offline_mlflow
from netlift.registry.promotion import find_untold, promote, read_history
from netlift.registry.server import HOLDER_TAG, PASSWORD, PLACE_TAG, USER, Server, find_server
from netlift.registry.store import open_server
from netlift.registry.tracking import CandidateRun, TrainingRecord, log_training, mark_orphans

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
VARIABLE, SECRET = "NETLIFT_TEST_MLFLOW", "s3cret-word"
RECORD = TrainingRecord(
    task="churn",
    run_name="churn-1",
    started_at=NOON,
    texts={"card.md": "# Card"},
    candidates=(CandidateRun(name="logistic", chosen=True, metrics={"roc_auc": 0.7}),),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def address(tmp_path_factory, store_template):
    """A server of its own, its artifacts proxied."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    shutil.copyfile(store_template, folder / "server.db")
    options = {
        "--backend-store-uri": f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination": str(folder / "bucket"),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", *(p for o in options.items() for p in o)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=os.environ | quiet, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).read()
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


@pytest.fixture
def registry(address):
    """The server's registry, emptied after every test: it keeps one business."""
    yield address
    client = offline_mlflow().MlflowClient(address, registry_uri=address)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


@pytest.fixture
def remote(registry, tmp_path):
    group = "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[:40]
    return open_server(tmp_path / "var", Server(uri=registry, registry_uri=registry), run_group=group)


def add(store, files) -> int:
    return register(store, "churn", files, run_id=log_training(store, RECORD), card="# Card", metadata={})


def move(store, version, expect, **more):
    return promote(store, "churn", version, expect_current=expect, reasons=("r",), actor="a", at=NOON, **more)


def test_a_model_is_logged_registered_promoted_and_read_back_byte_for_byte(remote, make_files):
    assert add(remote, make_files(1)) == 1 and add(remote, make_files(2)) == 2
    assert add(remote, make_files(1)) == 1, "the same bytes make no new version"
    move(remote, 1, None)
    move(remote, 2, 1)
    assert aliases(remote, "churn") == {"champion": 2, "previous_champion": 1}
    loaded = load(remote, "churn", 2)
    assert loaded.files["model.json"] == make_files(2)["model.json"]
    (changed,) = loaded.version.folder.rglob("booster.txt")
    changed.write_text("changed on this machine")
    assert load(remote, "churn", 2).files == loaded.files, "a spoiled copy is fetched anew"
    runs = remote.client.search_runs([remote.experiment_id])
    assert {run.info.run_name for run in runs} == {"churn-1", "logistic"}
    parent = next(run for run in runs if run.info.run_name == "churn-1")
    assert [file.path for file in remote.client.list_artifacts(parent.info.run_id)] == ["card.md"]
    mlflow = offline_mlflow()
    mlflow.set_tracking_uri(remote.uri)
    assert mlflow.pyfunc.load_model("models:/netlift-churn@champion").metadata.signature is not None
    assert sweep_models(remote) == 0 and mark_orphans(remote) == ()
    assert not list(remote.state.rglob(".staging*")) and not (remote.state / "mlflow.db").exists()


def test_another_machine_moves_the_alias_only_from_the_champion_it_knows(remote, make_files, tmp_path):
    for seed in (1, 2, 3):
        add(remote, make_files(seed))
    other = open_server(tmp_path / "other", remote.server, run_group=remote.run_group)
    move(remote, 1, None)
    with pytest.raises(UsageError, match="the decision was made against none"):
        move(other, 2, None)
    move(other, 2, 1)
    with pytest.raises(UsageError, match="is version 2, the decision was made against version 1"):
        move(remote, 3, 1)
    assert [entry["version"] for entry in read_history(other, "churn")] == [2]
    assert find_untold(remote, ["churn"]) == [] == find_untold(other, ["churn"])


def test_a_lock_on_the_server_keeps_others_out_and_one_of_a_killed_job_is_taken_over(remote, make_files, tmp_path):
    add(remote, make_files(1))
    lock = f"netlift-lock-{remote.run_group}"
    away = replace(this_process(), host="another-machine", pid=7).to_json()
    remote.client.create_registered_model(lock, tags={HOLDER_TAG: away, PLACE_TAG: "/srv"}, description="train churn")
    with pytest.raises(BusyError, match=r"train churn \(pid 7 on another-machine\).*delete the registered model"):
        move(remote, 1, None, lock_timeout_seconds=0)
    assert aliases(remote, "churn") == {"challenger": 1} and read_history(remote, "churn") == []
    tomorrow = datetime.now(tz=UTC) + timedelta(days=2)
    assert "another-machine" in remote.find_abandoned_lock(now=tomorrow)
    assert remote.find_abandoned_lock(now=datetime.now(tz=UTC)) == ""
    remote.client.delete_registered_model(lock)
    dead = {HOLDER_TAG: replace(this_process(), start="1").to_json(), PLACE_TAG: str(tmp_path / "elsewhere")}
    remote.client.create_registered_model(lock, tags=dead)
    with pytest.raises(BusyError):
        move(remote, 1, None, lock_timeout_seconds=0)
    remote.client.set_registered_model_tag(lock, PLACE_TAG, str(remote.state))
    move(remote, 1, None, lock_timeout_seconds=0)
    assert aliases(remote, "churn") == {"champion": 1}
    assert remote.client.search_registered_models(f"name = '{lock}'") == []


def test_a_server_lost_in_the_middle_of_a_promotion_leaves_the_old_champion_and_the_next_one_ends_it(
    remote, make_files, monkeypatch
):
    for seed in (1, 2):
        add(remote, make_files(seed))
    move(remote, 1, None)
    with monkeypatch.context() as patch:

        def lose(*_: object) -> None:
            raise requests.ConnectionError("Connection refused")

        patch.setattr(remote.client, "set_registered_model_alias", lose)
        with pytest.raises(ResourceError, match="does not answer"):
            move(remote, 2, 1)
    assert aliases(remote, "churn")["champion"] == 1
    move(remote, 2, 1)
    assert aliases(remote, "churn")["champion"] == 2


def test_the_models_of_another_business_are_left_alone(remote, make_files, tmp_path):
    add(remote, make_files(1))
    other = open_server(tmp_path / "other", remote.server, run_group="another")
    with pytest.raises(ConfigError, match=f"is of the business {remote.run_group}"):
        add(other, make_files(2))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A config with a server and a password in its address."""
    monkeypatch.setenv(USER, "x")
    monkeypatch.delenv(USER)
    monkeypatch.setenv(PASSWORD, "x")
    monkeypatch.delenv(PASSWORD)
    configure(tmp_path, draw_extract(1, customers=1200))
    for path, change in (("telecom.yaml", {"tracking": {"uri_env": VARIABLE}}), ("churn.yaml", {})):
        content = yaml.safe_load((tmp_path / path).read_text())
        if path == "churn.yaml":
            change = {"candidates": ["logistic"], "gates": content["gates"] | {"min_gain_over_baseline": -1.0}}
        (tmp_path / path).write_text(yaml.safe_dump(content | change))
    return tmp_path / "telecom.yaml"


def test_train_and_score_work_from_the_server_and_print_no_password(shop, registry, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, registry.replace("http://", f"http://crm:{SECRET}@"))
    trained = run_verb("train", "--config", str(shop))
    assert trained.code == 0, trained.err + trained.out
    scored = run_verb("score", "--config", str(shop), "--as-of", "2026-10-01", "--json")
    assert scored.code == 0, scored.err
    summary = json.loads(scored.out)
    assert len(pd.read_parquet(summary["path"])) == summary["rows"] == 1200
    health = run_verb("doctor", "--config", str(shop))
    assert health.code == 0 and registry in health.out, health.out
    said = "".join(one.out + one.err for one in (trained, scored, health))
    assert SECRET not in said
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert written and not [path for path in written if SECRET.encode() in path.read_bytes()]
    monkeypatch.setenv(VARIABLE, f"http://crm:{SECRET}@127.0.0.1:{free_port()}")
    lost = run_verb("score", "--config", str(shop), "--as-of", "2026-10-02")
    assert lost.code == 6 and "does not answer" in lost.err and SECRET not in lost.err
    assert not (tmp_path / "state" / "out" / "scores" / "2026-10-02").exists()


@pytest.mark.parametrize(
    ("answer", "told"), [(404, "no MLflow server answers there"), (401, "refused the user or password")]
)
def test_what_is_no_mlflow_server_or_lets_nobody_in_is_named(shop, monkeypatch, answer, told):
    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{server.server_port}")
        run = run_verb("score", "--config", str(shop), "--as-of", "2026-10-01")
        server.shutdown()
    assert run.code == 6 and told in run.err


@pytest.mark.parametrize("value", ["", f"sqlite:///{SECRET}.db", f"postgresql://crm:{SECRET}@db/mlflow", "http://"])
def test_an_address_that_is_none_is_refused_without_its_value(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigError, match=f"tracking.uri_env: the environment variable {VARIABLE}") as refusal:
        find_server(TrackingSettings(uri_env=VARIABLE))
    assert SECRET not in str(refusal.value)


def test_two_passwords_are_refused_since_mlflow_knows_one(monkeypatch):
    monkeypatch.setenv(USER, "crm")
    monkeypatch.setenv(PASSWORD, "other")
    monkeypatch.setenv(VARIABLE, f"https://crm:{SECRET}@mlflow.example/base/")
    with pytest.raises(ConfigError, match="different users or passwords"):
        find_server(TrackingSettings(uri_env=VARIABLE))
    monkeypatch.setenv(PASSWORD, SECRET)
    found = find_server(TrackingSettings(uri_env=VARIABLE))
    assert found == Server(uri="https://mlflow.example/base", registry_uri="https://mlflow.example/base")
