from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decide_world import AS_OF, NOW, configure, days, decide, make_world, read_run, rewrite, table

from netlift.errors import UsageError

pytestmark = pytest.mark.slow

TASKS = ("uplift", "churn", "ltv")


def lively(decision):
    """Triggers that fire in a small shop, and rules that leave their lists alone."""
    decision.update(strategies=[], budget="unlimited")
    decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0, quiet_after_complaint_days=0)
    for offer in decision["offers"].values():
        offer["eligible"] = []
    for trigger in decision["triggers"]:
        trigger["window_days"] = 7
        if trigger["when"] == "birthday":
            trigger["days_before"] = 6
    decision["offers"]["call_advice"]["at_least"] = 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder)
    return folder


def receipts_of(folder):
    receipts = table(folder, "transactions")
    bought = receipts[~receipts["is_return"].fillna(False).astype(bool)]
    return bought[bought["occurred_at"] < pd.Timestamp(AS_OF)]


def test_the_welcome_list_holds_those_who_bought_first_in_its_window(world, monkeypatch):
    run = decide(configure(world, lively), monkeypatch, trigger="welcome")
    log = read_run(run)["decisions"]
    first = receipts_of(world).groupby("customer_id")["occurred_at"].min()
    assert set(log["customer_id"]) == set(first.index[days(first) <= 7])
    reasons = read_run(run)["lists"]["reason"]
    assert len(reasons) and reasons.str.startswith("welcome: ").all()
    assert run.summary.run_key == "2026-10-01-welcome"
    assert set(log["offer_id"]) <= {"push_reminder", "email_discount_10", "none"}
    assert "p_sms_bonus_300" not in log, "other offers are not asked about"


