"""Operators: what is stopped goes nowhere, lists wait for approval, and nothing is sent twice."""

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from decide_world import AS_OF, NOW, configure, decide, read_run, rewrite, small_budget, touch

from netlift.config.business import load
from netlift.decisions.eligibility.contact_history import standing_decisions
from netlift.decisions.eligibility.handover import APPROVED, AWAITING, lists_folder, read_handover
from netlift.decisions.handover.acts import approve_lists, reject_lists, switch
from netlift.errors import GateRefusedError, ModelIntegrityError, UsageError
from netlift.registry.audit import read_entries

pytestmark = pytest.mark.slow
NEXT = AS_OF + timedelta(days=1)
WHO = {"by": "Ivanova", "now": NOW}


def with_approval(decision):
    small_budget(decision)
    decision["approval"] = "required"


def flip(config, name="", *, stopped=True, channel="", **more):
    return switch(load(config), offer=name, channel=channel, stopped=stopped, reason="a test", **WHO, **more)


def approve(config, key="2026-10-01", **more):
    return approve_lists(load(config), run_key=key, **WHO, lock_timeout=0, **more)


def refuse(config, key="2026-10-01"):
    return reject_lists(load(config), run_key=key, reason="a test", **WHO, lock_timeout=0)


def ids_of(folder: Path) -> dict[str, set[str]]:
    return {path.stem: set(pd.read_parquet(path)["customer_id"]) for path in folder.glob("export_*.parquet")}


def events(config) -> list[str]:
    return [entry["event"] for entry in read_entries(load(config).state / "audit.jsonl")]


@pytest.fixture
def waiting(world, monkeypatch):
    """A run whose lists wait, and its config."""
    config = configure(world, with_approval)
    return config, decide(config, monkeypatch)


def test_what_is_stopped_goes_to_nobody_by_policy_or_by_chance(world, monkeypatch):
    config = configure(world, small_budget)
    before = read_run(decide(config, monkeypatch, run_key="before"))["decisions"]
    assert {"sms", "email"} <= set(before["channel"].dropna())
    reject_all = world / "var" / "out" / "decisions" / "before"
    reject_all.rename(world / "kept")  # so that the next run counts none of its contacts
    flip(config, channel="sms")
    flip(config, "email_discount_10", until=AS_OF)
    run = decide(config, monkeypatch)
    log = read_run(run)["decisions"]
    assert set(log["offer_id"]) <= {"push_reminder", "call_advice", "none"}
    assert not len(read_run(run)["export_sms"])
    told = {line.stop.name: line.customers for line in run.summary.stops}
    open_before = before[["p_sms_bonus_300", "p_email_discount_10"]].gt(0).sum()
    assert told["sms"] == run.summary.refusals["sms_bonus_300"]["stopped"] >= open_before["p_sms_bonus_300"]
    assert told["email_discount_10"] >= open_before["p_email_discount_10"]
    page = (Path(run.path) / "decisions_ru.html").read_text()
    assert "Остановлено оператором" in page and "a test" in page
    manifest = json.loads((Path(run.path) / "manifest.json").read_text())
    assert [one["stop"]["name"] for one in manifest["summary"]["stops"]] == ["sms", "email_discount_10"]
    flip(config, channel="sms", stopped=False)
    touch(world, NOW + timedelta(days=1))
    again = decide(config, monkeypatch, as_of=NEXT, now=NOW + timedelta(days=1), run_key="resumed")
    assert not again.summary.stops, "one is resumed, the other's last day is over"


def test_everything_stopped_is_an_empty_night_and_no_failure(world, monkeypatch):
    config = configure(world, small_budget)
    for channel in load(config).decision.channels:
        flip(config, channel=channel)
    assert decide(config, monkeypatch).summary.contacted == 0


def test_a_stop_within_a_run_keeps_it_from_being_written(world, monkeypatch):
    config = configure(world, small_budget)

    def stop_then_choose(*asked, **how):
        flip(config, channel="sms")
        return choose(*asked, **how)

    from netlift.decisions.run import decide as module

    choose = module.choose
    monkeypatch.setattr(module, "choose", stop_then_choose)
    with pytest.raises(GateRefusedError, match="channel sms was stopped while this ran"):
        decide(config, monkeypatch)
    assert not standing_decisions(load(config).state)


def test_stops_refuse_what_nobody_knows_and_a_broken_audit_closes_everything(world, monkeypatch):
    config = configure(world, small_budget)
    with pytest.raises(UsageError, match="did you mean sms_bonus_300"):
        flip(config, "sms_bonus_30")
    with pytest.raises(UsageError, match="is not stopped"):
        flip(config, channel="sms", stopped=False)
    with pytest.raises(UsageError, match="not both"):
        flip(config, "sms_bonus_300", channel="sms")
    with pytest.raises(UsageError, match="is over"):
        flip(config, channel="sms", until=date(2026, 9, 30))
    flip(config, channel="sms")
    flip(config, channel="email")
    audit = load(config).state / "audit.jsonl"
    audit.write_text(audit.read_text().replace("sms", "mms"))
    with pytest.raises(ModelIntegrityError):
        decide(config, monkeypatch)


