"""New offers through the whole verb: tried within consents and budget, proven or stopped by what came back."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decide_world import AS_OF, EFFECTS, configure, decide, make_world, read_run, rewrite, table, touch

from netlift.data.arm_chances import parse_chances
from netlift.decisions.readout.record import load_decisions
from netlift.decisions.run.summary import DecisionSummary
from netlift.estimators.expression import constant

pytestmark = pytest.mark.slow

NEW = ("push_quiz", "sms_gift")
COST = {"push_quiz": 0.1, "sms_gift": 3.0}
BUDGET = 600.0


def with_new(**changes):
    def change(decision):
        decision.update(triggers=[], budget="unlimited")
        decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0)
        decision["offers"]["push_quiz"] = {"channel": "push", "reward": 0, "redeemed_by": 0}
        decision["offers"]["sms_gift"] = {"channel": "sms", "reward": 50, "redeemed_by": 0.1}
        new = {"offers": [*NEW], "budget": BUDGET} | changes
        decision["explore"].update(epsilon=0.1, new_offers=new)

    return change


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=600)
    offers = pd.DataFrame({"offer_id": NEW, "channel": ["push", "sms"], "contact_cost": [COST[name] for name in NEW]})
    rewrite(folder, "offers", lambda known: pd.concat([known, offers], ignore_index=True))
    return folder


@pytest.fixture(scope="module")
def first(folder):
    with pytest.MonkeyPatch.context() as patch:
        run = decide(configure(folder, with_new()), patch, language="en")
    return run, read_run(run)


def test_new_offers_go_to_whom_chance_picks_within_consents_and_budget(folder, first):
    run, wrote = first
    log = wrote["decisions"].set_index("customer_id")
    people = table(folder, "customers").set_index("customer_id")
    tried = log[log["arm"] == "new_offer"]
    got = tried[tried["offer_id"] != "none"]
    assert len(got) > 20 and set(got["offer_id"]) <= set(NEW)
    assert set(log.index[log["offer_id"].isin(NEW)]) == set(got.index), "nobody else gets them"
    for name, channel in (("push_quiz", "push"), ("sms_gift", "sms")):
        own = got[got["offer_id"] == name]
        assert people.loc[own.index, f"consent_{channel}"].all()
        assert (people.loc[log.index[log[f"p_{name}"] > 0], f"consent_{channel}"]).all()
    part = run.summary.new_offers
    paid = sum((got["offer_id"] == name).sum() * (COST[name] + 5 * (name == "sms_gift")) for name in NEW)
    assert part.spend == pytest.approx(paid) and 0 < paid <= BUDGET
    assert {line.known.offer_id: line.customers for line in part.lines} == {
        name: int((got["offer_id"] == name).sum()) for name in NEW
    }
    assert {line.known.state for line in part.lines} == {"learning"}


def test_every_chance_is_in_the_log_and_in_the_contacts_that_come_back(first):
    run, wrote = first
    record = load_decisions(Path(run.path) / "decisions.parquet")
    is_in = ~record.held_out
    assert np.abs(record.chances[is_in].sum(axis=1) - 1).max() < 1e-9
    log = wrote["decisions"].set_index("customer_id")
    for row in wrote["contacts"].itertuples():
        chances = parse_chances(row.arm_propensities, arm=row.offer_id, propensity=row.propensity)
        assert chances and chances.get("push_quiz", 0.0) == pytest.approx(log.at[row.customer_id, "p_push_quiz"])
    drawn_by = json.loads((Path(run.path) / "manifest.json").read_text())["drawn_by"]
    assert drawn_by["new_offers"]["offers"] == [*NEW] and 0 < drawn_by["new_offers"]["chance"] <= 0.18 + 1e-12
    for line in run.summary.new_offers.lines:
        told = log.loc[log[f"p_{line.known.offer_id}"] > 0, f"p_{line.known.offer_id}"]
        np.testing.assert_allclose(told, line.probability)


def test_the_summary_is_what_the_manifest_holds_and_the_page_says_it_in_both_languages(first):
    run, _ = first
    plain = json.loads((Path(run.path) / "manifest.json").read_text())["summary"]
    assert DecisionSummary.from_plain(plain).new_offers == run.summary.new_offers
    for language, said in (("ru", "Новые предложения"), ("en", "New offers")):
        page = (Path(run.path) / f"decisions_{language}.html").read_text()
        assert said in page and "push_quiz" in page


def test_a_month_pays_no_more_than_it_has(folder, first, monkeypatch):
    run, _ = first
    spent = run.summary.new_offers.spend
    config = configure(
        folder,
        with_new(monthly_budget=BUDGET, budget=BUDGET),
        "monthly",
        lambda c: c["score"].update(max_data_age_days=30),
    )
    later = decide(config, monkeypatch, as_of=AS_OF + timedelta(days=1), run_key="later")
    part = later.summary.new_offers
    assert part.before == pytest.approx(spent) and part.budget == pytest.approx(BUDGET - spent)
    assert part.spend <= BUDGET - spent + 1e-9
    assert {line.known.made for line in part.lines} == {line.customers for line in run.summary.new_offers.lines}


@pytest.fixture(scope="module")
def taught(folder, tmp_path_factory):
    """The same shop after campaigns: one new offer brought 400 a contact, the other cost 900."""
    copy = tmp_path_factory.mktemp("taught")
    shutil.copytree(folder / "var" / "demo", copy / "var" / "demo")
    people = table(copy, "customers")["customer_id"].to_numpy()
    receipts = table(copy, "transactions")
    rng = np.random.default_rng(8)
    began, rows, bought = pd.Timestamp(AS_OF) - pd.Timedelta(days=60), [], []
    for k, name in enumerate(NEW):
        arm = rng.permutation(people)[:500]
        offers = np.where(np.arange(500) < 250, name, "control")
        rows.append(
            pd.DataFrame(
                {
                    "campaign_id": f"N{k}",
                    "customer_id": arm,
                    "assigned_at": began + pd.Timedelta(days=0),
                    "offer_id": offers,
                    "propensity": 0.5,
                    "contact_cost": np.where(offers == name, COST[name] + 900.0 * (name == "sms_gift"), 0.0),
                }
            )
        )
        if name == "push_quiz":
            more = receipts.iloc[:250].copy()
            more["customer_id"], more["occurred_at"] = arm[:250], began + pd.Timedelta(days=3)
            more["revenue"], more["margin"] = 800.0, 400.0
            more["is_return"] = False
            if "transaction_id" in more:
                more["transaction_id"] = [f"quiz-{i}" for i in range(250)]
            bought.append(more)
    rewrite(copy, "contacts", lambda known: pd.concat([known, *rows], ignore_index=True))
    rewrite(copy, "transactions", lambda known: pd.concat([known, *bought], ignore_index=True))
    campaigns = pd.DataFrame(
        {
            "campaign_id": ["N0", "N1"],
            "started_at": began,
            "outcome_days": table(copy, "campaigns")["outcome_days"].iloc[0],
            "randomized": True,
        }
    )
    rewrite(copy, "campaigns", lambda known: pd.concat([known, campaigns], ignore_index=True))
    touch(copy)
    return copy


def test_a_proven_offer_is_decided_once_a_model_knows_it_and_a_losing_one_stops(taught, monkeypatch):
    effects = EFFECTS | {"push_quiz": constant(40.0), "sms_gift": constant(90.0)}
    run = decide(configure(taught, with_new()), monkeypatch, effects=effects, run_key="known", language="en")
    state = {line.known.offer_id: line.known for line in run.summary.new_offers.lines}
    assert state["push_quiz"].state == "proven" and state["push_quiz"].contacts == 250
    assert state["push_quiz"].lower < 400 < state["push_quiz"].upper
    assert state["sms_gift"].state == "retired" and state["sms_gift"].cost == pytest.approx(250 * 903.0)
    log = read_run(run)["decisions"]
    assert (log["offer_id"] != "sms_gift").all() and (log["p_sms_gift"].fillna(0) == 0).all(), "whatever a model says"
    by_policy = log[(log["offer_id"] == "push_quiz") & (log["arm"] == "policy")]
    assert len(by_policy) > 20 and (log["arm"] != "new_offer").all()
    assert run.summary.refusals["sms_gift"].get("retired", 0) > 100
    text = run.to_text().replace("\xa0", " ")
    assert "is proven: about RUB" in text and "is stopped: a contact brings about −RUB" in text
