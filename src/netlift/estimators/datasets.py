"""LightGBM data sets, each with bins of its own.

Sets that share the bins of a larger one (`Dataset.subset`, or trees grown on a set made with `reference`) corrupt
memory in LightGBM 4.7 where values are missing: segmentation faults, and worse, silence. Sorting the rows of a fit into
bins anew costs a few hundredths of the fit. A set that is only watched, by early stopping, has the bins of the one it
watches: no histogram is ever made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.features.matrix import Feature

if TYPE_CHECKING:
    import lightgbm as lgb


def make_dataset(
    X: np.ndarray,
    features: Sequence[Feature],
    label: np.ndarray,
    *,
    params: Mapping[str, Any],
    weight: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    watches: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """Rows with a label, sorted into bins.

    Args:
        X: Values of these rows, float32, shape (m, k); a category is its code.
        features: The k features.
        label: Shape (m,).
        params: LightGBM parameters that bear on bins.
        weight: Shape (m,); None where all count alike.
        offset: Raw score that trees are added to, shape (m,); None for none.
        watches: The set grown on, when these rows are only watched.
    """
    import lightgbm as lgb

    categories = [i for i, feature in enumerate(features) if feature.kind == "category"]
    return lgb.Dataset(
        np.asfortranarray(X),
        label,
        weight=weight,
        init_score=offset,
        categorical_feature=categories,
        params=dict(params),
        reference=watches,
    ).construct()
