"""What a model of churn makes of each attribute: how its order suffers without it, and who is lost most and least."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from netlift.evaluation.influence import Clusters, mean_of
from netlift.features.matrix import Feature
from netlift.results import Estimate, Table, format_number

FEWEST_IN_GROUP = 20  # customers: fewer would tell of persons
NUMBER_GROUPS = 4
SENTENCES = 3
MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class AttributeRow:
    """One attribute on the customers held out.

    Attributes:
        attribute: Its name.
        auc_lost: How far ROC-AUC falls when its values are dealt anew among the customers.
        lost_most: The values with the highest mean predicted chance.
        share_most: Share of them who were lost.
        lost_least: The values with the lowest.
        share_least: Share of them who were lost.
    """

    attribute: str
    auc_lost: Estimate
    lost_most: str
    share_most: Estimate
    lost_least: str
    share_least: Estimate


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Customers held out, one row each.

    Attributes:
        X: Attributes, shape (n, k).
        features: Its columns.
        y: 1 for lost, else 0, shape (n,).
        p: Predicted chance, shape (n,).
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    y: np.ndarray
    p: np.ndarray


def explain_attributes(
    rows: HeldOut,
    *,
    predict: Callable[[np.ndarray], np.ndarray],
    compare: Callable[[np.ndarray, np.ndarray], Estimate],
    level: float,
    seed: int,
) -> Table[AttributeRow]:
    """Every attribute, the one that matters most first; those with one group of 20 customers or none are left out.

    Args:
        rows: Customers held out.
        predict: The model's chance for a matrix.
        compare: Paired difference of ROC-AUC, first less second.
        level: Confidence of the intervals.
        seed: Of the dealing.

    References:
        Breiman (2001), Random Forests, Machine Learning 45, section 10, for the importance by permutation.
    """
    deal = np.random.default_rng(seed)
    found = []
    for i, feature in enumerate(rows.features):
        groups = [g for g in _groups(rows.X[:, i], feature) if g[1].sum() >= FEWEST_IN_GROUP]
        if len(groups) < 2:
            continue
        dealt = rows.X.copy(order="F")
        dealt[:, i] = deal.permutation(dealt[:, i])
        groups.sort(key=lambda group: float(rows.p[group[1]].mean()))
        (least, few), (most, many) = groups[0], groups[-1]
        found.append(
            AttributeRow(
                attribute=feature.name,
                auc_lost=compare(rows.p, predict(dealt)),
                lost_most=most,
                share_most=_share(rows.y[many], level),
                lost_least=least,
                share_least=_share(rows.y[few], level),
            )
        )
    found.sort(key=lambda row: -row.auc_lost.point)
    return Table(name="attributes on the customers held out", rows=tuple(found))


def tell_attributes(table: Table[AttributeRow]) -> tuple[str, ...]:
    """The attributes that matter most, in sentences."""
    return tuple(
        f"{row.attribute}: without it ROC-AUC is {format_number(row.auc_lost.point)} lower; "
        f"{row.share_most.point:.0%} were lost of {row.lost_most}, {row.share_least.point:.0%} of {row.lost_least}"
        for row in list(table)[:SENTENCES]
        if row.auc_lost.ci_lower > 0
    )


def _groups(x: np.ndarray, feature: Feature) -> Iterator[tuple[str, np.ndarray]]:
    """Values of a category, quarters of a number, and those without a value, each with its rows."""
    missing = np.isnan(x)
    if missing.any():
        yield MISSING, missing
    if feature.kind == "category":
        for code, value in enumerate(feature.categories):
            yield value, x == code
        return
    if missing.all():
        return
    edges = np.unique(np.quantile(x[~missing], np.linspace(0, 1, NUMBER_GROUPS + 1)[1:-1]))
    which = np.searchsorted(edges, x, side="left")
    for k in range(len(edges) + 1):
        words = (
            f"above {format_number(float(edges[-1]))}" if k == len(edges) else f"up to {format_number(float(edges[k]))}"
        )
        if 0 < k < len(edges):
            words = f"above {format_number(float(edges[k - 1]))} {words}"
        yield words, (which == k) & ~missing


def _share(lost: np.ndarray, level: float) -> Estimate:
    clusters = Clusters.of(np.arange(len(lost)))
    return mean_of(lost).estimate(clusters, level=level, unit="share", method="mean", between_0_and_1=True)


__all__ = ["AttributeRow", "HeldOut", "explain_attributes", "tell_attributes"]
