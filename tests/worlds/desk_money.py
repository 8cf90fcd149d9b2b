"""A stored portfolio of two campaigns and a run of decisions whose lists wait, for the desk's pages of money."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from decide_world import NOW, small_budget


def with_approval(decision):
    small_budget(decision)
    decision["approval"] = "required"


def estimate(point, lower, upper):
    return {"point": point, "ci_lower": lower, "ci_upper": upper, "level": 0.95, "unit": "RUB", "method": "test"}


def total(name, dimension, money, advice):
    return {"name": name, "dimension": dimension, "shrunken": money, "advice": advice, "contacts": 100}


def write_portfolio(state: Path) -> None:
    """A stored portfolio of two campaigns, one of which somebody named with markup."""
    campaigns = [
        {"campaign_id": "K1", "name": "<script>alert(1)</script>", "started": "2026-05-01", "treated": 80,
         "control": 20, "shrunken": estimate(50_000.0, 10_000.0, 90_000.0), "chance_of_profit": 0.99},
        {"campaign_id": "K2", "name": "=1+1", "started": "2026-08-01", "treated": 60, "control": 40,
         "shrunken": estimate(-9_000.0, -20_000.0, 5_000.0), "chance_of_profit": 0.2},
    ]  # fmt: skip
    year = {
        "since": "2026-01-01", "until": "2026-10-01", "campaigns": 2, "unread": 1,
        "earned": estimate(50_000.0, 10_000.0, 90_000.0), "lost": estimate(-9_000.0, -20_000.0, 5_000.0),
        "net": estimate(41_000.0, 2_000.0, 80_000.0), "channels": [],
        "by_segment": [total("loyal", "segment", estimate(41_000.0, 2_000.0, 80_000.0), "scale_up")],
        "offers": [total("push_reminder", "offer", estimate(50_000.0, 9_000.0, 90_000.0), "scale_up"),
                   total("sms_bonus_300", "offer", estimate(-9_000.0, -20_000.0, -1_000.0), "stop")],
    }  # fmt: skip
    none = estimate(0.0, 0.0, 0.0)
    month = year | {"campaigns": 0, "since": "2026-09-01", "earned": none, "lost": none, "net": none, "offers": []}
    periods = [{"name": "month"} | month, {"name": "year"} | year, {"name": "all"} | year]
    left_out = [{"campaign_id": "K3", "name": "K3", "reason": "window_open"}]
    content = json.dumps({"campaigns": campaigns, "left_out": left_out, "periods": periods}).encode()
    folder = state / "out" / "portfolio" / "2026-10-01-ru"
    folder.mkdir(parents=True)
    (folder / "portfolio.json").write_bytes(content)
    digests = {"json": sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"written_at": NOW.isoformat(), "digests": digests}))
