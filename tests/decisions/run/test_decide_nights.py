"""Nights in a row: no effect is counted twice, a kill sends nothing twice, and a month pays for no more than it has."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decide_world import AS_OF, OFFERS, configure, decide, read_run, rewrite

from netlift.decisions.eligibility.open_windows import Rest
from netlift.decisions.run import customers as decide_customers
from netlift.decisions.run.page import decision_document
from netlift.errors import ConfigError
from netlift.report.exports import to_text
from netlift.report.language import speak

pytestmark = pytest.mark.slow

WINDOW = 28


def setup(world, change, name="demo"):
    """The config; receipts may be older than the nights that are asked about."""
    return configure(world, change, name, more=lambda content: content["score"].update(max_data_age_days=366))


def free(decision):
    """No limit but the open windows; chance draws a tenth."""
    decision.update(budget="unlimited", triggers=[])
    decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0)
    for channel in decision["channels"].values():
        channel.pop("at_most", None)
    decision["explore"].update(epsilon=0.1)


def with_month(**month):
    def change(decision):
        free(decision)
        for name, value in month.items():
            if name in OFFERS:
                decision["offers"][name].update(value)
            elif name in decision["channels"]:
                decision["channels"][name].update(value)
            else:
                decision[name] = value

    return change


def night(config, patch, after: int, **asked):
    return decide(config, patch, as_of=AS_OF + timedelta(days=after), **asked)


def served(run) -> set[str]:
    return set(read_run(run)["lists"]["customer_id"])


def test_two_nights_in_a_row_contact_nobody_twice_until_the_window_is_over(world, monkeypatch):
    config = setup(world, free)
    runs = [night(config, monkeypatch, after) for after in (0, 1, WINDOW - 1)]
    first, second, third = map(served, runs)
    assert len(first) > 100 and not first & second and not first & third and not second & third
    assert runs[1].summary.reasons["open_window"] >= len(first) * 0.9
    note = next(note for note in runs[1].summary.notes if note.key == "open_windows")
    assert note.values["days"] == WINDOW and note.values["count"] >= len(first)
    over = night(config, monkeypatch, WINDOW)
    assert len(served(over) & first) > 0.8 * len(first) and not served(over) & second


def test_what_is_forecast_on_the_second_night_is_of_customers_with_nothing_open(world, monkeypatch):
    """Of the money of the first night nothing is in the second forecast: customer by customer, and in the sum."""
    config = setup(world, free)
    first, second = (read_run(night(config, monkeypatch, after))["decisions"] for after in (0, 1))
    both = first.merge(second, on="customer_id", suffixes=("_1", "_2"))
    sold = both["offer_id_1"] != "none"
    assert (both.loc[sold, ["promised_profit_2", "expected_profit_2"]] == 0).all().all()
    assert both["promised_profit_1"].sum() > 10 * both["promised_profit_2"].sum() >= 0


def test_where_another_contact_is_proven_to_add_money_only_what_it_adds_counts(world, monkeypatch):
    config = setup(world, free)
    first = night(config, monkeypatch, 0)
    with monkeypatch.context() as patch:
        patch.setattr(decide_customers, "rests_of", lambda options, *_: (Rest(days=0, share=0.5),) * len(options))
        second = night(config, patch, 1)
    twice, after = served(first) & served(second), read_run(second)["decisions"].set_index("customer_id")
    shutil.rmtree(Path(first.path).parent)
    rested = read_run(night(config, monkeypatch, 1))["decisions"].set_index("customer_id")
    same = after.index[(after["offer_id"] == rested["offer_id"]) & after.index.isin(twice)]
    assert len(same) > 50
    fatigue = after.loc[same, "fatigue"]
    net = [frame.loc[same, "promised_profit"] + fatigue for frame in (after, rested)]
    assert np.allclose(net[0], 0.5 * net[1], rtol=1e-5)


def test_contacts_that_came_back_as_rows_are_counted_as_those_of_lists_are(world, monkeypatch):
    config = setup(world, free)
    first = night(config, monkeypatch, 0)
    wrote, given = read_run(first), served(first)
    rewrite(world, "contacts", lambda old: pd.concat([old, wrote["contacts"]], ignore_index=True))
    rewrite(world, "campaigns", lambda old: pd.concat([old, wrote["campaigns"]], ignore_index=True))
    shutil.rmtree(first.path)
    second = night(config, monkeypatch, 1)
    assert not given & served(second) and not second.summary.notes[0].key == "lists"


def test_a_night_that_was_killed_and_is_run_again_sends_nothing_twice(world, monkeypatch):
    """Killed before the folder has its name nothing was promised; after it the same list stands, byte by byte."""
    config = setup(world, free)
    first = night(config, monkeypatch, 0)
    with monkeypatch.context() as patch:
        patch.setattr("netlift.pipelines.decide.prove_exports", _kill)
        with pytest.raises(KeyboardInterrupt):
            night(config, patch, 1)
    second = night(config, monkeypatch, 1)
    content = (Path(second.path) / "decisions.parquet").read_bytes()
    again = night(config, monkeypatch, 1)
    assert second.written and not again.written and (Path(again.path) / "decisions.parquet").read_bytes() == content
    other = night(config, monkeypatch, 1, run_key="after-the-kill")
    lists = [served(run) for run in (first, second, other)]
    assert sum(map(len, lists)) == len(set().union(*lists))


def _kill(*_, **__):
    raise KeyboardInterrupt


def test_a_month_pays_for_no_more_than_it_has_and_says_what_is_spent(world, monkeypatch):
    config = setup(world, with_month(monthly_budget=900, call={"monthly_at_most": 6}))
    runs = [night(config, monkeypatch, after) for after in (0, 1, 2)]
    logs = [read_run(run)["decisions"] for run in runs]
    spent = [float((log["expected_reward"] + log["contact_cost"]).sum()) for log in logs]
    calls = [int((log["channel"] == "call").sum()) for log in logs]
    assert sum(spent) <= 900 + 1e-6 and sum(calls) <= 6 and spent[0] > 500
    for k, run in enumerate(runs):
        budget, call = run.summary.month
        assert (budget.name, budget.most, call.name, call.most) == ("budget", 900, "channel call", 6)
        assert budget.before == pytest.approx(sum(spent[:k])) and budget.now == pytest.approx(spent[k])
        assert (call.before, call.now) == (sum(calls[:k]), calls[k])
        plain = json.loads((Path(run.path) / "manifest.json").read_text())["summary"]["month"]
        assert plain[0]["before"] == pytest.approx(budget.before)
    assert "этот —" in runs[1].to_text() and "осталось" in runs[1].to_text()
    november = decide(config, monkeypatch, as_of=date(2026, 11, 1))
    assert november.summary.month[0].before == 0 and november.summary.spend > 0


@pytest.mark.parametrize(
    ("language", "told"), [("en", "was used up before this run"), ("ru", "исчерпан до этого запуска")]
)
def test_a_month_spent_on_its_first_day_ends_in_an_empty_list_with_the_reason(world, monkeypatch, language, told):
    config = setup(world, with_month(monthly_budget=0, push={"monthly_at_most": 0}))
    run = night(config, monkeypatch, 0)
    assert run.summary.contacted == 0 and run.summary.spend == 0
    assert run.summary.reasons["month_used"] > 100
    text = to_text(decision_document(run.summary, speak(language), path="", written=True))
    assert text.count(told) >= 2  # the budget, and pushes


def test_a_shop_where_everybodys_window_is_open_gets_an_empty_list(world, monkeypatch):
    config = setup(world, free)
    monkeypatch.setattr(decide_customers, "days_to_nearest", lambda *_, customers, **__: np.ones(customers))
    run = night(config, monkeypatch, 0)
    assert run.summary.contacted == 0 and run.summary.reasons["open_window"] > 100


@pytest.mark.parametrize(
    ("month", "told"),
    [
        ({"budget": 100, "monthly_budget": 50}, "budget: 100.00 a run is above monthly_budget 50.00"),
        ({"call": {"at_most": 9, "monthly_at_most": 5}}, "channels.call: at_most 9 a day is above monthly_at_most 5"),
        ({"push_reminder": {"at_least": 9, "monthly_at_most": 5}}, "at_least 9 a day is above monthly_at_most 5"),
        ({"monthly_budget": -1}, "monthly_budget"),
    ],
)
def test_limits_of_a_month_that_contradict_those_of_a_day_are_refused(world, monkeypatch, month, told):
    with pytest.raises(ConfigError, match=told):
        night(setup(world, with_month(**month)), monkeypatch, 0)
