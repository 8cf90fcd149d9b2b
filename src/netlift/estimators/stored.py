"""The stored form of every fitted estimator: JSON and LightGBM text, interpreted here and nowhere else.

A stored model is a folder of files. `model.json` names the input columns and, per output, a small expression over
them; boosters are LightGBM text files beside it. What is judged in training is this form, so that the judged model and
the served model are the same thing. The file imports nothing of netlift: it is copied whole into the registered model,
which therefore loads wherever mlflow, lightgbm, numpy and pandas are.

Expressions, each a JSON object with `op`:

- `constant`: `value`.
- `column`: `name`, the number as given.
- `booster`: `file`, `append` (constants put behind the features, such as an arm's flags), `link`
  (`identity`, `sigmoid`, `exp`), `init` (added to the raw score before the link).
- `logistic` / `least_squares`: `names`, `fill` (for missing), `mean`, `scale`, `coef`, `intercept`; optional
  `transform`, one object per name before scaling: `{}`, `{"low", "high", "log"}` (clip, then signed log(1 + |x|)),
  `{"missing": true}` (1 where missing) or `{"equals": code}` (1 where the category is that one).
- `cells`: `names`, `edges` (one sorted list per name), `values` (flat, last name fastest): a value per cell.
- `interpolate`: `x`, `y` (sorted, piecewise linear, flat outside), `of`.
- `linear`: `intercept`, `weights`, `of` (a list of expressions).
- `product`: `of` (a list of expressions).
- `negate_of_one`: 1 - `of`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

FORMAT = 1
OTHER = "other"


class StoredModelError(ValueError):
    """Files or input that this stored model cannot work with."""


def sha256(content: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def build_manifest(files: Mapping[str, bytes]) -> bytes:
    """The sha256 of each file, as JSON bytes in a fixed order."""
    digests = {name: sha256(files[name]) for name in sorted(files)}
    return json.dumps({"format": FORMAT, "sha256": digests}, indent=1).encode()


def verify_manifest(files: Mapping[str, bytes], manifest: bytes) -> None:
    """Refuse files that are not byte for byte those of the manifest.

    Raises:
        StoredModelError: A file is missing, added or changed.
    """
    expected: dict[str, str] = json.loads(manifest)["sha256"]
    if set(expected) != set(files):
        raise StoredModelError(f"files {sorted(files)} are not those of the manifest, {sorted(expected)}")
    changed = [name for name in sorted(files) if sha256(files[name]) != expected[name]]
    if changed:
        raise StoredModelError(f"{changed} changed since the model was registered: restore the files or retrain")


class StoredModel:
    """A fitted estimator read from its files.

    Args:
        files: File name to content; must hold `model.json` and each booster it names.
        threads: LightGBM threads used by `predict`.

    Raises:
        StoredModelError: `model.json` is of another format or names a missing file.
    """

    def __init__(self, files: Mapping[str, bytes], *, threads: int = 1) -> None:
        self.spec: dict[str, Any] = json.loads(files["model.json"])
        if self.spec.get("format") != FORMAT:
            raise StoredModelError(f"model.json has format {self.spec.get('format')!r}, this code reads {FORMAT}")
        self.features: list[dict[str, Any]] = self.spec["features"]
        self.names: list[str] = [feature["name"] for feature in self.features]
        self.outputs: list[str] = [output["name"] for output in self.spec["outputs"]]
        self._threads = threads
        self._position = {name: i for i, name in enumerate(self.names)}
        self._boosters = {name: _read_booster(files, name) for name in sorted(_booster_files(self.spec))}

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Outputs for a frame with one column per feature, categories as text; unseen categories become "other".

        Raises:
            StoredModelError: A column is missing.
        """
        return pd.DataFrame(self.predict_matrix(self.encode(frame)), index=frame.index)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """The matrix of a frame: float32, shape (n, features), categories as their codes, missing as NaN."""
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise StoredModelError(f"{len(missing)} columns of training are missing: {missing[:5]}")
        X = np.empty((len(frame), len(self.names)), dtype=np.float32, order="F")
        for i, feature in enumerate(self.features):
            column = frame[feature["name"]]
            if feature["kind"] == "category":
                X[:, i] = encode_categories(column, feature["categories"])
            else:
                X[:, i] = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        return X

    def predict_matrix(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each float64 of shape (n,), from an encoded matrix of shape (n, features)."""
        known: dict[str, np.ndarray] = {}
        return {output["name"]: self._evaluate(output["expression"], X, known) for output in self.spec["outputs"]}

    def _evaluate(self, node: Mapping[str, Any], X: np.ndarray, known: dict[str, np.ndarray]) -> np.ndarray:
        """Values of an expression, shape (n,); a booster that several outputs share is asked once."""
        op = node["op"]
        if op == "constant":
            return np.full(len(X), float(node["value"]))
        if op == "column":
            return X[:, self._position[node["name"]]].astype(np.float64)
        if op == "booster":
            key = json.dumps(node, sort_keys=True)
            if key not in known:
                known[key] = self._evaluate_booster(node, X)
            return known[key]
        if op in ("logistic", "least_squares"):
            score = self._evaluate_scaled(node, X)
            return _sigmoid(score) if op == "logistic" else score
        if op == "cells":
            return self._evaluate_cells(node, X)
        if op == "interpolate":
            return np.interp(self._evaluate(node["of"], X, known), node["x"], node["y"])
        if op == "linear":
            total = np.full(len(X), float(node["intercept"]))
            for weight, of in zip(node["weights"], node["of"], strict=True):
                total += weight * self._evaluate(of, X, known)
            return total
        if op == "product":
            product = np.ones(len(X))
            for of in node["of"]:
                product *= self._evaluate(of, X, known)
            return product
        if op == "negate_of_one":
            return 1.0 - self._evaluate(node["of"], X, known)
        raise StoredModelError(f"model.json holds an unknown expression {op!r}")

    def _evaluate_booster(self, node: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
        append = node.get("append", [])
        if append:
            extra = np.broadcast_to(np.asarray(append, dtype=np.float32), (len(X), len(append)))
            X = np.concatenate([X, extra], axis=1)
        raw = self._boosters[node["file"]].predict(X, raw_score=True, num_threads=self._threads)
        score = np.asarray(raw, dtype=np.float64) + float(node.get("init", 0.0))
        link = node.get("link", "identity")
        if link == "sigmoid":
            return _sigmoid(score)
        return np.exp(score) if link == "exp" else score

    def _evaluate_scaled(self, node: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
        score = np.full(len(X), float(node["intercept"]))
        transforms = node.get("transform", [{}] * len(node["names"]))
        parts = zip(node["names"], transforms, node["fill"], node["mean"], node["scale"], node["coef"], strict=True)
        for name, transform, fill, mean, scale, coef in parts:
            x = X[:, self._position[name]].astype(np.float64)
            score += coef * (transform_column(x, transform, fill) - mean) / scale
        return score

    def _evaluate_cells(self, node: Mapping[str, Any], X: np.ndarray) -> np.ndarray:
        cell = np.zeros(len(X), dtype=np.int64)
        for name, edges in zip(node["names"], node["edges"], strict=True):
            x = X[:, self._position[name]].astype(np.float64)
            cell = cell * (len(edges) + 1) + np.searchsorted(np.asarray(edges, dtype=np.float64), x, side="right")
        return np.asarray(node["values"], dtype=np.float64)[cell]


def encode_categories(column: pd.Series, categories: list[str]) -> np.ndarray:
    """Codes of text by position in `categories`; unseen text becomes the code of "other", missing becomes NaN."""
    codes = pd.Categorical(column, categories=categories).codes.astype(np.float32)
    absent = column.isna().to_numpy()
    codes[(codes < 0) & ~absent] = categories.index(OTHER) if OTHER in categories else np.nan
    codes[absent] = np.nan
    return codes


def transform_column(x: np.ndarray, transform: Mapping[str, Any], fill: float) -> np.ndarray:
    """One input of a linear score before scaling, shape (n,); the module's docstring lists the transforms."""
    if "equals" in transform:
        return (x == transform["equals"]).astype(np.float64)
    if "missing" in transform:
        return np.isnan(x).astype(np.float64)
    filled = np.where(np.isnan(x), fill, x)
    if "low" in transform:
        filled = np.clip(filled, transform["low"], transform["high"])
    return np.sign(filled) * np.log1p(np.abs(filled)) if transform.get("log") else filled


def _sigmoid(score: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)))


def _booster_files(node: Any) -> set[str]:
    if isinstance(node, Mapping):
        own = {node["file"]} if node.get("op") == "booster" else set()
        return own.union(*(_booster_files(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_booster_files(value) for value in node)) if node else set()
    return set()


def _read_booster(files: Mapping[str, bytes], name: str) -> Any:
    import lightgbm as lgb

    if name not in files:
        raise StoredModelError(f"model.json names {name}, which is not among {sorted(files)}")
    return lgb.Booster(model_str=files[name].decode())
