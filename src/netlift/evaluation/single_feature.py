"""How well one feature alone tells two outcomes apart: one that does it too well probably knows the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.errors import DataError


def strongest_feature(X: np.ndarray, names: Sequence[str], outcome: np.ndarray) -> tuple[str, float]:
    """The feature with the largest ROC-AUC of its own, either way round; a missing value is lower than any other.

    Args:
        X: Features, shape (n, k).
        names: Their names.
        outcome: True or False, shape (n,).

    Raises:
        DataError: One outcome only, or no feature.

    Examples:
        >>> X = np.array([[1.0, 5.0], [2.0, 4.0], [1.0, 3.0], [2.0, 2.0]])
        >>> strongest_feature(X, ["a", "b"], np.array([True, True, False, False]))
        ('b', 1.0)
    """
    from scipy.stats import rankdata

    happened = np.asarray(outcome, dtype=bool)
    number = int(happened.sum())
    others = len(happened) - number
    if not number or not others or not len(names):
        raise DataError(f"single features: {number:,} of {len(happened):,} rows have the outcome; both are needed")
    best, name = 0.0, names[0]
    for i, candidate in enumerate(names):
        x = np.nan_to_num(X[:, i].astype(np.float64), nan=-np.inf, neginf=-np.inf)
        auc = (rankdata(x)[happened].sum() - number * (number + 1) / 2) / (number * others)
        if max(auc, 1 - auc) > best:
            best, name = float(max(auc, 1 - auc)), candidate
    return name, best
