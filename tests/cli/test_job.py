"""A job's log as JSON lines, and its last run in a metrics file."""

from __future__ import annotations

import json
import re
import warnings
from datetime import datetime

import pytest
from fuzz.verbs import make_shop, run_verb, write_config

from netlift.cli import STOP, app
from netlift.cli.job import Job, JsonLines
from netlift.cli.metrics_file import HELP, LastRun, record_run, update
from netlift.registry.locks import exclusive

METRIC = re.compile(r'^netlift_last_(\w+)\{business="fuzz",verb="(\w+)"(?:,direction="(\w+)")?\} (\S+)$', re.MULTILINE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    for name, frame in (tables := make_shop()).items():
        frame.to_parquet(folder / f"{name}.parquet")
    config = write_config(folder, {name: f"{name}.parquet" for name in tables})
    config.write_text(f"{config.read_text()}operations: {{metrics_file: metrics/netlift.prom}}\n")
    return config


def read_metrics(config):
    found = METRIC.findall((config.parent / "metrics" / "netlift.prom").read_text())
    return {(name, verb, way): float(value) for name, verb, way, value in found}


def read_log(err):
    return [json.loads(line) for line in err.splitlines()]


def test_every_verb_takes_the_option():
    from typer.main import get_command

    verbs = get_command(app).commands
    assert len(verbs) > 10
    for verb in verbs.values():
        options = {word for param in verb.params for word in param.opts}
        assert {"--log-format", "--json", "-c" if "config" in {p.name for p in verb.params} else "--json"} <= options
    assert "--as-of" in {word for param in verbs["score"].params for word in param.opts}


def test_a_run_is_one_json_object_a_line_and_its_metrics_stand(shop, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    run = run_verb("check", "--config", str(shop), "--log-format", "json")
    assert run.code == 0 and run.out
    log = read_log(run.err)
    assert [line["event"] for line in (log[0], log[-1])] == ["begin", "end"]
    assert {line["verb"] for line in log} == {"check"} and len({line["run_id"] for line in log}) == 1
    assert all(datetime.fromisoformat(line["time"]).tzinfo and line["level"] == "info" for line in log)
    rows = sum(len(frame) for frame in make_shop().values())
    assert log[-1]["exit_code"] == 0 and log[-1]["counts"] == {"in": rows}
    metrics = read_metrics(shop)
    assert metrics[("run_exit_code", "check", "")] == 0 and metrics[("run_rows", "check", "in")] == rows
    assert metrics[("run_duration_seconds", "check", "")] == log[-1]["seconds"]
    assert metrics[("run_timestamp_seconds", "check", "")] == metrics[("success_timestamp_seconds", "check", "")]


def test_a_failure_is_a_line_too_and_keeps_the_time_of_the_last_success(shop, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    run_verb("check", "--config", str(shop))
    before = read_metrics(shop)
    hidden = shop.parent / "hidden.parquet"
    (shop.parent / "customers.parquet").rename(hidden)
    run = run_verb("check", "--config", str(shop), "--log-format", "json")
    hidden.rename(shop.parent / "customers.parquet")
    *_, error, end = read_log(run.err)
    assert (error["level"], error["event"], end["level"], end["exit_code"]) == ("error", "error", "error", 3)
    assert "customers" in error["message"] and "CANARY" not in run.err
    after = read_metrics(shop)
    assert after[("run_exit_code", "check", "")] == 3 and ("run_rows", "check", "in") not in after
    success = ("success_timestamp_seconds", "check", "")
    assert after[success] == before[success] < after[("run_timestamp_seconds", "check", "")]


def test_the_metrics_of_other_verbs_stay_and_are_in_the_format(tmp_path):
    place = tmp_path / "netlift.prom"
    record_run(place, LastRun(business="a", verb="score", exit_code=0, seconds=2.0, ended=10.0, counts={"in": 7}))
    record_run(place, LastRun(business="a", verb="decide", exit_code=4, seconds=1.0, ended=11.0))
    record_run(place, LastRun(business="b", verb="score", exit_code=5, seconds=3.0, ended=12.0))
    text = place.read_text()
    assert text.count('verb="score"') == 8 and text.count('verb="decide"') == 3
    assert 'netlift_last_success_timestamp_seconds{business="a",verb="score"} 10.0' in text
    assert [line for line in text.splitlines() if line.startswith("# TYPE")] == [
        f"# TYPE netlift_last_{name} gauge" for name in HELP
    ]
    assert update(text, LastRun(business="b", verb="score", exit_code=5, seconds=3.0, ended=12.0)) == text
    assert not list(tmp_path.glob(".staging*"))


def test_a_metrics_file_that_cannot_be_written_is_told_and_changes_no_exit_code(shop, monkeypatch):
    monkeypatch.setattr("netlift.cli.metrics_file.LOCK_SECONDS", 0.0)
    with exclusive(shop.parent / "metrics" / ".netlift.prom.lock", timeout_seconds=0, holder="another job"):
        run = run_verb("check", "--config", str(shop))
    assert run.code == 0 and "the metrics file was not written" in run.err


def test_another_format_is_refused(shop):
    run = run_verb("check", "--config", str(shop), "--log-format", "xml")
    assert run.code == 2 and "is text or json" in run.err


def test_steps_tell_their_stage_and_counts_and_letters_that_steer_are_gone(capsys):
    job = Job(lambda: datetime.fromisoformat("2026-11-30T22:00:00+00:00"))
    job.begin("train", as_json=True)
    progress = JsonLines(job, STOP.heed)
    progress.stage("ltv", "fitting\x1b[2J on 3 rows")
    progress.note("ltv", "a tick")
    progress.advance("ltv", 2, 6, "stack judged")
    _, stage, step = read_log(capsys.readouterr().err)
    assert stage["stage"] == step["stage"] == "fitting [2J on 3 rows" and stage["task"] == "ltv"
    assert step["counts"] == {"done": 2, "total": 6} and step["message"] == "stack judged"
    assert step["run_id"].startswith("train-20261130T220000-")
