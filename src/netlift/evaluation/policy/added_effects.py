"""Added effect of a second contact within an open window, by offer.

An effect is of an outcome window of W days, so that a contact soon after another may count money that the first one
brings anyway. Held-out campaigns hold contacts of people who had one shortly before. With g_i the doubly robust effect
of an offer on the rows to which the policy would send it, and d_i the days since the last contact

    added (k to W)  = mean of g_i over rows with  k <= d_i < W
    rested          = mean of g_i over rows with  d_i >= W, or without any contact before

A customer is left alone for the window. For each offer the rest is shortened from W to 3W/4, W/2, W/4 and none as long
as the lower end of what is added after so many days, up to the rest before it, is above 0 and above half of what a
rested contact brings: another contact takes the place of a later one, so it must earn more than half of it. The steps
are a fixed sequence and the first that fails ends it, so that the chance to shorten wrongly is that of one test.

References:
    Maurer, Hothorn, Lehmacher (1995), Multiple comparisons in drug clinical trials: a-priori ordered hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.evaluation.policy.off_policy import LoggedOutcomes, policy_difference
from netlift.results import Estimate

SINCE = "days_since_last_contact"  # the feature that tells d
STEPS = 4
FEWEST_ROWS = 100
WORTH = 0.5  # of a rested contact
CONFIDENCE = 0.95  # that no offer is let follow too soon, shared out among them


@dataclass(frozen=True, kw_only=True)
class AddedEffect:
    """How soon an offer may follow another contact, and what it then adds.

    Attributes:
        offer_id: The offer.
        rest_days: Days since the last contact from which another one is proven to add profit; those of the window
            where nothing is.
        share: What it then adds, as a share of a rested contact's effect, from 0 to 1; 0 where nothing is proven.
        rows: Contacts, and draws of none, behind the last step that was tried; 0 where data are too few.
        added: What another contact added there, per customer; None where data are too few.
        rested: What a rested contact brings; None likewise.
    """

    offer_id: str
    rest_days: int
    share: float = 0.0
    rows: int = 0
    added: Estimate | None = None
    rested: Estimate | None = None


def find_added_effects(
    logged: LoggedOutcomes,
    policy: np.ndarray,
    since: np.ndarray | None,
    *,
    offers: Sequence[str],
    window_days: int,
) -> tuple[AddedEffect, ...]:
    """How soon each offer may follow another contact, in the order of offers.

    Args:
        logged: Rows that the policy did not learn from.
        policy: The arm that it chooses for each, 0 for none, shape (n,).
        since: Days since the last contact of each row, NaN without one, shape (n,); None where nobody knows.
        offers: Names of arms 1 to m.
        window_days: Length of the outcome window.
    """
    if since is None:
        return tuple(AddedEffect(offer_id=offer, rest_days=window_days) for offer in offers)
    level = 1 - 2 * (1 - CONFIDENCE) / max(len(offers), 1)
    return tuple(
        _find(logged, policy == arm, arm, since, offer_id=offer, window_days=window_days, level=level)
        for arm, offer in enumerate(offers, start=1)
    )


def _find(
    logged: LoggedOutcomes,
    chosen: np.ndarray,
    arm: int,
    since: np.ndarray,
    *,
    offer_id: str,
    window_days: int,
    level: float,
) -> AddedEffect:
    open_before = since < window_days  # NaN, no contact before, is rested
    found = AddedEffect(offer_id=offer_id, rest_days=window_days)
    rested_rows = chosen & ~open_before
    if rested_rows.sum() < FEWEST_ROWS:
        return found
    rested = _gain(logged, rested_rows, arm, level=level)
    until = window_days
    for step in reversed(range(STEPS)):
        first = round(window_days * step / STEPS)
        rows = chosen & (since >= first) & (since < until)
        if rows.sum() < FEWEST_ROWS:
            break
        added = _gain(logged, rows, arm, level=level)
        found = replace(found, rows=int(rows.sum()), added=added, rested=rested)
        if not added.ci_lower > max(0.0, WORTH * rested.point):
            break
        whole = _gain(logged, chosen & (since >= first) & open_before, arm, level=level)
        share = min(1.0, whole.point / rested.point) if rested.point > 0 else 1.0
        found, until = replace(found, rest_days=first, share=max(share, 0.0)), first
    return found


def _gain(logged: LoggedOutcomes, rows: np.ndarray, arm: int, *, level: float) -> Estimate:
    """Profit of an offer above none on some rows."""
    parts = {name: getattr(logged, name)[rows] for name in ("y", "arm", "propensity", "scores", "customer")}
    weight = None if logged.weight is None else logged.weight[rows]
    own: LoggedOutcomes = replace(logged, **parts, weight=weight, level=level)
    return policy_difference(own, np.full(len(own), arm), np.zeros(len(own), dtype=np.int64))


__all__ = ["SINCE", "AddedEffect", "find_added_effects"]
