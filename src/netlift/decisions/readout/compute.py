"""Post-launch readout: profit of decisions, forecast accuracy, and value of other policies.

Three groups were drawn by chance and are read by intention to treat: the holdout gets nothing, those who explore get
what a lot gives them, all others what the policy gives. Who had nothing open to him cannot explore, so the policy's
customers stand for everybody only when those with something open weigh 1 / (1 - ε); the holdout, of whom nobody asked
what is open, is everybody as he comes. Who was tried with a new offer is in neither group, and counts among all
decided. So the money of all decided is what they earned, with the rewards and contacts that were paid; that of the
policy is of the average customer, times all decided: had no lot been drawn. Policy and explore are compared among those
with something open.

The holdout is sticky: it has been left alone in earlier runs as well, so the difference to it is what all decisions so
far are worth in this window. The difference to those who explore is of this run alone.

Whose choice was left to chance, all of them, value any other policy by the logged chances: where it agrees with the
policy the difference is zero, so what remains is told by the explored part. Doubly robust scores take the margin before
the decision as their guess, by a line from the other half of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from netlift.abtest.stats.difference import contrast, money, scaled
from netlift.abtest.stats.moments import PROFIT, Moments, of_rows
from netlift.data.checks.sample_ratio import ArmTotals, SampleRatio, judge_sample_ratio
from netlift.data.contract import CONTROL
from netlift.decisions.readout.outcomes import FIGURES, Outcomes
from netlift.decisions.readout.record import DecisionRecord
from netlift.decisions.readout.result import OURS, DecisionReadout, EffectDrift, GroupLine
from netlift.errors import DataError
from netlift.evaluation.policy.comparison import prove
from netlift.evaluation.policy.off_policy import NOBODY, LoggedOutcomes, dr_scores
from netlift.evaluation.policy.profit_forecast import find_worth, worth_by_tenth
from netlift.evaluation.policy.replay_variance import ReplayNoise
from netlift.results import Estimate, Table

ALARM = 0.001


@dataclass(frozen=True, kw_only=True)
class DecisionReading:
    """How a run is read.

    Attributes:
        holdout_share: Chance to be in the holdout, of the config.
        epsilon: Chance to explore, of the config.
        currency: Of all money.
        level: Confidence of intervals.
        tried: Chance to be tried with new offers, of who has any of them open.
        new_offers: New offers that were tried.
        slope_before: Slope of effects on predictions when the model was trained; None for predictions that were
            corrected by it, as in the log: theirs should be 1.
    """

    holdout_share: float
    epsilon: float
    currency: str
    level: float
    tried: float = 0.0
    new_offers: tuple[str, ...] = ()
    slope_before: Estimate | None = None

    def by_lot(self, record: DecisionRecord) -> np.ndarray:
        """Chance of each customer that a lot gave him his option, where anything was left to one, shape (n,)."""
        new = [1 + record.offers.index(name) for name in self.new_offers]
        return np.asarray(self.epsilon + self.tried * (record.chances[:, new] > 0).any(axis=1))


def read_decisions(
    record: DecisionRecord,
    outcomes: Outcomes,
    reading: DecisionReading,
    *,
    challengers: Mapping[str, np.ndarray] | None = None,
) -> DecisionReadout:
    """Read a run.

    Args:
        record: Its log.
        outcomes: What its customers brought.
        reading: How it was drawn, and how it is read.
        challengers: Name to option of each row of the log, -1 for none, shape (n,).

    Raises:
        DataError: Unknown customers, a group of fewer than two, or too little exploration to replay anything.
    """
    own = outcomes.in_order_of(record)
    open_to = record.open_to
    if not open_to.any() or reading.epsilon <= 0:
        raise DataError(
            f"decisions of {record.run_key}: nothing was left to chance (explore.epsilon {reading.epsilon:g}, "
            f"{int(open_to.sum()):,} customers with something open), so nothing can be replayed or held against it"
        )
    logged, noise = _logged(record, own, reading)
    policy = record.policy[open_to] + 1
    rivals = {name: np.asarray(option)[open_to] + 1 for name, option in (challengers or {}).items()}
    tenths = drift = None
    if record.policy_profit is not None:
        worth = find_worth(logged, policy, record.policy_profit[open_to], noise=noise)
        tenths, drift = worth_by_tenth(worth), _drift(worth.slope, reading)
    return DecisionReadout(
        run_key=record.run_key,
        as_of=record.as_of,
        currency=reading.currency,
        customers=len(record),
        held_out=int(record.held_out.sum()),
        explored=int((record.arm == "explore").sum()),
        open_to=int(open_to.sum()),
        checks=tuple(_checks(record, reading)),
        groups=Table(name="groups", rows=_groups(record, own, reading)),
        expected=float(np.nansum(record.expected_profit[record.option >= 0])),
        tenths=tenths,
        drift=drift,
        replay=prove(logged, policy, {NOBODY: np.zeros(len(policy), dtype=np.int64), **rivals}, name=OURS, noise=noise),
    )


def _checks(record: DecisionRecord, reading: DecisionReading) -> list[SampleRatio]:
    """Sizes of the groups against the chances that drew them."""

    def totals(name: str, p: np.ndarray) -> ArmTotals:
        p = p[p < 1]
        return ArmTotals(arm=name, rows=len(p), weight=float(np.sum(1 / p)), weight_squares=float(np.sum(1 / p**2)))

    def two(name: str, one: np.ndarray, share: float) -> SampleRatio:
        arms = [
            totals(CONTROL, np.full(int(one.sum()), share)),
            totals("others", np.full(int((~one).sum()), 1 - share)),
        ]
        return judge_sample_ratio(name, arms, alarm=ALARM)

    open_to, p = record.open_to, record.propensity
    options = [
        totals(CONTROL if j < 0 else record.offers[j], p[open_to & (record.option == j)])
        for j in range(-1, len(record.offers))
    ]
    return [
        two("holdout", record.held_out, reading.holdout_share),
        two("explore", record.arm[open_to] == "explore", reading.epsilon),
        judge_sample_ratio("offers", options, alarm=ALARM),
    ]


def _groups(record: DecisionRecord, own: Outcomes, reading: DecisionReading) -> tuple[GroupLine, ...]:
    values = np.column_stack([getattr(own, name) for name in FIGURES])
    open_to, out = record.open_to, record.held_out
    policy, explore = np.isin(record.arm, ("policy", "journey")), (record.arm == "explore") & open_to
    weight = np.where(open_to, 1 / (1 - reading.by_lot(record)), 1.0)
    pairs = (
        ("decided", "holdout", values[~out], values[out]),
        ("policy", "holdout", _picture(values[policy], weight[policy]), values[out]),
        (
            "policy",
            "explore",
            _picture(values[policy & open_to], weight[policy & open_to]) if reading.tried else values[policy & open_to],
            values[explore],
        ),
    )
    decided, policy_line, lot = (_line(group, against, ours, theirs, reading) for group, against, ours, theirs in pairs)
    total = scaled(policy_line.per_customer, decided.customers, unit=reading.currency)
    return decided, replace(policy_line, total=total), lot


def _picture(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Rows whose mean and spread are those of the weighted mean (see `abtest.weighting`)."""
    mean = np.average(values, axis=0, weights=weight)
    return np.asarray((weight / weight.mean())[:, None] * (values - mean) + mean)


