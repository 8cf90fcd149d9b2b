from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decide_world import (
    AS_OF,
    BUDGET,
    EFFECTS,
    NOW,
    OFFERS,
    configure,
    days,
    decide,
    make_world,
    read_run,
    rewrite,
    small_budget,
    table,
    touch,
)

from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.config.business import load
from netlift.data.arm_chances import parse_chances
from netlift.data.checks.check import check_tables
from netlift.data.read import open_tables
from netlift.errors import ConfigError, DataError, GateRefusedError, NetliftError, UsageError

pytestmark = pytest.mark.slow

OFFER_NAMES = {
    "email_discount_10": "Письмо: скидка 10 %", "sms_bonus_300": "SMS: 300 бонусов",
    "push_reminder": "Push-напоминание", "call_advice": "Звонок консультанта",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder)

    def with_opt_outs(events):
        ids = table(folder, "customers")["customer_id"]
        out = pd.DataFrame(
            {
                "customer_id": [*ids[:40], *ids[40:60]],
                "occurred_at": pd.Timestamp("2026-10-01T08:59:00"),  # a minute ago, and after the day began
                "kind": ["opt_out"] * 40 + ["opt_out_sms"] * 20,
                "value": np.nan,
            }
        )
        return pd.concat([events, out], ignore_index=True)

    rewrite(folder, "events", with_opt_outs)
    return folder


@pytest.fixture(scope="module")
def made(folder):
    """A run under a budget and caps that bind, and what it wrote."""
    with pytest.MonkeyPatch.context() as patch:
        run = decide(configure(folder, small_budget), patch)
    return run, read_run(run)


@pytest.fixture
def world(folder, tmp_path):
    """A copy of the shop to break."""
    shutil.copytree(folder / "var" / "demo", tmp_path / "var" / "demo")
    touch(tmp_path)
    configure(tmp_path)
    return tmp_path


def test_everybody_is_in_the_log_once_and_nobody_twice_in_a_list(folder, made):
    run, wrote = made
    people = table(folder, "customers")
    joined = people[people["joined_at"] < pd.Timestamp(AS_OF)]
    log = wrote["decisions"]
    assert log["customer_id"].tolist() == sorted(joined["customer_id"])
    assert run.summary.customers == len(log) and run.summary.contacted == len(wrote["lists"])
    assert wrote["lists"]["customer_id"].is_unique
    given = log[log["offer_id"] != "none"]
    assert set(map(tuple, given[["customer_id", "offer_id", "channel"]].to_numpy())) == set(
        map(tuple, wrote["lists"][["customer_id", "offer_id", "channel"]].to_numpy())
    )
    assert given.groupby("channel").size().min() > 0, "each channel is used"


def test_a_list_goes_by_worth_and_says_what_why_and_until_when(folder, made):
    _, wrote = made
    log = wrote["decisions"].set_index("customer_id")
    for channel in ("email", "sms", "push", "call"):
        rows = wrote[f"export_{channel}"]
        assert rows["priority"].tolist() == [*range(1, len(rows) + 1)]
        assert rows["value"].is_monotonic_decreasing
        own = log.loc[rows["customer_id"]]
        np.testing.assert_allclose(rows["value"], own["expected_profit"], atol=0.005)
        assert (rows["valid_until"] == AS_OF + timedelta(days=6)).all()
        assert rows["offer_name"].tolist() == [OFFER_NAMES[offer] for offer in rows["offer_id"]]
        by_lot = (own["reason"] == "explore").to_numpy()
        assert {*rows["reason"][by_lot]} == {"случайно, для обучения"}
        next_best = own["runner_up"].map(lambda name: name is not None and name != "none").to_numpy()
        assert rows["reason"][~by_lot & next_best].str.startswith("принесёт больше, чем «").all()
        assert (rows["reason"][~by_lot & ~next_best] == "окупается").all()


