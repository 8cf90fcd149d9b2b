"""Charts as SVG, drawn without a network."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netlift.data.memory import require_memory
from netlift.report.palette import LIGHT
from netlift.report.small_svg import shrink
from netlift.results import Estimate
from netlift.text import clean, clean_lines

WIDTH, HEIGHT = 460, 280
PAGE_WIDTH, PAGE_HEIGHT, TEXT = (
    360,
    210,
    12,
)  # of a page's chart, no wider than a phone, so that its text stays readable
BLUE, ORANGE, GREY, INK = (LIGHT[name] for name in ("blue", "orange", "grey", "ink"))
LABEL_LETTERS, LABEL_LINES, LINE = 19, 3, 14  # letters, lines, pixels
VEGA_LITE = "6.1"
DRAWING_MB = 131_072.0  # of addresses, which the engine that draws reserves and hardly uses
UNLIMITED = "charts reserve addresses, of which they use few: lift that limit, and limit memory by a cgroup"
LOCALES = {
    "ru": {"decimal": ",", "thousands": "\u00a0", "grouping": [3], "currency": ["", "\u00a0₽"], "percent": "\u00a0%"},
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["$", ""]},
}
CONFIG: dict[str, Any] = {
    "background": LIGHT["paper"],
    "padding": 10,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": LIGHT["line"],
        "domainColor": GREY,
        "tickColor": GREY,
        "labelSeparation": 6,
    },
    "text": {"color": INK, "fontSize": TEXT},
    "title": {"fontSize": 15, "anchor": "start", "offset": 12, "color": INK, "subtitleColor": INK},
    "legend": {
        "labelFontSize": TEXT,
        "labelColor": INK,
        "symbolOpacity": 1,
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "offset": 4,
    },
}
ABOVE = {"titleAngle": 0, "titleAlign": "left", "titleBaseline": "bottom", "titleX": 0, "titleY": -8}
PAGE = CONFIG | {
    "padding": {"left": 2, "top": 2, "right": 10, "bottom": 2},
    "axisLeft": ABOVE,
    "axisQuantitative": {"tickCount": 5},
    "legend": CONFIG["legend"] | {"offset": 24},
}


def calibration_chart(
    *, predicted: np.ndarray, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, title: str
) -> bytes:
    """Predicted chance against the share that came true, per bin, beside the line where the two are equal.

    Args:
        predicted: Mean predicted chance per bin, shape (bins,), in [0, 1].
        observed: Share that came true, shape (bins,).
        lower: Lower end of its interval, shape (bins,).
        upper: Upper end of its interval, shape (bins,).
        title: Title of the chart.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    top = float(np.nanmax([*predicted, *upper, 0.01]))
    rows = _rows(predicted=predicted, observed=observed, lower=lower, upper=upper)
    scale = alt.Scale(domain=[0, min(1.0, 1.05 * top)], nice=False)
    x = alt.X("predicted:Q", title="predicted chance", axis=alt.Axis(format=".0%"), scale=scale)
    y = alt.Y("observed:Q", title="share that came true", axis=alt.Axis(format=".0%"), scale=scale)
    ends = _rows(predicted=np.array([0.0, scale.domain[1]]), observed=np.array([0.0, scale.domain[1]]))
    equal = alt.Chart(ends).mark_line(color=GREY, strokeDash=[5, 4]).encode(x=x, y=y)
    bins = alt.Chart(rows)
    intervals = bins.mark_rule(color=BLUE, strokeWidth=1.5).encode(x=x, y=alt.Y("lower:Q", scale=scale), y2="upper:Q")
    points = bins.mark_line(color=BLUE, point=alt.OverlayMarkDef(size=50, color=BLUE), strokeWidth=1.5).encode(x=x, y=y)
    return _render(alt.layer(equal, intervals, points), title=title, subtitle="dashed: predicted equals observed")


