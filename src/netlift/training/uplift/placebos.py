"""Placebo tests of the selected uplift learner, and its stability on half the rows.

Customers are split in two. From one half the learner is fitted three times: as it is, with arms dealt out anew, and on
half of the half; the other half judges. So that the work stays bounded, whole customers are sampled first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from netlift.estimators.cross_fit import assign_folds, sample_customers
from netlift.estimators.rows import ContactRows
from netlift.evaluation.causal_checks.placebos import (
    RefutationRow,
    expect_agreement,
    expect_same_gain,
    expect_zero,
    permute_arms,
    shared_level,
)
from netlift.evaluation.influence import Clusters, Figure, mean_of
from netlift.evaluation.policy.off_policy import LoggedOutcomes, best_constant, choose_arms, policy_difference
from netlift.evaluation.uplift.metrics import calibration_slope, contrast
from netlift.results import Table
from netlift.training.uplift.context import constants_for

MOST_ROWS = 100_000
QUESTIONS_OF_LEARNER = 4

Predict = Callable[[ContactRows], np.ndarray]
Fit = Callable[[ContactRows], Predict]
Log = Callable[[ContactRows, ContactRows], LoggedOutcomes]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A learner to be asked.

    Attributes:
        fit: Fits it on some rows and answers with its prediction of uplift for others, shape (n, m).
        log: Doubly robust scores of the second rows by an outcome model of the first, such as
            `UpliftLearning.log_outcomes`.
        level: Confidence of each interval.
    """

    fit: Fit
    log: Log
    level: float

    def logged(self, learned: ContactRows, judged: ContactRows) -> LoggedOutcomes:
        """Rows to judge on."""
        return replace(self.log(learned, judged), level=self.level)


def refute_uplift(
    rows: ContactRows, fit: Fit, log: Log, *, seed: int, level: float, max_rows: int = MOST_ROWS
) -> tuple[Table[RefutationRow], tuple[str, ...]]:
    """Ask a learner for effects where there are none, and once more from fewer customers.

    Args:
        rows: Contact rows; the placebo outcome is their `before`.
        fit: Fits the learner on some rows and answers with its prediction of uplift for others, shape (n, m).
        log: Doubly robust scores of the second rows by an outcome model of the first, such as
            `UpliftLearning.log_outcomes`.
        seed: Of the sample, the halves and the placebo arms.
        level: Confidence with which a sound learner passes all questions.
        max_rows: Rows used at most, whole customers drawn at random.

    Returns:
        A row per question, and notes for the card: what was sampled or not asked, and what failed.

    Raises:
        DataError: A half without rows of an offer.
    """
    used = sample_customers(rows.customer, most=max_rows, seed=seed)
    sample = rows.take(used)
    offers = 0 if sample.before is None or not sample.before.any() else len(rows.offers)
    asked = _Asked(fit=fit, log=log, level=shared_level(level, QUESTIONS_OF_LEARNER + offers))
    quarter = assign_folds(sample.customer, folds=4, seed=seed)
    found, unit = _unseen_half(asked, sample, quarter)
    found = [
        *_placebo_treatment(asked, sample, quarter, seed=seed),
        *(placebo_outcomes(sample, unit=unit, level=asked.level) if offers else ()),
        *found,
    ]
    notes = [
        f"refutation failed: {one.name}: expected {one.expected}, seen {one.seen}" for one in found if not one.passed
    ]
    if len(used) < len(rows):
        notes.insert(0, f"refutations on {len(used):,} of {len(rows):,} contacts, whole customers drawn at random")
    if not offers:
        notes.append("no placebo outcome: there is no margin from before the assignment")
    return Table(name="refutations", rows=tuple(found)), tuple(notes)


def placebo_outcomes(rows: ContactRows, *, unit: str, level: float) -> list[RefutationRow]:
    """What each offer "did" to the margin of the days before it was assigned, by the chances that were logged.

    The difference of the weighted means of offer and control within a campaign (Hájek), over campaigns by size.

    Args:
        rows: Contact rows with `before`.
        unit: Unit of the margin per customer.
        level: Confidence of each interval.
    """
    if rows.before is None:
        return []
    clusters = Clusters.of(rows.customer)
    found = []
    for arm, offer in enumerate(rows.offers, start=1):
        seen = _hajek(rows, rows.before, arm).estimate(
            clusters, level=level, unit=unit, method="difference of weighted means, clustered by customer"
        )
        found.append(expect_zero(f"placebo outcome: {offer}", seen, why="margin of the days before the assignment"))
    return found


