"""Off-policy value of a policy on held-out randomized campaigns.

A policy is one arm per row. Its value is estimated from rows whose arms were drawn with known chances, three ways side
by side, with w_i = 1{arm_i = choice_i} / p_i and Γ the doubly robust score of an arm:

    DR     mean of Γ_i,choice        Γ_ia = mu_ia + 1{arm_i = a} / p_i · (y_i - mu_ia)
    IPS    mean of w_i · y_i
    SNIPS  sum of w_i · y_i / sum of w_i

They estimate the same number and must agree; DR has the least noise and is the one that is judged by. `mu` comes from a
model that never saw these rows, so any error in it costs precision, never truth. Intervals are normal, from influence
functions summed within the customer, who may be in several campaigns.

References:
    Dudík, Langford, Li (2011), Doubly Robust Policy Evaluation and Learning, ICML.
    Swaminathan, Joachims (2015), The Self-Normalized Estimator for Counterfactual Learning, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Clusters, Figure
from netlift.evaluation.rank_weighting import relative_weights
from netlift.results import Estimate, Table

NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class LoggedOutcomes:
    """Rows of randomized campaigns on which policies are valued.

    Attributes:
        y: Profit, float64, shape (n,), in currency.
        arm: Drawn arm, shape (n,); 0 is control.
        propensity: Chance of the drawn arm, shape (n,).
        scores: Doubly robust scores, shape (n, m + 1), NaN where the campaign could not draw the arm.
        customer: Code of the customer, shape (n,): rows of one customer are not independent.
        unit: Unit of a value, such as "RUB/customer".
        level: Confidence of the intervals.
        weight: Weight of each row, above 0, shape (n,); None for equal ones.
        campaign: Code of the row's campaign, shape (n,); None where nobody can tell campaigns apart.

    Raises:
        DataError: A weight that is none.
    """

    y: np.ndarray
    arm: np.ndarray
    propensity: np.ndarray
    scores: np.ndarray
    customer: np.ndarray
    unit: str
    level: float
    weight: np.ndarray | None = None
    campaign: np.ndarray | None = None

    def __post_init__(self) -> None:
        relative_weights(self.weight, len(self))

    @cached_property
    def available(self) -> np.ndarray:
        """Which arms the row's campaign could draw, bool, shape (n, m + 1)."""
        return ~np.isnan(self.scores)

    @cached_property
    def clusters(self) -> Clusters:
        """Whose row each row is."""
        return Clusters.of(self.customer)

    @cached_property
    def relative_weight(self) -> np.ndarray:
        """Weights of mean 1, shape (n,)."""
        return relative_weights(self.weight, len(self))

    def estimate(self, figure: Figure, method: str) -> Estimate:
        """A figure with its interval, clustered by customer."""
        return figure.estimate(
            self.clusters, level=self.level, unit=self.unit, method=f"{method}, clustered by customer"
        )

    def take(self, rows: np.ndarray) -> LoggedOutcomes:
        """Some of the rows, by position or by a mask."""
        arrays = {name: getattr(self, name) for name in ROWWISE}
        return replace(self, **{name: values[rows] for name, values in arrays.items() if values is not None})

    def __len__(self) -> int:
        return len(self.y)


ROWWISE = ("y", "arm", "propensity", "scores", "customer", "weight", "campaign")


@dataclass(frozen=True, kw_only=True)
class PolicyRow:
    """One policy of the leaderboard.

    Attributes:
        policy: Its name.
        value: Profit per row by DR, rows by their weights.
        snips: The same by SNIPS.
        ips: The same by IPS.
        gain_over_nobody: Paired difference of DR values to "nobody".
        gain_over_best_constant: Paired difference of DR values to the constant that did best on these same rows.
        total: Profit over all rows by DR; each row as often as its weight says.
        contacted: Share of rows that the policy contacts.
        effective_rows: Kish's effective number of rows behind IPS.
        max_weight: The largest inverse propensity used.
        without_support: Share of rows where the policy's own wish was not on offer and "no contact" stood in.
    """

    policy: str
    value: Estimate
    snips: Estimate
    ips: Estimate
    gain_over_nobody: Estimate
    gain_over_best_constant: Estimate
    total: Estimate
    contacted: float
    effective_rows: float
    max_weight: float
    without_support: float


