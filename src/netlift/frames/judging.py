"""Qini and policy value on plain arrays, with the evaluation that trains and judges the models of the verbs.

Effects are doubly robust scores, Γ_ia = m_a + 1{arm_i = a} / p_i · (y_i - m_a) with m_a the mean outcome of the arm:
with known propensities their mean is the effect, whatever m is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores, policy_difference
from netlift.evaluation.policy.off_policy import policy_value as value_of
from netlift.evaluation.rank_weighting import QINI
from netlift.evaluation.uplift.metrics import contrast
from netlift.frames.arms import ReceivedArms, read_arms
from netlift.frames.columns import FrameError, read_frame, read_numbers, read_vector
from netlift.results import Estimate


def qini(
    y: Any, treatment: Any, effect: Any, *, propensity: Any = None, against: Any = None, control: Any = None,
    customer: Any = None, level: float = 0.95, unit: str = "",
) -> Estimate:  # fmt: skip
    """How much better than at random a predicted effect orders customers: mean of effect x (1/2 - rank share).

    It is in the unit of `y` per customer and not normalised: 0 for a random order; the area between the gain curve per
    customer and its diagonal, which causalml and scikit-uplift multiply by rows or divide by a total (see
    `netlift.evaluation.uplift.other_libraries` for theirs). Judge on rows that the model was not fitted on.

    Args:
        y: Outcome of each row: spend, profit, or 0 and 1.
        treatment: Arm of each row.
        effect: Predicted effect, one value a row, or a column an arm as `UpliftModel.effect` gives; of several arms
            each row counts with the arm that it is predicted to like best.
        propensity: As `UpliftModel.fit` takes it.
        against: Another predicted effect; the answer is then this one's Qini above the other's, paired on the rows.
        control: The arm to compare with; None for the one that `effect` has no column for, or that is called control,
            0 or False.
        customer: Whose row each row is, where a customer has several; None where each row is one.
        level: Confidence of the interval.
        unit: Of an effect, such as "EUR/customer".

    Warns:
        UserWarning: A prediction that is the same for all rows, whose Qini is 0 whatever the data.

    Raises:
        FrameError: Lengths that differ, values that are missing, unknown arms, impossible propensities.
        NotRandomizedError: No propensity.

    References:
        Radcliffe (2007), Using Control Groups to Target on Predicted Lift. Yadlowsky et al. (2025), Evaluating
        Treatment Prioritization Rules via Rank-Weighted Average Treatment Effects, JASA.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> treatment, x = rng.integers(0, 2, 4000), rng.normal(size=4000)
        >>> y = treatment * np.maximum(x, 0) + rng.normal(size=4000)
        >>> better = qini(y, treatment, x, propensity=0.5, against=-x)
        >>> better.point > better.ci_lower > 0
        True
    """
    if control is None and hasattr(effect, "columns"):
        left = set(pd.unique(pd.Series(read_vector(treatment, rows=len(y), name="treatment"))))
        left = {arm for arm in left if str(arm) not in map(str, effect.columns)}
        control = left.pop() if len(left) == 1 else None
    logged, arms = log_outcomes(y, treatment, propensity, control=control, customer=customer, level=level, unit=unit)
    figures = []
    for one, name in ((effect, "effect"), (against, "against")):
        if one is not None:
            predicted = _read_effect(one, arms, len(logged), name)
            liked = predicted.argmax(axis=1)
            best = predicted[np.arange(len(logged)), liked]
            if np.all(best == best[0]):
                warnings.warn(
                    f"{name} is the same for all {len(best):,} rows: it orders nobody, and its Qini is 0 whatever the "
                    "data say",
                    stacklevel=2,
                )
            scored, _ = contrast(logged, liked + 1)
            figures.append(scored.rank(best).weighted(QINI))
    if against is None:
        return logged.estimate(figures[0], QINI.method)
    return logged.estimate(figures[0] - figures[1], "difference of Qini, paired")


def policy_value(
    y: Any, treatment: Any, choice: Any, *, propensity: Any = None, against: Any = None, control: Any = None,
    customer: Any = None, level: float = 0.95, unit: str = "",
) -> Estimate:  # fmt: skip
    """Outcome per customer if each had been given the arm of a policy, off-policy and doubly robust.

    Args:
        y: Outcome of each row.
        treatment: Arm of each row.
        choice: Arm that the policy gives each row, as `UpliftModel.best` says; or one arm for all.
        propensity: As `UpliftModel.fit` takes it.
        against: Another policy; the answer is then this one's value above the other's, paired on the rows.
        control: The arm to compare with; None for the one called control, 0 or False.
        customer: Whose row each row is, where a customer has several; None where each row is one.
        level: Confidence of the interval.
        unit: Of the value, such as "EUR/customer".

    Raises:
        FrameError: As `qini`, and arms of the policy that nobody received.
        NotRandomizedError: No propensity.

    References:
        Dudík, Langford, Li (2011), Doubly Robust Policy Evaluation and Learning, ICML.

    Examples:
        >>> y, treatment = [1.0, 1.0, 3.0, 3.0], ["control", "control", "mail", "mail"]
        >>> policy_value(y, treatment, "mail", propensity=0.5, against="control").point
        2.0
    """
    logged, arms = log_outcomes(y, treatment, propensity, control=control, customer=customer, level=level, unit=unit)
    chosen = _read_choice(choice, arms, len(logged), "choice")
    if against is None:
        return value_of(logged, chosen)
    return policy_difference(logged, chosen, _read_choice(against, arms, len(logged), "against"))


def log_outcomes(
    y: Any, treatment: Any, propensity: Any, *, control: Any, customer: Any, level: float, unit: str
) -> tuple[LoggedOutcomes, ReceivedArms]:
    """Rows on which effects and policies are judged, and their arms."""
    rows = len(y)
    outcome = read_numbers(y, rows=rows, name="y")
    arms = read_arms(treatment, propensity, control=control, rows=rows)
    weight = 1.0 / arms.propensity
    means = np.bincount(arms.code, weights=weight * outcome) / np.bincount(arms.code, weights=weight)
    mu = np.broadcast_to(means, (rows, len(means)))
    scores = dr_scores(y=outcome, arm=arms.code, propensity=arms.propensity, mu=mu, available=arms.available)
    logged = LoggedOutcomes(
        y=outcome, arm=arms.code, propensity=arms.propensity, scores=scores, customer=read_customer(customer, rows),
        unit=unit, level=level,
    )  # fmt: skip
    return logged, arms


def read_customer(customer: Any, rows: int) -> np.ndarray:
    """Code of the customer of each row, shape (n,); each row is one where it is None."""
    if customer is None:
        return np.arange(rows)
    return np.asarray(pd.factorize(read_vector(customer, rows=rows, name="customer"))[0], dtype=np.int64)


def _read_effect(effect: Any, arms: ReceivedArms, rows: int, name: str) -> np.ndarray:
    """Predicted effect of each arm, shape (n, m)."""
    if np.ndim(effect) == 1 and not hasattr(effect, "columns"):
        if len(arms.names) > 1:
            raise FrameError(f"{name} has one column for {len(arms.names)} arms; give a column for each arm")
        return read_numbers(effect, rows=rows, name=name)[:, None]
    table = read_frame(effect, name)
    if not isinstance(effect, np.ndarray) and len(arms.names) > 1:
        missing = [str(arm) for arm in arms.names if str(arm) not in table.columns]
        if missing:
            raise FrameError(f"{name} has no column for {', '.join(missing)}; give one for each arm of treatment")
        table = table[[str(arm) for arm in arms.names]]
    if table.shape[1] != len(arms.names):
        raise FrameError(f"{name} has {table.shape[1]} columns for {len(arms.names)} arms beside control")
    return np.column_stack([read_numbers(table[column], rows=rows, name=f"{name} {column}") for column in table])


def _read_choice(choice: Any, arms: ReceivedArms, rows: int, name: str) -> np.ndarray:
    whole = np.full(rows, choice, dtype=object) if np.ndim(choice) == 0 else choice
    wished = read_vector(whole, rows=rows, name=name)
    place = {str(value): code for code, value in enumerate((arms.control, *arms.names))}
    code = pd.Series(wished).astype(str).map(place)
    unknown = int(code.isna().sum())
    if unknown:
        first = wished[code.isna().to_numpy()][0]
        raise FrameError(f"{name}: {unknown:,} of {rows:,} rows wish {first!r}, an arm that no row of treatment has")
    return code.to_numpy(dtype=np.int64)


__all__ = ["policy_value", "qini"]
