"""A Spark cluster of two workers, one of whose executors is killed: what is scored and decided is as on one machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
import pytest
import scoring_world
from decide_world import NOW, configure, decide, make_world, read_run
from scoring_world import AS_OF, KILLED_ONCE, at_spark, make_scorers, make_strange
from servers import free_port

from netlift.config.business import load
from netlift.decisions.run import scores
from netlift.pipelines import score
from netlift.pipelines.score import score_business
from netlift.progress import Silent
from netlift.results import to_plain

pyspark = pytest.importorskip("pyspark", reason="Spark's client is not installed: pip install 'netlift[spark]'")
if shutil.which("java") is None:
    pytest.skip("Java 17 is not installed, which Spark runs on", allow_module_level=True)

pytestmark = pytest.mark.slow
OF_THE_RUN = {"run_key", "path", "seconds", "digests", "written"}
QUIET = {"progress": Silent(), "now": NOW, "lock_timeout": 0}
SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"


@contextmanager
def process(*command: str, folder: Path, environment: dict[str, str], ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the cluster, from when its log says that it is ready."""
    log = folder / f"{len([*folder.glob('*.log')])}.log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [*command], env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=out
        )
    try:
        for _ in range(3000):
            if ready in log.read_text(errors="replace"):
                break
            assert running.poll() is None, log.read_text(errors="replace")
            time.sleep(0.2)
        else:
            raise AssertionError(log.read_text(errors="replace"))
        yield running
    finally:
        running.stdin.close()
        running.terminate()
        running.wait(timeout=60)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Where the executor that is killed says so."""
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def remote(tmp_path_factory, killed) -> Iterator[str]:
    folder, port, master = tmp_path_factory.mktemp("cluster"), free_port(), f"spark://127.0.0.1:{free_port()}"
    worlds, source = Path(scoring_world.__file__).parent, Path(score.__file__).parents[2]
    environment = os.environ | {
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{source}{os.pathsep}{worlds}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "OMP_NUM_THREADS": "1",
        KILLED_ONCE: str(killed),
    }
    at = {"folder": folder, "environment": environment}
    host = ["--host", "127.0.0.1", "--webui-port", "0"]
    with ExitStack() as running:
        own = ["org.apache.spark.deploy.master.Master", *host, "--port", master.rpartition(":")[2]]
        running.enter_context(process(str(SPARK_CLASS), *own, ready="New state: ALIVE", **at))
        for number in range(2):
            work = ["-c", "1", "-m", "1g", "-d", str(folder / f"work{number}"), master]
            own = ["org.apache.spark.deploy.worker.Worker", *host, *work]
            running.enter_context(process(str(SPARK_CLASS), *own, ready="Successfully registered", **at))
        own = [str(worlds / "spark_server.py"), str(port), str(folder / "local"), master]
        running.enter_context(process(sys.executable, *own, ready="ready\n", **at))
        yield f"sc://localhost:{port}"


@pytest.fixture
def shop(tmp_path) -> Path:
    make_world(tmp_path, customers=400)
    make_strange(tmp_path)
    return tmp_path


def lost(killed: Path) -> bool:
    """Whether an executor was killed since the last time."""
    (killed / "killed").unlink()
    return True


def test_an_executor_that_is_killed_changes_no_score_and_counts_nothing_twice(shop, remote, killed, monkeypatch):
    scorers = make_scorers(configure(shop))
    monkeypatch.setattr(score, "load_champions", lambda _: scorers)
    made = []
    for config in (configure(shop), at_spark(shop, remote, partitions=4)):
        settings = load(config)
        state = shop / f"var-{settings.engine.kind}"
        (state / "cache").mkdir(parents=True)
        if settings.engine.kind == "spark":
            monkeypatch.setattr(score, "_score_part", scoring_world.score_on_a_lost_executor)
        made.append(score_business(settings.model_copy(update={"state": state}), as_of=AS_OF, run_key="night", **QUIET))
    assert lost(killed)
    whole, parts = (pd.read_parquet(each.path).sort_values("customer_id", ignore_index=True) for each in made)
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)
    one, other = ({name: value for name, value in to_plain(each).items() if name not in OF_THE_RUN} for each in made)
    assert one == other and made[0].rows > 300
    assert not [*(shop / "var-spark" / "cache").iterdir()], "nothing of the staging is left"


def test_an_executor_that_is_killed_changes_no_decision(shop, remote, killed, monkeypatch):
    runs = []
    for config in (configure(shop), at_spark(shop, remote, partitions=4)):
        shutil.rmtree(shop / "var" / "out", ignore_errors=True)
        if runs:
            monkeypatch.setattr(scores, "_score_part", scoring_world.predict_on_a_lost_executor)
        runs.append(read_run(decide(config, monkeypatch, checked=True)))
    assert lost(killed)
    for name, whole in runs[0].items():
        pd.testing.assert_frame_equal(runs[1][name], whole, check_exact=True)
    assert len(runs[0]["lists"]) > 50