def gains_chart(*, share: np.ndarray, captured: np.ndarray, outcome: str, title: str) -> bytes:
    """How much of an outcome the highest-scored customers hold, beside the line of drawing customers by chance.

    Args:
        share: Share of customers, highest scores first, shape (points,), rising from 0 to 1.
        captured: Share of the outcome they hold, shape (points,).
        outcome: What the outcome is, such as "lost customers" or "margin".
        title: Title of the chart.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    x = alt.X("share:Q", title="share of customers, highest scores first", axis=alt.Axis(format=".0%"))
    y = alt.Y("captured:Q", title=f"share of {outcome}", axis=alt.Axis(format=".0%"))
    chance = alt.Chart(_rows(share=np.array([0.0, 1.0]), captured=np.array([0.0, 1.0])))
    model = alt.Chart(_rows(share=share, captured=captured))
    layers = alt.layer(
        chance.mark_line(color=GREY, strokeDash=[5, 4]).encode(x=x, y=y),
        model.mark_line(color=BLUE, strokeWidth=2).encode(x=x, y=y),
    )
    return _render(layers, title=title, subtitle="dashed: customers drawn by chance")


def deciles_chart(
    *, predicted: np.ndarray, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, unit: str, title: str
) -> bytes:
    """Predicted against observed by tenth of customers, highest predictions first; for value, lift and uplift alike.

    Args:
        predicted: Mean prediction per tenth, shape (tenths,), highest first, in `unit`.
        observed: What was observed there, shape (tenths,).
        lower: Lower end of its interval, shape (tenths,).
        upper: Upper end of its interval, shape (tenths,).
        unit: What is on the axis, such as "RUB per customer".
        title: Title of the chart.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    tenths = np.arange(1, len(predicted) + 1)
    base = alt.Chart(_rows(tenth=tenths, predicted=predicted, observed=observed, lower=lower, upper=upper))
    x = alt.X("tenth:O", title="tenth of customers, highest predictions first", axis=alt.Axis(labelAngle=0))
    y = alt.Y("observed:Q", title=unit)
    colors = alt.Scale(domain=["observed, with interval", "predicted"], range=[BLUE, ORANGE])
    color = alt.Color("what:N", scale=colors)
    bars = base.transform_calculate(what="'observed, with interval'").mark_bar(opacity=0.55, size=26)
    ticks = base.transform_calculate(what="'predicted'").mark_tick(thickness=3, size=34, opacity=1)
    layers = alt.layer(
        bars.encode(x=x, y=y, color=color),
        base.mark_rule(color="#1b3f66", strokeWidth=1.5).encode(x=x, y="lower:Q", y2="upper:Q"),
        ticks.encode(x=x, y="predicted:Q", color=color),
        alt.Chart(_rows(zero=np.array([0.0]))).mark_rule(color="#444444").encode(y="zero:Q"),
    )
    return _render(layers, title=title)


def importance_chart(importance: Mapping[str, float], *, title: str, top: int = 20) -> bytes:
    """The features that carry most of the gain.

    Args:
        importance: Share of the gain by feature.
        title: Title of the chart.
        top: How many to show.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    first = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:top]
    rows = alt.Data(values=[{"feature": name, "share": float(share)} for name, share in first])
    y = alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=320))
    x = alt.X("share:Q", title="share of gain", axis=alt.Axis(format=".0%"))
    base = alt.Chart(rows)
    text = base.mark_text(align="left", dx=4, fontSize=11).encode(x=x, y=y, text=alt.Text("share:Q", format=".1%"))
    subtitle = f"the first {len(first)} of {len(importance)} features" if len(importance) > len(first) else ""
    layers = alt.layer(base.mark_bar(color=BLUE, size=12).encode(x=x, y=y), text)
    return _render(layers, title=title, subtitle=subtitle, height=max(60, 20 * len(first)))


def leaderboard_chart(names: Sequence[str], values: Sequence[Estimate], *, title: str) -> bytes:
    """What each candidate is worth, with its interval, best first.

    Args:
        names: Candidates and baselines.
        values: One estimate for each, all in one unit.
        title: Title of the chart.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    pairs = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1].point)
    rows = alt.Data(
        values=[
            {"name": name, "point": value.point, "lower": value.ci_lower, "upper": value.ci_upper}
            for name, value in pairs
        ]
    )
    base = alt.Chart(rows)
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=320, grid=True))
    unit = values[0].unit.replace("/", " per ")
    x = alt.X(
        "point:Q", title=f"{unit} (interval: {100 * values[0].level:g} %)", scale=alt.Scale(zero=False, padding=12)
    )
    layers = [
        base.mark_rule(color=BLUE, strokeWidth=2).encode(x=alt.X("lower:Q"), x2="upper:Q", y=y),
        base.mark_point(filled=True, size=90, color=BLUE, opacity=1).encode(x=x, y=y),
    ]
    if min(value.ci_lower for value in values) < 0 < max(value.ci_upper for value in values):
        zero = alt.Chart(_rows(zero=np.array([0.0]))).mark_rule(color="#444444", strokeDash=[5, 4])
        layers.append(zero.encode(x="zero:Q"))
    return _render(alt.layer(*layers), title=title, height=max(60, 32 * len(pairs)))


