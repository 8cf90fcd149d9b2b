"""Contacts that count although nobody has logged them, or logged them late, in part, or half-written."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from decide_world import AS_OF, configure, decide, read_run, rewrite, table

from netlift.errors import ConfigError, DataError, UsageError

pytestmark = pytest.mark.slow

OLD = pd.Timestamp("2026-06-01")


def one_a_week(decision):
    decision.update(budget="unlimited", triggers=[])
    decision["explore"].update(epsilon=0.0, floor=0.0)
    decision["contact_policy"].update(limits=[{"at_most": 1, "days": 7}], quiet_after_purchase_days=0)


def served(run) -> set[str]:
    return set(read_run(run)["lists"]["customer_id"])


def log_rows(world, run, rows):
    """Put rows of a run's contacts into the table, as a gateway sends them back."""
    wrote = read_run(run)
    rewrite(world, "contacts", lambda old: pd.concat([old, rows(wrote["contacts"])], ignore_index=True))
    rewrite(world, "campaigns", lambda old: pd.concat([old, wrote["campaigns"]], ignore_index=True))


def test_the_part_of_a_list_that_is_not_logged_yet_still_counts(world, monkeypatch):
    config = configure(world, one_a_week)
    first = decide(config, monkeypatch)
    log_rows(world, first, lambda contacts: contacts.iloc[: len(contacts) // 2])
    second = decide(config, monkeypatch, as_of=AS_OF + timedelta(days=1))
    assert len(served(first)) > 50 and not served(first) & served(second)


def test_who_was_logged_as_left_out_counts_as_left_out(world, monkeypatch):
    """A call that was never made comes back as control, and does not count; the list said otherwise."""
    config = configure(world, one_a_week)
    first = decide(config, monkeypatch)
    log_rows(world, first, lambda contacts: contacts.assign(offer_id="control"))
    second = decide(config, monkeypatch, as_of=AS_OF + timedelta(days=1))
    assert len(served(first) & served(second)) > 0.8 * len(served(first))


def test_a_contact_counts_from_the_day_it_was_delivered(world, monkeypatch):
    config = configure(world, one_a_week)
    ids = sorted(served(decide(config, monkeypatch)))[:20]
    shutil.rmtree(world / "var" / "out")

    def late(contacts):
        rows = contacts[contacts["offer_id"] != "control"].iloc[: len(ids)]
        rows = rows.assign(customer_id=ids, campaign_id="late", assigned_at=OLD)
        delivered = [pd.Timestamp("2026-09-28")] * 10 + [pd.NaT] * 10
        return pd.concat([contacts, rows.assign(delivered_at=delivered)], ignore_index=True)

    rewrite(world, "contacts", late)
    rewrite(
        world,
        "campaigns",
        lambda old: pd.concat([old, old.iloc[:1].assign(campaign_id="late", started_at=OLD)], ignore_index=True),
    )
    now = served(decide(config, monkeypatch))
    assert not set(ids[:10]) & now and len(set(ids[10:]) & now) > 5


def test_what_a_killed_run_left_half_written_promises_nobody_anything(world, monkeypatch):
    """Between the manifest and the moment when the folder gets its name everything is there, and nothing counts."""
    config = configure(world, one_a_week)
    first = decide(config, monkeypatch)
    content = {path.name: path.read_bytes() for path in Path(first.path).iterdir() if path.suffix == ".parquet"}
    Path(first.path).rename(Path(first.path).parent / ".staging-abc")
    again = decide(config, monkeypatch)
    assert again.written and {name: (Path(again.path) / name).read_bytes() for name in content} == content
    listed = decide(configure(world), monkeypatch, trigger="welcome")
    Path(listed.path).rename(Path(listed.path).parent / ".staging-def")
    assert decide(configure(world), monkeypatch, trigger="welcome").written


def test_a_manifest_names_the_lists_that_were_counted_and_later_ones_change_nothing(world, monkeypatch):
    config = configure(world, one_a_week)
    morning, evening = (decide(config, monkeypatch, run_key=key) for key in ("morning", "evening"))
    lists = [json.loads((Path(run.path) / "manifest.json").read_text())["lists"] for run in (morning, evening)]
    assert [list(each) for each in lists] == [[], ["decisions/morning"]]
    assert not decide(config, monkeypatch, run_key="morning").written, "the evening's list came later"
    manifest = Path(morning.path) / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(UsageError, match="lists changed since"):
        decide(config, monkeypatch, run_key="evening")
    contacts = Path(morning.path) / "contacts.parquet"
    pd.read_parquet(contacts).iloc[1:].to_parquet(contacts)
    with pytest.raises(DataError, match="is not what was written, so nobody can say whom it contacts"):
        decide(config, monkeypatch, run_key="night")


def test_a_run_key_that_is_a_logged_campaign_is_refused(world, monkeypatch):
    own = table(world, "contacts")["campaign_id"].iloc[0]
    with pytest.raises(UsageError, match="logged already"):
        decide(configure(world), monkeypatch, run_key=own)


def test_a_priority_campaign_that_nobody_knows_is_asked_about(world, monkeypatch):
    known = table(world, "campaigns")["campaign_id"].iloc[0]

    def misspelt(decision):
        decision["contact_policy"]["priority_campaigns"] = [known + "x"]

    with pytest.raises(ConfigError, match=f"did you mean {known}"):
        decide(configure(world, misspelt), monkeypatch)


def test_the_runs_of_a_day_share_what_a_day_allows(world, monkeypatch):
    """A call centre that makes 20 calls a day makes 20, however many lists there are."""

    def few_calls(decision):
        decision.update(budget="unlimited", triggers=[])
        decision["contact_policy"].update(limits=[{"at_most": 1, "days": 1}], quiet_after_purchase_days=0)
        decision["channels"]["call"]["at_most"] = 20
        decision["offers"]["push_reminder"].update(at_most=30, at_least=10)

    config = configure(world, few_calls)
    runs = [decide(config, monkeypatch), decide(config, monkeypatch, run_key="evening")]
    lists = [read_run(run)["lists"] for run in runs]
    assert 0 < sum((rows["channel"] == "call").sum() for rows in lists) <= 20
    assert 10 <= sum((rows["offer_id"] == "push_reminder").sum() for rows in lists) <= 30
    tomorrow = decide(config, monkeypatch, as_of=date(2026, 10, 3))
    assert 0 < len(read_run(tomorrow)["export_call"]) <= 20
