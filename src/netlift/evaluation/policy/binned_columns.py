"""Binned features for policy trees: readable thresholds, codes of rows, and splits.

A number is cut at its quantiles, each moved to the roundest number between the quantiles half-way to its neighbours, so
that a rule reads "below 45" and not "below 44.73"; a number of few distinct values is cut between any two of them. A
category's codes stand in no order: it is split into one value and the rest. Missing values have a bin of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from netlift.features.matrix import Feature

MOST_BINS = 32
MOST_BINNED_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Split:
    """A question with two answers about one feature.

    Attributes:
        feature: The feature.
        below: Yes to numbers below it; None for a category, and for "missing or not".
        category: Yes to this value; None for a number, and for "missing or not".
        missing: Whether the answer to a missing value is yes; None where none was seen: no.

    Examples:
        >>> age = Feature(name="age_years", unit="years", source="customers", formula="(day of c - birth_date)")
        >>> Split(feature=age, below=30.0, missing=True).holds(np.array([18.0, 30.0, np.nan]))
        array([ True, False,  True])
    """

    feature: Feature
    below: float | None = None
    category: str | None = None
    missing: bool | None = None

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether the answer is yes, bool, shape (n,), for values of the feature, shape (n,)."""
        absent = np.isnan(x)
        if self.below is not None:
            yes = np.asarray(x, dtype=np.float64) < self.below
        elif self.category is not None:
            yes = x == self.feature.categories.index(self.category)
        else:
            yes = np.zeros(len(x), dtype=bool)
        return np.where(absent, bool(self.missing), yes)


@dataclass(frozen=True, kw_only=True)
class BinnedColumns:
    """Rows as bin numbers, with what the bins are.

    Attributes:
        codes: Bin of each value, uint16, shape (k, n); the bin behind the last one is for missing values.
        bins: Bins of each feature without that for missing values, int64, shape (k,).
        is_category: Which features are categories, bool, shape (k,).
        edges: Per number its thresholds, rising: bin j is from edge j - 1 to below edge j; empty for a category.
        features: The k features.
    """

    codes: np.ndarray
    bins: np.ndarray
    is_category: np.ndarray
    edges: tuple[np.ndarray, ...]
    features: tuple[Feature, ...]

    @classmethod
    def of(cls, X: np.ndarray, features: Sequence[Feature], *, most: int = MOST_BINS) -> BinnedColumns:
        """Bin a matrix, shape (n, k); thresholds come from at most `MOST_BINNED_ROWS` rows, evenly spaced."""
        sample = X[:: max(1, len(X) // MOST_BINNED_ROWS)]
        edges = tuple(
            np.zeros(0) if feature.kind == "category" else round_thresholds(sample[:, i], most=most)
            for i, feature in enumerate(features)
        )
        counts = [
            len(feature.categories) if feature.kind == "category" else len(own) + 1
            for feature, own in zip(features, edges, strict=True)
        ]
        codes = np.empty((len(features), len(X)), dtype=np.uint16)
        for i, (feature, own, count) in enumerate(zip(features, edges, counts, strict=True)):
            x = X[:, i].astype(np.float64)
            code = np.nan_to_num(x) if feature.kind == "category" else np.searchsorted(own, x, side="right")
            codes[i] = np.where(np.isnan(x), count, code)
        return cls(
            codes=codes,
            bins=np.array(counts, dtype=np.int64),
            is_category=np.array([feature.kind == "category" for feature in features], dtype=bool),
            edges=edges,
            features=tuple(features),
        )

    def take(self, rows: np.ndarray) -> BinnedColumns:
        """The given rows, by mask, in the same bins."""
        return replace(self, codes=np.ascontiguousarray(self.codes[:, rows]))

    def split(self, feature: int, choice: int) -> Split:
        """The split that stands behind a number of `policy_tree_search`: see `count_choices` there."""
        own, bins = self.features[feature], int(self.bins[feature])
        cuts = bins - 1
        seen = bool((self.codes[feature] == bins).any())
        if choice == (bins if self.is_category[feature] else 2 * cuts):
            return Split(feature=own, missing=True)
        if self.is_category[feature]:
            return Split(feature=own, category=own.categories[choice], missing=False if seen else None)
        missing = choice >= cuts if seen else None
        return Split(feature=own, below=float(self.edges[feature][choice % cuts]), missing=missing)


def round_thresholds(x: np.ndarray, *, most: int = MOST_BINS) -> np.ndarray:
    """Thresholds that part a number's values, rising, shape (at most most - 1,); none for a constant.

    Args:
        x: Values, shape (n,); missing and infinite ones are left out.
        most: Bins at most.

    Examples:
        >>> round_thresholds(np.array([3.0, 1.0, 2.0, np.nan, 2.0]))
        array([2., 3.])
        >>> round_thresholds(np.linspace(0.0, 987.0, 1000), most=4)
        array([200., 500., 700.])
    """
    known = np.asarray(x[np.isfinite(x)], dtype=np.float64)
    distinct = np.unique(known)
    if len(distinct) <= most:
        return distinct[1:]
    halves = np.quantile(known, np.linspace(0, 1, 2 * most + 1))[1::2]
    rounded = {_roundest(low, high) for low, high in pairwise(halves)}
    return np.array(sorted(edge for edge in rounded if edge > distinct[0]))


def _roundest(low: float, high: float) -> float:
    """The number of the fewest digits in (low, high], near its middle; high where there is nothing between them."""
    middle = (low + high) / 2
    if not low < middle:  # no number between them
        return high
    place = math.floor(math.log10(max(abs(low), abs(high))))
    while True:
        rounded = round(middle, -place)
        if low < rounded <= high:
            return rounded
        place -= 1
