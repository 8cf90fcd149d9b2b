"""Funnel of a journey: entries, steps sent, exits with reasons, waiting customers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.journeys import JourneySettings
from netlift.data.contract import CONTROL
from netlift.decisions.eligibility.journey_events import CLOSED, ENTERED, EXITED, PASSAGE, SENT, SKIPPED

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class JourneyLine:
    """A journey tonight and since it began; all counts but those of control are of customers who get its steps.

    `entered` is finished + waiting + unfinished + all exits.

    Attributes:
        name: The journey.
        began: Day of its first customer; None before.
        entered: Passages that began, control apart.
        control: Passages of control.
        sent: Passages to which each step went out.
        skipped: Passages that passed over each step: its conditions did not hold, or no offer of it may go to them.
        exits: Why passages ended before their last step.
        finished: Passages with no step ahead.
        waiting: Passages with a step ahead.
        unfinished: Passages whose outcome window ended before their last step.
        closed: Passages whose outcome window is over, control among them: those that a readout counts.
        spent: Contacts and expected rewards of all steps, in currency.
        entered_now: Passages that began tonight, control apart.
        control_now: Those of control.
        sent_now: Steps that went out tonight.
        refused_now: Why customers for whom the trigger fired did not enter.
        put_off_now: Why steps that are due did not go out tonight, and wait.
    """

    name: str
    began: date | None
    entered: int
    control: int
    sent: tuple[int, ...]
    skipped: tuple[int, ...]
    exits: Mapping[str, int]
    finished: int
    waiting: int
    unfinished: int
    closed: int
    spent: float
    entered_now: int = 0
    control_now: int = 0
    sent_now: int = 0
    refused_now: Mapping[str, int]
    put_off_now: Mapping[str, int]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> JourneyLine:
        """Read what `results.to_plain` made of a line."""
        began = plain["began"] and date.fromisoformat(plain["began"])
        return cls(**{**plain, "began": began, "sent": tuple(plain["sent"]), "skipped": tuple(plain["skipped"])})


def count_reach(
    journey: JourneySettings,
    events: pd.DataFrame,
    *,
    as_of: date,
    run_key: str,
    refused: Mapping[str, int],
    put_off: Mapping[str, int],
) -> JourneyLine:
    """Count the events of a journey.

    Args:
        journey: The journey.
        events: Of all runs, that of tonight among them.
        as_of: Tonight.
        run_key: Of tonight's run.
        refused: Reason to customers who did not enter tonight.
        put_off: Reason to steps that did not go out tonight.
    """
    own = events[events["journey"] == journey.name]
    now = own[(own["run_key"] == run_key) & (own["as_of"] == np.datetime64(as_of, "D"))]
    began, exits = own[own["event"] == ENTERED], own[own["event"] == EXITED]
    treated = began[began["arm"] != CONTROL]
    moves = own[own["event"].isin([SENT, SKIPPED])]
    last = moves.groupby(PASSAGE)["step"].max()
    steps = treated.merge(last.reset_index(), on=PASSAGE, how="left", suffixes=("", "_reached"))
    done = steps["step_reached"].fillna(0).to_numpy() >= len(journey.steps)
    left, closed = _are_in(steps, exits), _are_in(steps, own[own["event"] == CLOSED])
    sent = own[own["event"] == SENT]
    entered_now = now[now["event"] == ENTERED]
    return JourneyLine(
        name=journey.name,
        began=None if began.empty else began["entered"].min().date(),
        entered=len(treated),
        control=len(began) - len(treated),
        sent=_by_step(sent, journey),
        skipped=_by_step(moves[moves["event"] == SKIPPED], journey),
        exits=dict(sorted(Counter(exits["reason"]).items())),
        finished=int((done & ~left).sum()),
        waiting=int((~done & ~left & ~closed).sum()),
        unfinished=int((~done & ~left & closed).sum()),
        closed=int((own["event"] == CLOSED).sum()),
        spent=float((sent["contact_cost"] + sent["expected_reward"]).sum()),
        entered_now=int((entered_now["arm"] != CONTROL).sum()),
        control_now=int((entered_now["arm"] == CONTROL).sum()),
        sent_now=int((now["event"] == SENT).sum()),
        refused_now=dict(refused),
        put_off_now=dict(put_off),
    )


def count_closed_reach(journey: JourneySettings, events: pd.DataFrame, *, until: date) -> JourneyLine | None:
    """Count the customers whom a readout reads: first passages whose window is over; None where there is none.

    Args:
        journey: The journey.
        events: Of all runs.
        until: First day not seen.
    """
    own = events[(events["journey"] == journey.name) & (events["as_of"] <= np.datetime64(until, "D"))]
    closed = own[own["event"] == CLOSED]
    closed = closed.loc[closed.groupby("customer_id")["entered"].idxmin()]
    kept = own[_are_in(own, closed)]
    if kept.empty:
        return None
    return count_reach(journey, kept, as_of=until, run_key="", refused={}, put_off={})


def _by_step(moves: pd.DataFrame, journey: JourneySettings) -> tuple[int, ...]:
    counts = np.bincount(moves["step"].to_numpy(dtype=np.int64), minlength=len(journey.steps) + 1)
    return tuple(int(count) for count in counts[1:])


def _are_in(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    import pandas as pd

    return np.asarray(pd.MultiIndex.from_frame(rows[PASSAGE]).isin(pd.MultiIndex.from_frame(others[PASSAGE])))


__all__ = ["JourneyLine", "count_closed_reach", "count_reach"]
