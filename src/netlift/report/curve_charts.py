"""Curve charts as SVG: survival by day, and power by assumed profit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlift.report.charts import GREY, color_series, draw
from netlift.report.palette import series_colors


def curves_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    axes: tuple[str, str],
    language: str,
    marks: Sequence[float] = (),
) -> bytes:
    """Shares of one along a number, one line each.

    Args:
        curves: Name of a line to (number, share), in rising order of the number.
        axes: What is on the horizontal and on the vertical axis.
        language: How numbers are written.
        marks: Numbers at which an upright dashed line stands.
    """
    import altair as alt

    rows = [{"line": name, "at": at, "share": share} for name, curve in curves.items() for at, share in curve]
    x = alt.X("at:Q", title=axes[0], scale=alt.Scale(nice=False))
    y = alt.Y("share:Q", title=axes[1], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    color = color_series("line", dict(zip(curves, series_colors(len(curves)), strict=True)))
    line = alt.Chart(alt.Data(values=rows)).mark_line(strokeWidth=2.5).encode(x=x, y=y, color=color)
    upright = alt.Chart(alt.Data(values=[{"at": at} for at in marks])).mark_rule(strokeDash=[5, 4], color=GREY)
    layers = alt.layer(*([upright.encode(x=x)] if marks else []), line)
    return draw(layers, language)


__all__ = ["curves_chart"]
