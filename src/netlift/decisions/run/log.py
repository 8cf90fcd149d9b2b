"""The decision log and its contacts as tables for training and readouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.journeys import JourneySettings
from netlift.data.arm_chances import write_chances
from netlift.data.contract import CONTROL
from netlift.decisions.choice.choose import NO_RUNNER_UP, Decided, names_of
from netlift.decisions.eligibility.reasons import WORDS
from netlift.decisions.journeys.contacts import to_campaigns, to_contacts
from netlift.decisions.journeys.night import Night
from netlift.decisions.launch_check.forecast import Evidence

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 1 << 17
NONE_NAME = "none"


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """What is written of a run.

    Attributes:
        run_key: Its key.
        as_of: First day not seen.
        ids: Customers, shape (n,).
        decided: What each gets.
        uplift: Predictions of the model, NaN where unknown, shape (n, m).
        evidence: What predictions have been worth.
        versions: Task to version.
        night: What journeys did; None for the list of a trigger, which moves none of them.
        journeys: Of the config, by which the night's positions go.
    """

    run_key: str
    as_of: date
    ids: np.ndarray
    decided: Decided
    uplift: np.ndarray
    evidence: Evidence
    versions: Mapping[str, int]
    night: Night | None = None
    journeys: tuple[JourneySettings, ...] = ()

    @property
    def moment(self) -> datetime:
        """When the contacts count as assigned: the first moment not seen by the features."""
        return datetime.combine(self.as_of, time())

    def tables(self) -> Iterator[pa.Table]:
        """The log in parts, a row per customer in the order of ids."""
        parts = self.money
        for first in range(0, max(len(self.ids), 1), CHUNK):
            yield self._table(slice(first, first + CHUNK), parts)

    @cached_property
    def money(self) -> dict[str, np.ndarray]:
        """Expected money of what each gets, corrected by the held-out lines; 0 without an option, shape (n,).

        What a lot gave has a line of its own (see `decide_forecast.py`). Intervals are of what is expected of such
        customers, not of what one of them does by chance.

        `expected_profit` is expected_incremental_margin - expected_reward - contact_cost + expected_future - fatigue;
        NaN for an option whose effect nobody knows. `policy_profit` is the same of what the policy gives, or would
        have given to those who explore.
        """
        option = self.decided.draw.option
        parts = self.decided.values.of(option)
        predicted = self.predicted(option)
        given = option >= 0
        group = self.evidence.group(option, self.decided.draw.explored)
        change = np.where(given, self.evidence.lines.correct(predicted, group) - predicted, 0.0)
        half = np.where(given, self.evidence.lines.half_width(predicted, group), 0.0)
        profit = parts["profit"] + change
        return {
            "expected_incremental_margin": parts["margin"] + change,
            "expected_reward": parts["reward"],
            "contact_cost": parts["contact_cost"],
            "expected_future": parts["future"],
            "fatigue": parts["fatigue"],
            "expected_profit": profit,
            "expected_profit_lower": profit - half,
            "expected_profit_upper": profit + half,
            "promised_profit": parts["profit"],
            "policy_profit": self._corrected(self.decided.policy),
        }

    def _corrected(self, option: np.ndarray) -> np.ndarray:
        """Expected profit of what the policy gives each customer, by the policy's own line, 0 for none, shape (n,)."""
        predicted = self.predicted(option)
        group = self.evidence.group(option, np.zeros(len(option), dtype=bool))
        change = np.where(option >= 0, self.evidence.lines.correct(predicted, group) - predicted, 0.0)
        return np.asarray(self.decided.values.of(option)["profit"] + change)

    def predicted(self, option: np.ndarray) -> np.ndarray:
        """The model's prediction for an option of each customer, NaN for none, float64, shape (n,)."""
        found = np.full(len(option), np.nan)
        who = np.flatnonzero(option >= 0)
        found[who] = self.uplift[who, option[who]]
        return found

    def _table(self, rows: slice, money: Mapping[str, np.ndarray]) -> pa.Table:
        import pyarrow as pa

        decided, draw = self.decided, self.decided.draw
        n = len(self.ids[rows])
        names = names_of(decided.options)
        channels = np.array([*(option.channel for option in decided.options), None], dtype=object)
        runner = decided.runner_up[rows]
        columns: dict[str, Any] = {
            "customer_id": pa.array(self.ids[rows], pa.string()),
            "as_of": pa.array([self.as_of] * n, pa.date32()),
            "run_key": pa.array([self.run_key] * n, pa.string()),
            "offer_id": pa.array(names[draw.option[rows]], pa.string()),
            "channel": pa.array(channels[draw.option[rows]], pa.string()),
            "policy_offer_id": pa.array(names[decided.policy[rows]], pa.string()),
            "arm": pa.array(draw.arms[rows].astype(object), pa.string()),
            "propensity": known_or_null(draw.propensity[rows]),
        }
        chances = draw.chances[rows]
        columns |= {f"p_{name}": known_or_null(chances[:, j]) for j, name in enumerate(names)}
        columns |= {name: known_or_null(values[rows]) for name, values in money.items()}
        codes = decided.reason[rows]
        columns["reason"] = pa.array([WORDS[int(code)] for code in codes], pa.string())
        columns["runner_up"] = pa.array(names[np.maximum(runner, -1)], pa.string(), mask=runner == NO_RUNNER_UP)
        columns |= {
            f"{task}_version": pa.array(np.full(n, version, dtype=np.int32)) for task, version in self.versions.items()
        }
        return pa.table(columns)

    @property
    def drawn(self) -> np.ndarray:
        """Whose offer, or none, was left to chance at all: something was open to them, and they are not held out."""
        return self.decided.eligibility.explorable.any(axis=1) & ~self.decided.draw.held_out

    def contacts(self) -> pa.Table:
        """The contacts as the contract has them: everybody with something open, none as control, by exact chances.

        Journeys are campaigns of their own, whose customers follow when their outcome windows are over. The holdout is
        left out: it was drawn long before, and the features have seen what that did to it.
        """
        import pyarrow as pa

        decided = self.decided
        rows = np.flatnonzero(self.drawn)
        option = decided.draw.option[rows]
        names = np.array([*(o.offer_id for o in decided.options), CONTROL], dtype=object)
        costs = np.array([*(o.contact_cost for o in decided.options), 0.0])
        moment = pa.timestamp("us")
        own = pa.table(
            {
                "campaign_id": pa.array([self.run_key] * len(rows), pa.string()),
                "customer_id": pa.array(self.ids[rows], pa.string()),
                "assigned_at": pa.array(np.full(len(rows), np.datetime64(self.moment, "us")), moment),
                "offer_id": pa.array(names[option], pa.string()),
                "propensity": pa.array(decided.draw.propensity[rows], pa.float64()),
                "arm_propensities": pa.array(write_chances(list(names), decided.draw.chances[rows]), pa.string()),
                "contact_cost": pa.array(costs[option], pa.float64()),
                "reward_cost": pa.nulls(len(rows), pa.float64()),
                "delivered_at": pa.nulls(len(rows), moment),
            }
        )
        return own if self.night is None else pa.concat_tables([own, to_contacts(self.night.closed)])

    def campaigns(self, *, outcome_days: float) -> pa.Table:
        """The run's row of `campaigns`; randomized where chance left everybody a control to be held against.

        Behind it a row of each journey whose first customers are among the contacts.
        """
        import pyarrow as pa

        control = bool((self.decided.draw.option[self.drawn] < 0).any())
        own = pa.table(
            {
                "campaign_id": [self.run_key],
                "started_at": pa.array([self.moment], pa.timestamp("us")),
                "outcome_days": [float(round(outcome_days))],
                "name": [f"decisions {self.run_key}"],
                "fixed_cost": [0.0],
                "randomized": [control and self.decided.exploration.epsilon > 0],
            }
        )
        if self.night is None:
            return own
        return pa.concat_tables([own, to_campaigns(self.journeys, self.night)])


def known_or_null(values: np.ndarray) -> pa.Array:
    """Numbers with null for what is not known, NaN."""
    import pyarrow as pa

    return pa.array(values, pa.float64(), mask=np.isnan(values))


__all__ = ["Log", "known_or_null"]
