"""Writing the stored form: expressions over features, put together into files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from netlift.estimators.stored import FORMAT
from netlift.features.matrix import Feature

Expression = dict[str, Any]


def write_files(
    *,
    task: str,
    features: Sequence[Feature],
    outputs: Sequence[tuple[str, str, Expression]],
    boosters: Mapping[str, str],
) -> dict[str, bytes]:
    """The files of a stored model.

    Args:
        task: churn, ltv or uplift.
        features: Input columns, in order.
        outputs: Name, unit and expression of each output.
        boosters: File name to LightGBM model text.

    Returns:
        File name to content; the same arguments give the same bytes.
    """
    spec = {
        "format": FORMAT,
        "task": task,
        "features": [
            {"name": f.name, "kind": f.kind, "unit": f.unit}
            | ({"categories": list(f.categories)} if f.kind == "category" else {})
            for f in features
        ],
        "outputs": [{"name": name, "unit": unit, "expression": expression} for name, unit, expression in outputs],
    }
    files = {"model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}
    return files | {name: text.encode() for name, text in sorted(boosters.items())}


def booster(file: str, *, link: str = "identity", append: Sequence[float] = (), init: float = 0.0) -> Expression:
    """A LightGBM model's score through a link."""
    return {"op": "booster", "file": file, "link": link, "append": list(append), "init": init}


def constant(value: float) -> Expression:
    """The same number for everybody."""
    return {"op": "constant", "value": float(value)}


def linear(intercept: float, weights: Sequence[float], of: Sequence[Expression]) -> Expression:
    """A weighted sum of expressions."""
    return {"op": "linear", "intercept": float(intercept), "weights": [float(w) for w in weights], "of": list(of)}


def product(of: Sequence[Expression]) -> Expression:
    """A product of expressions."""
    return {"op": "product", "of": list(of)}


def interpolate(x: Sequence[float], y: Sequence[float], of: Expression) -> Expression:
    """A piecewise linear map, flat outside."""
    return {"op": "interpolate", "x": [float(v) for v in x], "y": [float(v) for v in y], "of": of}
