"""Who a process is, so that another one can tell later whether it still runs."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of this or another machine.

    Attributes:
        pid: Its number.
        host: The machine's name.
        boot: Id of the machine's start; empty where the system has none.
        start: Ticks from that start to the process's own; empty where the system does not say.
    """

    pid: int
    host: str
    boot: str
    start: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def this_process() -> Process:
    """The process that asks."""
    start, _ = _status(os.getpid())
    return Process(pid=os.getpid(), host=socket.gethostname(), boot=_boot(), start=start)


def read_process(text: str) -> Process | None:
    """The process written by `to_json`, or None where the text is something else."""
    try:
        fields = json.loads(text)
        return Process(pid=int(fields["pid"]), host=fields["host"], boot=fields["boot"], start=fields["start"])
    except (ValueError, TypeError, KeyError):
        return None


def is_running(process: Process) -> bool:
    """Whether a process may still run; one of another machine is taken to run, since nobody here can tell."""
    if process.host != socket.gethostname():
        return True
    if process.boot != _boot():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    start, state = _status(process.pid)
    return state != "Z" and process.start in ("", start)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _status(pid: int) -> tuple[str, str]:
    """Start ticks and state letter of a process, from /proc; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[19], fields[0]