def test_a_list_carries_the_fields_of_the_config_and_ends_with_the_offer(world, monkeypatch):
    def fields(decision):
        decision["lists"] = {"language": "en", "valid_days": 30, "fields": ["region", "days_since_last_purchase"]}
        decision["offers"]["push_reminder"]["valid_to"] = str(AS_OF + timedelta(days=2))

    wrote = read_run(decide(configure(world, fields), monkeypatch, run_key="fields"))
    people = table(world, "customers").set_index("customer_id")
    lists = wrote["lists"]
    assert lists["region"].tolist() == people.loc[lists["customer_id"], "region"].tolist()
    assert lists["days_since_last_purchase"].between(0, 365).all()
    until = lists.groupby("offer_id")["valid_until"].agg(["min", "max"])
    assert until.loc["push_reminder"].tolist() == [AS_OF + timedelta(days=2)] * 2
    assert (until.drop("push_reminder") == AS_OF + timedelta(days=29)).all(axis=None)
    assert "Push reminder" in set(lists["offer_name"])


@pytest.mark.parametrize(
    ("fields", "said"), [(["value"], "'value' is a column of every list"), (["ltv", "ltv"], "'ltv' is there twice")]
)
def test_a_field_that_a_list_has_already_is_refused(world, fields, said):
    with pytest.raises(ConfigError, match=said):
        load(configure(world, lambda decision: decision.update(lists={"fields": fields})))


def test_nobody_who_must_be_left_alone_is_in_a_list(folder, made):
    _, wrote = made
    people = table(folder, "customers").set_index("customer_id")
    receipts, events, contacts = (table(folder, name) for name in ("transactions", "events", "contacts"))
    bought = receipts[~receipts["is_return"].fillna(False).astype(bool) & (receipts["occurred_at"] < str(AS_OF))]
    newest = bought.groupby("customer_id")["occurred_at"].max()
    recent = set(newest.index[days(newest) < 2])
    upset = events[(events["kind"] == "complaint") & (days(events["occurred_at"]) < 30)]
    over = contacts[contacts["offer_id"] != "control"].merge(table(folder, "offers")[["offer_id", "channel"]])
    period = period_of(AS_OF, rotate_months=12, washout_days=28)
    out = {kind: set(events.loc[events["kind"] == kind, "customer_id"]) for kind in ("opt_out", "opt_out_sms")}
    for channel in ("email", "sms", "push", "call"):
        ids = list(wrote[f"export_{channel}"]["customer_id"])
        assert ids and people.loc[ids, f"consent_{channel}"].all()
        assert not set(ids) & out["opt_out"] and not set(ids) & recent and not set(ids) & set(upset["customer_id"])
        assert not is_held_out(ids, share=0.05, salt="demo", period=period).any()
        window = {"sms": 14, "call": 90}.get(channel)
        if window:
            since = over[(over["channel"] == channel) & (days(over["assigned_at"]) <= window)]
            assert not set(ids) & set(since["customer_id"])
        assert (days(newest[ids]) <= 365).all(), "the offers' condition"
    assert not set(wrote["export_sms"]["customer_id"]) & out["opt_out_sms"]
    assert set(wrote["lists"]["customer_id"]) & out["opt_out_sms"], "an opt-out of one channel closes that one"


def test_budget_and_caps_hold_exploration_included(made):
    run, wrote = made
    log = wrote["decisions"]
    spend = (log["expected_reward"] + log["contact_cost"]).sum()
    assert spend == pytest.approx(run.summary.spend) and 0.97 * BUDGET < spend <= BUDGET
    assert len(wrote["export_sms"]) <= 60 and len(wrote["export_call"]) <= 20
    by_name = {(price.name, price.side): price for price in run.summary.prices}
    assert by_name["budget", "most"].bound == BUDGET and by_name["budget", "most"].price > 0
    assert by_name["budget", "most"].used == pytest.approx(spend)
    assert by_name["channel sms", "most"].used == len(wrote["export_sms"])
    assert 0 <= run.summary.gap < 0.01
    curve = run.summary.curve
    assert [point.budget for point in curve] == sorted(point.budget for point in curve)
    assert curve[0].profit < curve[1].profit < curve[2].profit and curve[1].budget == pytest.approx(BUDGET)
    assert curve[0].price > curve[2].price, "each further rouble earns less"


