"""Credibility means by cell: baselines without machine learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.errors import DataError
from netlift.estimators.expression import Expression
from netlift.estimators.rows import LabelledRows

MISSING_EDGE = float(np.finfo(np.float32).max)


def fit_cells(rows: LabelledRows, y: np.ndarray, names: Sequence[str], *, cells: int) -> Expression:
    """Mean label by cells of quantiles; a missing value has a cell of its own.

    A cell's mean is trusted by its credibility n / (n + k), k being the variance within cells over that between them.
    What is taken from small cells is given back as the mean of what was taken, so the total stays that of the data.

    Args:
        rows: Rows to learn from.
        y: What is averaged, shape (n,).
        names: Features whose quantiles make the cells.
        cells: Quantile cells per feature.

    Raises:
        DataError: A feature is not among the rows' features.

    References:
        Bühlmann, Gisler (2005), A Course in Credibility Theory and its Applications, section 4.8.
    """
    columns = [_column(rows, name) for name in names]
    edges = [_edges(x, cells) for x in columns]
    index = np.zeros(len(y), dtype=np.int64)
    for x, edge in zip(columns, edges, strict=True):
        index = index * (len(edge) + 1) + np.searchsorted(edge, x, side="right")
    values = _credible_means(y, index, cells=int(np.prod([len(edge) + 1 for edge in edges])))
    return {
        "op": "cells",
        "names": list(names),
        "edges": [edge.tolist() for edge in edges],
        "values": values.tolist(),
    }


def _column(rows: LabelledRows, name: str) -> np.ndarray:
    if all(feature.name != name for feature in rows.features):
        raise DataError(f"the feature {name} is needed and not there: take it out of `exclude`, or drop the candidate")
    return rows.column(name).astype(np.float64)


def _edges(x: np.ndarray, cells: int) -> np.ndarray:
    """Inner quantiles, and behind them an edge that only a missing value passes."""
    known = x[~np.isnan(x)]
    inner = np.unique(np.quantile(known, np.arange(1, cells) / cells, method="inverted_cdf")) if len(known) else known
    return np.append(inner, MISSING_EDGE) if len(known) < len(x) else inner


def _credible_means(y: np.ndarray, index: np.ndarray, *, cells: int) -> np.ndarray:
    n = np.bincount(index, minlength=cells).astype(np.float64)
    total = np.bincount(index, weights=y, minlength=cells)
    used = n > 0
    mean = np.divide(total, n, out=np.zeros(cells), where=used)
    freedom = len(y) - used.sum()
    within = float(np.sum((y - mean[index]) ** 2) / freedom) if freedom > 0 else 0.0
    spread = np.sum(n * (mean - y.mean()) ** 2) - (used.sum() - 1) * within
    between = float(spread / (len(y) - np.sum(n**2) / len(y))) if used.sum() > 1 else 0.0
    trust = n / (n + within / between) if between > 0 else np.zeros(cells)
    taken = n * (1 - trust)
    rest = float(np.sum(taken * mean) / taken.sum()) if taken.sum() > 0 else float(y.mean())
    return trust * mean + (1 - trust) * rest
