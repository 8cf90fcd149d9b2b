"""Lookup of a decision run by its key, with the rules that drew it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from netlift.config.business import BusinessSettings
from netlift.config.readout import ReadoutSettings
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.data.run import MANIFEST_FILE, safe_key
from netlift.decisions.eligibility.contact_history import CAMPAIGNS_FILE, DECISIONS
from netlift.decisions.readout.challengers import find_challengers
from netlift.decisions.readout.compute import DecisionReading, read_decisions
from netlift.decisions.readout.outcomes import gather_outcomes
from netlift.decisions.readout.record import load_decisions
from netlift.decisions.readout.result import DecisionReadout
from netlift.decisions.request import require_decision
from netlift.errors import DataError
from netlift.results import Estimate

LOG_FILE = "decisions.parquet"


def read_run(
    settings: BusinessSettings,
    tables: Tables,
    key: str,
    *,
    until: datetime | None = None,
    slope_before: Estimate | None = None,
) -> DecisionReadout:
    """Read a run that `netlift decide` wrote, with other policies replayed on what it left to chance.

    Args:
        settings: The business, with the decision block of the run.
        tables: Its tables; the contacts of the run are among them.
        key: The run's key.
        until: First moment not seen; None for the end of the receipts, which a later moment stands for too.
        slope_before: Slope of effects on predictions at training; None for what a corrected log should have, 1.

    Raises:
        UsageError: No such run.
        ConfigError: No decision block.
        DataError: The window is not over, or log, contacts and customers do not fit together.
    """
    folder = settings.state / DECISIONS / safe_key(key)
    record = load_decisions(folder / LOG_FILE)
    require_decision(settings)
    manifest = _read(folder / MANIFEST_FILE)
    how = settings.readout or ReadoutSettings(tolerance=0.0)
    outcomes = gather_outcomes(
        tables,
        record,
        outcome_days=_outcome_days(folder / CAMPAIGNS_FILE),
        before_days=how.pre_days,
        until=seen_until(tables, until),
    )
    reading = DecisionReading(
        holdout_share=manifest["drawn_by"]["holdout_share"],
        epsilon=manifest["drawn_by"]["epsilon"],
        tried=manifest["drawn_by"].get("new_offers", {}).get("chance", 0.0),
        new_offers=tuple(manifest["drawn_by"].get("new_offers", {}).get("offers", ())),
        currency=settings.currency,
        level=how.level,
        slope_before=slope_before,
    )
    challengers = find_challengers(settings, tables, record, manifest["summary"])
    found = read_decisions(record, outcomes, reading, challengers=challengers.options)
    return replace(found, left_out=challengers.left_out)


def _read(manifest: Path) -> dict[str, Any]:
    """The manifest of a run, which holds the chances it was drawn by: the config may have changed since."""
    try:
        told: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        _ = told["drawn_by"]["epsilon"], told["drawn_by"]["holdout_share"], told["summary"]["versions"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"no whole manifest at {manifest}: the run was not finished, or an older netlift wrote it; decide again"
        ) from error
    return told


def _outcome_days(path: Path) -> int:
    import pandas as pd

    return int(pd.read_parquet(path, columns=["outcome_days"])["outcome_days"].iloc[0])


__all__ = ["read_run"]
