"""The portfolio's chart as SVG: the funnel of campaigns' effects against their errors."""

from __future__ import annotations

from collections.abc import Sequence

from netlift.report.charts import BLUE, GREY, draw

HEIGHT = 260


def funnel_chart(
    effects: Sequence[tuple[str, float, float]],
    *,
    centre: float,
    z: float,
    titles: tuple[str, str],
    language: str,
) -> bytes:
    """Effects by their standard errors, the surest on top, with the funnel that holds them if all were alike.

    Args:
        effects: Name, effect and standard error of each.
        centre: What the funnel stands on.
        z: Standard errors to either side of it.
        titles: Of the axes, effect and error.
        language: How numbers are written.
    """
    import altair as alt

    widest = 1.05 * max(error for _, _, error in effects)
    x = alt.X("effect:Q", title=titles[0], scale=alt.Scale(zero=False, padding=10))
    y = alt.Y("error:Q", title=titles[1], scale=alt.Scale(domain=[0, widest], reverse=True, nice=False))
    sides = [
        {"effect": centre + side * z * error, "error": error, "side": side}
        for side in (-1, 1)
        for error in (0.0, widest)
    ]
    points = [{"effect": effect, "error": error, "name": name} for name, effect, error in effects]
    spine = [{"effect": centre, "error": error} for error in (0.0, widest)]
    base = alt.Chart(alt.Data(values=points))
    layers = alt.layer(
        alt.Chart(alt.Data(values=sides)).mark_line(color=GREY, strokeDash=[5, 4]).encode(x=x, y=y, detail="side:N"),
        alt.Chart(alt.Data(values=spine)).mark_line(color=GREY).encode(x=x, y=y),
        base.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(x=x, y=y),
        base.mark_text(align="left", dx=7).encode(x=x, y=y, text="name:N"),
    )
    return draw(layers, language, height=HEIGHT)
