"""Charts of the scorecard as SVG: money, churn, customers and loyalty by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlift.report.charts import color_series, draw
from netlift.report.palette import series_colors

NEAR_ZERO = 0.4  # of the highest value: what lies lower is drawn from zero


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
            color=_colors("part", names),
            order=alt.Order("order:Q"),
        )
    )
    return draw(chart, language)


def lines_chart(
    months: Sequence[str],
    series: Mapping[str, Sequence[tuple[float | None, float | None, float | None]]],
    *,
    unit: str,
    language: str,
    as_share: bool = False,
    from_zero: bool = False,
) -> bytes:
    """Figures by month with their intervals, one line each.

    Args:
        months: Names of the months, oldest first.
        series: Name of a figure to (value, lower end, upper end) in each month, None where there is none.
        unit: What is on the axis.
        language: How numbers are written.
        as_share: Write the axis in per cent.
        from_zero: The axis holds zero however far from it the figures lie; else it does where they come near.
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
    y = alt.Y("value:Q", title=unit, axis=axis, scale=alt.Scale(zero=from_zero or _is_near_zero(rows)))
    base = alt.Chart(alt.Data(values=rows))
    color = _colors("figure", names)
    layers = alt.layer(
        base.transform_filter("isValid(datum.lower)")
        .mark_rule(strokeWidth=1.5, opacity=0.6)
        .encode(x=_months(months), y=alt.Y("lower:Q", title=unit), y2="upper:Q", color=color),
        base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=45)).encode(x=_months(months), y=y, color=color),
    )
    return draw(layers, language)


def _is_near_zero(rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [float(row[name]) for row in rows for name in ("value", "lower", "upper") if row[name] is not None]
    return bool(values) and min(map(abs, values)) <= NEAR_ZERO * max(map(abs, values))


def _months(months: Sequence[str]) -> Any:
    import altair as alt

    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    return alt.X("month:O", title=None, axis=axis, scale=alt.Scale(domain=list(months)))


def _colors(field: str, names: Sequence[str]) -> Any:
    return color_series(field, dict(zip(names, series_colors(len(names)), strict=True)))