def dr_scores(
    *, y: np.ndarray, arm: np.ndarray, propensity: np.ndarray, mu: np.ndarray, available: np.ndarray
) -> np.ndarray:
    """Doubly robust scores of every arm.

    Args:
        y: Outcome, shape (n,).
        arm: Drawn arm, shape (n,), 0 for control.
        propensity: Known chance of the drawn arm, shape (n,), in (0, 1].
        mu: Expected outcome under each arm, shape (n, m + 1), by a model that never saw these rows.
        available: Which arms the row's campaign could draw, shape (n, m + 1).

    Returns:
        Scores, shape (n, m + 1); NaN where the arm was not available.

    Raises:
        DataError: A propensity outside (0, 1], an outcome or expectation that is not finite, or an arm drawn that was
            not available.

    Examples:
        >>> dr_scores(y=np.array([3.0, 0.0]), arm=np.array([1, 0]), propensity=np.array([0.5, 0.5]),
        ...           mu=np.array([[1.0, 2.0], [1.0, 2.0]]), available=np.ones((2, 2), dtype=bool))
        array([[ 1.,  4.],
               [-1.,  2.]])
    """
    outside = int(np.sum(~((propensity > 0) & (propensity <= 1))))
    if outside:
        raise DataError(
            f"contacts.propensity: {outside} of {len(y)} rows are missing or outside (0, 1]; "
            "a policy can be valued only where the chance of the drawn arm is known"
        )
    for name, values in (("profit", y), ("expected profit", mu)):
        if not np.isfinite(values).all():
            raise DataError(f"{name}: {int(np.sum(~np.isfinite(values)))} of {values.size} values are not finite")
    rows = np.arange(len(y))
    stray = int(np.sum(~available[rows, arm]))
    if stray:
        raise DataError(f"contacts: {stray} of {len(y)} rows hold an arm that their campaign could not draw")
    scores = np.array(mu, dtype=np.float64)
    scores[rows, arm] += (y - mu[rows, arm]) / propensity
    scores[~available] = np.nan
    return scores


def choose_arms(uplift: np.ndarray, available: np.ndarray) -> np.ndarray:
    """The arm of the greatest positive uplift among those available, else no contact.

    Args:
        uplift: Predicted profit over control, shape (n, m).
        available: Which arms may be drawn, shape (n, m + 1).

    Returns:
        Arms, int64, shape (n,); of equal uplifts the first.

    Raises:
        DataError: A predicted uplift that is not finite.

    Examples:
        >>> choose_arms(np.array([[1.0, 2.0], [-1.0, -2.0], [1.0, 2.0]]), np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]]))
        array([2, 0, 1])
    """
    if not np.isfinite(uplift).all():
        raise DataError(f"predicted uplift: {int(np.sum(~np.isfinite(uplift)))} of {uplift.size} values are not finite")
    offered = np.where(np.asarray(available, dtype=bool)[:, 1:], uplift, -np.inf)
    none = np.zeros((len(uplift), 1))
    return np.argmax(np.concatenate([none, offered], axis=1), axis=1).astype(np.int64)


def constant_policies(offers: Sequence[str], available: np.ndarray, order: Sequence[int]) -> dict[str, np.ndarray]:
    """The policies that look at nobody: no contact, everybody one offer, everybody the best offer there is.

    Args:
        offers: Names of the m offers.
        available: Which arms the row's campaign could draw, shape (n, m + 1).
        order: Offers as arms 1..m, best first, by their average effect *on the training rows*: an honest stand-in for
            "the best" where no campaign has all offers. Leave out offers that lost money in training. Where the best
            offer is one of those above, it is not listed twice.

    Returns:
        Name to arms, shape (n,); -1 where the wish was not on offer.

    Examples:
        >>> constant_policies(["mail", "call"], np.array([[1, 1, 1], [1, 1, 0]], dtype=bool), order=[2, 1])
        {'nobody': array([0, 0]), 'everybody mail': array([1, 1]), 'everybody call': array([ 2, -1]),
         'everybody the best offer': array([2, 1])}
    """
    n = len(available)
    policies = {NOBODY: np.zeros(n, dtype=np.int64)}
    for j, offer in enumerate(offers, start=1):
        policies[f"everybody {offer}"] = np.where(available[:, j], j, -1).astype(np.int64)
    best = np.full(n, -1, dtype=np.int64)
    for j in reversed(order):
        best[available[:, j]] = j
    if not any(np.array_equal(best, policy) for policy in policies.values()) and len(order):
        policies["everybody the best offer"] = best
    return policies


def policy_value(logged: LoggedOutcomes, choice: np.ndarray) -> Estimate:
    """Profit per row of a policy, by DR.

    Args:
        logged: Rows to value it on.
        choice: Arm per row, shape (n,); -1, and an arm that was not available, is no contact.
    """
    return _estimate(logged, _dr_values(logged, _supported(logged, choice)), "DR")


def policy_difference(logged: LoggedOutcomes, choice: np.ndarray, against: np.ndarray) -> Estimate:
    """Profit per row of one policy above another's, paired on the same rows: rows treated alike add no noise."""
    ours, theirs = (_dr_values(logged, _supported(logged, policy)) for policy in (choice, against))
    return _estimate(logged, ours - theirs, "DR, paired")


