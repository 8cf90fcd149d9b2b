"""The arrays that compiled code grows trees from and into."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINARY, GAMMA, SQUARED = 0, 1, 2  # losses


class Sample(NamedTuple):
    """Rows to learn from, in order of their fold; (n,) and float32 but for codes (columns, n) uint8.

    Attributes:
        codes: Line by line.
        most: Largest code of each column, int64.
        gaps: Whether a column has missing values, bool.
        label: Of the loss.
        offset: Raw score that trees are added to.
        weight: Of the loss.
        starts: First row of each fold, and n, int64, shape (K + 1,); twice n for one model of all rows.
    """

    codes: np.ndarray
    most: np.ndarray
    gaps: np.ndarray
    label: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    starts: np.ndarray


class Plan(NamedTuple):
    """How trees are grown.

    Attributes:
        loss: BINARY, GAMMA or SQUARED.
        random: Random cuts, not histograms.
        rate: Of learning.
        leaves: At most so many.
        least: Rows of a leaf.
        ridge: λ.
        rounds: At most so many trees.
        patience: Rounds without a lower loss after which growing ends; 0 for never.
    """

    loss: int
    random: bool
    rate: float
    leaves: int
    least: float
    ridge: float
    rounds: int
    patience: int


class Trees(NamedTuple):
    """Trees of all models, shape (rounds, K, splits or leaves); split s makes leaf s + 1 out of the leaf `at`.

    Attributes:
        at: The leaf that a split divides; -1 where the tree has ended. Rows that go left stay in it.
        column: Its column.
        code: Rows up to this code go left.
        right: 1 if missing values go right.
        gain: Of the split.
        value: Raw score of each leaf.
        heft: Sum of curvatures in it.
        loss: Held-out loss after so many trees, less that of none, shape (rounds + 1,).
    """

    at: np.ndarray
    column: np.ndarray
    code: np.ndarray
    right: np.ndarray
    gain: np.ndarray
    value: np.ndarray
    heft: np.ndarray
    loss: np.ndarray
