"""Charts of segments as SVG: value and risk, recency by frequency, migration of money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netlift.report.charts import INK, color_series, draw, name_rows
from netlift.report.palette import LIGHT

ROW, CELL = 28, 40
VALUE, RISK, GOOD, BAD = (LIGHT[name] for name in ("blue", "orange", "gain", "loss"))
PAPER, FAINT = LIGHT["paper"], 0.06
ROOM = 0.3  # of the width, for the numbers beside the bars


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One segment's bar.

    Attributes:
        label: The segment.
        value: Its length, in the unit of the axis.
        part: How much of it is at risk; None where nobody says.
        lower: Lower end of the interval of the length; None where none is drawn.
        upper: Upper end.
    """

    label: str
    value: float
    part: float | None = None
    lower: float | None = None
    upper: float | None = None


def bars_chart(bars: Sequence[Bar], *, names: tuple[str, str], unit: str, language: str) -> bytes:
    """Lying bars with a part of each in another colour, and the interval of the whole.

    Args:
        bars: From top to bottom.
        names: What the whole is, and what the part is.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [{"label": b.label, "value": b.value, "part": b.part, "lower": b.lower, "upper": b.upper} for b in bars]
    base = alt.Chart(alt.Data(values=rows))
    y, least = name_rows([bar.label for bar in bars])
    shown = names if any(bar.part is not None for bar in bars) else names[:1]
    color = color_series("what", dict(zip(shown, (VALUE, RISK), strict=False)), columns=1)
    scale = alt.Scale(nice=False, padding=8)
    layers = [
        base.transform_calculate(what=f"'{name}'")
        .mark_bar(size=16)
        .encode(x=alt.X(field, title=unit, scale=scale), y=y, color=color)
        for name, field in zip(shown, ("value:Q", "part:Q"), strict=False)
    ]
    measured = base.transform_filter("isValid(datum.lower)")
    whiskers = measured.mark_rule(strokeWidth=1.5, color=INK).encode(x=alt.X("lower:Q", title=unit), x2="upper:Q", y=y)
    return draw(alt.layer(*layers, whiskers), language, height=max(ROW, least) * len(bars))


def heat_chart(cells: Sequence[tuple[str, str, float, str]], *, axes: tuple[str, str], language: str) -> bytes:
    """A square of cells, the darker the more, each with its text.

    Args:
        cells: Column, row, how much, and the text, row by row from the top.
        axes: What is on the horizontal and on the vertical axis.
        language: How numbers are written.
    """
    import altair as alt

    top = max((value for _, _, value, _ in cells), default=0.0) or 1.0
    rows = [
        {"column": column, "row": row, "value": max(value, 0.0), "shown": shown, "light": value > top / 2}
        for column, row, value, shown in cells
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("column:N", sort=list(dict.fromkeys(c[0] for c in cells)), title=axes[0], axis=alt.Axis(labelAngle=0)),
        y=alt.Y("row:N", sort=list(dict.fromkeys(c[1] for c in cells)), title=axes[1]),
    )
    opacity = alt.Opacity("value:Q", scale=alt.Scale(domain=[0, top], range=[FAINT, 1]), legend=None)
    ink = alt.condition("datum.light", alt.value(PAPER), alt.value(INK))
    layers = alt.layer(
        base.mark_rect(color=VALUE).encode(opacity=opacity),
        base.mark_text().encode(text="shown:N", color=ink),
    )
    return draw(layers, language, height=CELL * len({cell[1] for cell in cells}))


def moves_chart(moves: Sequence[tuple[str, float, str]], *, unit: str, language: str) -> bytes:
    """Lying bars to either side of zero: what became more, and what became less.

    Args:
        moves: Label, change in the unit of the axis, and the change as text, from top to bottom.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [
        {"label": label, "value": value, "shown": shown, "color": GOOD if value >= 0 else BAD}
        for label, value, shown in moves
    ]
    base = alt.Chart(alt.Data(values=rows))
    y, least = name_rows([label for label, _, _ in moves])
    ends = [0.0, *(value for _, value, _ in moves)]
    room = ROOM * (max(ends) - min(ends))
    scale = alt.Scale(domain=[min(ends) - room, max(ends) + room], nice=False)
    x = alt.X("value:Q", title=unit, scale=scale)
    color = alt.Color("color:N", scale=None)
    gains, losses = base.transform_filter("datum.value >= 0"), base.transform_filter("datum.value < 0")
    layers = [
        base.mark_bar(size=16).encode(x=x, y=y, color=color),
        gains.mark_text(align="left", dx=4).encode(x=x, y=y, text="shown:N"),
        losses.mark_text(align="right", dx=-4).encode(x=x, y=y, text="shown:N"),
        alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK).encode(x=alt.X("zero:Q", title=unit)),
    ]
    return draw(alt.layer(*layers), language, height=max(ROW, least) * len(moves))


__all__ = ["RISK", "Bar", "bars_chart", "heat_chart", "moves_chart"]
