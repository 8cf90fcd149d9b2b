"""A copy of the checkout in which the README's commands are run as a newcomer would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CUSTOMERS, TRIALS, CUTOFFS = 6_000, 2, 4
"""A smaller shop, a shorter search and fewer moments to learn from than the README's: the same commands, sooner."""
COPIED = ("README.md", "Makefile", "pyproject.toml", "requirements.lock", "configs", "models")


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A folder to run commands in."""

    folder: Path

    def run(self, command: str, *, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "NETLIFT"))}
        environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "CUSTOMERS": str(CUSTOMERS)}
        return subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def netlift(self, arguments: str, *, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return self.run(f".venv/bin/netlift {arguments}", timeout=timeout)


def make_workshop(folder: Path) -> Workshop:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)
    for model in (folder / "models").glob("*.yaml"):
        text = re.sub(r"trials: \d+", f"trials: {TRIALS}", model.read_text())
        model.write_text(re.sub(r"cutoffs: [78]", f"cutoffs: {CUTOFFS}", text).replace("logistic, ", ""))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return Workshop(folder=folder)


def readme_commands() -> list[str]:
    """The commands that the README shows, in order."""
    text = (ROOT / "README.md").read_text()
    return [
        line[2:]
        for block in re.findall(r"```console\n(.*?)```", text, re.S)
        for line in block.splitlines()
        if line[:2] == "$ "
    ]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, dict[str, subprocess.CompletedProcess[str]]]:
    """The README's commands, run once, in order; `make test` is what runs this."""
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("there is no .venv of `make setup`: the README's commands are run in it")
    workshop = make_workshop(tmp_path_factory.mktemp("workshop"))
    ran = {command: workshop.run(command) for command in readme_commands() if command != "make test"}
    return workshop, ran


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A workshop with a small retailer, to break things in; copy the data before breaking it."""
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("there is no .venv of `make setup`: the commands are run in it")
    workshop = make_workshop(tmp_path_factory.mktemp("small"))
    assert workshop.netlift("simulate --customers 1500 --seed 5").returncode == 0
    return workshop
