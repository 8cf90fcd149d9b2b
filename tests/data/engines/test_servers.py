"""The demo by the commands of the compose file: decisions from PostgreSQL and an MLflow server are those from files."""

from __future__ import annotations

import subprocess
import sys

import pytest
from servers import HOUSE

pytest.importorskip("psycopg", reason="no driver for PostgreSQL: make test-engines installs it")

pytestmark = pytest.mark.slow
LACKS_A_PART = 6


def test_the_demo_on_servers_decides_what_the_demo_on_files_decides(tmp_path):
    command = [
        sys.executable,
        HOUSE / "deploy" / "run_demo.py",
        tmp_path / "demo",
        "--customers",
        "6000",
        "--trials",
        "2",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == LACKS_A_PART:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len([*(tmp_path / "demo" / "servers" / "var" / "out" / "decisions" / "day").glob("*.parquet")]) > 1