def test_money_adds_up_to_the_formula_from_raw_rows(folder, made):
    _, wrote = made
    log = wrote["decisions"]
    given = log[log["offer_id"] != "none"].set_index("customer_id")
    parts = given["expected_incremental_margin"] - given["expected_reward"] - given["contact_cost"]
    assert np.allclose(parts + given["expected_future"] - given["fatigue"], given["expected_profit"])
    assert (log.loc[log["offer_id"] == "none", "expected_profit"] == 0).all()
    receipts = table(folder, "transactions")
    year = receipts[(receipts["occurred_at"] >= "2025-10-01") & (receipts["occurred_at"] < "2026-10-01")]
    margin = year.groupby("customer_id")["margin"].sum()
    emailed = given[given["offer_id"] == "email_discount_10"]
    uplift = 5.0 + 0.01 * margin[emailed.index]
    assert np.allclose(emailed["promised_profit"], uplift - 1.0, atol=0.01), (
        "what training paid is paid now: uplift - fatigue"
    )
    assert np.allclose(emailed["expected_profit"], 0.5 * uplift - 1.0, atol=0.01), "held out, half of it came true"
    contacts = table(folder, "contacts").merge(table(folder, "campaigns")[["campaign_id", "randomized"]])
    is_over = contacts["assigned_at"] + pd.Timedelta(days=28) <= pd.Timestamp(AS_OF)
    taught = contacts[contacts["randomized"] & is_over & (contacts["offer_id"] == "email_discount_10")]
    assert np.allclose(emailed["expected_reward"], taught["reward_cost"].mean())
    width = emailed["expected_profit_upper"] - emailed["expected_profit_lower"]
    assert (width > 0).all() and width.nunique() > 1


def test_the_policy_takes_the_best_option_where_nothing_is_short(world, monkeypatch):
    def free(decision):
        decision.update(budget="unlimited", strategies=[], triggers=[])
        decision["explore"].update(epsilon=0.0, floor=0.0)
        for channel in decision["channels"].values():
            channel.pop("at_most", None)

    run = decide(configure(world, free, "free"), monkeypatch, run_key="free")
    log = read_run(run)["decisions"]
    policy = log[(log["arm"] == "policy") & (log["reason"] == "policy")]
    assert len(policy) > 200 and (policy["propensity"] == 1).all() and (policy["promised_profit"] > 0).all()
    assert run.summary.gap == pytest.approx(0, abs=1e-9)
    assert not run.summary.prices or not any(price.binding for price in run.summary.prices)
    campaign = read_run(run)["campaigns"]
    assert not campaign["randomized"].iloc[0], "without exploration nothing was left to chance"


def test_propensities_are_those_of_the_draw(made):
    run, wrote = made
    log = wrote["decisions"]
    names = [f"p_{offer}" for offer in (*OFFERS, "none")]
    drawn = log[log["arm"] != "holdout"]
    assert np.allclose(drawn[names].sum(axis=1), 1)
    own = drawn[names].to_numpy()[np.arange(len(drawn)), [names.index(f"p_{offer}") for offer in drawn["offer_id"]]]
    assert np.allclose(own, drawn["propensity"]) and (own > 0).all()
    assert log.loc[log["arm"] == "holdout", ["propensity", *names]].isna().all().all()
    closed = drawn[drawn["reason"].isin(["consent", "not_eligible", "opted_out"])]
    assert len(closed) and (closed["p_none"] == 1).all()
    open_to = drawn[drawn["p_none"] < 1]
    policy = drawn[drawn["arm"] == "policy"]
    assert (policy["policy_offer_id"] == policy["offer_id"]).all() and np.allclose(
        policy["policy_profit"], policy["expected_profit"]
    )
    explored = drawn[drawn["arm"] == "explore"]
    assert explored["policy_profit"].sum() > explored["expected_profit"].sum(), "chance costs something"
    share = (open_to["arm"] == "explore").mean()
    assert abs(share - 0.2) < 4 * np.sqrt(0.16 / len(open_to))
    assert run.summary.explored == (log["arm"] == "explore").sum()


