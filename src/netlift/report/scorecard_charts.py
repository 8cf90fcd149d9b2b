"""The scorecard's charts as SVG: money, churn, customers and loyalty by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlift.report.charts import to_svg

WIDTH, HEIGHT = 620, 280
PALETTE = (
    "#1b4f8a",
    "#4a90d0",
    "#2a8f7a",
    "#7fb069",
    "#e0a526",
    "#d9772b",
    "#a5423b",
    "#8a6bb1",
    "#b58bb0",
    "#7a6a58",
    "#5d6670",
    "#b5bac0",
)
CONTRAST = ("#1b4f8a", "#d9772b", "#2a8f7a", "#8a6bb1")


def stacked_chart(
    months: Sequence[str], series: Mapping[str, Sequence[float | None]], *, unit: str, language: str
) -> bytes:
    """Parts of a whole by month, one above the other.

    Args:
        months: Names of the months, oldest first.
        series: Name of a part to its value in each month, the first at the bottom.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    names = list(series)
    rows = [
        {"month": month, "part": name, "value": value, "order": order}
        for order, name in enumerate(names)
        for month, value in zip(months, series[name], strict=True)
        if value is not None
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=_months(months),
            y=alt.Y("value:Q", title=unit, stack="zero"),
            color=_colors("part", names, columns=4),
            order=alt.Order("order:Q"),
        )
    )
    return _draw(chart, language)


def lines_chart(
    months: Sequence[str],
    series: Mapping[str, Sequence[tuple[float | None, float | None, float | None]]],
    *,
    unit: str,
    language: str,
    as_share: bool = False,
    from_zero: bool = True,
) -> bytes:
    """Figures by month with their intervals, one line each.

    Args:
        months: Names of the months, oldest first.
        series: Name of a figure to (value, lower end, upper end) in each month, None where there is none.
        unit: What is on the axis.
        language: How numbers are written.
        as_share: Write the axis in per cent.
        from_zero: The axis holds zero.
    """
    import altair as alt

    names = list(series)
    rows = [
        {"month": month, "figure": name, "value": value, "lower": lower, "upper": upper}
        for name in names
        for month, (value, lower, upper) in zip(months, series[name], strict=True)
        if value is not None
    ]
    axis = alt.Axis(format=".0%") if as_share else alt.Axis()
    y = alt.Y("value:Q", title=unit, axis=axis, scale=alt.Scale(zero=from_zero))
    base = alt.Chart(alt.Data(values=rows))
    color = _colors("figure", names, columns=len(names))
    layers = alt.layer(
        base.transform_filter("isValid(datum.lower)")
        .mark_rule(strokeWidth=1.5, opacity=0.6)
        .encode(x=_months(months), y=alt.Y("lower:Q", title=unit), y2="upper:Q", color=color),
        base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=45)).encode(x=_months(months), y=y, color=color),
    )
    return _draw(layers, language)


def _months(months: Sequence[str]) -> Any:
    import altair as alt

    return alt.X(
        "month:O",
        title=None,
        axis=alt.Axis(labelAngle=-45 if len(months) > 6 else 0),
        scale=alt.Scale(domain=list(months)),
    )


def _colors(field: str, names: Sequence[str], *, columns: int) -> Any:
    import altair as alt

    colors = CONTRAST if len(names) <= len(CONTRAST) else PALETTE
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(names), range=[colors[i % len(colors)] for i in range(len(names))]),
        legend=alt.Legend(columns=columns, labelLimit=220) if len(names) > 1 else None,
    )


def _draw(chart: Any, language: str) -> bytes:
    return to_svg(chart.properties(width=WIDTH, height=HEIGHT), language=language)
