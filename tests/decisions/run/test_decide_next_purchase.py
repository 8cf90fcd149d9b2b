"""Runs whose lists carry next purchases and the recommender's items, and the list of what falls due."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decide_world import AS_OF, configure, decide, read_run, rewrite, table, touch
from segment_world import opened

from netlift.errors import DataError
from netlift.next_purchase.fields import foretell_purchases

pytestmark = pytest.mark.slow

HORIZON = 60


def shorten(content):
    content["next_purchase"] = {"horizon_days": HORIZON}


def ask_for(*fields, **more):
    def change(decision):
        decision["lists"] = {"language": "en", "fields": list(fields)}
        decision.update(budget="unlimited")
        decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0, quiet_after_complaint_days=0)
        decision.update(**more)

    return change


def restock(every=1, notice=3):
    fires = {"name": "restock", "when": "replenishment", "window_days": every, "days_before": notice}
    return [fires | {"offers": ["email_discount_10", "push_reminder"]}]


def restock_journey():
    """A journey that begins where a category falls due in three days."""
    begins = {"name": "due", "when": "replenishment", "window_days": 1, "days_before": 3}
    steps = [{"offers": ["push_reminder", "email_discount_10"]}]
    own = {"name": "journey_restock", "trigger": "due", "control_share": 0.2, "outcome_days": 28}
    return {"triggers": [begins], "journeys": [own | {"exits": ["opted_out"], "steps": steps}]}


def with_items(folder):
    ids = table(folder, "customers")["customer_id"]
    scores = pd.DataFrame({"customer_id": ids, "item": "tea", "score": 0.5})
    scores = pd.concat([scores, scores.assign(item="milk", score=np.linspace(0, 1, len(ids)))])
    scores.to_parquet(folder / "var" / "demo" / "item_scores.parquet")
    touch(folder)


def also_items(content):
    shorten(content)
    content["data"]["tables"]["item_scores"] = {"path": "../var/demo/item_scores.parquet"}


def test_lists_carry_the_next_purchase_and_the_items_of_the_recommender(world, monkeypatch):
    with_items(world)
    names = ("next_category", "p_next_category", "next_purchase_on", "replenish_on", "item_1")

    def groceries_alone_by_push(decision):
        ask_for(*names)(decision)
        decision["offers"]["push_reminder"]["eligible"] = ["next_category = Продукты"]

    config = configure(world, groceries_alone_by_push, more=also_items)
    run = decide(config, monkeypatch, language="en")
    lists = read_run(run)["lists"]
    pushed = lists.loc[lists["channel"] == "push", "next_category"]
    assert len(pushed) and set(pushed) == {"Продукты"} and lists["next_category"].nunique() > 1
    with opened(config) as (settings, tables):
        told = foretell_purchases(tables, settings.next_purchase, as_of=AS_OF, seed=settings.seed)
    wanted = told.columns(lists["customer_id"].to_numpy(dtype=object))
    for name in names[:-1]:
        values = pd.Series(wanted[name])
        there = values.notna().to_numpy()
        assert there.any() and (lists[name].notna().to_numpy() == there).all()
        got = pd.to_datetime(lists[name]) if name.endswith("_on") else lists[name]
        assert (got.to_numpy()[there] == values.to_numpy()[there]).all()
    scores = pd.read_parquet(world / "var" / "demo" / "item_scores.parquet").sort_values("score")
    best = scores.groupby("customer_id")["item"].last()
    assert lists["item_1"].tolist() == best[lists["customer_id"]].tolist() and {"tea", "milk"} == {*lists["item_1"]}
    manifest = json.loads((Path(run.path) / "manifest.json").read_text())
    judged = manifest["next_purchase"]
    assert judged["date"]["rows"] > 50 and judged["date"]["chosen"] in ("model", *judged["date"]["baselines"])
    said = run.to_text()
    assert f"({judged['date']['rows']:,}) the model was off by {judged['date']['model']:.2f} days on average" in said
    assert f"the model was right {judged['category']['model']:.1%} of the time" in said


def test_nights_of_the_replenishment_list_name_each_due_day_once(world, monkeypatch):
    config = configure(world, ask_for("replenish_category", triggers=restock()), more=shorten)
    monkeypatch.setattr("netlift.pipelines.decide.require_fresh", lambda *_: None)
    fired, days = {}, [AS_OF + timedelta(days=k) for k in range(2)]
    for day in days:
        log = read_run(decide(config, monkeypatch, as_of=day, trigger="restock"))["decisions"]
        for customer in log["customer_id"]:
            fired.setdefault(customer, []).append(day)
    with opened(config) as (settings, tables):
        told = foretell_purchases(tables, settings.next_purchase, as_of=AS_OF, seed=settings.seed)
    pairs, wanted = told.next.replenishments, {}
    for customer, due in zip(told.purchases.ids[pairs.customer], pairs.due.astype(date), strict=True):
        if days[0] <= due - timedelta(days=3) <= days[-1]:
            wanted.setdefault(customer, set()).add(due - timedelta(days=3))
    assert sum(map(len, wanted.values())) > 2
    # the receipts end on the first day, so that nothing but the calendar moves from night to night
    later = {customer for customer in fired if customer not in wanted}
    assert not later, "nobody else"
    missed = sum(len(dates - {*fired.get(customer, ())}) for customer, dates in wanted.items())
    assert missed <= 0.1 * sum(map(len, wanted.values())), "only who became unlikely to come within the horizon"


def test_a_journey_begins_for_those_who_have_a_category_due(world, monkeypatch):
    config = configure(world, ask_for(**restock_journey()), more=shorten)
    events = read_run(decide(config, monkeypatch))["journeys"]
    entered = events.loc[events["event"] == "entered", "customer_id"]
    with opened(config) as (settings, tables):
        told = foretell_purchases(tables, settings.next_purchase, as_of=AS_OF, seed=settings.seed)
    due = told.newest_due(entered.to_numpy(dtype=object), until=AS_OF + timedelta(days=3))
    assert len(entered) and not pd.isna(due).any()


def test_a_source_without_categories_or_items_is_refused_before_anything_is_computed(world, monkeypatch):
    rewrite(world, "transactions", lambda receipts: receipts.drop(columns="category"))
    with pytest.raises(DataError, match=r"transactions\.category"):
        decide(configure(world, ask_for("replenish_on"), more=shorten), monkeypatch)
    with pytest.raises(DataError, match=r"transactions\.category"):
        decide(configure(world, ask_for(triggers=restock()), more=shorten), monkeypatch, trigger="restock")
    with pytest.raises(DataError, match=r"transactions\.category"):
        decide(configure(world, ask_for(**restock_journey()), more=shorten), monkeypatch)
    with pytest.raises(DataError, match="item_scores"):
        decide(configure(world, ask_for("item_1"), more=shorten), monkeypatch)
