"""Inputs of journeys: earlier events, fired triggers, purchases and complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.read import Tables
from netlift.decisions.eligibility.contact_history import require_own, standing_decisions
from netlift.decisions.eligibility.journey_events import JOURNEYS_FILE, read_events
from netlift.decisions.journeys.night import JourneyFacts
from netlift.decisions.journeys.passages import find_passages
from netlift.decisions.run.inputs import bought_on, newest_events
from netlift.decisions.run.scores import LAST_PURCHASE, Scored
from netlift.decisions.run.trigger_lists import EarlierRuns, find_fired
from netlift.next_purchase.fields import Foretold
from netlift.registry.champions import Champion

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class JourneyHistory:
    """What other runs did with journeys.

    Attributes:
        events: Theirs, oldest first.
        days: Days on which they moved journeys, oldest first.
    """

    events: pd.DataFrame
    days: tuple[date, ...]

    def occupied(self, decision: DecisionSettings, positions: pd.Index, day: date) -> np.ndarray:
        """Who is in a journey on a day, bool, shape (n,)."""
        return find_passages(self.events, decision.journeys, positions).occupied(day)


def read_journeys(state: Path, *, own_key: str) -> JourneyHistory:
    """The events of all runs that stand, but for one's own.

    Args:
        state: The state folder, below which they stand.
        own_key: Run key of the decisions that are being made.

    Raises:
        DataError: A run is not whole.
    """
    files = {}
    for folder, told in standing_decisions(state, own_key=own_key).items():
        require_own(folder, files={"journeys": JOURNEYS_FILE})
        if (folder / JOURNEYS_FILE).exists():
            files[folder / JOURNEYS_FILE] = told
    return JourneyHistory(events=read_events(files), days=tuple(sorted(day for day, _ in files.values())))


def ask_journeys(
    settings: BusinessSettings,
    decision: DecisionSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    scored: Scored,
    history: JourneyHistory,
    *,
    as_of: date,
    foretold: Foretold | None = None,
) -> JourneyFacts:
    """What journeys ask of all customers.

    A trigger looks back to the newest run that moved the journeys, a month at most.

    Args:
        settings: The business.
        decision: Its decision block.
        tables: Its tables.
        champions: Task to its champion.
        scored: Customers, n of them.
        history: What other runs did.
        as_of: First day not seen.
        foretold: Next purchases, which a trigger of replenishment needs.

    Raises:
        GateRefusedError: A trigger asks for churn and no model tells it.
        DataError: A trigger needs a table that the config does not name.
    """
    import pandas as pd

    positions, triggers = pd.Index(scored.ids, dtype=object), {trigger.name: trigger for trigger in decision.triggers}
    runs = EarlierRuns(newest=max((day for day in history.days if day < as_of), default=None), folders=())
    fired: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(journey.trigger for journey in decision.journeys if journey.is_open(as_of)):
        fired[name] = find_fired(
            settings, tables, triggers[name], champions, scored, as_of=as_of, runs=runs, foretold=foretold
        )
    nobody, day = np.zeros(len(scored), dtype=bool), np.datetime64(as_of, "D")
    silent = scored.columns[LAST_PURCHASE]
    last = np.where(np.isnan(silent), np.datetime64("NaT"), day - np.nan_to_num(silent).astype("timedelta64[D]"))
    last[bought_on(tables, positions, as_of)] = day
    end = datetime.combine(as_of + timedelta(days=1), time())
    kinds = decision.contact_policy.complaint_events
    return JourneyFacts(
        fired=np.array([fired.get(journey.trigger, nobody) for journey in decision.journeys]),
        last_purchase=last,
        last_complaint=newest_events(tables, kinds, positions, end).astype("datetime64[D]"),
        stands_still=bool(history.days) and history.days[-1] > as_of,
    )


__all__ = ["JourneyHistory", "ask_journeys", "read_journeys"]
