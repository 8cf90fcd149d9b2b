"""The list of a trigger: customers whose event happened since its last run.

A trigger's earlier runs are those that stand below the decisions' folder; a run that was missed is caught up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.config.outreach import TriggerSettings
from netlift.config.settings import did_you_mean
from netlift.data.read import Tables
from netlift.data.run import BRING_BACK
from netlift.decisions.eligibility.contact_history import DECISIONS, STANDING
from netlift.decisions.eligibility.handover import is_rejected
from netlift.decisions.eligibility.triggers import accumulate_spend, find_triggered, median_gaps
from netlift.decisions.run.inputs import newest_events, read_people
from netlift.decisions.run.scores import LAST_PURCHASE, OVER_GAP, Scored, score_churn
from netlift.errors import DataError, GateRefusedError, UsageError
from netlift.next_purchase.fields import Foretold
from netlift.registry.champions import Champion

if TYPE_CHECKING:
    import pandas as pd

LONGEST_WINDOW = 31
LOG_FILE = "decisions.parquet"
REPLENISHMENT = "replenishment"


@dataclass(frozen=True, kw_only=True)
class EarlierRuns:
    """When a trigger has run before.

    Attributes:
        newest: Day of its newest run; None without one.
        folders: Day and folder of each.
    """

    newest: date | None
    folders: tuple[tuple[date, Path], ...]


def find_trigger(decision: DecisionSettings, name: str) -> TriggerSettings | None:
    """The trigger of that name; None for the empty name.

    Raises:
        UsageError: The config has no such trigger.
    """
    if not name:
        return None
    names = [trigger.name for trigger in decision.triggers]
    if name not in names:
        raise UsageError(f"--trigger {name!r}: the config's decision.triggers has none{did_you_mean(name, names)}")
    trigger = decision.triggers[names.index(name)]
    if not trigger.offers:
        raise UsageError(
            f"--trigger {name!r}: has no offers of its own; it begins journeys, which go with the run of everybody: "
            "leave --trigger out"
        )
    return trigger


def asks_when_due(decision: DecisionSettings, trigger: TriggerSettings | None, as_of: date) -> bool:
    """Whether a run asks when categories fall due: its own trigger does, or one that begins an open journey.

    Args:
        decision: The decision block.
        trigger: Whose list the run makes; None for the run of all customers.
        as_of: First day not seen.
    """
    begin = {journey.trigger for journey in decision.journeys if journey.is_open(as_of)}
    firing = [each for each in decision.triggers if each.name in begin] if trigger is None else [trigger]
    return any(each.event == REPLENISHMENT for each in firing)


def earlier_runs(state: Path, trigger: TriggerSettings, *, as_of: date, own_key: str) -> EarlierRuns:
    """Its runs before a day.

    Raises:
        UsageError: It has run for the day under another key, or for a later day that has caught this one up: everybody
            would be on two lists.
        DataError: A run is not whole.
    """
    runs = sorted(_runs_of(state, trigger.name, own_key))
    days = [day for day, _ in runs]
    for day, folder in runs:
        if day == as_of:
            raise UsageError(f"trigger {trigger.name!r} has run for {as_of} under the key {folder.name}; give that key")
        window = _window_days(trigger, day, max((other for other in days if other < day), default=None))
        if day > as_of > day - timedelta(days=window):
            raise UsageError(
                f"trigger {trigger.name!r} has run for {day} and looked back over {as_of} then: the same customers "
                "would be on two lists. Run missed days in their order, or leave them to the later run"
            )
    before = tuple((day, folder) for day, folder in runs if day < as_of)
    return EarlierRuns(newest=before[-1][0] if before else None, folders=before)


def _runs_of(state: Path, name: str, own_key: str) -> Iterator[tuple[date, Path]]:
    """Day and folder of every run of a trigger but one."""
    for path in (state / DECISIONS).glob(STANDING):
        try:
            manifest = json.loads(path.read_text())
            of, day = manifest.get("trigger", ""), date.fromisoformat(manifest["as_of"])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path.parent} is not whole ({type(error).__name__}); {BRING_BACK}") from error
        if of == name and path.parent.name != own_key and not is_rejected(path.parent):
            yield day, path.parent


def _window_days(trigger: TriggerSettings, as_of: date, newest: date | None) -> int:
    """Days that a run looks back: to the one before it, a month at most where that was missed."""
    if newest is None:
        return trigger.window_days
    return min(max(trigger.window_days, (as_of - newest).days), max(LONGEST_WINDOW, trigger.window_days))


def find_fired(
    settings: BusinessSettings,
    tables: Tables,
    trigger: TriggerSettings,
    champions: Mapping[str, Champion],
    scored: Scored,
    *,
    as_of: date,
    runs: EarlierRuns,
    foretold: Foretold | None = None,
) -> np.ndarray:
    """Whom it fires for, bool, shape (n,).

    Args:
        settings: The business.
        tables: Its tables.
        trigger: What happens.
        champions: Task to its champion.
        scored: Customers with what is predicted of them, n of them.
        as_of: First day not seen.
        runs: When it has run before.
        foretold: Next purchases, which `replenishment` needs.

    Raises:
        GateRefusedError: It asks for churn and no model tells it.
        DataError: It needs a table that the config does not name.
    """
    import pandas as pd

    days = _window_days(trigger, as_of, runs.newest)
    positions = pd.Index(scored.ids)
    if foretold is not None and trigger.event == REPLENISHMENT:
        until = as_of + timedelta(days=trigger.days_before or 0)
        facts = {"replenishment_due_on": foretold.newest_due(scored.ids, until=until)}
    else:
        facts = _facts(settings, tables, trigger, champions, scored, positions, as_of=as_of, days=days)
    last = _last_fired(trigger, positions, runs, as_of)
    return find_triggered(trigger, facts, as_of=as_of, last_fired=last, window_days=days)


def _facts(
    settings: BusinessSettings,
    tables: Tables,
    trigger: TriggerSettings,
    champions: Mapping[str, Champion],
    scored: Scored,
    positions: pd.Index,
    *,
    as_of: date,
    days: int,
) -> dict[str, np.ndarray]:
    """What the trigger needs to know, as `decision.triggers.NEEDS` says."""
    end = datetime.combine(as_of, time())
    match trigger.event:
        case "first_purchase":
            return {"first_purchase_at": _first_purchases(tables, positions, end)}
        case "silence":
            return {name: scored.columns[name] for name in (LAST_PURCHASE, OVER_GAP)}
        case "own_gap":
            gaps = _median_gaps(tables, positions, end)
            return {LAST_PURCHASE: scored.columns[LAST_PURCHASE], "median_gap_days": gaps}
        case "birthday":
            return {"birth_date": read_people(tables, scored.ids, ["birth_date"])["birth_date"].astype("datetime64[D]")}
        case "spend_step":
            return _spend(tables, positions, end, days)
        case "complaint":
            if "events" not in tables:
                raise DataError(f"trigger {trigger.name!r} needs the table events, which the config does not name")
            kinds = settings.decision.contact_policy.complaint_events if settings.decision else ()
            return {"last_complaint_at": newest_events(tables, kinds, positions, end)}
    if "churn" not in champions:
        raise GateRefusedError(f"trigger {trigger.name!r} needs a champion of churn: run `netlift train churn`")
    before = score_churn(settings, tables, champions["churn"], as_of=as_of - timedelta(days=days))
    return {"p_churn": scored.p_churn, "p_churn_before": before.reindex(positions).to_numpy(dtype=np.float32)}


def _median_gaps(tables: Tables, positions: pd.Index, end: datetime) -> np.ndarray:
    import pandas as pd

    receipts = tables["transactions"]
    bought = receipts.filter((receipts.occurred_at < end) & ~receipts.is_return.coalesce(receipts.revenue < 0))
    days = bought.select("customer_id", day=bought.occurred_at.date()).distinct()
    rows = tables.connection.to_pyarrow(days).to_pandas()
    who = positions.get_indexer(pd.Index(rows["customer_id"]))
    day = rows["day"].to_numpy(dtype="datetime64[D]")
    return median_gaps(who[who >= 0], day[who >= 0], customers=len(positions))


def _first_purchases(tables: Tables, positions: pd.Index, end: datetime) -> np.ndarray:
    import pandas as pd

    receipts = tables["transactions"]
    bought = receipts.filter((receipts.occurred_at < end) & ~receipts.is_return.coalesce(receipts.revenue < 0))
    rows = tables.connection.to_pyarrow(
        bought.group_by("customer_id").aggregate(at=bought.occurred_at.min())
    ).to_pandas()
    first = np.full(len(positions), np.datetime64("NaT"), dtype="datetime64[us]")
    who = positions.get_indexer(pd.Index(rows["customer_id"]))
    first[who[who >= 0]] = rows["at"].to_numpy(dtype="datetime64[us]")[who >= 0]
    return first


def _spend(tables: Tables, positions: pd.Index, end: datetime, days: int) -> dict[str, np.ndarray]:
    """Highest accumulated spend now and before the window; only who bought in the window can have reached a step."""
    import pandas as pd

    start = end - timedelta(days=days)
    receipts = tables["transactions"].select("customer_id", "occurred_at", "revenue")
    seen = receipts.filter(receipts.occurred_at < end)
    lately = seen.filter(seen.occurred_at >= start).select("customer_id").distinct()
    rows = tables.connection.to_pyarrow(seen.semi_join(lately, "customer_id")).to_pandas()
    rows = rows.sort_values(["customer_id", "occurred_at", "revenue"])
    who = positions.get_indexer(pd.Index(rows["customer_id"]))
    known = who >= 0
    now, before = accumulate_spend(
        who[known],
        rows["revenue"].to_numpy(dtype=np.float64)[known],
        rows["occurred_at"].to_numpy(dtype="datetime64[us]")[known],
        customers=len(positions),
        moments=(np.datetime64(end), np.datetime64(start)),
    )
    return {"spend_peak": now, "spend_peak_before": before}


def _last_fired(trigger: TriggerSettings, positions: pd.Index, runs: EarlierRuns, as_of: date) -> np.ndarray | None:
    """Day on which it last fired for each customer, by the logs of its runs within the days of rest."""
    import pandas as pd

    if not trigger.rest_days:
        return None
    last = np.full(len(positions), np.datetime64("NaT"), dtype="datetime64[D]")
    for day, folder in sorted(runs.folders):
        if as_of - day <= timedelta(days=trigger.rest_days):
            who = positions.get_indexer(
                pd.Index(pd.read_parquet(folder / LOG_FILE, columns=["customer_id"])["customer_id"])
            )
            last[who[who >= 0]] = np.datetime64(day, "D")
    return last


__all__ = ["REPLENISHMENT", "EarlierRuns", "asks_when_due", "earlier_runs", "find_fired", "find_trigger"]
