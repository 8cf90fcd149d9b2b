"""The journeys that the demo ships, through the verb: begun by receipts, sent once, left alone, told as campaigns."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from decide_world import AS_OF, NOW, configure, days, decide, make_world, read_run, rewrite, table, touch
from segment_world import HOUSE

from netlift.abtest.design.request import DesignRequest
from netlift.config.business import load
from netlift.decisions.readout.record import load_decisions
from netlift.decisions.run.page import decision_document
from netlift.errors import DataError, UsageError
from netlift.pipelines.assign import assign_campaign
from netlift.pipelines.design import design_campaign
from netlift.pipelines.readout import ReadoutOrder, make_readout
from netlift.progress import Silent
from netlift.report.exports import to_text
from netlift.report.language import speak

pytestmark = pytest.mark.slow

WINDOW = 31
SHIPPED = ("journey_welcome", "journey_vip", "journey_win_back", "journey_replenish")


def shipped(decision):
    """The demo's journeys, begun by what happened within a month, and rules that leave their steps alone."""
    demo = yaml.safe_load((HOUSE / "configs" / "demo.yaml").read_text(encoding="utf-8"))["decision"]
    triggers = [one | {"window_days": WINDOW} for one in demo["triggers"] if "offers" not in one]
    decision.update(budget="unlimited", triggers=triggers, journeys=demo["journeys"])
    decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0, quiet_after_complaint_days=0)
    for channel in decision["channels"].values():
        channel.pop("at_most", None)
    for trigger in triggers:
        trigger["step"] = 5000 if trigger["when"] == "spend_step" else None
        trigger.pop("step") if trigger["step"] is None else None
    for journey in decision["journeys"]:
        journey["who"] = [rule for rule in journey.get("who", []) if "margin" not in rule]


