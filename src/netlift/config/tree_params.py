"""LightGBM tree parameters that may be searched or fixed, with their documented ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netlift.config.settings import did_you_mean

MOST = 1e9


@dataclass(frozen=True, kw_only=True)
class TreeParam:
    """One parameter.

    Attributes:
        low: Smallest value.
        high: Largest value; of those that LightGBM leaves open, what its whole numbers hold.
        above_low: Whether `low` itself is not allowed.
        whole: Whether it is a whole number.
    """

    low: float = 0.0
    high: float = MOST
    above_low: bool = False
    whole: bool = False

    def find_mistake(self, value: float) -> str:
        """What is wrong with a value; empty where nothing is."""
        if self.whole and value != math.floor(value):
            return f"is a whole number, not {value:g}"
        if self.low <= value <= self.high and not (self.above_low and value == self.low):
            return ""
        return f"lies {'above' if self.above_low else 'from'} {self.low:g} up to {self.high:g}, not at {value:g}"


_SHARE = TreeParam(high=1, above_low=True)
_COUNT = TreeParam(low=1, whole=True)
TREE_PARAMS: Mapping[str, TreeParam] = {
    "bagging_fraction": _SHARE,
    "bagging_freq": TreeParam(whole=True),
    "cat_l2": TreeParam(),
    "cat_smooth": TreeParam(),
    "feature_fraction": _SHARE,
    "feature_fraction_bynode": _SHARE,
    "lambda_l1": TreeParam(),
    "lambda_l2": TreeParam(),
    "learning_rate": TreeParam(above_low=True),
    "max_cat_threshold": _COUNT,
    "max_cat_to_onehot": _COUNT,
    "max_delta_step": TreeParam(low=-MOST),
    "max_depth": TreeParam(low=-1, whole=True),
    "min_data_in_leaf": TreeParam(whole=True),
    "min_data_per_group": _COUNT,
    "min_gain_to_split": TreeParam(),
    "min_sum_hessian_in_leaf": TreeParam(),
    "num_leaves": TreeParam(low=2, high=131_072, whole=True),
    "path_smooth": TreeParam(),
}
"""Names and constraints as in LightGBM 4's list of parameters; `max_bin` and others of the data are netlift's own."""


def find_mistakes(name: str, values: Mapping[str, float], *, whole: bool = True) -> Iterator[str]:
    """What is wrong with values of a parameter.

    Args:
        name: The parameter.
        values: Where each value stands, to the value.
        whole: Whether only whole numbers are drawn, where values are the ends of a range.
    """
    param = TREE_PARAMS.get(name)
    if param is None:
        yield f"{name}: LightGBM has no such parameter of its trees{did_you_mean(name, [*TREE_PARAMS])}"
        return
    for place, value in values.items():
        if mistake := param.find_mistake(value):
            yield f"{name}: {place} {mistake}".replace("  ", " ")
    if param.whole and not whole:
        yield f"{name}: is a whole number; write whole: true"


__all__ = ["TREE_PARAMS", "TreeParam", "find_mistakes"]
