"""Placebo and refutation tests with known answers for learners and campaigns.

Where nothing was done there is no effect (placebo treatment); what was earned before cannot have been changed (placebo
outcome); and half of the customers must tell the same as all of them (unseen half). Each answer is an estimate that is
held against what is expected by an interval wide enough for all questions together (Bonferroni).

References:
    Sharma, Kiciman (2020), DoWhy: An End-to-End Library for Causal Inference, section 3.4.
    Lipsitch, Tchetgen Tchetgen, Cohen (2010), Negative Controls, Epidemiology 21: placebo outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.results import Estimate

TOLERATED_LOSS = 0.5


@dataclass(frozen=True, kw_only=True)
class RefutationRow:
    """One question, what was expected and what was seen.

    Attributes:
        name: The question.
        expected: What must come out, in words.
        seen: What came out, with an interval that is wide enough for all questions together.
        passed: Whether it is what was expected.
    """

    name: str
    expected: str
    seen: Estimate
    passed: bool


def shared_level(level: float, questions: int) -> float:
    """Confidence of each interval so that all of them hold together with the confidence asked for.

    Examples:
        >>> round(shared_level(0.95, 5), 3)
        0.99
    """
    return 1 - (1 - level) / max(1, questions)


def expect_zero(name: str, seen: Estimate, *, why: str) -> RefutationRow:
    """A figure that must be zero.

    Args:
        name: The question.
        seen: The figure.
        why: What makes it zero, in words.
    """
    passed = seen.ci_lower <= 0 <= seen.ci_upper
    return RefutationRow(name=name, expected=f"0: {why}", seen=seen, passed=bool(passed))


def expect_same_gain(name: str, change: Estimate, *, gain: Estimate) -> RefutationRow:
    """A gain that must not change by more than chance when fewer customers are learned from.

    Fewer customers teach a little less; a loss that costs less than half of the gain is not held against the learner.

    Args:
        name: The question.
        change: Paired difference, fewer customers less all.
        gain: With all customers, over the best constant.
    """
    within = change.ci_lower <= 0 <= change.ci_upper
    small = abs(change.point) <= TOLERATED_LOSS * max(gain.point, 0.0)
    return RefutationRow(
        name=name,
        expected="0 but for chance, or less than half of the gain",
        seen=change,
        passed=bool(within or small),
    )


def expect_agreement(name: str, seen: Estimate, *, by_chance: float) -> RefutationRow:
    """A share of customers treated alike by two policies that must be above what their arms' shares alone would give.

    Args:
        name: The question.
        seen: Share of customers for whom both policies choose the same arm.
        by_chance: The share if the two chose independently of each other.
    """
    passed = seen.ci_lower > by_chance
    return RefutationRow(
        name=name, expected=f"above {by_chance:.0%}, what chance gives", seen=seen, passed=bool(passed)
    )


def permute_arms(arm: np.ndarray, campaign: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Arms dealt out anew within each campaign, and the chance of the arm that each row got.

    Everybody in a campaign then had the same chance of an arm, its share, whatever the real draw looked at: a
    randomized campaign in which nothing was done.

    Args:
        arm: Drawn arm, shape (n,).
        campaign: Code of the campaign, shape (n,).
        seed: Of the permutation.

    Returns:
        Arms, int64, shape (n,), and chances, shape (n,).

    Raises:
        DataError: Arrays of different lengths.

    Examples:
        >>> arm, chance = permute_arms(np.array([0, 1, 1, 0]), np.array([5, 5, 5, 7]), seed=1)
        >>> sorted(arm[:3].tolist()), sorted(chance.round(2).tolist())
        ([0, 1, 1], [0.33, 0.67, 0.67, 1.0])
    """
    if len(arm) != len(campaign):
        raise DataError(f"{len(arm)} arms and {len(campaign)} campaigns: one of each is needed per row")
    rng = np.random.default_rng(seed)
    dealt, chance = np.empty(len(arm), dtype=np.int64), np.empty(len(arm))
    for code in np.unique(campaign):
        inside = np.flatnonzero(campaign == code)
        dealt[inside] = arm[rng.permutation(inside)]
        chance[inside] = (np.bincount(arm[inside]) / len(inside))[dealt[inside]]
    return dealt, chance
