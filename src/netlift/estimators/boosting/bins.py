"""Quantized feature rows that all trees of a fit share.

A number's bins are cut at quantiles of a sample of the rows, a category has a column of its own per value, and code 0
is a missing value. One byte a value, one line of memory a column: trees then compare and count bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from netlift.features.matrix import Feature

MOST_BINS = 63
SAMPLED = 5_000  # rows that the cuts are taken from
BLOCK = 2_048
LARGEST = np.finfo(np.float32).max
MISSING = 0  # code of a missing value; others count from 1
SAME, OTHERWISE = 2, 1  # codes of a category's column
RAREST = 0.002  # share of the sampled rows below which a category has no column of its own


@dataclass(frozen=True, kw_only=True)
class BinnedColumn:
    """What the codes of a line mean.

    Attributes:
        feature: Position of the feature.
        cuts: Code 1 is up to the first, code 2 up to the second, and so on; float32, ascending; empty for a category.
        category: The value that a category's column is about; -1 for a number's.
    """

    feature: int
    cuts: np.ndarray
    category: int = -1

    @property
    def most(self) -> int:
        """The largest code."""
        return SAME if self.category >= 0 else len(self.cuts) + 1


@dataclass(frozen=True, kw_only=True)
class BinnedRows:
    """Rows as codes.

    Attributes:
        columns: What each line is about.
        codes: uint8, shape (columns, n), C order.
        features: How many features the rows had.
    """

    columns: tuple[BinnedColumn, ...]
    codes: np.ndarray
    features: int

    def take(self, rows: np.ndarray) -> BinnedRows:
        """The given rows, by position."""
        codes = np.empty((len(self.columns), len(rows)), dtype=np.uint8)
        for line, own in zip(codes, self.codes, strict=True):
            np.take(own, rows, out=line)
        return BinnedRows(columns=self.columns, codes=codes, features=self.features)

    def most(self) -> np.ndarray:
        """The largest code of each column, int64."""
        return np.array([column.most for column in self.columns], dtype=np.int64)


def sort_into_bins(X: np.ndarray, features: Sequence[Feature], *, seed: int) -> BinnedRows:
    """Cut at quantiles of at most `SAMPLED` rows drawn by the seed; columns of one value are left out.

    Args:
        X: Values, float32, shape (n, k), Fortran order; a category is its code, missing is NaN.
        features: The k features.
        seed: Of the draw.
    """
    sample = np.arange(len(X))
    if len(X) > SAMPLED:
        sample = np.sort(np.random.default_rng(seed).choice(len(X), SAMPLED, replace=False))
    columns: list[BinnedColumn] = []
    for i, feature in enumerate(features):
        values = X[sample, i]
        columns += _by_category(i, values) if feature.kind == "category" else _by_number(i, values)
    codes = np.empty((len(columns), len(X)), dtype=np.uint8)
    for line, column in zip(codes, columns, strict=True):
        if column.category < 0:
            _encode(np.ascontiguousarray(X[:, column.feature]), column.cuts, line)
        else:
            line[:] = np.where(X[:, column.feature] == column.category, SAME, OTHERWISE)
    return BinnedRows(columns=tuple(columns), codes=codes, features=len(features))


def _by_category(feature: int, values: np.ndarray) -> list[BinnedColumn]:
    known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    often = known[(counts >= RAREST * len(values)) & (counts < len(values))]
    nothing = np.empty(0, dtype=np.float32)
    return [BinnedColumn(feature=feature, cuts=nothing, category=int(code)) for code in often]


def _by_number(feature: int, values: np.ndarray) -> list[BinnedColumn]:
    """Cuts halfway between neighbours, as many values in each bin; none for one value that is never missing."""
    ordered = np.sort(np.clip(values[~np.isnan(values)], -LARGEST, LARGEST))  # an infinite value has a bin too
    distinct = np.unique(ordered)
    if len(distinct) > MOST_BINS:
        positions = np.arange(1, MOST_BINS) * len(ordered) // MOST_BINS
        lower = np.unique(ordered[positions - 1])
        lower = lower[lower < distinct[-1]]
    else:
        lower = distinct[:-1]
    upper = distinct[np.searchsorted(distinct, lower, side="right")]
    cuts = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    cuts = np.where(cuts < upper, cuts, lower)
    missing = bool(np.isnan(values).any()) and len(distinct) > 0
    return [BinnedColumn(feature=feature, cuts=cuts)] if len(cuts) or missing else []


@njit(cache=True, nogil=True)
def _encode(x: np.ndarray, cuts: np.ndarray, line: np.ndarray) -> None:
    """1 + how many cuts lie below each value.

    Every cut is compared with a block of values at a time, which processors do faster than they search.
    """
    for start in range(0, len(x), BLOCK):
        values, codes = x[start : start + BLOCK], line[start : start + BLOCK]
        codes[:] = 1
        for cut in cuts:
            for i in range(len(values)):
                codes[i] += np.uint8(values[i] > cut)
        for i in range(len(values)):
            if np.isnan(values[i]):
                codes[i] = MISSING
