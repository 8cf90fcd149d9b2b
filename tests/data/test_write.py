"""The only door out: whatever fails and whenever it is killed, the old state stands or the new one does."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netlift.data.write import (
    STAGING_PREFIX,
    append_line,
    file_digest,
    parquet_writer,
    require_free_space,
    staged_directory,
    sweep_staging,
    write_bytes,
)
from netlift.errors import ResourceError

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from file_events import FileEvents, fail


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(STAGING_PREFIX)]


def fail_at_every_call(make, folder, code=errno.ENOSPC):
    """Run `make` failing at the first disk call, then the second and so on, until it passes; yields after each."""
    for at in range(1, 100):
        with pytest.MonkeyPatch.context() as patch:
            events = FileEvents(patch, at, fail(code))
            try:
                make()
            except ResourceError as error:
                assert error.exit_code == 6
            untouched = events.left > 0
        yield
        assert leftovers(folder) == []
        if untouched:
            assert at > 3
            return
    raise AssertionError("never passed")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_file_is_old_or_new_whichever_write_fails(tmp_path, code):
    target = tmp_path / "current.json"
    target.write_bytes(b"old")
    for _ in fail_at_every_call(lambda: write_bytes(target, b"new"), tmp_path, code):
        assert target.read_bytes() in (b"old", b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_never_stood_is_whole_or_absent_whichever_write_fails(tmp_path):
    target = tmp_path / "sub" / "current.json"
    for _ in fail_at_every_call(lambda: write_bytes(target, b"new"), tmp_path):
        assert not target.exists() or target.read_bytes() == b"new"
    assert target.read_bytes() == b"new"


def test_a_folder_is_whole_or_absent_whichever_write_fails(tmp_path):
    targets = (tmp_path / f"run-{number}" for number in count())
    tried = []

    def make():
        tried.append(next(targets))
        with staged_directory(tried[-1]) as staging:
            (staging / "part").mkdir()
            for name in ("a.parquet", "part/b.parquet", "_SUCCESS"):
                (staging / name).write_bytes(b"x" * 1000)

    for _ in fail_at_every_call(make, tmp_path):
        if tried[-1].exists():
            files = {path.relative_to(tried[-1]).as_posix(): path.stat() for path in tried[-1].rglob("*.*")}
            assert {name: file.st_size for name, file in files.items()} == {"a.parquet": 1000, "part/b.parquet": 1000}
            assert (tried[-1] / "_SUCCESS").stat().st_size == 1000
    assert sum(target.exists() for target in tried) < len(tried) / 2


def test_a_journal_has_whole_lines_whichever_write_fails(tmp_path):
    target = tmp_path / "audit.jsonl"
    append_line(target, "first")
    for _ in fail_at_every_call(lambda: append_line(target, "second"), tmp_path):
        lines = target.read_text().split("\n")
        assert lines[0] == "first"
        assert lines[-1] == ""
        assert set(lines[1:-1]) <= {"second"}
    assert lines[1:-1]


def test_a_line_that_fits_only_in_part_is_taken_back(tmp_path, monkeypatch):
    target = tmp_path / "audit.jsonl"
    append_line(target, "first")
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:3]))
    with pytest.raises(ResourceError):
        append_line(target, "second")
    assert target.read_text() == "first\n"


def test_a_disk_that_fills_up_midway_leaves_the_old_file(tmp_path):
    target = tmp_path / "scores.bin"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ResourceError, match="ulimit -f"):
            write_bytes(target, b"x" * 1_000_000)
        with pytest.raises(ResourceError, match="ulimit -f"), staged_directory(tmp_path / "run") as staging:
            (staging / "a").write_bytes(b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["scores.bin"]


WRITER = """
import itertools, json, sys
from pathlib import Path
from netlift.data.write import append_line, staged_directory, write_bytes

folder = Path(sys.argv[1])
print("ready", flush=True)
for number in itertools.count(len(list(folder.glob("run-*")))):
    with staged_directory(folder / f"run-{number}") as staging:
        for part in range(5):
            (staging / f"part-{part}").write_bytes(bytes(200_000))
        (staging / "manifest.json").write_text(json.dumps({"parts": 5}))
    write_bytes(folder / "current.json", json.dumps({"run": number, "filler": "x" * 50_000}).encode())
    append_line(folder / "audit.jsonl", json.dumps({"run": number, "filler": "x" * 500}))
"""


def test_killed_at_any_moment_every_folder_file_and_line_is_whole(tmp_path):
    rng = np.random.default_rng(11)
    source = str(Path(__file__).parents[2] / "src")
    killed_midway = 0
    for _ in range(12):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": source}) as writer:
            writer.stdout.readline()
            time.sleep(rng.uniform(0.005, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
        killed_midway += bool(leftovers(tmp_path))
        for run in tmp_path.glob("run-*"):
            assert json.loads((run / "manifest.json").read_text()) == {"parts": 5}
            assert sorted(path.stat().st_size for path in run.glob("part-*")) == [200_000] * 5
        if (tmp_path / "current.json").exists():
            assert (tmp_path / f"run-{json.loads((tmp_path / 'current.json').read_text())['run']}").is_dir()
        if (tmp_path / "audit.jsonl").exists():
            assert all("run" in json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines())
        assert sweep_staging(tmp_path) <= 1
        assert leftovers(tmp_path) == []
    assert killed_midway > 0
    assert (tmp_path / "current.json").exists()


def test_an_interrupted_block_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged_directory(tmp_path / "run") as staging:
        (staging / "a").write_bytes(b"x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stands_is_never_touched(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError), staged_directory(tmp_path / "run"):
        raise AssertionError("the block ran")
    assert (tmp_path / "run" / "a").read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_what_is_written_can_be_read_by_other_jobs(tmp_path):
    write_bytes(tmp_path / "a.json", b"{}")
    with staged_directory(tmp_path / "run") as staging:
        (staging / "a").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755


def test_sweeping_takes_leftovers_at_any_depth_and_nothing_else(tmp_path):
    (tmp_path / "out" / f"{STAGING_PREFIX}abc" / "part").mkdir(parents=True)
    (tmp_path / "out" / f"{STAGING_PREFIX}file").write_bytes(b"x")
    (tmp_path / "out" / "kept").mkdir()
    assert sweep_staging(tmp_path) == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["kept"]
    assert sweep_staging(tmp_path / "nowhere") == 0


def test_what_the_disk_cannot_hold_is_refused_with_both_figures(tmp_path):
    require_free_space(tmp_path / "not" / "yet" / "there", needed_mb=0.001)
    with pytest.raises(ResourceError, match=r"MB free, 1,000,000,000,000 MB needed"):
        require_free_space(tmp_path / "not" / "yet" / "there", needed_mb=1e12)


def test_the_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert file_digest(tmp_path / "a") == want


def test_parquet_is_written_the_same_to_the_byte_and_with_checksums(tmp_path):
    columns = pa.table({"customer_id": ["007", "Ё"], "p": [0.1, 0.2]})
    for name in ("a", "b"):
        with parquet_writer(tmp_path / name, columns.schema) as writer:
            writer.write_table(columns)
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    read = pq.read_table(tmp_path / "a", page_checksum_verification=True)
    assert read.cast(columns.schema) == columns