def night(folder, patch, after: int, **asked):
    config = configure(folder, shipped, more=lambda content: content["score"].update(max_data_age_days=366))
    return decide(config, patch, as_of=AS_OF + timedelta(days=after), **asked)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Three nights: the first, one after a week, and one when all windows are over."""
    folder = tmp_path_factory.mktemp("journeys")
    make_world(folder, customers=400)
    with pytest.MonkeyPatch.context() as patch:
        runs = [night(folder, patch, after) for after in (0, 7, 49)]
    return folder, runs, [read_run(run) for run in runs]


def receipts_of(folder) -> pd.DataFrame:
    rows = table(folder, "transactions")
    bought = rows[~rows["is_return"].fillna(False).astype(bool)]
    return bought[bought["occurred_at"] < pd.Timestamp(AS_OF)]


def entered(wrote, journey: str) -> set[str]:
    rows = wrote["journeys"]
    return set(rows.loc[(rows["event"] == "entered") & (rows["journey"] == journey), "customer_id"])


def test_each_shipped_journey_begins_for_those_whom_its_event_happened_to(nights):
    folder, runs, wrote = nights
    rows = receipts_of(folder)
    first = rows.groupby("customer_id")["occurred_at"].min()
    new, line = set(first.index[days(first) <= WINDOW]), runs[0].summary.journeys[0]
    assert entered(wrote[0], "journey_welcome") <= new
    assert line.entered_now + line.control_now + sum(line.refused_now.values()) == len(new)
    day = rows.assign(day=rows["occurred_at"].dt.normalize()).drop_duplicates(["customer_id", "day"])
    gaps = day.sort_values(["customer_id", "day"]).groupby("customer_id")["day"].diff().dt.days
    gaps = gaps.dropna().groupby(day["customer_id"])
    median, silent = gaps.median()[gaps.size() >= 2], pd.Series(days(rows.groupby("customer_id")["occurred_at"].max()))
    silent.index = rows.groupby("customer_id")["occurred_at"].max().index
    due = np.ceil(median)
    silent = silent.reindex(due.index)
    is_due = set(due.index[(silent >= due) & (silent - WINDOW < due)])
    assert entered(wrote[0], "journey_replenish") <= is_due
    for journey in SHIPPED:
        assert entered(wrote[0], journey), journey
    everybody = [who for journey in SHIPPED for who in entered(wrote[0], journey)]
    assert len(everybody) == len(set(everybody)), "a customer is in one journey at a time"


def test_steps_are_on_the_lists_with_their_words_and_in_the_log_as_an_arm_of_their_own(nights):
    _, runs, wrote = nights
    sent = wrote[0]["journeys"].query("event == 'sent'").set_index("customer_id")
    lists = wrote[0]["lists"].set_index("customer_id")
    steps = lists[lists["journey"].notna()]
    assert set(steps.index) == set(sent.index) and (steps["offer_id"] == sent["offer_id"].reindex(steps.index)).all()
    assert steps["reason"].str.startswith("цепочка «").all() and steps["value"].isna().all()
    assert (steps["code"].notna() == (steps["journey"] == "journey_win_back")).all()
    log = wrote[0]["decisions"].set_index("customer_id")
    assert (log.loc[sent.index, "arm"] == "journey").all() and log.loc[sent.index, "propensity"].isna().all()
    assert (log["arm"] == "journey").sum() == len(sent)
    record = load_decisions(Path(runs[0].path) / "decisions.parquet")
    assert int(record.in_journey.sum()) == len(sent) and not record.open_to[record.in_journey].any()
    spent = float((log["expected_reward"] + log["contact_cost"]).sum())
    assert runs[0].summary.spend == pytest.approx(spent) and runs[0].summary.forecast.unknown == 0


def test_who_is_in_a_journey_or_its_control_gets_nothing_else_and_the_holdout_is_in_none(nights):
    _, _, wrote = nights
    began = wrote[0]["journeys"].query("event == 'entered'")
    control = set(began.loc[began["arm"] == "control", "customer_id"])
    assert len(control) > 5
    for later in wrote[:2]:
        assert not control & set(later["lists"]["customer_id"])
        others = later["contacts"][later["contacts"]["campaign_id"].str.startswith("2026")]
        assert not set(began["customer_id"]) & set(others["customer_id"])
    held = set(wrote[0]["decisions"].query("arm == 'holdout'")["customer_id"])
    assert held and not held & set(began["customer_id"])
    told = [frame["journeys"].query("event == 'sent'") for frame in wrote]
    rows = pd.concat(told)[["journey", "customer_id", "step"]]
    assert not rows.duplicated().any() and {1, 2} <= set(rows["step"])


def test_when_the_windows_are_over_each_journey_is_a_campaign_with_its_control(nights):
    _, runs, wrote = nights
    rows = wrote[2]["contacts"]
    own = rows[rows["campaign_id"].isin(SHIPPED)]
    began = pd.concat([frame["journeys"] for frame in wrote[:2]]).query("event == 'entered'")
    assert len(own) == len(began) and set(own["customer_id"]) == set(began["customer_id"])
    arms = began.set_index("customer_id")
    same = own.set_index("customer_id").loc[arms.index]
    assert (same["offer_id"] == arms["arm"]).all() and (same["propensity"] == arms["propensity"]).all()
    costs = pd.concat([frame["journeys"] for frame in wrote[:2]]).query("event == 'sent'")
    paid = costs.groupby("customer_id")["contact_cost"].sum().reindex(same.index).fillna(0.0)
    assert np.allclose(same["contact_cost"], paid)
    assert set(wrote[2]["campaigns"]["campaign_id"]) == {"2026-11-19", *SHIPPED}
    for line in runs[2].summary.journeys:
        counted = began[began["journey"] == line.name]
        assert line.closed == len(counted)
        assert line.entered == line.finished + line.waiting + line.unfinished + sum(line.exits.values())


@pytest.mark.parametrize(("language", "told"), [("en", "Sent step 2"), ("ru", "Получили шаг 2")])
def test_the_page_shows_how_far_each_journey_came(nights, language, told):
    _, runs, _ = nights
    text = to_text(decision_document(runs[1].summary, speak(language), path="", written=True, in_full=True))
    assert told in text and all(journey in text for journey in SHIPPED)
    page = (Path(runs[1].path) / f"decisions_{language}.html").read_text(encoding="utf-8")
    assert told in page


def test_a_night_that_was_killed_or_is_run_again_sends_no_step_twice(nights, tmp_path, monkeypatch):
    folder, _, _ = nights
    shutil.copytree(folder / "var", tmp_path / "var", copy_function=shutil.copy2)
    for later in ("2026-10-08", "2026-11-19"):
        shutil.rmtree(tmp_path / "var" / "out" / "decisions" / later)
    with monkeypatch.context() as patch:
        patch.setattr("netlift.pipelines.decide.prove_exports", _kill)
        with pytest.raises(KeyboardInterrupt):
            night(tmp_path, patch, 7)
    run = night(tmp_path, monkeypatch, 7)
    name = Path(run.path).name
    for file in ("journeys.parquet", "decisions.parquet", "export_push.csv"):
        whole = folder / "var" / "out" / "decisions" / name / file
        assert (Path(run.path) / file).read_bytes() == whole.read_bytes(), "made anew from the same events"
    assert not night(tmp_path, monkeypatch, 7).written
    again = night(tmp_path, monkeypatch, 7, run_key="once-more")
    steps = [read_run(one)["journeys"].query("event == 'sent'") for one in (run, again)]
    assert len(steps[0]) > 0 and len(steps[1]) == 0
    events = Path(run.path) / "journeys.parquet"
    events.write_bytes(events.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"journeys\.parquet is not what was written"):
        night(tmp_path, monkeypatch, 8)


def _kill(*_, **__):
    raise KeyboardInterrupt


def test_a_trigger_that_only_begins_journeys_has_no_list_of_its_own(nights, monkeypatch):
    with pytest.raises(UsageError, match="it begins journeys, which go with the run of everybody"):
        night(nights[0], monkeypatch, 0, trigger="falls silent")


def test_the_manifest_tells_the_journeys_as_the_screen_does(nights):
    _, runs, _ = nights
    plain = json.loads((Path(runs[1].path) / "manifest.json").read_text())
    assert [line["name"] for line in plain["summary"]["journeys"]] == list(SHIPPED)
    assert "journeys" in plain["digests"]


def test_a_journey_is_designed_run_and_read_by_its_plan(nights, tmp_path, monkeypatch):
    folder, _, wrote = nights
    config = configure(folder, shipped, more=lambda content: content["score"].update(max_data_age_days=366))
    settings = load(config)
    asked = {"campaign_id": "journey_replenish", "offers": (), "outcome_days": 0, "hypothesis": "x", "is_journey": True}
    asked |= {"start": datetime.combine(AS_OF + timedelta(days=1), time()), "tolerance": 500.0}
    how = {"experiments": tmp_path, "progress": Silent(), "now": NOW, "lock_timeout": 0}
    with pytest.raises(UsageError, match="--customers is missing: say how many the trigger 'next purchase is due'"):
        design_campaign(settings, DesignRequest(**asked), **how)
    touch(folder)
    made = design_campaign(settings, DesignRequest(**asked, customers=100), **how)
    (journey,) = [one for one in settings.decision.journeys if one.name == "journey_replenish"]
    plan, costs = made.design.plan, table(folder, "offers").set_index("offer_id")["contact_cost"]
    assert plan.shares == {"control": journey.control_share, journey.name: 1 - journey.control_share}
    assert plan.outcome_days == journey.outcome_days and plan.eligible == journey.who
    assert plan.arms[0].contact_cost == pytest.approx(sum(max(costs[[*step.offers]]) for step in journey.steps))
    with pytest.raises(UsageError, match="is a journey of the config: `netlift decide` draws its arms"):
        assign_campaign(settings, Path(made.path), progress=Silent(), now=NOW, lock_timeout=0)

    own = tmp_path / "later"
    shutil.copytree(folder, own)
    later = pd.Timedelta(days=60)
    for name in ("contacts", "campaigns"):
        added = wrote[2][name]
        added = added[added["campaign_id"] == journey.name]
        rewrite(own, name, lambda rows, added=added: pd.concat([rows, added[[c for c in rows if c in added]]]))
    rewrite(own, "transactions", lambda rows: pd.concat([rows, _later(rows, later)]))
    moved = load(configure(own, shipped, more=lambda content: content["score"].update(max_data_age_days=366)))
    read = make_readout(
        moved, ReadoutOrder(target=made.path, language="en"), progress=Silent(), now=NOW, lock_timeout=0
    )
    told = json.loads((Path(read.path) / "readout.json").read_text(encoding="utf-8"))
    events = pd.concat([frame["journeys"] for frame in wrote]).query("journey == @journey.name")
    read_ids = set(wrote[2]["contacts"].query("campaign_id == @journey.name and offer_id != 'control'")["customer_id"])
    sent = events[(events["event"] == "sent") & events["customer_id"].isin(read_ids)]
    assert told["journey"]["entered"] == len(read_ids)
    assert told["journey"]["sent"] == [int((sent["step"] == step).sum()) for step in (1, 2)]
    assert told["readout"]["plan_digest"] == plan.frozen_digest
    assert "Sent step 2" in (Path(read.path) / "readout.html").read_text(encoding="utf-8")
    workbook, deck = (zipfile.ZipFile(Path(read.path) / f"readout.{form}") for form in ("xlsx", "pptx"))
    assert "Sent step 2" in workbook.read("xl/sharedStrings.xml").decode()
    slides = [deck.read(name).decode() for name in deck.namelist() if name.startswith("ppt/slides/slide")]
    assert sum("Sent step 2" in slide for slide in slides) == 1


def _later(rows, by):
    """The receipts of the newest stretch once more, so long after."""
    new = rows[rows["occurred_at"] >= rows["occurred_at"].max() - by]
    return new.assign(occurred_at=new["occurred_at"] + by, transaction_id="later " + new["transaction_id"])
