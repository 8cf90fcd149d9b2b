"""Evaluation of marketers' conditions for many customers at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from netlift.config.criteria import Criterion
from netlift.config.settings import did_you_mean
from netlift.errors import ConfigError


def require_known(asked: Sequence[str], known: Collection[str]) -> None:
    """Refuse conditions on what nobody knows of customers.

    Raises:
        ConfigError: All unknown names, each with what was probably meant.
    """
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ConfigError(
            "decision: "
            + "; ".join(
                f"nothing called {name!r} is known of customers{did_you_mean(name, [*known])}" for name in unknown
            )
            + ". A column of yours has to stand under data.attributes of the config"
        )


def all_hold(columns: Mapping[str, np.ndarray], criteria: Sequence[Criterion], customers: int) -> np.ndarray:
    """Whether all conditions hold, bool, shape (n,).

    Args:
        columns: Name to values, shape (n,): numbers with NaN, booleans, or words with None where they are missing.
        criteria: The conditions; none hold for a value that is missing.
        customers: n.

    Raises:
        ConfigError: A condition on what is not there, on a day, or one that compares words with a number.

    Examples:
        >>> from netlift.config.criteria import parse_criterion
        >>> segment = np.array(["new", "lost", None], dtype=object)
        >>> columns = {"segment": segment, "p_churn": np.array([0.2, np.nan, 0.9])}
        >>> all_hold(columns, [parse_criterion("segment != new")], 3)
        array([False,  True, False])
        >>> all_hold(columns, [parse_criterion("p_churn < 0.5")], 3)
        array([ True, False, False])
    """
    require_known([criterion.name for criterion in criteria], columns)
    held = np.ones(customers, dtype=bool)
    for criterion in criteria:
        held &= _holds(columns[criterion.name], criterion)
    return held


def _holds(values: np.ndarray, criterion: Criterion) -> np.ndarray:
    if values.dtype == np.bool_:
        texts = {word.lower() for word in criterion.values}
        if texts - {"true", "false"}:
            raise ConfigError(f"decision: {criterion.name} is true or false, and is compared with {', '.join(texts)}")
        equal = np.where(values, "true" in texts, "false" in texts)
        return equal if _is_equality(criterion) == "=" else ~equal
    if values.dtype.kind in "fiu":
        return _compare(values, criterion)
    if values.dtype.kind == "M":
        raise ConfigError(
            f"decision: {criterion.name} is a day, and conditions compare numbers and words; ask for the days until it"
        )
    _is_equality(criterion)
    known = np.asarray(values != None)  # noqa: E711 - element by element
    equal = np.zeros(len(values), dtype=bool)
    for word in criterion.values:
        equal |= values == word
        if word.lower() in ("true", "false"):  # a flag with gaps, or one that came as text
            equal |= values == word.lower()
    return np.asarray(known & (equal if criterion.sign == "=" else ~equal), dtype=bool)


def _is_equality(criterion: Criterion) -> str:
    if criterion.sign not in ("=", "!="):
        raise ConfigError(
            f"decision: {criterion.name} {criterion.sign} {criterion.values[0]} compares words by order; use = or !="
        )
    return criterion.sign


def _compare(values: np.ndarray, criterion: Criterion) -> np.ndarray:
    try:
        asked = [float(word) for word in criterion.values]
    except ValueError as error:
        raise ConfigError(
            f"decision: {criterion.name} is a number and is compared with {', '.join(criterion.values)}"
        ) from error
    match criterion.sign:
        case "<":
            return np.asarray(values < asked[0])
        case "<=":
            return np.asarray(values <= asked[0])
        case ">":
            return np.asarray(values > asked[0])
        case ">=":
            return np.asarray(values >= asked[0])
        case "=":
            return np.isin(values, asked)
        case _:
            return ~np.isin(values, asked) & ~np.isnan(values)


__all__ = ["all_hold", "require_known"]
