"""Where the money of a calendar month and year is: earned and lost by campaigns, offers, channels and segments.

A campaign belongs to the period in which it began. Luck is taken out by what all campaigns taught, not by the few of a
month, and offers and channels are benchmarked to the campaigns' sum: each moves by as much as its own uncertainty
allows, its interval with it, so that the tables of a period add up to its total.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from netlift.abtest.portfolio.groups import advise, total_by
from netlift.abtest.portfolio.result import MoneyPeriod, PeriodName, Total
from netlift.abtest.portfolio.totals import Beliefs, sum_shrunken
from netlift.abtest.stats.moments import PROFIT
from netlift.results import Estimate


def read_periods(  # noqa: PLR0913 - the parts of a portfolio
    whole: Beliefs,
    arms: Beliefs,
    segments: Sequence[Beliefs],
    *,
    channel_of: Mapping[str, str],
    unread: Collection[date],
    until: datetime,
    shrunken: Mapping[str, float],
    level: float,
    currency: str,
) -> tuple[MoneyPeriod, ...]:
    """The month and the year of the last day seen, and all there is.

    Args:
        whole: Campaigns, all arms of each together.
        arms: Each arm.
        segments: Segments of arms, by dimension.
        channel_of: Offer to its channel.
        unread: When campaigns began that are not counted.
        until: First moment not seen.
        shrunken: Campaign to its profit without luck.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    last = (until - timedelta(microseconds=1)).date()
    starts: dict[PeriodName, date] = {"month": last.replace(day=1), "year": last.replace(month=1, day=1)}
    starts["all"] = min([*unread, *(effect.started for effect in whole.effects), last])
    written: Any = {"level": level, "currency": currency}
    found = []
    for name, since in starts.items():
        within = np.array([effect.started >= since for effect in whole.effects], dtype=bool)
        won = np.array([shrunken[effect.campaign_id] > 0 for effect in whole.effects], dtype=bool)
        earned, lost, net = (_sum(whole, within & own, **written) for own in (won, ~won, np.ones_like(won)))

        own = _since(arms, since)
        has_arms = np.isin([effect.campaign_id for effect in whole.effects], [one.campaign_id for one in own.effects])
        read = _sum(whole, within & has_arms, **written).point
        found.append(
            MoneyPeriod(
                name=name,
                since=since,
                until=until.date(),
                campaigns=int(within.sum()),
                unread=sum(day >= since for day in unread),
                earned=earned,
                lost=lost,
                net=net,
                offers=_agreeing(total_by(own, lambda one: one.arm, dimension="offer", **written), read),
                channels=_agreeing(
                    total_by(own, lambda one: channel_of.get(one.arm, ""), dimension="channel", **written), read
                ),
                by_segment=tuple(
                    total
                    for each in segments
                    for total in total_by(
                        _since(each, since),
                        lambda one: one.segment,
                        dimension=each.effects[0].dimension,
                        **written,
                    )
                ),
            )
        )
    return tuple(found)


def _since(beliefs: Beliefs, since: date) -> Beliefs:
    """What began on a day or after it, with what all effects taught."""
    effects = tuple(effect for effect in beliefs.effects if effect.started >= since)
    spread = np.flatnonzero([effect.contrast.se(PROFIT) > 0 for effect in effects])
    return replace(beliefs, effects=effects, spread=spread)


def _agreeing(totals: Sequence[Total], net: float) -> tuple[Total, ...]:
    """Totals moved so that they add up to a sum, each by as much as its own uncertainty allows."""
    variance = np.array([(total.shrunken.ci_upper - total.shrunken.ci_lower) ** 2 for total in totals])
    if not variance.sum() > 0:
        return tuple(totals)
    shifts = (net - sum(total.shrunken.point for total in totals)) * variance / variance.sum()
    return tuple(_moved(total, float(shift)) for total, shift in zip(totals, shifts, strict=True))


def _moved(total: Total, shift: float) -> Total:
    own = total.shrunken
    moved = replace(own, point=own.point + shift, ci_lower=own.ci_lower + shift, ci_upper=own.ci_upper + shift)
    return replace(total, shrunken=moved, per_contact=moved.point / total.contacts, advice=advise(moved))


def _sum(whole: Beliefs, own: np.ndarray, *, level: float, currency: str) -> Estimate:
    """Profit of some campaigns without luck; nothing of none."""
    if not own.any():
        return Estimate(point=0.0, ci_lower=0.0, ci_upper=0.0, level=level, unit=currency, method="no campaign")
    return sum_shrunken(whole, level=level, currency=currency, only=own)


__all__ = ["read_periods"]
