"""How plain mlflow runs a stored model; copied behind `estimators/stored.py` into the one code file of the model.

mlflow holds a request against the model's signature before it comes here: it names what is missing, and quotes the
request in its answer to the sender. What is refused here names columns and counts alone.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from netlift.estimators.stored import StoredModel, StoredModelError, verify_manifest

OVER_HTTP = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"  # mlflow sets it in the process that answers with JSON


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A stored model behind mlflow's interface; needs mlflow, lightgbm, numpy and pandas, nothing of netlift."""

    def load_context(self, context: Any) -> None:
        """Read the model's files and refuse them where they are not those that were registered."""
        folder = Path(context.artifacts["model"])
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        verify_manifest(files, files.pop("manifest.json"))
        self.model = StoredModel(files)
        self.model.load_boosters()  # now, and not while the first request waits
        if not self.model.can_compile:
            logging.getLogger("netlift").warning(
                "netlift is not installed beside the model, so LightGBM answers many rows too: the same numbers, later"
            )

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One column per output, one row per customer; over HTTP an unknown number is null, NaN elsewhere.

        Raises:
            StoredModelError: A column is missing, infinite numbers, or numbers where text is needed.
        """
        refuse_unfit(model_input, self.model.features)
        return answer(self.model.predict(model_input), over_http=os.environ.get(OVER_HTTP) == "true")


def refuse_unfit(frame: pd.DataFrame, features: list[dict[str, Any]]) -> None:
    """Refuse what the model would answer wrongly without a word; never with a value of a customer.

    Raises:
        StoredModelError: Infinite numbers, or something else than text in a column of categories.
    """
    for feature in features:
        name = feature["name"]
        if name not in frame.columns:
            continue  # the model itself names all that are missing
        if feature["kind"] != "category":
            infinite = count_infinite(frame[name])
            if infinite:
                raise StoredModelError(f"column {name}: {infinite} of {len(frame)} numbers are infinite: send null")
        elif (found := pd.api.types.infer_dtype(frame[name], skipna=True)) not in ("string", "categorical", "empty"):
            raise StoredModelError(f"column {name} holds {found} where text is needed: send it as in training")


def count_infinite(column: pd.Series) -> int:
    """Numbers that are infinite as float32, which is what trees are asked of."""
    with np.errstate(over="ignore"):
        return int(np.isinf(pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)).sum())


def answer(found: pd.DataFrame, *, over_http: bool) -> pd.DataFrame:
    """What is sent: JSON has no NaN, and strict readers refuse a whole answer for one."""
    if not over_http:
        return found
    return found.astype(object).where(found.notna(), None)


mlflow.models.set_model(ServedModel())
