"""The universal holdout is one, whether a campaign is designed, customers are decided about, or all of it is read."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from campaign_world import make_plan, request

from netlift.abtest.design.plan import complete
from netlift.abtest.portfolio.holdout import find_holdout
from netlift.config.business import load
from netlift.config.plan import load_plan
from netlift.decisions.eligibility.contact_history import decided_days
from netlift.errors import DataError, UsageError

DEMO = Path(__file__).parents[3] / "configs" / "demo.yaml"


def plans(tmp_path: Path, *shares: float):
    (tmp_path / "shop.yaml").touch()
    files = [make_plan(tmp_path / "shop.yaml", campaign_id=f"C{k}", holdout_share=s) for k, s in enumerate(shares)]
    return [load_plan(file) for file in files]


def decided(state: Path, key: str, day: str) -> None:
    folder = state / "out" / "decisions" / key
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"run_key": key, "as_of": day}))


def test_a_campaign_is_designed_with_the_holdout_of_the_decisions():
    settings = load(DEMO)
    assert settings.decision is not None
    assert complete(request(), settings).holdout == settings.decision.holdout
    same = request(holdout_share=settings.decision.holdout.share, washout_days=settings.decision.holdout.washout_days)
    assert complete(same, settings).holdout == settings.decision.holdout


def test_another_holdout_than_that_of_the_decisions_is_refused_with_every_difference():
    with pytest.raises(UsageError) as refused:
        complete(request(holdout_share=0.1, holdout_months=3), load(DEMO))
    told = str(refused.value)
    assert "--holdout-share 0.1: decision.holdout.share of the config says 0.05" in told
    assert "--holdout-months 3: decision.holdout.rotate_months of the config says 12" in told


def test_without_decisions_the_options_make_the_holdout_and_nothing_makes_none():
    settings = load(DEMO).model_copy(update={"decision": None})
    assert complete(request(), settings).holdout is None
    assert complete(request(holdout_share=0.0), settings).holdout is None
    asked = complete(request(holdout_share=0.07, washout_days=0), settings).holdout
    assert asked is not None
    assert (asked.share, asked.rotate_months, asked.washout_days) == (0.07, 6, 0)
    with pytest.raises(UsageError, match=r"--holdout-share 0\.7: lies between 0 and 0.5"):
        complete(request(holdout_share=0.7), settings)


def test_the_holdout_of_decisions_is_read_from_the_first_of_them(tmp_path: Path):
    settings = load(DEMO).model_copy(update={"state": tmp_path})
    assert settings.decision is not None
    assert find_holdout(settings, [], decided_days(tmp_path)) is None
    decided(tmp_path, "2026-10-08", "2026-10-08")
    decided(tmp_path, "autumn", "2026-10-01")
    found = find_holdout(settings, [], decided_days(tmp_path))
    assert found is not None
    assert (found.plan, found.cluster, found.since) == (settings.decision.holdout, None, datetime(2026, 10, 1))


def test_plans_and_decisions_of_different_holdouts_are_refused_and_named(tmp_path: Path):
    settings = load(DEMO).model_copy(update={"state": tmp_path})
    assert find_holdout(settings, plans(tmp_path, 0.1), decided_days(tmp_path)) is not None
    decided(tmp_path, "autumn", "2026-10-01")
    with pytest.raises(DataError, match="C0, decisions autumn: 2 different universal holdouts"):
        find_holdout(settings, plans(tmp_path, 0.1), decided_days(tmp_path))
    same = [replace_holdout(plan, settings.decision.holdout) for plan in plans(tmp_path, 0.1)]
    assert find_holdout(settings, same, decided_days(tmp_path)) is not None


def replace_holdout(plan, holdout):
    return plan.model_copy(update={"holdout": holdout})
