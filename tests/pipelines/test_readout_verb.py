"""The verb: files once, the same again, and the scorecard's JSON even after a job that was killed between the two."""

import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from readout_world import CHECKOUT, make_market

from netlift.config.business import load
from netlift.data.readouts import read_readouts
from netlift.pipelines.progress import Silent
from netlift.pipelines.readout_files import FILES, ReadoutOrder, make_readout

NOW = datetime(2026, 5, 2, tzinfo=UTC)


def make_business(folder: Path):
    market = make_market(800)
    content = yaml.safe_load((CHECKOUT / "configs/demo.yaml").read_text(encoding="utf-8"))
    tables = {}
    for table in fields(market):
        getattr(market, table.name).to_parquet(folder / f"{table.name}.parquet")
        tables[table.name] = {"path": str(folder / f"{table.name}.parquet")}
    content |= {"data": {"tables": tables}, "state": str(folder / "var"), "readout": {"tolerance": 100}}
    content["models"] = {"uplift": str(CHECKOUT / "models/uplift.yaml")}
    for block in ("segments", "decision", "retention"):
        content.pop(block, None)
    (folder / "shop.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load(folder / "shop.yaml")


def test_the_verb_writes_once_and_a_rerun_mends_what_a_killed_job_left_out(tmp_path):
    settings = make_business(tmp_path)
    order, asked = ReadoutOrder(target="K1", language="ru"), {"progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    first = make_readout(settings, order, **asked)
    newest = settings.state / "out" / "readouts" / "K1.json"
    assert {path.name for path in Path(first.path).iterdir()} == {*FILES.values(), "manifest.json"}
    (own,) = read_readouts([newest])
    assert own.campaign_id == "K1"
    newest.unlink()  # as if the job had been killed before the scorecard's file
    again = make_readout(settings, order, **asked)
    assert first.written
    assert not again.written
    assert again.text == first.text
    assert read_readouts([newest]) == (own,)
