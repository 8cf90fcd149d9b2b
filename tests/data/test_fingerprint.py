"""The files of the tables at the end of a job are those it found, or what it made is refused."""

from __future__ import annotations

import os

import pandas as pd
import pytest
import yaml
from segment_world import HOUSE

from netlift.config.business import load
from netlift.data.run import find_sources, reading_tables
from netlift.errors import BusyError, DataError


@pytest.fixture
def settings(tmp_path):
    content = yaml.safe_load((HOUSE / "configs" / "hillstrom.yaml").read_text(encoding="utf-8"))
    (tmp_path / "receipts").mkdir()
    tables = {"customers": "customers.parquet", "transactions": "receipts"}
    content |= {"data": {"tables": {name: {"path": str(tmp_path / path)} for name, path in tables.items()}}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(content | {"state": str(tmp_path / "var")}), encoding="utf-8")
    pd.DataFrame({"customer_id": ["a", "b"]}).to_parquet(tmp_path / "customers.parquet")
    receipts = pd.DataFrame({"customer_id": ["a"], "occurred_at": [pd.Timestamp("2026-01-01")], "revenue": [1.0]})
    receipts.assign(margin=0.5).to_parquet(tmp_path / "receipts" / "2026-01.parquet")
    return load(tmp_path / "shop.yaml")


def replace(path, content):
    path.with_suffix(".new").write_bytes(content)
    os.replace(path.with_suffix(".new"), path)


def overwrite_in_place(path):
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"\0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "replaced by the same bytes": lambda folder: replace(
        folder / "customers.parquet", (folder / "customers.parquet").read_bytes()
    ),
    "overwritten in place, its time set back": lambda folder: overwrite_in_place(folder / "customers.parquet"),
    "a file more": lambda folder: (folder / "receipts" / "2026-02.parquet").write_bytes(b"x"),
    "a file less": lambda folder: (folder / "receipts" / "2026-01.parquet").unlink(),
    "moved away and back": lambda folder: [
        (folder / "customers.parquet").rename(folder / "away"), (folder / "away").rename(folder / "customers.parquet")
    ],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_tables_that_are_written_while_they_are_read_are_named_and_refused(settings, tmp_path, change):
    found = find_sources(settings)
    found.require_unchanged()
    change(tmp_path)
    with pytest.raises(BusyError, match=r"(customers|transactions)/.*nothing was written") as refusal:
        found.require_unchanged()
    assert refusal.value.exit_code == 5


def test_the_digest_is_of_content_and_reading_or_neighbours_change_nothing(settings, tmp_path):
    found = find_sources(settings)
    (tmp_path / "customers.parquet").read_bytes()
    (tmp_path / "receipts" / ".unfinished.tmp").write_bytes(b"x")
    found.require_unchanged()
    assert find_sources(settings).digest == found.digest
    replace(tmp_path / "customers.parquet", (tmp_path / "customers.parquet").read_bytes() + b"x")
    assert find_sources(settings).digest != found.digest


def test_missing_files_are_told_of_all_tables_at_once(settings, tmp_path):
    (tmp_path / "customers.parquet").unlink()
    (tmp_path / "receipts" / "2026-01.parquet").unlink()
    with pytest.raises(DataError, match=r"(?s)customers: no file.*transactions: ") as refusal, reading_tables(settings):
        raise AssertionError
    assert "data.tables.customers.path" in str(refusal.value)
