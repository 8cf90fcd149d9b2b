"""The worker: takes jobs from the queue and runs each as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from netlift.registry.locks import exclusive
from netlift.web.jobs import MOST_ATTEMPTS, Jobs, OrderedJob

LOCK_TIMEOUT, INTERRUPTED, AT_ONCE = 3_600, 130, 2
PARENT_SECONDS = 1.0


def run_worker(jobs: Jobs, config: Path, *, clock: Callable[[], datetime], parent: int = 0) -> int:
    """Run jobs until the process is told to stop, or its parent is gone; a job that runs is finished first.

    Args:
        jobs: Of the business.
        config: The business's file, for the verbs.
        clock: Tells the time.
        parent: Process without which this one stops; 0 for none.

    Returns:
        How many runs of jobs ended.

    Raises:
        BusyError: Another worker of this business runs.
    """
    with exclusive(jobs.state / "desk" / "worker.lock", timeout_seconds=0, holder="worker of the desk"):
        jobs.recover()
        ended: list[OrderedJob] = []
        queue = jobs.queue(lambda job_id: ended.append(run_job(jobs, job_id, config, clock=clock)))
        consumer = queue.huey.create_consumer(workers=AT_ONCE, max_delay=1.0, periodic=False, graceful_signal="TERM")
        if parent:
            threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()
        consumer.run()
    return len(ended)


def run_job(jobs: Jobs, job_id: str, config: Path, *, clock: Callable[[], datetime]) -> OrderedJob:
    """Run one job to its end and write down how it ended; one that has ended already is left alone.

    Args:
        jobs: Of the business.
        job_id: Which.
        config: The business's file.
        clock: Tells the time.
    """
    job = jobs.find(job_id)
    if job.is_over:
        return job
    job = replace(job, state="running", attempts=job.attempts + 1, started_at=clock().isoformat(), error="")
    jobs.write(job)
    given = ["--config", str(config), "--json", "--lock-timeout", str(LOCK_TIMEOUT)]
    try:
        with jobs.log_path(job_id).open("wb") as log:
            ended = subprocess.run(
                [sys.executable, "-m", "netlift", job.verb, *given, *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "NETLIFT_PROGRESS": "lines", "NETLIFT_LOG_FORMAT": "text"},
                check=False,
            )
    except OSError as error:
        job = replace(
            job,
            state="failed",
            ended_at=clock().isoformat(),
            error=f"{job.verb} could not be started ({error.strerror}); free memory or disk, and order it again",
        )
    else:
        job = _ended(jobs, job, ended.returncode, ended.stdout, clock().isoformat())
    jobs.write(job)
    if not job.is_over:  # cut off from outside: once more
        jobs.enqueue(job_id)
    return job


def _ended(jobs: Jobs, job: OrderedJob, code: int, output: bytes, now: str) -> OrderedJob:
    if code in (INTERRUPTED, -signal.SIGTERM, -signal.SIGKILL) and job.attempts < MOST_ATTEMPTS:
        return replace(job, state="queued")
    kind, key = _result(output)
    if code == 0 or kind:  # a verb that refuses may have written why: a design that is not worth its cost
        return replace(
            job, state="done", ended_at=now, kind=kind, key=key, error="" if code == 0 else _reason(jobs, job)
        )
    return replace(job, state="failed", ended_at=now, error=_reason(jobs, job) or f"exit code {code}")


def _result(output: bytes) -> tuple[str, str]:
    """Kind and key of the run folder that a verb says it wrote."""
    try:
        told = json.loads(output)
        path = Path(told.get("pages") or told["path"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", ""
    return path.parent.name, path.name


def _reason(jobs: Jobs, job: OrderedJob) -> str:
    """The verb's own last words."""
    lines = jobs.lines(job)
    start = max((i for i, line in enumerate(lines) if line.startswith("netlift: ")), default=None)
    return "" if start is None else " ".join(lines[start:]).removeprefix("netlift: ")


def _stop_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


__all__ = ["run_job", "run_worker"]
