"""Bad input meets a clear message and the right exit code, and leaves nothing half-written.

Where no process is in question the verb runs in this one, which has its imports.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from end_to_end.conftest import Workshop
from fuzz.verbs import run_verb

from netlift.data.write import STAGING_PREFIX
from netlift.registry.locks import exclusive
from netlift.registry.store import open_store

pytestmark = pytest.mark.slow

Change = Callable[[pd.DataFrame], pd.DataFrame]


def broken(workshop: Workshop, folder: Path, **changes: Change) -> str:
    """A config whose tables are the small retailer's, some of them changed; returns its path."""
    data = folder / "data"
    shutil.copytree(workshop.folder / "var" / "demo", data)
    for table, change in changes.items():
        change(pd.read_parquet(data / f"{table}.parquet")).to_parquet(data / f"{table}.parquet")
    text = (workshop.folder / "configs" / "demo.yaml").read_text()
    text = text.replace("../var/demo", str(data)).replace("../models", str(workshop.folder / "models"))
    config = folder / "broken.yaml"
    config.write_text(text.replace("state: ../var", f"state: {folder / 'state'}"))
    return str(config)


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("transactions", lambda t: t.head(0), "transactions"),
        ("transactions", lambda t: t.assign(margin="much"), "transactions.margin"),
        ("transactions", lambda t: t.drop(columns="revenue"), "transactions.revenue"),
        (
            "transactions",
            lambda t: t.assign(margin=t.margin.where(t.index > len(t) // 20, float("inf"))),
            "transactions.margin",
        ),
        ("customers", lambda t: pd.concat([t, t.head(len(t) // 20)]), "check.max_left_out_share"),
        ("customers", lambda t: t.rename(columns={"region": "regoin"}), "did you mean regoin"),
        (
            "customers",
            lambda t: t.assign(joined_at=t.joined_at.where(t.index > len(t) // 20, pd.Timestamp("9999-12-31"))),
            "joined_at",
        ),
    ],
)
def test_broken_tables_stop_with_exit_code_3(
    small: Workshop, tmp_path: Path, table: str, change: Change, told: str
) -> None:
    run = run_verb("train", "--config", broken(small, tmp_path, **{table: change}))
    assert run.code == 3, run.err
    assert told in run.err
    assert "Traceback" not in run.err
    assert not (tmp_path / "state" / "out").exists()


def test_three_mistakes_of_a_config_are_told_at_once(small: Workshop, tmp_path: Path) -> None:
    text = (small.folder / "configs" / "demo.yaml").read_text()
    text = text.replace("currency: RUB", "curency: RUB").replace("threads: 2", "threads: many")
    (tmp_path / "three.yaml").write_text(text.replace("Europe/Moscow", "Europe/Moskow"))
    run = run_verb("check", "--config", str(tmp_path / "three.yaml"))
    assert run.code == 2
    for told in ("curency", "did you mean currency", "engine.threads", "time_zone"):
        assert told in run.err


def test_a_config_that_is_not_there_names_its_neighbour(small: Workshop) -> None:
    run = small.netlift("check --config configs/dmo.yaml")
    assert run.returncode == 2
    assert "did you mean" in run.stderr


def test_check_as_json_is_one_document(small: Workshop) -> None:
    run = small.netlift("check --json")
    assert run.returncode == 0
    assert json.loads(run.stdout)["schema_version"] == 1


def test_scoring_without_a_champion_is_refused(small: Workshop, tmp_path: Path) -> None:
    run = run_verb("score", "--as-of", "2026-10-01", "--config", broken(small, tmp_path))
    assert run.code == 4
    assert "netlift train" in run.err


def test_a_second_training_is_told_who_holds_the_lock(small: Workshop, tmp_path: Path) -> None:
    config = broken(small, tmp_path)
    with exclusive(tmp_path / "state" / "locks" / "train.lock", timeout_seconds=0, holder="train"):
        run = run_verb("train", "--config", config)
    assert run.code == 5
    assert "pid" in run.err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_leaves_nothing_half_written(
    small: Workshop, tmp_path: Path, store_template: Path, sent: signal.Signals
) -> None:
    config = broken(small, tmp_path)
    open_store(tmp_path / "state", run_group="demo", template=store_template)
    with subprocess.Popen(
        [str(small.folder / ".venv/bin/netlift"), "train", "--config", config],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=small.folder,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a test worker may ignore it, and so its children
    ) as job:
        assert job.stderr is not None
        for line in job.stderr:
            if ": fitting on " in line:
                break
        time.sleep(1)
        job.send_signal(sent)
        job.wait(timeout=60)
    assert job.returncode == 130
    assert list((tmp_path / "state").rglob(f"{STAGING_PREFIX}*")) == []
    doctor = run_verb("doctor", "--config", config)
    assert doctor.code == 1, "no champion yet: not well"
    assert "ok  leftovers: 0 half-written" in doctor.out


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("netlift.cli", ("mlflow", "pandas", "numpy", "lightgbm", "ibis", "causalml", "optuna")),
        ("netlift.pipelines.readout", ("mlflow", "pandas", "numba", "lightgbm", "scipy.optimize", "scipy.stats")),
    ],
)
def test_what_is_not_used_is_not_imported(module, heavy) -> None:
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
