"""How long a customer is left alone after a contact, learned from contacts that chance drew soon after others.

Past campaigns, and those who explore, hold contacts of people who had one shortly before. With g_i the doubly robust
effect of what the policy would send, in rows that it did not learn from, and d_i the days since the last contact

    gain of a band   = mean of g_i over rows with  from <= d_i < until,   lower end at the gate's confidence
    gain if rested   = mean of g_i over rows with  d_i >= until, or without any contact before

A contact takes the place of a later one, so two soon ones must earn more than one that is rested. Customers rest for a
month, the time between two rounds, unless the lower end of the band before it is above half of the gain if rested. What
contacts drive away is mostly not seen in the outcome window, so contacts in a row must be proven, and rest need not.
A rest of two months, which a month had to be proven against, was tried too: at 34,000 contacts the proof mostly failed
where it should not (experiments/2026-11-closed-loop).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netlift.evaluation.closed_loop import RestBand
from netlift.evaluation.off_policy import LoggedOutcomes, policy_difference
from netlift.pipelines.ship_uplift import ShippedUplift
from netlift.results import Estimate

RESTS = (0, 31)  # days of rest to choose among: none, or a month
LONGEST = RESTS[-1]
SINCE = "days_since_last_contact"
FEWEST_ROWS = 100
WORTH = 0.5  # of a rested contact: two soon ones take its place


def measure_rests(shipped: ShippedUplift, *, confidence: float) -> tuple[RestBand, ...]:
    """What the policy earns by days since the last contact, on the evidence that the gate was asked by.

    Args:
        shipped: The chosen learner with its evidence.
        confidence: That the truth lies above the lower end of a gain.

    Returns:
        A band for each of `RESTS` that has enough rows; none where the features do not tell the days.
    """
    since, bands = _days_since_contact(shipped), []
    if since is None:
        return ()
    for first, end in zip(RESTS, (*RESTS[1:], 2 * LONGEST), strict=True):
        inside, rested = (since >= first) & (since < end), ~(since < end)  # NaN, no contact before, is rested
        if min(inside.sum(), rested.sum()) < FEWEST_ROWS:
            continue
        gains = [_gain(shipped, rows, level=2 * confidence - 1) for rows in (inside, rested)]
        bands.append(RestBand(rest_days=first, rows=int(inside.sum()), gain=gains[0], rested=gains[1]))
    return tuple(bands)


def shortest_rest(bands: tuple[RestBand, ...]) -> int:
    """The shortest rest after which contacts are proven to earn over half of a rested one; the longest where none are.

    Examples:
        >>> def band(days: int, lower: float) -> RestBand:
        ...     gain = Estimate(point=lower + 9, ci_lower=lower, ci_upper=lower + 18, level=0.8, unit="", method="")
        ...     return RestBand(rest_days=days, rows=500, gain=gain, rested=replace(gain, point=40.0))
        >>> shortest_rest((band(0, 16.0), band(31, 26.0))), shortest_rest((band(0, 21.0), band(31, 26.0)))
        (31, 0)
        >>> shortest_rest(())
        31
    """
    proven = (band.rest_days for band in bands if band.gain.ci_lower > max(0.0, band.rested.point * WORTH))
    return min(proven, default=LONGEST)


def _days_since_contact(shipped: ShippedUplift) -> np.ndarray | None:
    """Days since the last contact of each row of the evidence, NaN without one, shape (n,); None where not known."""
    names = [feature.name for feature in shipped.rows.features]
    if SINCE not in names:
        return None
    return np.asarray(shipped.rows.X[shipped.evidence.rows, names.index(SINCE)])


def _gain(shipped: ShippedUplift, rows: np.ndarray, *, level: float) -> Estimate:
    """Profit of the policy above none on some rows of the evidence."""
    whole, policy = shipped.evidence.logged, shipped.evidence.policy[rows]
    parts = {name: getattr(whole, name)[rows] for name in ("y", "arm", "propensity", "scores", "customer")}
    logged: LoggedOutcomes = replace(whole, **parts, level=level)
    return policy_difference(logged, policy, np.zeros(len(policy), dtype=np.int64))


__all__ = ["LONGEST", "RESTS", "measure_rests", "shortest_rest"]
