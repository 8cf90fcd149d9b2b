"""The root of a function between two ends, without the second that SciPy's optimisers take to import.

References:
    Brent (1973), Algorithms for Minimization without Derivatives, chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable

RTOL = 4 * 2.0**-52
MOST_STEPS = 100


def find_root(function: Callable[[float], float], low: float, high: float, *, xtol: float = 2e-12) -> float:
    """Where a continuous function is zero, by Brent's method; the steps are those of `scipy.optimize.brentq`.

    Args:
        function: Of different signs at the two ends.
        low: One end.
        high: The other.
        xtol: How far from the root the answer may lie, beside a few units in its last place.

    Raises:
        ValueError: The signs at the ends do not differ.
        ArithmeticError: No root after `MOST_STEPS` steps.

    Examples:
        >>> round(find_root(lambda x: x * x - 2, 0.0, 2.0), 12)
        1.414213562373
    """
    before, at, other = low, high, low
    f_before, f_at = function(before), function(at)
    f_other = f_before
    if f_before == 0:
        return before
    if f_at == 0:
        return at
    if (f_before < 0) == (f_at < 0):
        raise ValueError(f"the function has the same sign at {low} ({f_before}) and at {high} ({f_at})")
    last = step = 0.0
    for _ in range(MOST_STEPS):
        if f_before != 0 and f_at != 0 and (f_before < 0) != (f_at < 0):
            other, f_other = before, f_before
            last = step = at - before
        if abs(f_other) < abs(f_at):
            before, at, other = at, other, at
            f_before, f_at, f_other = f_at, f_other, f_at
        least = (xtol + RTOL * abs(at)) / 2
        half = (other - at) / 2
        if f_at == 0 or abs(half) < least:
            return at
        tried = None
        if abs(last) > least and abs(f_at) < abs(f_before):
            if before == other:
                tried = -f_at * (at - before) / (f_at - f_before)
            else:
                to_before, to_other = (f_before - f_at) / (before - at), (f_other - f_at) / (other - at)
                inner = to_other * to_before * (f_other - f_before)
                tried = -f_at * (f_other * to_other - f_before * to_before) / inner if inner else None
        if tried is not None and 2 * abs(tried) < min(abs(last), 3 * abs(half) - least):
            last, step = step, tried
        else:
            last = step = half
        before, f_before = at, f_at
        at += step if abs(step) > least else (least if half > 0 else -least)
        f_at = function(at)
    raise ArithmeticError(f"no root between {low} and {high} within {MOST_STEPS} steps")
