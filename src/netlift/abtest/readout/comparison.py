"""Comparison of all arms of a campaign with control, and the campaign total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from netlift.abtest.stats import skew
from netlift.abtest.stats.adjustment import Adjustment, adjusted
from netlift.abtest.stats.difference import Contrast, contrast
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, Moments
from netlift.abtest.stats.weighting import AVERAGE, arms_of, centre_of, control_of, is_pictured, treated_of
from netlift.data.contract import CONTROL

DELIVERED, AFTER = "delivered", "margin_after"
"""What is compared beside the outcomes where it is known: the contact's delivery, and margin behind the window."""


def campaign_score(groups: Mapping[str, Moments], *, covariates: Sequence[str], fixed: float) -> float:
    """Normal score of the profit of all arms together: what the bound of a planned look is held against.

    It is zero where profit does not vary. The same difference, adjustment and shape stand behind the interval.

    Args:
        groups: Arms, control and its pictures (see `weighting`).
        covariates: Pre-period figures that may be adjusted for, the most telling first.
        fixed: Fixed cost of the campaign.
    """
    whole = contrast_arms(groups, covariates=covariates)[1].contrast
    error = whole.se(PROFIT)
    if not error:
        return 0.0
    return float(skew.normal_score((whole.point(PROFIT) - fixed / whole.n_treated) / error, whole.shape))


def contrast_arms(
    groups: Mapping[str, Moments], *, covariates: Sequence[str]
) -> tuple[dict[str, Adjustment], Adjustment]:
    """Each arm against its control, and all arms together: their sum, so that their lines add up to the cent.

    Arms whose chances are unlogged are of the campaign's average customer and do not add up to what was earned: all
    arms together are then held against their own picture.

    Args:
        groups: Arms, control and its pictures (see `weighting`).
        covariates: Pre-period figures that may be adjusted for, the most telling first.
    """
    found = contrast_each(groups, covariates)
    treated, control = treated_of(groups), groups[CONTROL]
    if not is_pictured(groups) or (len(found) == 1 and AVERAGE not in groups):
        return found, add_up_arms(list(found.values()), treated, control)
    together = _adjust("all arms", treated, control, treated, covariates)
    if AVERAGE in groups:
        return found, together
    return found, add_up_arms(list(found.values()), treated, control, shared=together.contrast.control_cov)


def contrast_each(
    groups: Mapping[str, Moments], covariates: Sequence[str], *, centre: Moments | None = None
) -> dict[str, Adjustment]:
    """Each arm against its control.

    Args:
        groups: Arms, control and its pictures (see `weighting`).
        covariates: Pre-period figures that may be adjusted for, the most telling first.
        centre: Whose past the differences are taken at; None for the customers of each arm.
    """
    return {
        arm: _adjust(
            arm, cell, control_of(groups, arm), centre_of(groups, arm) if centre is None else centre, covariates
        )
        for arm, cell in arms_of(groups).items()
    }


def follow_days(
    days: Mapping[str, Sequence[Moments]], arm: str, shown: Sequence[int], *, covariates: Sequence[str]
) -> list[Contrast]:
    """An arm against its control up to the end of each day, as `contrast_each` has it for the whole window.

    Args:
        days: Arms and control, or its pictures, to their moments by day.
        arm: Offer id.
        shown: The days wanted.
        covariates: Those that the arm's own adjustment used.
    """
    found = []
    for day in shown:
        groups = {name: moments[day] for name, moments in days.items()}
        own = _adjust(arm, groups[arm], control_of(groups, arm), centre_of(groups, arm), covariates)
        found.append(own.contrast)
    return found


def add_up_arms(
    found: Sequence[Adjustment], treated: Moments, control: Moments, *, shared: np.ndarray | None = None
) -> Adjustment:
    """All arms together as the sum of them, so that their lines add up to the cent; they share one control.

        D = sum n_a D_a / N        V = sum (n_a / N)² (V_a - V_0a) + V_0

    Args:
        found: Each arm against control.
        treated: Customers of all arms.
        control: Customers of control.
        shared: V_0, where each arm has its own picture of control; the same V_0a of all arms without it.
    """
    if len(found) == 1:
        return found[0]
    names = found[0].contrast.names
    raw = contrast(treated.take(names), control.take(names), arm="all arms")
    shares = np.array([one.contrast.n_treated for one in found]) / treated.n
    parts = [one.contrast.control_cov for one in found]
    if shared is None:
        shared = np.mean(parts, axis=0)
        parts = [shared] * len(found)
    own = sum(
        share**2 * (one.contrast.covariance - part) for share, one, part in zip(shares, found, parts, strict=True)
    )
    summed = replace(
        raw,
        difference=np.sum([share * one.contrast.difference for share, one in zip(shares, found, strict=True)], axis=0),
        covariance=own + shared,
        control_cov=shared,
        method=found[0].contrast.method,
    )
    used = tuple(name for name in found[0].used if all(name in one.used for one in found))
    dropped = tuple(dict.fromkeys(name for one in found for name in one.dropped))
    return Adjustment(contrast=summed, raw=raw, used=used, dropped=dropped)


def _adjust(arm: str, treated: Moments, control: Moments, centre: Moments, covariates: Sequence[str]) -> Adjustment:
    """Arm against control, adjusted for the time before, with what is known beside the outcomes."""
    outcomes = [*OUTCOMES, *(name for name in (DELIVERED, AFTER) if name in treated.names)]
    names = [*outcomes, *covariates]
    return adjusted(
        treated.take(names),
        control.take(names),
        outcomes=outcomes,
        covariates=covariates,
        everyone=centre.take(names),
        arm=arm,
    )


__all__ = ["AFTER", "DELIVERED", "add_up_arms", "campaign_score", "contrast_arms", "contrast_each", "follow_days"]
