"""The segment of every customer: the first of the config's rules that holds. Total and disjoint by construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netlift.config.segments import Condition, Rule


def assign_segments(rules: Sequence[Rule], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The segment of each customer.

    Args:
        rules: In order; the last one has no condition, so that nobody is left over.
        values: The variables that the rules name, each of shape (n,); words as objects, missing numbers as NaN.

    Returns:
        Segments, object array of str, shape (n,).

    Examples:
        >>> rules = [Rule(segment="loyal", when={"f": Condition(at_least=4)}), Rule(segment="sleeping")]
        >>> assign_segments(rules, {"f": np.array([5, 1])}).tolist()
        ['loyal', 'sleeping']
    """
    n = len(next(iter(values.values())))
    named = np.empty(n, dtype=object)
    left = np.ones(n, dtype=bool)
    for rule in rules:
        taken = left.copy()
        for name, condition in rule.when.items():
            taken &= meets(condition, values[name])
        named[taken] = rule.segment
        left &= ~taken
    return named


def meets(condition: Condition, values: np.ndarray) -> np.ndarray:
    """Whether a condition holds for each value, shape (n,); a missing one meets none.

    Examples:
        >>> meets(Condition(at_least=2, below=4), np.array([1.0, 2.0, 4.0, np.nan])).tolist()
        [False, True, False, False]
    """
    if condition.any_of is not None:
        return np.isin(values, condition.any_of)
    numbers = np.asarray(values, dtype=np.float64)
    met = ~np.isnan(numbers)
    if condition.at_least is not None:
        met &= numbers >= condition.at_least
    if condition.at_most is not None:
        met &= numbers <= condition.at_most
    if condition.below is not None:
        met &= numbers < condition.below
    return np.asarray(met)
