"""Baseline: average effects by recency and frequency cell.

For a cell of recency and frequency and an offer, with w = 1 / p the inverse of the logged propensities and y profit
less the mean of the campaign,

    d    weighted mean of y of the offer's rows less that of control's, of campaigns that had the offer    (Hájek)
    s²   its variance, customers clustered, with `PRIOR_ROWS` rows of the variance of all
    t²   variance of the cells' true effects beyond s²                                            (DerSimonian, Laird)
    uplift = mean effect + (d - mean of d) · t² / (t² + s²)

moved so that the rows' mean uplift is the offer's mean effect. Where cells do not differ by more than noise, all get
the mean. Rules of this kind are hard to beat: it is always in the comparison.

References:
    DerSimonian, Laird (1986), Meta-Analysis in Clinical Trials. Efron, Morris (1975), Data Analysis Using Stein's
    Estimator and its Generalizations, JASA.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.estimators.credibility import MISSING_EDGE
from netlift.estimators.expression import Expression, constant, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.randomization import average_effects, pair_of

RECENCY = ("days_since_last_purchase", "recency_days", "recency")
FREQUENCY = ("purchase_days_365d", "purchases_365d", "purchase_days_all", "purchases_all", "frequency")
CELLS = 5  # per feature
FEWEST = 30  # rows of either arm, below which a cell says nothing of its own
PRIOR_ROWS = 100.0
NOTE = "cells of {names}: the marketer's rule, each cell's mean effect shrunk toward the offer's"
BARE = "neither a recency ({recency}) nor a frequency ({frequency}) is among the features: each offer's average effect"


def fit_recency_frequency(rows: ContactRows) -> Candidate:
    """Fit the rule; without its features each offer is worth its average, and the notes say so."""
    known = {feature.name for feature in rows.features}
    names = [name for wanted in (RECENCY, FREQUENCY) if (name := next((w for w in wanted if w in known), None))]
    effects = average_effects(rows)
    if names:
        expressions, found = _cells_of_offers(rows, names, effects)
        notes = (NOTE.format(names=" and ".join(names)), *found)
    else:
        expressions = [constant(effect) for effect in effects]
        notes = (BARE.format(recency=", ".join(RECENCY), frequency=", ".join(FREQUENCY)),)
    outputs = [
        (f"uplift_{offer}", "currency", expression) for offer, expression in zip(rows.offers, expressions, strict=True)
    ]
    return Candidate(
        name="recency_frequency",
        files=write_files(task="uplift", features=rows.features, outputs=outputs, boosters={}),
        params={"cells": CELLS ** len(names)},
        notes=notes,
    )


def _cells_of_offers(
    rows: ContactRows, names: Sequence[str], effects: np.ndarray
) -> tuple[list[Expression], list[str]]:
    """An expression per offer, and what was kept of the differences between cells."""
    position = {feature.name: i for i, feature in enumerate(rows.features)}
    columns = [rows.X[:, position[name]].astype(np.float64) for name in names]
    edges = [cell_edges(x, CELLS) for x in columns]
    cell = np.zeros(len(rows), dtype=np.int64)
    for x, edge in zip(columns, edges, strict=True):
        cell = cell * (len(edge) + 1) + np.searchsorted(edge, x, side="right")
    cells = int(np.prod([len(edge) + 1 for edge in edges]))
    expressions, notes = [], []
    for arm, (offer, effect) in enumerate(zip(rows.offers, effects, strict=True), start=1):
        found, variance = cell_effects(rows, arm, cell, cells=cells)
        values, kept = shrink_cells(found, variance, float(effect), np.bincount(cell, minlength=cells))
        expressions.append(
            {
                "op": "cells",
                "names": list(names),
                "edges": [edge.tolist() for edge in edges],
                "values": values.tolist(),
            }
        )
        notes.append(f"{offer}: {kept:.0%} of the differences between cells kept")
    return expressions, notes


def cell_edges(x: np.ndarray, cells: int) -> np.ndarray:
    """Inner quantiles, and behind them an edge that only a missing value passes.

    Examples:
        >>> cell_edges(np.array([1.0, 2.0, 3.0, 4.0]), 2).tolist()
        [2.0]
    """
    known = x[~np.isnan(x)]
    inner = np.unique(np.quantile(known, np.arange(1, cells) / cells, method="inverted_cdf")) if len(known) else known
    return np.append(inner, MISSING_EDGE) if len(known) < len(x) else inner


def cell_effects(rows: ContactRows, arm: int, cell: np.ndarray, *, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean effect of an offer in each cell and its variance, shape (cells,) each; variance inf where rows are too few.

    Args:
        rows: Contact rows.
        arm: The offer's.
        cell: Of each row, shape (n,).
        cells: How many there are.
    """
    use = np.flatnonzero(pair_of(rows, arm))
    offered, at, weight = rows.arm[use] == arm, cell[use], 1.0 / rows.propensity[use]
    _, campaign = np.unique(rows.campaign[use], return_inverse=True)
    mean = np.bincount(campaign, weights=weight * rows.y[use]) / np.bincount(campaign, weights=weight)
    side = at + cells * offered
    size = np.bincount(side, minlength=2 * cells)
    total = np.bincount(side, weights=weight, minlength=2 * cells)
    y = rows.y[use] - mean[campaign]
    level = np.bincount(side, weights=weight * y, minlength=2 * cells) / np.where(total > 0, total, 1.0)
    residual, pull = y - level[side], weight / total[side] * np.where(offered, 1.0, -1.0)
    pooled = np.average(residual**2, weights=weight) * np.bincount(at, weights=pull**2, minlength=cells)
    _, customer = np.unique(rows.customer[use], return_inverse=True)
    pairs, of = np.unique(customer * cells + at, return_inverse=True)
    own = np.bincount(pairs % cells, weights=np.bincount(of, weights=pull * residual) ** 2, minlength=cells)
    count = np.bincount(at, minlength=cells)
    variance = (count * own + PRIOR_ROWS * pooled) / (count + PRIOR_ROWS)
    enough = np.minimum(size[:cells], size[cells:]) >= FEWEST
    return level[cells:] - level[:cells], np.where(enough, variance, np.inf)


