"""File lock for one process at a time, released on exit, with a note of its holder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from netlift.data.write import require_free_space, write_bytes
from netlift.errors import BusyError, ResourceError


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


ABANDONED_SECONDS = 86_400.0
MOMENTARY = ("registry.lock", "store.lock")  # taken inside of jobs, for a moment


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float, holder: str) -> Iterator[None]:
    """Hold a lock for the length of the block.

    The lock is the system's own on the file, so that a killed holder frees it; the note beside it, `<path>.json`, only
    names the holder. Not for network file systems.

    Args:
        path: The lock file; made where it is missing.
        timeout_seconds: How long to wait for another process; 0 asks once.
        holder: What the holder does, for those who wait, such as "train churn".

    Raises:
        BusyError: Another process held it for all that time; the message names its pid.
        ResourceError: The place cannot be written.
    """
    from filelock import FileLock, Timeout

    note = path.with_name(path.name + ".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=timeout_seconds)
        lock.acquire()
    except Timeout as error:
        raise BusyError(f"{path}: held by {_describe(note)}; waited {timeout_seconds:g} s, try again later") from error
    except OSError as error:
        raise ResourceError(f"{path}: no lock can be made there ({error.strerror})") from error
    try:
        write_bytes(note, json.dumps({"holder": holder, "process": this_process().to_json()}).encode())
        yield
    finally:
        with suppress(OSError):  # the note of who has gone says nothing
            note.unlink(missing_ok=True)
        lock.release()


@contextmanager
def job(
    state: Path, name: str, *, timeout_seconds: float, holder: str = "", needed_mb: float = 100.0
) -> Iterator[None]:
    """Hold the lock of a job that writes below a state folder, where the disk has room for it.

    Args:
        state: The folder of a business.
        name: Of the lock; two jobs of one name wait for each other.
        timeout_seconds: How long to wait for another.
        holder: What the job does, for those who wait; its name where it is empty.
        needed_mb: Room that it needs.

    Raises:
        BusyError: Another job of that name ran for all that time.
        ResourceError: Less room is free, or the place cannot be written.
    """
    require_free_space(state, needed_mb=needed_mb)
    with exclusive(state / "locks" / f"{name}.lock", timeout_seconds=timeout_seconds, holder=holder or name):
        yield


@contextmanager
def all_jobs(folder: Path, *, holder: str, timeout_seconds: float = 0.0) -> Iterator[None]:
    """Hold the locks of all jobs that ever ran here; those that are named by a key leave theirs behind.

    Args:
        folder: The folder of locks.
        holder: What the holder does, for those who wait.
        timeout_seconds: How long to wait for each.

    Raises:
        BusyError: A job runs.
    """
    always = (folder / f"{name}.lock" for name in ("train", "decide"))
    with ExitStack() as held:
        for lock in sorted({*always, *folder.glob("*.lock")}):
            if lock.name not in MOMENTARY:
                held.enter_context(exclusive(lock, timeout_seconds=timeout_seconds, holder=holder))
        yield


def find_holders(folder: Path) -> tuple[str, ...]:
    """Who holds the locks of a folder now, as far as their notes tell; the note of a killed holder does not count."""
    notes = sorted(folder.glob("*.lock.json"))
    return tuple(_describe(note) for note in notes if (process := _process(note)) is not None and is_running(process))


def find_abandoned(folder: Path, *, now: datetime) -> tuple[str, ...]:
    """Who is said to hold locks from another machine for over a day, whom nobody here can ask whether he lives."""
    found = []
    for note in sorted(folder.glob("*.lock.json")):
        process = _process(note)
        if process is not None and process.host != this_process().host:
            if now.timestamp() - note.stat().st_mtime > ABANDONED_SECONDS:
                found.append(f"{_describe(note)} on {process.host}")
    return tuple(found)


def _process(note: Path) -> Process | None:
    try:
        return read_process(json.loads(note.read_text())["process"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _describe(note: Path) -> str:
    """The holder, its pid and since when, as far as the note tells."""
    try:
        content = json.loads(note.read_text())
        process = read_process(content["process"])
        since = datetime.fromtimestamp(note.stat().st_mtime, tz=UTC)
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
    pid = process.pid if process else "unknown"
    return f"{content.get('holder')} (pid {pid}) since {since:%Y-%m-%d %H:%M:%S} UTC"
