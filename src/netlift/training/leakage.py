"""Leakage tests of contact features: a changed future, and the assignment itself.

A feature from before the assignment cannot tell the arm that was drawn afterwards, beyond the logged chances. One that
does was measured later (an attribute as of today, visits since the contact, another outcome of the same campaign), or
the campaign was not drawn as it says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.data.checks.sample_ratio import ROUNDING
from netlift.data.read import Tables
from netlift.errors import LeakageError
from netlift.estimators.rows import ContactRows
from netlift.evaluation.causal_checks.balance import ALL_CAMPAIGNS, Arms, BalanceRow, compare_arms
from netlift.features.leakage import require_no_leak
from netlift.features.queries import Queries
from netlift.features.vocabulary import Vocabulary

BLIND_SAMPLE = 500
BLIND_MOMENTS = 1
ALARM = 0.001
BROKEN_DRAW_SHARE = 0.25
SURE_ERRORS = 4.0
SHOWN = 5


def require_blind_contacts(
    tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int, seed: int
) -> int:
    """Refuse features of contacts that change when everything after the assignment is taken away or made up.

    Customers of the moments with the most assignments are asked about: everything is read once more for each moment.

    Args:
        tables: The business's tables.
        queries: Customers as of their assignment.
        vocabulary: Values of the categorical columns.
        observation_days: How far back features see.
        seed: Of the sample.

    Returns:
        How many contacts were asked about.

    Raises:
        LeakageError: Names the features.
    """
    moments, counts = np.unique(queries.cutoff, return_counts=True)
    busiest = moments[np.argsort(-counts, kind="stable")[:BLIND_MOMENTS]]
    among = np.flatnonzero(np.isin(queries.cutoff, busiest))
    drawn = np.random.default_rng(seed).permutation(among)[:BLIND_SAMPLE]
    require_no_leak(tables, queries.take(np.sort(drawn)), vocabulary, observation_days=observation_days)
    return len(drawn)


def require_arms_unforeseen(rows: ContactRows, campaigns: Sequence[str]) -> str:
    """Refuse features that tell the arm of a randomized campaign better than chance ever could.

    Of all comparisons together, one in a thousand draws gives a false alarm (see `evaluation.balance`). Campaigns in
    which an arm was not open to everybody are left out: there the arms differ by design.

    Args:
        rows: Contact rows with the logged chances.
        campaigns: Names of the campaigns, by code.

    Returns:
        What was found, in words.

    Raises:
        LeakageError: The features with campaign, offer and standardized mean difference, worst first.
    """
    closed = [code for code in np.unique(rows.campaign) if not _open_to_all(rows, code)]
    asked = rows.take(~np.isin(rows.campaign, closed)) if closed else rows
    left_out = f"; not asked where an arm was not open to everybody: {_list(campaigns, closed)}" if closed else ""
    if not len(asked):
        return f"features cannot be held against the draw{left_out}"
    arms = Arms(
        arm=asked.arm,
        weight=1.0 / asked.propensity,
        campaign=asked.campaign,
        offers=rows.offers,
        campaigns=campaigns,
    )
    found = compare_arms(asked.X, asked.features, arms)
    telling = [row for row in found if row.p_value < ALARM]
    if telling:
        raise LeakageError(_refusal(telling, features=len(rows.features)))
    worst = f", {found.rows[0].feature} comes nearest (SMD {found.rows[0].smd:+.2f})" if len(found) else ""
    return f"no feature tells the arm in {len(found):,} comparisons{worst}{left_out}"


def _open_to_all(rows: ContactRows, campaign: int) -> bool:
    """Whether the logged chances can be those of arms that everybody could draw.

    The mean chance of an arm over all customers is its rows over their sum of 1 / p. The means add up to 1 where
    everybody could draw every arm, and to more where some could not (see `data.sample_ratio`).
    """
    inside = rows.campaign == campaign
    count = np.bincount(rows.arm[inside])
    weight = np.bincount(rows.arm[inside], weights=1.0 / rows.propensity[inside])
    squares = np.bincount(rows.arm[inside], weights=1.0 / rows.propensity[inside] ** 2)
    drawn = count > 0
    mean = count[drawn] / weight[drawn]
    spread = float(np.sum(mean**2 * squares[drawn] - count[drawn]))
    noise = ROUNDING * (len(mean) + 1) + np.sqrt(max(spread, 0.0)) / inside.sum()
    return bool(mean.sum() - 1 <= SURE_ERRORS * noise)


def _refusal(telling: Sequence[BalanceRow], *, features: int) -> str:
    worst = list({row.feature: row for row in reversed(telling)}.values())[::-1]
    shown = [
        f"{row.feature} ({'all campaigns' if row.campaign == ALL_CAMPAIGNS else f'campaign {row.campaign}'}, "
        f"{row.offer} against control: SMD {row.smd:+.2f}, z {row.z:+.1f})"
        for row in worst[:SHOWN]
    ]
    more = f" and {len(worst) - SHOWN} more" if len(worst) > SHOWN else ""
    by_campaign = {name: {row.feature for row in telling if row.campaign == name} for name in _campaigns(telling)}
    torn = [name for name, names in by_campaign.items() if len(names) > BROKEN_DRAW_SHARE * features]
    if torn:
        cure = (
            f"In campaign {', '.join(torn)} so many features do that the draw itself must be at fault: correct "
            "contacts.propensity, or set campaigns.randomized to false"
        )
    else:
        cure = "Compute them as of contacts.assigned_at, or name them in exclude"
    return (
        f"contacts: {len(worst)} of {features} features tell the arm beyond chance (p < {ALARM:g} for all together): "
        f"{'; '.join(shown)}{more}. What was known before the assignment cannot: they were measured later, or the arms "
        f"were not drawn with the logged chances, or not open to everybody. {cure}"
    )


def _campaigns(telling: Sequence[BalanceRow]) -> list[str]:
    return sorted({row.campaign for row in telling} - {ALL_CAMPAIGNS})


def _list(campaigns: Sequence[str], codes: Sequence[int]) -> str:
    return ", ".join(campaigns[code] for code in codes)
