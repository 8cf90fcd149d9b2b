"""Verbs ordered as jobs: a record of each on disk, and a queue that a worker takes them from.

The record is written before the queue is, and tells how often the job was begun: so neither a killed server nor a
killed worker loses an order, and a job that was cut off runs again once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from huey import SqliteHuey
from huey.serializer import SignedSerializer

from netlift.data.write import write_bytes
from netlift.registry.locks import find_holders
from netlift.text import clean
from netlift.web.store import NotStoredError

State = Literal["queued", "running", "done", "failed"]
MOST_ATTEMPTS, TASK = 2, "run"
OWNER_ONLY = 0o600


@dataclass(frozen=True, kw_only=True)
class Job:
    """A verb that somebody ordered.

    Attributes:
        id: Its own.
        verb: Of the command line.
        arguments: Behind it.
        subject: What it is about, as people call it.
        who: Who ordered it.
        ordered_at: When, ISO 8601.
        state: How far it came.
        attempts: How often it was begun.
        started_at: When it was begun last; empty before.
        ended_at: When it ended; empty before.
        error: Why it failed, as the verb said it.
        kind: Folder below `out` that holds its result; empty where it has none.
        key: Run key of the result.
    """

    id: str
    verb: str
    arguments: tuple[str, ...]
    subject: str
    who: str
    ordered_at: str
    state: State = "queued"
    attempts: int = 0
    started_at: str = ""
    ended_at: str = ""
    error: str = ""
    kind: str = ""
    key: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The queue on disk and its one task.

    Attributes:
        huey: The queue.
        run: Queues a job's id.
    """

    huey: SqliteHuey
    run: Callable[[str], object]


@dataclass(frozen=True)
class Jobs:
    """The jobs of a business.

    Attributes:
        state: Folder of the business's state.
        secret: Signs what the queue holds, so that nothing else is ever run from it.
    """

    state: Path
    secret: bytes = field(repr=False)
    _read: dict[Path, tuple[int, Job]] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """Where the records stand."""
        return self.state / "desk" / "jobs"

    def order(
        self, job_id: str, verb: str, arguments: tuple[str, ...], *, subject: str, who: str, now: datetime
    ) -> Job:
        """Write a job down and queue it.

        Args:
            job_id: Random text, its own.
            verb: Of the command line.
            arguments: Behind it, without `--config`.
            subject: What it is about, as people call it.
            who: Who orders it.
            now: Time of the order.

        Raises:
            ResourceError: The disk is full or the place cannot be written.
        """
        job = Job(
            id=job_id, verb=verb, arguments=arguments, subject=clean(subject), who=who, ordered_at=now.isoformat()
        )
        self.write(job)
        self.enqueue(job_id)
        return job

    def enqueue(self, job_id: str) -> None:
        """Queue a job whose record stands."""
        self.queue().run(job_id)

    def queue(self, run: Callable[[str], object] | None = None) -> Queue:
        """The queue, in a file of its own.

        Args:
            run: What a worker does with a job's id; None where jobs are only queued.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        huey = SqliteHuey(
            "desk",
            filename=str(self.state / "desk" / "queue.db"),
            results=False,
            serializer=SignedSerializer(secret=self.secret.hex()),
        )

        @huey.task(name=TASK)
        def take(job_id: str) -> None:
            if run is None:
                raise RuntimeError(f"job {job_id}: only a worker runs jobs")
            run(job_id)

        return Queue(huey=huey, run=take)

    def find(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotStoredError: There is none of that id.
        """
        job = self._load(self.folder / f"{job_id}.json") if job_id.isalnum() else None
        if job is None:
            raise NotStoredError("no such job was ordered here")
        return job

    def all(self) -> list[Job]:
        """All jobs, newest first."""
        found = [self._load(path) for path in self.folder.glob("*.json")]
        return sorted((job for job in found if job), key=lambda job: (job.ordered_at, job.id), reverse=True)

    def write(self, job: Job) -> None:
        """Replace a job's record."""
        content = json.dumps(asdict(job), ensure_ascii=False).encode()
        write_bytes(self.folder / f"{job.id}.json", content, mode=OWNER_ONLY)

    def log_path(self, job_id: str) -> Path:
        """Where the verb's own lines go."""
        return self.folder / f"{job_id}.log"

    def lines(self, job: Job) -> tuple[str, ...]:
        """What the verb told so far, cleaned of letters that steer."""
        try:
            text = self.log_path(job.id).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ()
        return tuple(clean(line) for line in text.splitlines()[-50:] if line.strip())

    def has_worker(self) -> bool:
        """Whether a worker lives that will take jobs."""
        return any(holder.startswith("worker ") for holder in find_holders(self.state / "locks"))

    def recover(self) -> tuple[Job, ...]:
        """Queue again what a killed server or worker left behind; call it while no other worker runs.

        Returns:
            The jobs that will run again, or that were cut off too often and have failed.
        """
        waiting = {task.args[0] for task in self.queue().huey.pending()}
        touched = []
        for job in self.all():
            if job.is_over or (job.state == "queued" and job.id in waiting):
                continue
            if job.attempts >= MOST_ATTEMPTS:
                job = replace(job, state="failed", error=f"it was cut off {job.attempts} times")
            else:
                job = replace(job, state="queued")
            self.write(job)
            if job.state == "queued" and job.id not in waiting:
                self.enqueue(job.id)
            touched.append(job)
        return tuple(touched)

    def _load(self, path: Path) -> Job | None:
        try:
            mark = path.stat().st_mtime_ns
            if (known := self._read.get(path)) is not None and known[0] == mark:
                return known[1]
            told: Mapping[str, Any] = json.loads(path.read_bytes())
            job = Job(**{**told, "arguments": tuple(told["arguments"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        self._read[path] = (mark, job)
        return job


__all__ = ["MOST_ATTEMPTS", "Job", "Jobs"]