def test_contacts_are_in_the_form_that_training_and_readouts_read(folder, made, tmp_path):
    _, wrote = made
    contacts, log = wrote["contacts"], wrote["decisions"].set_index("customer_id")
    assert (contacts["campaign_id"] == "2026-10-01").all() and (contacts["assigned_at"] == pd.Timestamp(AS_OF)).all()
    assert contacts["propensity"].between(0, 1, inclusive="right").all()
    assert set(contacts["offer_id"]) == {*OFFERS, "control"}
    assert (log.loc[contacts["customer_id"], "p_none"] < 1).all() and not (
        log.loc[contacts["customer_id"], "arm"] == "holdout"
    ).any()
    named = contacts["offer_id"].replace("control", "none").to_numpy()
    assert (named == log.loc[contacts["customer_id"], "offer_id"].to_numpy()).all()
    logged = contacts[["arm_propensities", "offer_id", "propensity"]].itertuples(index=False)
    vectors = pd.DataFrame([parse_chances(text, arm=arm, propensity=p) for text, arm, p in logged]).fillna(0.0)
    chances = log.loc[contacts["customer_id"], [f"p_{name}" for name in (*OFFERS, "none")]].to_numpy()
    assert np.allclose(vectors[[*OFFERS, "control"]], chances)
    shutil.copytree(folder / "var" / "demo", tmp_path / "var" / "demo")
    for name in ("contacts", "campaigns"):
        rewrite(tmp_path, name, lambda old, name=name: pd.concat([old, wrote[name]], ignore_index=True))
    settings = load(configure(tmp_path))
    with open_tables(settings) as tables:
        report = check_tables(tables, settings, as_of=None)
    report.raise_for_errors()
    ratio = next(row for row in report.sample_ratios if row.campaign_id == "2026-10-01")
    assert not ratio.alarm and ratio.rows == len(contacts)
    assert wrote["campaigns"]["randomized"].all() and (wrote["campaigns"]["outcome_days"] == 28).all()


def test_a_key_gives_the_same_bytes_or_a_refusal(folder, made, monkeypatch):
    run, _ = made
    config = configure(folder, small_budget)
    before = {path.name: path.read_bytes() for path in Path(run.path).iterdir()}
    again = decide(config, monkeypatch)
    assert not again.written and again.summary == run.summary
    kept = folder / "kept"
    shutil.move(run.path, kept)
    try:
        anew = decide(config, monkeypatch)
        after = {path.name: path.read_bytes() for path in Path(anew.path).iterdir() if path.name != "manifest.json"}
        assert anew.written and after == {name: before[name] for name in after}
    finally:
        shutil.rmtree(run.path)
        shutil.move(kept, run.path)
    with pytest.raises(UsageError, match="csv"):
        decide(config, monkeypatch, for_excel=True)
    with pytest.raises(UsageError, match="decision"):
        decide(configure(folder, name="other"), monkeypatch)


def test_the_next_day_counts_contacts_that_are_not_logged_yet(world, monkeypatch):
    def no_chance(decision):
        decision.update(budget="unlimited", strategies=[], triggers=[])
        decision["contact_policy"]["limits"] = [{"at_most": 1, "days": 7}]
        decision["contact_policy"]["quiet_after_purchase_days"] = 0

    config = configure(world, no_chance)
    today = decide(config, monkeypatch)
    tomorrow = decide(config, monkeypatch, as_of=AS_OF + timedelta(days=1))
    later = decide(config, monkeypatch, as_of=AS_OF + timedelta(days=1), run_key="evening")
    first, second, third = (set(read_run(run)["lists"]["customer_id"]) for run in (today, tomorrow, later))
    assert len(first) > 200 and not first & second and not (first | second) & third
    assert "lists" in {note.key for note in tomorrow.summary.notes}
    assert tomorrow.summary.reasons["contact_pressure"] >= len(first) * 0.9


