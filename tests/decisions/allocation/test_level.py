"""The level bundle finds the lowest point of functions whose lowest point is known, and proves it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from netlift.decisions.allocation.bundle_method import Effort, minimise

EFFORT = Effort(tolerance=1e-8, most=2_000)


def test_the_largest_of_planes_is_lowest_where_a_linear_program_says() -> None:
    rng = np.random.default_rng(0)
    slopes, offsets = rng.normal(0, 1, (30, 5)), rng.normal(5, 1, 30)
    slopes[:5] = np.eye(5)
    slopes[5] = -np.ones(5)
    found = minimise(
        lambda x: ((slopes @ x + offsets).max(), slopes[(slopes @ x + offsets).argmax()]), np.ones(5), -100.0, EFFORT
    )
    program = linprog(
        np.r_[np.zeros(5), 1], A_ub=np.c_[slopes, -np.ones(30)], b_ub=-offsets, bounds=[(0, None)] * 5 + [(None, None)]
    )
    assert found.value == pytest.approx(program.fun, rel=1e-6)
    assert found.proven <= program.fun + 1e-6 * abs(program.fun)


def test_variables_end_at_zero_where_the_lowest_point_is_below_it() -> None:
    centre = np.array([2.0, -1.0, 0.5])
    found = minimise(lambda x: (1 + ((x - centre) ** 2).sum(), 2 * (x - centre)), np.full(3, 4.0), 0.0, EFFORT)
    assert found.x == pytest.approx([2.0, 0.0, 0.5], abs=1e-3)
    assert found.value == pytest.approx(2.0, rel=1e-7)


def test_it_stops_once_there_is_no_point_in_going_on() -> None:
    effort = Effort(tolerance=1e-8, most=2_000, stop_below=-1e6)
    found = minimise(lambda x: (-float(x.sum()), -np.ones(2)), np.zeros(2), -1e9, effort)
    assert found.value <= -1e6 and found.evaluations < 200
