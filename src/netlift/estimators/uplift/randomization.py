"""Randomization of campaigns for the learners: who could draw which arm, at what propensity."""

from __future__ import annotations

import numpy as np

from netlift.errors import DataError, NotRandomizedError
from netlift.estimators.rows import ContactRows


def check_contacts(rows: ContactRows) -> None:
    """Refuse contact rows from which no effect can be learned.

    Raises:
        NotRandomizedError: A propensity is missing: nobody knows how these customers were chosen.
        DataError: No rows, a propensity outside (0, 1], a profit or margin that is not finite, an arm that its
            campaign could not draw, a campaign without control, an offer without rows.
    """
    if len(rows) == 0:
        raise DataError("contacts: no rows of a randomized campaign; need assigned customers with control among them")
    unknown = np.isnan(rows.propensity)
    if unknown.any():
        raise NotRandomizedError(
            f"contacts.propensity is missing in {_by_campaign(rows, unknown)}: nobody knows how these customers were "
            "chosen; log the chance of the drawn arm, or leave the campaign out"
        )
    outside = ~((rows.propensity > 0) & (rows.propensity <= 1))
    if outside.any():
        raise DataError(f"contacts.propensity is outside (0, 1] in {_by_campaign(rows, outside)}")
    for name, values in (("profit", rows.y), ("margin", rows.margin)):
        lost = ~np.isfinite(values)
        if lost.any():
            raise DataError(
                f"the {name} of the outcome window is not finite in {_by_campaign(rows, lost)}; "
                "a customer who bought nothing has 0"
            )
    _check_arms(rows)


def _check_arms(rows: ContactRows) -> None:
    n, arms = len(rows), len(rows.offers) + 1
    strange = (rows.arm < 0) | (rows.arm >= arms)
    if strange.any():
        raise DataError(
            f"contacts: an arm that is neither control nor one of {arms - 1} offers, in {_by_campaign(rows, strange)}"
        )
    stray = ~rows.available[np.arange(n), rows.arm]
    if stray.any():
        raise DataError(f"contacts: an arm that the campaign could not draw, in {_by_campaign(rows, stray)}")
    campaigns, code = np.unique(rows.campaign, return_inverse=True)
    control = np.bincount(code, weights=rows.arm == 0)
    if (control == 0).any():
        bare = np.isin(rows.campaign, campaigns[control == 0])
        raise DataError(
            f"contacts: no control among {_by_campaign(rows, bare)}; without customers left alone nobody can say what "
            "a contact adds: leave the campaign out"
        )
    counts = np.bincount(rows.arm, minlength=arms)
    empty = [rows.offers[j - 1] for j in range(1, arms) if counts[j] == 0]
    if empty:
        held = ", ".join(f"{offer} {count:,}" for offer, count in zip(rows.offers, counts[1:], strict=True))
        raise DataError(
            f"contacts: 0 of {n:,} rows hold the offer {', '.join(empty)} (rows by offer: {held}; control "
            f"{counts[0]:,}): leave the offer out of training until a campaign has drawn it"
        )


def _by_campaign(rows: ContactRows, mask: np.ndarray) -> str:
    """Counts of the marked rows by campaign, in words; never who they are."""
    campaigns, code = np.unique(rows.campaign, return_inverse=True)
    marked, total = np.bincount(code, weights=mask), np.bincount(code)
    parts = [
        f"{int(k):,} of {int(n):,} rows of campaign {c}" for c, k, n in zip(campaigns, marked, total, strict=True) if k
    ]
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} campaigns more" if len(parts) > 5 else "")


def stabilised_weights(rows: ContactRows) -> np.ndarray:
    """Inverse of the known propensities, relative to the arm's share of its campaign; mean 1 in each arm, shape (n,).

    They are 1 where everybody in a campaign had the same chance of an arm. Where the chances differ by stratum, they
    make each arm a picture of the whole campaign.

    References:
        Robins, Hernán, Brumback (2000), Marginal Structural Models and Causal Inference in Epidemiology.
    """
    cell = rows.campaign * (len(rows.offers) + 1) + rows.arm
    _, code = np.unique(cell, return_inverse=True)
    weight = 1.0 / rows.propensity
    return weight / (np.bincount(code, weights=weight) / np.bincount(code))[code]


def pair_of(rows: ContactRows, arm: int) -> np.ndarray:
    """Rows that compare an offer with control: of campaigns that could draw it, in one of the two arms; bool (n,)."""
    return rows.available[:, arm] & ((rows.arm == arm) | (rows.arm == 0))


def pair_propensity(rows: ContactRows, arm: int) -> np.ndarray:
    """Chance of the offer among those who drew it or control, by campaign, from the logged propensities; shape (n,).

    An arm's chance in a campaign is the harmonic mean of the propensities logged with it: where chances differ by
    stratum, that is the mean over the campaign's customers.
    """
    share = np.full(len(rows), np.nan)
    for campaign in np.unique(rows.campaign):
        inside = rows.campaign == campaign
        drawn = [inside & (rows.arm == j) for j in (0, arm)]
        if drawn[1].any():
            control, offer = (1.0 / np.mean(1.0 / rows.propensity[d]) for d in drawn)
            share[inside] = offer / (offer + control)
    return share


def average_effects(rows: ContactRows) -> np.ndarray:
    """Mean profit that each offer added, within campaigns that could draw it, by known propensities; shape (m,).

    The difference of the weighted means of offer and control of a campaign (Hájek), averaged over campaigns by size.
    """
    weight = 1.0 / rows.propensity
    effects = np.zeros(len(rows.offers))
    for arm in range(1, len(rows.offers) + 1):
        total, size = 0.0, 0
        for campaign in np.unique(rows.campaign[rows.arm == arm]):
            inside = rows.campaign == campaign
            drawn = [inside & (rows.arm == j) for j in (0, arm)]
            control, offer = (np.average(rows.y[d], weights=weight[d]) for d in drawn)
            total, size = total + (offer - control) * inside.sum(), size + int(inside.sum())
        effects[arm - 1] = total / size
    return effects
