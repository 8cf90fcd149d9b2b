"""Parameters of trees: LightGBM itself takes what is allowed at its ends, and refuses what is refused."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from netlift.config.definitions import Search
from netlift.config.tree_params import MOST, TREE_PARAMS

DRAWN = np.random.default_rng(1)
X, Y = DRAWN.normal(size=(60, 3)), DRAWN.normal(size=60)
SEARCH = {"trials": 1, "folds": 2, "max_rounds": 1, "patience": 1}


def _grows(name: str, value: float) -> bool:
    try:
        given = {name: int(value) if float(value).is_integer() else value}
        lgb.train({"verbosity": -1, "num_threads": 1, **given}, lgb.Dataset(X, Y), num_boost_round=1)
    except lgb.basic.LightGBMError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(TREE_PARAMS))
def test_lightgbm_takes_both_ends_and_refuses_beyond_where_it_says_so(name: str) -> None:
    param = TREE_PARAMS[name]
    assert name in lgb.basic._ConfigAliases._get_all_param_aliases(), "not one of LightGBM's main names"
    low = param.low + 1e-3 if param.above_low else param.low
    assert _grows(name, low) and _grows(name, param.high if param.high < MOST else 1000)
    ends = [param.low if param.above_low else param.low - 1, *([param.high + 1] if param.high < MOST else [])]
    ours_alone = {"bagging_freq", "max_depth", "max_delta_step"}  # LightGBM takes any number here
    for beyond in ends:
        assert param.find_mistake(beyond)
        assert name in ours_alone or not _grows(name, beyond)


@pytest.mark.parametrize(
    ("space", "fixed", "told"),
    [
        ({"num_leafs": {"low": 2, "high": 8, "whole": True}}, {}, "did you mean num_leaves"),
        ({"num_leaves": {"low": 1, "high": 8, "whole": True}}, {}, "num_leaves: low"),
        ({"num_leaves": {"low": 2, "high": 8}}, {}, "whole: true"),
        ({"feature_fraction": {"low": 0.5, "high": 1.5}}, {}, "feature_fraction: high"),
        ({"min_data_in_leaf": {"low": 0, "high": 8, "log": True, "whole": True}}, {}, "above zero"),
        ({"lambda_l2": {"low": 0, "high": "inf"}}, {}, "finite"),
        ({}, {"max_bin": 2000}, "max_bin: LightGBM has no such parameter of its trees"),
        ({}, {"learning_rate": 0}, "learning_rate"),
        ({"lambda_l2": {"low": 0, "high": 1}}, {"lambda_l2": 1}, "both searched and fixed"),
    ],
)
def test_a_search_that_lightgbm_would_refuse_is_refused_at_loading(space: dict, fixed: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Search(**SEARCH, space=space, fixed=fixed)
