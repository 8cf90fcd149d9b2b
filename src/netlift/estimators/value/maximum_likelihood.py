"""Bounded maximum likelihood, with a convergence check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

STEEPEST = 1e-5
MAX_STEPS = 500


@dataclass(frozen=True, kw_only=True)
class Top:
    """Where a search ended.

    Attributes:
        theta: Parameters, shape (k,).
        loss: Mean negative log-likelihood there.
        slope: Its steepest slope there, along directions that the bounds leave open.
        at_bound: Whether each parameter lies at a bound.
    """

    theta: np.ndarray
    loss: float
    slope: float
    at_bound: tuple[bool, ...]

    @property
    def settled(self) -> bool:
        """Whether it is flat there."""
        return self.slope <= STEEPEST

    @property
    def inside(self) -> bool:
        """Whether it settled away from all bounds."""
        return self.settled and not any(self.at_bound)


def climb(
    loss_and_slope: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> Top:
    """Search the top from a start.

    Args:
        loss_and_slope: Mean negative log-likelihood of a customer, and its gradient, shape (k,).
        start: Parameters, shape (k,).
        bounds: Lowest and highest value of each, shape (k, 2).

    References:
        Byrd, Lu, Nocedal, Zhu (1995), A Limited Memory Algorithm for Bound Constrained Optimization, SIAM 16(5).
    """
    low, high = bounds.T
    found = minimize(
        loss_and_slope,
        np.clip(start, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": MAX_STEPS, "maxfun": 3 * MAX_STEPS, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
    )
    theta = np.asarray(found.x)
    loss, slope = loss_and_slope(theta)
    open_slope = theta - np.clip(theta - slope, low, high)
    at_bound = tuple(bool(end) for end in (theta <= low) | (theta >= high))
    return Top(theta=theta, loss=loss, slope=float(np.abs(open_slope).max()), at_bound=at_bound)
