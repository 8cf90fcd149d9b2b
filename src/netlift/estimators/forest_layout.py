"""LightGBM's trees laid out as bit masks, for `forest_kernel` to score many rows with.

A tree of L leaves is one word of L bits, a leaf a bit, left to right. A split that sends a row right takes the leaves
on its left away; splits can be asked in any order, and the lowest bit that is left is the leaf of the row.

What LightGBM asks of a number is asked here of float32, with the same answers: thresholds are rounded down to float32,
and a kind of split says where missing values go.

Columns behind the features may be constants, such as an arm's flags. What a split says of them is known beforehand:
`start` holds the word that is left after all of them, for each line of constants.

References:
    Lucchese, Nardini, Orlando, Perego, Tonellotto, Venturini (2015), QuickScorer: a Fast Algorithm to Rank Documents
    with Additive Ensembles of Regression Trees, SIGIR. Leiserson, Prokop, Randall (1998), Using de Bruijn Sequences to
    Index a 1 in a Computer Word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netlift.estimators.forest_text import NAN_IS_MISSING, ZERO, ZERO_IS_MISSING, ForestText, UnfitForestError

MOST_LEAVES = 64
MOST_CATEGORIES = 1024
NAN_LEFT, NAN_RIGHT, ZERO_LEFT, ZERO_RIGHT, CATEGORY, KINDS = range(6)  # where missing values go; a set of categories
DE_BRUIJN = {32: (0x077CB531, 27), 64: (0x03F79D71B4CB0A89, 58)}  # multiplier and shift of a word's lowest bit


class Forest(NamedTuple):
    """Trees as words: uint32, or uint64 where a tree has more than 32 leaves.

    Attributes:
        columns: Features that are asked of, int64, shape (c,).
        spans: First split of each tree and kind, and the end of the last kind, int64, shape (trees, 6).
        column: Place in `columns` of each split, int64, shape (splits,).
        threshold: Numbers above it go right, float32, shape (splits,).
        sets: Line of `left` of a split of categories, int64, shape (splits,).
        mask: Word that a row keeps when it is sent right, shape (splits,).
        left: Word that a row keeps by its category, the last for all others, shape (sets, categories + 1).
        start: Words that rows of a tree start with, shape (starts,).
        starts: First of them of each tree, and the end of the last, int64, shape (trees + 1,).
        start_of: Which of `start` belongs to each tree and line of constants, int64, shape (trees, lines).
        leaf: Raw score of each leaf, at the place that `DE_BRUIJN` gives its bit, float64, shape (trees, 32 or 64).
        score: The raw score that each tree is part of, int64, shape (trees,).
        magic: One, and multiplier and shift of `DE_BRUIJN`, shape (3,).
    """

    columns: np.ndarray
    spans: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    sets: np.ndarray
    mask: np.ndarray
    left: np.ndarray
    start: np.ndarray
    starts: np.ndarray
    start_of: np.ndarray
    leaf: np.ndarray
    score: np.ndarray
    magic: np.ndarray


def lay_out(trees: ForestText, constants: np.ndarray) -> Forest:
    """Lay out trees.

    Args:
        trees: The trees.
        constants: Values of the last columns, shape (lines, last columns): a line for each score that is asked for.

    Raises:
        UnfitForestError: Too many leaves in a tree, or categories in a set.
    """
    most = int(trees.leaves.max(initial=1))
    if most > MOST_LEAVES:
        raise UnfitForestError(f"a tree has {most} leaves, over {MOST_LEAVES}")
    word = np.uint32 if most <= 32 else np.uint64
    mask = _masks(trees, word)
    own = trees.feature < trees.features - constants.shape[1]
    start, starts, start_of = _begin(trees, constants, mask, np.flatnonzero(~own))
    kind = _kinds(trees)
    order = np.lexsort((trees.feature, kind, trees.tree))
    order = order[own[order]]
    columns, column = np.unique(trees.feature[order], return_inverse=True)
    at = np.arange(len(trees.leaves))[:, None] * KINDS + np.arange(KINDS + 1)
    sets, left = _sets(trees, order, mask)
    return Forest(
        columns=columns,
        spans=np.searchsorted((trees.tree * KINDS + kind)[order], at),
        column=column,
        threshold=_round_down(trees.threshold[order]),
        sets=sets,
        mask=mask[order],
        left=left,
        start=start,
        starts=starts,
        start_of=start_of,
        leaf=_place_leaves(trees, word),
        score=np.arange(len(trees.leaves)) % trees.scores,
        magic=np.array([1, *DE_BRUIJN[np.iinfo(word).bits]], dtype=word),
    )


def _masks(trees: ForestText, word: type[np.unsignedinteger]) -> np.ndarray:
    """All bits but those of the leaves on the left of each split; at least one leaf is on its right."""
    one, left = word(1), (trees.high - trees.low).astype(word)
    return np.asarray(~(((one << left) - one) << trees.low.astype(word)))


def _begin(
    trees: ForestText, constants: np.ndarray, mask: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`start`, `starts` and `start_of` of a forest, from its splits on constants."""
    words = np.full((len(trees.leaves), len(constants)), ~mask.dtype.type(0), dtype=mask.dtype)
    first = trees.features - constants.shape[1]
    for split in known.tolist():
        right = trees.sends_right(split, constants[:, trees.feature[split] - first])
        words[trees.tree[split], right] &= mask[split]
    found = [np.unique(line, return_inverse=True) for line in words]
    starts = np.cumsum([0, *(len(distinct) for distinct, _ in found)])
    start_of = [first + place for (_, place), first in zip(found, starts[:-1], strict=True)]
    start = np.concatenate([np.zeros(0, dtype=mask.dtype), *(distinct for distinct, _ in found)])
    return start, starts, np.array(start_of, dtype=np.int64).reshape(words.shape)


