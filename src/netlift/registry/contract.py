"""What a registered model takes and gives, as mlflow writes it down, and how a frame is made to fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.settings import did_you_mean
from netlift.errors import SchemaDriftError
from netlift.estimators.stored import OTHER

if TYPE_CHECKING:
    import pandas as pd


def build_signature(
    features: Sequence[Mapping[str, Any]], outputs: Sequence[str], *, worded: Collection[str] = ()
) -> Any:
    """The signature: numbers are double, categories string, outputs double or string.

    Args:
        features: As in `model.json`: name and kind of each.
        outputs: Names.
        worded: Those of them that are text.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string" if f["kind"] == "category" else "double", f["name"]) for f in features]),
        outputs=Schema([ColSpec("string" if name in worded else "double", name) for name in outputs]),
    )


def build_example(features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One customer made from the names alone, nobody's data: zeros, and "other" for every category.

    Examples:
        >>> build_example([{"name": "age_years", "kind": "number"}, {"name": "region", "kind": "category"}])
           age_years region
        0        0.0  other
    """
    import pandas as pd

    return pd.DataFrame({f["name"]: [OTHER if f["kind"] == "category" else 0.0] for f in features})


def align(frame: pd.DataFrame, features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The columns of a model, in its order and types: float64, and text as objects with None where it is missing.

    mlflow refuses flags, categoricals and some integers in place of what the signature says; this makes them fit.

    Args:
        frame: A row per customer; further columns are left out.
        features: As in `model.json`: name and kind of each.

    Raises:
        SchemaDriftError: A column is missing, or holds text where a number is needed.
    """
    import pandas as pd

    missing = [f["name"] for f in features if f["name"] not in frame.columns]
    if missing:
        near = did_you_mean(missing[0], [str(name) for name in frame.columns], quote_all=False)
        raise SchemaDriftError(f"{len(missing)} columns of training are missing, the first is {missing[0]}{near}")
    columns: dict[str, Any] = {}
    for feature in features:
        column = frame[feature["name"]]
        if feature["kind"] == "category":
            text = column.astype(object)
            columns[feature["name"]] = text.where(text.notna(), None)
        else:
            columns[feature["name"]] = _numbers(column)
    return pd.DataFrame(columns, index=frame.index)


def _numbers(column: pd.Series) -> np.ndarray:
    import pandas as pd

    found = pd.api.types.infer_dtype(column, skipna=True)
    if found not in ("floating", "integer", "mixed-integer-float", "boolean", "decimal", "empty"):
        raise SchemaDriftError(f"column {column.name} holds {found} where numbers are needed: make it as in training")
    return np.asarray(pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan))