def test_customers_of_a_priority_campaign_are_left_to_it(world, monkeypatch):
    ids = table(world, "customers")["customer_id"][100:300]

    def running(contacts):
        rows = contacts.iloc[: len(ids)].assign(campaign_id="VIP", customer_id=list(ids), offer_id="control")
        rows["delivered_at"] = pd.NaT
        return pd.concat([contacts, rows.assign(assigned_at=pd.Timestamp("2026-09-20"))], ignore_index=True)

    rewrite(world, "contacts", running)
    rewrite(
        world,
        "campaigns",
        lambda old: pd.concat(
            [old, old.iloc[:1].assign(campaign_id="VIP", started_at=pd.Timestamp("2026-09-20"))], ignore_index=True
        ),
    )
    config = configure(world, lambda decision: decision["contact_policy"].update(priority_campaigns=["VIP"]))
    run = decide(config, monkeypatch)
    assert not set(read_run(run)["lists"]["customer_id"]) & set(ids)
    assert run.summary.reasons["priority_campaign"] > 0


def test_stale_or_missing_consents_close_everything(world, monkeypatch):
    config = configure(world)
    with pytest.raises(GateRefusedError, match="24"):
        decide(config, monkeypatch, now=NOW + timedelta(days=2))
    with pytest.raises(GateRefusedError, match="after the run"):
        decide(config, monkeypatch, now=NOW - timedelta(days=2))
    bare = configure(world, name="bare", more=lambda content: content["data"]["tables"].pop("events"))
    with pytest.raises(GateRefusedError, match="opt"):
        decide(bare, monkeypatch)
    rewrite(world, "customers", lambda people: people.drop(columns="consent_sms"))
    with pytest.raises(GateRefusedError, match="consent_sms"):
        decide(config, monkeypatch)
    assert not (world / "var" / "out" / "decisions").exists() or not any(
        (world / "var" / "out" / "decisions").iterdir()
    )


def test_a_missing_consent_is_no_consent(world, monkeypatch):
    rewrite(world, "customers", lambda people: people.assign(consent_email=None))
    run = decide(configure(world), monkeypatch)
    assert len(read_run(run)["export_email"]) == 0 and run.summary.contacted > 0


def test_an_offer_that_no_model_knows_is_refused_or_explored_and_said(world, monkeypatch):
    known = {offer: effect for offer, effect in EFFECTS.items() if offer != "push_reminder"}
    refused = decide(configure(world, small_budget), monkeypatch, effects=known)
    assert "push_reminder" not in set(read_run(refused)["decisions"]["offer_id"])
    assert any(n.key == "untrained_refuse" and n.values["offers"] == ("push_reminder",) for n in refused.summary.notes)

    def explore(decision):
        small_budget(decision)
        decision["explore"]["untrained"] = "explore"

    explored = decide(configure(world, explore), monkeypatch, effects=known, run_key="explored")
    log = read_run(explored)["decisions"]
    pushed = log[log["offer_id"] == "push_reminder"]
    assert len(pushed) and (pushed["arm"] == "explore").all() and pushed["expected_profit"].isna().all()
    assert explored.summary.forecast.unknown == len(pushed)
    assert np.isfinite(explored.summary.forecast.profit.point)


def test_minimums_that_cannot_be_met_are_named(world, monkeypatch):
    def too_many(decision):
        decision.update(budget="unlimited")
        decision["offers"]["call_advice"].update(at_least=5000)
        decision["channels"]["call"].pop("at_most")

    with pytest.raises(GateRefusedError, match="call_advice"):
        decide(configure(world, too_many), monkeypatch)

    def enough(decision):
        decision.update(budget="unlimited")
        decision["offers"]["call_advice"].update(at_least=40)

    run = decide(configure(world, enough), monkeypatch)
    assert len(read_run(run)["export_call"]) >= 40


