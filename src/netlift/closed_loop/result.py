"""Result of a closed-loop year under several policies, in plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from netlift.evaluation.policy.added_effects import AddedEffect
from netlift.results import Estimate, Table

Verdict = Literal["passed", "stands", "constant", "nobody"]
PASSED: Verdict = "passed"  # the model of the month decides
STANDS: Verdict = "stands"  # refused: the model that passed before decides on
CONSTANT: Verdict = "constant"  # refused, and none ever passed: the best offer on average to everybody
SILENT: Verdict = "nobody"  # refused, and no offer to everybody clearly pays

QUIET, MASS, LIKELY, LOOP, ORACLE = "nobody", "mass", "likely", "loop", "oracle"
WORLDS = (QUIET, MASS, LIKELY, LOOP, ORACLE)
SEGMENTS = ("low", "middle", "high", "newcomers")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a shop stands on a day.

    Attributes:
        churn: Share of those who bought in a quarter a year before, and not in the quarter up to the day.
        nps: Of the answers of the year up to the day; None without any.
        ltv: Margin that is expected of a customer who bought in the last quarter, over the next year, in currency.
        frequency: Purchases of the year up to the day by such a customer.
        customers: Who bought in the last quarter.
    """

    churn: Estimate
    nps: Estimate | None
    ltv: Estimate
    frequency: Estimate
    customers: int


@dataclass(frozen=True, kw_only=True)
class WorldRow:
    """A world at the end.

    Attributes:
        world: Which.
        profit: Margin less reward less contact cost, currency.
        gain: Profit more than without contacts.
        spend: Rewards and contacts, currency.
        roi: Gain over spend; None where nothing was spent.
        roi_after: The same with the margin of the year after.
        contacts_per_customer: Over all rounds.
        standing: How it stands at the end.
        churn_change: Share lost of those who were active at the start, against no contacts.
        frequency_change: Purchases per customer over the rounds, against no contacts.
        kept_ltv: Margin expected of the year after by a customer who was active at the start, those lost since among
            them: the same people in every world.
        left_behind: Margin expected of the year after the end, against no contacts, currency.
        left_share: The same as a share of what is expected without contacts.
    """

    world: str
    profit: float
    gain: Estimate
    spend: float
    roi: Estimate | None
    roi_after: Estimate | None
    contacts_per_customer: float
    standing: Standing
    churn_change: Estimate
    frequency_change: Estimate
    kept_ltv: Estimate
    left_behind: Estimate
    left_share: Estimate


@dataclass(frozen=True, kw_only=True)
class MonthRow:
    """A world in a month.

    Attributes:
        world: Which.
        month: First day.
        gain: Profit more than without contacts in the month.
        gain_so_far: The same since the start.
        contacts_per_customer: Of who had joined.
        lost: Share of those active at the start who did not buy in the quarter up to the month's end.
        nps: Of the answers of the quarter up to the month's end; None without any.
    """

    world: str
    month: date
    gain: Estimate
    gain_so_far: Estimate
    contacts_per_customer: float
    lost: Estimate
    nps: Estimate | None


@dataclass(frozen=True, kw_only=True)
class WorldSegmentRow:
    """A world in a value segment; segments are by margin of the year before the start.

    Attributes:
        world: Which.
        segment: low, middle, high, or newcomers: who joined after the start.
        customers: How many.
        gain: Profit more than without contacts, per customer.
        contacts_per_customer: Over all rounds.
        churn_change: Share lost of those active at the start, against no contacts; None for newcomers.
        frequency_change: Purchases per customer, against no contacts.
        left_behind: Margin expected of the year after, per customer, against no contacts.
    """

    world: str
    segment: str
    customers: int
    gain: Estimate
    contacts_per_customer: float
    churn_change: Estimate | None
    frequency_change: Estimate
    left_behind: Estimate


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """What the loop believed of a month, and what the world knows.

    Attributes:
        month: First day.
        rows: Contacts that the training had.
        gate: Who decides by the gate's last word: passed, stands, constant or nobody.
        rest_days: For how long a customer was left alone after a contact; of offers that differ, the longest.
        contacted: Customers.
        explored: Of them, by chance.
        promised: Profit of the outcome window that the model promises of these contacts, currency.
        true_promise: What they were truly worth over that window, in expectation.
        sound: Whether the round's groups have the sizes that chance gives them; None where it could not be read.
        replayed: What the policy was worth above none to those with something open, by the logged chances; None where
            it could not be read.
        true_replayed: The same in true expectation.
        measured: What all contacts so far brought in the month, by the holdout; None without one.
        true_measured: What they brought the same customers against the world without contacts.
    """

    month: date
    rows: int
    gate: Verdict
    rest_days: int
    contacted: int
    explored: int
    promised: float
    true_promise: float
    sound: bool | None
    replayed: Estimate | None
    true_replayed: float | None
    measured: Estimate | None
    true_measured: Estimate


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Which shop was simulated, and how.

    Attributes:
        preset: Which.
        customers: Who had joined by the end of the last round.
        seed: Of all randomness.
        start: First day of the first round.
        rounds: Months.
        epsilon: Share of customers whose offer the loop draws evenly.
        rest_days: Days for which the loop leaves a customer alone after a contact; None for the engine's own rule.
        holdout: Share of customers whom the loop never contacts.
        likely_share: Share of customers that propensity targeting contacts.
        constant: The offer that mass mailing and propensity targeting send: the best on average before the start.
        currency: Of all money.
        level: Confidence of intervals.
    """

    preset: str
    customers: int
    seed: int
    start: date
    rounds: int
    epsilon: float
    rest_days: int | None
    holdout: float
    likely_share: float
    constant: str
    currency: str
    level: float


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What the loop reached, beside the other rules and the truth.

    Attributes:
        shop: Which shop was simulated, and how.
        start: How it stood on the first morning.
        worlds: A row per rule.
        months: A row per rule and month.
        segments: A row per rule and value segment.
        rounds: What the loop believed, month by month.
        measured: What all contacts of the loop brought, by its holdout; None without one.
        true_measured: The truth about the same customers.
        added: How soon each offer may follow another contact, when the gate was last asked; empty where it refused.
        last_gate: What the gate said when it was last asked.
    """

    shop: Shop
    start: Standing
    worlds: Table[WorldRow]
    months: Table[MonthRow]
    segments: Table[WorldSegmentRow]
    rounds: Table[RoundRow]
    measured: Estimate | None
    true_measured: Estimate
    added: tuple[AddedEffect, ...]
    last_gate: tuple[str, ...]

    def world(self, name: str) -> WorldRow:
        """The row of a rule."""
        return next(row for row in self.worlds if row.world == name)


__all__ = [
    "CONSTANT",
    "LIKELY",
    "LOOP",
    "MASS",
    "ORACLE",
    "PASSED",
    "QUIET",
    "SEGMENTS",
    "SILENT",
    "STANDS",
    "WORLDS",
    "DemoReport",
    "MonthRow",
    "RoundRow",
    "Shop",
    "Standing",
    "Verdict",
    "WorldRow",
    "WorldSegmentRow",
]  # fmt: skip
