"""Chart of a decision run as SVG: customers per group and offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlift.report.charts import color_series, draw, name_rows
from netlift.report.palette import series_colors

ROW = 28


def contacts_chart(
    parts: Sequence[tuple[str, Mapping[str, int]]], *, series: Sequence[str], unit: str, language: str
) -> bytes:
    """Lying bars of contacts, one a part, divided by offer.

    Args:
        parts: Name of a part and its contacts by series, from top to bottom.
        series: Offers in the order of the legend.
        unit: What is on the axis.
        language: How numbers are written.
    """
    import altair as alt

    rows = [
        {"label": label, "offer": name, "value": counts[name], "place": series.index(name)}
        for label, counts in parts
        for name in counts
    ]
    y, least = name_rows([label for label, _ in parts])
    colors = color_series("offer", dict(zip(series, series_colors(len(series)), strict=True)), columns=1)
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(size=16)
        .encode(x=alt.X("value:Q", title=unit), y=y, color=colors, order=alt.Order("place:Q"))
    )
    return draw(bars, language, height=max(ROW, least) * len(parts))


__all__ = ["contacts_chart"]
