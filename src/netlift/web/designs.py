"""Stored designs of tests, and the plans that were frozen from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.config.plan import PLAN_FILE, load_plan
from netlift.web.orders import known_plans
from netlift.web.store import NotStoredError, Run

if TYPE_CHECKING:
    from netlift.web.visit import Desk

KIND, JSON_FILE, PAGE_FILE = "designs", "design.json", "design.html"


def find_plan_of(desk: Desk, run: Run) -> Path:
    """The plan that a design froze.

    Raises:
        NotStoredError: It froze none, or the plan no longer stands among the experiments.
    """
    told: Mapping[str, Any] = run.json(JSON_FILE)
    campaign = (told.get("plan") or {}).get("campaign_id")
    for folder, found in known_plans(desk).items():
        path = desk.experiments / folder / PLAN_FILE
        if found == campaign and run.key.startswith(folder) and load_plan(path).is_unchanged:
            return path
    raise NotStoredError(f"design {run.key} froze no plan that stands among the experiments")


__all__ = ["JSON_FILE", "KIND", "PAGE_FILE", "find_plan_of"]
