"""The next best offer follows the champion of uplift; the doctor sees where it does not, and what was left behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from datetime import timedelta

import pytest
from decide_world import EFFECTS, HOUSE, configure
from offer_world import NOON, add_uplift, copy_shop, lead_uplift, make

from netlift.config.business import load
from netlift.data.write import STAGING_PREFIX
from netlift.decisions.next_best_offer.model import TASK, find_lag
from netlift.errors import BusyError, GateRefusedError, UsageError
from netlift.estimators.expression import constant
from netlift.pipelines.doctor import examine_business
from netlift.pipelines.promote import promote_version
from netlift.registry.locks import exclusive
from netlift.registry.models import aliases
from netlift.registry.promotion import read_history
from netlift.registry.store import open_store
from netlift.registry.tracking import PROCESS_TAG
from netlift.results import to_plain

pytestmark = pytest.mark.slow

OTHER = EFFECTS | {"call_advice": constant(3.0)}
OFFER = "next best offer"


def only_uplift(content):
    content["models"] = {"uplift": str(HOUSE / "models" / "uplift.yaml")}


def move(folder, task, version, expect, **more):
    settings = load(configure(folder, **more))
    return promote_version(
        settings, task=task, version=version, expect_current=expect, reason="by hand", now=NOON, lock_timeout=2
    )


def examine(folder, *, fix=False, experiments=None, change=lambda decision: None):
    settings = load(configure(folder, change, more=only_uplift))
    found = examine_business(settings, fix=fix, now=NOON, experiments=experiments)
    return found, {finding.what: finding for finding in found.findings}


@pytest.fixture
def folder(tmp_path_factory, tmp_path, store_template):
    return copy_shop(tmp_path_factory, tmp_path, store_template)


@pytest.fixture
def store(folder):
    return open_store(folder / "var", run_group="demo")


@pytest.fixture
def two(folder, store):
    """Two versions of uplift, the first leads, and the next best offer of it."""
    lead_uplift(store)
    make(folder, store)
    add_uplift(store, OTHER)
    return folder


def test_promoting_uplift_makes_the_next_best_offer_from_it_and_back_again(two, store):
    moved = move(two, "uplift", 2, 1)
    assert (aliases(store, TASK)["champion"], find_lag(store)) == (2, "")
    assert "next-best-offer: champion v2 (from netlift-uplift v2, 4 offers)" in moved.to_text()
    assert "netlift-uplift version 2 is champion, replaces version 1: by hand" in moved.to_text()
    back = move(two, "uplift", 1, 2)
    assert "champion v1 (from netlift-uplift v1" in back.next_best_offer, "the same version as before"
    assert (aliases(store, TASK)["champion"], find_lag(store)) == (1, "")
    order = [entry["version"] for entry in read_history(store, "uplift")]
    assert order == [1, 2, 1] and [entry["version"] for entry in read_history(store, TASK)] == [1, 2, 1]
    assert to_plain(back)["version"] == 1 and "next_best_offer" in to_plain(back)


def test_where_it_cannot_be_made_the_promotion_stands_and_the_reason_is_told(two, store):
    (two / "var" / "demo" / "offers.parquet").unlink()
    moved = move(two, "uplift", 2, 1)
    assert aliases(store, "uplift")["champion"] == 2 and aliases(store, TASK)["champion"] == 1
    for part in ("not made: offers: no file", "version 1 leads on, of another uplift", "netlift doctor --fix"):
        assert part in moved.next_best_offer


def test_promoting_another_task_or_without_decisions_says_nothing_of_it(two, store):
    assert move(two, "uplift", 2, 1, more=lambda content: content.pop("decision")).next_best_offer == ""
    assert aliases(store, TASK)["champion"] == 1


def test_a_next_best_offer_of_an_uplift_that_does_not_lead_is_never_promoted(two, store):
    move(two, "uplift", 2, 1)
    with pytest.raises(GateRefusedError, match="made from netlift-uplift version 1, whose champion is version 2"):
        move(two, "next_best_offer", 1, 2)
    assert aliases(store, TASK)["champion"] == 2


def test_one_of_the_uplift_that_leads_is_promoted_and_other_costs_are_told(folder, store):
    def dearer(decision):
        decision["offers"]["sms_bonus_300"]["contact_cost"] = 9.0

    lead_uplift(store)
    make(folder, store)
    make(folder, store, change=dearer)
    moved = move(folder, TASK, 1, 2, change=dearer)
    assert aliases(store, TASK)["champion"] == 1
    assert "version 1 was made at other costs than the config's decision block has" in moved.to_text()
    assert move(folder, "next_best_offer", 2, 1, change=dearer).next_best_offer == ""
    with pytest.raises(UsageError, match="the decision was made against version 7"):
        move(folder, "next_best_offer", 1, 7)


def test_an_unknown_task_is_refused_with_what_was_meant(two):
    with pytest.raises(UsageError, match=r"next_best_ofer: the config defines no such task.*next_best_offer"):
        move(two, "next_best_ofer", 1, None)


def test_the_doctor_names_a_next_best_offer_that_lags_and_makes_it_anew(two, store):
    assert examine(two)[0].well
    lead_uplift(store, OTHER, expect=1)
    found, by = examine(two)
    assert not found.well and "was made from netlift-uplift version 1, whose champion is version 2" in by[OFFER].words
    mended, by = examine(two, fix=True)
    assert mended.well and "champion v2 (from netlift-uplift v2" in by[OFFER].words
    assert examine(two)[0].well and find_lag(store) == ""
    assert read_history(store, TASK)[-1]["actor"] == "netlift doctor"


def test_the_doctor_misses_one_that_was_never_made_and_sees_other_costs(folder, store):
    assert OFFER not in examine(folder)[1], "without an uplift there is nothing for it to stand on"
    lead_uplift(store)
    assert "--fix makes it" in examine(folder)[1][OFFER].words
    assert examine(folder, fix=True)[0].well

    def dearer(decision):
        decision["channels"]["sms"]["fatigue"] = 9.0

    assert "made at other costs" in examine(folder, change=dearer)[1][OFFER].words
    assert examine(folder, change=lambda decision: decision.update(budget=1.0))[0].well, "a budget is no cost"
    assert examine(folder, fix=True, change=dearer)[0].well and examine(folder, change=dearer)[0].well


def test_the_doctor_says_why_it_could_not_mend_it(two, store):
    lead_uplift(store, OTHER, expect=1)
    (two / "var" / "demo" / "offers.parquet").unlink()
    found, by = examine(two, fix=True)
    assert not found.well and "not made: offers: no file" in by[OFFER].words
    assert by["leftovers"].well, "the rest was mended"


def leave_behind(folder):
    """What a killed demo, a killed decide and a killed readout left."""
    demo = folder / "var" / "out" / "demo" / f"{STAGING_PREFIX}a" / "books" / f"{STAGING_PREFIX}inner"
    demo.mkdir(parents=True)
    (folder / "var" / "out" / "decisions").mkdir(parents=True)
    (folder / "var" / "out" / "decisions" / f"{STAGING_PREFIX}b").write_text("half")
    plan = folder / "experiments" / "2026-10-c1"
    plan.mkdir(parents=True)
    (plan / f"{STAGING_PREFIX}c").write_text("half")
    return folder / "experiments"


def test_leftovers_of_killed_jobs_are_counted_once_and_swept(two):
    experiments = leave_behind(two)
    found, by = examine(two, experiments=experiments)
    assert not found.well and by["leftovers"].words.startswith("3 half-written")
    found, by = examine(two, fix=True, experiments=experiments)
    assert found.well and "3 half-written files removed" in by["leftovers"].words
    assert not [*two.rglob(f"{STAGING_PREFIX}*")]


def test_nothing_is_mended_while_a_job_runs(two):
    leave_behind(two)
    for job in ("decide", "demo", "readout", "portfolio", "score-2026-10-01", "train"):
        with exclusive(two / "var" / "locks" / f"{job}.lock", timeout_seconds=0, holder=f"{job} of the night"):
            with pytest.raises(BusyError, match=rf"{job} of the night \(pid \d+\).*nothing was mended"):
                examine(two, fix=True)
            found, by = examine(two)
            assert found.well and f"of what runs or ran: {job} of the night" in by["leftovers"].words
    assert len([*two.rglob(f"{STAGING_PREFIX}[ab]")]) == 2
    assert not examine(two)[0].well, "nothing runs any more"


def test_the_note_of_a_killed_holder_is_nobody(two):
    leave_behind(two)
    process = {"pid": 2**22 + 1, "host": socket.gethostname(), "boot": "", "start": "1"}
    note = two / "var" / "locks" / "decide.lock.json"
    note.write_text(json.dumps({"holder": "decide", "process": json.dumps(process)}))
    assert not examine(two)[0].well


def leave_everything(folder, store):
    """All that can be not well, at once; what is not mended by --fix comes last."""
    long_ago = (NOON - timedelta(days=2)).timestamp()
    dead = json.dumps({"pid": 2**22 + 1, "host": socket.gethostname(), "boot": "", "start": "1"})
    store.client.create_run(store.experiment_id, tags={PROCESS_TAG: dead})
    half = folder / "var" / f"{STAGING_PREFIX}demo-tables"
    half.mkdir()
    os.utime(half, (long_ago, long_ago))
    away = json.dumps({"pid": 7, "host": "another-machine", "boot": "", "start": "1"})
    note = folder / "var" / "locks" / "decide.lock.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps({"holder": "decide", "process": away}))
    os.utime(note, (long_ago, long_ago))
    cut_off = folder / "var" / "out" / "scores" / "old"
    cut_off.mkdir(parents=True)
    (cut_off / "scores.parquet").write_bytes(b"as before")
    before = hashlib.sha256(b"as before").hexdigest()
    manifest = {"digests": {"scores": "new"}, "erasing": {"scores": {"file": "scores.parquet", "digest": before}}}
    (cut_off / "manifest.json").write_text(json.dumps(manifest))
    place = folder / "var" / "out" / "readouts"
    for hour, profit in ((8, 1), (9, 2)):
        run = place / f"C1-{hour}"
        run.mkdir(parents=True)
        content = json.dumps({"campaign_id": "C1", "profit": profit}).encode()
        (run / "readout.json").write_bytes(content)
        written = NOON.replace(hour=hour).isoformat()
        told = {"written_at": written, "digests": {"json": hashlib.sha256(content).hexdigest()}}
        (run / "manifest.json").write_text(json.dumps(told))
    published = place / "C1.json"
    shutil.copy(place / "C1-8" / "readout.json", published)
    os.utime(published, (long_ago, long_ago))
    journal = folder / "var" / "audit.jsonl"
    journal.write_text(journal.read_text().replace('"actor": "a"', '"actor": "b"', 1))
    return published, place / "C1-9" / "readout.json"


@pytest.mark.parametrize("kept", [None, 0, -2], ids=["removed", "emptied", "cut at its end"])
def test_a_journal_that_does_not_tell_of_the_champions_is_not_well(two, kept):
    assert examine(two)[0].well
    journal = two / "var" / "audit.jsonl"
    if kept is None:
        journal.unlink()
    else:
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:kept]))
    found, by = examine(two)
    assert not found.well and "does not tell of the champion of" in by["audit"].words


def test_everything_that_is_not_well_is_seen_without_fix_and_most_is_mended(two, store):
    assert examine(two)[0].well
    published, newest = leave_everything(two, store)
    found, by = examine(two)
    seen = ("audit", "runs", "leftovers", "locks", "erasures", "published")
    assert not found.well and [name for name in seen if by[name].well and name != "leftovers"] == []
    assert "line 2 does not follow the line before it" in by["audit"].words and "another-machine" in by["locks"].words
    assert by["leftovers"].words.startswith("1 half-written") and "C1" in by["published"].words
    _, by = examine(two, fix=True)
    assert [name for name in seen if not by[name].well] == ["audit", "published"]
    assert json.loads((two / "var/out/scores/old/manifest.json").read_text())["digests"]["scores"] != "new"
    shutil.copy(newest, published)
    assert examine(two)[1]["published"].well


def test_a_table_that_lies_elsewhere_and_cannot_be_reached_is_not_well(two):
    def elsewhere(content, place):
        only_uplift(content)
        content["data"]["tables"]["offers"]["path"] = f"file://{place}"

    def told(place):
        settings = load(configure(two, more=lambda content: elsewhere(content, place)))
        (finding,) = [f for f in examine_business(settings, fix=False, now=NOON).findings if f.what == "tables"]
        return finding

    assert told(two / "var" / "demo" / "offers.parquet").well
    lost = told("/nowhere/offers.parquet")
    assert not lost.well and "file:///nowhere/offers.parquet" in lost.words
    assert "tables" not in examine(two)[1], "files of this machine are looked at by check"


def cut_the_deed(folder):
    """The journal as a process leaves it that dies between moving the alias and writing so."""
    journal = folder / "var" / "audit.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "moved" and json.loads(lines[-1])["task"] == TASK
    journal.write_text("".join(lines[:-1]))


def test_a_promotion_that_was_cut_off_is_seen_and_the_doctor_writes_what_became_of_it(two, store):
    cut_the_deed(two)
    assert read_history(store, TASK) == []
    found, by = examine(two)
    assert not found.well and TASK in by["promotions"].words
    assert examine(two, fix=True)[1]["promotions"].well
    assert [entry["version"] for entry in read_history(store, TASK)] == [1]
    assert examine(two)[0].well


def test_making_the_next_best_offer_again_writes_what_became_of_one_that_was_cut_off(two, store):
    cut_the_deed(two)
    assert make(two, store).standing == "already champion"
    assert [entry["version"] for entry in read_history(store, TASK)] == [1]
