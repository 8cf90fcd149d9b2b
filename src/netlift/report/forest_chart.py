"""Forest plot as SVG: estimates with intervals, one label a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlift.report.charts import color_series, draw, name_rows, zero_line

ROW = 28  # pixels


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """One row of a forest.

    Attributes:
        label: What it is of.
        series: Which of the forest's series it belongs to.
        point: The estimate, in the unit of the axis.
        lower: Lower end of its interval.
        upper: Upper end.
    """

    label: str
    series: str
    point: float
    lower: float
    upper: float


def forest_chart(
    whiskers: Sequence[Whisker], *, colors: Mapping[str, str], unit: str, language: str, zero: bool = True
) -> bytes:
    """Estimates with their intervals, one label a row, series of a label beside each other.

    Args:
        whiskers: What to draw, from top to bottom.
        colors: Name of a series to its colour, in the order they stand within a row.
        unit: What is on the axis.
        language: How numbers are written.
        zero: Draw the line of zero.
    """
    import altair as alt

    rows = [
        {"label": w.label, "series": w.series, "point": w.point, "lower": w.lower, "upper": w.upper} for w in whiskers
    ]
    names, labels = list(colors), list(dict.fromkeys(w.label for w in whiskers))
    base = alt.Chart(alt.Data(values=rows))
    y, least = name_rows(labels, grid=True)
    offset = alt.YOffset("series:N", scale=alt.Scale(domain=names, paddingOuter=0.6))
    color = color_series("series", colors, columns=1)
    x = alt.X("lower:Q", title=unit, scale=alt.Scale(zero=zero, padding=10))
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=x, x2="upper:Q", y=y, yOffset=offset, color=color),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("point:Q", title=unit), y=y, yOffset=offset, color=color
        ),
    ]
    return draw(
        alt.layer(*([zero_line("x", unit)] if zero else []), *layers),
        language,
        height=max(ROW, least) * len(labels) + 20,
    )


__all__ = ["Whisker", "forest_chart"]
