"""Selection of the uplift learner: the first listed unless another earns clearly more.

Policies are valued on a late part of the training rows. There the gains of good learners differ by less than their
noise: the highest would mostly be the luckiest, and the surest the one that dares nothing. So the list is a statement
of what is believed before, and its first learner stands unless another's policy earns more by over one standard error
of the paired difference. One that does the same to everybody is no rival: the gate holds the constants against whatever
ships, on more rows. Whether the winner ships is asked there too.

References:
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3: one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.off_policy import best_constant, policy_difference, policy_value
from netlift.results import Estimate, Table, format_number
from netlift.training.uplift.context import UpliftLearning, constants_for, policy_of

Advance = Callable[[int, int, str], None]  # how many are done, of how many, and what was found


@dataclass(frozen=True, kw_only=True)
class CandidateRow:
    """A candidate on the late part of training, where one of them is chosen.

    Attributes:
        candidate: Its name.
        profit: What its policy earns per customer.
        gain_over_best_constant: Paired difference to the constant that did best there.
        gain_over_first: Paired difference to the first of the list.
        contacted: Share of customers that it contacts.
        chosen: Whether it goes on.
    """

    candidate: str
    profit: Estimate
    gain_over_best_constant: Estimate
    gain_over_first: Estimate
    contacted: float
    chosen: bool


def choose_learner(
    learning: UpliftLearning, early: ContactRows, late: ContactRows, *, advance: Advance
) -> tuple[str, Table[CandidateRow]]:
    """Fit every candidate on the early rows, value its policy on the late ones, and choose."""
    logged = learning.log_outcomes(early, late)
    constants = constants_for(early, late.available)
    best = constants[best_constant(logged, constants)]
    outcomes = learning.share_outcomes(early)
    found: dict[str, np.ndarray] = {}
    names = learning.definition.candidates
    for done, name in enumerate(names):
        learning.say(f"{name}: fitting")
        found[name] = policy_of(StoredModel(learning.fit(name, early, outcomes=outcomes).files), late)
        leader = max(policy_value(logged, choice).point for choice in found.values())
        gain = f"{format_number(leader - policy_value(logged, best).point)} {learning.unit}"
        words = f"{name} judged; best so far earns {gain} over the best constant"
        advance(done + 1, len(names), words)
    first = found[names[0]]
    gains = {name: policy_difference(logged, choice, first) for name, choice in found.items()}
    chosen = choose({name: gain for name, gain in gains.items() if name == names[0] or chooses(found[name], constants)})
    rows = [
        CandidateRow(
            candidate=name,
            profit=policy_value(logged, choice),
            gain_over_best_constant=policy_difference(logged, choice, best),
            gain_over_first=gains[name],
            contacted=float(np.mean(choice > 0)),
            chosen=name == chosen,
        )
        for name, choice in found.items()
    ]
    return chosen, Table(name="candidates", rows=tuple(sorted(rows, key=lambda row: -row.profit.point)))


def chooses(choice: np.ndarray, constants: Mapping[str, np.ndarray]) -> bool:
    """Whether a policy does anything else than each of the constants.

    Examples:
        >>> constants = {"nobody": np.array([0, 0]), "everybody call": np.array([1, -1])}
        >>> [chooses(np.array(choice), constants) for choice in ([0, 0], [1, 0], [0, 1])]
        [False, False, True]
    """
    return not any(np.array_equal(choice, np.maximum(constant, 0)) for constant in constants.values())


def choose(gains: Mapping[str, Estimate]) -> str:
    """The candidate of the greatest gain over the first, if that is more than one standard error; else the first.

    Args:
        gains: Paired gain over the first candidate, by name, in the order of the list.

    Examples:
        >>> def gain(at: float) -> Estimate:
        ...     return Estimate(point=at, ci_lower=at - 2, ci_upper=at + 2, level=0.95, unit="", method="")
        >>> choose({"first": gain(0.0), "lucky": gain(0.9), "unlucky": gain(-3)})
        'first'
        >>> choose({"first": gain(0.0), "lucky": gain(0.9), "better": gain(1.1)})
        'better'
    """
    first = next(iter(gains))
    best = max(gains, key=lambda name: gains[name].point)
    gain = gains[best]
    error = (gain.ci_upper - gain.ci_lower) / 2 / NormalDist().inv_cdf(0.5 + gain.level / 2)
    return best if gain.point > error else first