def _kinds(trees: ForestText) -> np.ndarray:
    """Kind of each split, shape (splits,); where nothing is missing, NaN is taken for zero."""
    nan_left = np.where(trees.missing == NAN_IS_MISSING, trees.default_left, trees.threshold >= 0)
    kind = np.where(nan_left, NAN_LEFT, NAN_RIGHT)
    at_zero = trees.missing == ZERO_IS_MISSING
    kind[at_zero] = np.where(trees.default_left[at_zero], ZERO_LEFT, ZERO_RIGHT)
    kind[trees.is_category] = CATEGORY
    return kind


def _round_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above a threshold; one next to zero goes around all that count as zero."""
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    rounded = np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    rounded[(threshold >= 0) & (threshold < ZERO)] = ZERO
    rounded[(threshold < 0) & (threshold >= -ZERO)] = np.nextafter(-ZERO, np.float32(-np.inf))
    return rounded


def _sets(trees: ForestText, order: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`sets` and `left` of a forest."""
    asked = [split for split in order.tolist() if split in trees.going_left]
    most = max((int(trees.going_left[split].max(initial=-1)) for split in asked), default=-1)
    if most >= MOST_CATEGORIES:
        raise UnfitForestError(f"a split names category {most}, over {MOST_CATEGORIES - 1}")
    left = np.repeat(mask[asked][:, None], most + 2, axis=1)
    for line, split in enumerate(asked):
        left[line, trees.going_left[split]] = ~mask.dtype.type(0)
    sets = np.full(len(order), -1, dtype=np.int64)
    sets[np.isin(order, asked)] = np.arange(len(asked))
    return sets, left


def _place_leaves(trees: ForestText, word: type[np.unsignedinteger]) -> np.ndarray:
    bits = np.iinfo(word).bits
    multiplier, shift = DE_BRUIJN[bits]
    place = np.array([(((1 << bit) * multiplier) % (1 << bits)) >> shift for bit in range(bits)])
    leaf = np.zeros((len(trees.leaves), bits))
    tree = np.repeat(np.arange(len(trees.leaves)), trees.leaves)
    bit = np.arange(len(tree)) - np.repeat(np.cumsum(trees.leaves) - trees.leaves, trees.leaves)
    leaf[tree, place[bit]] = trees.value
    return leaf
