"""Charts of a readout as SVG: profit waterfall, forest plots, density, probability by hurdle, profit by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from netlift.report.charts import INK, color_series, draw, name_rows, zero_line
from netlift.report.palette import LIGHT, series_colors

ROW, LOW = 28, 170
GAIN, GREY, GOOD, BAD, SOFT = (LIGHT[name] for name in ("blue", "grey", "gain", "loss", "line"))
ENDS = ("lower", "upper")
ROOM, EDGE = 0.24, 0.03  # of the width: for the numbers behind the bars, and before a bar that ends below zero
MOVING, WIDEST = (0.02, 0.98), 3.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One bar of a waterfall.

    Attributes:
        label: What it is.
        start: Where it begins, in the unit of the axis.
        end: Where it ends.
        shown: Its value as text.
        is_total: Whether it is the sum of those before it, and not a step.
        lower: Lower end of the interval of its end; None where none is drawn.
        upper: Upper end.
    """

    label: str
    start: float
    end: float
    shown: str
    is_total: bool = False
    lower: float | None = None
    upper: float | None = None

    @property
    def color(self) -> str:
        """Of the bar: what it adds, or what it takes."""
        return GOOD if self.end >= self.start else BAD


def waterfall_chart(steps: Sequence[Step], *, unit: str, language: str) -> bytes:
    """Bars from what was gained, less each cost, to what is left, with the interval of the last.

    Args:
        steps: The bars from left to right.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [
        {
            "label": step.label,
            "start": step.start,
            "end": step.end,
            "high": max(step.start, step.end, step.upper or step.end),
            "shown": step.shown,
            "color": step.color,
            "lower": step.lower,
            "upper": step.upper,
        }
        for step in steps
    ]
    base = alt.Chart(alt.Data(values=rows))
    y, least = name_rows([step.label for step in steps])
    ends = [end for step in steps for end in (step.start, step.end, step.lower, step.upper) if end is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = high - low or 1.0
    scale = alt.Scale(domain=[low - (EDGE * span if low < 0 else 0.0), high + ROOM * span], nice=False)
    x = alt.X("start:Q", title=unit, scale=scale)
    measured = base.transform_filter("isValid(datum.lower)")
    ticks = [measured.mark_tick(thickness=2, size=14, color=INK).encode(y=y, x=f"{end}:Q") for end in ENDS]
    layers = alt.layer(
        zero_line("x", unit),
        base.mark_bar(size=20).encode(x=x, x2="end:Q", y=y, color=alt.Color("color:N", scale=None)),
        measured.mark_rule(strokeWidth=2, color=INK).encode(x="lower:Q", x2="upper:Q", y=y),
        *ticks,
        base.mark_text(align="left", dx=6).encode(x="high:Q", y=y, text="shown:N"),
    )
    return draw(layers, language, height=max(ROW, least) * len(steps) + 10)


def density_chart(
    curve: Sequence[tuple[float, float]], *, point: float, tolerance: float, unit: str, language: str
) -> bytes:
    """How likely each profit is, losses and gains in different colours, with zero and what counts as immaterial.

    Args:
        curve: Profit and the height of its density, in rising order of the profit.
        point: The best estimate.
        tolerance: Half-width of the band that counts as immaterial; 0 for none.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [{"at": at, "height": height, "color": GOOD if at >= 0 else BAD} for at, height in curve]
    low, high = min(curve[0][0], -tolerance), max(curve[-1][0], tolerance)
    x = alt.X("at:Q", title=unit, scale=alt.Scale(domain=[low, high], nice=False))
    y = alt.Y("height:Q", axis=None)
    base = alt.Chart(alt.Data(values=rows))
    band = alt.Chart(alt.Data(values=[{"from": -tolerance, "to": tolerance}]))
    layers = [
        base.mark_area(opacity=0.75).encode(x=x, y=y, color=alt.Color("color:N", scale=None)),
        zero_line("x", unit),
        alt.Chart(alt.Data(values=[{"at": point}]))
        .mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x=x),
    ]
    if tolerance > 0:
        layers.insert(0, band.mark_rect(color=SOFT, opacity=0.7).encode(x=alt.X("from:Q", title=unit), x2="to:Q"))
    return draw(alt.layer(*layers), language, height=LOW)


