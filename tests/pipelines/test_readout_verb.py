"""The verb: files once, the same again, and the scorecard's JSON even after a job that was killed between the two."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml
from readout_world import CHECKOUT, make_market

from netlift.abtest.readout.compute import read_campaign
from netlift.cli.terminal import show
from netlift.config.business import load
from netlift.errors import BusyError, UsageError
from netlift.pipelines import readout as readout_files
from netlift.pipelines.portfolio import PortfolioRequest, make_portfolio
from netlift.pipelines.readout import FILES, ReadoutOrder, make_readout
from netlift.pipelines.readouts import make_readouts
from netlift.progress import Silent
from netlift.scorecards.campaign_effects import find_readouts, read_readouts

pytestmark = pytest.mark.slow

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


def test_another_question_about_the_same_campaign_has_a_key_of_its_own_and_no_dead_end(tmp_path, monkeypatch):
    """Each question is answered anew, or found again; what is answered, and the pages, are tested elsewhere."""
    settings, asked = make_business(tmp_path), {"progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    found = []

    def read_once(*asked, **how):
        found.extend([] if found else [read_campaign(*asked, **how)])
        return found[0]

    monkeypatch.setattr(readout_files, "read_campaign", read_once)
    monkeypatch.setattr(readout_files, "write_out", lambda found, words, order, reach: dict.fromkeys(FILES, b"{}"))
    plain = make_readout(settings, ReadoutOrder(target="K1", language="en"), **asked)
    questions = [
        {"split_by": ("region",)},
        {"split_by": ("region",), "tolerance": 0.0},
        {"tolerance": 7.0},
        {"language": "ru"},
        {"as_of": datetime(2026, 4, 20)},
        {"as_of": datetime(2026, 4, 20, 12)},
    ]
    orders = [ReadoutOrder(**{"target": "K1", "language": "en"} | question) for question in questions]
    runs = [make_readout(settings, order, **asked) for order in orders]
    assert all(run.written for run in runs)
    assert len({plain.run_key, *(run.run_key for run in runs)}) == 1 + len(questions)
    again = [make_readout(settings, order, **asked) for order in orders]
    assert [(run.run_key, run.written) for run in again] == [(run.run_key, False) for run in runs]
    end = datetime(2026, 5, 2)
    same = make_readout(settings, ReadoutOrder(target="K1", language="en", as_of=end), **asked)
    assert (same.run_key, same.written) == (plain.run_key, False)


def test_the_same_question_after_new_data_has_a_new_key_and_the_old_one_keeps_its_bytes(tmp_path):
    settings, asked = make_business(tmp_path), {"progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    order = ReadoutOrder(target="K1", language="en")
    first = make_readout(settings, order, **asked)
    before = {path.name: path.read_bytes() for path in Path(first.path).iterdir()}
    receipts = pd.read_parquet(tmp_path / "transactions.parquet")
    receipts.assign(margin=0.5 * receipts.margin).to_parquet(tmp_path / "transactions.parquet")
    second = make_readout(settings, order, **asked)
    assert second.written
    assert second.run_key.startswith(f"{first.run_key}-anew-")
    assert not make_readout(settings, order, **asked).written
    assert {path.name: path.read_bytes() for path in Path(first.path).iterdir()} == before
    newest = settings.state / "out" / "readouts" / "K1.json"
    assert newest.read_bytes() == (Path(second.path) / "readout.json").read_bytes()
    newest.write_bytes(before["readout.json"])  # as if the job had been killed between its folder and this file
    assert not make_readout(settings, order, **asked).written
    assert newest.read_bytes() == (Path(second.path) / "readout.json").read_bytes()
    with pytest.raises(UsageError, match="data changed since"):
        make_readout(settings, replace(order, run_key=first.run_key), **asked)


def test_a_table_that_is_replaced_while_a_campaign_is_read_leaves_no_readout(tmp_path):
    settings = make_business(tmp_path)
    receipts = tmp_path / "transactions.parquet"

    class Loader(Silent):
        def stage(self, task, words):
            if task == "report":
                pd.read_parquet(receipts).iloc[1:].to_parquet(tmp_path / "new")
                (tmp_path / "new").rename(receipts)

    asked = {"now": NOW, "lock_timeout": 0.0}
    with pytest.raises(BusyError, match=r"transactions/transactions\.parquet: written while"):
        make_readout(settings, ReadoutOrder(target="K1", language="en"), progress=Loader(), **asked)
    assert not list((settings.state / "out").rglob("*.json"))
    assert make_readout(settings, ReadoutOrder(target="K1", language="en"), progress=Silent(), **asked).written


def test_a_portfolio_of_changed_data_is_no_dead_end_either(tmp_path):
    settings = make_business(tmp_path)
    asked = {"plans": (), "progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    first = make_portfolio(settings, PortfolioRequest(language="en"), **asked)
    at_end = PortfolioRequest(language="en", as_of=datetime(2026, 5, 2))
    assert make_portfolio(settings, at_end, **asked).run_key == first.run_key
    campaigns = pd.read_parquet(tmp_path / "campaigns.parquet")
    campaigns.assign(fixed_cost=1000.0).to_parquet(tmp_path / "campaigns.parquet")
    second = make_portfolio(settings, at_end, **asked)
    assert second.written and second.run_key.startswith(f"{first.run_key}-anew-")
    assert not make_portfolio(settings, PortfolioRequest(language="en"), **asked).written


def test_all_campaigns_at_once_are_read_as_one_by_one_and_the_scorecard_finds_them(tmp_path, capsys):
    settings, asked = make_business(tmp_path), {"progress": Silent(), "now": NOW, "lock_timeout": 0.0}
    campaigns = pd.read_parquet(tmp_path / "campaigns.parquet")
    later = campaigns.assign(campaign_id="K9", started_at=campaigns.started_at + pd.Timedelta(days=1))
    pd.concat([campaigns, later]).to_parquet(tmp_path / "campaigns.parquet")
    order = ReadoutOrder(target="", language="en")
    found = make_readouts(settings, order, **asked)
    assert [one.campaign_id for one in found.readouts] == ["K1"] and found.unread == {"K9": "no_contacts"}
    alone = make_readout(settings, replace(order, target="K1"), **asked)
    assert found.readouts[0].written and not alone.written
    assert found.readouts[0].incremental_profit == alone.readout["incremental_profit"]
    (own,) = read_readouts(find_readouts(settings.state, tmp_path / "experiments"))
    assert own.incremental_profit.point == alone.readout["incremental_profit"]["point"]
    show(found, json_output=False, config=tmp_path / "shop.yaml")
    told = capsys.readouterr().out
    assert "K1" in told and "K9: nobody was assigned" in told
    with pytest.raises(UsageError, match="one key cannot name"):
        make_readouts(settings, replace(order, run_key="mine"), **asked)
