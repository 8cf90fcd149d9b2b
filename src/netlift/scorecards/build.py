"""The CVM scorecard: figures by segment and month, and their largest changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from statistics import NormalDist
from typing import Any

import pandas as pd

from netlift.results import Estimate, Table
from netlift.segments.figures import (
    TOTAL,
    Against,
    Basis,
    CampaignEffect,
    Change,
    ChannelCost,
    Note,
    Scorecard,
    SegmentFigure,
)
from netlift.segments.metrics import METRICS, MONEY_FIRST, MetricRequest, SegmentMetric
from netlift.segments.monthly import JOINED, OUTSIDE, Month
from netlift.segments.sums import LEVEL, Measured, Z, mean_of

EXTRA_SEGMENTS = (JOINED, OUTSIDE)
MONTHS_BACK: Mapping[Against, int] = {"month": 1, "year": 12}
MOST_HIGHLIGHTS = 5


def build_scorecard(
    basis: Basis,
    sums: Mapping[Month, pd.DataFrame],
    *,
    shown: Sequence[Month],
    channels: pd.DataFrame,
    effects: Mapping[Month, CampaignEffect],
    notes: Sequence[Note] = (),
) -> Scorecard:
    """Figures and changes out of the months' sums.

    Args:
        basis: What they rest on.
        sums: What `monthly.sum_month` counted, by month; a month that is not shown is compared with alone.
        shown: The months shown, oldest first.
        channels: What `monthly.sum_channels` counted.
        effects: What the months' contacts earned, where there are readouts.
        notes: What to know.
    """
    segments = _order(basis, sums)
    figures = [
        figure
        for month in sorted(sums)
        for segment in segments
        for figure in _figures(basis, month, segment, sums[month], effects.get(month))
    ]
    changes = tuple(_changes(figures, segments, newest=max(shown)))
    inside = {month.first for month in shown}
    return Scorecard(
        basis=basis,
        months=tuple(month.first for month in shown),
        segments=segments,
        figures=Table(name="figures", rows=tuple(figure for figure in figures if figure.month in inside)),
        changes=Table(name="changes", rows=changes),
        highlights=Table(name="highlights", rows=tuple(_highlights(changes, segments))),
        channels=Table(name="channels", rows=tuple(_channel_costs(channels, inside))),
        notes=tuple(notes),
    )


def combine_effects(estimates: Sequence[tuple[Estimate, float]]) -> CampaignEffect:
    """The readouts of a month's campaigns as one effect; the campaigns' errors are taken as independent.

    Args:
        estimates: Incremental profit and incremental cost of each campaign.
    """
    profit = sum(estimate.point for estimate, _ in estimates)
    cost = sum(cost for _, cost in estimates)
    variance = sum(_squared_error(estimate) for estimate, _ in estimates)
    half = Z * math.sqrt(variance)
    method = "sum over campaigns, normal interval"
    total = Measured(value=profit, half_width=(half, half), n=len(estimates), method=method)
    if cost <= 0:
        return CampaignEffect(profit=total, roi=None)
    ratio = Measured(value=profit / cost, half_width=(half / cost, half / cost), n=len(estimates), method=method)
    return CampaignEffect(profit=total, roi=ratio)


def _squared_error(estimate: Estimate) -> float:
    z = NormalDist().inv_cdf(0.5 + estimate.level / 2)
    return ((estimate.ci_upper - estimate.ci_lower) / (2 * z)) ** 2


def _order(basis: Basis, sums: Mapping[Month, pd.DataFrame]) -> tuple[str, ...]:
    """All together, the segments in the business's order, any other by name, then who is in no segment."""
    seen = {str(name) for frame in sums.values() for name in frame.index}
    known = [name for name in basis.segments if name in seen]
    others = sorted(seen - set(known) - set(EXTRA_SEGMENTS))
    return (TOTAL, *known, *others, *(name for name in EXTRA_SEGMENTS if name in seen))


def _figures(
    basis: Basis, month: Month, segment: str, sums: pd.DataFrame, effect: CampaignEffect | None
) -> Iterator[SegmentFigure]:
    asked_of = sums.index if segment == TOTAL else sums.index.intersection([segment])
    row = sums.loc[asked_of].sum().to_dict()
    asked = MetricRequest(
        sums={str(name): float(value) for name, value in row.items()},
        is_total=segment == TOTAL,
        is_base=segment not in EXTRA_SEGMENTS,
        missing=basis.missing,
        is_mature=basis.rule is not None and basis.rule.is_mature(month),
        level_sd=basis.level_sd,
        profit=effect.profit if effect else None,
        roi=effect.roi if effect else None,
    )
    for metric in METRICS:
        yield _figure(metric, asked, month, segment, basis.currency)


