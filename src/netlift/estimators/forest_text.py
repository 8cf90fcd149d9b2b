"""Trees of LightGBM's text as arrays: splits one after the other, leaves of a tree from left to right.

References:
    LightGBM 4, src/io/tree.cpp (`Tree::ToString`) and include/LightGBM/tree.h (`NumericalDecision`,
    `CategoricalDecision`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ZERO = np.float32(1e-35)  # LightGBM's kZeroThreshold: numbers nearer to zero are zero
IS_CATEGORY, DEFAULT_LEFT, MISSING_SHIFT = 1, 2, 2  # bits of decision_type
ZERO_IS_MISSING, NAN_IS_MISSING = 1, 2
VERSIONS = ("v3", "v4")


class UnfitForestError(ValueError):
    """Trees that only LightGBM itself can ask; the message says why."""


@dataclass(frozen=True, kw_only=True)
class ForestText:
    """The trees of a model.

    Attributes:
        features: Columns that rows must have.
        scores: Raw scores a row gets; tree i is part of score i % scores.
        leaves: Leaves of each tree, int64, shape (trees,).
        value: Raw score of each leaf, of a tree from left to right, shape (all leaves,).
        tree: The tree of each split, int64, shape (splits,).
        feature: The column it asks of, int64.
        threshold: Numbers up to it go left, float64; of categories nothing.
        decision: LightGBM's decision_type, int64.
        low: First leaf on its left, int64.
        high: First leaf on its right, int64.
        going_left: Categories that go left, by split.
    """

    features: int
    scores: int
    leaves: np.ndarray
    value: np.ndarray
    tree: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    decision: np.ndarray
    low: np.ndarray
    high: np.ndarray
    going_left: dict[int, np.ndarray]

    @property
    def is_category(self) -> np.ndarray:
        """Whether a split asks of a category, shape (splits,)."""
        return np.asarray(self.decision & IS_CATEGORY > 0)

    @property
    def default_left(self) -> np.ndarray:
        """Whether a split sends missing numbers left, shape (splits,)."""
        return np.asarray(self.decision & DEFAULT_LEFT > 0)

    @property
    def missing(self) -> np.ndarray:
        """What a split takes for missing, shape (splits,): 0 nothing, `ZERO_IS_MISSING` or `NAN_IS_MISSING`."""
        return np.asarray(self.decision >> MISSING_SHIFT & 3)

    def sends_right(self, split: int, x: np.ndarray) -> np.ndarray:
        """Whether a split sends numbers right, shape (n,), as LightGBM decides it."""
        if split in self.going_left:
            known = (x > -1) & (x < 2**31)
            code = np.where(known, x, -1).astype(np.int64)
            return ~np.isin(code, self.going_left[split])
        near_zero = np.isnan(x) | (np.abs(x) <= ZERO)
        number = np.where(near_zero, 0.0, x)
        missing = {ZERO_IS_MISSING: near_zero, NAN_IS_MISSING: np.isnan(x)}.get(int(self.missing[split]))
        right = number > self.threshold[split]
        return right if missing is None else np.where(missing, not self.default_left[split], right)


def read_forest(text: str) -> ForestText:
    """The trees of a LightGBM model.

    Raises:
        UnfitForestError: Linear trees, averaged trees, or a text of a version that is not known here.
    """
    above, *rest = text.partition("\nend of trees")[0].split("\nTree=")
    head = _fields(above)
    if head.get("version") not in VERSIONS:
        raise UnfitForestError(f"its text is of version {head.get('version')}, not of {' or '.join(VERSIONS)}")
    if "average_output" in above.split("\n"):
        raise UnfitForestError("its trees are averaged, not added")
    trees = [_fields(one) for one in rest]
    if any(tree.get("is_linear", "0") != "0" for tree in trees):
        raise UnfitForestError("its leaves are linear")
    leaves = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int64)
    orders = [_order(tree) if size > 1 else ([0], np.zeros((0, 2))) for tree, size in zip(trees, leaves, strict=True)]
    values = [_numbers(tree, "leaf_value")[order] for tree, (order, _) in zip(trees, orders, strict=True)]
    grown = [tree for tree, size in zip(trees, leaves, strict=True) if size > 1]
    spans = _join([span for _, span in orders]).reshape(-1, 2).astype(np.int64)
    decision = _join([_numbers(tree, "decision_type") for tree in grown]).astype(np.int64)
    categories = [some for tree in grown for some in _categories(tree)]
    return ForestText(
        features=int(head["max_feature_idx"]) + 1,
        scores=int(head["num_tree_per_iteration"]),
        leaves=leaves,
        value=_join(values),
        tree=np.repeat(np.arange(len(leaves)), leaves - 1),
        feature=_join([_numbers(tree, "split_feature") for tree in grown]).astype(np.int64),
        threshold=_join([_numbers(tree, "threshold") for tree in grown]),
        decision=decision,
        low=spans[:, 0],
        high=spans[:, 1],
        going_left=dict(zip(np.flatnonzero(decision & IS_CATEGORY).tolist(), categories, strict=True)),
    )


def _fields(lines: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines.split("\n") if "=" in line)


def _numbers(tree: dict[str, str], name: str) -> np.ndarray:
    return np.array(tree[name].split(), dtype=np.float64)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _order(tree: dict[str, str]) -> tuple[list[int], np.ndarray]:
    """Leaves from left to right, and by split the first on its left and the first on its right, shape (splits, 2)."""
    left, right = ([int(child) for child in tree[name].split()] for name in ("left_child", "right_child"))
    order: list[int] = []
    spans = np.zeros((len(left), 2))

    def walk(node: int) -> None:
        if node < 0:
            order.append(-node - 1)
            return
        spans[node, 0] = len(order)
        walk(left[node])
        spans[node, 1] = len(order)
        walk(right[node])

    walk(0)
    return order, spans


def _categories(tree: dict[str, str]) -> list[np.ndarray]:
    """Categories that go left, by categorical split in the order of splits."""
    if tree["num_cat"] == "0":
        return []
    words = np.array(tree["cat_threshold"].split(), dtype=np.uint32)
    bounds = [int(bound) for bound in tree["cat_boundaries"].split()]
    is_category = _numbers(tree, "decision_type").astype(np.int64) & IS_CATEGORY > 0
    places = _numbers(tree, "threshold")[is_category].astype(np.int64)
    sets = [words[bounds[place] : bounds[place + 1]] for place in places]
    return [np.flatnonzero(np.unpackbits(some.astype("<u4").view(np.uint8), bitorder="little")) for some in sets]
