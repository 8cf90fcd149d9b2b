"""Brent's method against SciPy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from netlift.abtest.stats.root import find_root


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: math.cos(x) - x, 0.0, 2.0),
        (lambda x: x**3 - 2 * x - 5, -1.0, 4.0),
        (lambda x: math.exp(x) - 1e6, -10.0, 40.0),
        (lambda x: (x - 3) ** 3 + 1e-3, 10.0, -5.0),
        (lambda x: math.copysign(1.0, x - 0.3), -1.0, 1.0),
    ],
)
def test_the_root_is_that_of_scipy(function, low, high):
    asked = []
    root = find_root(lambda x: asked.append(x) or function(x), low, high)
    theirs, told = brentq(function, low, high, full_output=True)
    assert root == pytest.approx(theirs, abs=4e-12, rel=1e-14)
    assert len(asked) <= told.function_calls + 1


@given(st.floats(-100, 100), st.floats(0.01, 50), st.floats(0.01, 50))
def test_a_known_root_is_found_from_any_bracket(root, left, right):
    def cubic(x):
        return (x - root) * (1 + (x - root) ** 2)

    assert find_root(cubic, root - left, root + right) == pytest.approx(root, abs=1e-9)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_an_end_that_is_the_root_is_the_answer(end):
    assert find_root(lambda x: x - end, 0.0, 1.0) == end


def test_equal_signs_are_refused():
    with pytest.raises(ValueError, match="same sign at 1"):
        find_root(lambda x: x, 1.0, 2.0)