def _figure(metric: SegmentMetric, asked: MetricRequest, month: Month, segment: str, currency: str) -> SegmentFigure:
    answer = metric.answer(asked)
    unit = "/".join(part for part in (currency * (metric.kind == "money"), metric.per) if part)
    measured = answer if isinstance(answer, Measured) else None
    ends = measured.half_width if measured else None
    return SegmentFigure(
        month=month.first,
        segment=segment,
        metric=metric.name,
        value=measured.value if measured else None,
        ci_lower=measured.value - ends[0] if measured and ends else None,
        ci_upper=measured.value + ends[1] if measured and ends else None,
        level=LEVEL,
        n=measured.n if measured else 0,
        unit=unit,
        method=measured.method if measured else "",
        absent=answer if isinstance(answer, str) else "",
    )


def _changes(figures: Sequence[SegmentFigure], segments: Sequence[str], *, newest: Month) -> Iterator[Change]:
    at = {(figure.month, figure.segment, figure.metric): figure for figure in figures}
    for segment in segments:
        for metric in METRICS:
            now = at[newest.first, segment, metric.name]
            for against, back in MONTHS_BACK.items():
                then = at.get((newest.before(back).first, segment, metric.name))
                if then is not None and now.value is not None and then.value is not None:
                    yield _change(metric, now, then, against)


def _change(metric: SegmentMetric, now: SegmentFigure, then: SegmentFigure, against: Against) -> Change:
    value, earlier = now.value or 0.0, then.value or 0.0
    relates = metric.kind not in ("share", "score") and earlier != 0
    half = _half_width(now, then)
    return Change(
        segment=now.segment,
        metric=metric.name,
        against=against,
        value=value,
        earlier=earlier,
        difference=value - earlier,
        relative=(value - earlier) / abs(earlier) if relates else None,
        ci_lower=value - earlier - half,
        ci_upper=value - earlier + half,
        is_clear=abs(value - earlier) > half,
    )


def _half_width(now: SegmentFigure, then: SegmentFigure) -> float:
    """Half the width of the difference's interval, the two figures taken as independent; 0 for counts and sums."""
    return Z * math.sqrt(sum(_squared_error(figure.estimate) for figure in (now, then) if figure.estimate))


def _highlights(changes: Sequence[Change], segments: Sequence[str]) -> Iterator[Change]:
    """Of each segment's money, what changed most against the month before; the most money first.

    Changes are ranked by the money that surely changed, then by the money itself, never by per cent: a small segment
    that doubled is no news. All customers together lead; of the segments those are named whose change is clear.
    """
    named = []
    for segment in segments:
        money = [
            change
            for change in changes
            if (change.segment, change.against) == (segment, "month") and change.metric in MONEY_FIRST
        ]
        if money:
            named.append(max(money, key=_weight))
    total = [change for change in named if change.segment == TOTAL]
    clear = [change for change in named if change.segment != TOTAL and change.surely > 0]
    yield from [*total, *sorted(clear, key=_weight, reverse=True)[:MOST_HIGHLIGHTS]]


def _weight(change: Change) -> tuple[float, float]:
    return change.surely, abs(change.difference)


def _channel_costs(channels: pd.DataFrame, months: set[date]) -> Iterator[ChannelCost]:
    records: list[dict[str, Any]] = [
        {str(name): value for name, value in record.items()} for record in channels.to_dict("records")
    ]
    for row in records:
        if row["month"] not in months:
            continue
        known = row["cac_known"]
        mean = mean_of(n=known, total=row["cac_sum"], squares=row["cac_sq"]) if known else None
        ends = mean.half_width if mean else None
        yield ChannelCost(
            month=row["month"],
            channel=row["channel"] if isinstance(row["channel"], str) else None,
            joined=int(row["joined"]),
            known=int(known),
            cac=mean.value if mean else None,
            ci_lower=mean.value - ends[0] if mean and ends else None,
            ci_upper=mean.value + ends[1] if mean and ends else None,
            level=LEVEL,
        )
