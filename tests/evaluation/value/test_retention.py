from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.value.retention import RetentionEconomics, churn_threshold, retention_profit

GOLDEN = RetentionEconomics(save_rate=0.3, take_up=1.0, incentive=10.0, contact_cost=1.0)


def test_the_threshold_of_the_worked_example_is_11_over_67():
    """methods/clv.md, section 7: save rate .3, value 200, incentive 10, contact 1, take-up 1."""
    assert churn_threshold(np.array([200.0]), GOLDEN)[0] == pytest.approx(11 / 67, abs=1e-12)


shares, money = st.floats(0.01, 1), st.floats(0.01, 500)


@given(p=st.floats(0, 1), value=st.floats(-100, 5000), save=shares, take=st.floats(0, 1), incentive=money, cost=money)
def test_a_contact_pays_exactly_above_the_threshold(p, value, save, take, incentive, cost):
    economics = RetentionEconomics(save_rate=save, take_up=take, incentive=incentive, contact_cost=cost)
    threshold = churn_threshold(np.array([value]), economics)[0]
    profit = retention_profit(np.array([p]), np.array([value]), economics)[0]
    assume(abs(p - threshold) > 1e-9 * max(1, threshold))
    assert (profit > 0) == (p > threshold)


@given(save=shares, take=st.floats(0, 1), incentive=money, cost=money)
def test_who_is_worth_more_is_contacted_sooner(save, take, incentive, cost):
    economics = RetentionEconomics(save_rate=save, take_up=take, incentive=incentive, contact_cost=cost)
    thresholds = churn_threshold(np.linspace(0, 10_000, 50), economics)
    assert all(later <= sooner for sooner, later in pairwise(thresholds))


def test_a_value_that_is_not_known_is_refused():
    with pytest.raises(DataError, match="1 of 2 values are not finite"):
        churn_threshold(np.array([1.0, np.nan]), GOLDEN)