def test_lists_wait_where_only_their_owner_may_enter_and_approval_hands_them_over_as_seen(waiting):
    config, run = waiting
    folder = Path(run.path)
    assert run.handover == "awaiting" and run.seen[:12] in run.to_text()
    assert not list(folder.glob("export_*")) and (folder / AWAITING).stat().st_mode & 0o077 == 0
    with pytest.raises(GateRefusedError, match="is not what waits"):
        approve(config, seen="0" * 64)
    answer = approve(config, seen=run.seen)
    assert lists_folder(folder) == folder / APPROVED and not answer.struck
    for path in (folder / AWAITING).glob("export_*"):
        assert path.read_bytes() == (folder / APPROVED / path.name).read_bytes()
    assert sum(answer.customers.values()) == run.summary.contacted
    again = approve(config)
    assert not again.written and again.at == answer.at and events(config) == ["approved"]
    with pytest.raises(UsageError, match="was approved"):
        refuse(config)


def test_approval_asks_for_consents_and_stops_anew(waiting, world):
    config, run = waiting
    seen = ids_of(Path(run.path) / AWAITING)
    gone, no, stays = sorted(seen["export_push"])[:3]

    def change(customers):
        customers.loc[customers["customer_id"] == no, "consent_push"] = False
        return customers[customers["customer_id"] != gone]

    rewrite(world, "customers", change)
    flip(config, channel="email")
    answer = approve(config)
    found = ids_of(Path(run.path) / APPROVED)
    assert found["export_email"] == set() and seen["export_email"]
    assert found["export_push"] == seen["export_push"] - {gone, no} and stays in found["export_push"]
    assert answer.struck == {"gone": 1, "consent": 1, "stopped": len(seen["export_email"])}
    csv = pd.read_csv(Path(run.path) / APPROVED / "export_push.csv", dtype=str)
    assert set(csv["customer_id"]) == found["export_push"]


@pytest.mark.parametrize("place", ["staged", "audited"])
def test_a_kill_while_approving_hands_over_nothing_and_the_same_command_ends_it(waiting, monkeypatch, place):
    config, run = waiting
    with monkeypatch.context() as patch:
        if place == "staged":
            patch.setattr("netlift.decisions.handover.acts.write_audit", _kill)
        else:
            replace = os.replace
            patch.setattr(os, "replace", lambda a, b: _kill() if str(b).endswith(APPROVED) else replace(a, b))
        with pytest.raises(KeyboardInterrupt):
            approve(config)
    assert read_handover(Path(run.path)) == "awaiting"
    approve(config, seen=run.seen)
    assert events(config) == ["approved"] and ids_of(Path(run.path) / APPROVED) == ids_of(Path(run.path) / AWAITING)


def test_rejected_or_lapsed_lists_count_as_never_sent(waiting, world, monkeypatch):
    config, first = waiting
    refuse(config)
    assert not standing_decisions(load(config).state)
    with pytest.raises(UsageError, match="was rejected"):
        decide(config, monkeypatch)
    with pytest.raises(UsageError, match="was rejected"):
        approve(config)
    second = decide(config, monkeypatch, run_key="second")
    assert second.summary.refusals == first.summary.refusals, "nobody counts as contacted by what was rejected"
    touch(world, NOW + timedelta(days=1))
    third = decide(config, monkeypatch, as_of=NEXT, now=NOW + timedelta(days=1))
    assert read_handover(Path(second.path)) == "rejected", "a later day's run does not wait for it"
    assert set(standing_decisions(load(config).state)) == {Path(third.path)}
    assert events(config) == ["rejected", "rejected"]
    with pytest.raises(UsageError, match=r"no run"):
        approve(config, "2026-09-01")


def test_changes_are_those_of_the_two_logs(world, monkeypatch):
    config = configure(world, small_budget)
    first = decide(config, monkeypatch)
    assert first.summary.changes is None
    touch(world, NOW + timedelta(days=1))
    second = decide(config, monkeypatch, as_of=NEXT, now=NOW + timedelta(days=1))
    found = second.summary.changes
    before, after = (read_run(run)["decisions"].set_index("customer_id") for run in (first, second))
    both = before[["offer_id"]].join(after[["offer_id", "reason"]], how="outer", lsuffix="_before")
    then, now = (both[name].fillna("none") for name in ("offer_id_before", "offer_id"))
    had, has = then != "none", now != "none"
    assert (found.newly, found.dropped) == ((has & ~had).sum(), (had & ~has).sum()) and found.dropped
    assert (found.switched, found.kept) == ((had & has & (then != now)).sum(), (had & (then == now)).sum())
    assert found.why_dropped == both.loc[had & ~has, "reason"].value_counts().to_dict()
    for one in found.offers:
        assert one.customers_before == (then == one.offer_id).sum() and one.customers == (now == one.offer_id).sum()
        assert one.came - one.left == one.customers - one.customers_before
    shown = sum(one.profit for one in found.offers)
    assert shown == pytest.approx(sum(line.profit for line in second.summary.offers))
    assert found.profit_before == pytest.approx(first.summary.forecast.profit.point)
    page = (Path(second.path) / "decisions_en.html").read_text()
    assert "What changed since" in page and found.run_key == "2026-10-01"


def _kill(*_, **__):
    raise KeyboardInterrupt
