"""Readouts of campaigns as the scorecard reads them: what a month's contacts earned against their control.

A readout is one JSON document:

    {"campaign_id": "C07", "month": "2026-06",
     "incremental_profit": {"point": 1200.0, "ci_lower": 100.0, "ci_upper": 2300.0, "level": 0.95, ...},
     "incremental_cost": 800.0,
     "roi": {"point": 1.5, "ci_lower": 0.1, "ci_upper": 2.9, "level": 0.95, ...}}

`roi` is null where there is no such ratio. Other keys are left alone. A document without `campaign_id` is a readout of
something else, such as an offline study, and is passed by; so is that of a campaign that nobody randomized.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from netlift.errors import DataError
from netlift.results import Estimate

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
