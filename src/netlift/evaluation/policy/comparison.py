"""Comparison of a policy with rivals on held-out rows, randomized policies included.

A policy gives each row a chance of every arm; one that chooses gives all of it to one arm. With π_ia these chances

    DR value of a row     Σ_a π_ia Γ_ia
    weight of a row       π_i,drawn / p_i       of SNIPS, the effective rows and the largest weight

The rival "at random" contacts as many with each offer as the policy does, among the same rows on offer, whoever they
are. Its value is an expectation and needs no draws. Within rows g of one menu (the arms that a campaign could draw)

    mean of Γ_0 over all rows + Σ_g Σ_a share(g, π = a) · mean over g of (Γ_a - Γ_0)

where the shares are estimated from the same rows, which its influence function accounts for.

References:
    Dudík, Langford, Li (2011), Doubly Robust Policy Evaluation and Learning, ICML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Figure
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.policy.replay_variance import ReplayNoise, chances_of
from netlift.results import Estimate, Table

AT_RANDOM = "at random, as many of each"


@dataclass(frozen=True, kw_only=True)
class ProofRow:
    """One policy beside the one that is proved.

    Attributes:
        policy: Its name.
        value: Profit per row by DR.
        snips: The same by SNIPS, which must agree.
        ours_above: Paired DR difference: the proved policy less this one; None for the proved one itself.
        contacted: Share of rows that it contacts.
        effective_rows: Kish's effective number of rows behind SNIPS.
        max_weight: The largest weight.
        without_support: Share of rows where what it wishes was not on offer, and no contact stood in.
    """

    policy: str
    value: Estimate
    snips: Estimate
    ours_above: Estimate | None
    contacted: float
    effective_rows: float
    max_weight: float
    without_support: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Valued:
    """A policy with its figure: chances, shape (n, m + 1), DR value, share of rows without support."""

    name: str
    chances: np.ndarray
    value: Figure
    without_support: float


def prove(
    logged: LoggedOutcomes,
    choice: np.ndarray,
    rivals: Mapping[str, np.ndarray],
    *,
    name: str = "policy",
    noise: ReplayNoise | None = None,
) -> Table[ProofRow]:
    """The policy, its rivals and its own mix drawn at random, on the same rows; the policy first.

    Args:
        logged: Rows to value them on.
        choice: Arm of the policy per row, shape (n,); 0, -1 and what was not on offer are no contact.
        rivals: Name to arms, shape (n,).
        name: What the policy is called.
        noise: What the draw says of these rows, where few of them drew what a policy chooses; None for their own
            spread.

    Raises:
        DataError: A policy of another number of rows, or one whose choices no row ever drew.
    """
    ours = _choosing(logged, name, choice)
    others = [_choosing(logged, rival, arms) for rival, arms in rivals.items()]
    valued = [ours, *others, _at_random(logged, ours)]
    return Table(name="policy proof", rows=tuple(_row(logged, one, ours, noise) for one in valued))


def _choosing(logged: LoggedOutcomes, name: str, choice: np.ndarray) -> _Valued:
    n = len(logged)
    if np.shape(choice) != (n,):
        raise DataError(f"policy {name!r}: choices of shape {np.shape(choice)} for {n} rows")
    taken, missed = support(logged, choice)
    rows = np.arange(n)
    chances = chances_of(taken, logged.scores.shape[1])
    value = weighted_mean(logged, logged.scores[rows, taken])
    lost = float(np.average(missed, weights=logged.relative_weight))
    return _Valued(name=name, chances=chances, value=value, without_support=lost)


def support(logged: LoggedOutcomes, choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choices as they can be valued, no contact standing in for what was not on offer, and where it did; both (n,)."""
    wished = np.maximum(np.asarray(choice, dtype=np.int64), 0)
    missed = ~logged.available[np.arange(len(logged)), wished]
    return np.where(missed, 0, wished), missed


def weighted_mean(logged: LoggedOutcomes, values: np.ndarray) -> Figure:
    """Mean of a value per row by the rows' weights, with its influence."""
    point = float(np.average(values, weights=logged.relative_weight))
    return Figure(point=point, influence=logged.relative_weight * (values - point))


def _at_random(logged: LoggedOutcomes, ours: _Valued) -> _Valued:
    chances = np.zeros(ours.chances.shape)
    value = weighted_mean(logged, logged.scores[:, 0])
    menus, menu = np.unique(logged.available, axis=0, return_inverse=True)
    weight = logged.relative_weight
    for g, on_offer in enumerate(menus):
        inside = menu.ravel() == g
        size = weighted_mean(logged, inside.astype(np.float64))
        for arm in np.flatnonzero(on_offer[1:]) + 1:
            share = np.average(ours.chances[inside, arm], weights=weight[inside])
            if share > 0:
                chances[inside, arm] = share
                given = weighted_mean(logged, ours.chances[:, arm] * inside)
                gained = np.where(inside, logged.scores[:, arm] - logged.scores[:, 0], 0.0)
                value = _plus(value, given * weighted_mean(logged, gained) / size)
    chances[:, 0] = 1 - chances[:, 1:].sum(axis=1)
    return _Valued(name=AT_RANDOM, chances=chances, value=value, without_support=0.0)


def _plus(one: Figure, other: Figure) -> Figure:
    return Figure(point=one.point + other.point, influence=one.influence + other.influence)


def _row(logged: LoggedOutcomes, one: _Valued, ours: _Valued, noise: ReplayNoise | None) -> ProofRow:
    inverse = one.chances[np.arange(len(logged)), logged.arm] / logged.propensity
    weight = logged.relative_weight * inverse
    if not weight.any():
        raise DataError(f"policy {one.name!r}: none of {len(logged)} rows drew an arm that it chooses")
    snips = float(np.sum(weight * logged.y) / np.sum(weight))
    value, above = logged.estimate(one.value, "DR"), logged.estimate(ours.value - one.value, "DR, paired")
    if noise is not None:
        value = noise.of_value(one.chances, value.point).widen(value, logged.relative_weight)
        above = noise.of_difference(ours.chances - one.chances).widen(above, logged.relative_weight)
    return ProofRow(
        policy=one.name,
        value=value,
        snips=logged.estimate(Figure(point=snips, influence=weight * (logged.y - snips) / weight.mean()), "SNIPS"),
        ours_above=None if one is ours else above,
        contacted=float(np.average(1 - one.chances[:, 0], weights=logged.relative_weight)),
        effective_rows=float(np.sum(weight) ** 2 / np.sum(weight**2)),
        max_weight=float(inverse.max()),
        without_support=one.without_support,
    )


__all__ = ["AT_RANDOM", "ProofRow", "prove", "support", "weighted_mean"]