def test_a_run_without_anything_open_says_why(world, monkeypatch):
    def nobody(decision):
        decision["triggers"] = []
        for offer in decision["offers"].values():
            offer["eligible"] = ["margin_365d >= 1000000000"]

    with pytest.raises(GateRefusedError, match="not eligible"):
        decide(configure(world, nobody), monkeypatch)


def test_conditions_on_what_nobody_knows_are_refused_before_anything_is_made(world, monkeypatch):
    def strange(decision):
        decision["offers"]["push_reminder"]["eligible"] = ["days_since_last_purchse <= 30"]

    with pytest.raises(ConfigError, match="did you mean days_since_last_purchase"):
        decide(configure(world, strange), monkeypatch)
    with pytest.raises(ConfigError, match="no decision block"):
        decide(configure(world, name="none", more=lambda content: content.pop("decision")), monkeypatch)


def test_conditions_may_ask_for_scores_attributes_flags_and_segments(world, monkeypatch):
    region = table(world, "customers")["region"].mode()[0]

    def asks(decision):
        decision.update(strategies=[{"name": "best", "who": ["segment = champions"], "offers": ["push_reminder"]}])
        decision["offers"]["email_discount_10"]["eligible"] = ["p_churn < 0.3", "ltv >= 100"]
        decision["offers"]["sms_bonus_300"]["eligible"] = [f"region = {region}", "consent_call = true"]

    run = decide(configure(world, asks), monkeypatch, tasks=("uplift", "churn", "ltv"))
    wrote = read_run(run)
    people = table(world, "customers").set_index("customer_id")
    texted = people.loc[wrote["export_sms"]["customer_id"]]
    assert len(texted) and (texted["region"] == region).all() and texted["consent_call"].all()
    receipts = table(world, "transactions")
    bought = receipts[~receipts["is_return"].fillna(False).astype(bool)].groupby("customer_id")["occurred_at"].max()
    assert (days(bought[wrote["export_email"]["customer_id"]]) < 0.3 * 400).all()
    assert run.summary.versions == {"uplift": 1, "churn": 1, "ltv": 1}
    segments, strategies = (
        {line.name: line for line in part} for part in (run.summary.segments, run.summary.strategies)
    )
    assert strategies["best"].customers == segments["champions"].customers > 0
    assert set(strategies["best"].offers) <= {"push_reminder"}
    for lines in (segments.values(), strategies.values()):
        assert sum(line.customers for line in lines) == run.summary.customers
        assert sum(line.profit for line in lines) == pytest.approx(sum(offer.profit for offer in run.summary.offers))


def test_what_each_strategy_gets_is_that_of_its_customers_in_the_log(world, monkeypatch):
    region = table(world, "customers")["region"].mode()[0]

    def near(decision):
        decision["strategies"] = [{"name": "near", "who": [f"region = {region}"], "channels": ["push", "email"]}]

    run = decide(configure(world, near), monkeypatch)
    log = read_run(run)["decisions"]
    home = table(world, "customers").set_index("customer_id")["region"].reindex(log["customer_id"]) == region
    assert [line.name for line in run.summary.strategies] == ["near", ""] and not run.summary.segments
    for line, own in zip(run.summary.strategies, (log[home.to_numpy()], log[~home.to_numpy()]), strict=True):
        given = own[own["offer_id"] != "none"]
        assert line.customers == len(own) and line.offers == given["offer_id"].value_counts().to_dict()
        assert line.profit == pytest.approx(own["expected_profit"].sum())
        assert line.spend == pytest.approx((given["expected_reward"] + given["contact_cost"]).sum())
    page = (Path(run.path) / "decisions_en.html").read_text()
    assert "near" in page and "No strategy, every offer is open" in page


