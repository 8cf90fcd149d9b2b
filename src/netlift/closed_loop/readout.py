"""Readout of a round by the code of `netlift readout`, with the truth beside each figure.

Three figures are read. What all contacts so far are worth in the window, by the holdout; what this round's policy is
worth to those with something open, above none, by the logged chances; and whether the groups have the sizes that chance
gives them. The first and the last are those of `pipelines.decision_readout`; the truth of the first is the same
customers in the world without contacts, of the second the exact expectation at the moment of the decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netlift.closed_loop.loop import Round
from netlift.closed_loop.policies import OFFER_IDS
from netlift.decisions.readout.compute import DecisionReading, read_decisions
from netlift.decisions.readout.outcomes import Outcomes
from netlift.decisions.readout.record import DecisionRecord
from netlift.decisions.readout.result import DecisionReadout
from netlift.errors import DataError
from netlift.evaluation.policy.off_policy import NOBODY as NO_CONTACT
from netlift.results import Estimate
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.simulation.rounds import NOBODY, World

BEFORE_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class RoundReadout:
    """What a shop can know of a round when its window is over.

    Attributes:
        sound: Whether holdout, explore and offers have the sizes that chance gives them.
        policy: What the policy is worth above none to those with something open, by the logged chances, currency.
        true_policy: The same in true expectation.
    """

    sound: bool
    policy: Estimate
    true_policy: float


def log_of(world: World, made: Round, *, key: str) -> DecisionRecord:
    """The log of a round, a row for each customer who had joined.

    Args:
        world: As it stood on the morning of the decision.
        made: What was decided.
        key: Of the run.
    """
    draw, profit = made.decided.draw, made.decided.values.profit()
    policy, rows = made.decided.policy, np.arange(len(made.persons))
    return DecisionRecord(
        run_key=key,
        as_of=world.date,
        ids=world.ids.to_numpy(zero_copy_only=False)[made.persons],
        offers=OFFER_IDS,
        arm=draw.arms,
        option=draw.option.astype(np.int64),
        chances=np.column_stack([draw.chances[:, -1], draw.chances[:, :-1]]),
        expected_profit=np.where(draw.option == NOBODY, 0.0, profit[rows, draw.option]),
        policy_profit=np.where(policy == NOBODY, 0.0, profit[rows, policy]),
        logged=draw.propensity,
    )


def outcomes_of(world: World, made: Round, *, this: int) -> Outcomes:
    """What customers brought in the window of a round that is over, and in the year before it."""
    start, persons = world.starts[this], made.persons
    return Outcomes(
        ids=world.ids.to_numpy(zero_copy_only=False)[persons],
        margin=world.lives.margin_between(start, start + OUTCOME_DAYS)[persons],
        reward=world.reward_of(this)[persons],
        contact_cost=world.cost_of(this)[persons],
        before=world.lives.margin_between(start - BEFORE_DAYS, start)[persons],
    )


def read_round(
    record: DecisionRecord, world: World, made: Round, reading: DecisionReading, *, this: int, worth: np.ndarray
) -> RoundReadout | None:
    """Read a round that is over; None where too few explored, or were held out, to be read.

    Args:
        record: Its log.
        world: The world after it.
        made: What was decided.
        reading: How it was drawn.
        this: The round.
        worth: True expected profit of each offer in the window, as of the decision, shape (everybody, offers).
    """
    try:
        found = read_decisions(record, outcomes_of(world, made, this=this), reading)
    except DataError:
        return None
    policy = record.policy
    given = np.flatnonzero(record.open_to & (policy >= 0))
    return RoundReadout(
        sound=found.is_sound,
        policy=_above_none(found, reading.currency),
        true_policy=float(worth[made.persons[given], policy[given]].sum()),
    )


def _above_none(found: DecisionReadout, currency: str) -> Estimate:
    """The policy above no contact, for all with something open."""
    row = next(row for row in found.replay if row.policy == NO_CONTACT)
    each = row.ours_above
    if each is None:
        raise DataError(f"decisions of {found.run_key}: nobody is held against the policy")
    n = found.open_to
    return replace(each, point=n * each.point, ci_lower=n * each.ci_lower, ci_upper=n * each.ci_upper, unit=currency)


__all__ = ["RoundReadout", "log_of", "outcomes_of", "read_round"]
