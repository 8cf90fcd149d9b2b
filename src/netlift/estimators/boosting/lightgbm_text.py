"""Conversion of kernel trees to LightGBM's text format."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.estimators.boosting.bins import BinnedColumn
from netlift.estimators.boosting.kernel import Trees

CATEGORICAL, DEFAULT_LEFT, MISSING_IS_NAN = 1, 2, 8  # bits of LightGBM's decision_type
LARGEST = 1e300  # a threshold that only missing values do not pass, as LightGBM spells infinity


def write_text(
    trees: Trees, columns: Sequence[BinnedColumn], counts: np.ndarray, *, model: int, rounds: int, features: int
) -> str:
    """The first trees of a model; those without a split add nothing and are left out.

    Args:
        trees: Of all models.
        columns: What the codes mean.
        counts: Rows in each leaf, shape (rounds, leaves).
        model: Which one.
        rounds: How many trees.
        features: Of the rows, named Column_0 and so on, as LightGBM does.
    """
    head = [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
        f"max_feature_idx={features - 1}", "objective=regression",
        "feature_names=" + " ".join(f"Column_{i}" for i in range(features)),
        "feature_infos=" + " ".join(["[-inf:inf]"] * features), "",
    ]  # fmt: skip
    grown = [r for r in range(rounds) if trees.at[r, model, 0] >= 0]
    texts = [_write_tree(trees, columns, counts[r], (r, model), name) for name, r in enumerate(grown)]
    return "\n".join([*head, *texts, "end of trees", ""])


def _write_tree(
    trees: Trees, columns: Sequence[BinnedColumn], counts: np.ndarray, of: tuple[int, int], name: int
) -> str:
    at = trees.at[of]
    splits = int(np.sum(at >= 0))
    left, right, held, hessian_sum, total = _link(at[:splits], counts, trees.hessian_sum[of], trees.value[of])
    kinds: list[int] = []
    thresholds: list[float] = []
    categories: list[int] = []
    for s in range(splits):
        column = columns[trees.column[of][s]]
        if column.category >= 0:
            kinds.append(CATEGORICAL)
            thresholds.append(float(len(categories)))
            categories.append(column.category)
            left[s], right[s] = right[s], left[s]
        else:
            kinds.append(MISSING_IS_NAN + (0 if trees.right[of][s] else DEFAULT_LEFT))
            code = trees.code[of][s]
            thresholds.append(float(column.cuts[code - 1]) if code <= len(column.cuts) else LARGEST)
    lines: dict[str, Sequence[float] | np.ndarray] = {
        "num_leaves": [splits + 1],
        "num_cat": [len(categories)],
        "split_feature": [columns[c].feature for c in trees.column[of][:splits]],
        "split_gain": trees.gain[of][:splits],
        "threshold": thresholds,
        "decision_type": kinds,
        "left_child": left,
        "right_child": right,
        "leaf_value": trees.value[of][: splits + 1],
        "leaf_weight": trees.hessian_sum[of][: splits + 1],
        "leaf_count": counts[: splits + 1],
        "internal_value": total / np.maximum(hessian_sum, 1e-300),
        "internal_weight": hessian_sum,
        "internal_count": held,
    }
    if categories:
        words = [[0] * (category // 32) + [1 << (category % 32)] for category in categories]
        lines["cat_boundaries"] = np.cumsum([0, *(len(word) for word in words)])
        lines["cat_threshold"] = [part for word in words for part in word]
    lines |= {"is_linear": [0], "shrinkage": [1]}
    body = (f"{key}={' '.join(_number(value) for value in values)}" for key, values in lines.items())
    return "\n".join([f"Tree={name}", *body, "", ""])


def _link(
    at: np.ndarray, counts: np.ndarray, hessian_sum: np.ndarray, value: np.ndarray
) -> tuple[list[int], list[int], np.ndarray, np.ndarray, np.ndarray]:
    """Children of each split, a leaf as -(leaf + 1), and its rows, curvature and curvature times value."""
    left: list[int] = []
    right: list[int] = []
    parent = {0: -1}
    for s, divided in enumerate(at):
        above = parent[int(divided)]
        if above >= 0:
            side = left if left[above] == -int(divided) - 1 else right
            side[above] = s
        left.append(-int(divided) - 1)
        right.append(-(s + 1) - 1)
        parent[int(divided)] = parent[s + 1] = s
    sums = np.zeros((3, len(at)))
    own = np.stack([counts, hessian_sum, hessian_sum * value])
    for s in range(len(at) - 1, -1, -1):
        for child in (left[s], right[s]):
            sums[:, s] += sums[:, child] if child >= 0 else own[:, -child - 1]
    return left, right, sums[0].astype(np.int64), sums[1], sums[2]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
