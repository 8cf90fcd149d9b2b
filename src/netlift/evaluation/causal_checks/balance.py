"""Covariate balance of arms before treatment.

A feature is looked at by its ranks within a campaign, mid-ranks scaled to [-1/2, 1/2], so that one great spender moves
nothing; missing values stand in the middle and are, as every category is, looked at once more as 0 or 1. With weights
w = 1 / p of the drawn arm, each arm is a picture of the whole campaign, and for offer a

    d      mean_a(u) - mean_0(u), weighted                              SMD = d / standard deviation of u
    error² of mean_a = the greater of  sum w²(u - mean_a)² / (sum w)²   and   variance(u) · sum w² / (sum w)²

The first error is small by accident where an arm has hardly any 1, the second where the other arm has them all: with
the greater of the two, z = d / error is not beyond the normal tail even for rare values and for levels of one in a
million. Over campaigns, which are drawn independently, d are averaged by their precision. Corrected p-values are
Bonferroni's over everything that was compared.

References:
    Austin (2009), Balance Diagnostics for Comparing the Distribution of Baseline Covariates, Statistics in Medicine
    28: SMD. Imbens, Rubin (2015), Causal Inference for Statistics, Social, and Biomedical Sciences, chapter 14.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from netlift.features.matrix import Feature
from netlift.results import Table

ALL_CAMPAIGNS = "all"
FEWEST_EFFECTIVE = 30.0


@dataclass(frozen=True, kw_only=True)
class BalanceRow:
    """One feature, one offer against control, in one campaign or over all of them.

    Attributes:
        feature: The feature.
        campaign: The campaign, or "all".
        offer: The offer.
        rows: Customers of the two arms.
        smd: Standardized mean difference of the ranks, offer less control.
        z: The difference over its standard error.
        p_value: Chance of a difference this large anywhere when all is well, Bonferroni-corrected.
    """

    feature: str
    campaign: str
    offer: str
    rows: int
    smd: float
    z: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Arms:
    """Who was drawn into which arm of which campaign.

    Attributes:
        arm: Drawn arm, int64, shape (n,); 0 is control, j is offers[j - 1].
        weight: One over the chance of the drawn arm, shape (n,).
        campaign: Code of the campaign, shape (n,).
        offers: Names of the offers.
        campaigns: Names of the campaigns, by code.
    """

    arm: np.ndarray
    weight: np.ndarray
    campaign: np.ndarray
    offers: Sequence[str]
    campaigns: Sequence[str]


def compare_arms(X: np.ndarray, features: Sequence[Feature], arms: Arms) -> Table[BalanceRow]:
    """Every feature of every offer against control, by campaign and over all campaigns, greatest |z| first.

    Arms with fewer than 30 effective rows in a campaign are not compared there. Of what is looked at several times
    (values, missing values, categories), each is a row of its own.

    Args:
        X: Features, shape (n, k), a category is its code, missing is NaN.
        features: The k features.
        arms: Arms, weights and campaigns of the n rows.
    """
    found: list[tuple[str, str, str, int, np.ndarray]] = []
    parts_of = [
        (arms.campaigns[code], inside, arms.arm[inside], arms.weight[inside])
        for code, inside in ((code, np.flatnonzero(arms.campaign == code)) for code in np.unique(arms.campaign))
    ]
    for j, feature in enumerate(features):
        by_offer: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
        for campaign, inside, arm, weight in parts_of:
            for view, u in _views(X[inside, j], feature):
                for offer, rows, smd, precision in _contrasts(u, arm, weight):
                    moments = np.array([smd * precision, precision])
                    found.append((feature.name, campaign, arms.offers[offer - 1], rows, moments))
                    by_offer.setdefault((view, offer), []).append((rows, moments))
        for (_, offer), parts in by_offer.items():
            if len(parts) > 1:
                rows, moments = sum(r for r, _ in parts), np.sum([m for _, m in parts], axis=0)
                found.append((feature.name, ALL_CAMPAIGNS, arms.offers[offer - 1], rows, moments))
    rows_of = [_row(*one, tests=len(found)) for one in found]
    return Table(name="balance", rows=tuple(sorted(rows_of, key=lambda row: -abs(row.z))))


def _row(feature: str, campaign: str, offer: str, rows: int, moments: np.ndarray, *, tests: int) -> BalanceRow:
    smd, z = float(moments[0] / moments[1]), float(moments[0] / np.sqrt(moments[1]))
    p_value = min(1.0, 2.0 * float(ndtr(-abs(z))) * tests)
    return BalanceRow(feature=feature, campaign=campaign, offer=offer, rows=rows, smd=smd, z=z, p_value=p_value)


def _views(x: np.ndarray, feature: Feature) -> Iterator[tuple[int, np.ndarray]]:
    """What is compared of a column in a campaign, numbered alike in all campaigns; constants are left out."""
    missing = np.isnan(x)
    views: list[tuple[int, np.ndarray]] = [(-1, missing.astype(np.float64))]
    if feature.kind == "category":
        views += [(code, (x == code).astype(np.float64)) for code in range(len(feature.categories))]
    elif not missing.all():
        known = ~missing
        ranks = np.zeros(len(x))
        ranks[known] = (rankdata(x[known]) - 0.5) / known.sum() - 0.5
        views.append((0, ranks))
    return ((view, u) for view, u in views if u.min() < u.max())


def _contrasts(u: np.ndarray, arm: np.ndarray, weight: np.ndarray) -> Iterator[tuple[int, int, float, float]]:
    """Offer, rows, SMD and one over its squared error, for every offer with enough rows beside control."""
    arms = int(arm.max()) + 1
    total = np.bincount(arm, weights=weight, minlength=arms)
    squares = np.bincount(arm, weights=weight**2, minlength=arms)
    count = np.bincount(arm, minlength=arms)
    enough = (count > 0) & (total**2 >= FEWEST_EFFECTIVE * squares)
    if not enough[0]:
        return
    total[count == 0] = 1.0
    mean = np.bincount(arm, weights=weight * u, minlength=arms) / total
    spread = float(np.average((u - np.average(u, weights=weight)) ** 2, weights=weight))
    own = np.bincount(arm, weights=(weight * (u - mean[arm])) ** 2, minlength=arms) / total**2
    error = np.maximum(own, spread * squares / total**2)
    for offer in np.flatnonzero(enough[1:]) + 1:
        smd = float((mean[offer] - mean[0]) / np.sqrt(spread))
        yield int(offer), int(count[0] + count[offer]), smd, spread / float(error[0] + error[offer])
