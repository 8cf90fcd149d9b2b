"""A standing model asked about rows that were encoded for another."""

from __future__ import annotations

import numpy as np

from netlift.errors import SchemaDriftError
from netlift.estimators.stored import OTHER, StoredModel
from netlift.features.matrix import Feature


def encode_for(model: StoredModel, X: np.ndarray, features: tuple[Feature, ...]) -> np.ndarray:
    """The matrix in a model's own columns and category codes.

    Args:
        model: The model to ask.
        X: Values, shape (n, k), categories coded by `features`.
        features: The k columns of `X`.

    Returns:
        float32, shape (n, the model's features), Fortran order.

    Raises:
        SchemaDriftError: The model learned from a column that is not there.
    """
    position = {feature.name: i for i, feature in enumerate(features)}
    missing = [name for name in model.names if name not in position]
    if missing:
        raise SchemaDriftError(f"the standing model learned from {missing[:5]}, which are no features any more")
    out = np.empty((len(X), len(model.names)), dtype=np.float32, order="F")
    for column, own in enumerate(model.features):
        given = features[position[own["name"]]]
        x = X[:, position[own["name"]]]
        if own["kind"] == "category" and list(given.categories) != own["categories"]:
            known = {value: code for code, value in enumerate(own["categories"])}
            codes = np.array([known.get(value, known[OTHER]) for value in given.categories], dtype=np.float32)
            x = np.where(np.isnan(x), np.nan, codes[np.nan_to_num(x).astype(np.int64)])
        out[:, column] = x
    return out
