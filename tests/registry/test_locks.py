import json
import os
import subprocess
import sys
import textwrap

import pytest

from netlift.errors import BusyError, ResourceError
from netlift.registry.locks import Process, exclusive, is_running, read_process, this_process

HOLD = """
import sys, time
from pathlib import Path
from netlift.registry.locks import exclusive
with exclusive(Path(sys.argv[1]), timeout_seconds=5, holder="train churn"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold_elsewhere(path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "held"
    return process


def test_a_second_process_is_told_who_holds_the_lock_and_gets_it_when_the_holder_is_killed(tmp_path):
    path = tmp_path / "locks" / "train.lock"
    holder = hold_elsewhere(path)
    try:
        with pytest.raises(BusyError, match=rf"train churn \(pid {holder.pid}\) since 20"):
            with exclusive(path, timeout_seconds=0.1, holder="second"):
                pass
    finally:
        holder.kill()
        holder.wait()
    with exclusive(path, timeout_seconds=5, holder="second"):
        assert json.loads(path.with_name("train.lock.json").read_text())["holder"] == "second"
    assert not path.with_name("train.lock.json").exists()


def test_a_lock_is_free_again_after_an_error_inside(tmp_path):
    path = tmp_path / "a.lock"
    with pytest.raises(ZeroDivisionError), exclusive(path, timeout_seconds=0, holder="a"):
        _ = 1 / 0
    with exclusive(path, timeout_seconds=0, holder="b"):
        pass


def test_a_place_that_cannot_be_written_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError), exclusive(tmp_path / "file" / "a.lock", timeout_seconds=0, holder="a"):
        pass


def test_processes_are_known_to_run_or_to_be_dead():
    me = this_process()
    assert is_running(me)
    assert read_process(me.to_json()) == me
    child = subprocess.Popen(
        [sys.executable, "-c", "from netlift.registry.locks import this_process as t; print(t().to_json())"],
        stdout=subprocess.PIPE,
        text=True,
    )
    ended = read_process(child.stdout.readline())
    child.stdout.close()
    assert ended.pid == child.pid
    child.wait()
    assert not is_running(ended)


@pytest.mark.parametrize(
    ("change", "running"),
    [({"boot": "another start"}, False), ({"start": "1"}, False), ({"host": "elsewhere", "boot": "x"}, True)],
)
def test_a_pid_of_another_start_or_process_is_dead_and_one_of_another_machine_is_left_alone(change, running):
    me = this_process()
    fields = {"pid": os.getpid(), "host": me.host, "boot": me.boot, "start": me.start} | change
    assert is_running(Process(**fields)) is running


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "12", '{"pid": "x", "host": 1}'])
def test_a_text_that_is_no_process_is_none(text):
    assert read_process(textwrap.dedent(text)) is None
