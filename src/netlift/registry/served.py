"""How plain mlflow runs a stored model; copied behind `estimators/stored.py` into the one code file of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from netlift.estimators.stored import StoredModel, verify_manifest


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A stored model behind mlflow's interface; needs mlflow, lightgbm, numpy and pandas, nothing of netlift."""

    def load_context(self, context: Any) -> None:
        """Read the model's files and refuse them where they are not those that were registered."""
        folder = Path(context.artifacts["model"])
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        verify_manifest(files, files.pop("manifest.json"))
        self.model = StoredModel(files)
        self.model.load_boosters()  # now, and not while the first request waits

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One column per output, one row per customer."""
        return self.model.predict(model_input)


mlflow.models.set_model(ServedModel())
