"""The stored form of every fitted estimator: JSON and LightGBM text, interpreted here and nowhere else.

A stored model is a folder of files. `model.json` names the input columns and, per output, a small expression over
them; boosters are LightGBM text files beside it. What is judged in training is this form, so that the judged model and
the served model are the same thing. The file imports nothing of netlift but its formulas, `process_formulas.py`: both
are copied whole into the registered model, which therefore loads wherever mlflow, lightgbm, numpy, pandas, scipy are.
Where netlift itself is installed as well, `compiled_forest.py` gives many rows the same scores sooner.

Expressions, each a JSON object with `op`:

- `constant`: `value`.
- `column`: `name`, the number as given.
- `booster`: `file`, `extra` (expressions whose values are put behind the features), `append` (constants put behind
  those, such as an arm's flags), `link` (`identity`, `sigmoid`, `exp`), `init` (added to the score before the link).
- `ziln`: `file` of a booster with three raw scores (chance of more than zero, mean and spread of the logarithm),
  `extra` likewise, `init` (three, added to them), `sigma` (one spread for all; null: each row's own), `what`: `mean`.
- `logistic` / `least_squares`: `names`, `fill` (for missing), `mean`, `scale`, `coef`, `intercept`; optional
  `transform`, one object per name before scaling: `{}`, `{"low", "high", "log"}` (clip, then signed log(1 + |x|)),
  `{"missing": true}` (1 where missing) or `{"equals": code}` (1 where the category is that one).
- `cells`: `names`, `edges` (one sorted list per name), `values` (flat, last name fastest): a value per cell.
- `interpolate`: `x`, `y` (sorted, piecewise linear, flat outside), `of`.
- `linear`: `intercept`, `weights`, `of` (a list of expressions).
- `product`: `of` (a list of expressions).
- `maximum`: the largest of `of` (a list of expressions).
- `name_of_largest`: text, so only as a whole output: the one of `names` whose value of `of` (a list of expressions) is
  largest and above 0, the first of equals; `none` where no value is above 0; `unknown` (null: missing) where one of
  them is missing.
- `ratio`: first over second of `of`, `fallback` where the second is zero.
- `negate_of_one`: 1 - `of`.
- `own`: `path` (`package.module:Name` of a class with `load(text)` and `predict(frame)`), `text` its file, `column`
  of what it predicts (null: it predicts one). The package must be importable where the model is asked.
- `purchase_process`: `family`, `r`, `alpha`, `a`, `b`, `unit_days`, `names` (purchase days, age at the last and time
  since the first, in days), `what`: `p_alive` (alive `to_days` from now) or `purchases` (expected purchase days between
  `from_days` and `to_days` from now). Of a customer without a purchase day nothing is known: NaN.
- `spend`: `p`, `q`, `gamma`, `names` (purchase days, money of them): expected money of a purchase day; the population's
  mean for customers without a purchase day or without money above zero.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from netlift.estimators.process_formulas import (
    PurchaseMixture,
    SpendMixture,
    expected_purchases,
    mean_spend,
    p_alive_after,
)

FORMAT = 1
OTHER = "other"
LEAST_SIGMA = 0.01
BLOCK = 1 << 17  # rows evaluated at once, which bounds memory
FORESTS = "netlift.estimators.compiled_forest"
Node = Mapping[str, Any]
Known = dict[str, np.ndarray]


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
        threads: Threads used by `predict`.

    Attributes:
        spec: `model.json`.
        features: Name and kind of each input column.
        names: Their names.
        outputs: Names of the outputs.
        worded: Those of them that are text; the others are numbers.

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
        self.worded = {o["name"] for o in self.spec["outputs"] if o["expression"]["op"] == "name_of_largest"}
        self._threads = threads
        self._position = {name: i for i, name in enumerate(self.names)}
        self._texts = {name: _read_text(files, name) for name in sorted(_booster_files(self.spec))}
        self._boosters: dict[str, Any] = {}
        self._own = {
            node["text"]: load_own_learner(node["path"], _read_text(files, node["text"]))
            for node in _nodes(self.spec)
            if node.get("op") == "own"
        }
        self._forests = _compiled_forests(self.spec, self._texts, threads)

    @property
    def can_compile(self) -> bool:
        """Whether netlift is there to compile boosters, or none has to be."""
        return self._forests is not None or not self._texts

    @property
    def routes(self) -> dict[str, str]:
        """How each booster was asked last, by file: "compiled", or "booster: " and why it was not."""
        alone = dict.fromkeys(self._texts, "booster: netlift is not installed beside the model")
        return alone if self._forests is None else dict(self._forests.routes)

    def load_boosters(self) -> None:
        """Read all boosters now rather than when they are first asked, so that no request waits for it."""
        for name in self._texts:
            self._booster(name)

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

    def predict_matrix(self, X: np.ndarray, *, only: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Outputs by name, float64 or object of str, shape (n,), from an encoded matrix of shape (n, features).

        Args:
            X: float32, shape (n, features).
            only: Names of the outputs asked for; None for all.
        """
        if self._forests is not None:
            self._forests.expect(len(X))
        asked = [output for output in self.spec["outputs"] if only is None or output["name"] in only]
        found = {o["name"]: np.empty(len(X), dtype=object if o["name"] in self.worded else float) for o in asked}
        for first in range(0, len(X), BLOCK):
            rows = slice(first, first + BLOCK)
            known: Known = {}
            for output in asked:
                found[output["name"]][rows] = self._evaluate(output["expression"], X[rows], known)
        return found

    def _evaluate(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        """Values of an expression, shape (n,); a costly one that several others share is computed once."""
        evaluate = _OPS.get(node["op"])
        if evaluate is None:
            raise StoredModelError(f"model.json holds an unknown expression {node['op']!r}")
        if node["op"] not in _COSTLY:
            return evaluate(self, node, X, known)
        key = json.dumps(node, sort_keys=True)
        if key not in known:
            known[key] = evaluate(self, node, X, known)
        return known[key]

    def _evaluate_all(self, nodes: list[Node], X: np.ndarray, known: Known) -> list[np.ndarray]:
        return [self._evaluate(node, X, known) for node in nodes]

    def _column(self, name: str, X: np.ndarray) -> np.ndarray:
        return X[:, self._position[name]].astype(np.float64)

    def _evaluate_linear(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        total = np.full(len(X), float(node["intercept"]))
        for weight, of in zip(node["weights"], node["of"], strict=True):
            total += weight * self._evaluate(of, X, known)
        return total

    def _evaluate_ratio(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        over, under = self._evaluate_all(node["of"], X, known)
        return np.divide(over, under, out=np.full(len(X), float(node["fallback"])), where=under != 0)

    def _scores(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        """Raw scores of a booster, shape (n,) or (n, 3), on the features, its extra columns and its constants."""
        extra = [self._extra(of, X, known) for of in node.get("extra", [])]
        found = None if self._forests is None else self._forests.score(node, X, extra, known)
        if found is not None:
            return np.asarray(found)
        extra += [np.full(len(X), value, dtype=np.float32) for value in node.get("append", [])]
        wide = np.column_stack([X, *extra]) if extra else X
        return np.asarray(self._booster(node["file"]).predict(wide, raw_score=True, num_threads=self._threads))

    def _extra(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        """An extra column, float32, shape (n,), computed once for all boosters."""
        key = f"extra {json.dumps(node, sort_keys=True)}"
        if key not in known:
            known[key] = self._evaluate(node, X, known).astype(np.float32)
        return known[key]

    def _booster(self, name: str) -> Any:
        if name not in self._boosters:
            import lightgbm as lgb

            self._boosters[name] = lgb.Booster(model_str=self._texts[name])
        return self._boosters[name]

    def _evaluate_own(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        key = f"own {node['text']}"
        if key not in known:
            predicted = self._own[node["text"]].predict(as_frame(X, self.features))
            known[key] = np.asarray(predicted, dtype=np.float64).reshape(len(X), -1)
        return known[key][:, node["column"] or 0]

    def _evaluate_booster(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        score = self._scores(node, X, known).astype(np.float64) + float(node.get("init", 0.0))
        link = node.get("link", "identity")
        if link == "sigmoid":
            return _sigmoid(score)
        return np.exp(score) if link == "exp" else score

    def _evaluate_ziln(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        scores = self._scores(node, X, known).astype(np.float64) + np.asarray(node["init"], dtype=np.float64)
        if node["what"] != "mean":
            raise StoredModelError(f"model.json asks a zero-inflated log-normal for {node['what']!r}, not for its mean")
        return ziln_mean(scores, node["sigma"])

    def _evaluate_process(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        if node["what"] not in ("p_alive", "purchases"):
            raise StoredModelError(f"model.json asks a purchase process for {node['what']!r}")
        if node["from_days"] > 0:
            until = ({**node, "from_days": 0.0, "to_days": days} for days in (node["to_days"], node["from_days"]))
            later, sooner = self._evaluate_all(list(until), X, known)
            return later - sooner
        days, age_at_last, since_first = (self._column(name, X) for name in node["names"])
        bought = np.flatnonzero(days >= 1)
        mixture = PurchaseMixture(**{name: node[name] for name in ("family", "r", "alpha", "a", "b", "unit_days")})
        t_x, T = age_at_last[bought] / mixture.unit_days, since_first[bought] / mixture.unit_days
        of = p_alive_after if node["what"] == "p_alive" else expected_purchases
        value = np.full(len(X), np.nan)
        value[bought] = of(mixture, days[bought] - 1.0, t_x, T, node["to_days"])
        return value

    def _evaluate_spend(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        days, money = (self._column(name, X) for name in node["names"])
        known_spend = (days >= 1) & (money > 0)
        count = np.where(known_spend, days, 0.0)
        mean = np.divide(money, days, out=np.zeros(len(X)), where=known_spend)
        return mean_spend(SpendMixture(p=node["p"], q=node["q"], gamma=node["gamma"]), mean, count)

    def _evaluate_scaled(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        score = np.full(len(X), float(node["intercept"]))
        transforms = node.get("transform", [{}] * len(node["names"]))
        parts = zip(node["names"], transforms, node["fill"], node["mean"], node["scale"], node["coef"], strict=True)
        for name, transform, fill, mean, scale, coef in parts:
            x = self._column(name, X)
            score += coef * (transform_column(x, transform, fill) - mean) / scale
        return _sigmoid(score) if node["op"] == "logistic" else score

    def _evaluate_cells(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        cell = np.zeros(len(X), dtype=np.int64)
        for name, edges in zip(node["names"], node["edges"], strict=True):
            x = self._column(name, X)
            cell = cell * (len(edges) + 1) + np.searchsorted(np.asarray(edges, dtype=np.float64), x, side="right")
        return np.asarray(node["values"], dtype=np.float64)[cell]

    def _evaluate_name(self, node: Node, X: np.ndarray, known: Known) -> np.ndarray:
        values = np.column_stack([np.zeros(len(X)), *self._evaluate_all(node["of"], X, known)])
        found = np.array([node["none"], *node["names"]], dtype=object)[values.argmax(axis=1)]
        found[np.isnan(values).any(axis=1)] = node.get("unknown")
        return found


_OPS: dict[str, Callable[[StoredModel, Node, np.ndarray, Known], np.ndarray]] = {
    "constant": lambda model, node, X, known: np.full(len(X), float(node["value"])),
    "column": lambda model, node, X, known: model._column(node["name"], X),
    "booster": StoredModel._evaluate_booster,
    "own": StoredModel._evaluate_own,
    "ziln": StoredModel._evaluate_ziln,
    "logistic": StoredModel._evaluate_scaled,
    "least_squares": StoredModel._evaluate_scaled,
    "cells": StoredModel._evaluate_cells,
    "interpolate": lambda model, node, X, known: np.interp(model._evaluate(node["of"], X, known), node["x"], node["y"]),
    "linear": StoredModel._evaluate_linear,
    "product": lambda model, node, X, known: np.prod(model._evaluate_all(node["of"], X, known), axis=0),
    "maximum": lambda model, node, X, known: np.max(model._evaluate_all(node["of"], X, known), axis=0),
    "name_of_largest": StoredModel._evaluate_name,
    "ratio": StoredModel._evaluate_ratio,
    "negate_of_one": lambda model, node, X, known: 1.0 - model._evaluate(node["of"], X, known),
    "purchase_process": StoredModel._evaluate_process,
    "spend": StoredModel._evaluate_spend,
}
_BOOSTED = ("booster", "ziln")
_COSTLY = (*_BOOSTED, "purchase_process")


def load_own_learner(path: str, text: str) -> Any:
    """A learner of a user's package from its text.

    Raises:
        StoredModelError: The package cannot be imported, or has no such class.
    """
    module, _, name = path.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StoredModelError(
            f"this model was learned by {path}, which cannot be imported here ({error}): install its package, or "
            "promote a model without it"
        ) from error
    return kind.load(text)


def as_frame(X: np.ndarray, features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """An encoded matrix as a frame: numbers, and categories as pandas categoricals."""
    columns: dict[str, Any] = {}
    for i, feature in enumerate(features):
        column = X[:, i]
        if feature["kind"] == "category":
            codes = np.where(np.isnan(column), -1, column).astype(np.int64)
            columns[feature["name"]] = pd.Categorical.from_codes(
                codes, categories=pd.Index(list(feature["categories"]))
            )
        else:
            columns[feature["name"]] = column
    return pd.DataFrame(columns, index=range(len(X)))


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


def ziln_mean(scores: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """Mean of a zero-inflated log-normal, q·exp(μ + s²/2), shape (n,).

    Args:
        scores: Logit of q, μ, and the score of s by `ziln_sigma`, shape (n, 3).
        sigma: One s for all, instead of each row's own.

    References:
        Wang, Liu, Miao (2019), A Deep Probabilistic Model for Customer Lifetime Value Prediction.
    """
    spread = ziln_sigma(scores[:, 2]) if sigma is None else sigma
    return np.asarray(_sigmoid(scores[:, 0]) * np.exp(scores[:, 1] + spread**2 / 2))


def ziln_sigma(score: np.ndarray) -> np.ndarray:
    """Spread of the logarithm from its raw score: softplus, floored, shape (n,)."""
    return np.asarray(np.maximum(np.logaddexp(0.0, score), LEAST_SIGMA))


def _sigmoid(score: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)))


def _booster_files(spec: Any) -> set[str]:
    return {node["file"] for node in _nodes(spec) if node.get("op") in _BOOSTED}


def _nodes(node: Any) -> Iterator[Node]:
    """Every mapping within."""
    if isinstance(node, Mapping):
        yield node
    if isinstance(node, Mapping | list):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from _nodes(value)


def _read_text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise StoredModelError(f"model.json names {name}, which is not among {sorted(files)}")
    return files[name].decode()


def _compiled_forests(spec: Mapping[str, Any], texts: Mapping[str, str], threads: int) -> Any:
    """`CompiledForest` of the boosters; None where netlift is not installed, as for a registered model on its own."""
    try:
        forests = importlib.import_module(FORESTS)
    except ImportError:
        return None
    return forests.CompiledForest(spec, texts, threads=threads)
