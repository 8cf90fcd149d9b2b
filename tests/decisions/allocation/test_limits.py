"""What an allocation is asked is checked before anything is computed, and says which limit and by how much."""

from __future__ import annotations

import numpy as np
import pytest

from netlift.decisions.allocation.problem import Limit, Problem, after_use, keep_back
from netlift.errors import DataError, GateRefusedError

VALUE = np.array([[3.0, 5.0], [2.0, -np.inf], [1.0, 4.0]])
COST = np.array([1.0, 2.0])


def test_a_negative_budget_is_refused_with_its_amount() -> None:
    with pytest.raises(DataError, match="budget is -5"):
        Problem(value=VALUE, cost=COST, budget=-5.0)


@pytest.mark.parametrize("most", [-1.0, np.inf, np.nan])
def test_a_cap_that_is_no_amount_is_refused_by_name(most: float) -> None:
    with pytest.raises(DataError, match="limit 'sms': most is"):
        Limit(name="sms", options=(0,), most=most)


def test_a_cap_below_its_own_minimum_says_by_how_much() -> None:
    with pytest.raises(DataError, match="limit 'sms': most 3 is below least 5 by 2"):
        Limit(name="sms", options=(0,), most=3, least=5)


def test_a_minimum_above_all_who_are_eligible_says_by_how_much() -> None:
    with pytest.raises(GateRefusedError, match="limit 'offer B': the minimum of 3 is 1 above the 2"):
        Problem(value=VALUE, cost=COST, limits=(Limit(name="offer B", options=(1,), least=3),))


def test_a_minimum_over_two_options_counts_a_customer_once() -> None:
    with pytest.raises(GateRefusedError, match="the minimum of 4 is 1 above the 3"):
        Problem(value=VALUE, cost=COST, limits=(Limit(name="any", options=(0, 1), least=4),))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_missing_where_eligible_is_counted(bad: float) -> None:
    value = VALUE.copy()
    value[2, 0] = bad
    with pytest.raises(DataError, match="value: 1 of 6 are missing or infinite where eligible, most in option 0"):
        Problem(value=value, cost=COST)


def test_a_value_may_be_missing_where_it_is_not_eligible() -> None:
    value, eligible = VALUE.copy(), np.ones((3, 2), dtype=bool)
    value[2, 0], eligible[2, 0] = np.nan, False
    assert Problem(value=value, cost=COST, eligible=eligible).net[2, 0] == -np.inf


@pytest.mark.parametrize("cost", [np.array([1.0, -2.0]), np.array([np.nan, 1.0]), np.array([1.0, np.inf])])
def test_a_cost_that_is_no_cost_is_counted(cost: np.ndarray) -> None:
    with pytest.raises(DataError, match="cost: 1 of 2"):
        Problem(value=VALUE, cost=cost)


def test_shapes_names_and_options_have_to_fit() -> None:
    with pytest.raises(DataError, match=r"cost has shape \(3,\)"):
        Problem(value=VALUE, cost=np.ones(3))
    with pytest.raises(DataError, match="eligible is float64"):
        Problem(value=VALUE, cost=COST, eligible=np.ones((3, 2)))
    with pytest.raises(DataError, match="option 2 does not exist, there are 2"):
        Problem(value=VALUE, cost=COST, limits=(Limit(name="x", options=(2,), most=1),))
    with pytest.raises(DataError, match="two limits are called 'budget'"):
        Problem(value=VALUE, cost=COST, limits=(Limit(name="budget", options=(1,), most=1),))
    with pytest.raises(DataError, match="an option is there twice"):
        Limit(name="x", options=(1, 1), most=1)
    with pytest.raises(DataError, match="one number not below 0 each"):
        Limit(name="x", options=(0, 1), most=1, usage=(1.0,))


def test_what_is_kept_back_and_what_is_taken_come_off_every_upper_limit() -> None:
    limits = (Limit(name="sms", options=(0,), most=10), Limit(name="minutes", options=(1,), most=7, usage=(2.5,)))
    whole = Problem(value=VALUE, cost=COST, budget=100.0, limits=limits)
    rest = after_use(keep_back(whole, share=0.05), {"sms": 4, "budget": 1.0})
    assert (rest.limits[0].most, rest.limits[1].most, rest.budget) == (5.0, pytest.approx(6.65), 94.0)
    with pytest.raises(DataError, match="'sms': 11 taken of 10, 1 too many"):
        after_use(whole, {"sms": 11})
    with pytest.raises(DataError, match="no limit here"):
        after_use(whole, {"mail": 1})
    with pytest.raises(DataError, match="share to keep back is 1"):
        keep_back(whole, share=1.0)