def test_value_that_is_kept_counts_where_an_offer_claims_it(world, monkeypatch):
    def keeps(decision):
        small_budget(decision)
        decision["future_weight"] = 0.5
        decision["offers"]["push_reminder"]["save_rate"] = 0.2

    run = decide(configure(world, keeps), monkeypatch, tasks=("uplift", "churn", "ltv"))
    log = read_run(run)["decisions"]
    pushed = log[log["offer_id"] == "push_reminder"]
    assert (pushed["expected_future"] > 0).any()
    alone = decide(configure(world, keeps), monkeypatch, run_key="alone")
    assert {"no_champion", "no_future"} <= {note.key for note in alone.summary.notes}
    assert (read_run(alone)["decisions"]["expected_future"] == 0).all()


def test_a_customer_twice_or_nobody_is_refused(world, monkeypatch):
    rewrite(world, "customers", lambda people: pd.concat([people, people.iloc[:3]], ignore_index=True))
    with pytest.raises(DataError, match="3 rows"):
        decide(configure(world), monkeypatch)
    monkeypatch.undo()
    twice = table(world, "customers").customer_id.iloc[:3]
    run = decide(configure(world), monkeypatch, checked=True, run_key="twice")
    assert [(f.table, f.code, f.count) for f in run.left_out] == [("customers", "duplicated-key", 3)]
    assert not read_run(run)["decisions"]["customer_id"].isin(twice).any()
    monkeypatch.undo()
    rewrite(world, "customers", lambda people: pd.concat([people, people.iloc[:30]], ignore_index=True))
    with pytest.raises(DataError, match=r"customers.customer_id.*max_left_out_share allows"):
        decide(configure(world), monkeypatch, checked=True)
    rewrite(world, "customers", lambda people: people.iloc[:0])
    with pytest.raises(DataError):
        decide(configure(world), monkeypatch, checked=True)


def test_old_receipts_and_scores_that_are_no_numbers_are_refused(world, monkeypatch):
    with pytest.raises(DataError, match="newest receipt"):
        decide(configure(world), monkeypatch, as_of=date(2026, 12, 1))
    broken = {**EFFECTS, "push_reminder": {"op": "column", "name": "days_since_last_purchase"}}
    with pytest.raises(GateRefusedError, match="not finite"):
        decide(configure(world), monkeypatch, effects=broken)


def test_the_manifest_holds_what_the_screen_says(made):
    run, wrote = made
    manifest = json.loads((Path(run.path) / "manifest.json").read_text())
    assert manifest["summary"]["contacted"] == run.summary.contacted and set(run.files) < set(manifest["digests"])
    assert sum(manifest["summary"]["reasons"].values()) == run.summary.customers
    forecast = run.summary.forecast
    assert forecast.profit.point == pytest.approx(wrote["decisions"]["expected_profit"].sum())
    assert forecast.profit.ci_lower < forecast.profit.point < forecast.promised
    assert forecast.basis == "tenths" and forecast.rows == 4000
    for name, counts in run.summary.refusals.items():
        assert sum(counts.values()) == run.summary.customers, name


def test_the_run_fits_on_one_screen_in_both_languages(made):
    run, _ = made
    russian, english = run.to_text(), replace(run, language="en").to_text()
    assert "Ожидаемая прибыль" in russian and "Expected profit" in english and run.path in english
    assert len(english.splitlines()) < 50 and "global control group" in english and "one more" in english.lower()


def test_a_lost_list_is_told_and_a_changed_one_refused(world, monkeypatch):
    config = configure(world)
    run = decide(config, monkeypatch)
    path = Path(run.path) / "export_sms.csv"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(GateRefusedError, match="not what was written"):
        decide(config, monkeypatch)
    (Path(run.path) / "manifest.json").write_text("{")
    with pytest.raises(NetliftError, match="not whole"):
        decide(config, monkeypatch, run_key="next")