def test_the_spend_list_holds_those_who_reached_a_step(world, monkeypatch):
    run = decide(configure(world, lively), monkeypatch, trigger="another 25000")
    receipts = table(world, "transactions").sort_values(["customer_id", "occurred_at"])
    receipts = receipts[receipts["occurred_at"] < pd.Timestamp(AS_OF)]
    receipts["spent"] = receipts.groupby("customer_id")["revenue"].cumsum()
    now = receipts.groupby("customer_id")["spent"].max().clip(lower=0)
    old = receipts[receipts["occurred_at"] < pd.Timestamp(AS_OF) - pd.Timedelta(days=7)]
    before = old.groupby("customer_id")["spent"].max().clip(lower=0).reindex(now.index).fillna(0)
    assert set(read_run(run)["decisions"]["customer_id"]) == set(now.index[now // 25000 > before // 25000])
    assert run.summary.customers > 0


def test_birthdays_complaints_and_churn_fire_for_whom_they_should(world, monkeypatch):
    born = table(world, "customers").set_index("customer_id")["birth_date"]
    born = pd.to_datetime(born.dropna())
    ahead = {(AS_OF + timedelta(days=6 - k)).strftime("%m-%d") for k in range(7)}
    ids = {
        name: set(
            read_run(decide(configure(world, lively), monkeypatch, tasks=TASKS, trigger=name))["decisions"].iloc[:, 0]
        )
        for name in ("birthday", "complaint", "about to leave", "silent too long")
    }
    assert ids["birthday"] == set(born.index[born.dt.strftime("%m-%d").isin(ahead)])
    events = table(world, "events")
    upset = events[(events["kind"] == "complaint") & (events["occurred_at"] < pd.Timestamp(AS_OF))]
    newest = upset.groupby("customer_id")["occurred_at"].max()
    assert ids["complaint"] == set(newest.index[newest >= pd.Timestamp(AS_OF) - pd.Timedelta(days=7)])
    last = receipts_of(world).groupby("customer_id")["occurred_at"].max()
    silent = pd.Series(days(last), index=last.index)
    assert ids["about to leave"] == set(silent.index[(silent >= 240) & (silent - 7 < 240)]), (
        "p_churn is silence over 400"
    )
    assert 0 < len(ids["silent too long"]) < 100


def test_a_trigger_does_not_fire_again_within_its_rest_and_catches_up_a_missed_day(world, monkeypatch):
    config = configure(world, lively)
    name = "silent too long"
    first = decide(config, monkeypatch, trigger=name, as_of=AS_OF - timedelta(days=10))
    second = decide(config, monkeypatch, trigger=name)
    before, after = (set(read_run(run)["decisions"]["customer_id"]) for run in (first, second))
    assert before and after and not before & after
    shutil.rmtree(first.path)
    shutil.rmtree(second.path)
    alone = set(read_run(decide(config, monkeypatch, trigger=name))["decisions"]["customer_id"])
    assert alone <= after, "ten days since the last run are looked at, not seven"
    with pytest.raises(UsageError, match="has run"):
        decide(config, monkeypatch, trigger=name, run_key="once-more")


def test_a_list_without_anybody_is_an_empty_run_and_no_refusal(world, monkeypatch):
    rewrite(world, "events", lambda events: events[events["kind"] != "complaint"])
    run = decide(configure(world, lively), monkeypatch, trigger="complaint")
    wrote = read_run(run)
    assert run.summary.customers == run.summary.contacted == 0
    assert len(wrote["decisions"]) == len(wrote["lists"]) == len(wrote["contacts"]) == 0
    assert run.summary.forecast.profit.point == 0 and "0" in run.to_text()
    assert json.loads((Path(run.path) / "manifest.json").read_text())["trigger"] == "complaint"
    assert not decide(configure(world, lively), monkeypatch, trigger="complaint").written


def test_a_trigger_that_is_not_there_is_named(world, monkeypatch):
    with pytest.raises(UsageError, match="did you mean welcome"):
        decide(configure(world), monkeypatch, trigger="welcom")


def test_the_list_goes_through_consent_and_holdout_like_everything_else(world, monkeypatch):
    rewrite(world, "customers", lambda people: people.assign(consent_push=False))
    run = decide(configure(world, lively), monkeypatch, trigger="welcome", now=NOW)
    wrote = read_run(run)
    assert len(wrote["export_push"]) == 0 and run.summary.refusals["push_reminder"]["consent"] > 0
    assert np.isin(wrote["decisions"]["arm"], ["policy", "explore", "holdout"]).all()
    assert date.fromisoformat(json.loads((Path(run.path) / "manifest.json").read_text())["as_of"]) == AS_OF


def daily(decision):
    """As the demo has it, every day, but for limits and conditions."""
    decision.update(strategies=[], budget="unlimited")
    decision["contact_policy"]["limits"] = []
    for offer in decision["offers"].values():
        offer["eligible"] = []


def test_the_lists_that_answer_a_purchase_or_a_complaint_reach_people_under_the_rules_of_the_demo(world, monkeypatch):
    """Quiet days protect from campaigns; the answer to the event itself is not one."""
    ids = table(world, "customers").query("consent_push & consent_email & consent_call")["customer_id"].iloc[:40]

    def yesterday(events):
        rows = pd.DataFrame({"customer_id": ids, "occurred_at": pd.Timestamp("2026-09-30T12:00"), "kind": "complaint"})
        return pd.concat([events, rows.assign(value=np.nan)], ignore_index=True)

    rewrite(world, "events", yesterday)
    answered = read_run(decide(configure(world, daily), monkeypatch, trigger="complaint"))["decisions"]
    assert set(answered["customer_id"]) >= set(ids) and (answered["reason"] != "quiet_after_complaint").all()
    assert (answered["offer_id"] == "call_advice").any() or (answered["reason"] == "nothing_pays").any()
    everybody = read_run(decide(configure(world, daily), monkeypatch))["decisions"].set_index("customer_id")
    held = everybody.loc[ids, "arm"] == "holdout"
    assert set(everybody.loc[ids[~held.to_numpy()], "reason"]) <= {
        "quiet_after_complaint", "quiet_after_purchase", "opted_out"
    }  # fmt: skip


def test_a_run_of_a_missed_day_after_the_day_that_caught_it_up_is_refused(world, monkeypatch):
    config, name = configure(world, daily), "welcome"
    decide(config, monkeypatch, trigger=name, as_of=AS_OF - timedelta(days=4))
    decide(config, monkeypatch, trigger=name)
    with pytest.raises(UsageError, match="looked back over 2026-09-29"):
        decide(config, monkeypatch, trigger=name, as_of=AS_OF - timedelta(days=2))
    early = decide(config, monkeypatch, trigger=name, as_of=AS_OF - timedelta(days=5))
    assert early.written, "the run of the 27th looked back one day alone"


def test_a_chance_of_exactly_the_threshold_fires_once(world, monkeypatch):
    """Chances are kept to seven digits: one that is over the threshold by them today is so when looked at tomorrow."""
    last = receipts_of(world).groupby("customer_id")["occurred_at"].max()
    silent = days(last, AS_OF - timedelta(days=1))
    silence = pd.Series(silent[(silent > 60) & (silent < 360)]).mode()[0]

    def no_rest(decision):
        daily(decision)
        decision["triggers"] = [{"name": "leaving", "when": "churn", "p_churn": float(silence) / 400 + 1e-9,
                                 "window_days": 1, "offers": ["call_advice"]}]  # fmt: skip

    config = configure(world, no_rest)
    yesterday, today = (
        set(read_run(decide(config, monkeypatch, tasks=TASKS, trigger="leaving", as_of=AS_OF - timedelta(days=back)))[
            "decisions"]["customer_id"]) for back in (1, 0)
    )  # fmt: skip
    assert yesterday >= set(last.index[silent == silence]) and not yesterday & today
