"""The desk's process: its socket, the key of its sessions, and a worker beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from netlift.config.business import BusinessSettings
from netlift.data.write import write_bytes
from netlift.errors import UsageError
from netlift.registry.locks import exclusive
from netlift.web.jobs import Jobs

SECRET, OWNER_ONLY, SECRET_BYTES = "desk/secret", 0o600, 32
AGAIN_SECONDS, LEAVE_SECONDS, WAITING = 2.0, 10, 64


def serve_desk(
    app: FastAPI, *, config: Path, host: str, port: int, with_worker: bool, tell: Callable[[str], object]
) -> None:
    """Serve the desk until the process is told to stop.

    Args:
        app: The desk.
        config: The business's file, for the worker.
        host: Address to bind.
        port: Its port; 0 for a free one.
        with_worker: Whether a worker runs beside it, and is begun again where it dies.
        tell: Is given the address once it is bound.

    Raises:
        UsageError: The address cannot be bound.
    """
    how = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who calls is who opened the connection, whatever a header says
        lifespan="off",
        timeout_graceful_shutdown=LEAVE_SECONDS,
    )
    with _bound(host, port) as bound:
        shown = f"[{host}]" if ":" in host else host
        tell(f"http://{shown}:{bound.getsockname()[1]}/")
        with _worker(config, begun=with_worker):
            uvicorn.Server(how).run(sockets=[bound])


def open_jobs(settings: BusinessSettings, fresh: Callable[[], str]) -> Jobs:
    """The jobs of a business, for a worker."""
    return Jobs(settings.state, read_secret(settings.state, fresh))


def read_secret(state: Path, fresh: Callable[[], str]) -> bytes:
    """The key of the sessions and of the queue, made once; nobody but its owner can read it."""
    path = state / SECRET
    with exclusive(state / "locks" / "secret.lock", timeout_seconds=10, holder="desk secret"):
        if not path.exists():
            write_bytes(path, fresh().encode(), mode=OWNER_ONLY)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise UsageError(f"{path} is no key; remove it, and start again: everybody signs in once more")
    return secret


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(WAITING)
            yield bound
    except OSError as error:
        raise UsageError(f"--host {host} --port {port}: cannot be served there ({error.strerror})") from error


@contextmanager
def _worker(config: Path, *, begun: bool) -> Iterator[None]:
    """A worker for the length of the block; the one that runs at its end finishes its job first."""
    stop = threading.Event()
    living: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        command = [sys.executable, "-m", "netlift", "worker", "--config", str(config), "--parent", str(os.getpid())]
        while not stop.is_set():
            living[:] = [subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)]
            living[0].wait()
            stop.wait(AGAIN_SECONDS)

    keeper = threading.Thread(target=keep, daemon=True)
    if begun:
        keeper.start()
    try:
        yield
    finally:
        stop.set()
        for process in living:
            process.terminate()


__all__ = ["open_jobs", "read_secret", "serve_desk"]
