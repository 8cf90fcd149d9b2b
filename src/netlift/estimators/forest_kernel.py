"""Scoring rows with a laid-out forest: the compiled part of `compiled_forest`.

Rows are taken 128 at a time, their columns one behind the other, so that the processor asks one split of many rows at
once. Leaves are added in the order of the trees, as LightGBM adds them: sums are the same to the last bit. Rows are
walked in loops throughout: assigning to slices would do as well, but takes seconds to compile.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlift.estimators.forest_layout import CATEGORY, NAN_LEFT, NAN_RIGHT, ZERO_LEFT, ZERO_RIGHT, Forest
from netlift.estimators.forest_text import ZERO

ROWS = 128


@njit(cache=True, nogil=True)
def score_rows(forest: Forest, columns: np.ndarray, out: np.ndarray) -> None:
    """Write the raw scores of rows to `out`.

    Args:
        forest: The forest.
        columns: Of the rows, without the constants, float32, shape (k, n).
        out: Shape (lines of constants, scores, n).
    """
    x = np.zeros((len(forest.columns), ROWS), dtype=np.float32)
    word = np.zeros(ROWS, dtype=forest.mask.dtype)
    value = np.zeros(ROWS)
    total = np.zeros((out.shape[0], out.shape[1], ROWS))
    n = columns.shape[1]
    for first in range(0, n, ROWS):
        rows = min(ROWS, n - first)
        for c in range(len(forest.columns)):
            for r in range(rows):
                x[c, r] = columns[forest.columns[c], first + r]
        total[:] = 0.0
        for tree in range(len(forest.score)):
            _ask_numbers(forest, tree, x, word)
            _ask_zeros_and_categories(forest, tree, x, word)
            for g in range(forest.starts[tree], forest.starts[tree + 1]):
                _look_up(forest.leaf[tree], word, forest.start[g], forest.magic, value)
                for line in range(out.shape[0]):
                    if forest.start_of[tree, line] == g:
                        _add(total[line, forest.score[tree]], value)
        for line in range(out.shape[0]):
            for k in range(out.shape[1]):
                for r in range(rows):
                    out[line, k, first + r] = total[line, k, r]


@njit(cache=True, nogil=True)
def _ask_numbers(forest: Forest, tree: int, x: np.ndarray, word: np.ndarray) -> None:
    """Words after the splits of a tree that take NaN for missing; written so that rows are asked side by side."""
    full = ~forest.mask.dtype.type(0)
    spans = forest.spans[tree]
    word[:] = full
    for s in range(spans[NAN_LEFT], spans[NAN_LEFT + 1]):
        column, threshold, mask = x[forest.column[s]], forest.threshold[s], forest.mask[s]
        for r in range(ROWS):
            word[r] &= mask if column[r] > threshold else full
    for s in range(spans[NAN_RIGHT], spans[NAN_RIGHT + 1]):
        column, threshold, mask = x[forest.column[s]], forest.threshold[s], forest.mask[s]
        for r in range(ROWS):
            word[r] &= full if column[r] <= threshold else mask


@njit(cache=True, nogil=True)
def _ask_zeros_and_categories(forest: Forest, tree: int, x: np.ndarray, word: np.ndarray) -> None:
    """Words after the other splits of a tree: those that take zero for missing as well, and those of categories."""
    full = ~forest.mask.dtype.type(0)
    spans, others = forest.spans[tree], forest.left.shape[1] - 1
    for s in range(spans[ZERO_LEFT], spans[ZERO_LEFT + 1]):
        column, threshold, mask = x[forest.column[s]], forest.threshold[s], forest.mask[s]
        for r in range(ROWS):
            word[r] &= mask if (column[r] > threshold) & (np.abs(column[r]) > ZERO) else full
    for s in range(spans[ZERO_RIGHT], spans[ZERO_RIGHT + 1]):
        column, threshold, mask = x[forest.column[s]], forest.threshold[s], forest.mask[s]
        for r in range(ROWS):
            word[r] &= full if (column[r] <= threshold) & (np.abs(column[r]) > ZERO) else mask
    for s in range(spans[CATEGORY], spans[CATEGORY + 1]):
        column, left = x[forest.column[s]], forest.left[forest.sets[s]]
        for r in range(ROWS):
            known = (column[r] > -1) & (column[r] < others)
            word[r] &= left[np.int64(column[r]) if known else others]


@njit(cache=True, nogil=True)
def _add(total: np.ndarray, value: np.ndarray) -> None:
    for r in range(ROWS):
        total[r] += value[r]


@njit(cache=True, nogil=True)
def _look_up(leaf: np.ndarray, word: np.ndarray, start: int, magic: np.ndarray, value: np.ndarray) -> None:
    """Values of the leaves that words stand for: the place of their lowest bit, which all splits left."""
    for r in range(ROWS):
        left = word[r] & start
        lowest = left & (~left + magic[0])
        value[r] = leaf[magic.dtype.type(lowest * magic[1]) >> magic[2]]
