"""Limits on memory are asked before a job begins; what runs out in mid-job is told apart from bad data."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys

import duckdb
import pytest

from netlift.data.engines.errors import machine_error, reading
from netlift.data.memory import require_memory
from netlift.errors import BusyError, DataError, ResourceError

SORT = "SELECT * FROM (SELECT range a, random() b, repeat('x', 60) c FROM range(2000000)) ORDER BY b, c"


def test_what_may_be_held_is_compared_with_what_is_needed(monkeypatch):
    require_memory(1e9, cure="")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * 2**30, 2 * 2**30))
    require_memory(2048, cure="")
    with pytest.raises(ResourceError, match=r"hold 2,048 MB.*needs 2,049: lower engine.memory_mb"):
        require_memory(2049, cure="lower engine.memory_mb")


def test_an_engine_that_runs_out_is_no_bad_file():
    with duckdb.connect(config={"memory_limit": "32MB", "threads": 1, "temp_directory": ""}) as connection:
        with pytest.raises(ResourceError, match=r"engine\.memory_mb") as refusal:
            reading("receipts", "a.parquet", lambda: connection.execute(SORT).fetchone())
    assert "anew" not in str(refusal.value) and refusal.value.exit_code == 6


def test_a_database_that_somebody_writes_is_busy(tmp_path):
    path = tmp_path / "shop.duckdb"
    writer = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", writer, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(BusyError, match="another process has it open"):
            reading("receipts", path, lambda: duckdb.connect(str(path), read_only=True))
        other.communicate(b"")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Permission denied", ResourceError),
        ("Could not write file: File too large", ResourceError),
        ("Could not write file: No space left on device", ResourceError),
        ("No magic bytes", type(None)),
    ],
)
def test_only_what_speaks_of_the_machine_is_of_the_machine(text, kind):
    assert isinstance(machine_error(duckdb.IOException(text), "a"), kind)
    with pytest.raises((ResourceError, DataError)):
        reading("t", "a", lambda: (_ for _ in ()).throw(duckdb.IOException(text)))


def test_a_table_without_the_right_to_read_it_is_no_bad_file(tmp_path, monkeypatch):
    from netlift.data.engines import files

    def forbidden(*_, **__):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", forbidden)
    (tmp_path / "a.parquet").write_bytes(b"x")
    with pytest.raises(ResourceError, match="the right"):
        files._read_schema("receipts", tmp_path / "a.parquet")