def _hajek(rows: ContactRows, outcome: np.ndarray, arm: int) -> Figure:
    """Mean difference of an offer to control with its influences, over campaigns that drew it."""
    point, influence = 0.0, np.zeros(len(rows))
    weight = 1.0 / rows.propensity
    drew = np.intersect1d(rows.campaign[rows.arm == arm], rows.campaign[rows.arm == 0])
    size = int(np.isin(rows.campaign, drew).sum())
    for campaign in drew:
        inside = rows.campaign == campaign
        share = int(inside.sum()) / size
        for sign, drawn in ((1.0, inside & (rows.arm == arm)), (-1.0, inside & (rows.arm == 0))):
            mean = float(np.average(outcome[drawn], weights=weight[drawn]))
            point += sign * share * mean
            scale = sign * share * len(rows) / weight[drawn].sum()
            influence[drawn] += scale * weight[drawn] * (outcome[drawn] - mean)
    return Figure(point=point, influence=influence)


def _placebo_treatment(asked: _Asked, rows: ContactRows, quarter: np.ndarray, *, seed: int) -> list[RefutationRow]:
    """The learner among arms that did nothing: its policy gains nothing and its predictions rank nobody.

    The gain is that over contacting nobody: over the best constant, which luck chooses on these rows, it is below zero.
    """
    arm, chance = permute_arms(rows.arm, rows.campaign, seed=seed)
    placebo = replace(rows, arm=arm, propensity=chance)
    learned, judged = placebo.take(quarter >= 2), placebo.take(quarter < 2)
    logged = asked.logged(learned, judged)
    uplift = asked.fit(learned)(judged)
    policy = choose_arms(uplift, judged.available)
    gain = policy_difference(logged, policy, np.zeros_like(policy))
    found = [expect_zero("placebo treatment: gain of its policy", gain, why="arms were dealt out anew")]
    offered = np.where(judged.available[:, 1:], uplift, -np.inf)
    liked = np.argmax(offered, axis=1)
    scored, usable = contrast(logged, liked + 1)
    slope = calibration_slope(scored, offered[np.arange(len(liked)), liked][usable])
    if slope is not None:
        why = "observed on predicted effect, where there is none"
        found.append(expect_zero("placebo treatment: calibration slope", slope, why=why))
    return found


def _unseen_half(asked: _Asked, rows: ContactRows, quarter: np.ndarray) -> tuple[list[RefutationRow], str]:
    """Policies learned from half of the customers and from a quarter, on the half that neither saw; and the unit.

    Whether they choose alike is asked only where both tell customers apart.
    """
    judged = rows.take(quarter < 2)
    learned = rows.take(quarter >= 2)
    logged = asked.logged(learned, judged)
    whole, part = (choose_arms(asked.fit(one)(judged), judged.available) for one in (learned, rows.take(quarter == 3)))
    constants = constants_for(learned, judged.available)
    gain = policy_difference(logged, whole, constants[best_constant(logged, constants)])
    found = [expect_same_gain("unseen half: change of the gain", policy_difference(logged, part, whole), gain=gain)]
    if min(len(np.unique(whole)), len(np.unique(part))) == 1:
        return found, logged.unit
    alike = mean_of((whole == part).astype(np.float64))
    same = alike.estimate(logged.clusters, level=asked.level, unit="share", method="mean, clustered by customer")
    drawn = [np.bincount(policy, minlength=len(rows.offers) + 1) / len(policy) for policy in (whole, part)]
    by_chance = float(drawn[0] @ drawn[1])
    found.append(expect_agreement("unseen half: same arm chosen", same, by_chance=by_chance))
    return found, logged.unit


__all__ = ["Fit", "Log", "Predict", "placebo_outcomes", "refute_uplift"]
