"""Added effect of a second contact within an open window, by offer.

An effect is of an outcome window of W days, so that a contact soon after another may count money that the first one
brings anyway. Held-out campaigns hold contacts of people who had one shortly before. With g_i the doubly robust effect
of an offer on the rows to which the policy would send it, and d_i the days since the last contact

    added (k to W)  = mean of g_i over rows with  k <= d_i < W
    rested          = mean of g_i over rows with  d_i >= W, or without any contact before

A customer is left alone for the window. For each offer the rest is shortened from W to 3W/4, W/2, W/4 and none as long
as the lower end of what is added after so many days, up to the rest before it, is above 0 and above half of what a
rested contact brings: another contact takes the place of a later one, so it must earn more than half of it. The steps
are a fixed sequence and the first that fails ends it, so that the chance to shorten wrongly is that of one test. Where
an offer has too few such rows, all offers of its channel are asked together: their contacts annoy in the same way.

References:
    Maurer, Hothorn, Lehmacher (1995), Multiple comparisons in drug clinical trials: a-priori ordered hypotheses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from netlift.evaluation.policy.off_policy import LoggedOutcomes, policy_difference
from netlift.results import Estimate

SINCE = "days_since_last_contact"  # the feature that tells d
STEPS = 4
FEWEST_ROWS = 100
WORTH = 0.5  # of a rested contact
CONFIDENCE = 0.95  # that nothing is let follow too soon, shared out among offers and channels


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
        channel: Whose offers together tell it; empty where the offer alone does.
    """

    offer_id: str
    rest_days: int
    share: float = 0.0
    rows: int = 0
    added: Estimate | None = None
    rested: Estimate | None = None
    channel: str = ""


def find_added_effects(
    logged: LoggedOutcomes,
    policy: np.ndarray,
    since: np.ndarray | None,
    *,
    offers: Sequence[str],
    window_days: int,
    channels: Mapping[str, str] = MappingProxyType({}),
) -> tuple[AddedEffect, ...]:
    """How soon each offer may follow another contact, in the order of offers.

    Args:
        logged: Rows that the policy did not learn from.
        policy: The arm that it chooses for each, 0 for none, shape (n,).
        since: Days since the last contact of each row, NaN without one, shape (n,); None where nobody knows.
        offers: Names of arms 1 to m.
        window_days: Length of the outcome window.
        channels: Of the offers, by their names, as far as they are known.
    """
    if since is None:
        return tuple(AddedEffect(offer_id=offer, rest_days=window_days) for offer in offers)
    of_channel = {
        channel: [arm for arm, offer in enumerate(offers, start=1) if channels.get(offer) == channel]
        for channel in dict.fromkeys(channels.values())
    }
    shared = {channel: arms for channel, arms in of_channel.items() if len(arms) > 1}
    level = 1 - 2 * (1 - CONFIDENCE) / max(len(offers) + len(shared), 1)

    def find(arms: Sequence[int], offer: str) -> AddedEffect:
        chosen = np.isin(policy, arms)
        return _find(logged, policy, chosen, since, offer_id=offer, window_days=window_days, level=level)

    found = []
    for arm, offer in enumerate(offers, start=1):
        own, channel = find([arm], offer), channels.get(offer, "")
        together = replace(find(shared[channel], offer), channel=channel) if channel in shared and not own.rows else own
        found.append(together)
    return tuple(found)


def _find(
    logged: LoggedOutcomes,
    policy: np.ndarray,
    chosen: np.ndarray,
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
    rested = _gain(logged, rested_rows, policy, level=level)
    until = window_days
    for step in reversed(range(STEPS)):
        first = round(window_days * step / STEPS)
        rows = chosen & (since >= first) & (since < until)
        if rows.sum() < FEWEST_ROWS:
            break
        added = _gain(logged, rows, policy, level=level)
        found = replace(found, rows=int(rows.sum()), added=added, rested=rested)
        if not added.ci_lower > max(0.0, WORTH * rested.point):
            break
        whole = _gain(logged, chosen & (since >= first) & open_before, policy, level=level)
        share = min(1.0, whole.point / rested.point) if rested.point > 0 else 1.0
        found, until = replace(found, rest_days=first, share=max(share, 0.0)), first
    return found


def _gain(logged: LoggedOutcomes, rows: np.ndarray, policy: np.ndarray, *, level: float) -> Estimate:
    """Profit of the offers that are chosen above none on some rows."""
    parts = {name: getattr(logged, name)[rows] for name in ("y", "arm", "propensity", "scores", "customer")}
    weight = None if logged.weight is None else logged.weight[rows]
    own: LoggedOutcomes = replace(logged, **parts, weight=weight, level=level)
    return policy_difference(own, policy[rows], np.zeros(len(own), dtype=np.int64))


__all__ = ["SINCE", "AddedEffect", "find_added_effects"]
