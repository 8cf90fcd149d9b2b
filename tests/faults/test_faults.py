"""A sample of the kills and faults that `make faults` puts upon every verb: nothing is lost, and what is said helps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RUN = Path(__file__).with_name("run.py")
SAMPLE = "--kill simulate score --every 21 --verbs score --fault".split()
FAULTS = ("lock of a running", "store deleted", "memory limit", "time set back")


@pytest.fixture(scope="module")
def told(tmp_path_factory, store_template):
    target = tmp_path_factory.mktemp("told") / "told.json"
    command = [sys.executable, "-W", "ignore", str(RUN), *SAMPLE, *FAULTS, "--template", str(store_template)]
    done = subprocess.run([*command, "--json", str(target)], capture_output=True, text=True, check=False, timeout=600)
    assert target.exists(), done.stdout + done.stderr
    return json.loads(target.read_text())


def test_a_verb_that_is_killed_leaves_the_old_or_the_new_and_its_rerun_the_new(told):
    assert [(one["verb"], one["failures"]) for one in told["kills"]] == [("simulate", []), ("score", [])]
    assert all(one["kills"] >= 2 for one in told["kills"])


def test_every_fault_leaves_by_its_own_code_and_is_over_when_it_is_gone(told):
    assert [(one["fault"], one["failures"]) for one in told["faults"] if one["failures"]] == []
    refused = {(one["fault"], code) for one in told["faults"] for code in one["left"] if code != "0"}
    assert {("store deleted", "4"), ("lock of a running job", "5"), ("small memory limit", "6")} <= refused
    assert ("table replaced, its time set back", "5") in refused
