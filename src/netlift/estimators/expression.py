"""Writing the stored form: expressions over features, put together into files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from netlift.estimators.process_formulas import PurchaseMixture, SpendMixture
from netlift.estimators.stored import FORMAT
from netlift.estimators.value.btyd_columns import HISTORY, SPENDING
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
        task: churn, ltv, uplift, or an own task.
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


def name_output(files: Mapping[str, bytes], *, task: str, output: str) -> dict[str, bytes]:
    """The files of a model of one output, for another task and under another name.

    Args:
        files: What `write_files` gave.
        task: The task.
        output: Name of the output.
    """
    spec = json.loads(files["model.json"])
    (only,) = spec["outputs"]
    spec |= {"task": task, "outputs": [only | {"name": output}]}
    return {**files, "model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}


def booster(
    file: str,
    *,
    link: str = "identity",
    append: Sequence[float] = (),
    init: float = 0.0,
    extra: Sequence[Expression] = (),
) -> Expression:
    """A LightGBM model's score through a link; columns of its own behind the features: `extra`, then `append`."""
    expression = {"op": "booster", "file": file, "link": link, "append": list(append), "init": init}
    return expression | ({"extra": list(extra)} if extra else {})


def extend_boosters(expression: Expression, extra: Sequence[Expression]) -> Expression:
    """The expression with `extra` behind the features of each booster in it that has no columns of its own.

    Examples:
        >>> extend_boosters(product([constant(2.0), booster("trees.txt")]), [column("age")])["of"][1]["extra"]
        [{'op': 'column', 'name': 'age'}]
    """
    if not extra:
        return expression
    inside = {name: [extend_boosters(one, extra) for one in of] for name, of in expression.items() if name == "of"}
    return expression | inside | ({"extra": list(extra)} if expression["op"] == "booster" else {})


def ziln(
    file: str, *, init: Sequence[float], sigma: float | None = None, extra: Sequence[Expression] = ()
) -> Expression:
    """The mean of a zero-inflated log-normal from a LightGBM model with three scores; `sigma` is one spread for all."""
    start = [float(value) for value in init]
    return {"op": "ziln", "file": file, "init": start, "sigma": sigma, "extra": list(extra), "what": "mean"}


def constant(value: float) -> Expression:
    """The same number for everybody."""
    return {"op": "constant", "value": float(value)}


def column(name: str) -> Expression:
    """A feature as it is."""
    return {"op": "column", "name": name}


def linear(intercept: float, weights: Sequence[float], of: Sequence[Expression]) -> Expression:
    """A weighted sum of expressions."""
    return {"op": "linear", "intercept": float(intercept), "weights": [float(w) for w in weights], "of": list(of)}


def product(of: Sequence[Expression]) -> Expression:
    """A product of expressions."""
    return {"op": "product", "of": list(of)}


def maximum(of: Sequence[Expression]) -> Expression:
    """The largest of some expressions, row by row."""
    return {"op": "maximum", "of": list(of)}


def name_of_largest(
    names: Sequence[str], of: Sequence[Expression], *, none: str, unknown: str | None = None
) -> Expression:
    """The name of the largest of some expressions: text, a whole output of its own.

    Args:
        names: Of the expressions.
        of: The expressions.
        none: Said where no one is above 0.
        unknown: Said where one of them is missing.
    """
    return {"op": "name_of_largest", "names": list(names), "of": list(of), "none": none, "unknown": unknown}


def ratio(over: Expression, under: Expression, *, fallback: float) -> Expression:
    """One expression over another, `fallback` where that is zero."""
    return {"op": "ratio", "of": [over, under], "fallback": float(fallback)}


def purchase_process(
    process: PurchaseMixture,
    what: Literal["p_alive", "purchases"],
    *,
    from_days: float = 0,
    to_days: float = 0,
    names: Sequence[str] = HISTORY,
) -> Expression:
    """What a purchase process says of a customer; NaN for those without a purchase day.

    Args:
        process: The population.
        what: `p_alive`: chance of being alive `to_days` from now; `purchases`: expected purchase days between
            `from_days` and `to_days` from now.
        from_days: Where purchases start to count.
        to_days: Where they end.
        names: Features of purchase days, age at the last and time since the first.

    Raises:
        ValueError: `from_days` for P(alive), which is of one moment, or above `to_days`.
    """
    if from_days > (to_days if what == "purchases" else 0):
        raise ValueError(f"{what} from {from_days} to {to_days} days: purchases take from <= to, p_alive no from_days")
    return {
        "op": "purchase_process",
        "what": what,
        "family": process.family,
        "r": process.r,
        "alpha": process.alpha,
        "a": process.a,
        "b": process.b,
        "unit_days": process.unit_days,
        "from_days": float(from_days),
        "to_days": float(to_days),
        "names": list(names),
    }


def spend(model: SpendMixture, *, names: Sequence[str] = SPENDING) -> Expression:
    """Expected money of a purchase day; the population's mean where a customer has none above zero."""
    return {"op": "spend", "p": model.p, "q": model.q, "gamma": model.gamma, "names": list(names)}


def interpolate(x: Sequence[float], y: Sequence[float], of: Expression) -> Expression:
    """A piecewise linear map, flat outside."""
    return {"op": "interpolate", "x": [float(v) for v in x], "y": [float(v) for v in y], "of": of}