def shrink_cells(found: np.ndarray, variance: np.ndarray, effect: float, size: np.ndarray) -> tuple[np.ndarray, float]:
    """Effects shrunk toward the mean and moved to it, shape (cells,), and the share kept, mean over rows.

    Args:
        found: Effect of each cell, shape (cells,).
        variance: Of `found`; inf or zero where the cell says nothing.
        effect: Mean effect of the offer, which the rows' mean becomes.
        size: Rows in each cell, shape (cells,).

    Examples:
        >>> shrink_cells(np.array([0.0, 2.0]), np.array([1e-9, 1e-9]), 1.0, np.array([5, 5]))[0].round(6).tolist()
        [0.0, 2.0]
        >>> shrink_cells(np.array([0.9, 1.1]), np.array([1.0, 1.0]), 1.0, np.array([5, 5]))[0].tolist()
        [1.0, 1.0]
    """
    says = np.isfinite(variance) & (variance > 0)
    precision = np.where(says, 1.0 / np.where(says, variance, 1.0), 0.0)
    total = precision.sum()
    spread = total - np.sum(precision**2) / total if total > 0 else 0.0
    if spread <= 0:
        return np.full(len(found), effect), 0.0
    mean = float(np.sum(precision * found) / total)
    excess = float(np.sum(precision * (found - mean) ** 2)) - (says.sum() - 1)
    between = max(0.0, excess / float(spread))
    kept = np.where(says, between / (between + np.where(says, variance, 1.0)), 0.0)
    values = kept * np.where(says, found - mean, 0.0)
    return effect + values - np.average(values, weights=size), float(np.average(kept, weights=size))
