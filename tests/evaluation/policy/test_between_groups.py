from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.evaluation.policy.between_groups import between_variance


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.3])
def test_with_many_groups_it_is_what_the_groups_differ_by(truth):
    rng = np.random.default_rng(5)
    error = rng.uniform(0.05, 0.15, 400)
    estimate = 1.0 + truth * rng.normal(size=400) + error * rng.normal(size=400)
    assert between_variance(estimate, error, scale=0.12) ** 0.5 == pytest.approx(truth, abs=0.03)


def test_with_few_groups_it_is_near_what_was_believed_and_of_one_nothing_is_seen():
    two = between_variance(np.array([0.9, 1.1]), np.array([0.5, 0.5]), scale=0.12)
    assert two**0.5 == pytest.approx(0.12, rel=0.05)
    for few in (np.ones(1), np.ones(0)):
        assert between_variance(few, few, scale=0.12) == 0.0


@given(shift=st.floats(-5, 5), factor=st.floats(0.01, 100))
def test_a_shift_changes_nothing_and_another_unit_the_unit(shift, factor):
    estimate, error = np.array([0.1, -0.3, 0.5, 0.2]), np.array([0.1, 0.2, 0.1, 0.3])
    found = between_variance(estimate, error, scale=0.2)
    assert between_variance(estimate + shift, error, scale=0.2) == pytest.approx(found, rel=1e-6)
    assert between_variance(factor * estimate, factor * error, scale=factor * 0.2) == pytest.approx(factor**2 * found)
