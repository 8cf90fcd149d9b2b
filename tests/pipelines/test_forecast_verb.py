"""The forecast as a verb: what it writes, of what, and what it refuses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from decide_world import EVIDENCE, NOW, configure, make_deciders, make_world, table
from decide_world import decide as decide_today
from typer.testing import CliRunner

from netlift.cli import forecast as cli
from netlift.config.business import load
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.decisions.run import decide
from netlift.errors import DataError, HistoryTooShortError, UsageError
from netlift.forecast import inputs as forecast_inputs
from netlift.forecast.purchases import read_purchases
from netlift.forecast.result import WhatIf
from netlift.pipelines import forecast
from netlift.pipelines.forecast import ForecastRequest, forecast_business
from netlift.progress import Silent

pytestmark = pytest.mark.slow

AS_OF = date(2026, 10, 1)


@pytest.fixture(scope="module")
def patched():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "find_champions", lambda *_: ([], ("churn", "ltv")))
        patch.setattr(forecast_inputs, "find_deciders", lambda _: make_deciders())
        patch.setattr(forecast_inputs, "find_champions_file", lambda *_: None)
        patch.setattr(decide, "read_evidence", lambda *_: EVIDENCE)
        yield patch


def run(config, **asked):
    request = ForecastRequest(**{"as_of": AS_OF, "language": "en", **asked})
    return forecast_business(load(config), request, progress=Silent(), now=NOW, lock_timeout=0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    return folder


@pytest.fixture(scope="module")
def config(shop):
    return configure(shop, name="forecast")


@pytest.fixture(scope="module")
def made(config, patched):
    return run(config)


def lines(run, span, group="(all)"):
    found = [one for one in run.forecast["lines"]["rows"] if (one["span"], one["group"]) == (span, group)]
    return found if span == "month" else found[0]


def without(shop, folder, *blocks):
    """The config without some blocks, with a state of its own."""

    def change(content):
        content["state"] = str(folder / "state")
        for block in blocks:
            del content[block]

    return configure(shop, name=f"without-{'-'.join(blocks)}", more=change)


def test_past_months_are_those_of_the_receipts(shop, made):
    receipts = table(shop, "transactions")
    by = receipts.groupby(receipts["occurred_at"].dt.strftime("%Y-%m-01"))["margin"].sum()
    past = made.forecast["past"]
    assert len(past) == 24 and past == pytest.approx(by[list(past)].to_dict())


def test_purchases_by_month_are_those_of_the_receipts(shop, config, made):
    settings = load(config)
    with open_tables(settings) as tables:
        found = read_purchases(tables, as_of=AS_OF, first=read_history(tables).first)
    receipts = table(shop, "transactions").assign(day=lambda rows: rows["occurred_at"].dt.normalize())
    receipts["days"] = (receipts["day"] - pd.Timestamp(AS_OF)).dt.days
    receipts = receipts[receipts["days"] >= found.starts[0]]
    bought = receipts[~receipts["is_return"]]
    ids = found.ids[found.customer]
    sums = pd.Series(found.margin).groupby(ids).sum()
    assert sums.to_dict() == pytest.approx(receipts.groupby("customer_id")["margin"].sum().to_dict())
    days = pd.Series(found.days).groupby(ids).sum()
    plain = bought.groupby("customer_id")["day"].nunique()
    assert days[days > 0].to_dict() == plain.to_dict()
    first = pd.Series(found.first_day, index=found.ids)[plain.index]
    assert first.to_dict() == bought.groupby("customer_id")["days"].min().to_dict()


def test_months_groups_and_parts_add_up(made):
    year, quarter = lines(made, "year"), lines(made, "quarter")
    months = [one["total"]["point"] for one in lines(made, "month")]
    assert len(months) == 12 and sum(months) == pytest.approx(year["total"]["point"])
    assert sum(months[:3]) == pytest.approx(quarter["total"]["point"])
    for part in ("without_contacts", "contacts", "total"):
        groups = [lines(made, "year", group)[part]["point"] for group in made.forecast["groups"]]
        assert sum(groups) == pytest.approx(year[part]["point"])
    assert year["contacts"]["point"] > 0
    assert year["total"]["ci_lower"] < year["total"]["point"] < year["total"]["ci_upper"]


def test_a_plan_is_the_run_that_would_be_decided_today(made):
    plan = made.forecast["plan"]
    runs = lines(made, "year")["contacts"]["point"] / plan["profit"]["point"]
    assert 11.5 < runs < 12.5 and plan["window_days"] == 28
    assert plan["spend"] <= plan["budget"]
    assert not (Path(made.path).parents[1] / "decisions").exists()  # nobody is contacted


def test_the_csv_holds_every_line(made):
    frame = pd.read_csv(Path(made.path) / "forecast.csv")
    rows = made.forecast["lines"]["rows"]
    assert len(frame) == len(rows)
    assert frame["total"].to_numpy() == pytest.approx(np.array([one["total"]["point"] for one in rows]))
    assert set(frame["currency"]) == {"RUB"} and {"start", "end", "without_contacts_ci_lower"} <= set(frame)


def test_the_same_question_again_stands_and_pages_answer_first(config, made, patched):
    again = run(config)
    assert not again.written and again.path == made.path and again.forecast == made.forecast
    page = (Path(made.path) / "forecast.html").read_text()
    answer = page.index("Next quarter (October 2026 – December 2026): margin of about")
    assert answer < page.index('id="charts"') and "of which contacts bring" in page and "forecast." not in made.text


def test_a_page_in_russian_and_a_key_that_was_written_from_other_inputs(config, made, patched):
    russian = run(config, language="ru", run_key="mine")
    assert (
        "Следующий год (октябрь 2026 – сентябрь 2027): маржа около"
        in (Path(russian.path) / "forecast.html").read_text()
    )
    with pytest.raises(UsageError, match="run key mine was written before from other inputs"):
        run(config, run_key="mine")


def test_a_question_of_its_own_has_a_key_of_its_own(config, made, patched):
    asked = run(config, what_if=WhatIf(budget=1000.0, churn=1.2))
    assert asked.run_key != made.run_key
    (row,) = [one for one in asked.forecast["scenarios"]["rows"] if one["name"] == "asked"]
    assert row["budget"] == 1000.0 and row["year_change"] < 0
    assert "You asked: budget of a run" in asked.text


def test_without_a_decision_block_only_what_comes_by_itself_is_forecast(shop, tmp_path, patched):
    found = run(without(shop, tmp_path, "decision"))
    assert lines(found, "year")["contacts"] is None and found.forecast["plan"] is None
    assert [note["key"] for note in found.forecast["notes"]].count("no_decision") == 1
    assert "no contacts are planned" in found.text


def test_without_segments_all_known_customers_are_one_group(shop, tmp_path, patched):
    found = run(without(shop, tmp_path, "decision", "segments", "readout"))
    assert found.forecast["groups"] == ["(known)", "(joiners)"]
    assert lines(found, "year", "(known)")["total"]["point"] > 0


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"what_if": WhatIf(margin=0.0)}, UsageError, "--margin 0: times today's, above 0 and at most 10"),
        ({"what_if": WhatIf(churn=float("nan"))}, UsageError, "--churn nan"),
        ({"what_if": WhatIf(budget=-1.0)}, UsageError, "--budget -1: money of a run, 0 or more"),
        ({"language": "de"}, UsageError, "--lang de"),
        ({"run_key": "../x"}, UsageError, "--run-key holds letters"),
        ({"as_of": date(2027, 3, 1)}, DataError, "152 days before --as-of 2027-03-01"),
        ({"as_of": date(2024, 11, 1)}, HistoryTooShortError, "whole months before the day, 6 are needed"),
        ({"as_of": date(2025, 9, 1), "what_if": WhatIf(churn=2.0)}, UsageError, "cannot tell leaving from the season"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(config, made, patched, asked, error, said):
    before = sorted(path.name for path in Path(made.path).parent.iterdir())
    with pytest.raises(error, match=said):
        run(config, **asked)
    assert sorted(path.name for path in Path(made.path).parent.iterdir()) == before


def test_a_budget_without_a_decision_block_is_refused(shop, tmp_path, patched):
    with pytest.raises(UsageError, match="has no decision block"):
        run(without(shop, tmp_path, "decision"), what_if=WhatIf(budget=5.0))


def test_the_command_line_asks_the_same(config, made, patched, monkeypatch):
    app = typer.Typer()
    cli.register(app)
    monkeypatch.setattr(cli, "now", lambda: NOW)
    told = CliRunner().invoke(app, ["--as-of", str(AS_OF), "-c", str(config), "--lang", "en", "--json"])
    assert told.exit_code == 0, told.exception
    assert json.loads(told.stdout)["run_key"] == made.run_key


def test_what_was_decided_today_does_not_shrink_the_plan_of_the_months_ahead(config, made, patched):
    decide_today(config, patched)
    again = run(config, run_key="after-a-run")
    assert again.forecast["plan"]["profit"] == made.forecast["plan"]["profit"]
