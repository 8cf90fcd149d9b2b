"""The servers of compose.yaml as processes of this machine, in folders of their own: for tests and `run_demo.py`."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HOUSE = Path(__file__).parents[1]
USER, WAIT_SECONDS = "netlift", 180
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class MissingError(Exception):
    """A part that this machine does not have, and how to get it."""


@contextmanager
def start_postgres() -> Iterator[str]:
    """The URL of an empty database, of Debian's server, in a temporary folder.

    Raises:
        MissingError: There is no server from version 15 on, or it cannot run here.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found or int(found[-1].parent.name) < 15:
        raise MissingError("no PostgreSQL from 15 on in /usr/lib/postgresql; install Debian's postgresql")
    folder, password, port = Path(tempfile.mkdtemp(prefix="netlift-postgres-")), secrets.token_hex(8), free_port()
    as_server: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            raise MissingError("PostgreSQL does not run as root, and there is no user postgres") from None
        as_server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    tools, options = found[-1], f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"

    def run(*command: str) -> None:
        subprocess.run([*as_server, *command], check=True, capture_output=True, cwd=folder, timeout=WAIT_SECONDS)

    make = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-U", USER, "-E", "UTF8", "--no-sync"]
    try:
        run(str(tools / "initdb"), "-D", str(folder / "data"), "--locale=C.UTF-8", *make)
        run(str(tools / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            run(str(tools / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def start_objects(bucket: str) -> Iterator[dict[str, str]]:
    """The environment in which S3 is a stand-in (moto) with one empty bucket, gone with the process.

    Raises:
        MissingError: There is no `.venv-servers`.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with _serve("moto_server", "-H", "127.0.0.1", "-p", str(port), health=f"{address}/moto-api/data.json"):
        urllib.request.urlopen(urllib.request.Request(f"{address}/{bucket}", method="PUT"), timeout=30).close()
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "stand-in",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def start_mlflow(arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
    """The address of an MLflow server.

    Args:
        arguments: As compose.yaml gives them, but for host and port.
        environment: What it is told beside the environment of this process.

    Raises:
        MissingError: There is no `.venv-servers`.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    own = [*arguments, "--host", "127.0.0.1", "--port", str(port), "--allowed-hosts", f"127.0.0.1:{port}"]
    with _serve("mlflow", *own, health=f"{address}/health", environment=environment):
        yield address


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def _serve(
    program: str, *arguments: str, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    place = HOUSE / ".venv-servers" / "bin" / program
    if not place.exists():
        raise MissingError("no .venv-servers, in which MLflow and the stand-in for S3 run; `make .venv-servers/.ready`")
    with tempfile.TemporaryDirectory(prefix="netlift-server-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                [place, *arguments], env={**os.environ, **QUIET, **(environment or {})}, cwd=folder, stdout=out,
                stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            until = time.monotonic() + WAIT_SECONDS
            while not _answers(health):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{program} did not start:\n{log.read_text()}")
                time.sleep(0.2)
            yield
        finally:
            if server.poll() is None:
                os.killpg(server.pid, 15)
                server.wait(timeout=WAIT_SECONDS)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True
