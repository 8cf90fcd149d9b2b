"""State of each open passage through a journey, derived from the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.journeys import JourneySettings
from netlift.data.contract import CONTROL
from netlift.decisions.eligibility.journey_events import CLOSED, ENTERED, EXITED, PASSAGE, SENT, SKIPPED
from netlift.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Passages:
    """Customers on their way, one row a passage.

    Attributes:
        frame: `PASSAGE`, arm, propensity; place (of the journey in the config); customer (position, -1 where nobody
            knows him any more); ends (first day after the outcome window); treated; exited; step (steps sent or passed
            over so far); moved (day of the last of them, or of the beginning); code_from (day of the first that was
            sent); cost (of all contacts); first (whether the customer never was in the journey before).
        last_entered: Day on which each customer last entered each journey, datetime64[D], NaT for never, (journeys, n).
    """

    frame: pd.DataFrame
    last_entered: np.ndarray

    def occupied(self, day: date) -> np.ndarray:
        """Who is in a journey on a day, control too, bool, shape (n,)."""
        found = np.zeros(self.last_entered.shape[1], dtype=bool)
        there = self.frame[(self.frame["ends"] > np.datetime64(day, "D")) & (self.frame["customer"] >= 0)]
        found[there["customer"].to_numpy()] = True
        return found


def find_passages(events: pd.DataFrame, journeys: Sequence[JourneySettings], positions: pd.Index) -> Passages:
    """Read the passages that are not closed off the events.

    Args:
        events: Of all runs, oldest first.
        journeys: Of the config.
        positions: Customers in order, an index of n ids.

    Raises:
        ConfigError: Customers are in a journey that the config has no more, or has with other steps: all at once.
    """
    import pandas as pd

    began = events[events["event"] == ENTERED]
    places = {journey.name: place for place, journey in enumerate(journeys)}
    is_over = _are_in(began, events[events["event"] == CLOSED])
    _require_unchanged(began, began[~is_over], journeys)
    last = np.full((len(journeys), len(positions)), np.datetime64("NaT"), dtype="datetime64[D]")
    known = began[began["journey"].isin(places)]
    who = positions.get_indexer(pd.Index(known["customer_id"]))
    np.fmax.at(last, (known["journey"].map(places).to_numpy(dtype=np.int64)[who >= 0], who[who >= 0]),
               known["entered"].to_numpy(dtype="datetime64[D]")[who >= 0])  # fmt: skip

    frame = began.loc[~is_over, [*PASSAGE, "arm", "propensity"]]
    frame = frame.assign(first=~began.duplicated(["journey", "customer_id"])[~is_over])
    moves = events[events["event"].isin([SENT, SKIPPED])].groupby(PASSAGE, as_index=False)
    frame = frame.merge(moves.agg(step=("step", "max"), moved=("as_of", "max")), on=PASSAGE, how="left")
    sent = events[events["event"] == SENT].groupby(PASSAGE, as_index=False)
    frame = frame.merge(sent.agg(code_from=("as_of", "min"), cost=("contact_cost", "sum")), on=PASSAGE, how="left")
    entered = frame["entered"].to_numpy(dtype="datetime64[D]")
    length = np.array([journey.outcome_days for journey in journeys], dtype="timedelta64[D]")
    place = frame["journey"].map(places).to_numpy(dtype=np.int64)
    frame = frame.assign(
        place=place,
        customer=positions.get_indexer(pd.Index(frame["customer_id"])),
        ends=entered + length[place] if len(frame) else entered,
        treated=(frame["arm"] != CONTROL).to_numpy(),
        exited=_are_in(frame, events[events["event"] == EXITED]),
        step=frame["step"].fillna(0).to_numpy(dtype=np.int64),
        moved=frame["moved"].fillna(frame["entered"]),
        cost=frame["cost"].fillna(0.0),
    )
    return Passages(frame=frame, last_entered=last)


def _are_in(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Whose passage is among the others, bool."""
    import pandas as pd

    return np.asarray(pd.MultiIndex.from_frame(rows[PASSAGE]).isin(pd.MultiIndex.from_frame(others[PASSAGE])))


def _require_unchanged(began: pd.DataFrame, running: pd.DataFrame, journeys: Sequence[JourneySettings]) -> None:
    """Refuse journeys that went away under their customers, or became another treatment under the same name."""
    mistakes = []
    gone = running[~running["journey"].isin([journey.name for journey in journeys])]
    for name, count in gone["journey"].value_counts(sort=False).items():
        mistakes.append(
            f"decision.journeys: {count:,} customers are in {name!r}, which the config has no more; put it back with "
            "enter_until on a past day, and take it out when nobody is in it"
        )
    for journey in journeys:
        other = began[(began["journey"] == journey.name) & (began["treatment"] != journey.treatment)]
        if len(other):
            mistakes.append(
                f"decision.journeys.{journey.name}: {len(other):,} customers began it with other steps, conditions or "
                "windows, and a journey is read as one treatment; put these back, or end it by enter_until and give "
                "the new one a name of its own"
            )
    if mistakes:
        raise ConfigError("\n".join(mistakes))


__all__ = ["Passages", "find_passages"]
