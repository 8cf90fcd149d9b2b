"""Contact earnings by month, from the campaigns' readouts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from netlift.data.read import Tables
from netlift.errors import DataError
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.scorecards.build import combine_effects
from netlift.segments.figures import CampaignEffect, Note
from netlift.segments.monthly import Month

CURE = "write the readout anew"


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What one campaign earned.

    Attributes:
        campaign_id: The campaign.
        month: First day of the month that its profit is counted in.
        incremental_profit: Incremental margin less rewards, contacts and fixed cost.
        incremental_cost: What was spent on the treated beyond the control.
        roi: The profit over that cost; None where there is no such ratio.
    """

    campaign_id: str
    month: date
    incremental_profit: Estimate
    incremental_cost: float
    roi: Estimate | None


def read_readouts(files: Iterable[Path]) -> tuple[Readout, ...]:
    """The readouts of campaigns among some files, in the order of month and campaign.

    Raises:
        DataError: A file is no JSON, lacks a part, or a campaign has two readouts; all of it at once.
    """
    mistakes: list[str] = []
    found: dict[str, tuple[Path, Readout]] = {}
    for path in sorted(files):
        try:
            readout = _read(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"has no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            mistakes.append(f"{path}: not a readout of a campaign ({reason}); {CURE}")
            continue
        if readout is None:
            continue
        if readout.campaign_id in found:
            other = found[readout.campaign_id][0]
            mistakes.append(f"{path}: campaign {readout.campaign_id} has a readout in {other} too; keep one")
        found[readout.campaign_id] = (path, readout)
    if mistakes:
        raise DataError("\n".join(mistakes))
    return tuple(sorted((r for _, r in found.values()), key=lambda r: (r.month, r.campaign_id)))


def _read(path: Path) -> Readout | None:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, Mapping) or "campaign_id" not in document:
        return None
    if document.get("observational"):
        return None
    cost = float(document["incremental_cost"])
    if not math.isfinite(cost):
        raise ValueError(f"incremental_cost is {cost}")
    return Readout(
        campaign_id=str(document["campaign_id"]),
        month=date.fromisoformat(f"{document['month']}-01"),
        incremental_profit=_estimate(document["incremental_profit"]),
        incremental_cost=cost,
        roi=None if document["roi"] is None else _estimate(document["roi"]),
    )


def _estimate(plain: Mapping[str, Any]) -> Estimate:
    numbers = {name: float(plain[name]) for name in ("point", "ci_lower", "ci_upper", "level")}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"an estimate is not finite: {numbers}")
    if not (numbers["ci_lower"] <= numbers["point"] <= numbers["ci_upper"] and 0 < numbers["level"] < 1):
        raise ValueError(f"an estimate lies outside its interval, or its level outside (0, 1): {numbers}")
    return Estimate(**numbers, unit=str(plain.get("unit", "")), method=str(plain.get("method", "")))


def find_readouts(state: Path, experiments: Path) -> tuple[Path, ...]:
    """Files that may hold readouts of campaigns: of the experiments, and of the business's outputs."""
    return (*sorted(experiments.glob("*/readout.json")), *sorted((state / "out" / "readouts").glob("*.json")))


def read_effects(
    tables: Tables, readouts: Sequence[Readout], months: Sequence[Month], words: Words
) -> tuple[dict[Month, CampaignEffect], list[Note]]:
    """What each month's contacts earned, and a note for each month of which not every campaign was measured.

    Args:
        tables: The tables of the business.
        readouts: What its campaigns earned.
        months: The months.
        words: The language of the notes.
    """
    started = _campaigns_by_month(tables)
    effects: dict[Month, CampaignEffect] = {}
    notes: list[Note] = []
    for month in months:
        read = [readout for readout in readouts if readout.month == month.first]
        if not read:
            continue
        effects[month] = combine_effects([(readout.incremental_profit, readout.incremental_cost) for readout in read])
        unread = started.get(month.first, frozenset()) - {readout.campaign_id for readout in read}
        if unread:
            values = {
                "month": words.month(month.first),
                "read": words.number(len(read)),
                "all": words.number(len(read) + len(unread)),
            }
            notes.append(Note(code="readouts_partial", values=values))
    return effects, notes


def _campaigns_by_month(tables: Tables) -> dict[date, frozenset[str]]:
    if "campaigns" not in tables:
        return {}
    campaigns = tables["campaigns"]
    rows = tables.connection.to_pyarrow(campaigns.select("campaign_id", at=campaigns.started_at.date())).to_pylist()
    months = {row["at"].replace(day=1) for row in rows if row["at"]}
    return {
        month: frozenset(row["campaign_id"] for row in rows if row["at"] and row["at"].replace(day=1) == month)
        for month in months
    }
