from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from decide_world import configure, decide, read_run, rewrite

from netlift.data.csv_lists import to_csv
from netlift.decisions.run import export as decide_export
from netlift.errors import GateRefusedError, NetliftError
from netlift.pipelines import decide as module
from netlift.text import safe_cell

pytestmark = pytest.mark.slow

DANGEROUS = ("=1+1", "+7 900", "-1", "@cmd", "\tx", "\rx", "＝1+1", "0042", "7", "ordinary; text", 'a "quoted" word')


def test_no_cell_of_a_csv_runs_in_a_spreadsheet_and_nothing_is_lost():
    table = pa.table({"customer_id": list(DANGEROUS), "amount": [-1.5] * len(DANGEROUS)})
    for excel, mark in ((False, ","), (True, ";")):
        content = to_csv(table, for_excel=excel)
        assert content.startswith(b"\xef\xbb\xbf") == excel
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=mark))
        cells = [row[0] for row in rows[1:]]
        assert cells == [safe_cell(text) for text in DANGEROUS]
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for cell in cells)
        assert [cell.removeprefix("'") for cell in cells] == list(DANGEROUS)
        assert {row[1] for row in rows[1:]} == {"-1.5"}, "numbers stay numbers"


def nothing_stands(folder):
    out = folder / "var" / "out" / "decisions"
    return not out.exists() or not any(path.name[:1] != "." or path.is_dir() for path in out.iterdir())


def test_who_takes_a_consent_back_while_the_run_writes_stops_it(shop, monkeypatch):
    """The very last thing before the files are shown is to read the consents again."""
    write = decide_export.write_files

    def write_and_lose_consents(*args, **named):
        write(*args, **named)
        rewrite(shop, "customers", lambda people: people.assign(consent_push=False))

    kept = pd.read_parquet(shop / "var" / "demo" / "customers.parquet")
    monkeypatch.setattr(module, "write_files", write_and_lose_consents)
    with pytest.raises(GateRefusedError, match="while this ran"):
        decide(configure(shop), monkeypatch)
    assert nothing_stands(shop)
    rewrite(shop, "customers", lambda _: kept)


@pytest.mark.parametrize("what", ["held out", "twice", "another offer", "lost", "csv"])
def test_lists_that_are_not_what_was_decided_are_never_shown(shop, monkeypatch, what):
    write = decide_export.write_files

    def write_wrong(folder, log, *args, **named):
        write(folder, log, *args, **named)
        path = folder / "export_push.parquet"
        frame = pd.read_parquet(path)
        if what == "held out":
            frame.loc[0, "customer_id"] = log.ids[np.flatnonzero(log.decided.draw.held_out)[0]]
        elif what == "twice":
            frame = pd.concat([frame, frame.iloc[:1]])
        elif what == "another offer":
            frame.loc[0, "offer_id"] = "email_discount_10"
        elif what == "lost":
            frame = frame.iloc[1:]
        else:
            (folder / "export_push.csv").write_bytes(b"customer_id\n1\n")
        frame.to_parquet(path, index=False)

    monkeypatch.setattr(module, "write_files", write_wrong)
    with pytest.raises(NetliftError, match="defect"):
        decide(configure(shop), monkeypatch)
    assert nothing_stands(shop)


def test_lists_open_in_excel_on_request(shop, monkeypatch):
    run = decide(configure(shop), monkeypatch, for_excel=True, run_key="excel")
    folder = module.Path(run.path)
    content = (folder / "export_push.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and b";" in content.splitlines()[0]
    assert len(content.splitlines()) == len(read_run(run)["export_push"]) + 1


def test_a_run_that_is_killed_leaves_nothing(shop, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "prove_exports", killed)
    with pytest.raises(KeyboardInterrupt):
        decide(configure(shop), monkeypatch, run_key="killed")
    assert not (shop / "var" / "out" / "decisions" / "killed").exists()
    assert not list((shop / "var" / "out" / "decisions").glob(".staging*"))


def test_a_list_without_anybody_is_there_and_empty():
    table = pa.table({"customer_id": pa.array([], pa.string())})
    assert to_csv(table, for_excel=False).splitlines() == [b'"customer_id"']
    assert SimpleNamespace(none=safe_cell(None)).none is None and safe_cell("") == ""