def _rows(**columns: np.ndarray) -> Any:
    """Columns as Vega-Lite data; a number that is not finite is left blank."""
    import altair as alt

    lists = {name: [float(v) if np.isfinite(v) else None for v in column] for name, column in columns.items()}
    return alt.Data(values=[dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)])


def _render(chart: Any, *, title: str, subtitle: str = "", height: int = HEIGHT) -> bytes:
    import altair as alt

    heading = alt.TitleParams(title, subtitle=subtitle) if subtitle else alt.TitleParams(title)
    return to_svg(chart.properties(width=WIDTH, height=height, title=heading))


def require_room_to_draw() -> None:
    """Refuse a limit on the process's addresses under which no chart can be drawn.

    Raises:
        ResourceError: The limit is too low; the message names it.
    """
    require_memory(DRAWING_MB, cure=UNLIMITED)


def to_svg(chart: Any, *, language: str = "en", config: dict[str, Any] = CONFIG) -> bytes:
    """A chart of Altair drawn, numbers as the language writes them; its texts may come from anywhere.

    A letter that XML does not have would abort the process, and not raise. Altair's check of the specification takes a
    fifth of a page's time, and is left to the tests.
    """
    import vl_convert

    require_room_to_draw()
    locale: Any = LOCALES[language]
    svg: str = vl_convert.vegalite_to_svg(
        _cleaned(chart.to_dict(validate=False)),
        vl_version=VEGA_LITE,
        config=config,
        allowed_base_urls=[],
        format_locale=locale,
    )
    return shrink(svg).encode()


def draw(chart: Any, language: str, *, height: int = PAGE_HEIGHT) -> bytes:
    """A chart of a page: as wide as a phone with all that stands around it, the unit above its axis.

    Args:
        chart: A chart of Altair, of one view.
        language: How numbers are written.
        height: Of what is drawn, without titles and legend, in pixels.
    """
    fitted = chart.properties(width=PAGE_WIDTH, height=height, autosize={"type": "fit-x", "contains": "padding"})
    return to_svg(fitted, language=language, config=PAGE)


def color_series(field: str, colors: Mapping[str, str], *, columns: int = 2) -> Any:
    """A colour for each series, and the legend that names them where there are several.

    Args:
        field: Which field of the rows names the series.
        colors: Name of a series to its colour, in the order of the legend.
        columns: Of the legend, where the names are short.
    """
    import altair as alt

    fitting = columns if max(map(len, colors)) <= LABEL_LETTERS + 4 else 1
    legend = alt.Legend(columns=fitting, labelLimit=PAGE_WIDTH // fitting - 24) if len(colors) > 1 else None
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())), legend=legend)


def name_rows(labels: Sequence[str], *, grid: bool = False) -> tuple[Any, int]:
    """The axis that names the rows of a chart, long names in several lines, and how high it makes a row at least.

    Args:
        labels: Names of the rows from top to bottom.
        grid: Draw a line through each row.
    """
    import altair as alt

    labels = [*map(clean, labels)]
    lines = {label: textwrap.wrap(label, LABEL_LETTERS, max_lines=LABEL_LINES, placeholder="…") for label in labels}
    most = max((len(parts) for parts in lines.values()), default=1)
    counted = f"length(({json.dumps(lines, ensure_ascii=False)})[datum.label])"
    lifted = [{"test": f"{counted} == {n}", "value": -LINE * (n - 1) / 2} for n in range(2, most + 1)]
    axis = alt.Axis(
        labelLimit=0,
        labelExpr=counted.removeprefix("length(").removesuffix(")"),
        labelOffset={"condition": lifted, "value": 0} if lifted else 0,
        labelLineHeight=LINE,
        grid=grid,
        ticks=False,
    )
    return alt.Y("label:N", sort=list(labels), title=None, axis=axis), LINE * most + 8


def _cleaned(spec: Any) -> Any:
    if isinstance(spec, dict):
        return {_cleaned(name): _cleaned(part) for name, part in spec.items()}
    if isinstance(spec, list):
        return [_cleaned(part) for part in spec]
    return clean_lines(spec) if isinstance(spec, str) else spec


def zero_line(axis: str, title: str) -> Any:
    """The line of zero across an axis."""
    import altair as alt

    encode = {axis: alt.X("zero:Q", title=title) if axis == "x" else alt.Y("zero:Q", title=title)}
    return alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, strokeWidth=1).encode(**encode)
