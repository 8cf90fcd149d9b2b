"""Readouts and designs on order: what the verb is asked, and that an order outlives what is killed."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from desk_world import CSRF, NOW, SECRET, browse, open_desk, send, write_config

from netlift.config.business import load
from netlift.errors import BusyError
from netlift.registry.locks import exclusive
from netlift.web import worker
from netlift.web.jobs import Command, Jobs

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, {})


def jobs_of(config, secret: bytes = SECRET) -> Jobs:
    return Jobs(load(config).state, secret)


def test_a_form_becomes_the_command_that_was_asked_for_and_is_not_ordered_twice(config):
    browser, asked = browse(open_desk(config)), {"campaign": "--help", "language": "en", "segments": ["region"]}
    asked |= {"tolerance": "0", "as_of": "2026-05-01", "pdf": "true"}
    places = [send(browser, "/readouts/new", "/readouts/new", **asked).headers["location"] for _ in range(2)]
    assert places[0] == places[1]
    (job,) = jobs_of(config).all()
    assert job.arguments == (
        "--lang=en", "--as-of=2026-05-01", "--by=region", "--tolerance=0.0", "--pdf", "--", "--help",
    )  # fmt: skip
    assert (job.verb, job.subject, job.who, job.state) == ("readout", "--help", "local", "queued")
    page = browser.get(places[0]).text
    assert f'data-refresh="{places[0]}/progress"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "No worker runs" in page
    other = send(browser, "/readouts/new", "/readouts/new", campaign="C9", language="ru").headers["location"]
    assert other != places[0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "name a campaign or a plan, and not both"),
        ({"campaign": "C1", "plan": "elsewhere"}, "not both"),
        ({"plan": "../../etc"}, "no such plan"),
        ({"campaign": "/etc/passwd"}, "not a path"),
        ({"campaign": "../shop.yaml"}, "not a path"),
        ({"campaign": "C1", "segments": ["phone"]}, "none of region, acquisition_channel"),
        ({"campaign": "C1", "tolerance": "much"}, "tolerance: "),
        ({"campaign": "C1", "tolerance": "-1"}, "tolerance: "),
        ({"campaign": "C1", "as_of": "yesterday"}, "as_of: "),
        ({"campaign": "C1", "language": "de"}, "language: "),
        ({"campaign": "x" * 201}, "campaign: "),
    ],
)
def test_a_form_that_asks_for_nothing_sensible_is_shown_again_with_the_reason(config, wrong, said):
    answer = send(browse(open_desk(config)), "/readouts/new", "/readouts/new", **wrong)
    assert answer.status_code == 400
    assert said in answer.text
    assert jobs_of(config).all() == []


class Ended:
    def __init__(self, returncode, stdout=b""):
        self.returncode, self.stdout = returncode, stdout


@pytest.mark.parametrize(
    ("codes", "state", "attempts"),
    [((0,), "done", 1), ((3,), "failed", 1), ((-9, 0), "done", 2), ((-15, -9), "failed", 2), ((130, 0), "done", 2)],
)
def test_a_job_that_was_cut_off_runs_once_more_and_no_oftener(config, monkeypatch, codes, state, attempts):
    jobs, left = jobs_of(config), list(codes)
    asked = []

    def run(args, **how):
        asked.append(args)
        code = left.pop(0)
        return Ended(code, b"" if code else b'{"path": "/x/out/readouts/C1-2026"}')

    monkeypatch.setattr(worker.subprocess, "run", run)
    jobs.order("a1", Command(verb="readout", arguments=("--", "C1"), subject="C1"), who="A", now=NOW)
    for _ in range(3):
        job = worker.run_job(jobs, "a1", config, clock=lambda: NOW)
    assert (job.state, job.attempts, len(asked)) == (state, attempts, attempts)
    assert asked[0][3:5] == ["readout", "--config"]
    if codes[-1] == 0:
        assert (job.kind, job.key) == ("readouts", "C1-2026")


@pytest.mark.parametrize("cannot", ["start", "keep_its_lines"])
def test_a_job_that_cannot_be_started_has_failed_and_says_why(config, monkeypatch, cannot):
    jobs = jobs_of(config)
    jobs.order("a1", Command(verb="readout", arguments=("--", "C1"), subject="C1"), who="A", now=NOW)
    if cannot == "start":

        def run(*args, **how):
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

        monkeypatch.setattr(worker.subprocess, "run", run)
    else:
        jobs.log_path("a1").mkdir()
    job = worker.run_job(jobs, "a1", config, clock=lambda: NOW)
    assert jobs.find("a1") == job
    assert (job.state, job.attempts, job.ended_at) == ("failed", 1, NOW.isoformat())
    assert "readout could not be started (" in job.error


def test_what_a_killed_worker_left_is_queued_again_once_and_the_queue_runs_nothing_unsigned(config):
    jobs = jobs_of(config)
    for name in ("a1", "a2", "a3"):
        jobs.order(name, Command(verb="readout", arguments=("--", name), subject=name), who="A", now=NOW)
    queue = jobs.queue().huey
    while queue.dequeue():
        pass  # taken by a worker that was killed
    jobs.write(replace(jobs.find("a1"), state="running", attempts=1))
    jobs.write(replace(jobs.find("a2"), state="running", attempts=2))
    assert {job.id: job.state for job in jobs.recover()} == {"a1": "queued", "a2": "failed", "a3": "queued"}
    assert jobs.recover() == ()
    assert sorted(task.args[0] for task in jobs.queue().huey.pending()) == ["a1", "a3"]
    stranger = Jobs(load(config).state, b"another key of another server !!")
    assert stranger.queue().huey.pending() == []


def test_one_lock_a_campaign_not_a_business(shop_to_change):
    from netlift.pipelines.readout import ReadoutOrder, make_readout
    from netlift.progress import Silent

    settings, asked = load(shop_to_change), {"progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    locks = settings.state / "locks"
    with exclusive(locks / "readout-C2.lock", timeout_seconds=0, holder="readout C2"):
        assert not make_readout(settings, ReadoutOrder(target="K1", language="ru"), **asked).written
    with exclusive(locks / "readout-K1.lock", timeout_seconds=0, holder="readout K1"), pytest.raises(BusyError):
        make_readout(settings, ReadoutOrder(target="K1", language="ru"), **asked)


class Served:
    """A desk as a process of its own."""

    def __init__(self, config: Path) -> None:
        command = [sys.executable, "-m", "netlift", "serve", "--config", str(config), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=config.parent, text=True)
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0].rstrip("/")
        self.state = load(config).state

    def worker(self) -> int:
        note = self.state / "desk" / "worker.lock.json"
        wait_for(lambda: note.exists() and self._pid(note))
        return self._pid(note)

    @staticmethod
    def _pid(note: Path) -> int:
        found = re.search(r'"pid\\": (\d+)', note.read_text()) if note.exists() else None
        return int(found[1]) if found else 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def wait_for(happens):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_an_order_outlives_server_and_worker_killed_in_the_middle_of_it(shop_to_change):
    jobs = jobs_of(shop_to_change)
    desk = Served(shop_to_change)
    try:
        with httpx2.Client(base_url=desk.address, trust_env=False) as browser:
            token = CSRF.search(browser.get("/readouts/new").text)[1]
            ordered = browser.post("/readouts/new", data={"csrf": token, "campaign": "K1", "language": "en"})
        job_id = ordered.headers["location"].rpartition("/")[2]
        first = desk.worker()
        wait_for(lambda: jobs.find(job_id).state == "running")
        os.kill(first, signal.SIGKILL)
    finally:
        desk.kill()
    assert jobs.find(job_id).state == "running"
    again = Served(shop_to_change)
    try:
        job = wait_for(lambda: (found := jobs.find(job_id)).is_over and found)
        assert again.worker() != first
    finally:
        again.kill()
    assert (job.state, job.attempts, job.kind) == ("done", 2, "readouts"), job.error
    made = (load(shop_to_change).state / "out" / "readouts").glob("*-en*/manifest.json")
    assert [run.parent.name for run in made] == [job.key]