def judge_policies(
    logged: LoggedOutcomes, policies: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray]
) -> Table[PolicyRow]:
    """The leaderboard: every policy and constant valued on the same rows, best first.

    The best constant is the one that did best on these very rows, so that it is helped by chance as much as it can be:
    a policy that beats it is not flattered.

    Args:
        logged: Rows to value them on.
        policies: Name to arms, shape (n,).
        constants: Name to arms; must hold "nobody".
    """
    taken = {name: _supported(logged, choice) for name, choice in {**constants, **policies}.items()}
    values = {name: _dr_values(logged, arms) for name, arms in taken.items()}
    best = max(constants, key=lambda name: _mean(logged, values[name]))
    references = values[NOBODY], values[best]
    rows = [
        _judge(logged, name, choice, taken[name], values[name], references)
        for name, choice in {**constants, **policies}.items()
    ]
    return Table(name="policies", rows=tuple(sorted(rows, key=lambda row: -row.value.point)))


def best_constant(logged: LoggedOutcomes, constants: Mapping[str, np.ndarray]) -> str:
    """Name of the constant with the highest DR value on these rows."""
    return max(constants, key=lambda name: _mean(logged, _dr_values(logged, _supported(logged, constants[name]))))


def _judge(
    logged: LoggedOutcomes,
    name: str,
    choice: np.ndarray,
    taken: np.ndarray,
    values: np.ndarray,
    references: tuple[np.ndarray, np.ndarray],
) -> PolicyRow:
    inverse = (logged.arm == taken) / logged.propensity
    if not inverse.any():
        raise DataError(f"policy {name!r}: none of {len(logged)} rows drew the arm that it chooses")
    weight = logged.relative_weight * inverse
    snips = float(np.sum(weight * logged.y) / np.sum(weight))
    value = _estimate(logged, values, "DR")
    rows = float(len(logged) if logged.weight is None else np.sum(logged.weight))
    return PolicyRow(
        policy=name,
        value=value,
        snips=logged.estimate(Figure(point=snips, influence=weight * (logged.y - snips) / weight.mean()), "SNIPS"),
        ips=_estimate(logged, inverse * logged.y, "IPS"),
        gain_over_nobody=_estimate(logged, values - references[0], "DR, paired"),
        gain_over_best_constant=_estimate(logged, values - references[1], "DR, paired"),
        total=_scale(value, rows, logged.unit.split("/", maxsplit=1)[0]),
        contacted=_mean(logged, taken > 0),
        effective_rows=float(np.sum(weight) ** 2 / (weight @ weight)),
        max_weight=float(inverse.max()),
        without_support=_mean(logged, taken != choice),
    )


def _supported(logged: LoggedOutcomes, choice: np.ndarray) -> np.ndarray:
    """The arms as they can be valued: no contact where the wish was not on offer."""
    if len(choice) != len(logged):
        raise DataError(f"a policy of {len(choice)} rows cannot be valued on {len(logged)} rows")
    wished = np.asarray(choice, dtype=np.int64)
    unmet = (wished < 0) | ~logged.available[np.arange(len(logged)), np.maximum(wished, 0)]
    return np.where(unmet, 0, wished)


def _dr_values(logged: LoggedOutcomes, taken: np.ndarray) -> np.ndarray:
    """Doubly robust score of the arm of each row, shape (n,)."""
    return np.asarray(logged.scores[np.arange(len(logged)), taken])


def _mean(logged: LoggedOutcomes, values: np.ndarray) -> float:
    """Mean of a value per row, by the rows' weights, whose mean is 1."""
    return float(logged.relative_weight @ values) / len(logged)


def _estimate(logged: LoggedOutcomes, values: np.ndarray, method: str) -> Estimate:
    """Mean of values that are their own influence, with its clustered interval."""
    point = _mean(logged, values)
    return logged.estimate(Figure(point=point, influence=logged.relative_weight * (values - point)), method)


def clustered_error(influence: np.ndarray, cluster: np.ndarray) -> float:
    """Standard error of a mean from its influence function, summed within clusters.

    Args:
        influence: Centred influence of each row, shape (n,).
        cluster: Cluster of each row, shape (n,).

    Examples:
        >>> round(clustered_error(np.array([1.0, -1.0, 1.0, -1.0]), np.array([1, 2, 3, 4])), 4)
        0.5774
    """
    return Clusters.of(cluster).error(influence)


def _scale(estimate: Estimate, factor: float, unit: str) -> Estimate:
    return Estimate(
        point=estimate.point * factor,
        ci_lower=estimate.ci_lower * factor,
        ci_upper=estimate.ci_upper * factor,
        level=estimate.level,
        unit=unit,
        method=estimate.method,
    )