def chance_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], *, hurdle: str, chance: str, language: str
) -> bytes:
    """How likely the return is to exceed each hurdle.

    Args:
        curves: Name of an arm to hurdles and the chance of exceeding them, both as shares.
        hurdle: What is on the horizontal axis.
        chance: What is on the vertical axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [{"arm": arm, "at": at, "value": value} for arm, curve in curves.items() for at, value in curve]
    base = alt.Chart(alt.Data(values=rows))
    scale = alt.Scale(domain=[0, 1])
    shown = alt.Scale(domain=_where_most_move(list(curves.values())), nice=False)
    y = alt.Y("value:Q", title=chance, scale=scale, axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]))
    line = base.mark_line(strokeWidth=2.5, clip=True).encode(
        x=alt.X("at:Q", title=hurdle, axis=alt.Axis(format=",.0%"), scale=shown),
        y=y,
        color=_colors(list(curves)),
    )
    return draw(alt.layer(zero_line("x", hurdle), line), language, height=LOW)


def days_chart(
    lines: Mapping[str, Sequence[tuple[int, float, float, float]]],
    *,
    band: str,
    wide: Sequence[tuple[int, float, float]],
    axes: tuple[str, str],
    language: str,
) -> bytes:
    """Profit so far by day since assignment, with the band of one of its lines.

    Args:
        lines: Name of an arm to (day, profit, lower, upper).
        band: The arm whose interval is drawn.
        wide: (day, lower, upper) of a wider band, that of a test that is looked at before its end; empty for none.
        axes: What is on the horizontal and on the vertical axis.
        language: How numbers are written.
    """
    import altair as alt

    days, unit = axes
    x = alt.X("day:Q", title=days, axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False))
    rows = [
        {"arm": arm, "day": d, "value": v, "lower": lo, "upper": hi} for arm, p in lines.items() for d, v, lo, hi in p
    ]
    base = alt.Chart(alt.Data(values=rows))
    color = _colors(list(lines))
    inner = alt.Chart(alt.Data(values=[row for row in rows if row["arm"] == band]))
    outer = alt.Chart(alt.Data(values=[{"day": day, "lower": low, "upper": high} for day, low, high in wide]))
    y = alt.Y("lower:Q", title=unit)
    layers = [
        *([outer.mark_area(color=SOFT, opacity=0.6).encode(x=x, y=y, y2="upper:Q")] if wide else []),
        inner.mark_area(color=GAIN, opacity=0.2).encode(x=x, y=y, y2="upper:Q"),
        zero_line("y", unit),
        base.mark_line(strokeWidth=2.5).encode(x=x, y=alt.Y("value:Q", title=unit), color=color),
    ]
    return draw(alt.layer(*layers), language)


def _where_most_move(curves: Sequence[Sequence[tuple[float, float]]]) -> list[float]:
    """The hurdles at which chances change, those of a curve left out that is much flatter than the rest."""
    ranges = []
    for curve in curves:
        moving = [at for at, value in curve if MOVING[0] <= value <= MOVING[1]] or [at for at, _ in curve]
        ranges.append((min(moving), max(moving)))
    usual = median(last - first for first, last in ranges)
    kept = [ends for ends in ranges if ends[1] - ends[0] <= WIDEST * usual]
    low, high = min(0.0, *(first for first, _ in kept)), max(0.0, *(last for _, last in kept))
    return [low, high if high > low else low + 1.0]


def _colors(names: Sequence[str]) -> Any:
    return color_series("arm", dict(zip(names, series_colors(len(names)), strict=True)))
