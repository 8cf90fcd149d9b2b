"""Who has agreed, by tables made by hand: each way of saying no, and each way of nobody knowing."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from decide_world import AS_OF, NOW, configure, decide, read_run, rewrite, table, touch
from segment_world import opened

from netlift.config.business import load
from netlift.decisions.eligibility.consents import read_opt_outs, require_consent_files, require_known_customers
from netlift.decisions.run.inputs import bought_on, days_since_events
from netlift.errors import GateRefusedError

pytestmark = pytest.mark.slow

CHANNELS = ("email", "sms", "push", "call")
ALL, NOBODY = set(CHANNELS), set()
SAID = {  # what a customer said when, and the channels that are closed by it
    "nothing": ([], NOBODY),
    "no, a minute ago": ([("opt_out", "2026-10-01T08:59")], ALL),
    "no, dated tomorrow": ([("opt_out", "2026-10-02T09:00")], ALL),
    "no, then yes": ([("opt_out", "2026-08-01"), ("opt_in", "2026-09-01")], NOBODY),
    "yes, then no": ([("opt_in", "2026-08-01"), ("opt_out", "2026-09-01")], ALL),
    "both at once": ([("opt_in", "2026-09-01"), ("opt_out", "2026-09-01")], ALL),
    "no, and yes this morning": ([("opt_out", "2026-08-01"), ("opt_in", "2026-10-01T08:00")], NOBODY),
    "no, and yes dated next year": ([("opt_out", "2026-08-01"), ("opt_in", "2027-08-01")], ALL),
    "no to texts": ([("opt_out_sms", "2026-08-01")], {"sms"}),
    "no to texts, yes to letters in general": ([("opt_out_sms", "2026-08-01"), ("opt_in", "2026-09-01")], {"sms"}),
    "no to texts, then yes to them": ([("opt_out_sms", "2026-08-01"), ("opt_in_sms", "2026-09-01")], NOBODY),
    "no to all, then yes to texts": ([("opt_out", "2026-08-01"), ("opt_in_sms", "2026-09-01")], ALL),
}


@pytest.fixture
def world(shop, tmp_path):
    shutil.copytree(shop / "var" / "demo", tmp_path / "var" / "demo")
    touch(tmp_path)
    configure(tmp_path)
    return tmp_path


def events(rows):
    return pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "kind": [row[1] for row in rows],
            "occurred_at": pd.to_datetime([row[2] for row in rows], format="ISO8601").astype("datetime64[us]"),
            "value": np.nan,
        }
    )


def text_opt_ins(decision):
    decision["channels"]["sms"]["opt_in_events"] = ["opt_in_sms"]


def nothing_went_out(folder):
    out = folder / "var" / "out" / "decisions"
    return not out.exists() or not list(out.iterdir())


def test_every_way_to_say_no_closes_what_it_says_and_only_a_yes_to_the_same_opens_it(world):
    rows = [(who, kind, at) for who, (said, _) in SAID.items() for kind, at in said]
    rewrite(world, "events", lambda _: events(rows))
    positions = pd.Index([*SAID], dtype=object)
    with opened(configure(world, text_opt_ins)) as (settings, tables):
        out = read_opt_outs(tables, settings.decision, positions, CHANNELS, as_of=AS_OF)
    for i, (who, (_, closed)) in enumerate(SAID.items()):
        assert {channel for channel in CHANNELS if out[channel][i]} == closed, who


def test_opt_outs_under_another_spelling_stop_the_run_and_are_named(world, monkeypatch):
    own = table(world, "customers")["customer_id"][0]
    more = events([(own, "Opt-Out SMS", "2026-09-01")] * 3)
    rewrite(world, "events", lambda old: pd.concat([old, more], ignore_index=True))
    with pytest.raises(GateRefusedError, match=r"'Opt-Out SMS' \(3 events, 'opt_out_sms' in the config\)"):
        decide(configure(world), monkeypatch)
    upset = configure(world, lambda decision: decision["contact_policy"].update(complaint_events=["Complaint"]))
    with pytest.raises(GateRefusedError, match="'Complaint' in the config"):
        decide(upset, monkeypatch)
    named = configure(world, lambda decision: decision["channels"]["sms"]["opt_out_events"].append("Opt-Out SMS"))
    assert own not in set(read_run(decide(named, monkeypatch))["export_sms"]["customer_id"])


def test_opt_outs_whose_customers_nobody_knows_stop_the_run(world, monkeypatch):
    """Ids without their leading zeros match nobody, and everybody who said no would be contacted."""
    ids = table(world, "customers")["customer_id"][:40]
    lost = events([(one.lstrip("0") or "0", "opt_out", "2026-09-01") for one in ids])
    rewrite(world, "events", lambda old: pd.concat([old, lost], ignore_index=True))
    with pytest.raises(GateRefusedError, match=r"40 of \d+ opt-outs"):
        decide(configure(world), monkeypatch)
    with opened(configure(world)) as (settings, tables):
        require_known_customers(tables, settings.decision, max_share=1.0)


@pytest.mark.parametrize("name", ["customers", "events"])
@pytest.mark.parametrize("how", ["missing", "of no bytes", "truncated"])
def test_a_file_of_consents_that_cannot_be_read_closes_everything_by_its_own_code(world, name, how):
    path = world / "var" / "demo" / f"{name}.parquet"
    settings = load(configure(world))
    require_consent_files(settings, settings.decision, now=NOW)
    content = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(b"" if how == "of no bytes" else content[: len(content) // 2])
    touch(world)
    with pytest.raises(GateRefusedError, match="nothing goes out") as refused:
        require_consent_files(settings, settings.decision, now=NOW)
    assert name in str(refused.value) and refused.value.exit_code == 4


def test_a_table_of_events_without_rows_is_a_feed_that_broke(world, monkeypatch):
    rewrite(world, "events", lambda old: old.iloc[:0])
    with pytest.raises(GateRefusedError, match="no rows"):
        decide(configure(world), monkeypatch)
    assert nothing_went_out(world)


def test_the_staler_of_the_sources_counts_to_the_second_and_one_of_the_next_hour_is_refused(world, monkeypatch):
    config = configure(world)
    for path in (world / "var" / "demo").glob("*.parquet"):
        os.utime(path, ((NOW - timedelta(hours=24)).timestamp(),) * 2)
    assert decide(config, monkeypatch).written, "24 hours are not more than 24"
    with pytest.raises(GateRefusedError, match="old"):
        decide(config, monkeypatch, now=NOW + timedelta(seconds=60), run_key="later")
    os.utime(world / "var" / "demo" / "events.parquet", ((NOW - timedelta(hours=30)).timestamp(),) * 2)
    with pytest.raises(GateRefusedError, match="old"):
        decide(config, monkeypatch, run_key="one-of-two")
    os.utime(world / "var" / "demo" / "events.parquet", ((NOW + timedelta(hours=1)).timestamp(),) * 2)
    settings = load(config)
    with pytest.raises(GateRefusedError, match="after the run"):
        require_consent_files(settings, settings.decision, now=NOW)


def test_who_complained_or_bought_this_morning_is_left_alone_though_no_model_has_seen_it(world, monkeypatch):
    before = read_run(decide(configure(world), monkeypatch, run_key="before"))["lists"]["customer_id"]
    upset, bought, returned = before.iloc[:3]
    shutil.rmtree(world / "var" / "out")
    rewrite(
        world,
        "events",
        lambda old: pd.concat([old, events([(upset, "complaint", "2026-10-01T00:30")])], ignore_index=True),
    )

    def more(receipts):
        rows = receipts[receipts["revenue"] > 0].iloc[:2].assign(occurred_at=pd.Timestamp("2026-10-01T08:00"))
        rows = rows.assign(customer_id=[bought, returned], transaction_id=["new1", "new2"], is_return=[False, True])
        return pd.concat([receipts, rows], ignore_index=True)

    rewrite(world, "transactions", more)
    log = read_run(decide(configure(world), monkeypatch))["decisions"].set_index("customer_id")
    assert log.loc[upset, "reason"] == "quiet_after_complaint"
    assert log.loc[bought, "reason"] == "quiet_after_purchase"
    assert log.loc[returned, "reason"] in {"policy", "explore", "outbid"}, "a return is no purchase"
    with opened(configure(world)) as (_, tables):
        positions = pd.Index([upset, bought, returned], dtype=object)
        assert bought_on(tables, positions, AS_OF).tolist() == [False, True, False]
        assert days_since_events(tables, ["complaint"], positions, AS_OF)[0] == 0


def test_a_household_is_held_out_together_where_readouts_go_by_households(world, monkeypatch):
    ids = table(world, "customers")["customer_id"]
    homes = pd.Series([f"home {i // 3}" for i in range(len(ids))]).where(np.arange(len(ids)) % 10 != 0, None)
    rewrite(world, "customers", lambda people: people.assign(home=homes))

    def by_home(content):
        content["readout"]["household"] = "home"
        content["data"]["attributes"].append("home")
        content["decision"]["holdout"]["share"] = 0.3

    log = read_run(decide(configure(world, more=by_home), monkeypatch))["decisions"]
    held = (log.set_index("customer_id")["arm"] == "holdout").reindex(ids)
    shares = held.groupby(homes.to_numpy()).mean()
    assert set(shares.dropna()) == {0.0, 1.0}
    alone = held[homes.isna().to_numpy()]
    assert 0 < alone.mean() < 1