def _line(group: str, against: str, ours: np.ndarray, theirs: np.ndarray, reading: DecisionReading) -> GroupLine:
    cells: list[Moments] = []
    for name, values in ((group, ours), (against, theirs)):
        if len(values) < 2:
            raise DataError(f"decisions: {len(values)} customers in the group {name}; at least 2 are needed")
        cells.append(of_rows(values, FIGURES))
    total, per_customer = money(contrast(*cells, arm=group), PROFIT, level=reading.level, currency=reading.currency)
    return GroupLine(
        group=group, against=against, customers=len(ours), others=len(theirs), total=total, per_customer=per_customer
    )


def _logged(record: DecisionRecord, own: Outcomes, reading: DecisionReading) -> tuple[LoggedOutcomes, ReplayNoise]:
    """Those whose option was left to chance, with doubly robust scores, and how these stray; arm 0 is no contact."""
    rows = record.open_to
    y = (own.margin - own.reward - own.contact_cost)[rows]
    guess = _guess(y, None if own.before is None else own.before[rows])
    chances = record.chances[rows]
    available = chances > 0
    arm, p = record.option[rows] + 1, record.propensity[rows]
    mu = np.repeat(guess[:, None], available.shape[1], axis=1)
    logged = LoggedOutcomes(
        y=y,
        arm=arm,
        propensity=p,
        scores=dr_scores(y=y, arm=arm, propensity=p, mu=mu, available=available),
        customer=np.arange(len(y)),
        unit=f"{reading.currency}/customer",
        level=reading.level,
    )
    return logged, ReplayNoise(profit=y, guess=guess, chances=chances)


def _guess(y: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """Expected profit whatever the option: a line of the margin before, learned from every other row, shape (n,)."""
    guess, odd = np.zeros(len(y)), np.arange(len(y)) % 2 == 1
    for inside in (odd, ~odd):
        known = y[~inside]
        if not len(known):
            continue
        guess[inside] = known.mean()
        if before is not None and np.ptp(before[~inside]) > 0:
            x = before[~inside] - before[~inside].mean()
            guess[inside] += (x @ known) / (x @ x) * (before[inside] - before[~inside].mean())
    return guess


def _drift(now: Estimate, reading: DecisionReading) -> EffectDrift:
    before = reading.slope_before or Estimate(
        point=1.0, ci_lower=1.0, ci_upper=1.0, level=reading.level, unit="", method="predictions were corrected"
    )
    point = now.point - before.point
    change = Estimate(
        point=point,
        ci_lower=point - math.hypot(now.point - now.ci_lower, before.ci_upper - before.point),
        ci_upper=point + math.hypot(now.ci_upper - now.point, before.point - before.ci_lower),
        level=reading.level,
        unit="",
        method="difference of independent slopes",
    )
    return EffectDrift(now=now, before=before, change=change)


__all__ = ["DecisionReading", "read_decisions"]
