"""An erased customer is gone from every file, whatever kills the verb, and the audit names nobody."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.verbs import make_shop, run_verb, write_config

from netlift.config.business import load
from netlift.data.csv_lists import to_csv
from netlift.data.run import read_standing
from netlift.data.write import file_digest, parquet_writer, staged_directory, write_bytes
from netlift.errors import BusyError, GateRefusedError, ModelIntegrityError, UsageError
from netlift.pipelines import erase
from netlift.pipelines.erase import cut_off_erasures, erase_customers, mend_erasures
from netlift.registry.audit import read_entries
from netlift.registry.locks import exclusive

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GONE = ["CANARY0003", "+79990000001"]
IDS = [f"CANARY{n:04d}" for n in range(30)] + ["+79990000001", "=1+1"]
FILES = {"scores": "scores.parquet", "export_sms": "export_sms.parquet", "export_sms_csv": "export_sms.csv"}


def _write(path: Path, table: pa.Table) -> None:
    with parquet_writer(path, table.schema) as writer:
        for start in (0, 11):  # two row groups
            writer.write_table(table.slice(start, 11 if start == 0 else None))


def _make_state(state: Path) -> None:
    table = pa.table({"customer_id": IDS, "as_of": [NOW.date()] * len(IDS), "value": list(range(len(IDS)))})
    for key in ("a", "b"):
        with staged_directory(state / "out" / "scores" / key, access="owner") as staging:
            _write(staging / "scores.parquet", table)
            _write(staging / "export_sms.parquet", table)
            write_bytes(staging / "export_sms.csv", to_csv(table, for_excel=key == "b"))
            digests = {name: file_digest(staging / file) for name, file in FILES.items()}
            write_bytes(staging / "manifest.json", json.dumps({"digests": {**digests, "inputs": "i"}}).encode())


@pytest.fixture
def business(tmp_path: Path):
    shop = make_shop()
    for name, frame in shop.items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    settings = load(write_config(tmp_path, {name: f"{name}.parquet" for name in shop}))
    _make_state(settings.state)
    return settings


def _erase(settings, customers=GONE, **more):
    return erase_customers(
        settings, customers, **{"reason": "request 17", "fresh_key": b"k" * 32, "now": NOW, "lock_timeout": 0, **more}
    )


def _require_gone(state: Path) -> None:
    """Every file holds everybody else, and nobody of those erased, and is what its manifest says."""
    kept = [each for each in IDS if each not in GONE]
    for key in ("a", "b"):
        folder = state / "out" / "scores" / key
        read_standing(folder, {"inputs": "i"}, key, files=FILES)
        for name in ("scores.parquet", "export_sms.parquet"):
            table = pq.read_table(folder / name, page_checksum_verification=True)
            assert table["customer_id"].to_pylist() == kept
            assert table["value"].to_pylist() == [n for n, each in enumerate(IDS) if each not in GONE]
        assert (folder / "export_sms.csv").read_bytes() == to_csv(table, for_excel=key == "b")
        assert os.stat(folder / "scores.parquet").st_mode & 0o777 == 0o600
        assert os.stat(folder).st_mode & 0o777 == 0o700
    for path in state.rglob("*"):
        if path.is_file():
            assert not [each for each in GONE if each.encode() in path.read_bytes()], path


def test_rows_are_removed_everywhere_and_what_stays_is_said(business) -> None:
    found = _erase(business)
    assert found.rows == 8 and found.customers == 2
    _require_gone(business.state)
    told = found.to_text()
    assert "table transactions" in told and "this table is yours" in told
    entries = read_entries(business.state / "audit.jsonl")
    assert [entry["event"] for entry in entries] == ["erase_intended", "erased"]
    assert entries[1]["reason"] == "request 17" and len(entries[1]["digests"]) == 2
    again = _erase(business, fresh_key=b"other" * 7)
    assert again.rows == 0
    _require_gone(business.state)
    assert read_entries(business.state / "audit.jsonl")[-1]["digests"] == entries[1]["digests"]


def test_a_kill_before_any_file_event_leaves_what_the_next_run_ends(business, monkeypatch, tmp_path: Path) -> None:
    """The n-th replacement of a file fails, for every n: nothing is torn, and the rerun comes to the same end."""
    true, copy = os.replace, tmp_path / "copy"
    monkeypatch.setattr(erase, "_in_sources", lambda *_: [])  # the slow part, which writes nothing
    shutil.copytree(business.state, copy)
    killed = 0
    for n in range(1, 40):
        shutil.rmtree(business.state)
        shutil.copytree(copy, business.state)
        count = 0

        def replace(source, target, n=n):
            nonlocal count
            if Path(target).suffix not in (".json", ".parquet", ".csv") or ".lock" in str(target):
                return true(source, target)
            count += 1
            if count == n:
                raise KeyboardInterrupt
            return true(source, target)

        monkeypatch.setattr(os, "replace", replace)
        try:
            _erase(business)
        except KeyboardInterrupt:
            killed += 1
        monkeypatch.setattr(os, "replace", true)
        if count < n:
            break
        for folder in cut_off_erasures(business.state):
            with pytest.raises(GateRefusedError, match="erasure of customers was cut off"):
                read_standing(folder, {"inputs": "i"}, "a", files=FILES)
        if n % 2:
            mend_erasures(business.state)  # doctor's way: manifests tell what stands, and the rerun ends it
            for key in ("a", "b"):
                read_standing(business.state / "out" / "scores" / key, {"inputs": "i"}, key, files=FILES)
        _erase(business)
        _require_gone(business.state)
    assert killed >= 10


def test_files_that_were_changed_are_told_and_the_others_erased(business) -> None:
    changed = business.state / "out" / "scores" / "a" / "scores.parquet"
    pd.DataFrame({"customer_id": GONE, "value": 1.0}).to_parquet(changed)
    with pytest.raises(ModelIntegrityError, match="not what was written there"):
        _erase(business)
    other = pq.read_table(business.state / "out" / "scores" / "b" / "scores.parquet")["customer_id"].to_pylist()
    assert not set(other) & set(GONE)


def test_a_running_job_and_careless_reasons_are_refused(business) -> None:
    for customers, reason in (([], "r"), ([""], "r"), (GONE, f"of {GONE[0]}")):
        with pytest.raises(UsageError):
            _erase(business, customers, reason=reason)
    with exclusive(business.state / "locks" / "score-x.lock", timeout_seconds=0, holder="score"):
        with pytest.raises(BusyError):
            _erase(business)
    assert "CANARY0003" in pq.read_table(business.state / "out/scores/a/scores.parquet")["customer_id"].to_pylist()


def test_the_command_tells_and_a_dry_run_changes_nothing(business) -> None:
    config = business.state.parent / "config.yaml"
    before = {path: path.read_bytes() for path in (business.state / "out").rglob("*") if path.is_file()}
    dry = run_verb("erase", GONE[0], "--reason", "request 1", "--dry-run", "--config", str(config))
    assert dry.code == 0 and "would be removed" in dry.out
    assert before == {path: path.read_bytes() for path in before}
    done = run_verb("erase", GONE[0], "--reason", "request 1", "--json", "--config", str(config))
    assert (
        done.code == 0 and sum(each["rows"] for each in json.loads(done.out)["places"]["rows"] if each["removed"]) == 4
    )
