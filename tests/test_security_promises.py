"""SECURITY.md promises nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_tests_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    rows = re.findall(r"^\| (.+) \| (.+) \|$", text.split("## What is not promised")[0], re.M)[2:]
    assert len(rows) >= 10
    for promise, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert named and [name for name in named if not (ROOT / name).is_file()] == [], promise
    assert "--host 127.0.0.1" in text


def test_every_served_model_in_the_docs_stays_on_loopback() -> None:
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]:
        commands = re.findall(r"^mlflow models serve .*$", page.read_text(), re.M)
        assert [each for each in commands if "--host 127.0.0.1" not in each] == [], page
