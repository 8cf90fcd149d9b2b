"""Adapter of causalml's causal forest, stored without pickle.

Honest trees that split where the effect differs, one forest per offer against control, on the rows of campaigns that
could draw it, weighted by the inverse of the logged propensities. Its trees are those of scikit-learn: thresholds are
64-bit, values 32-bit, missing values go the way that the split was given, as in LightGBM. The mean of a forest is
therefore, exactly, a sum of LightGBM trees whose leaves hold effect / trees, and is written as LightGBM's text.

Each tree sees a draw of at most `MOST_ROWS` rows: a tree of all rows would take minutes. It knows nothing of
categories, whose codes it reads as numbers.

References:
    Athey, Imbens (2016), Recursive Partitioning for Heterogeneous Causal Effects, PNAS. Wager, Athey (2018), Estimation
    and Inference of Heterogeneous Treatment Effects using Random Forests, JASA.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import Expression, booster, constant, write_files
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.causalml.meta_learners import import_causalml
from netlift.estimators.uplift.linear_terms import mean_gain_shares
from netlift.estimators.uplift.randomization import pair_of

TREES, MOST_ROWS = 50, 10_000
PARAMS: dict[str, Any] = {
    "n_estimators": TREES, "min_samples_leaf": 100, "max_leaf_nodes": 32, "max_features": 0.5, "groups_cnt": False,
}  # fmt: skip
DEFAULT_LEFT, MISSING_IS_NAN = 2, 8  # bits of LightGBM's decision_type
LEAF = -1  # scikit-learn's child of a leaf
NOTES = (
    f"forest of {TREES} honest trees, each of at most {MOST_ROWS:,} rows; a category's codes are numbers to it",
    "settings fixed, uplift neither calibrated nor shrunk: as causalml gives it",
)


def fit_causalml_forest(rows: ContactRows, *, machine: Machine) -> Candidate:
    """Fit a forest per offer and store it.

    Args:
        rows: Contact rows, checked.
        machine: Seed, and how many forests may be fitted side by side.

    Raises:
        ConfigError: causalml does not import.
    """
    import lightgbm as lgb

    import_causalml("tree")  # before threads do: whoever imports it restores the style of matplotlib
    jobs = [partial(grow_forest, rows, arm, machine) for arm in range(1, len(rows.offers) + 1)]
    forests = dict(zip(rows.offers, run_side_by_side(jobs, threads=machine.threads), strict=True))
    outputs: list[tuple[str, str, Expression]] = []
    texts: dict[str, str] = {}
    for arm, (offer, forest) in enumerate(forests.items(), start=1):
        text, level = write_forest([tree.tree_ for tree in forest.estimators_], features=rows.X.shape[1])
        file = f"forest_{arm}.txt"
        outputs.append((f"uplift_{offer}", "currency", booster(file, init=level) if text else constant(level)))
        texts |= {file: text} if text else {}
    fitted = [lgb.Booster(model_str=text) for text in texts.values()]
    return Candidate(
        name="causalml_forest",
        files=write_files(task="uplift", features=rows.features, outputs=outputs, boosters=texts),
        params={"trees": TREES, "min_samples_leaf": PARAMS["min_samples_leaf"]},
        notes=NOTES,
        importance=mean_gain_shares(fitted, rows.features),
    )


def grow_forest(rows: ContactRows, arm: int, machine: Machine) -> Any:
    """The forest of one offer against control."""
    use = pair_of(rows, arm)
    forest = import_causalml("tree").CausalRandomForestRegressor(
        **PARAMS, control_name=0, max_samples=min(MOST_ROWS, int(use.sum())), n_jobs=1, random_state=machine.seed
    )
    treatment = (rows.arm[use] == arm).astype(np.int64)
    forest.fit(X=rows.X[use], treatment=treatment, y=rows.y[use], sample_weight=1.0 / rows.propensity[use])
    return forest


def write_forest(trees: Sequence[Any], *, features: int) -> tuple[str, float]:
    """LightGBM's text of the mean of causal trees, and what trees of a single leaf add to it.

    Args:
        trees: scikit-learn's `tree_`, whose values are the outcomes of control and of the offer, (nodes, 2, 1).
        features: Of the rows.

    Returns:
        The text, empty where no tree has a split, and a number to add to its score.
    """
    effects = [(tree.value[:, 1, 0] - tree.value[:, 0, 0]) / len(trees) for tree in trees]
    split = [(tree, effect) for tree, effect in zip(trees, effects, strict=True) if tree.node_count > 1]
    level = float(sum(effect[0] for tree, effect in zip(trees, effects, strict=True) if tree.node_count == 1))
    if not split:
        return "", level
    head = [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
        f"max_feature_idx={features - 1}", "objective=regression",
        "feature_names=" + " ".join(f"Column_{i}" for i in range(features)),
        "feature_infos=" + " ".join(["[-inf:inf]"] * features), "",
    ]  # fmt: skip
    texts = [_write_tree(tree, effect, name) for name, (tree, effect) in enumerate(split)]
    return "\n".join([*head, *texts, "end of trees", ""]), level


def _write_tree(tree: Any, effect: np.ndarray, name: int) -> str:
    inner = np.flatnonzero(tree.children_left != LEAF)
    leaves = np.flatnonzero(tree.children_left == LEAF)
    number = np.empty(tree.node_count, dtype=np.int64)
    number[inner], number[leaves] = np.arange(len(inner)), -np.arange(len(leaves)) - 1
    left, right = tree.children_left[inner], tree.children_right[inner]
    missing_left = np.asarray(tree.missing_go_to_left)[inner].astype(bool)
    held = tree.weighted_n_node_samples
    spread = held[left] * held[right] / held[inner] * (effect[left] - effect[right]) ** 2
    lines: dict[str, Sequence[float] | np.ndarray] = {
        "num_leaves": [len(leaves)],
        "num_cat": [0],
        "split_feature": tree.feature[inner],
        "split_gain": spread,
        "threshold": tree.threshold[inner],
        "decision_type": MISSING_IS_NAN + DEFAULT_LEFT * missing_left,
        "left_child": number[left],
        "right_child": number[right],
        "leaf_value": effect[leaves],
        "leaf_weight": held[leaves],
        "leaf_count": tree.n_node_samples[leaves],
        "internal_value": effect[inner],
        "internal_weight": held[inner],
        "internal_count": tree.n_node_samples[inner],
        "is_linear": [0],
        "shrinkage": [1],
    }
    body = [f"{key}={' '.join(_number(value) for value in values)}" for key, values in lines.items()]
    return "\n".join([f"Tree={name}", *body, "", ""])


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
