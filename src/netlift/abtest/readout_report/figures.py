"""Figures of a readout: waterfall, density, probability by hurdle, forest plots, profit by day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import NormalDist

from netlift.abtest.readout.result import ArmReadout, CampaignReadout
from netlift.abtest.readout_report.charts import (
    GAIN,
    GREY,
    Step,
    chance_chart,
    days_chart,
    density_chart,
    waterfall_chart,
)
from netlift.abtest.readout_report.sentences import ReadoutWords, best_of, clean, is_bounded, is_exact
from netlift.abtest.stats.heterogeneity import SegmentRow
from netlift.report.document import Picture, scale_money
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.results import Estimate

COSTS = ("reward", "contact_cost", "fixed_cost")
REACH, POINTS = 3.5, 140
MOST_SEGMENTS, LONGEST_LABEL = 24, 28


def draw_waterfall(readout: CampaignReadout, say: ReadoutWords) -> Picture:
    """From margin to profit."""
    steps, unit = waterfall_steps(readout, say)
    return Picture(
        svg=waterfall_chart(steps, unit=unit, language=say.words.language),
        title=say.say("money_chart", level=say.level(readout)),
        alternative=say.say("money_alt", profit=say.whole(readout.profit)),
    )


def waterfall_steps(readout: CampaignReadout, say: ReadoutWords) -> tuple[list[Step], str]:
    """The bars from margin to profit, and the unit that they are in."""
    sums, profit = {line.name: line.total.point for line in readout.money}, readout.profit
    left = sums["margin"]
    bars: list[tuple[str, float, float]] = [("margin", 0.0, left)]
    for name in COSTS:
        bars.append((name, left, left - sums[name]))
        left -= sums[name]
    ends = (profit.ci_lower, profit.ci_upper, *(end for _, *pair in bars for end in pair))
    scale, unit = scale_money(ends, readout.currency, say.words)
    steps = [_step(name, start, end, scale, say) for name, start, end in bars]
    exact = is_exact(profit) or not is_bounded(profit)
    last = Step(
        label=say.words.say("readout_money.profit"),
        start=0.0,
        end=profit.point / scale,
        shown=_scaled(profit.point, scale, say),
        is_total=True,
        lower=None if exact else profit.ci_lower / scale,
        upper=None if exact else profit.ci_upper / scale,
    )
    return [*steps, last], unit


def draw_sure(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Picture]:
    """Which profit is likely, and the chance of an ROI above each hurdle."""
    profit, language = readout.profit, say.words.language
    if is_bounded(profit) and not is_exact(profit):
        curve = _density(profit)
        scale, unit = scale_money([curve[0][0], curve[-1][0]], readout.currency, say.words)
        svg = density_chart(
            [(at / scale, height) for at, height in curve],
            point=profit.point / scale,
            tolerance=readout.verdict.tolerance / scale,
            unit=unit,
            language=language,
        )
        yield Picture(svg=svg, title=say.say("density"), alternative=say.say("density_alt", profit=say.whole(profit)))
    label = _labels(readout, say)
    curves = {label[arm.arm]: [(p.at, p.value) for p in arm.roi_curve] for arm in readout.arms if arm.roi_curve}
    if curves:
        hurdles = [at for curve in curves.values() for at, _ in curve]
        first, last = (say.words.share(end, digits=0) for end in (min(hurdles), max(hurdles)))
        svg = chance_chart(curves, hurdle=say.say("hurdle"), chance=say.say("chance_axis"), language=language)
        yield Picture(svg=svg, title=say.say("curve"), alternative=say.say("curve_alt", first=first, last=last))


def draw_arms(readout: CampaignReadout, say: ReadoutWords) -> Picture:
    """Profit of each arm, with intervals that hold for all together."""
    label = _labels(readout, say)
    found = [(label[arm.arm], arm.profit) for arm in by_profit(readout.arms)]
    scale, unit = scale_money([end for _, e in found for end in (e.ci_lower, e.ci_upper)], readout.currency, say.words)
    whiskers = [_whisker(label, "", estimate, scale) for label, estimate in found]
    svg = forest_chart(whiskers, colors={"": GAIN}, unit=unit, language=say.words.language)
    return Picture(svg=svg, title=say.say("arms_chart", unit=unit), alternative=say.say("arms_alt"))


def draw_segments(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Picture]:
    """Profit per customer by segment, of the best arm, one drawing a split."""
    best = best_of(readout)
    for dimension, rows in by_dimension(readout, best.arm).items():
        unit = say.words.symbol(readout.currency)
        series = {say.say("raw"): GREY, say.say("shrunken"): GAIN}
        raw, shrunken = series
        label = short_names(say.segment(row.dimension, row.segment) for row in rows)
        whiskers = [
            whisker
            for row in rows[:MOST_SEGMENTS]
            for whisker in (
                _whisker(label[say.segment(row.dimension, row.segment)], raw, row.raw, 1.0),
                _whisker(label[say.segment(row.dimension, row.segment)], shrunken, row.shrunken, 1.0),
            )
        ]
        name = say.name("attribute", dimension)
        title = say.say("segments_chart", dimension=name, unit=unit)
        if len(readout.arms) > 1:
            title = say.say("segments_chart_arm", dimension=name, unit=unit, arm=_labels(readout, say)[best.arm])
        svg = forest_chart(whiskers, colors=series, unit=unit, language=say.words.language)
        yield Picture(svg=svg, title=title, alternative=say.say("segments_alt"))


def draw_days(readout: CampaignReadout, say: ReadoutWords) -> Picture:
    """Profit so far, by day since assignment."""
    best = best_of(readout)
    ends = [end for p in readout.days for end in (p.profit.ci_lower, p.profit.ci_upper)]
    scale, unit = scale_money(ends, readout.currency, say.words)
    label = _labels(readout, say)
    lines: dict[str, list[tuple[int, float, float, float]]] = {name: [] for name in label.values()}
    wide = []
    for p in readout.days:
        reach = (p.profit.ci_lower, p.profit.ci_upper) if is_bounded(p.profit) else (p.profit.point,) * 2
        lower, upper = (end / scale for end in reach)
        lines[label[p.arm]].append((p.day + 1, p.profit.point / scale, lower, upper))
        if p.arm == best.arm and p.sequential_lower is not None and p.sequential_upper is not None:
            wide.append((p.day + 1, p.sequential_lower / scale, p.sequential_upper / scale))
    svg = days_chart(
        lines, band=label[best.arm], wide=wide, axes=(say.say("day_axis"), unit), language=say.words.language
    )
    last = say.words.number(max(p.day for p in readout.days) + 1)
    return Picture(svg=svg, title=say.say("time_chart", unit=unit), alternative=say.say("time_alt", last=last))


def by_profit(arms: Sequence[ArmReadout]) -> list[ArmReadout]:
    """Arms, the most profitable first."""
    return sorted(arms, key=lambda arm: -arm.profit.point)


def by_dimension(readout: CampaignReadout, arm: str) -> Mapping[str, list[SegmentRow]]:
    """The segments of an arm by what they split by, planned splits first, best segments first within one."""
    rows = sorted((row for row in readout.segments if row.arm == arm), key=lambda row: not row.planned)
    found: dict[str, list[SegmentRow]] = {}
    for row in rows:
        found.setdefault(row.dimension, []).append(row)
    return {name: sorted(members, key=lambda row: -row.shrunken.point) for name, members in found.items()}


def _labels(readout: CampaignReadout, say: ReadoutWords) -> Mapping[str, str]:
    """What each arm is called in a drawing."""
    called = {arm.arm: say.arm(arm.arm) for arm in readout.arms}
    short = short_names(called[arm.arm] if len({*called.values()}) == len(called) else arm.arm for arm in readout.arms)
    return dict(zip(called, short.values(), strict=True))


def _density(profit: Estimate) -> list[tuple[float, float]]:
    """A normal density around the point, each side as wide as its end of the interval says.

    Zero is one of its places, so that loss and gain meet there.
    """
    z = NormalDist().inv_cdf(0.5 + profit.level / 2)
    below, above = ((profit.point - profit.ci_lower) / z, (profit.ci_upper - profit.point) / z)
    first, last = profit.point - REACH * below, profit.point + REACH * above
    places = {first + (last - first) * i / POINTS for i in range(POINTS + 1)}
    if first < 0 < last:
        places |= {0.0, -1e-9 * (last - first)}
    shape = NormalDist()
    return [(at, shape.pdf((at - profit.point) / (below if at < profit.point else above))) for at in sorted(places)]


def _step(name: str, start: float, end: float, scale: float, say: ReadoutWords) -> Step:
    label = say.words.say(f"readout_money.{name}")
    return Step(label=label, start=start / scale, end=end / scale, shown=_scaled(end - start, scale, say))


def _scaled(value: float, scale: float, say: ReadoutWords) -> str:
    """Money as the axis writes it, without its unit."""
    return say.words.number(value / scale, digits=0 if scale == 1.0 and abs(value) >= 100 else 1)


def _whisker(label: str, series: str, estimate: Estimate, scale: float) -> Whisker:
    lower, upper = estimate.ci_lower / scale, estimate.ci_upper / scale
    return Whisker(label=label, series=series, point=estimate.point / scale, lower=lower, upper=upper)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Names short enough for a chart, each still its own.

    Examples:
        >>> list(short_names(["email", "x" * 40, "x" * 41]).values())[1:]
        ['xxxxxxxxxxxxxxxxxxxxxxxxxxx…', 'xxxxxxxxxxxxxxxxxxxxxxxxx… 2']
    """
    found: dict[str, str] = {}
    for name in names:
        shown, number = _short(clean(name), LONGEST_LABEL), 1
        while shown in found.values():
            number += 1
            shown = f"{_short(clean(name), LONGEST_LABEL - 2)} {number}"
        found[name] = shown
    return found


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
